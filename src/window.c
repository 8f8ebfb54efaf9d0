/*
 * window.c
 *		Reading the outbox: what became visible since the last look.
 *
 * The outbox is a log that many sessions append to.  New rows are those that
 * the current snapshot sees and the previous one did not.  Never "id > last":
 * ids are drawn before commit, so that a lower one can appear later and would
 * be lost.  Never "xid < xmin": that stalls on any idle writer of the cluster.
 *
 * A mark is taken in this order: the sequence's last value (low), the next
 * xid to be assigned (next), a snapshot, the sequence's last value again
 * (high).  Between a mark "from" and a later mark "to":
 *
 *	OLD	 rows with id <= from.low of transactions that ran at "from" and have
 *		 ended in "to"; found by the index on (xid, id), a look-up for each
 *		 such transaction.  They are in the snapshot's list or lie between its xmax
 *		 and next: xmax is one above the last xid that has *ended*, so that
 *		 younger ones may run already without being listed.
 *	NEW	 rows with from.low < id <= to.high; found by the index on (id).
 *		 A transaction from next on got its xid after low was read, and its
 *		 ids after its xid (enqueue.c sees to that), hence above from.low:
 *		 nothing is missed.
 *
 * Both are filtered by "seen by to, not seen by from", so that nothing is read
 * twice, and both go by ascending id: rows of one key that were written under
 * a row lock come in the order of that lock.  A difference of any size is
 * read in pages, each in a transaction of its own, at the cost of an index
 * descent; a transaction of ten million rows is no different from many small ones.
 *
 * The main reader goes through all lanes and always to the end.  A lane with
 * no room left gets a reader of its own that starts at the row which did not
 * fit; the main one from then on only counts the lane's rows.  The
 * follower catches up as the lane drains, and is dropped when it meets the
 * main reader.  So one lane's backlog neither hides another's rows nor fills
 * the memory.
 *
 * The checkpoint is a mark whose rows all have verdicts.  After a crash the
 * difference from the checkpoint is read again, leaving out what has a result.
 *
 * Locks: ACCESS SHARE on the children read, until the end of the page's
 * transaction.  Memory: readers and marks in "hubspot work", rows in "hubspot window".
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "hubspot.h"
#include "append.h"
#include "clock.h"
#include "connect.h"
#include "snapshot.h"
#include "window.h"

#define PAGE_ROWS			2000	/* rows looked at per reader and transaction */
#define CHECKPOINT_US		1000000 /* at most one checkpoint in this time */

/* Attribute numbers of hubspot.outbox. */
enum OutboxAttribute
{
	AT_ID = 1, AT_XID, AT_CREATED_AT, AT_SERVER, AT_CALL, AT_OBJECT, AT_SOURCE, AT_PARENT,
	AT_DEADLINE, AT_KEY_PROPERTY, AT_KEY, AT_PROBLEM, AT_MESSAGE
};

typedef struct Mark
{
	uint64		epoch;			/* grows with each mark */
	int64		low;
	int64		high;
	FullTransactionId next;
	Snap	   *snap;
} Mark;

typedef enum Phase
{
	PHASE_IDLE,					/* "from" is all there is */
	PHASE_OLD,
	PHASE_NEW
} Phase;

typedef struct Reader
{
	Lane	   *lane;			/* of a follower; NULL: the main reader */
	Mark		from;
	Mark		to;				/* valid unless idle */
	Phase		phase;
	int64		position;		/* rows up to this id are dealt with, in this phase */
	bool		recheck;		/* some rows may have a result already */
	FullTransactionId *old_xids;	/* of the phase OLD */
	int			nold;
	int			old_size;
} Reader;

/* What became of a row that a reader met. */
typedef enum Admission
{
	ADMIT_DONE,					/* taken, counted or not ours */
	ADMIT_FULL					/* no room: stop before this row */
} Admission;

static Reader main_reader;
static uint64 last_epoch;
static int64 highest_result[RING_CHILDREN]; /* when the worker started; 0: none */
static bool took_mark;			/* since window_took_mark() was last asked */
static int64 next_checkpoint_id;
static Mark written;			/* the last checkpoint in the table */
static Mark candidate;			/* the next one; snap NULL: none chosen */
static uint64 candidate_seq;
static int64 checkpoint_at;		/* µs of the monotonic clock */
static int64 rows_since_checkpoint;

