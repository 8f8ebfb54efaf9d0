/*
 * preview_audience.c
 *		What an audience would do: hubspot_audience_preview().
 *
 * The query runs once, exactly like in a refresh of the audience.  The facts about its
 * keys then come from the extension's tables.  Nothing is written or sent; what HubSpot has not
 * told yet is asked for first.
 *
 * Locks: those of the query, and ACCESS SHARE on our tables.  Memory: the
 * caller's context; the keys go to disk beyond maintenance_work_mem.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/statement.h"
#include "declare/preview.h"
#include "declare/preview_schema.h"
#include "message/message.h"
#include "refresh/refresh_source.h"
#include "ring/ring.h"
#include "store/act_as.h"
#include "sync/sync_argument.h"
#include "sync/sync_source.h"
#include "text/domain.h"
#include "text/value.h"

#define EXAMPLES	3			/* at most, of good keys and of bad keys */

PG_FUNCTION_INFO_V1(hubspot_audience_preview);

/* Arguments of hubspot_audience_preview(). */
enum
{
	ARG_QUERY, ARG_LEVEL, ARG_OUTPUTS, ARG_PROPERTY, ARG_LIST, ARG_SERVER
};

/* Facts about the keys. */
typedef struct KeyFacts
{
	bool		by_domain;
	int64		bad;			/* # of keys that cannot become a call */
	StringInfoData bad_examples;	/* elements of a JSON array */
	int			ngood;
	StringInfoData good_examples;	/* the same */
} KeyFacts;

/* ---- each key by itself ---------------------------------------------------------------- */

/* Why a key cannot become a call; NULL if it can. */
static const char *
why_bad(const KeyFacts *facts, const Sync *sync, const char *key)
{
	const char *why = NULL;

	if (facts->by_domain)
		(void) domain_of_website(key, strlen(key), &why);
	else if (sync->level == SYNC_LEVEL_USER && strchr(key, '@') != NULL)
		(void) message_normalise_email(key, strlen(key), &why);
	return why;
}

static void
note_key(KeyFacts *facts, const Sync *sync, const char *key)
{
	const char *why = why_bad(facts, sync, key);

	if (why == NULL && facts->ngood++ < EXAMPLES)
	{
		appendStringInfoString(&facts->good_examples, facts->ngood > 1 ? "," : "");
		value_append_string(&facts->good_examples, key, strlen(key));
	}
	if (why != NULL && facts->bad++ < EXAMPLES)
	{
		char	   *text = psprintf("\"%s\": %s", key, why);

		appendStringInfoString(&facts->bad_examples, facts->bad > 1 ? "," : "");
		value_append_string(&facts->bad_examples, text, strlen(text));
	}
}

static void
look_at_keys(KeyFacts *facts, const Sync *sync, RefreshSource *source)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(source->desc, &TTSOpsMinimalTuple);
	MemoryContext row =
	AllocSetContextCreate(CurrentMemoryContext, "hubspot preview row", ALLOCSET_DEFAULT_SIZES);

	initStringInfo(&facts->bad_examples);
	initStringInfo(&facts->good_examples);
	while (tuplestore_gettupleslot(source->rows, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(row);
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		note_key(facts, sync, TextDatumGetCString(slot_getattr(slot, SOURCE_KEY, &isnull)));
		MemoryContextSwitchTo(old);
		MemoryContextReset(row);
	}
	tuplestore_rescan(source->rows);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row);
}

/* ---- all keys together --------------------------------------------------------------------- */

/*
 * $1 SERVER, $2 its name, $3 whether a key without "@" must be a userId that was seen
 * with an address, $4 whether keys are companies whose contacts are counted. $3 and $4
 * read what others have queued: they are set only for roles that may read these tables.
 */
static const char *const counts_sql =
"SELECT jsonb_build_object('keys', count(DISTINCT s.key),"
" 'strangers', count(DISTINCT s.key) FILTER (WHERE $3 AND strpos(s.key, '@') = 0"
"  AND NOT EXISTS (SELECT FROM hubspot.record r WHERE r.server = $1"
" AND r.key_hash = hashtextextended(s.key, 0)"
"   AND r.key = s.key AND r.key_property = 'userId')),"
" 'contacts', CASE WHEN $4 THEN (SELECT count(DISTINCT c.contact) FROM source k"
"  JOIN hubspot.company_contacts c ON c.server = $2 AND c.company = k.key) END)::text"
" FROM source s";

