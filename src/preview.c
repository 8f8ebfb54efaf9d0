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
#include "preview_source.h"
#include "sync.h"

PG_FUNCTION_INFO_V1(hubspot_sync_preview);

/* Arguments of hubspot_sync_preview(). */
enum
{
	ARG_SOURCE, ARG_OBJECT, ARG_KEY, ARG_MAPPING, ARG_MODE, ARG_DELETES, ARG_EVENT, ARG_SERVER
};

static const char *const object_names[] = {"contact", "company", "event", "association"};

/* What may be said of an argument. */
static const struct
{
	int			arg;
	const char *name;
	const char *const *words;
	int			count;
}			word_args[] =
{
	{ARG_OBJECT, "object", object_names, lengthof(object_names)},
	{ARG_MODE, "mode", sync_mode_names, SYNC_MODES},
	{ARG_DELETES, "deletes", sync_deletes_names, SYNC_DELETES},
};

static void
check_word(const char *name, const char *word, const char *const *words, int count)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < count; i++)
	{
		if (strcmp(words[i], word) == 0)
			return;
		appendStringInfo(&valid, "%s%s", i > 0 ? ", " : "", words[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"%s\": \"%s\"", name, word),
			 errhint("Valid values are: %s.", valid.data)));
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < lengthof(word_args); i++)
	{
		int			arg = word_args[i].arg;

		if (PG_ARGISNULL(arg))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", word_args[i].name)));
		check_word(word_args[i].name, text_to_cstring(PG_GETARG_TEXT_PP(arg)), word_args[i].words, word_args[i].count);
	}
	if (PG_ARGISNULL(ARG_SOURCE))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", "source")));
	if (PG_ARGISNULL(ARG_EVENT) && strcmp(text_to_cstring(PG_GETARG_TEXT_PP(ARG_OBJECT)), ring_object_names[OBJECT_IS_EVENT]) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a sync of events needs the name of the event")));
}

/* The SERVER that is meant, which the caller may use. */
static Oid
usable_server(FunctionCallInfo fcinfo, int arg)
{
	Oid			server = account_resolve(PG_ARGISNULL(arg) ? NULL : NameStr(*PG_GETARG_NAME(arg)));

	account_check_usage(server, GetUserId());
	return server;
}

/* Rows of a statement, run as the extension's owner, as the function's result. */
static void
return_rows(FunctionCallInfo fcinfo, const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
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
	char	   *description;

	check_arguments(fcinfo);
	values[0] = ObjectIdGetDatum(usable_server(fcinfo, ARG_SERVER));
	description = preview_describe_source(text_to_cstring(PG_GETARG_TEXT_PP(ARG_SOURCE)));
	values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(description));
	for (int arg = ARG_OBJECT; arg <= ARG_EVENT; arg++)
	{
		values[arg + 1] = PG_GETARG_DATUM(arg);
		nulls[arg + 1] = PG_ARGISNULL(arg) ? 'n' : ' ';
	}
	return_rows(fcinfo, sql, lengthof(types), types, values, nulls);
	return (Datum) 0;
}