static void
free_mark(Mark *mark)
{
	if (mark->snap != NULL)
		pfree(mark->snap);
	mark->snap = NULL;
}

static void
set_mark(Mark *mark, const Mark *value)
{
	MemoryContext old = MemoryContextSwitchTo(window.work);
	Snap	   *snap = snapshot_copy(value->snap);

	free_mark(mark);
	*mark = *value;
	mark->snap = snap;
	MemoryContextSwitchTo(old);
}

/* ---- one difference: begin, end ------------------------------------------ */

/* One child that is read by an index. */
typedef struct ChildScan
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} ChildScan;

static void
open_child(ChildScan *child, Oid heap, Oid index, int nkeys)
{
	child->heap = table_open(heap, AccessShareLock);
	child->index = index_open(index, AccessShareLock);
	child->scan = hubspot_index_beginscan(child->heap, child->index, GetActiveSnapshot(), nkeys);
	child->slot = table_slot_create(child->heap, NULL);
}

static void
close_child(ChildScan *child)
{
	index_endscan(child->scan);
	ExecDropSingleTupleTableSlot(child->slot);
	index_close(child->index, AccessShareLock);
	table_close(child->heap, AccessShareLock);
}

/* The oldest generation that can hold rows while the youngest holds this id. */
static int64
oldest_generation(int64 id)
{
	return Max(RING_GENERATION(id) - RING_CHILDREN + 1, 0);
}

static void
add_old_xid(Reader *reader, FullTransactionId xid)
{
	for (int i = 0; i < reader->nold; i++)
		if (FullTransactionIdEquals(reader->old_xids[i], xid))
			return;
	if (reader->nold == reader->old_size)
		reader->old_xids = repalloc(reader->old_xids,
									sizeof(FullTransactionId) * (reader->old_size *= 2));
	reader->old_xids[reader->nold++] = xid;
}

/*
 * Transactions between the snapshot's xmax and the mark's next that wrote
 * rows: the index is walked from one xid to the next, however many rows each has.
 */
static void
add_unlisted_xids(Reader *reader)
{
	const Catalog *catalog = ring_catalog(false);
	FullTransactionId end = reader->from.next;
	int64		last = RING_GENERATION(reader->from.low);

	for (int64 generation = oldest_generation(reader->from.low); generation <= last; generation++)
	{
		int			number = (int) (generation % RING_CHILDREN);
		FullTransactionId at = reader->from.snap->xmax;
		ChildScan	child;

		if (!FullTransactionIdPrecedes(at, end))
			return;
		open_child(&child, catalog->outbox[number], catalog->outbox_xid[number], 2);
		while (FullTransactionIdPrecedes(at, end))
		{
			ScanKeyData keys[2];
			bool		isnull;

			ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE, FullTransactionIdGetDatum(at));
			ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT, FullTransactionIdGetDatum(end));
			index_rescan(child.scan, keys, 2, NULL, 0);
			if (!index_getnext_slot(child.scan, ForwardScanDirection, child.slot))
				break;
			at = DatumGetFullTransactionId(slot_getattr(child.slot, AT_XID, &isnull));
			if (snapshot_sees(reader->to.snap, at))
				add_old_xid(reader, at);
			FullTransactionIdAdvance(&at);
		}
		close_child(&child);
	}
}

/* Start reading from reader->from to the given mark. */
static void
begin_difference(Reader *reader, const Mark *to)
{
	const Snap *from = reader->from.snap;

	set_mark(&reader->to, to);
	reader->old_size = from->nxip + 4;
	reader->old_xids = MemoryContextAlloc(window.work, sizeof(FullTransactionId) * reader->old_size);
	reader->nold = 0;
	for (int i = 0; i < from->nxip; i++)
		if (snapshot_sees(to->snap, from->xip[i]))
			reader->old_xids[reader->nold++] = from->xip[i];
	add_unlisted_xids(reader);
	reader->phase = PHASE_OLD;
	reader->position = 0;
}

