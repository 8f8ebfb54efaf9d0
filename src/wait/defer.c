/*
 * defer.c
 *		Rows that failed for their own sake and are tried again later.
 *
 * See defer.h.  In memory stand the ids and keys of what waits, in the table
 * everything else; a row is read again from there when its time has come.
 * What changes is written by defer_write.c.
 *
 * Memory: keys and ids in "hubspot work", at most DEFER_MAX_ROWS.  Locks:
 * ACCESS SHARE on hubspot.deferred.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "admit/begun.h"
#include "admit/cancel.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "message/pair.h"
#include "queue/accounts.h"
#include "ring/ring.h"
#include "store/ack.h"
#include "text/value.h"
#include "wait/defer.h"
#include "wait/defer_write.h"

#define NO_ROOM_US		1000000 /* the window is full: look again */

static int64 nrows;				/* that have failed and wait, of all lanes */
static int64 nuntold;			/* that wait for somebody to tell whom they mean */
static int64 *at_start;			/* ids that waited at the start, ascending */
static int	nat_start;
static TimestampTz started_at;

/* ---- keys that wait ---------------------------------------------------------- */

static int64 *
counter_of(const WorkKey *key)
{
	return queue_is_to_be_told(key) ? &nuntold : &nrows;
}

static void
add_id(WorkKey *key, int64 id)
{
	key_add_deferred(key, id);
	(*counter_of(key))++;
}

static bool
forget_id(WorkKey *key, int64 id)
{
	bool		was_there = key_forget_deferred(key, id);

	*counter_of(key) -= was_there;
	return was_there;
}

static void
block_key(WorkKey *key, int64 until)
{
	key_set_state(key, KEY_DEFERRED, wait_until_time(until));
}

/* By way of a look-up, which loads its rows; these know nothing of what was found out before. */
static void
unblock_key(WorkKey *key)
{
	key->not_before = 0;
	key_set_state(key, KEY_RECALLED, wait_for_nothing());
}

int64
defer_wake(int64 now)
{
	for (WorkKey *key = key_next_due(); key != NULL; key = key_next_due())
	{
		if (key->stand.wait.until > now)
			return key->stand.wait.until - now;
		unblock_key(key);
	}
	return -1;
}

/* ---- ends -------------------------------------------------------------------- */

bool
defer_has_room(int n)
{
	return nrows + n <= DEFER_MAX_ROWS;
}

void
defer_add_row(WorkKey *key, Row *row)
{
	add_id(key, row->id);
	queue_defer_row(row);
}

void
defer_rows_of_key(WorkKey *key, Row *const *rows, int n, int64 until)
{
	for (int i = 0; i < n; i++)
		defer_add_row(key, rows[i]);
	key->met_at = key->lane->successes;
	block_key(key, until);
	queue_release_key(key);
}

static void
note_untold(const Row *row, int64 left_us)
{
	Change	   *change = defer_change(CHANGE_WAIT, row->id);
	bool		by_user_id = queue_is_by_user_id(row->key);
	char	   *text = by_user_id
	? psprintf("no call has told yet which contact userId %s is", row->key->key)
	: object_types[row->key->lane->family].is_record
	? psprintf("neither a call nor HubSpot has told yet of the record that %s is created with",
			   row->key->key)
	: psprintf("neither a call nor HubSpot has told yet which records these are: %s",
			   row->key->key);

	change->attempt = row->attempt;
	change->wait_s = Max(left_us, 0) / 1000000 + 1;
	change->failed_at = GetCurrentTimestamp();
	change->lost = row_may_have_arrived(row);
	change->category = defer_text(by_user_id ? DEFER_UNTOLD : DEFER_UNTOLD_PAIR);
	change->message = defer_text(text);
	pfree(text);
}

bool
defer_untold(WorkKey *key, int64 until, int64 (*left_us) (const Row *row))
{
	Row		  **rows = palloc(sizeof(Row *) * key->rows.in_window);
	int			n = 0;

	/* a key without rows is idle, which one with deferred rows is not: all leave it before */
	while (key_has_rows(key) && nuntold + n < DEFER_MAX_UNTOLD)
	{
		rows[n] = key_head(key);
		note_untold(rows[n], left_us(rows[n]));
		key_remove_row(rows[n++]);
	}
	for (int i = 0; i < n; i++)
		defer_add_row(key, rows[i]);
	pfree(rows);
	if (n > 0)
		block_key(key, until);
	return n > 0;
}

bool
defer_more_untold(Row *row, int64 left_us)
{
	if (nuntold >= DEFER_MAX_UNTOLD)
		return false;
	note_untold(row, left_us);
	key_remove_row(row);
	defer_add_row(row->key, row);
	return true;
}

void
defer_ended(const Row *row)
{
	(void) defer_change(CHANGE_ENDED, row->id);
}

void
defer_recall(WorkKey *key)
{
	if (key_is_deferred(key))
		unblock_key(key);
}

/* False: it was not there. */
static bool
forget_row(WorkKey *key, int64 id)
{
	if (!forget_id(key, id))
		return false;
	unfinished_end(&key->lane->unfinished, id);
	key->lane->done++;
	if (key->rows.ndeferred == 0)
		defer_recall(key);		/* what waits behind it goes on */
	return true;
}

