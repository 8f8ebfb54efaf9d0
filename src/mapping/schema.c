/*
 * schema.c
 *		What HubSpot knows of an account: properties and event definitions.
 *
 * The tables are a cache that outlives the worker and that users can read; a Schema is
 * their form in memory.  It is read as a whole and never changed: for a newer one, load
 * it and delete the old one's context.
 *
 * Everything that touches a table runs by SPI in the caller's transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "mapping/choice.h"
#include "mapping/schema.h"
#include "message/message.h"
#include "message/object_type.h"

/* The labels are those of a checkbox that is made in HubSpot. */
const char *const schema_bool_options =
"{\"value\":\"true\",\"label\":\"Yes\",\"displayOrder\":0,\"hidden\":false},"
"{\"value\":\"false\",\"label\":\"No\",\"displayOrder\":1,\"hidden\":false}";

/* ---- new properties --------------------------------------------------------------- */

/* HubSpot's type and field type for each type that a user may choose. */
static const struct
{
	const char *type;
	const char *field_type;
}			property_types[] =
{
	{"string", "text"},
	{"number", "number"},
	{"bool", "booleancheckbox"},
	{"enumeration", "select"},
	{"date", "date"},
	{"datetime", "date"},
};

const char *
schema_field_type(const char *type)
{
	for (int i = 0; i < lengthof(property_types); i++)
		if (strcmp(type, property_types[i].type) == 0)
			return property_types[i].field_type;
	return NULL;
}

/* ---- sets of properties ---------------------------------------------------------- */

typedef struct PropertyName
{
	const char *data;
	int			len;
} PropertyName;

typedef struct PropertyEntry
{
	PropertyName name;
	uint32		hash;
	char		status;
	Property   *property;
} PropertyEntry;

#define SH_PREFIX propertytable
#define SH_ELEMENT_TYPE PropertyEntry
#define SH_KEY_TYPE PropertyName
#define SH_KEY name
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key).data, (key).len)
#define SH_EQUAL(table, a, b) ((a).len == (b).len && memcmp((a).data, (b).data, (a).len) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct PropertySet
{
	propertytable_hash *table;
	const char *group;			/* HubSpot's, in which its own properties are; "": not told */
};

static PropertySet *
make_set(MemoryContext context)
{
	PropertySet *set = MemoryContextAlloc(context, sizeof(PropertySet));

	set->table = propertytable_create(context, 128, NULL);
	set->group = "";
	return set;
}

PropertySet *
schema_no_properties(void)
{
	return make_set(CurrentMemoryContext);
}

bool
schema_is_default(const char *name)
{
	return strncmp(name, "hs_", strlen("hs_")) == 0;
}

static int
count_own(const PropertySet *set)
{
	propertytable_iterator it;
	PropertyEntry *entry;
	int			count = 0;

	propertytable_start_iterate(set->table, &it);
	while ((entry = propertytable_iterate(set->table, &it)) != NULL)
		count += !schema_is_default(entry->property->name);
	return count;
}

static void
add_to_set(PropertySet *set, Property *property)
{
	PropertyName name = {property->name, strlen(property->name)};
	bool		found;

	propertytable_insert(set->table, name, &found)->property = property;
}

const Property *
schema_property(const PropertySet *set, const char *name, int len)
{
	PropertyName wanted = {name, len};
	PropertyEntry *entry = propertytable_lookup(set->table, wanted);

	return entry != NULL ? entry->property : NULL;
}

static PropertyType
type_by_name(const char *type)
{
	static const char *const names[] = {
		[PROPERTY_STRING] = "string",
		[PROPERTY_NUMBER] = "number",
		[PROPERTY_BOOL] = "bool",
		[PROPERTY_ENUMERATION] = "enumeration",
		[PROPERTY_DATE] = "date",
		[PROPERTY_DATETIME] = "datetime",
	};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(type, names[i]) == 0)
			return (PropertyType) i;
	return PROPERTY_STRING;
}

/* ---- loading: jsonb of the tables ---------------------------------------------------- */

