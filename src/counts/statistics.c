/*
 * statistics.c
 *		How many rows ended how, how many requests were answered how.
 *
 * A counter holds what has been committed, and apart from that what the transaction at hand adds:
 * if it fails, the same verdicts are written and counted again.  What a transaction writes of a
 * counter is its whole value, so that a lost write is made good by the next one.
 *
 * A transaction that writes verdicts writes the counters, too.  A snapshot that somebody holds
 * keeps the dead versions of their rows; to find the live one means to go past them.  So from
 * SMALL_PAGES on the time between two writes grows with the table, and what is written never costs
 * more than about a hundredth of the worker's time.
 *
 * Memory: WorkerContext.  Locks: ROW EXCLUSIVE on the two tables until the caller's commit.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "base/verdict.h"
#include "base/worker_context.h"
#include "counts/statistics.h"
#include "message/object_type.h"
#include "ring/ring.h"

#define MAX_COUNTERS	500		/* of verdicts, of one account: beyond it categories are one */
#define OTHER_CATEGORY	"other"
#define CATEGORY_BYTES	201		/* as a category of ack.c, with its end */
#define LANE_BYTES		16
#define MAX_BOUNDS		16		/* of hubspot.duration_bounds() */
#define SMALL_PAGES		256		/* of both tables: written with each transaction */
#define PAGE_US			1000	/* and beyond: so long per page */

typedef struct RowKey
{
	Oid			server;
	int			object;
	int			call;
	int			verdict;
	char		category[CATEGORY_BYTES];	/* "": none */
} RowKey;

typedef struct RowNumbers
{
	int64		rows;
	int64		retries;
} RowNumbers;

typedef struct RowCounter
{
	RowKey		key;
	RowNumbers	committed;
	RowNumbers	fresh;
	bool		unsaved;		/* the table has less than was committed */
} RowCounter;

typedef struct RequestKey
{
	Oid			server;
	int			status;
	char		lane[LANE_BYTES];
} RequestKey;

typedef struct RequestNumbers
{
	int64		requests;
	int64		records;
	int64		bytes_sent;
	int64		bytes_received;
	double		seconds;
	int64		within[MAX_BOUNDS]; /* requests that took no longer than this bound */
} RequestNumbers;

typedef struct RequestCounter
{
	RequestKey	key;
	RequestNumbers committed;
	RequestNumbers fresh;
	bool		unsaved;
} RequestCounter;

typedef struct AccountCounters
{
	Oid			server;
	int			count;			/* counters of verdicts */
} AccountCounters;

static HTAB *row_counters;
static HTAB *request_counters;
static HTAB *account_counters;
static RowCounter *last;		/* the row before was counted here */
static List *firsts = NIL;		/* counters of failures that have just begun */

static double bounds[MAX_BOUNDS];	/* seconds */
static int	nbounds;

static bool counted;			/* the transaction at hand has added something */
static bool written;			/* and has written all */
static bool unsaved;			/* something that was committed is not in the tables */
static int64 not_before;		/* of the next write */

/* ---- counters ---------------------------------------------------------------------------- */

