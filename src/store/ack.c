/*
 * ack.c
 *		Verdicts on their way into the tables.
 *
 * Verdicts are collected in one memory context, written by append.c in one transaction
 * per flush, and then freed together.  A flush happens when there are enough verdicts,
 * when the oldest one has waited 50 ms, or when the worker is idle.  If the transaction
 * fails, all verdicts are still here and are written later.
 *
 * Locks: ROW EXCLUSIVE on the children written, until the caller's commit.
 */
#include "postgres.h"

#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "message/object_type.h"
#include "base/clock.h"
#include "counts/statistics.h"
#include "ring/outbox.h"
#include "ring/ring_scan.h"
#include "store/ack.h"
#include "store/append.h"
#include "text/encoding.h"

#define ACK_ROWS		1000	/* verdicts that make a flush */
/* From so many unwritten verdicts on the worker ends no more rows. */
#define ACK_MAX_ROWS	10000
#define ACK_WAIT_US		50000	/* longest wait of a verdict */
#define ACK_GROUP		200		/* rows handed to the table at once */

/* Columns of hubspot.result, in the order of the script. */
enum ResultColumn
{
	RESULT_ID, RESULT_REQUEST_ID, RESULT_FINISHED_AT, RESULT_MERGED_INTO, RESULT_VERDICT,
	RESULT_HTTP_STATUS, RESULT_ATTEMPT, RESULT_CREATED, RESULT_RECORD_ID, RESULT_CATEGORY,
	RESULT_MESSAGE, RESULT_WARNINGS, RESULT_MERGED
};

/* Columns of hubspot.request, in the order of the script. */
enum RequestColumn
{
	REQUEST_ID, REQUEST_SERVER, REQUEST_STARTED_AT, REQUEST_DURATION_MS, REQUEST_RECORDS,
	REQUEST_BYTES_SENT, REQUEST_BYTES_RECEIVED, REQUEST_STATUS, REQUEST_RETRY_AFTER,
	REQUEST_METHOD, REQUEST_PATH, REQUEST_LANE, REQUEST_CORRELATION_ID, REQUEST_ERROR,
	REQUEST_CATEGORY
};

StaticAssertDecl(Anum_result_verdict == RESULT_VERDICT + 1 &&
				 Anum_result_record_id == RESULT_RECORD_ID + 1,
				 "both are read by whoever looks up a verdict");

/* Growing arrays, emptied as a whole. */
static MemoryContext context;
static AckResult *results;
static int	nresults,
			results_size;
static AckRequest **requests;
static int	nrequests,
			requests_size;
static int64 oldest_at;			/* when the oldest of them came */
static int64 total;				/* verdicts since the start */

static void
forget_all(void)
{
	MemoryContextReset(context);
	results = NULL;
	requests = NULL;
	nresults = nrequests = 0;
	results_size = requests_size = 0;
	oldest_at = 0;
	report_written();
}

void
ack_init(void)
{
	context = AllocSetContextCreate(TopMemoryContext, "hubspot acknowledgements",
									ALLOCSET_DEFAULT_SIZES);
	forget_all();
}

void
ack_written(void)
{
	statistics_written();
	forget_all();
}

/* Make room for one more element. */
static void *
grow(void *array, int used, int *size, Size element)
{
	if (oldest_at == 0)
		oldest_at = clock_us();
	if (used < *size)
		return array;
	*size = *size == 0 ? 256 : *size * 2;
	return array == NULL ? MemoryContextAlloc(context, *size * element)
		: repalloc(array, *size * element);
}

char *
ack_text(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : MemoryContextStrdup(context, text);
}

/* The same for HubSpot's text, which is cut. */
static char *
bounded_text(const char *text, size_t max)
{
	return text == NULL || text[0] == '\0' ? NULL : encoding_bounded(context, text, max);
}

AckRequest *
ack_request(void)
{
	AckRequest *request = MemoryContextAllocZero(context, sizeof(AckRequest));

	requests = grow(requests, nrequests, &requests_size, sizeof(AckRequest *));
	requests[nrequests++] = request;
	return request;
}

static void
count(const AckResult *result, const ReportedRow *row)
{
	ReportedEnd end = {
		.id = result->id,
		.verdict = result->verdict == VERDICT_COALESCED ? result->shared : result->verdict,
		.category = result->category,
		.warnings = result->warnings
	};

	report_row(row, &end);
}

void
ack_result(const AckResult *result)
{
	AckResult  *copy;

	results = grow(results, nresults, &results_size, sizeof(AckResult));
	copy = &results[nresults++];
	total++;
	*copy = *result;
	copy->record_id = ack_text(result->record_id);
	copy->category = bounded_text(result->category, ACK_MAX_CATEGORY);
	copy->message = bounded_text(result->message, ACK_MAX_MESSAGE);
	copy->warnings = ack_text(result->warnings);
	if (result->row != NULL)
		count(copy, result->row);
	copy->row = NULL;
}

