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
#include "message/object_type.h"

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

/* ---- hubspot.owner ------------------------------------------------------------------- */

static void
append_team(StringInfo json, json_object *team)
{
	rows_add_element(json, rows_text_of(team, "name"));
}

static const RowKind team_kind = {"name", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_team};

static void
append_owner(StringInfo json, json_object *owner)
{
	const char *first = rows_text_of(owner, "firstName");
	const char *last = rows_text_of(owner, "lastName");

	rows_open(json);
	rows_add_text(json, "id", rows_text_of(owner, "id"), ROWS_MAX_NAME);
	rows_add_text(json, "email", rows_text_of(owner, "email"), ROWS_MAX_NAME);
	rows_add_text(json, "name", psprintf("%s%s%s", first, first[0] != '\0' && last[0] != '\0'
										 ? " " : "", last), ROWS_MAX_LABEL);
	rows_add_text(json, "type", rows_text_of(owner, "type"), ROWS_MAX_NAME);
	rows_add_array(json, "teams", reply_json_member(owner, "teams", json_type_array), &team_kind);
	rows_close(json);
}

static const RowKind owner_kind = {"id", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_owner};

/* ---- hubspot.pipeline_stage ------------------------------------------------------------ */

/* A place in an order, as text. */
static char *
order_of(json_object *object)
{
	int64_t		number = 0;

	if (!reply_json_number(object, "displayOrder", &number) || number != (int32) number)
		number = 0;
	return psprintf("%d", (int) number);
}

static void
append_stage(StringInfo json, json_object *stage)
{
	json_object *metadata = reply_json_member(stage, "metadata", json_type_object);

	rows_open(json);
	rows_add_text(json, "id", rows_text_of(stage, "id"), ROWS_MAX_NAME);
	rows_add_text(json, "label", rows_text_of(stage, "label"), ROWS_MAX_LABEL);
	rows_add_text(json, "order", order_of(stage), ROWS_MAX_NAME);
	/* of deals, of tickets */
	rows_add_bool(json, "closed", strcmp(rows_text_of(metadata, "isClosed"), "true") == 0 ||
				  strcmp(rows_text_of(metadata, "ticketState"), "CLOSED") == 0);
	rows_add_text(json, "probability", rows_text_of(metadata, "probability"), 10);
	rows_close(json);
}

static const RowKind stage_kind = {"id", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_stage};

static void
append_pipeline(StringInfo json, json_object *pipeline)
{
	rows_open(json);
	rows_add_text(json, "id", rows_text_of(pipeline, "id"), ROWS_MAX_NAME);
	rows_add_text(json, "label", rows_text_of(pipeline, "label"), ROWS_MAX_LABEL);
	rows_add_text(json, "order", order_of(pipeline), ROWS_MAX_NAME);
	rows_add_array(json, "stages", reply_json_member(pipeline, "stages", json_type_array),
				   &stage_kind);
	rows_close(json);
}

static const RowKind pipeline_kind = {"id", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_pipeline};

/* As HubSpot's paths call the object. */
static char *
pipelines_tail(const char *subject)
{
	int			object = object_of_name(subject, strlen(subject));

	return pstrdup(object < 0 || object >= OBJECT_MAX ? subject : object_types[object].path);
}

/*
 * A new value is as a new option of the properties that take it: what lacked it is sent again.
 */
#define PROPERTIES_CHANGED(which) \
	" UPDATE hubspot.property p SET changed_id = coalesce(" \
	"pg_catalog.pg_sequence_last_value('hubspot.outbox_id_seq'), 0)" \
	" WHERE p.server = $1 AND p.is_external AND " which " AND EXISTS (SELECT FROM changed)"

/* ---- hubspot.subscription_type ------------------------------------------------------- */

static void
append_subscription_type(StringInfo json, json_object *type)
{
	if (!rows_is_name(rows_text_of(type, "id"), ROWS_MAX_NAME))
		return;
	rows_open(json);
	rows_add_text(json, "subscription_id", rows_text_of(type, "id"), ROWS_MAX_NAME);
	rows_add_text(json, "name", rows_text_of(type, "name"), ROWS_MAX_NAME);
	rows_add_text(json, "purpose", rows_text_of(type, "purpose"), ROWS_MAX_LABEL);
	rows_add_text(json, "channel", rows_text_of(type, "communicationMethod"), ROWS_MAX_LABEL);
	rows_add_text(json, "business_unit", rows_text_of(type, "businessUnitId"), ROWS_MAX_NAME);
	rows_add_bool(json, "is_active", rows_is_true(type, "isActive"));
	rows_add_bool(json, "is_internal", rows_is_true(type, "isInternal"));
	rows_close(json);
}