static HTAB *
make_table(const char *name, Size key, Size entry)
{
	HASHCTL		control = {.keysize = key, .entrysize = entry, .hcxt = WorkerContext};

	return hash_create(name, 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Keys are compared as bytes: nothing behind the end of a text. */
static RowKey
row_key(Oid server, int object, int call, int verdict, const char *category)
{
	RowKey		key;

	memset(&key, 0, sizeof(key));
	key.server = server;
	key.object = object;
	key.call = call;
	key.verdict = verdict;
	strlcpy(key.category, category != NULL ? category : "", sizeof(key.category));
	return key;
}

static RowCounter *
find_row_counter(RowKey key)
{
	bool		found;
	AccountCounters *account = hash_search(account_counters, &key.server, HASH_ENTER, &found);
	RowCounter *counter;

	if (!found)
		account->count = 0;
	counter = hash_search(row_counters, &key, HASH_FIND, NULL);
	if (counter != NULL)
		return counter;
	if (account->count >= MAX_COUNTERS && key.category[0] != '\0')
		key = row_key(key.server, key.object, key.call, key.verdict, OTHER_CATEGORY);
	counter = hash_search(row_counters, &key, HASH_ENTER, &found);
	if (!found)
	{
		account->count++;
		memset((char *) counter + sizeof(key), 0, sizeof(*counter) - sizeof(key));
	}
	return counter;
}

static RequestCounter *
find_request_counter(Oid server, const char *lane, int status)
{
	RequestKey	key;
	RequestCounter *counter;
	bool		found;

	memset(&key, 0, sizeof(key));
	key.server = server;
	key.status = status;
	strlcpy(key.lane, lane, sizeof(key.lane));
	counter = hash_search(request_counters, &key, HASH_ENTER, &found);
	if (!found)
		memset((char *) counter + sizeof(key), 0, sizeof(*counter) - sizeof(key));
	return counter;
}

void
statistics_begin(void)
{
	HASH_SEQ_STATUS status;
	RowCounter *row;
	RequestCounter *request;

	written = false;
	if (!counted)
		return;
	counted = false;
	hash_seq_init(&status, row_counters);
	while ((row = hash_seq_search(&status)) != NULL)
		memset(&row->fresh, 0, sizeof(row->fresh));
	hash_seq_init(&status, request_counters);
	while ((request = hash_seq_search(&status)) != NULL)
		memset(&request->fresh, 0, sizeof(request->fresh));
}

void
statistics_row(const CountedRow *row)
{
	const char *category = row->category != NULL ? row->category : "";

	/* Most rows end as the one before. */
	if (last == NULL || last->key.server != row->server || last->key.object != row->object ||
		last->key.call != row->call || last->key.verdict != row->verdict ||
		strcmp(last->key.category, category) != 0)
		last = find_row_counter(row_key(row->server, row->object, row->call, row->verdict,
										category));
	last->fresh.rows++;
	last->fresh.retries += Max(row->attempts - 1, 0);
	counted = true;
}

void
statistics_request(const CountedRequest *request)
{
	RequestCounter *counter =
	find_request_counter(request->server, request->lane, request->status);
	RequestNumbers *fresh = &counter->fresh;

	fresh->requests++;
	fresh->records += request->records;
	fresh->bytes_sent += request->bytes_sent;
	fresh->bytes_received += request->bytes_received;
	fresh->seconds += request->seconds;
	for (int i = 0; i < nbounds; i++)
		fresh->within[i] += request->seconds <= bounds[i];
	counted = true;
}

static void
add_row(RowNumbers *to, const RowNumbers *from)
{
	to->rows += from->rows;
	to->retries += from->retries;
}

static void
add_request(RequestNumbers *to, const RequestNumbers *from)
{
	to->requests += from->requests;
	to->records += from->records;
	to->bytes_sent += from->bytes_sent;
	to->bytes_received += from->bytes_received;
	to->seconds += from->seconds;
	for (int i = 0; i < nbounds; i++)
		to->within[i] += from->within[i];
}

static void
note_first(RowCounter *row)
{
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);

	firsts = lappend(firsts, row);
	MemoryContextSwitchTo(old);
}

bool
statistics_take_first(FirstFailure *failure)
{
	const RowKey *key;

	if (firsts == NIL)
		return false;
	key = &((const RowCounter *) linitial(firsts))->key;
	failure->server = key->server;
	failure->lane = object_types[key->object].plural;
	failure->call = call_names[key->call];
	failure->verdict = verdict_rules[key->verdict].word;
	failure->category = key->category;
	firsts = list_delete_first(firsts);
	return true;
}

void
statistics_written(void)
{
	HASH_SEQ_STATUS status;
	RowCounter *row;
	RequestCounter *request;

	if (!counted && !written)
		return;
	/* What the tables lack is marked, so that a later write is of these rows only. */
	hash_seq_init(&status, row_counters);
	while ((row = hash_seq_search(&status)) != NULL)
	{
		if (row->fresh.rows > 0 && row->committed.rows == 0 &&
			(verdict_rules[row->key.verdict].flags & VERDICT_IS_FAILURE) != 0)
			note_first(row);
		row->unsaved = !written && (row->unsaved || row->fresh.rows > 0);
		add_row(&row->committed, &row->fresh);
	}
	hash_seq_init(&status, request_counters);
	while ((request = hash_seq_search(&status)) != NULL)
	{
		request->unsaved = !written && (request->unsaved || request->fresh.requests > 0);
		add_request(&request->committed, &request->fresh);
	}
	unsaved = !written;
	statistics_begin();
}

bool
statistics_is_unsaved(void)
{
	return unsaved;
}

bool
statistics_is_due(int64 now, int64 *wait_us)
{
	*wait_us = unsaved ? Max(not_before - now, 0) : -1;
	return *wait_us == 0;
}

/* ---- the tables -------------------------------------------------------------------------- */

#define MAX_COLUMNS 9

/* Rows of a statement: its parameters are the columns, as arrays. */
typedef struct Rows
{
	int			ncolumns;
	const Oid  *types;
	int			count;
	Datum	   *values[MAX_COLUMNS];
} Rows;

static Rows
make_rows(const Oid *types, int ncolumns, int most)
{
	Rows		rows = {.ncolumns = ncolumns, .types = types};

	Assert(ncolumns <= MAX_COLUMNS);
	for (int i = 0; i < ncolumns; i++)
		rows.values[i] = palloc(sizeof(Datum) * Max(most, 1));
	return rows;
}

static void
put_row(Rows *rows, const Datum *values)
{
	for (int i = 0; i < rows->ncolumns; i++)
		rows->values[i][rows->count] = values[i];
	rows->count++;
}

static Datum
column_of(const Rows *rows, int i)
{
	Oid			type = rows->types[i];
	int			len = type == TEXTOID ? -1 : type == OIDOID ? 4 : 8;

	return PointerGetDatum(construct_array(rows->values[i], rows->count, type, len, len > 0,
										   len == 8 ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

static void
insert_rows(SavedStatement *statement, const Rows *rows)
{
	Oid			types[MAX_COLUMNS];
	Datum		columns[MAX_COLUMNS];

	if (rows->count == 0)
		return;
	for (int i = 0; i < rows->ncolumns; i++)
	{
		types[i] = get_array_type(rows->types[i]);
		columns[i] = column_of(rows, i);
	}
	if (statement_execute_saved(statement, rows->ncolumns, types, columns) != SPI_OK_INSERT)
		elog(ERROR, "could not write the counters");
}

static const char write_rows_sql[] =
"INSERT INTO hubspot.statistic (server, lane, call, verdict, category, rows, retries, since, "
"last_at)"
" SELECT x.server, x.lane, x.call::hubspot.call, x.verdict::hubspot.verdict, x.category, x.rows,"
" x.retries, pg_catalog.now(), pg_catalog.now()"
" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), "
"pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7))"
" AS x(server, lane, call, verdict, category, rows, retries)"
" ON CONFLICT (server, lane, call, verdict, category) DO UPDATE SET"
" rows = excluded.rows, retries = excluded.retries, last_at = excluded.last_at";

static SavedStatement write_rows_statement = {.sql = write_rows_sql};

static void
write_rows(void)
{
	static const Oid types[] = {OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID};
	Rows		rows = make_rows(types, lengthof(types), hash_get_num_entries(row_counters));
	HASH_SEQ_STATUS status;
	RowCounter *counter;

	hash_seq_init(&status, row_counters);
	while ((counter = hash_seq_search(&status)) != NULL)
	{
		const RowKey *key = &counter->key;
		RowNumbers	sum = counter->committed;
		Datum		values[lengthof(types)];

		if (counter->fresh.rows == 0 && !counter->unsaved)
			continue;
		add_row(&sum, &counter->fresh);
		values[0] = ObjectIdGetDatum(key->server);
		values[1] = CStringGetTextDatum(object_types[key->object].plural);
		values[2] = CStringGetTextDatum(call_names[key->call]);
		values[3] = CStringGetTextDatum(verdict_rules[key->verdict].word);
		values[4] = CStringGetTextDatum(key->category);
		values[5] = Int64GetDatum(sum.rows);
		values[6] = Int64GetDatum(sum.retries);
		put_row(&rows, values);
	}
	insert_rows(&write_rows_statement, &rows);
}

static const char write_requests_sql[] =
"INSERT INTO hubspot.request_statistic (server, lane, status, requests, records, bytes_sent, "
"bytes_received, seconds, within, since, last_at)"
" SELECT x.server, x.lane, x.status, x.requests, x.records, x.bytes_sent, x.bytes_received, "
"x.seconds, x.within::pg_catalog.int8[], pg_catalog.now(), pg_catalog.now()"
" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), "
"pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), "
"pg_catalog.unnest($8), pg_catalog.unnest($9))"
" AS x(server, lane, status, requests, records, bytes_sent, bytes_received, seconds, within)"
" ON CONFLICT (server, lane, status) DO UPDATE SET requests = excluded.requests,"
" records = excluded.records, bytes_sent = excluded.bytes_sent,"
" bytes_received = excluded.bytes_received, seconds = excluded.seconds,"
" within = excluded.within, last_at = excluded.last_at";

static SavedStatement write_requests_statement = {.sql = write_requests_sql};

static Datum
within_text(const RequestNumbers *numbers)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < nbounds; i++)
		appendStringInfo(&text, "%s" INT64_FORMAT, i > 0 ? "," : "", numbers->within[i]);
	appendStringInfoChar(&text, '}');
	return CStringGetTextDatum(text.data);
}

static void
write_requests(void)
{
	static const Oid types[] = {
		OIDOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, FLOAT8OID, TEXTOID
	};
	Rows		rows = make_rows(types, lengthof(types), hash_get_num_entries(request_counters));
	HASH_SEQ_STATUS status;
	RequestCounter *counter;

	hash_seq_init(&status, request_counters);
	while ((counter = hash_seq_search(&status)) != NULL)
	{
		const RequestKey *key = &counter->key;
		RequestNumbers sum = counter->committed;
		Datum		values[lengthof(types)];

		if (counter->fresh.requests == 0 && !counter->unsaved)
			continue;
		add_request(&sum, &counter->fresh);
		values[0] = ObjectIdGetDatum(key->server);
		values[1] = CStringGetTextDatum(key->lane);
		values[2] = Int64GetDatum(key->status);
		values[3] = Int64GetDatum(sum.requests);
		values[4] = Int64GetDatum(sum.records);
		values[5] = Int64GetDatum(sum.bytes_sent);
		values[6] = Int64GetDatum(sum.bytes_received);
		values[7] = Float8GetDatum(sum.seconds);
		/* as a text: there is no array of arrays */
		values[8] = within_text(&sum);
		put_row(&rows, values);
	}
	insert_rows(&write_requests_statement, &rows);
}

/* How long the next write has to wait for, by what this one has had to go through. */
static int64
wait_by_pages(void)
{
	const Catalog *catalog = ring_catalog(false);
	Oid			tables[] = {catalog->statistic, catalog->request_statistic};
	int64		pages = 0;

	for (int i = 0; i < lengthof(tables); i++)
	{
		Relation	rel = table_open(tables[i], AccessShareLock);

		pages += RelationGetNumberOfBlocks(rel);
		table_close(rel, AccessShareLock);
	}
	return pages <= SMALL_PAGES ? 0 : pages * PAGE_US;
}

void
statistics_write(bool is_last)
{
	int64		now = clock_us();

	if ((!counted && !unsaved) || (now < not_before && !is_last))
		return;
	SPI_connect();
	write_rows();
	write_requests();
	SPI_finish();
	not_before = now + wait_by_pages();
	written = true;
}

/* ---- at the start ------------------------------------------------------------------------ */

/* The position of a word in a list; -1: a version of the script that we do not know. */
static int
position_of(const char *word, const char *(*word_at) (int), int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(word, word_at(i)) == 0)
			return i;
	return -1;
}

static const char *
call_at(int i)
{
	return call_names[i];
}

static const char *
verdict_at(int i)
{
	return verdict_rules[i].word;
}

static const char *
text_at(int row, int column)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return text != NULL ? text : "";
}

