/*
 * ack.c
 *		Verdicts on their way into the tables.
 *
 * Collected in one memory context, written by append.c in one transaction per
 * flush, then forgotten as a whole.  A flush comes when enough has gathered,
 * when the oldest verdict has waited 50 ms, or when nothing else is going on.
 * If the transaction fails, everything is still here and is written later.
 *
 * Locks: ROW EXCLUSIVE on the children written, until the caller's commit.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/indexing.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "hubspot.h"
#include "ack.h"
#include "append.h"
#include "clock.h"

#define ACK_ROWS		1000	/* verdicts that make a flush */
#define ACK_WAIT_US		50000	/* longest wait of a verdict */
#define ACK_GROUP		200		/* rows handed to the table at once */

/* Columns in the order of the script. */
enum ResultColumn
{
	RESULT_ID, RESULT_REQUEST_ID, RESULT_FINISHED_AT, RESULT_MERGED_INTO, RESULT_VERDICT,
	RESULT_HTTP_STATUS, RESULT_ATTEMPT, RESULT_CREATED, RESULT_RECORD_ID, RESULT_CATEGORY,
	RESULT_MESSAGE, RESULT_WARNINGS
};

enum RequestColumn
{
	REQUEST_ID, REQUEST_SERVER, REQUEST_STARTED_AT, REQUEST_DURATION_MS, REQUEST_RECORDS,
	REQUEST_BYTES_SENT, REQUEST_BYTES_RECEIVED, REQUEST_STATUS, REQUEST_RETRY_AFTER,
	REQUEST_METHOD, REQUEST_PATH, REQUEST_LANE, REQUEST_CORRELATION_ID, REQUEST_ERROR
};

enum RecordColumn
{
	RECORD_KEY_HASH, RECORD_SERVER, RECORD_OBJECT, RECORD_RECORD_ID, RECORD_KEY_PROPERTY, RECORD_KEY
#define RECORD_COLUMNS (RECORD_KEY + 1)
};

typedef struct AckRecord
{
	int64		key_hash;		/* as hashtextextended(key, 0) computes it */
	Oid			server;
	Object		object;
	char	   *key_property;
	char	   *key;
	char	   *record_id;
} AckRecord;

/* Growing arrays, emptied as a whole. */
static MemoryContext context;
static AckResult *results;
static int	nresults,
			results_size;
static AckRequest **requests;
static int	nrequests,
			requests_size;
static AckRecord *records;
static int	nrecords,
			records_size;
static int64 oldest_at;			/* when the first of them came, 0: none */
static int64 total;				/* verdicts since the start */

void
ack_init(void)
{
	context = AllocSetContextCreate(TopMemoryContext, "hubspot acknowledgements",
									ALLOCSET_DEFAULT_SIZES);
	ack_written();
}

void
ack_written(void)
{
	MemoryContextReset(context);
	results = NULL;
	requests = NULL;
	records = NULL;
	nresults = nrequests = nrecords = 0;
	results_size = requests_size = records_size = 0;
	oldest_at = 0;
}

/* Have room for one more element. */
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

AckRequest *
ack_request(void)
{
	AckRequest *request = MemoryContextAllocZero(context, sizeof(AckRequest));

	requests = grow(requests, nrequests, &requests_size, sizeof(AckRequest *));
	requests[nrequests++] = request;
	return request;
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
	copy->category = ack_text(result->category);
	copy->message = ack_text(result->message);
	copy->warnings = ack_text(result->warnings);
}

void
ack_record(Oid server, Object object, const char *key_property, const char *key,
		   const char *record_id)
{
	AckRecord  *record;

	records = grow(records, nrecords, &records_size, sizeof(AckRecord));
	record = &records[nrecords++];
	record->key_hash = (int64) DatumGetUInt64(hash_any_extended((const unsigned char *) key, strlen(key), 0));
	record->server = server;
	record->object = object;
	record->key_property = ack_text(key_property);
	record->key = ack_text(key);
	record->record_id = ack_text(record_id);
}

int
ack_pending(void)
{
	return nresults;
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
	return idle || nresults >= ACK_ROWS || *wait_us == 0;
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

/* An appender for the child of this id: the one in hand, or another. */
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

		append = switch_child(append, &child, result->id, catalog->result);
		append_next(append, &values, &isnull);
		PUT(RESULT_ID, Int64GetDatum(result->id));
		if (result->request != NULL)
			PUT(RESULT_REQUEST_ID, Int64GetDatum(result->request->id));
		PUT(RESULT_FINISHED_AT, TimestampTzGetDatum(now));
		if (result->merged_into != 0)
			PUT(RESULT_MERGED_INTO, Int64GetDatum(result->merged_into));
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

/* ---- the map of record ids ----------------------------------------------------- */

typedef struct RecordTable
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	Appender   *append;
} RecordTable;

