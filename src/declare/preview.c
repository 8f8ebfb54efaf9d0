/*
 * preview.c
 *		What a sync would do: hubspot_sync_preview().
 *
 * The definition is built like hubspot_sync() builds it, and its source is read like a
 * refresh reads it, but nothing is saved.  The result then comes from the extension's
 * tables, through an SQL function that runs as the extension's owner over plain values.
 * Nothing is written or sent; what HubSpot has not told yet is asked for first.
 *
 * Locks: ACCESS SHARE.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/statement.h"
#include "declare/preview.h"
#include "declare/preview_schema.h"
#include "declare/preview_source.h"
#include "declare/sync_declare.h"
#include "facts/reading_store.h"
#include "refresh/refresh_source.h"
#include "store/act_as.h"
#include "sync/sync_argument.h"

#define CHOICES_AGE_S	3600	/* owners and pipelines that are older are read again */

PG_FUNCTION_INFO_V1(hubspot_sync_preview);

/* Arguments of hubspot_sync_preview(). */
enum
{
	ARG_SOURCE, ARG_OBJECT, ARG_KEY, ARG_MAPPING, ARG_MODE, ARG_DELETES, ARG_EVENT, ARG_SERVER,
	ARG_CREATE
};

void
preview_return_rows(FunctionCallInfo fcinfo, const char *sql, int nargs, Oid *types, Datum *values,
					const char *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Identity	before;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	/* what the worker has just read is for this preview, whatever the transaction's snapshot is */
	PushActiveSnapshot(GetLatestSnapshot());
	act_as_extension(&before);
	SPI_connect();
	if (statement_execute(sql, nargs, types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run a preview");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	act_back(&before);
	PopActiveSnapshot();
}

/* Build the definition that hubspot_sync() would save, and analyse its source. */
static void
read_definition(FunctionCallInfo fcinfo, Sync *sync, SyncSource *source)
{
	char	   *name_or_query = sync_text_argument(fcinfo, ARG_SOURCE, "source");

	sync->name = pstrdup("preview");
	sync->kind = SYNC_IS_SYNC;
	sync->object = sync_object_argument(fcinfo, ARG_OBJECT, ARG_SERVER);
	sync->mode = sync_word_argument(fcinfo, ARG_MODE, "mode", sync_mode_names, SYNC_MODES);
	sync->deletes =
		sync_word_argument(fcinfo, ARG_DELETES, "deletes", sync_deletes_names, SYNC_DELETES);
	sync->event = PG_ARGISNULL(ARG_EVENT) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_EVENT));
	sync->missing = sync_missing_argument(fcinfo, ARG_CREATE);
	sync_check_combination(sync);
	sync_set_owner(sync, PG_ARGISNULL(ARG_SERVER) ? NULL : NameStr(*PG_GETARG_NAME(ARG_SERVER)));
	sync_source_look(name_or_query, source);
	sync_take_source(sync, source,
					 PG_ARGISNULL(ARG_MAPPING) ? NULL : PG_GETARG_JSONB_P(ARG_MAPPING),
					 PG_ARGISNULL(ARG_KEY) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_KEY)));
}

static bool
is_one_of(const char *property, const char *one, const char *other)
{
	return (one != NULL && pg_strcasecmp(property, one) == 0) ||
		(other != NULL && pg_strcasecmp(property, other) == 0);
}

/* What the values of a column are chosen from. */
static void
await_choices(Oid server, Object object, const char *property)
{
	const CrmType *type = &object_types[object];

	if (is_one_of(property, type->pipeline_property, type->pipeline_stage))
		(void) reading_await(server, READING_PIPELINES, type->name, CHOICES_AGE_S);
	else if (type->is_record && is_one_of(property, "hubspot_owner_id", NULL))
		(void) reading_await(server, READING_OWNERS, "", CHOICES_AGE_S);
}

static void
await_knowledge(const Sync *sync)
{
	Oid			server = account_resolve(sync->server);
	List	   *names = NIL;
	ListCell   *cell;

	preview_await_schema(server, sync->object);
	foreach(cell, sync->columns)
	{
		char	   *property = ((const SyncColumn *) lfirst(cell))->property;

		names = lappend(names, property);
		await_choices(server, sync->object, property);
	}
	if (sync->event != NULL)
		names = list_make1(sync->event);
	preview_await_creations(server, sync->object, names);
}

Datum
hubspot_sync_preview(PG_FUNCTION_ARGS)
{
	static const char *const sql =
	"SELECT * FROM hubspot.preview_sync($1, $2, $3, $4, $5, $6, $7, $8)";
	Oid			types[] = {OIDOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types) + 1] = "        ";
	Sync		sync = {0};
	SyncSource	source;
	char	   *description;

	read_definition(fcinfo, &sync, &source);

	/*
	 * Raises the error that the declaration would raise: the owner must be able to run the query
	 * with the rights that a refresh has.
	 */
	if (!sync.follows)
		(void) refresh_describe(&sync);
	description = preview_describe_source(&sync, &source);
	values[0] = ObjectIdGetDatum(account_resolve(sync.server));
	values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(description));
	values[2] = CStringGetTextDatum(object_types[sync.object].name);
	values[3] = CStringGetTextDatum(sync.key_column);
	values[4] = CStringGetTextDatum(sync_mode_names[sync.mode]);
	values[5] = CStringGetTextDatum(sync_deletes_names[sync.deletes]);
	nulls[6] = sync.event == NULL ? 'n' : ' ';
	if (sync.event != NULL)
		values[6] = CStringGetTextDatum(sync.event);
	nulls[7] = sync.missing == SYNC_MISSING_LEFT_OUT ? 'n' : ' ';
	values[7] = BoolGetDatum(sync.missing == SYNC_MISSING_CREATED);
	await_knowledge(&sync);
	preview_return_rows(fcinfo, sql, lengthof(types), types, values, nulls);
	return (Datum) 0;
}