/* The counts as a JSON object. */
static char *
count_keys(const Sync *sync, Oid server, bool address_needed, RefreshSource *source)
{
	EphemeralNamedRelationData relation = {
		.md = {.name = "source", .tupdesc = source->desc, .enrtype = ENR_NAMED_TUPLESTORE,
		.enrtuples = source->nkept},
		.reldata = source->rows
	};
	const Catalog *catalog = ring_catalog(false);
	Oid			types[] = {OIDOID, TEXTOID, BOOLOID, BOOLOID};
	Datum		values[lengthof(types)];
	MemoryContext context = CurrentMemoryContext;
	Identity	before;
	char	   *counts;

	values[0] = ObjectIdGetDatum(server);
	values[1] = CStringGetTextDatum(sync->server);
	values[2] = BoolGetDatum(address_needed && ring_may_read(catalog->record));
	values[3] =
		BoolGetDatum(sync->level == SYNC_LEVEL_ACCOUNT_USERS &&
					 ring_may_read(catalog->company_contact));
	act_as_extension(&before);
	SPI_connect();
	if (SPI_register_relation(&relation) != SPI_OK_REL_REGISTER ||
		statement_execute(counts_sql, lengthof(types), types, values, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not count the keys");
	/* SPI_finish() frees SPI's memory. */
	counts = MemoryContextStrdup(context,
								 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	SPI_finish();
	act_back(&before);
	return counts;
}

/* The facts about the query's result as JSON, for hubspot.preview_audience(). */
static Datum
describe_keys(const Sync *sync, Oid server)
{
	const CallOptions *options = account_call_options(server);
	bool		address_needed = sync_key_object(sync) == OBJECT_IS_CONTACT &&
	options->id_property[OBJECT_IS_CONTACT] == NULL;
	KeyFacts	facts = {.by_domain = account_goes_by_natural_key(options, sync_key_object(sync))};
	RefreshSource source;
	StringInfoData json;

	refresh_read_source(sync, NULL, &source);
	look_at_keys(&facts, sync, &source);
	initStringInfo(&json);
	appendStringInfo(&json,
					 "{\"rows\":" INT64_FORMAT ",\"empty\":" INT64_FORMAT ",\"bad\":" INT64_FORMAT
					 ",\"bad_examples\":[%s],\"sample\":[%s],\"counts\":%s}",
					 source.nrows, source.bad, facts.bad, facts.bad_examples.data,
					 facts.good_examples.data,
					 count_keys(sync, server, address_needed, &source));
	tuplestore_end(source.rows);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* Words that are none are refused later. */
static bool
writes_events(ArrayType *outputs)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	deconstruct_array(outputs, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i] && strcmp(TextDatumGetCString(names[i]), "event") == 0)
			return true;
	return false;
}

Datum
hubspot_audience_preview(PG_FUNCTION_ARGS)
{
	static const char *const sql = "SELECT * FROM hubspot.preview_audience($1, $2, $3, $4, $5, $6)";
	Oid			types[] = {OIDOID, JSONBOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types) + 1] = "      ";
	Sync	   *sync = palloc0(sizeof(Sync));
	Oid			server;

	sync->name = "preview";
	sync->kind = SYNC_IS_AUDIENCE;
	sync->source = sync_source_bare_query(sync_text_argument(fcinfo, ARG_QUERY, "query"));
	sync->level = sync_word_argument(fcinfo, ARG_LEVEL, "level", sync_level_names, SYNC_LEVELS);
	sync->object = sync_level_objects[sync->level];
	sync_set_owner(sync, PG_ARGISNULL(ARG_SERVER) ? NULL : NameStr(*PG_GETARG_NAME(ARG_SERVER)));
	server = account_resolve(sync->server);
	/* Before the query runs: an error in its columns is reported as at the declaration. */
	(void) refresh_describe(sync);

	values[0] = ObjectIdGetDatum(server);
	values[1] = describe_keys(sync, server);
	values[2] = CStringGetTextDatum(sync_level_names[sync->level]);
	for (int arg = ARG_OUTPUTS; arg <= ARG_LIST; arg++)
	{
		values[arg + 1] = PG_GETARG_DATUM(arg);
		nulls[arg + 1] = PG_ARGISNULL(arg) ? 'n' : ' ';
	}
	preview_await_schema(server, sync->object);
	if (!PG_ARGISNULL(ARG_OUTPUTS) && writes_events(PG_GETARG_ARRAYTYPE_P(ARG_OUTPUTS)))
		preview_await_schema(server, OBJECT_IS_EVENT);
	preview_return_rows(fcinfo, sql, lengthof(types), types, values, nulls);
	return (Datum) 0;
}