int
ack_pending(void)
{
	return nresults;
}

bool
ack_is_full(void)
{
	return nresults >= ACK_ROWS;
}

bool
ack_is_stuck(void)
{
	return nresults >= ACK_MAX_ROWS;
}

bool
ack_has_requests(void)
{
	return nrequests > 0;
}

int64
ack_total(void)
{
	return total;
}

bool
ack_due(int64 now, bool idle, int64 *wait_us)
{
	*wait_us = -1;
	if (oldest_at == 0)
		return false;
	*wait_us = Max(oldest_at + ACK_WAIT_US - now, 0);
	return idle || ack_is_full() || *wait_us == 0;
}

/* ---- writing ---------------------------------------------------------------- */

static void
put_text(Datum *values, bool *isnull, int column, const char *text)
{
	if (text == NULL)
		return;
	values[column] = CStringGetTextDatum(text);
	isnull[column] = false;
}

#define PUT(column, datum) \
	do { values[column] = (datum); isnull[column] = false; } while (0)

/* The appender for the child of this id: the present one, or a new one. */
static Appender *
switch_child(Appender *append, int *child, int64 id, const Oid *children)
{
	if (*child == RING_CHILD(id))
		return append;
	if (append != NULL)
		append_close(append);
	*child = RING_CHILD(id);
	return append_open(children[*child], ACK_GROUP);
}

static void
write_requests(const Catalog *catalog)
{
	Appender   *append = NULL;
	int			child = -1;

	for (int i = 0; i < nrequests; i++)
	{
		AckRequest *request = requests[i];
		Datum	   *values;
		bool	   *isnull;

		/*
		 * Drawn only now: ids of one flush are consecutive, so that they seldom change the child.
		 */
		request->id = nextval_internal(catalog->request_id_seq, false);
		append = switch_child(append, &child, request->id, catalog->request);
		append_next(append, &values, &isnull);
		PUT(REQUEST_ID, Int64GetDatum(request->id));
		PUT(REQUEST_SERVER, ObjectIdGetDatum(request->server));
		PUT(REQUEST_STARTED_AT, TimestampTzGetDatum(request->started_at));
		PUT(REQUEST_DURATION_MS, Float4GetDatum(request->duration_ms));
		PUT(REQUEST_RECORDS, Int32GetDatum(request->records));
		PUT(REQUEST_BYTES_SENT, Int64GetDatum(request->bytes_sent));
		PUT(REQUEST_BYTES_RECEIVED, Int64GetDatum(request->bytes_received));
		if (request->status != 0)
			PUT(REQUEST_STATUS, Int16GetDatum(request->status));
		if (request->retry_after >= 0)
			PUT(REQUEST_RETRY_AFTER, Int32GetDatum(request->retry_after));
		put_text(values, isnull, REQUEST_METHOD, request->method);
		put_text(values, isnull, REQUEST_PATH, request->path);
		put_text(values, isnull, REQUEST_LANE, request->lane);
		put_text(values, isnull, REQUEST_CORRELATION_ID, request->correlation_id);
		put_text(values, isnull, REQUEST_ERROR, request->error);
		put_text(values, isnull, REQUEST_CATEGORY, request->category);
		append_row(append);
	}
	if (append != NULL)
		append_close(append);
}

static void
write_results(const Catalog *catalog)
{
	TimestampTz now = GetCurrentTimestamp();
	Appender   *append = NULL;
	int			child = -1;

	for (int i = 0; i < nresults; i++)
	{
		AckResult  *result = &results[i];
		Datum	   *values;
		bool	   *isnull;

		/*
		 * By the row's id: row and verdict are in children of the same number, which are truncated
		 * together.
		 */
		append = switch_child(append, &child, result->id, catalog->result);
		append_next(append, &values, &isnull);
		PUT(RESULT_ID, Int64GetDatum(result->id));
		if (result->request != NULL)
			PUT(RESULT_REQUEST_ID, Int64GetDatum(result->request->id));
		PUT(RESULT_FINISHED_AT, TimestampTzGetDatum(now));
		if (result->merged_into != 0)
			PUT(RESULT_MERGED_INTO, Int64GetDatum(result->merged_into));
		if (result->merged > 0)
			PUT(RESULT_MERGED, Int16GetDatum(result->merged));
		PUT(RESULT_VERDICT, ObjectIdGetDatum(catalog->verdict[result->verdict]));
		if (result->http_status != 0)
			PUT(RESULT_HTTP_STATUS, Int16GetDatum(result->http_status));
		PUT(RESULT_ATTEMPT, Int16GetDatum(Min(result->attempt, PG_INT16_MAX)));
		if (result->created >= 0)
			PUT(RESULT_CREATED, BoolGetDatum(result->created == 1));
		put_text(values, isnull, RESULT_RECORD_ID, result->record_id);
		put_text(values, isnull, RESULT_CATEGORY, result->category);
		put_text(values, isnull, RESULT_MESSAGE, result->message);
		if (result->warnings != NULL)
			PUT(RESULT_WARNINGS, DirectFunctionCall1(jsonb_in, CStringGetDatum(result->warnings)));
		append_row(append);
	}
	if (append != NULL)
		append_close(append);
}

