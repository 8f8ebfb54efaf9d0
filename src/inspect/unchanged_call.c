/*
 * unchanged_call.c
 *		What the user's session says of values that HubSpot has: for explanations.
 *
 * Makes the same decisions as the worker (unchanged.c), from what the tables hold.  It
 * does not know what only the worker's memory holds: rows that may have been sent before,
 * and values confirmed a moment ago.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "mapping/record_message.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "cluster/shared.h"
#include "enqueue/enqueue.h"
#include "inspect/unchanged_call.h"
#include "store/record_map.h"

PG_FUNCTION_INFO_V1(hubspot_wake);
PG_FUNCTION_INFO_V1(hubspot_all_confirmed);

Datum
hubspot_wake(PG_FUNCTION_ARGS)
{
	shared_wake_at_commit();
	PG_RETURN_VOID();
}

/* The seed that the worker stored for the account. */
static uint64
session_seed(Oid server, const AccountOptions *options)
{
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(server);
	int64		portal_id = 0;
	char	   *fingerprint = NULL;
	uint64		seed;

	SPI_connect();
	if (statement_execute("SELECT coalesce(portal_id, 0), token_fingerprint FROM hubspot.account "
						  "WHERE server = $1",
						  1, &type, &value, NULL, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
	{
		bool		isnull;

		portal_id =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		fingerprint = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	}
	seed = unchanged_seed(options->base_url, portal_id, fingerprint != NULL ? fingerprint : "");
	SPI_finish();
	return seed;
}

void
unchanged_session_begin(UnchangedSession *session, Oid server, const AccountOptions *options)
{
	session->server = server;
	session->options = options;
	session->is_on = options->skip_unchanged && !RecoveryInProgress();
	session->seed = session->is_on ? session_seed(server, options) : 0;
}

bool *
unchanged_session_find(const UnchangedSession *session, Object object, const char *record_id,
					   const Mapping *mapping,
					   bool *nothing_left)
{
	TimestampTz since = unchanged_since(session->options);
	ConfirmedPair *pairs = palloc(sizeof(ConfirmedPair) * (mapping->nnames + 1));
	Confirmed	confirmed;
	bool	   *found;

	*nothing_left = false;
	if (!session->is_on || record_id == NULL)
		return palloc0(sizeof(bool) * (mapping->nnames + 1));
	confirmed_read(session->server, object, record_id, &confirmed);
	found = unchanged_find(mapping, &confirmed, session->seed, since, pairs);
	*nothing_left = confirmed_exists(&confirmed, since);
	for (int i = 0; i < mapping->nnames; i++)
		*nothing_left = *nothing_left && found[i];
	return found;
}

/* ---- calls that wait ---------------------------------------------------------------- */

/* State for all calls of one account, kept for the time of a query. */
typedef struct Judge
{
	UnchangedSession session;
	Schema	   *schema;
	pg_tz	   *zone;
} Judge;

static Judge *
judge_of(FunctionCallInfo fcinfo, Oid server)
{
	Judge	   *judge = fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (judge != NULL && judge->session.server == server)
		return judge;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	judge = palloc0(sizeof(Judge));
	unchanged_session_begin(&judge->session, server,
							account_parse_options(GetForeignServer(server)->options));
	judge->schema = schema_load(server, CurrentMemoryContext);
	judge->zone = pg_tzset(judge->session.options->time_zone);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = judge;
	return judge;
}

static MappingRules
rules_of(const Judge *judge, Object object)
{
	return mapping_rules(judge->schema, object,
						 (const char *const *) judge->session.options->id_property, judge->zone);
}

static Datum *
elements_of(FunctionCallInfo fcinfo, int argument, Oid type, int *count)
{
	Datum	   *elements;
	bool	   *nulls;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), type, -1, false, TYPALIGN_INT, &elements,
					  &nulls, count);
	for (int i = 0; i < *count; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("calls and messages must not be null")));
	return elements;
}

/* Map the calls, newest first; false if one of them is invalid. */
static bool
map_calls(FunctionCallInfo fcinfo, Mapping *mapping, const MessageKey *key)
{
	int			ncalls;
	int			nmessages;
	Datum	   *calls = elements_of(fcinfo, 4, TEXTOID, &ncalls);
	Datum	   *messages = elements_of(fcinfo, 5, JSONBOID, &nmessages);
	StringInfoData warnings;

	initStringInfo(&warnings);
	for (int i = 0; i < Min(ncalls, nmessages); i++)
	{
		Call		call = enqueue_call_by_name(TextDatumGetCString(calls[i]));
		MessageParts *parts = palloc(sizeof(MessageParts));
		MessageProblem problem;

		if (!message_read(DatumGetJsonbP(messages[i]), parts, &problem))
			return false;
		mapping_add_record(mapping, call, parts, key, &warnings);
	}
	return true;
}

/*
 * Whether all arguments are there.  A row that was written into the outbox by hand may
 * lack any of them, and confirms nothing.
 */
static bool
is_complete(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i) && i != 2)
			return false;
	return GetForeignServerExtended(PG_GETARG_OID(0), FSV_MISSING_OK) != NULL;
}

Datum
hubspot_all_confirmed(PG_FUNCTION_ARGS)
{
	Judge	   *judge;
	int			object;
	MessageKey	key;
	MappingRules rules;
	const char *record_id;
	StringInfoData json;
	Mapping		mapping;
	bool		nothing_left;

	if (!is_complete(fcinfo))
		PG_RETURN_BOOL(false);
	judge = judge_of(fcinfo, PG_GETARG_OID(0));
	object = object_find(VARDATA_ANY(PG_GETARG_TEXT_PP(1)),
						 VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(1)));
	if (object < 0 || !object_types[object].is_record)
		PG_RETURN_BOOL(false);
	key.property = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	key.key = text_to_cstring(PG_GETARG_TEXT_PP(3));
	rules = rules_of(judge, object);
	record_id = record_map_look_up(judge->session.server, object,
								   object_key_property(key.property), key.key);
	/* A userId is no property of HubSpot's: mapping must not leave one out as the key. */
	if (key.property != NULL && strcmp(key.property, MESSAGE_USER_ID) == 0)
		key.property = NULL;
	initStringInfo(&json);
	mapping_begin(&mapping, &json, &rules);
	if (record_id == NULL || !map_calls(fcinfo, &mapping, &key))
		PG_RETURN_BOOL(false);
	(void) unchanged_session_find(&judge->session, object, record_id, &mapping, &nothing_left);
	PG_RETURN_BOOL(nothing_left);
}
