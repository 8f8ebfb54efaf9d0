/*
 * refresh_check.c
 *		Properties, events and lists that a definition needs in HubSpot.
 *
 * Called when a definition is declared, and by each refresh of an audience or trait before it runs
 * the query: its property may have been removed in HubSpot, and then all its values would be lost
 * without notice.  A sync whose other properties are there goes on; what is left out is counted.
 *
 * The schema is read as the extension's owner.  Locks: ACCESS SHARE on our tables.
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "mapping/mapping_name.h"
#include "refresh/refresh_check.h"
#include "refresh/refresh_source.h"

/*
 * Returns one boolean, NULL: not known. $1 the SERVER's oid, $2 its name, $3 object or
 * part of the schema, $4 name.
 */
static const char *const property_sql =
"SELECT CASE WHEN EXISTS (SELECT FROM hubspot.property p WHERE p.server = $1 AND p.object = "
"$3 AND p.name = $4)"
"  OR EXISTS (SELECT FROM hubspot.mapping m WHERE m.server IN ('', "
"$2) AND m.object = $3 AND m.trait = $4) THEN true"
" ELSE (SELECT CASE WHEN s.known THEN false END FROM hubspot.schema s WHERE s.server = $1 AND "
"s.part = $3) END";

static const char *const event_sql =
"SELECT CASE WHEN EXISTS (SELECT FROM hubspot.event_definition e WHERE e.server = $1 AND $4 IN "
"(e.name, e.full_name)) THEN true"
" ELSE (SELECT CASE WHEN s.known THEN false END FROM hubspot.schema s WHERE s.server = $1 AND "
"s.part = $3) END";

/*
 * $1 the SERVER's oid, $2 object, $3 property, $4 type of its values, $5 label.
 */
static const char *const statement_sql =
"SELECT hubspot.statement_for_property($1, $2, $3, $4, $5)";

/* $1 the SERVER's oid, $2 object, $3 the key's column, $4 columns. */
static const char *const lacking_sql =
"SELECT l.property, l.statement, l.known FROM hubspot.lacking_properties($1, $2, $3, $4::jsonb) l";

/* What a definition writes to and HubSpot lacks, as far as is known. */
typedef struct Lack
{
	const char *what;			/* "contact property" */
	const char *whats;
	char	   *name;
	char	   *create_sql;
} Lack;

typedef struct Lacks
{
	List	   *lacks;			/* of Lack */
	const Sync *sync;
	MemoryContext context;
} Lacks;

static void
add_lack(Lacks *lacks, const char *what, const char *whats, const char *name,
		 const char *create_sql)
{
	MemoryContext old = MemoryContextSwitchTo(lacks->context);
	Lack	   *lack = palloc(sizeof(Lack));

	lack->what = what;
	lack->whats = whats;
	lack->name = pstrdup(name);
	lack->create_sql = pstrdup(create_sql);
	lacks->lacks = lappend(lacks->lacks, lack);
	MemoryContextSwitchTo(old);
}

static void
add_property(Lacks *lacks, const char *name, const char *create_sql)
{
	const char *object = object_types[sync_object(lacks->sync)].name;

	add_lack(lacks, MemoryContextStrdup(lacks->context, psprintf("%s property", object)),
			 MemoryContextStrdup(lacks->context, psprintf("%s properties", object)),
			 name, create_sql);
}

/* ---- statements that create -------------------------------------------------------------- */

/* The values of an audience's property are true and false; those of a trait are the query's. */
static Oid
type_of_values(const Sync *sync)
{
	return sync->kind == SYNC_IS_TRAIT ? getBaseType(refresh_value_type(sync)) : BOOLOID;
}