void
defer_end_row(WorkKey *key, int64 id, Verdict verdict, const char *category, const char *message)
{
	AckResult	result =
	{.id = id, .verdict = verdict, .created = -1, .category = category, .message = message};

	if (!forget_row(key, id))
		return;
	ack_result(&result);
	(void) defer_change(CHANGE_ENDED, id);
}

void
defer_end_key(WorkKey *key, int64 before, Verdict verdict, const char *category,
			  const char *message)
{
	while (key->rows.ndeferred > 0 && key->rows.deferred[0] < before)
		defer_end_row(key, key->rows.deferred[0], verdict, category, message);
}

/* ---- into the window --------------------------------------------------------------- */

/* Columns of hubspot.deferred behind those of the outbox, in the order of the script. */
enum DeferredAttribute
{
	AT_ATTEMPT = Natts_outbox + 1, AT_LOST, AT_NEXT_TRY_AT, AT_HTTP_STATUS, AT_CATEGORY
};

static bool
has_category(TupleTableSlot *copy, const char *category)
{
	bool		isnull;
	Datum		datum = slot_getattr(copy, AT_CATEGORY, &isnull);

	return !isnull && strcmp(TextDatumGetCString(datum), category) == 0;
}

/* It has not failed: nobody had told whom it means. */
static bool
is_untold_copy(TupleTableSlot *copy)
{
	return has_category(copy, DEFER_UNTOLD) || has_category(copy, DEFER_UNTOLD_PAIR);
}

/* Whether what happened to it may happen to a whole request for its sake: it goes alone. */
static bool
is_suspect_copy(TupleTableSlot *copy)
{
	bool		isnull;
	int			status = DatumGetInt16(slot_getattr(copy, AT_HTTP_STATUS, &isnull));
	bool		is_clear = !isnull && status < 500;

	return !is_untold_copy(copy) && (!is_clear || has_category(copy, DEFER_UNREADABLE));
}

/*
 * Whether the worker before this one may have sent it: its time had come, or somebody has told
 * whom it means.
 */
static bool
may_have_been_sent(const Row *row, TupleTableSlot *copy)
{
	bool		isnull;

	return bsearch(&row->id, at_start, nat_start, sizeof(int64), ring_compare_ids) != NULL &&
		(row->by_user_id || queue_is_to_be_told(row->key) ||
		 DatumGetTimestampTz(slot_getattr(copy, AT_NEXT_TRY_AT, &isnull)) <= started_at);
}

/* hubspot_retry() has ended a row that it found without a copy. */
static bool
has_verdict(int64 id)
{
	const Catalog *catalog = ring_catalog(false);
	int			child = RING_CHILD(id);
	RingScan	results;
	bool		found;

	ring_scan_open(&results, catalog->result[child], catalog->result_id[child], 1);
	found = ring_scan_find(&results, id);
	ring_scan_close(&results);
	return found;
}

/* One row, by its id; a copy that somebody has removed is a row that nobody wants any more. */
static void
load_row(WorkKey *key, RingScan *copies, int64 id)
{
	bool		isnull;
	Row		   *row;

	/*
	 * The order is the main reader's: a verdict first, then what must not go twice, then what is
	 * not wanted. Otherwise a cancelled form that had been sent would be told to have been
	 * cancelled.
	 */
	if (!ring_scan_find(copies, id))
	{
		if (has_verdict(id))
			(void) forget_row(key, id);
		else
			defer_end_row(key, id, VERDICT_CANCELLED, "removed",
						  "the row was removed from hubspot.deferred");
		return;
	}
	if (begun_before(id))
	{
		defer_end_row(key, id, begun_refusal.verdict, begun_refusal.category,
					  begun_refusal.message);
		begun_end(id);
		return;
	}
	if (cancel_wants(copies->slot))
	{
		defer_end_row(key, id, cancel_refusal.verdict, cancel_refusal.category,
					  cancel_refusal.message);
		return;
	}
	row = admit_row(key->lane, copies->slot, false);
	row->deferred = true;
	key->lane->nrecalled++;
	row->attempt = DatumGetInt32(slot_getattr(copies->slot, AT_ATTEMPT, &isnull));
	row->is_suspect = is_suspect_copy(copies->slot);
	if (DatumGetBool(slot_getattr(copies->slot, AT_LOST, &isnull)) ||
		may_have_been_sent(row, copies->slot))
		row_note_fate(row, FATE_SENT_BEFORE);
	if (is_untold_copy(copies->slot))
		admit_has_waited(row);
	(void) forget_id(key, id);
}

/* The rule of defer_lags(), which who calls keeps: this is for the one who forgets it. */
static void
check_copies(void)
{
	if (defer_lags())
		elog(ERROR, "hubspot.deferred is read before what waits has been written");
}

/*
 * All rows of a key, or none, for they are merged.  Where the window has no
 * room one key of the lane comes in after the other: what fills it may wait
 * for just these rows.
 */