static const RowKind subscription_type_kind =
{"name", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_subscription_type};

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
	[READING_OWNERS] = {
		.name = "owners",
		.noun = "owners",
		.path = PATH_OWNERS,
		.query = "limit=100",
		.scopes = "crm.objects.owners.read",
		.remedy = "grant this scope to the token, in HubSpot; until then owners are sent by their "
		"ids alone",
		.max_age = AN_HOUR,
		.maps = true,
		.row = &owner_kind,
		.statements = {
			"UPDATE hubspot.owner o SET archived = true WHERE o.server = $1 AND NOT o.archived "
			"AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements($3) e"
			" WHERE e->>'id' = o.id)",
			"WITH changed AS ("
			"INSERT INTO hubspot.owner (server, id, email, name, type, teams, archived, read_at)"
			" SELECT $1, e.id, nullif(e.email, ''), nullif(e.name, ''), e.type, e.teams, false,"
			" pg_catalog.clock_timestamp()"
			" FROM (SELECT DISTINCT ON (r.id) r.* FROM ROWS FROM (pg_catalog.jsonb_to_recordset($3)"
			" AS (id text, email text, name text, type text, teams text[])) WITH ORDINALITY r"
			" ORDER BY r.id, r.ordinality DESC) e"
			" ON CONFLICT (server, id) DO UPDATE SET email = excluded.email, name = excluded.name,"
			" type = excluded.type, teams = excluded.teams, archived = false,"
			" read_at = excluded.read_at"
			" WHERE (owner.email, owner.name, owner.type, owner.teams, owner.archived)"
			" IS DISTINCT FROM (excluded.email, excluded.name, excluded.type, excluded.teams,"
			" false)"
			" RETURNING 1)"
			PROPERTIES_CHANGED("(p.refers_to = 'OWNER' OR p.refers_to = '')"),
			"UPDATE hubspot.owner o SET read_at = pg_catalog.clock_timestamp()"
			" WHERE o.server = $1 AND NOT o.archived",
		},
	},
	[READING_PIPELINES] = {
		.name = "pipelines",
		.noun = "pipelines",
		.path = PATH_PIPELINES,
		.tail = pipelines_tail,
		.scopes = "those that read the object, and its schema",
		.remedy = "grant these scopes to the token, in HubSpot; until then pipelines and stages "
		"are sent as they are given, and HubSpot takes ids",
		.max_age = AN_HOUR,
		.maps = true,
		.row = &pipeline_kind,
		.statements = {
			"DELETE FROM hubspot.pipeline_stage s WHERE s.server = $1 AND s.object = $2 "
			"AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements($3) e,"
			" pg_catalog.jsonb_array_elements(e->'stages') t"
			" WHERE e->>'id' = s.pipeline AND t->>'id' = s.stage)",
			"WITH changed AS ("
			"INSERT INTO hubspot.pipeline_stage (server, object, pipeline, stage, pipeline_label,"
			" label, pipeline_order, stage_order, closed, probability, read_at)"
			" SELECT $1, $2, e.pipeline, e.stage, e.pipeline_label, e.label, e.pipeline_order,"
			" e.stage_order, e.closed, e.probability, pg_catalog.clock_timestamp()"
			" FROM (SELECT DISTINCT ON (r.id, t.id) r.id AS pipeline, t.id AS stage,"
			" r.label AS pipeline_label, t.label, r.\"order\" AS pipeline_order,"
			" t.\"order\" AS stage_order, t.closed,"
			" CASE WHEN t.probability ~ '^[0-9]+([.][0-9]+)?$' THEN t.probability::numeric END"
			" AS probability"
			" FROM ROWS FROM (pg_catalog.jsonb_to_recordset($3)"
			" AS (id text, label text, \"order\" integer, stages jsonb)) WITH ORDINALITY r,"
			" ROWS FROM (pg_catalog.jsonb_to_recordset(r.stages)"
			" AS (id text, label text, \"order\" integer, closed boolean, probability text))"
			" WITH ORDINALITY t ORDER BY r.id, t.id, r.ordinality DESC, t.ordinality DESC) e"
			" ON CONFLICT (server, object, pipeline, stage) DO UPDATE SET"
			" pipeline_label = excluded.pipeline_label, label = excluded.label,"
			" pipeline_order = excluded.pipeline_order, stage_order = excluded.stage_order,"
			" closed = excluded.closed, probability = excluded.probability,"
			" read_at = excluded.read_at"
			" WHERE (pipeline_stage.pipeline_label, pipeline_stage.label,"
			" pipeline_stage.pipeline_order, pipeline_stage.stage_order, pipeline_stage.closed,"
			" pipeline_stage.probability) IS DISTINCT FROM (excluded.pipeline_label,"
			" excluded.label, excluded.pipeline_order, excluded.stage_order, excluded.closed,"
			" excluded.probability)"
			" RETURNING 1)"
			PROPERTIES_CHANGED("p.object = $2 AND p.refers_to <> 'OWNER'"),
			"UPDATE hubspot.pipeline_stage s SET read_at = pg_catalog.clock_timestamp()"
			" WHERE s.server = $1 AND s.object = $2",
		},
	},
	[READING_SUBSCRIPTION_TYPES] = {
		.name = "subscription_types",
		.noun = "types of subscriptions",
		.path = PATH_SUBSCRIPTION_TYPES,
		.scopes = "communication_preferences.read or communication_preferences.read_write",
		.remedy = "grant one of these scopes to the token, in HubSpot. Until then name types of "
		"subscriptions by their ids",
		.max_age = AN_HOUR,
		.row = &subscription_type_kind,
		.statements = {
			"DELETE FROM hubspot.subscription_type t WHERE t.server = $1 AND NOT EXISTS ("
			"SELECT FROM pg_catalog.jsonb_array_elements($3) e"
			" WHERE e->>'subscription_id' = t.subscription_id)",
			"INSERT INTO hubspot.subscription_type (server, subscription_id, name, purpose, "
			"channel, is_active, is_internal, business_unit)"
			" SELECT $1, e.subscription_id, e.name, e.purpose, e.channel, e.is_active, "
			"e.is_internal, e.business_unit"
			" FROM (SELECT DISTINCT ON (r.subscription_id) r.* FROM ROWS FROM ("
			"pg_catalog.jsonb_to_recordset($3) AS (subscription_id text, name text, "
			"purpose text, channel text, is_active boolean, is_internal boolean, "
			"business_unit text)) "
			"WITH ORDINALITY r ORDER BY r.subscription_id, r.ordinality DESC) e"
			" ON CONFLICT (server, subscription_id) DO UPDATE SET name = excluded.name, "
			"purpose = excluded.purpose, channel = excluded.channel, "
			"is_active = excluded.is_active, is_internal = excluded.is_internal, "
			"business_unit = excluded.business_unit",
		},
	},
};