static void
take_statement(void *arg)
{
	Lacks	   *lacks = arg;

	add_property(lacks, lacks->sync->property,
				 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

static void
add_output_property(Lacks *lacks)
{
	const Sync *sync = lacks->sync;
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID, OIDOID, TEXTOID};
	Datum		values[lengthof(types)];

	values[0] = ObjectIdGetDatum(account_resolve(sync->server));
	values[1] = CStringGetTextDatum(object_types[sync_object(sync)].name);
	values[2] = CStringGetTextDatum(sync->property);
	values[3] = ObjectIdGetDatum(type_of_values(sync));
	values[4] = CStringGetTextDatum(sync->name);
	(void) sync_execute(statement_sql, lengthof(types), types, values, NULL, take_statement,
						lacks);
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

/* The account creates what its calls name: then also what a declaration does. */
static bool
account_creates(const Sync *sync, bool is_event)
{
	const AccountOptions *options =
	account_parse_options(GetForeignServer(account_resolve(sync->server))->options);

	return is_event ? options->create_events : options->create_properties;
}

/* What is not known may be missing, which matters to who wants it created. */
static bool
is_lacking(const Sync *sync, const char *exists_sql, const char *part, const char *name)
{
	Existence	existence = look_up(sync, exists_sql, part, name);

	return existence == EXISTS_NOT ||
		(existence == EXISTS_UNKNOWN && sync->missing == SYNC_MISSING_CREATED);
}

static void
look_at_event(Lacks *lacks, const char *name, const char *label)
{
	if (is_lacking(lacks->sync, event_sql, "event", name))
		add_lack(lacks, "event", "events", name, create_event_sql(lacks->sync, name, label));
}

static void
look_at_outputs(Lacks *lacks)
{
	const Sync *sync = lacks->sync;

	if (sync->outputs & SYNC_OUTPUT_PROPERTY &&
		is_lacking(sync, property_sql, object_types[sync_object(sync)].name, sync->property))
		add_output_property(lacks);
	if (sync->outputs & SYNC_OUTPUT_EVENT)
	{
		look_at_event(lacks, "audience_entered", "Audience Entered");
		look_at_event(lacks, "audience_exited", "Audience Exited");
	}
}

/* The columns as hubspot.lacking_properties() wants them. */
static char *
columns_json(const Sync *sync)
{
	StringInfoData json;
	ListCell   *cell;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	foreach(cell, sync->columns)
	{
		const SyncColumn *column = lfirst(cell);

		if (column->association != NULL)
			continue;
		appendStringInfo(&json, "%s{\"n\": %d, \"column\": ",
						 json.len > 1 ? ", " : "", foreach_current_index(cell) + 1);
		escape_json(&json, column->column);
		appendStringInfoString(&json, ", \"trait\": ");
		escape_json(&json, column->property);
		appendStringInfoString(&json, ", \"type_name\": ");
		escape_json(&json, column->type);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* Of what is not known only what HubSpot does not have of itself may be missing. */
static bool
may_be_lacking(const Sync *sync, const char *property, bool known)
{
	return known ||
		(sync->missing == SYNC_MISSING_CREATED && strncmp(property, "hs_", 3) != 0 &&
		 !is_special_property(sync->object, property, strlen(property)));
}

static void
take_lacking(void *arg)
{
	Lacks	   *lacks = arg;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		char	   *property = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1);
		bool		isnull;
		bool		known =
		DatumGetBool(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 3, &isnull));

		if (may_be_lacking(lacks->sync, property, known))
			add_property(lacks, property, SPI_getvalue(tuple, SPI_tuptable->tupdesc, 2));
	}
}

static void
look_at_columns(Lacks *lacks)
{
	const Sync *sync = lacks->sync;
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(types)];

	values[0] = ObjectIdGetDatum(account_resolve(sync->server));
	values[1] = CStringGetTextDatum(object_types[sync->object].name);
	values[2] = CStringGetTextDatum(sync->key_column);
	values[3] = CStringGetTextDatum(columns_json(sync));
	(void) sync_execute(lacking_sql, lengthof(types), types, values, NULL, take_lacking, lacks);
}