static void
end_difference(Reader *reader)
{
	pfree(reader->old_xids);
	reader->old_xids = NULL;
	set_mark(&reader->from, &reader->to);
	free_mark(&reader->to);
	reader->phase = PHASE_IDLE;
	reader->recheck = false;
}

static void
free_reader(Reader *reader)
{
	if (reader->old_xids != NULL)
		pfree(reader->old_xids);
	free_mark(&reader->from);
	free_mark(&reader->to);
	pfree(reader);
}

/* A reader for this lane that starts behind the given id of the main reader's difference. */
static Reader *
make_follower(Lane *lane, int64 position)
{
	Reader	   *follower = MemoryContextAllocZero(window.work, sizeof(Reader));

	follower->lane = lane;
	set_mark(&follower->from, &main_reader.from);
	begin_difference(follower, &main_reader.to);
	follower->phase = main_reader.phase;
	follower->position = position;
	follower->recheck = main_reader.recheck;
	return follower;
}

/* ---- rows ----------------------------------------------------------------- */

/* The result child that is open during one page. */
typedef struct ResultProbe
{
	int			child;
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} ResultProbe;

static void
close_probe(ResultProbe *probe)
{
	if (probe->child < 0)
		return;
	index_endscan(probe->scan);
	ExecDropSingleTupleTableSlot(probe->slot);
	index_close(probe->index, AccessShareLock);
	table_close(probe->heap, AccessShareLock);
	probe->child = -1;
}

/* Whether an outbox row had its verdict when the worker started. */
static bool
has_result(ResultProbe *probe, int64 id)
{
	const Catalog *catalog = ring_catalog(false);
	ScanKeyData key;

	if (id > highest_result[RING_CHILD(id)])
		return false;
	if (probe->child != RING_CHILD(id))
	{
		close_probe(probe);
		probe->child = RING_CHILD(id);
		probe->heap = table_open(catalog->result[probe->child], AccessShareLock);
		probe->index = index_open(catalog->result_id[probe->child], AccessShareLock);
		probe->scan = hubspot_index_beginscan(probe->heap, probe->index, GetActiveSnapshot(), 1);
		probe->slot = table_slot_create(probe->heap, NULL);
	}
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	index_rescan(probe->scan, &key, 1, NULL, 0);
	return index_getnext_slot(probe->scan, ForwardScanDirection, probe->slot);
}

/* End a row that needs no request. */
static void
end_row(int64 id, Verdict verdict, const char *category, const char *message)
{
	AckResult	result = {.id = id, .verdict = verdict, .created = -1,
	.category = category, .message = message};

	ack_result(&result);
}

/* Bring a row into the window. */
static void
take_row(Lane *lane, TupleTableSlot *slot, Size message_size)
{
	const Catalog *catalog = ring_catalog(false);
	bool		isnull;
	Row		   *row = MemoryContextAlloc(window.memory, sizeof(Row) + message_size);
	Datum		datum = slot_getattr(slot, AT_MESSAGE, &isnull);
	struct varlena *message = PG_DETOAST_DATUM(datum);
	text	   *key = DatumGetTextPP(slot_getattr(slot, AT_KEY, &isnull));
	text	   *property = NULL;

	row->id = DatumGetInt64(slot_getattr(slot, AT_ID, &isnull));
	row->created_at = DatumGetTimestampTz(slot_getattr(slot, AT_CREATED_AT, &isnull));
	datum = slot_getattr(slot, AT_DEADLINE, &isnull);
	row->deadline = isnull ? 0 : DatumGetTimestampTz(datum);
	row->call = (Call) ring_enum_position(catalog->call, CALL_COUNT,
										  DatumGetObjectId(slot_getattr(slot, AT_CALL, &isnull)));
	row->message = (Jsonb *) memcpy(row + 1, message, VARSIZE(message));
	row->bytes = GetMemoryChunkSpace(row);
	if ((Pointer) message != DatumGetPointer(slot_getattr(slot, AT_MESSAGE, &isnull)))
		pfree(message);

	datum = slot_getattr(slot, AT_KEY_PROPERTY, &isnull);
	if (!isnull)
		property = DatumGetTextPP(datum);
	queue_add(lane, property ? VARDATA_ANY(property) : NULL, property ? VARSIZE_ANY_EXHDR(property) : 0,
			  VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), row);
}