/* A text member of an object, in the given context; "" if there is none. */
static const char *
text_of(MemoryContext context, JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(object, name, strlen(name), &value) == NULL ||
		value.type != jbvString)
		return "";
	return MemoryContextStrdup(context, pnstrdup(value.val.string.val, value.val.string.len));
}

static bool
is_true(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	return getKeyJsonValueFromContainer(object, name, strlen(name), &value) != NULL &&
		value.type == jbvBool && value.val.boolean;
}

/* Run a function for each object of an array. */
static void
for_each_object(Jsonb *array, void (*visit) (JsonbContainer *object, void *arg), void *arg)
{
	JsonbIterator *it = JsonbIteratorInit(&array->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM && value.type == jbvBinary &&
			JsonContainerIsObject(value.val.binary.data))
			visit(value.val.binary.data, arg);
}

typedef struct OptionReader
{
	MemoryContext context;
	Property   *property;
} OptionReader;

static void
read_option(JsonbContainer *object, void *arg)
{
	OptionReader *reader = arg;
	PropertyOption *option = &reader->property->options[reader->property->noptions++];

	option->value = text_of(reader->context, object, "value");
	option->label = text_of(reader->context, object, "label");
}

static void
read_options(MemoryContext context, Property *property, JsonbContainer *object)
{
	OptionReader reader = {context, property};
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(object, "options", strlen("options"), &value) == NULL ||
		value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		return;
	property->options = MemoryContextAlloc(context, sizeof(PropertyOption) *
										   Max(JsonContainerSize(value.val.binary.data), 1));
	for_each_object(JsonbValueToJsonb(&value), read_option, &reader);
}

typedef struct SetReader
{
	MemoryContext context;
	PropertySet *set;
	const OwnerSet *owners;
} SetReader;

/*
 * Whether its values are owners: HubSpot says so, also of properties that a user has made, but may
 * leave it out of its own ones, which have such a name.
 */
static bool
is_of_owners(const Property *property, const char *refers_to)
{
	static const char suffix[] = "owner_id";
	size_t		len = strlen(property->name);

	if (property->type != PROPERTY_ENUMERATION || !property->is_external)
		return false;
	return refers_to[0] != '\0' ? strcmp(refers_to, "OWNER") == 0
		: len >= strlen(suffix) &&
		strcmp(property->name + len - strlen(suffix), suffix) == 0;
}

static void
read_property(JsonbContainer *object, void *arg)
{
	SetReader  *reader = arg;
	Property   *property = MemoryContextAllocZero(reader->context, sizeof(Property));

	property->name = text_of(reader->context, object, "name");
	property->type = type_by_name(text_of(reader->context, object, "type"));
	property->multiple = strcmp(text_of(reader->context, object, "field_type"), "checkbox") == 0;
	property->is_truth =
		strcmp(text_of(reader->context, object, "field_type"), "booleancheckbox") == 0;
	property->read_only = is_true(object, "read_only");
	property->is_unique = is_true(object, "is_unique");
	property->is_external = is_true(object, "is_external");
	if (is_of_owners(property, text_of(reader->context, object, "refers_to")))
		property->owners = reader->owners;
	read_options(reader->context, property, object);
	add_to_set(reader->set, property);
	if (object_key_is_record_id(property->name))
		reader->set->group = text_of(reader->context, object, "group_name");
}

static PropertySet *
read_set(MemoryContext context, Jsonb *array, const OwnerSet *owners)
{
	SetReader	reader = {context, make_set(context), owners};

	for_each_object(array, read_property, &reader);
	return reader.set;
}

/* A jsonb column of the query's row; NULL if it is null. */
static Jsonb *
jsonb_of_row(int row, int column)
{
	bool		isnull;
	Datum		datum =
	SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(datum);
}

static char *
text_of_row(MemoryContext context, int row, int column)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return text == NULL ? NULL : MemoryContextStrdup(context, text);
}