void
defer_load(WorkKey *key)
{
	RingScan	copies;

	if (!queue_has_room(key->lane, 0) && key->lane->nrecalled > 0)
		return;
	check_copies();
	ring_scan_open(&copies, ring_outbox_catalog()->deferred, ring_outbox_catalog()->deferred_id, 1);
	while (key->rows.ndeferred > 0)
		load_row(key, &copies, key->rows.deferred[0]);
	ring_scan_close(&copies);
}

void
defer_postpone(WorkKey *key)
{
	block_key(key, clock_us() + NO_ROOM_US);
}

/* ---- the worker's start, and changes by hand --------------------------------------------- */

static int64
column_int64(int row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
									   &isnull));
}

static Oid
column_oid(int row, int column)
{
	bool		isnull;

	return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
										  &isnull));
}

/* A row of hubspot.deferred, from the first columns of a query. */
typedef struct Copy
{
	int64		id;
	Lane	   *lane;			/* NULL: the SERVER is gone, or the object is none */
	const char *property;
	const char *key;
} Copy;

#define COPY_COLUMNS	"id, server, object, key_property, key"

static Copy
read_copy(int i)
{
	Copy		copy = {.id = column_int64(i, 1)};
	Account    *account = accounts_find(column_oid(i, 2));
	char	   *object = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3);

	if (account != NULL)
		copy.lane = accounts_open_lane(account, object_of_name(object, strlen(object)));
	if (copy.lane == NULL)
		return copy;
	copy.property = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 4);
	copy.key = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 5);
	(void) admit_resolve(copy.lane, copy.id, &copy.property, &copy.key);
	return copy;
}

/* Keys are blocked until their time; a row of no SERVER has ended. */
static void
remember(const Copy *copy, int64 wait_us)
{
	WorkKey    *key;

	at_start[nat_start++] = copy->id;
	if (copy->lane == NULL)
	{
		admit_refuse(copy->id, &admit_server_dropped);
		(void) defer_change(CHANGE_ENDED, copy->id);
		return;
	}
	key = queue_make(copy->lane, copy->property, copy->key);
	add_id(key, copy->id);
	if (!queue_is_to_be_told(key))
		unfinished_defer(&key->lane->unfinished, copy->id);
	if (key->rows.ndeferred == 1)
		block_key(key, clock_us() + Max(wait_us, 0));
}

static void
select_copies(const char *sql)
{
	if (statement_execute(sql, 0, NULL, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.deferred");
}

void
defer_start(void)
{
	started_at = GetCurrentTimestamp();
	PushActiveSnapshot(GetTransactionSnapshot());
	record_map_open();
	SPI_connect();
	select_copies("SELECT " COPY_COLUMNS
				  ", (extract(epoch FROM next_try_at - clock_timestamp()) * 1000000)::int8"
				  ", category IN ('" DEFER_UNTOLD "', '" DEFER_UNTOLD_PAIR "')"
				  " FROM hubspot.deferred ORDER BY id");
	at_start = MemoryContextAlloc(WorkerContext, sizeof(int64) * Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		Copy		copy = read_copy(i);
		bool		isnull;
		bool		is_untold =
		DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 7, &isnull)) &&
		!isnull;

		/*
		 * One that has been told meanwhile, and has become an address, has no time to wait for. Of
		 * those that wait for records the tables are asked: the worker before this one may have
		 * ended between an answer that told a record and the look at who waits for it.
		 */
		remember(&copy, is_untold && (copy.property == NULL ||
									  strcmp(copy.property, MESSAGE_USER_ID) != 0)
				 ? 0 : column_int64(i, 6));
	}
	record_map_close();			/* what it has opened is in SPI's memory */
	SPI_finish();
	PopActiveSnapshot();
}

bool
defer_has(int64 id)
{
	return nat_start > 0 &&
		bsearch(&id, at_start, nat_start, sizeof(int64), ring_compare_ids) != NULL;
}

List *
defer_rows(void)
{
	List	   *rows = NIL;

	if (nrows + nuntold == 0)
		return NIL;
	check_copies();

	/*
	 * A userId may have been told since the copy was written: read_copy() asks for the address, by
	 * the map that is opened here.
	 */
	record_map_open();
	select_copies("SELECT " COPY_COLUMNS ", call, backfill FROM hubspot.deferred ORDER BY id");
	for (int i = 0; i < SPI_processed; i++)
	{
		Copy		copy = read_copy(i);
		DeferredRow *row = palloc(sizeof(DeferredRow));
		bool		is_live;

		row->id = copy.id;
		row->lane = copy.lane;
		row->property = copy.property;
		row->name = copy.key;
		row->server = column_oid(i, 2);
		row->object = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3);
		row->call = column_oid(i, 6);
		row->text = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 5);
		row->backfill =
			DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 7,
									   &is_live)) && !is_live;
		rows = lappend(rows, row);
	}
	record_map_close();
	return rows;
}

WorkKey *
defer_key(const DeferredRow *row)
{
	WorkKey    *key = row->lane == NULL ? NULL : queue_find(row->lane, row->property, row->name);

	return key != NULL && key_is_deferred(key) ? key : NULL;
}