/* The lane of a row; NULL when it can have none, which ends the row. */
static Lane *
lane_of_row(TupleTableSlot *slot, int64 id)
{
	const Catalog *catalog = ring_catalog(false);
	bool		isnull;
	Datum		problem = slot_getattr(slot, AT_PROBLEM, &isnull);
	Account    *account;
	Object		object;

	if (!isnull)
	{
		end_row(id, VERDICT_REJECTED, "bad_message", TextDatumGetCString(problem));
		return NULL;
	}
	account = connect_find(DatumGetObjectId(slot_getattr(slot, AT_SERVER, &isnull)));
	if (account == NULL || account->dropped)
	{
		end_row(id, VERDICT_CANCELLED, "server_dropped", "the SERVER that this row was queued for does not exist any more");
		return NULL;
	}
	object = (Object) ring_enum_position(catalog->object, OBJECT_COUNT,
										 DatumGetObjectId(slot_getattr(slot, AT_OBJECT, &isnull)));
	if (object != OBJECT_IS_CONTACT)
		elog(ERROR, "outbox row " INT64_FORMAT " is of an object that this version does not send", id);
	return &account->lanes[FAMILY_CONTACTS];
}

static Admission
admit_row(Reader *reader, TupleTableSlot *slot, int64 id, ResultProbe *probe)
{
	bool		isnull;
	FullTransactionId xid = DatumGetFullTransactionId(slot_getattr(slot, AT_XID, &isnull));
	bool		is_main = reader->lane == NULL;
	Size		size;
	Lane	   *lane;

	if (!snapshot_sees(reader->to.snap, xid) || snapshot_sees(reader->from.snap, xid))
		return ADMIT_DONE;

	/* A follower leaves to the main reader what has no lane. */
	if (!is_main)
	{
		(void) slot_getattr(slot, AT_PROBLEM, &isnull);
		if (!isnull || DatumGetObjectId(slot_getattr(slot, AT_SERVER, &isnull)) != reader->lane->account->server)
			return ADMIT_DONE;
	}
	if (reader->recheck && has_result(probe, id))
		return ADMIT_DONE;

	lane = is_main ? lane_of_row(slot, id) : reader->lane;
	if (lane == NULL)
	{
		rows_since_checkpoint++;
		return ADMIT_DONE;
	}
	size = toast_raw_datum_size(slot_getattr(slot, AT_MESSAGE, &isnull));
	if (is_main && lane->reader == NULL && !queue_has_room(lane, sizeof(Row) + size))
		lane->reader = make_follower(lane, id - 1);
	if (is_main && lane->reader != NULL)
	{
		lane->skipped++;
		return ADMIT_DONE;
	}
	if (!is_main)
	{
		if (!queue_has_room(lane, sizeof(Row) + size))
			return ADMIT_FULL;
		lane->skipped--;
	}
	take_row(lane, slot, size);
	rows_since_checkpoint++;
	return ADMIT_DONE;
}

/* ---- pages ---------------------------------------------------------------- */

/*
 * Read up to *budget rows with position < id <= limit of the generation that
 * position + 1 lies in.  Returns false when the reader had to stop for lack of room.
 */
static bool
read_by_id(Reader *reader, int64 limit, int *budget, ResultProbe *probe)
{
	const Catalog *catalog = ring_catalog(false);
	int			number = RING_CHILD(reader->position + 1);
	int64		last = Min(limit, RING_FIRST(reader->position + 1) + RING_SPAN - 1);
	ScanKeyData keys[2];
	ChildScan	child;
	bool		fits = true;

	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(reader->position));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last));
	open_child(&child, catalog->outbox[number], catalog->outbox_id[number], 2);
	index_rescan(child.scan, keys, 2, NULL, 0);
	while (*budget > 0 && index_getnext_slot(child.scan, ForwardScanDirection, child.slot))
	{
		bool		isnull;
		int64		id = DatumGetInt64(slot_getattr(child.slot, AT_ID, &isnull));

		(*budget)--;
		if (admit_row(reader, child.slot, id, probe) == ADMIT_FULL)
		{
			fits = false;
			break;
		}
		reader->position = id;
	}
	if (fits && *budget > 0)
		reader->position = last;
	close_child(&child);
	return fits;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * The next ids of the phase OLD, ascending.  Each old transaction gives up to
 * PAGE_ROWS of its ids in each generation; where it has more, ids beyond the last one given
 * are left for the next page.
 */