/* Whether a text column of the row at hand has this value. */
static bool
column_is(TupleTableSlot *slot, int column, const char *value)
{
	bool		isnull;
	text	   *there = DatumGetTextPP(slot_getattr(slot, column + 1, &isnull));

	return VARSIZE_ANY_EXHDR(there) == strlen(value) &&
		memcmp(VARDATA_ANY(there), value, strlen(value)) == 0;
}

/* Find the row of a key; it stays in the slot until the next search. */
static bool
find_record(RecordTable *table, const Catalog *catalog, const AckRecord *record)
{
	ScanKeyData key;
	bool		isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(record->key_hash));
	index_rescan(table->scan, &key, 1, NULL, 0);
	while (index_getnext_slot(table->scan, ForwardScanDirection, table->slot))
		if (column_is(table->slot, RECORD_KEY, record->key) &&
			column_is(table->slot, RECORD_KEY_PROPERTY, record->key_property) &&
			DatumGetObjectId(slot_getattr(table->slot, RECORD_SERVER + 1, &isnull)) == record->server &&
			DatumGetObjectId(slot_getattr(table->slot, RECORD_OBJECT + 1, &isnull)) == catalog->object[record->object])
			return true;
	return false;
}

/* HubSpot merged records or was asked by another key: rare. */
static void
change_record(RecordTable *table, const AckRecord *record)
{
	bool		free_tuple;
	HeapTuple	old = ExecFetchSlotHeapTuple(table->slot, false, &free_tuple);
	Datum		values[RECORD_COLUMNS] = {0};
	bool		isnull[RECORD_COLUMNS] = {0};
	bool		replace[RECORD_COLUMNS] = {0};

	values[RECORD_RECORD_ID] = CStringGetTextDatum(record->record_id);
	replace[RECORD_RECORD_ID] = true;
	CatalogTupleUpdate(table->heap, &old->t_self,
					   heap_modify_tuple(old, RelationGetDescr(table->heap), values, isnull, replace));
	if (free_tuple)
		heap_freetuple(old);
}

static void
write_record(RecordTable *table, const Catalog *catalog, const AckRecord *record)
{
	Datum	   *values;
	bool	   *isnull;

	if (find_record(table, catalog, record))
	{
		if (!column_is(table->slot, RECORD_RECORD_ID, record->record_id))
			change_record(table, record);
		return;
	}
	append_next(table->append, &values, &isnull);
	PUT(RECORD_KEY_HASH, Int64GetDatum(record->key_hash));
	PUT(RECORD_SERVER, ObjectIdGetDatum(record->server));
	PUT(RECORD_OBJECT, ObjectIdGetDatum(catalog->object[record->object]));
	put_text(values, isnull, RECORD_RECORD_ID, record->record_id);
	put_text(values, isnull, RECORD_KEY_PROPERTY, record->key_property);
	put_text(values, isnull, RECORD_KEY, record->key);
	append_row(table->append);
}

/*
 * A batch holds each key once, yet one flush may hold several batches: one row
 * per key is written (they name the same record, or will with the next answer).
 */
static int
compare_records(const void *a, const void *b)
{
	const AckRecord *x = a;
	const AckRecord *y = b;
	int			order = x->key_hash < y->key_hash ? -1 : x->key_hash > y->key_hash;

	if (order == 0)
		order = strcmp(x->key, y->key);
	if (order == 0)
		order = strcmp(x->key_property, y->key_property);
	if (order == 0)
		order = x->server < y->server ? -1 : x->server > y->server;
	if (order == 0)
		order = (int) x->object - (int) y->object;
	return order;
}

static void
write_records(const Catalog *catalog)
{
	RecordTable table;

	if (nrecords == 0)
		return;
	qsort(records, nrecords, sizeof(AckRecord), compare_records);
	table.heap = table_open(catalog->record, RowExclusiveLock);
	table.index = index_open(catalog->record_key_hash, AccessShareLock);
	table.scan = hubspot_index_beginscan(table.heap, table.index, GetActiveSnapshot(), 1);
	table.slot = table_slot_create(table.heap, NULL);
	table.append = append_open(catalog->record, ACK_GROUP);

	for (int i = 0; i < nrecords; i++)
		if (i + 1 == nrecords || compare_records(&records[i], &records[i + 1]) != 0)
			write_record(&table, catalog, &records[i]);

	append_close(table.append);
	index_endscan(table.scan);
	ExecDropSingleTupleTableSlot(table.slot);
	index_close(table.index, AccessShareLock);
	table_close(table.heap, NoLock);
}

void
ack_write(void)
{
	const Catalog *catalog = ring_catalog(false);

	PushActiveSnapshot(GetTransactionSnapshot());
	write_requests(catalog);
	write_results(catalog);
	write_records(catalog);
	PopActiveSnapshot();
}
