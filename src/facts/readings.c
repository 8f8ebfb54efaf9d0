/*
 * readings.c
 *		What can be read from HubSpot and is kept in tables, beside properties and events.
 *
 * The table, and for each row of it what an object of HubSpot's answer becomes.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "facts/reading_rows.h"
#include "facts/readings.h"

#define AN_HOUR	3600

/* ---- hubspot.object ---------------------------------------------------------------- */

/* Whether records can be told apart by it: by what nobody may write they cannot. */
static bool
is_key(json_object *property)
{
	json_object *modification =
	reply_json_member(property, "modificationMetadata", json_type_object);

	return rows_is_true(property, "hasUniqueValue") && !rows_is_true(property, "calculated") &&
		!rows_is_true(modification, "readOnlyValue");
}

static void
append_key(StringInfo json, json_object *property)
{
	if (is_key(property))
		rows_add_element(json, rows_text_of(property, "name"));
}

static const RowKind key_kind = {"name", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_key};

static void
append_object_association(StringInfo json, json_object *association)
{
	rows_open(json);
	rows_add_text(json, "to", rows_text_of(association, "toObjectTypeId"), ROWS_MAX_NAME);
	rows_add_text(json, "from", rows_text_of(association, "fromObjectTypeId"), ROWS_MAX_NAME);
	rows_add_text(json, "name", rows_text_of(association, "name"), ROWS_MAX_NAME);
	rows_close(json);
}

static const RowKind object_association_kind =
{"toObjectTypeId", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_object_association};

/*
 * Where a new property goes: to the one that the object shows as a record's name, which nobody can
 * remove.  Else the group that HubSpot makes with an object.
 */
static const char *
property_group_of(json_object *object)
{
	json_object *properties = reply_json_member(object, "properties", json_type_array);
	const char *shown = rows_text_of(object, "primaryDisplayProperty");
	size_t		count = properties == NULL ? 0 : json_object_array_length(properties);

	for (size_t i = 0; i < Min(count, ROWS_MAX_OBJECTS); i++)
	{
		json_object *property = json_object_array_get_idx(properties, i);
		const char *group = rows_text_of(property, "groupName");

		if (strcmp(rows_text_of(property, "name"), shown) == 0 &&
			rows_is_name(group, ROWS_MAX_NAME))
			return group;
	}
	return psprintf("%s_information", rows_text_of(object, "name"));
}

static void
append_object(StringInfo json, json_object *object)
{
	json_object *labels = reply_json_member(object, "labels", json_type_object);

	rows_open(json);
	rows_add_text(json, "type_id", rows_text_of(object, "objectTypeId"), ROWS_MAX_NAME);
	rows_add_text(json, "name", rows_text_of(object, "name"), ROWS_MAX_NAME);
	rows_add_text(json, "full_name", rows_text_of(object, "fullyQualifiedName"), ROWS_MAX_NAME);
	rows_add_text(json, "label", rows_text_of(labels, "singular"), ROWS_MAX_LABEL);
	rows_add_text(json, "plural_label", rows_text_of(labels, "plural"), ROWS_MAX_LABEL);
	rows_add_text(json, "display_property", rows_text_of(object, "primaryDisplayProperty"),
				  ROWS_MAX_NAME);
	rows_add_text(json, "property_group", property_group_of(object), ROWS_MAX_NAME);
	rows_add_names(json, "required_properties",
				   reply_json_member(object, "requiredProperties", json_type_array));
	rows_add_names(json, "searchable_properties",
				   reply_json_member(object, "searchableProperties", json_type_array));
	rows_add_array(json, "unique_properties",
				   reply_json_member(object, "properties", json_type_array), &key_kind);
	rows_add_array(json, "associations",
				   reply_json_member(object, "associations", json_type_array),
				   &object_association_kind);
	rows_close(json);
}

static const RowKind object_kind =
{"objectTypeId", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_object};

/* ---- the table --------------------------------------------------------------------- */

const Reading readings[READING_COUNT] = {
	[READING_OBJECTS] = {
		.name = "objects",
		.noun = "custom objects",
		.path = PATH_OBJECT_SCHEMAS,
		.query = "includePropertyDefinitions=true&includeAssociationDefinitions=true",
		.scopes = "crm.schemas.custom.read or crm.objects.custom.read",
		.remedy = "grant one of these scopes to the token, in HubSpot; custom objects need an "
		"Enterprise subscription. Until then name them by their type ids (2-123)",
		.max_age = AN_HOUR,
		.maps = true,
		.row = &object_kind,
		.statements = {
			"DELETE FROM hubspot.object o WHERE o.server = $1 AND NOT EXISTS ("
			"SELECT FROM pg_catalog.jsonb_array_elements($3) e WHERE e->>'type_id' = o.type_id)",
			"INSERT INTO hubspot.object (server, type_id, name, full_name, label, "
			"plural_label, required_properties, unique_properties, searchable_properties, "
			"display_property, property_group, associations, read_at)"
			" SELECT $1, e.type_id, e.name, e.full_name, e.label, e.plural_label, "
			"e.required_properties, e.unique_properties, e.searchable_properties, "
			"e.display_property, e.property_group, e.associations, pg_catalog.clock_timestamp()"
			" FROM (SELECT DISTINCT ON (r.type_id) r.* FROM ROWS FROM ("
			"pg_catalog.jsonb_to_recordset($3) AS (type_id text, name text, full_name text, "
			"label text, plural_label text, required_properties text[], unique_properties text[], "
			"searchable_properties text[], display_property text, property_group text, "
			"associations jsonb)) "
			"WITH ORDINALITY r ORDER BY r.type_id, r.ordinality DESC) e"
			" ON CONFLICT (server, type_id) DO UPDATE SET name = excluded.name, "
			"full_name = excluded.full_name, label = excluded.label, "
			"plural_label = excluded.plural_label, "
			"required_properties = excluded.required_properties, "
			"unique_properties = excluded.unique_properties, "
			"searchable_properties = excluded.searchable_properties, "
			"display_property = excluded.display_property, "
			"property_group = excluded.property_group, "
			"associations = excluded.associations, read_at = excluded.read_at",
		},
	},
};