static int64 *
collect_old_ids(Reader *reader, int *count)
{
	const Catalog *catalog = ring_catalog(false);
	int64		highest = reader->from.low;
	int64		horizon = highest;
	int			capacity = PAGE_ROWS;
	int64	   *ids = palloc(sizeof(int64) * capacity);
	int64		first = Max(oldest_generation(highest), RING_GENERATION(reader->position));

	*count = 0;
	for (int64 generation = first; generation <= RING_GENERATION(highest); generation++)
	{
		int			number = (int) (generation % RING_CHILDREN);
		ChildScan	child;

		open_child(&child, catalog->outbox[number], catalog->outbox_xid[number], 3);
		for (int i = 0; i < reader->nold; i++)
		{
			ScanKeyData keys[3];
			int			given = 0;

			ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ,
						FullTransactionIdGetDatum(reader->old_xids[i]));
			ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT,
						Int64GetDatum(reader->position));
			ScanKeyInit(&keys[2], 2, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(highest));
			index_rescan(child.scan, keys, 3, NULL, 0);
			while (index_getnext_slot(child.scan, ForwardScanDirection, child.slot))
			{
				bool		isnull;

				if (*count == capacity)
					ids = repalloc(ids, sizeof(int64) * (capacity *= 2));
				ids[(*count)++] = DatumGetInt64(slot_getattr(child.slot, AT_ID, &isnull));
				if (++given == PAGE_ROWS)
				{
					horizon = Min(horizon, ids[*count - 1]);
					break;
				}
			}
		}
		close_child(&child);
	}
	qsort(ids, *count, sizeof(int64), compare_ids);
	while (*count > 0 && ids[*count - 1] > horizon)
		(*count)--;
	return ids;
}

/* Rows of transactions that were running at "from". */
static bool
read_old(Reader *reader, int64 limit, int *budget, ResultProbe *probe)
{
	int			count;
	int64	   *ids = collect_old_ids(reader, &count);
	bool		fits = true;
	int			i;

	for (i = 0; fits && i < count && ids[i] <= limit && *budget > 0; i++)
	{
		int			one = 1;

		reader->position = ids[i] - 1;
		fits = read_by_id(reader, ids[i], &one, probe);
		(*budget)--;
	}
	if (fits && (count == 0 || (i < count && ids[i] > limit)))
		reader->position = limit;
	pfree(ids);
	return fits;
}

/* A follower must not overtake the main reader within one difference. */
static int64
page_limit(const Reader *reader)
{
	int64		end = reader->phase == PHASE_OLD ? reader->from.low : reader->to.high;

	if (reader->lane != NULL && main_reader.phase == reader->phase &&
		main_reader.to.epoch == reader->to.epoch)
		return Min(end, main_reader.position);
	return end;
}

/* Read one page; returns false when there was no room for the next row. */
static bool
read_page(Reader *reader)
{
	ResultProbe probe = {.child = -1};
	int			budget = PAGE_ROWS;
	bool		fits = true;

	while (fits && budget > 0 && reader->phase != PHASE_IDLE)
	{
		int64		limit = page_limit(reader);

		if (reader->phase == PHASE_OLD && reader->nold > 0 && reader->position < limit)
			fits = read_old(reader, limit, &budget, &probe);
		else if (reader->phase == PHASE_NEW && reader->position < limit)
			fits = read_by_id(reader, limit, &budget, &probe);
		else if (reader->phase == PHASE_OLD && (reader->nold == 0 || limit == reader->from.low))
		{
			reader->phase = PHASE_NEW;
			reader->position = reader->from.low;
		}
		else if (reader->phase == PHASE_NEW && limit == reader->to.high)
			end_difference(reader);
		else
			break;				/* behind the main reader: it goes on first */
	}
	close_probe(&probe);
	return fits;
}