/* ---- counting ---------------------------------------------------------------- */

/* Where rows are looked up, one table after the other. */
typedef struct LookUp
{
	Oid			table;			/* InvalidOid: none is open */
	RingScan	scan;
} LookUp;

static bool
find_in(LookUp *look_up, Oid table, Oid index, int64 id)
{
	if (look_up->table != table)
	{
		if (OidIsValid(look_up->table))
			ring_scan_close(&look_up->scan);
		ring_scan_open(&look_up->scan, table, index, 1);
		look_up->table = table;
	}
	return ring_scan_find(&look_up->scan, id);
}

static int64
id_column(TupleTableSlot *slot, int number, int64 otherwise)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, number, &isnull);

	return isnull ? otherwise : DatumGetInt64(datum);
}

/* The row of a definition that was looked up counts like one that was at hand. */
static void
count_for_report(TupleTableSlot *slot, const AckResult *result, Object object)
{
	ReportedRow row = {.object = object};
	bool		isnull;
	Datum		datum = slot_getattr(slot, Anum_outbox_report, &isnull);

	if (isnull)
		return;
	row.report = DatumGetInt32(datum);
	row.change = id_column(slot, Anum_outbox_parent,
						   id_column(slot, Anum_outbox_replay_of, result->id));
	row.key = TextDatumGetCString(slot_getattr(slot, Anum_outbox_key, &isnull));
	datum = slot_getattr(slot, Anum_outbox_message, &isnull);
	row.message = isnull ? NULL : DatumGetJsonbP(datum);
	count(result, &row);
}

/*
 * Of a row that ended without having been read as a whole; deferred ones may have a copy only.  It
 * is counted for its report, once, whether the transaction fails or not.
 */
static AckOf
look_up_row(LookUp *look_up, const Catalog *catalog, const AckResult *result)
{
	int64		id = result->id;
	int			child = RING_CHILD(id);
	TupleTableSlot *slot;
	bool		isnull;
	int			object;
	AckOf		of = {0};

	if (!find_in(look_up, catalog->outbox[child], catalog->outbox_id[child], id) &&
		!find_in(look_up, catalog->deferred, catalog->deferred_id, id))
		return of;
	slot = look_up->scan.slot;
	of.server = DatumGetObjectId(slot_getattr(slot, Anum_outbox_server, &isnull));
	object = object_of_text(DatumGetTextPP(slot_getattr(slot, Anum_outbox_object, &isnull)));
	/* a row that was put there by hand, of a word that is none */
	if (object < 0 || object == OBJECT_MAX)
		return of;
	of.object = (Object) object;
	of.call = (Call) ring_enum_position(catalog->call, CALL_COUNT,
										DatumGetObjectId(slot_getattr(slot, Anum_outbox_call,
																	  &isnull)));
	count_for_report(slot, result, of.object);
	return of;
}

static void
count_results(const Catalog *catalog)
{
	LookUp		look_up = {0};
	CountedRow	row;

	for (int i = 0; i < nresults; i++)
	{
		AckResult  *result = &results[i];

		if (!OidIsValid(result->of.server))
			result->of = look_up_row(&look_up, catalog, result);
		row.server = result->of.server;
		row.object = result->of.object;
		row.call = result->of.call;
		row.verdict = result->verdict;
		row.category = result->category;
		row.attempts = result->attempt;
		statistics_row(&row);
	}
	if (OidIsValid(look_up.table))
		ring_scan_close(&look_up.scan);
}

static void
count_requests(void)
{
	CountedRequest counted;

	for (int i = 0; i < nrequests; i++)
	{
		const AckRequest *request = requests[i];

		counted.server = request->server;
		counted.lane = request->lane;
		counted.status = request->status;
		counted.records = request->records;
		counted.bytes_sent = request->bytes_sent;
		counted.bytes_received = request->bytes_received;
		counted.seconds = request->duration_ms / 1000.0;
		statistics_request(&counted);
	}
}

void
ack_write(bool is_last)
{
	const Catalog *catalog = ring_outbox_catalog();

	PushActiveSnapshot(GetTransactionSnapshot());
	write_requests(catalog);
	write_results(catalog);
	statistics_begin();
	count_results(catalog);
	count_requests();
	statistics_write(is_last);
	report_write();
	PopActiveSnapshot();
}
