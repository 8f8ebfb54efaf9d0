/*
 * refresh_check.c
 *		Properties, events and lists that an audience or trait needs in HubSpot.
 *
 * Called when a definition is declared, and by each refresh before it runs the query: a
 * property may have been removed in HubSpot, and then its values would be lost without
 * notice.
 *
 * The schema is read as the extension's owner.  Locks: ACCESS SHARE on our tables.
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "refresh/refresh_check.h"
#include "refresh/refresh_source.h"

/*
 * Returns one boolean, NULL: not known. $1 the SERVER's oid, $2 its name, $3 object or
 * part of the schema, $4 name.
 */
static const char *const property_sql =
"SELECT CASE WHEN EXISTS (SELECT FROM hubspot.property p WHERE p.server = $1 AND p.object = "
"$3::hubspot.object AND p.name = $4)"
"  OR EXISTS (SELECT FROM hubspot.mapping m WHERE m.server IN ('', "
"$2) AND m.object = $3 AND m.trait = $4) THEN true"
" ELSE (SELECT CASE WHEN s.known THEN false END FROM hubspot.schema s WHERE s.server = $1 AND "
"s.part = $3) END";

static const char *const event_sql =
"SELECT CASE WHEN EXISTS (SELECT FROM hubspot.event_definition e WHERE e.server = $1 AND $4 IN "
"(e.name, e.full_name)) THEN true"
" ELSE (SELECT CASE WHEN s.known THEN false END FROM hubspot.schema s WHERE s.server = $1 AND "
"s.part = $3) END";

/* ---- types -------------------------------------------------------------------------- */

static const struct
{
	Oid			type;
	const char *property_type;
}			property_types[] =
{
	{BOOLOID, "bool"},
	{INT2OID, "number"},
	{INT4OID, "number"},
	{INT8OID, "number"},
	{FLOAT4OID, "number"},
	{FLOAT8OID, "number"},
	{NUMERICOID, "number"},
	{DATEOID, "date"},
	{TIMESTAMPOID, "datetime"},
	{TIMESTAMPTZOID, "datetime"},
};

/* 0 when there is none. */
typedef struct Labels
{
	Datum		labels;
	MemoryContext context;
} Labels;

static void
take_labels(void *arg)
{
	Labels	   *labels = arg;
	bool		isnull;
	Datum		array = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	MemoryContext old = MemoryContextSwitchTo(labels->context);

	labels->labels = isnull ? (Datum) 0 : PointerGetDatum(DatumGetArrayTypePCopy(array));
	MemoryContextSwitchTo(old);
}

/* Labels of an enum type as text[], in their order. */
static Datum
enum_labels(Oid type)
{
	Oid			parameter = OIDOID;
	Datum		value = ObjectIdGetDatum(type);
	Labels		labels = {0, CurrentMemoryContext};

	(void) sync_execute("SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM "
						"pg_catalog.pg_enum WHERE enumtypid = $1",
						1, &parameter, &value, NULL, take_labels, &labels);
	return labels.labels;
}

/* HubSpot's type for a column's type; the labels of an enum become *options (else 0). */
static const char *
property_type(Oid type, Datum *options)
{
	Oid			base = getBaseType(type);

	*options = (Datum) 0;
	for (int i = 0; i < lengthof(property_types); i++)
		if (property_types[i].type == base)
			return property_types[i].property_type;
	if (get_typtype(base) == TYPTYPE_ENUM)
		*options = enum_labels(base);
	return *options != (Datum) 0 ? "enumeration" : "string";
}

/* ---- statements that create -------------------------------------------------------------- */

static void
append_array(StringInfo sql, Datum options)
{
	Datum	   *labels;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(options), TEXTOID, -1, false, TYPALIGN_INT, &labels, NULL,
					  &count);
	appendStringInfoString(sql, ", options => ARRAY[");
	for (int i = 0; i < count; i++)
		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "",
						 quote_literal_cstr(TextDatumGetCString(labels[i])));
	appendStringInfoChar(sql, ']');
}