/* ---- followers ------------------------------------------------------------ */

/* Whether a follower stands where the main reader stands. */
static bool
has_caught_up(const Reader *follower)
{
	if (follower->phase != main_reader.phase)
		return false;
	if (follower->phase == PHASE_IDLE)
		return follower->from.epoch == main_reader.from.epoch;
	return follower->to.epoch == main_reader.to.epoch &&
		follower->position >= main_reader.position;
}

/*
 * Let a follower read.  Returns whether it could read more at once.
 */
static bool
read_follower(Reader *follower)
{
	Lane	   *lane = follower->lane;
	bool		more = true;

	if (follower->phase == PHASE_IDLE && !has_caught_up(follower))
		begin_difference(follower, follower->from.epoch == main_reader.from.epoch
						 ? &main_reader.to : &main_reader.from);
	if (follower->phase != PHASE_IDLE)
		more = read_page(follower);
	if (has_caught_up(follower))
	{
		lane->reader = NULL;
		lane->skipped = 0;
		free_reader(follower);
		return false;
	}
	return more;
}

/* A follower fetches again once the lane has worked off half of what it holds. */
static bool
wants_page(const Lane *lane)
{
	return lane->reader != NULL &&
		(lane->rows == 0 ||
		 (lane->rows * 2 < hubspot_window_rows - window.nrows &&
		  lane->bytes * 2 < (int64) hubspot_window_memory * 1024 - window.bytes));
}

static bool
read_followers(void)
{
	bool		more = false;
	dlist_iter	iter;

	dlist_foreach(iter, &accounts)
	{
		Account    *account = dlist_container(Account, node, iter.cur);

		for (int i = 0; i < FAMILY_COUNT; i++)
			if (wants_page(&account->lanes[i]))
				more |= read_follower(account->lanes[i].reader);
	}
	return more;
}

bool
window_wants_fetch(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &accounts)
	{
		Account    *account = dlist_container(Account, node, iter.cur);

		for (int i = 0; i < FAMILY_COUNT; i++)
			if (wants_page(&account->lanes[i]))
				return true;
	}
	return false;
}

void
window_forget_lane(Lane *lane)
{
	if (lane->reader != NULL)
		free_reader(lane->reader);
	lane->reader = NULL;
}

/* ---- the worker's calls --------------------------------------------------- */

/* The last checkpoint: its id, mark. */
static void
read_checkpoint(Mark *mark)
{
	const Catalog *catalog = ring_catalog(false);

	for (int i = 0; i < CHECKPOINT_CHILDREN; i++)
	{
		Relation	rel = table_open(catalog->checkpoint[i], AccessShareLock);
		TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		{
			bool		isnull;
			int64		id = DatumGetInt64(slot_getattr(slot, 1, &isnull));

			if (id < next_checkpoint_id)
				continue;
			next_checkpoint_id = id + 1;
			mark->low = mark->high = DatumGetInt64(slot_getattr(slot, 3, &isnull));
			mark->next = DatumGetFullTransactionId(slot_getattr(slot, 5, &isnull));
			free_mark(mark);
			mark->snap = snapshot_from_datum(slot_getattr(slot, 4, &isnull));
		}
		table_endscan(scan);
		ExecDropSingleTupleTableSlot(slot);
		table_close(rel, AccessShareLock);
	}
	if (mark->snap == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"hubspot.checkpoint\" is empty"),
				 errhint("Drop the extension and create it again.")));
}

/* Above these ids no row can have a result from before: most rows need no look-up. */
static void
read_highest_results(void)
{
	const Catalog *catalog = ring_catalog(false);

	for (int i = 0; i < RING_CHILDREN; i++)
	{
		ChildScan	child;
		bool		isnull;

		open_child(&child, catalog->result[i], catalog->result_id[i], 0);
		index_rescan(child.scan, NULL, 0, NULL, 0);
		highest_result[i] = index_getnext_slot(child.scan, BackwardScanDirection, child.slot)
			? DatumGetInt64(slot_getattr(child.slot, 1, &isnull)) : 0;
		close_child(&child);
	}
}