static void
query(const char *sql, Oid server)
{
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(server);

	if (statement_execute(sql, 1, &type, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the schema of a HubSpot account");
}

/* The object of a row's word; -1: it has no schema. */
static int
part_of_row(int row)
{
	const char *name = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
	int			part = object_of_name(name, strlen(name));

	return part >= 0 && part < OBJECT_MAX && object_types[part].has_schema ? part : -1;
}

static void
load_properties(Schema *schema, Oid server)
{
	query("SELECT s.part, s.refreshed_at, s.known,"
		  " (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(p)) FROM hubspot.property p"
		  " WHERE p.server = s.server AND p.object = s.part)"
		  " FROM hubspot.schema s WHERE s.server = $1", server);
	for (int i = 0; i < SPI_processed; i++)
		schema->nparts = Max(schema->nparts, part_of_row(i) + 1);
	schema->parts =
		MemoryContextAllocZero(schema->context, sizeof(SchemaPart) * Max(schema->nparts, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		int			part = part_of_row(i);
		Jsonb	   *array = jsonb_of_row(i, 4);
		bool		isnull;

		if (part < 0)
			continue;
		schema->parts[part].refreshed_at =
			DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2,
											  &isnull));

		/*
		 * Properties of events belong to their definitions; this row only says whether HubSpot
		 * tells the definitions.
		 */
		schema->parts[part].known =
			DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &isnull));
		if (!object_types[part].is_record)
			schema->events_known = schema->parts[part].known;
		else if (array != NULL)
			schema->parts[part].properties = read_set(schema->context, array, schema->owners);
	}
}

/* Owners and pipelines, as far as HubSpot was asked for them. */
static void
load_choices(Schema *schema, Oid server)
{
	SPITupleTable *readings;
	uint64		nreadings;

	query("SELECT reading, subject, known FROM hubspot.reading WHERE server = $1"
		  " AND reading = ANY ('{owners,pipelines}')", server);
	/* what follows runs queries of its own */
	readings = SPI_tuptable;
	nreadings = SPI_processed;
	schema->owners = owner_unread();
	schema->pipelines =
		MemoryContextAllocZero(schema->context, sizeof(PipelineSet) * Max(nreadings, 1));
	for (uint64 i = 0; i < nreadings; i++)
	{
		HeapTuple	tuple = readings->vals[i];
		const char *reading = SPI_getvalue(tuple, readings->tupdesc, 1);
		const char *subject = SPI_getvalue(tuple, readings->tupdesc, 2);
		bool		isnull;
		bool		is_told = DatumGetBool(SPI_getbinval(tuple, readings->tupdesc, 3, &isnull));
		int			object = object_of_name(subject, strlen(subject));

		if (strcmp(reading, "owners") == 0)
			schema->owners = owner_load(server, schema->context, is_told);
		else if (object >= 0 && object < OBJECT_MAX)
		{
			PipelineSet *set = &schema->pipelines[schema->npipelines++];

			set->object = object;
			set->is_read = true;
			set->is_told = is_told;
			pipeline_load(set, server, schema->context);
		}
	}
}

static void
load_events(Schema *schema, Oid server)
{
	query("SELECT name, full_name, label, properties, type_id, match_property "
		  "FROM hubspot.event_definition WHERE "
		  "server = $1", server);
	schema->nevents = SPI_processed;
	schema->events =
		MemoryContextAllocZero(schema->context, sizeof(EventDefinition) * Max(schema->nevents, 1));
	for (int i = 0; i < schema->nevents; i++)
	{
		schema->events[i].name = text_of_row(schema->context, i, 1);
		schema->events[i].full_name = text_of_row(schema->context, i, 2);
		schema->events[i].label = text_of_row(schema->context, i, 3);
		schema->events[i].properties = read_set(schema->context, jsonb_of_row(i, 4),
												schema->owners);
		schema->events[i].nown = count_own(schema->events[i].properties);
		schema->events[i].type_id = text_of_row(schema->context, i, 5);
		schema->events[i].match_property = text_of_row(schema->context, i, 6);
	}
}

static void
load_maps(Schema *schema, Oid server)
{
	query("SELECT object, trait, property FROM hubspot.mapping WHERE server = ''"
		  " OR server = (SELECT s.srvname FROM pg_catalog.pg_foreign_server s WHERE s.oid = $1)"
		  " ORDER BY server = '', trait", server);
	schema->nmaps = SPI_processed;
	schema->maps =
		MemoryContextAllocZero(schema->context, sizeof(TraitMap) * Max(schema->nmaps, 1));
	for (int i = 0; i < schema->nmaps; i++)
	{
		char	   *object = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		schema->maps[i].object = object_of_name(object, strlen(object));
		schema->maps[i].trait = text_of_row(schema->context, i, 2);
		schema->maps[i].property = text_of_row(schema->context, i, 3);
	}
}