static int64
number_at(int row, int column)
{
	return strtoi64(text_at(row, column), NULL, 10);
}

static void
load_rows(void)
{
	for (int i = 0; i < SPI_processed; i++)
	{
		int			object = object_of_lane(text_at(i, 2));
		int			call = position_of(text_at(i, 3), call_at, CALL_COUNT);
		int			verdict = position_of(text_at(i, 4), verdict_at, VERDICT_COUNT);
		RowCounter *counter;

		if (object < 0 || object == OBJECT_MAX || call < 0 || verdict < 0)
			continue;
		counter = find_row_counter(row_key((Oid) number_at(i, 1), object, call, verdict,
										   text_at(i, 5)));
		counter->committed.rows += number_at(i, 6);
		counter->committed.retries += number_at(i, 7);
	}
}

/* The numbers of an array, as many as there is room for. */
static int
load_array(int row, int column, Oid type, Datum *elements, int max)
{
	bool		isnull;
	Datum		array =
	SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (isnull)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(array), type, 8, true, TYPALIGN_DOUBLE, &values, &nulls,
					  &count);
	count = Min(count, max);
	for (int i = 0; i < count; i++)
		elements[i] = nulls[i] ? (Datum) 0 : values[i];
	return count;
}

static void
load_requests(void)
{
	for (int i = 0; i < SPI_processed; i++)
	{
		RequestCounter *counter =
		find_request_counter((Oid) number_at(i, 1), text_at(i, 2), (int) number_at(i, 3));
		RequestNumbers *numbers = &counter->committed;
		Datum		within[MAX_BOUNDS];
		int			count = load_array(i, 9, INT8OID, within, nbounds);

		numbers->requests = number_at(i, 4);
		numbers->records = number_at(i, 5);
		numbers->bytes_sent = number_at(i, 6);
		numbers->bytes_received = number_at(i, 7);
		numbers->seconds = strtod(text_at(i, 8), NULL);
		for (int j = 0; j < count; j++)
			numbers->within[j] = DatumGetInt64(within[j]);
	}
}