void
window_start(void)
{
	Mark		mark = {.snap = NULL};

	next_checkpoint_id = 0;
	PushActiveSnapshot(GetTransactionSnapshot());
	read_checkpoint(&mark);
	read_highest_results();
	PopActiveSnapshot();
	mark.epoch = ++last_epoch;
	set_mark(&main_reader.from, &mark);
	set_mark(&written, &mark);
	main_reader.recheck = true;
}

/*
 * Look whether anything is new, and begin to read it.  low and next are from
 * before the active snapshot was taken.
 */
static void
begin_main(int64 low, FullTransactionId next)
{
	Mark		mark;

	mark.low = low;
	mark.next = next;
	mark.snap = snapshot_take();
	mark.high = ring_last_id(ring_catalog(false)->outbox_id_seq);
	if (!main_reader.recheck && snapshot_equal(mark.snap, main_reader.from.snap))
		return;
	mark.epoch = ++last_epoch;
	begin_difference(&main_reader, &mark);
	took_mark = true;
}

bool
window_fetch(void)
{
	int64		low = ring_last_id(ring_catalog(false)->outbox_id_seq);
	FullTransactionId next = ReadNextFullTransactionId();
	bool		more;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (main_reader.phase == PHASE_IDLE)
		begin_main(low, next);
	(void) read_page(&main_reader);
	more = main_reader.phase != PHASE_IDLE;
	more |= read_followers();
	PopActiveSnapshot();
	return more;
}

bool
window_took_mark(void)
{
	bool		took = took_mark;

	took_mark = false;
	return took;
}

int64
window_read_id(void)
{
	return main_reader.phase == PHASE_NEW ? main_reader.position : main_reader.from.low;
}

/* ---- checkpoints ---------------------------------------------------------- */

/* Whether all followers have read what the candidate covers. */
static bool
followers_have_read(const Mark *mark)
{
	dlist_iter	iter;

	dlist_foreach(iter, &accounts)
	{
		Account    *account = dlist_container(Account, node, iter.cur);

		for (int i = 0; i < FAMILY_COUNT; i++)
			if (account->lanes[i].reader != NULL &&
				account->lanes[i].reader->from.epoch < mark->epoch)
				return false;
	}
	return true;
}

bool
window_checkpoint_due(int64 now)
{
	if (candidate.snap == NULL)
	{
		if (rows_since_checkpoint == 0 || main_reader.phase != PHASE_IDLE)
			return false;
		set_mark(&candidate, &main_reader.from);
		candidate_seq = window.next_seq;
		rows_since_checkpoint = 0;
	}
	return now - checkpoint_at >= CHECKPOINT_US &&
		queue_oldest_seq() >= candidate_seq && followers_have_read(&candidate);
}

/* Before a half of the table is written to again, what is left in it goes. */
static void
empty_next_half(const Catalog *catalog)
{
	if (next_checkpoint_id % CHECKPOINT_SPAN == 0)
		ring_truncate(catalog->checkpoint[(next_checkpoint_id / CHECKPOINT_SPAN) % CHECKPOINT_CHILDREN]);
}

void
window_checkpoint_write(void)
{
	const Catalog *catalog = ring_catalog(false);
	Appender   *append;
	Datum	   *values;
	bool	   *isnull;

	empty_next_half(catalog);
	append = append_open(catalog->checkpoint[(next_checkpoint_id / CHECKPOINT_SPAN) % CHECKPOINT_CHILDREN], 1);
	append_next(append, &values, &isnull);
	values[0] = Int64GetDatum(next_checkpoint_id);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[2] = Int64GetDatum(candidate.low);
	values[3] = snapshot_to_datum(candidate.snap);
	values[4] = FullTransactionIdGetDatum(candidate.next);
	memset(isnull, false, 5 * sizeof(bool));
	append_row(append);
	append_close(append);
}

void
window_checkpoint_written(int64 now)
{
	next_checkpoint_id++;
	checkpoint_at = now;
	free_mark(&written);
	written = candidate;
	candidate.snap = NULL;
}

bool
window_has_rows_to_mark(void)
{
	return candidate.snap != NULL || rows_since_checkpoint > 0;
}

Datum
window_checkpoint_snapshot(void)
{
	return snapshot_to_datum(written.snap);
}
