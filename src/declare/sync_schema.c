/*
 * sync_schema.c
 *		What the tables of a schema could be in HubSpot: hubspot_sync_schema().
 *
 * The proposal is made in SQL, of catalogs and of what HubSpot has told, as the extension's owner.
 * Its statements are run as if the caller had typed them: with his rights, his search_path and his
 * settings, in his transaction.
 *
 * Locks: those of the statements.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/statement.h"
#include "declare/preview_schema.h"
#include "facts/reading_store.h"
#include "store/act_as.h"
#include "sync/sync_argument.h"

PG_FUNCTION_INFO_V1(hubspot_sync_schema);

/* Arguments of hubspot_sync_schema(), and the column that is run. */
enum
{
	ARG_SCHEMA, ARG_DRY_RUN, ARG_SERVER, ARG_DELETES, ARG_VIEWS
};
#define STATEMENT_COLUMN	4

static void
need(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/* What becomes of the record of a deleted row; what is for associations is none. */
static const char *
deletes_argument(FunctionCallInfo fcinfo)
{
	need(fcinfo, ARG_DELETES, "deletes");
	return sync_deletes_names[sync_word_argument(fcinfo, ARG_DELETES, "deletes",
												 sync_deletes_names, SYNC_DELETES_REMOVE)];
}

/* The properties of the objects that the tables are: they are read first, where that can be. */
static void
await_objects(Oid schema, Oid server, bool views)
{
	static const char *const sql =
	"SELECT DISTINCT t.it->>'object'"
	" FROM jsonb_each(hubspot.schema_objects($1, $2, $3, $4)) AS t(relation, it)"
	" WHERE hubspot.object_has_schema(t.it->>'object')";
	Oid			types[] = {OIDOID, OIDOID, OIDOID, BOOLOID};
	Datum		values[] = {
		ObjectIdGetDatum(schema), ObjectIdGetDatum(server), ObjectIdGetDatum(GetUserId()),
		BoolGetDatum(views)
	};
	Object		objects[OBJECT_MAX];
	int			count = 0;
	Identity	before;

	/* a custom object that has just been read may be what a table is */
	PushActiveSnapshot(GetLatestSnapshot());
	act_as_extension(&before);
	SPI_connect();
	if (statement_execute(sql, lengthof(types), types, values, NULL, true, OBJECT_MAX) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not look at a schema");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *word = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		int			object = object_of_name(word, strlen(word));

		if (object >= 0 && object < OBJECT_MAX)
			objects[count++] = (Object) object;
	}
	SPI_finish();
	act_back(&before);
	PopActiveSnapshot();
	preview_await_schemas(server, objects, count);
}

/*
 * Make the proposal and return its rows; the result is the statements, in the caller's context.
 */
static List *
propose(FunctionCallInfo fcinfo, Oid schema, Oid server, const char *deletes)
{
	static const char *const sql = "SELECT * FROM hubspot.schema_proposal($1, $2, $3, $4, $5)";
	Oid			types[] = {OIDOID, OIDOID, OIDOID, TEXTOID, BOOLOID};
	Datum		values[] = {
		ObjectIdGetDatum(schema), ObjectIdGetDatum(server), ObjectIdGetDatum(GetUserId()),
		CStringGetTextDatum(deletes), PG_GETARG_DATUM(ARG_VIEWS)
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	List	   *statements = NIL;
	Identity	before;

	/* what the worker has just read is for this proposal, whatever the transaction's snapshot is */
	PushActiveSnapshot(GetLatestSnapshot());
	act_as_extension(&before);
	SPI_connect();
	if (statement_execute(sql, lengthof(types), types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not make a proposal");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		char	   *statement = SPI_getvalue(tuple, SPI_tuptable->tupdesc, STATEMENT_COLUMN);
		MemoryContext old = MemoryContextSwitchTo(context);

		tuplestore_puttuple(result->setResult, tuple);
		if (statement != NULL)
			statements = lappend(statements, pstrdup(statement));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	act_back(&before);
	PopActiveSnapshot();
	return statements;
}

Datum
hubspot_sync_schema(PG_FUNCTION_ARGS)
{
	Oid			server;
	Oid			schema;
	List	   *statements;
	ListCell   *cell;

	need(fcinfo, ARG_SCHEMA, "schema");
	need(fcinfo, ARG_DRY_RUN, "dry_run");
	need(fcinfo, ARG_VIEWS, "views");
	server =
		account_resolve(PG_ARGISNULL(ARG_SERVER) ? NULL : NameStr(*PG_GETARG_NAME(ARG_SERVER)));
	account_check_usage(server, GetUserId());
	schema = LookupExplicitNamespace(NameStr(*PG_GETARG_NAME(ARG_SCHEMA)), false);
	(void) reading_await(server, READING_OBJECTS, "", OBJECTS_SECONDS);
	await_objects(schema, server, PG_GETARG_BOOL(ARG_VIEWS));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	statements = propose(fcinfo, schema, server, deletes_argument(fcinfo));
	if (PG_GETARG_BOOL(ARG_DRY_RUN))
		return (Datum) 0;
	SPI_connect();
	foreach(cell, statements)
	{
		if (SPI_execute(lfirst(cell), false, 0) < 0)
			elog(ERROR, "could not run a statement of a proposal: %s", (char *) lfirst(cell));
	}
	SPI_finish();
	return (Datum) 0;
}