/* `contact properties "plan", "points"` */
static char *
names_of(List *lacks)
{
	StringInfoData names;
	const char *what = NULL;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, lacks)
	{
		const Lack *lack = lfirst(cell);
		const Lack *next = lnext(lacks, cell) == NULL ? NULL : lfirst(lnext(lacks, cell));

		appendStringInfoString(&names, names.len > 0 ? ", " : "");
		if (what == NULL || strcmp(what, lack->what) != 0)
			appendStringInfo(&names, "%s ", next != NULL && strcmp(next->what, lack->what) == 0
							 ? lack->whats : lack->what);
		what = lack->what;
		appendStringInfo(&names, "\"%s\"", lack->name);
	}
	return names.data;
}

static char *
statements_of(List *lacks)
{
	StringInfoData statements;
	ListCell   *cell;

	initStringInfo(&statements);
	foreach(cell, lacks)
		appendStringInfo(&statements, "%s%s", statements.len > 0 ? "; " : "",
						 ((const Lack *) lfirst(cell))->create_sql);
	return statements.data;
}

static void
refuse_lacks(const Sync *sync, List *lacks)
{
	static const char *const kinds[SYNC_KINDS] = {"Sync", "Audience", "Trait"};
	bool		one = list_length(lacks) == 1;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s %s not exist in HubSpot account \"%s\"", names_of(lacks),
					one ? "does" : "do", sync->server),
			 errdetail("%s \"%s\" writes to %s.", kinds[sync->kind], sync->name,
					   one ? "it" : "them"),
			 errhint("%s; or declare \"%s\" with create_in_hubspot => true%s.",
					 statements_of(lacks), sync->name, sync->kind != SYNC_IS_SYNC ? ""
					 : ", with NULL to have it left out until HubSpot has it, "
					 "or with a mapping without it")));
}

static void
take_flag(void *arg)
{
	bool		isnull;

	*(bool *) arg =
		DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static bool
is_event(const Lack *lack)
{
	return strcmp(lack->what, "event") == 0;
}

static bool
is_being_created(const Sync *sync, const Lack *lack)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(types)];
	bool		is = false;

	values[0] = ObjectIdGetDatum(account_resolve(sync->server));
	values[1] = CStringGetTextDatum(is_event(lack) ? "event"
									: object_types[sync_object(sync)].name);
	values[2] = CStringGetTextDatum(lack->name);
	(void) sync_execute("SELECT hubspot.is_being_created($1, $2, $3)", lengthof(types), types,
						values, NULL, take_flag, &is);
	return is;
}

static void
settle(const Sync *sync, void (*look) (Lacks *lacks))
{
	Lacks		lacks = {.sync = sync, .context = CurrentMemoryContext};
	ListCell   *cell;

	if (sync->missing == SYNC_MISSING_LEFT_OUT)
		return;
	look(&lacks);
	foreach(cell, lacks.lacks)
	{
		if (is_being_created(sync, lfirst(cell)))
			lacks.lacks = foreach_delete_current(lacks.lacks, cell);
	}
	foreach(cell, lacks.lacks)
	{
		if (sync->missing != SYNC_MISSING_CREATED && !account_creates(sync, is_event(lfirst(cell))))
			refuse_lacks(sync, lacks.lacks);
	}
	foreach(cell, lacks.lacks)
		create(sync, ((const Lack *) lfirst(cell))->create_sql);
}

void
refresh_check_outputs(const Sync *sync)
{
	if (sync->kind != SYNC_IS_SYNC)
		settle(sync, look_at_outputs);
}

void
refresh_check_columns(const Sync *sync)
{
	if (object_types[sync->object].is_record)
		settle(sync, look_at_columns);
}

void
refresh_create_list(const Sync *sync)
{
	if (sync->outputs & SYNC_OUTPUT_LIST && sync->missing == SYNC_MISSING_CREATED)
		create(sync, psprintf("SELECT %s.hubspot_create_list(%s, %s, %s)",
							  sync_functions_schema(), quote_literal_cstr(sync->list),
							  quote_literal_cstr(object_types[sync_object(sync)].name),
							  quote_literal_cstr(sync->server)));
}