static char *
create_property_sql(const Sync *sync, const char *object)
{
	Datum		options = (Datum) 0;
	const char *type = "bool";
	StringInfoData sql;

	if (sync->kind == SYNC_IS_TRAIT)
		type = property_type(refresh_value_type(sync), &options);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s.hubspot_create_property(%s, %s, %s, label => %s",
					 sync_functions_schema(),
					 quote_literal_cstr(object), quote_literal_cstr(sync->property),
					 quote_literal_cstr(type),
					 quote_literal_cstr(sync->name));
	if (options != (Datum) 0)
		append_array(&sql, options);
	appendStringInfo(&sql, ", server => %s)", quote_literal_cstr(sync->server));
	return sql.data;
}

static char *
create_event_sql(const Sync *sync, const char *name, const char *label)
{
	return psprintf("SELECT %s.hubspot_create_event(%s, '{\"audience_key\": \"string\", "
					"\"audience_name\": \"string\"}', label => %s, server => %s)",
					sync_functions_schema(), quote_literal_cstr(name), quote_literal_cstr(label),
					quote_literal_cstr(sync->server));
}

/* ---- checks -------------------------------------------------------------------------- */

typedef enum Existence
{
	EXISTS_NOT,
	EXISTS,
	EXISTS_UNKNOWN				/* the account's schema has not been read */
} Existence;

static void
take_existence(void *arg)
{
	bool		isnull;
	bool		exists =
	DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));

	*(Existence *) arg = isnull ? EXISTS_UNKNOWN : exists ? EXISTS : EXISTS_NOT;
}

static Existence
look_up(const Sync *sync, const char *exists_sql, const char *part, const char *name)
{
	Oid			types[] = {OIDOID, NAMEOID, TEXTOID, TEXTOID};
	Datum		values[4];
	NameData	server;
	Existence	existence;

	namestrcpy(&server, sync->server);
	values[0] = ObjectIdGetDatum(account_resolve(sync->server));
	values[1] = NameGetDatum(&server);
	values[2] = CStringGetTextDatum(part);
	values[3] = CStringGetTextDatum(name);
	(void) sync_execute(exists_sql, lengthof(types), types, values, NULL, take_existence,
						&existence);
	return existence;
}

/*
 * Run one of our own statements that create; the definition's owner must have USAGE on
 * the SERVER.
 */
static void
create(const Sync *sync, const char *sql)
{
	account_check_usage(account_resolve(sync->server), sync_need_owner(sync));
	(void) sync_execute(sql, 0, NULL, NULL, NULL, NULL, NULL);
}

/* Whether a property, event or list that the definition writes to is missing. */
static bool
is_lacking(const Sync *sync, const char *exists_sql, const char *part, const char *name)
{
	Existence	existence = look_up(sync, exists_sql, part, name);

	return existence == EXISTS_NOT || (existence == EXISTS_UNKNOWN && sync->create_in_hubspot);
}

static void
provide(const Sync *sync, const char *what, const char *name, const char *create_sql)
{
	if (sync->create_in_hubspot)
		create(sync, create_sql);
	else
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s \"%s\" does not exist in HubSpot account \"%s\"", what, name,
						sync->server),
				 errdetail("%s \"%s\" writes to it.",
						   sync->kind == SYNC_IS_TRAIT ? "Trait" : "Audience", sync->name),
				 errhint("%s; or declare \"%s\" with create_in_hubspot => true.", create_sql,
						 sync->name)));
}

static void
require_event(const Sync *sync, const char *name, const char *label)
{
	if (is_lacking(sync, event_sql, "event", name))
		provide(sync, "event", name, create_event_sql(sync, name, label));
}

void
refresh_check_outputs(const Sync *sync)
{
	const char *object = object_types[sync_object(sync)].name;

	if (sync->kind == SYNC_IS_SYNC)
		return;
	if (sync->outputs & SYNC_OUTPUT_PROPERTY &&
		is_lacking(sync, property_sql, object, sync->property))
		provide(sync, psprintf("%s property", object), sync->property,
				create_property_sql(sync, object));
	if (sync->outputs & SYNC_OUTPUT_EVENT)
	{
		require_event(sync, "audience_entered", "Audience Entered");
		require_event(sync, "audience_exited", "Audience Exited");
	}
}

void
refresh_create_list(const Sync *sync)
{
	if (sync->outputs & SYNC_OUTPUT_LIST && sync->create_in_hubspot)
		create(sync, psprintf("SELECT %s.hubspot_create_list(%s, %s, %s)",
							  sync_functions_schema(), quote_literal_cstr(sync->list),
							  quote_literal_cstr(object_types[sync_object(sync)].name),
							  quote_literal_cstr(sync->server)));
}