static void
load_custom(Schema *schema, Oid server)
{
	query("SELECT type_id, property_group, pg_catalog.array_to_string(required_properties, ', ')"
		  " FROM hubspot.object WHERE server = $1", server);
	schema->ncustom = SPI_processed;
	schema->custom =
		MemoryContextAllocZero(schema->context, sizeof(CustomObject) * Max(schema->ncustom, 1));
	for (int i = 0; i < schema->ncustom; i++)
	{
		schema->custom[i].type_id = text_of_row(schema->context, i, 1);
		schema->custom[i].property_group = text_of_row(schema->context, i, 2);
		schema->custom[i].born_with = text_of_row(schema->context, i, 3);
	}
}

/* NULL: HubSpot has not told it, or it is none. */
static const CustomObject *
custom_object(const Schema *schema, Object object)
{
	for (int i = 0; i < schema->ncustom; i++)
		if (strcmp(schema->custom[i].type_id, object_types[object].type_id) == 0)
			return &schema->custom[i];
	return NULL;
}

const char *
schema_property_group(const Schema *schema, Object object)
{
	const PropertySet *set = schema_properties(schema, object);
	const CustomObject *custom;

	if (object_types[object].property_group != NULL)
		return object_types[object].property_group;
	if (set != NULL && set->group[0] != '\0')
		return set->group;
	custom = custom_object(schema, object);
	return custom == NULL ? NULL : custom->property_group;
}

const char *
schema_born_with(const Schema *schema, Object object)
{
	const CustomObject *custom;

	if (object_types[object].born_with != NULL)
		return object_types[object].born_with;
	custom = custom_object(schema, object);
	return custom == NULL ? "" : custom->born_with;
}

Schema *
schema_load(Oid server, MemoryContext parent)
{
	MemoryContext context =
	AllocSetContextCreate(parent, "hubspot schema", ALLOCSET_START_SMALL_SIZES);
	Schema	   *schema = MemoryContextAllocZero(context, sizeof(Schema));
	bool		push = !ActiveSnapshotSet();

	schema->context = context;
	if (push)
		PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	load_choices(schema, server);
	load_properties(schema, server);
	load_events(schema, server);
	load_maps(schema, server);
	load_custom(schema, server);
	SPI_finish();
	if (push)
		PopActiveSnapshot();
	return schema;
}

/* ---- storing ------------------------------------------------------------------------ */

