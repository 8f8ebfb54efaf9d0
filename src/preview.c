/*
 * preview.c
 *		What a sync would do: hubspot_sync_preview().
 *
 * The source is read as the caller; what is then said about it comes from the
 * extension's tables, by a function in SQL that runs as the extension's owner
 * over plain values.  Nothing is written, no network is asked.
 *
 * Locks: ACCESS SHARE.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "hubspot.h"
#include "account.h"
#include "preview.h"
#include "preview_source.h"
#include "sync_argument.h"

PG_FUNCTION_INFO_V1(hubspot_sync_preview);

/* Arguments of hubspot_sync_preview(). */
enum
{
	ARG_SOURCE, ARG_OBJECT, ARG_KEY, ARG_MAPPING, ARG_MODE, ARG_DELETES, ARG_EVENT, ARG_SERVER
};

static const char *const object_names[] = {"contact", "company", "event", "association"};

void
preview_return_rows(FunctionCallInfo fcinfo, const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SyncIdentity before;

	hubspot_materialized_srf(fcinfo);
	sync_act_as_extension(&before);
	SPI_connect();
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run a preview");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	sync_act_back(&before);
}

Datum
hubspot_sync_preview(PG_FUNCTION_ARGS)
{
	static const char *const sql = "SELECT * FROM hubspot.preview_sync($1, $2, $3, $4, $5, $6, $7, $8)";
	Oid			types[] = {OIDOID, JSONBOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types) + 1] = "        ";
	char	   *source;
	char	   *description;
	int			object;
	int			mode;
	int			deletes;
	Oid			server;

	source = sync_text_argument(fcinfo, ARG_SOURCE, "source");
	object = sync_word_argument(fcinfo, ARG_OBJECT, "object", object_names, lengthof(object_names));
	mode = sync_word_argument(fcinfo, ARG_MODE, "mode", sync_mode_names, SYNC_MODES);
	deletes = sync_word_argument(fcinfo, ARG_DELETES, "deletes", sync_deletes_names, SYNC_DELETES);
	if (strcmp(object_names[object], "event") == 0)
		(void) sync_text_argument(fcinfo, ARG_EVENT, "event");
	server = account_resolve(PG_ARGISNULL(ARG_SERVER) ? NULL : NameStr(*PG_GETARG_NAME(ARG_SERVER)));
	account_check_usage(server, GetUserId());

	values[0] = ObjectIdGetDatum(server);
	description = preview_describe_source(source);
	values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(description));
	for (int arg = ARG_OBJECT; arg <= ARG_EVENT; arg++)
	{
		values[arg + 1] = PG_GETARG_DATUM(arg);
		nulls[arg + 1] = PG_ARGISNULL(arg) ? 'n' : ' ';
	}
	values[ARG_OBJECT + 1] = CStringGetTextDatum(object_names[object]);
	values[ARG_MODE + 1] = CStringGetTextDatum(sync_mode_names[mode]);
	values[ARG_DELETES + 1] = CStringGetTextDatum(sync_deletes_names[deletes]);
	nulls[ARG_OBJECT + 1] = nulls[ARG_MODE + 1] = nulls[ARG_DELETES + 1] = ' ';
	preview_return_rows(fcinfo, sql, lengthof(types), types, values, nulls);
	return (Datum) 0;
}