static void
load_bounds(void)
{
	Datum		values[MAX_BOUNDS];

	nbounds = SPI_processed == 1 ? load_array(0, 1, FLOAT8OID, values, MAX_BOUNDS) : 0;
	for (int i = 0; i < nbounds; i++)
		bounds[i] = DatumGetFloat8(values[i]);
}

static void
run(const char *sql, int expected)
{
	if (statement_execute(sql, 0, NULL, NULL, NULL, false, 0) != expected)
		elog(ERROR, "could not read or write the counters");
}

/* Those of dropped SERVERs go: nothing shows them. */
#define FORGET_SQL(table) \
	"DELETE FROM hubspot." table " t WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_server s" \
	" WHERE s.oid OPERATOR(pg_catalog.=) t.server)"

void
statistics_load(void)
{
	row_counters = make_table("hubspot verdicts counted", sizeof(RowKey), sizeof(RowCounter));
	request_counters =
		make_table("hubspot requests counted", sizeof(RequestKey), sizeof(RequestCounter));
	account_counters =
		make_table("hubspot accounts counted", sizeof(Oid), sizeof(AccountCounters));

	/* also how they stood at a reset, or the next SERVER of that oid would begin below zero */
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	run(FORGET_SQL("statistic"), SPI_OK_DELETE);
	run(FORGET_SQL("request_statistic"), SPI_OK_DELETE);
	run(FORGET_SQL("statistic_at_reset"), SPI_OK_DELETE);
	run(FORGET_SQL("request_statistic_at_reset"), SPI_OK_DELETE);
	run("SELECT hubspot.duration_bounds()", SPI_OK_SELECT);
	load_bounds();
	run("SELECT server, lane, call, verdict, category, rows, retries FROM hubspot.statistic",
		SPI_OK_SELECT);
	load_rows();
	run("SELECT server, lane, status, requests, records, bytes_sent, bytes_received, seconds, "
		"within FROM hubspot.request_statistic", SPI_OK_SELECT);
	load_requests();
	PopActiveSnapshot();
	SPI_finish();
}