static void
execute(const char *sql, Oid server, Object part, const char *json)
{
	Oid			types[] = {OIDOID, TEXTOID, JSONBOID};
	Datum		values[] = {
		ObjectIdGetDatum(server), CStringGetTextDatum(object_types[part].name),
		json == NULL ? (Datum) 0 : DirectFunctionCall1(jsonb_in, CStringGetDatum(json))
	};
	char		nulls[] = {' ', ' ', json == NULL ? 'n' : ' ', '\0'};

	if (statement_execute(sql, 3, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write the schema of a HubSpot account");
}

/*
 * changed_id: what is mapped by the properties that are stored here are rows that the worker reads
 * later, so those up to the last id may have been mapped without them, and no others.
 *
 * Unchanged rows are not written again.  HubSpot returns a list in pages, which shift if
 * something is created meanwhile: if a name comes twice, the last one counts.
 */
static const char *const store_properties[] = {
	"DELETE FROM hubspot.property p WHERE p.server = $1 AND p.object = $2 "
	"AND NOT EXISTS ("
	"SELECT FROM pg_catalog.jsonb_array_elements($3) e WHERE e->>'name' = p.name)",
	"INSERT INTO hubspot.property (server, object, name, type, field_type, label, is_unique, "
	"read_only, options, is_external, refers_to, group_name, changed_id)"
	" SELECT $1, $2, e.name, e.type, e.field_type, e.label, e.is_unique, "
	"e.read_only, e.options, e.is_external, e.refers_to, e.group_name, coalesce("
	"pg_catalog.pg_sequence_last_value('hubspot.outbox_id_seq'), 0)"
	" FROM (SELECT DISTINCT ON (r.name) r.* FROM ROWS FROM (pg_catalog.jsonb_to_recordset($3) AS "
	"(name text, type text, field_type text,"
	" label text, is_unique boolean, read_only boolean, options jsonb, is_external boolean, "
	"refers_to text, group_name text)) WITH ORDINALITY r ORDER BY "
	"r.name, r.ordinality DESC) e"
	" ON CONFLICT (server, object, name) DO UPDATE SET type = excluded.type, "
	"field_type = excluded.field_type,"
	" label = excluded.label, is_unique = excluded.is_unique, read_only = excluded.read_only, "
	"options = excluded.options, is_external = excluded.is_external, "
	"refers_to = excluded.refers_to, group_name = excluded.group_name, "
	"changed_id = CASE WHEN (property.type, property.field_type, "
	"property.options) IS DISTINCT FROM (excluded.type, excluded.field_type, excluded.options)"
	" THEN excluded.changed_id ELSE property.changed_id END"
	" WHERE (property.type, property.field_type, property.label, property.is_unique, "
	"property.read_only, property.options, property.is_external, property.refers_to, "
	"property.group_name)"
	" IS DISTINCT FROM (excluded.type, excluded.field_type, excluded.label, excluded.is_unique, "
	"excluded.read_only, excluded.options, excluded.is_external, excluded.refers_to, "
	"excluded.group_name)",
};

static const char *const store_events[] = {
	"DELETE FROM hubspot.event_definition d WHERE d.server = $1 AND $2 = 'event' AND NOT EXISTS ("
	"SELECT FROM pg_catalog.jsonb_array_elements($3) e WHERE e->>'full_name' = d.full_name)",
	"INSERT INTO hubspot.event_definition (server, name, full_name, label, properties, type_id, "
	"match_property)"
	" SELECT $1, e.name, e.full_name, e.label, e.properties, e.type_id, e.match_property"
	" FROM (SELECT DISTINCT ON (r.full_name) r.* FROM ROWS FROM (pg_catalog.jsonb_to_recordset($3) "
	"AS (name text, full_name text, label text, type_id text, match_property text,"
	" properties jsonb)) WITH ORDINALITY r ORDER BY r.full_name, r.ordinality DESC) e"
	" WHERE $2 = 'event'"
	" ON CONFLICT (server, full_name) DO UPDATE SET name = excluded.name, label = excluded.label,"
	" properties = excluded.properties, type_id = excluded.type_id,"
	" match_property = excluded.match_property"
	" WHERE (event_definition.name, event_definition.label, event_definition.properties,"
	" event_definition.type_id, event_definition.match_property)"
	" IS DISTINCT FROM (excluded.name, excluded.label, excluded.properties, excluded.type_id,"
	" excluded.match_property)",
};

/* What HubSpot has by now is not unknown any more, nor refused. */
static const char *const forget_unknown =
"DELETE FROM hubspot.unknown_property u WHERE u.server = $1 AND u.object = $2 AND $2 = 'event' "
"AND EXISTS (SELECT FROM hubspot.event_definition d WHERE d.server = $1 AND d.name = u.parent "
"AND (u.name = '' OR EXISTS ("
"SELECT FROM pg_catalog.jsonb_array_elements(d.properties) p WHERE p->>'name' = u.name)))";

void
schema_store(Oid server, Object part, const char *json)
{
	const char *const *statements = object_types[part].is_record ? store_properties : store_events;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (json != NULL)
		for (int i = 0; i < lengthof(store_properties); i++)
			execute(statements[i], server, part, json);
	execute(forget_unknown, server, part, json);
	execute("INSERT INTO hubspot.schema (server, part, refreshed_at, known)"
			" VALUES ($1, $2, pg_catalog.clock_timestamp(), $3::pg_catalog.jsonb IS NOT NULL)"
			" ON CONFLICT (server, part) DO UPDATE SET refreshed_at = excluded.refreshed_at, "
			"known = excluded.known",
			server, part, json);
	SPI_finish();
	PopActiveSnapshot();
}
