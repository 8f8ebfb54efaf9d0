/*
 * outbox_reader.c
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
 * After a restart the difference from the checkpoint (see checkpoint.c) is read
 * again, leaving out what has a result.
 *
 * Locks: ACCESS SHARE on the children read, until the end of the page's
 * transaction.  Memory: readers and marks in "hubspot work", rows in "hubspot window".
 */
#include "postgres.h"

#include "access/genam.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "admit/cancel.h"
#include "base/guc.h"
#include "base/worker_context.h"
#include "cluster/suspect.h"
#include "queue/accounts.h"
#include "read/checkpoint.h"
#include "read/outbox_reader.h"
#include "ring/ring.h"
#include "store/confirmed.h"
#include "wait/defer.h"
#include "wait/park.h"
#include "wait/tell.h"

#define PAGE_ROWS			2000	/* # of rows per reader and transaction */

typedef enum Phase
{
	PHASE_IDLE,					/* nothing to read beyond "from" */
	PHASE_OLD,
	PHASE_NEW
} Phase;

typedef struct Reader
{
	Lane	   *lane;			/* the follower's lane; NULL: the main reader */
	Mark		from;
	Mark		to;				/* valid unless idle */
	Phase		phase;
	int64		position;		/* rows up to this id are done, in this phase */
	bool		recheck;		/* rows may have a result already */
	FullTransactionId *old_xids;	/* of the phase OLD */
	int			nold;
	int			old_size;
} Reader;

/* What a reader did with a row. */
typedef enum Admission
{
	ADMIT_DONE,					/* taken, counted, or not for this reader */
	ADMIT_FULL					/* no room: stop before this row */
} Admission;

static Reader main_reader;
static uint64 last_epoch;
static bool took_mark;			/* since reader_took_mark() was last asked */
static uint64 nlooks;			/* how often it was seen what is visible */
static int64 settling_low;		/* of a mark: rows up to this id have all been read ... */
static FullTransactionId settling_next; /* ... once no transaction below runs; invalid: none */
static int64 read_to;			/* no row up to this one is still to come */
static int64 ended_to;			/* see reader_ended() */

/* ---- one difference: begin, end ------------------------------------------ */

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
 * Find transactions with rows between the snapshot's xmax and the mark's next: step
 * through the index from one xid to the next, however many rows each has.
 */
static void
add_unlisted_xids(Reader *reader)
{
	const Catalog *catalog = ring_outbox_catalog();
	FullTransactionId end = reader->from.next;
	int64		last = RING_GENERATION(reader->from.low);

	for (int64 generation = oldest_generation(reader->from.low); generation <= last; generation++)
	{
		int			number = (int) (generation % RING_CHILDREN);
		FullTransactionId at = reader->from.snap->xmax;
		RingScan	child;

		if (!FullTransactionIdPrecedes(at, end))
			return;
		ring_scan_open(&child, catalog->outbox[number], catalog->outbox_xid[number], 2);
		while (FullTransactionIdPrecedes(at, end))
		{
			ScanKeyData keys[2];
			bool		isnull;

			ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE,
						FullTransactionIdGetDatum(at));
			ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT,
						FullTransactionIdGetDatum(end));
			index_rescan(child.scan, keys, 2, NULL, 0);
			if (!ring_scan_next(&child))
				break;
			at = DatumGetFullTransactionId(slot_getattr(child.slot, Anum_outbox_xid, &isnull));

			/*
			 * One that has not ended in "to" is in the list of that snapshot, or above its xmax:
			 * the next difference finds it.
			 */
			if (snapshot_sees(reader->to.snap, at))
				add_old_xid(reader, at);
			FullTransactionIdAdvance(&at);
		}
		ring_scan_close(&child);
	}
}

/* Begin to read from reader->from to the given mark. */
static void
begin_difference(Reader *reader, const Mark *to)
{
	const Snap *from = reader->from.snap;

	mark_set(&reader->to, to);
	reader->old_size = from->nxip + 4;
	reader->old_xids =
		MemoryContextAlloc(WorkerContext, sizeof(FullTransactionId) * reader->old_size);
	reader->nold = 0;
	for (int i = 0; i < from->nxip; i++)
		if (snapshot_sees(to->snap, from->xip[i]))
			reader->old_xids[reader->nold++] = from->xip[i];
	add_unlisted_xids(reader);
	reader->phase = PHASE_OLD;
	reader->position = 0;
}

/* No transaction that was there at the mark runs now. */
static bool
have_all_ended(FullTransactionId next, const Mark *now)
{
	return FullTransactionIdFollowsOrEquals(now->snap->xmin, next);
}

/*
 * The main reader has read all that its mark sees.  Transactions that came after an older mark have
 * ids above its low; once none that ran at it does any more, no row up to there is still to come.
 */
static void
note_settled(const Mark *mark)
{
	if (FullTransactionIdIsValid(settling_next) && !have_all_ended(settling_next, mark))
		return;
	if (FullTransactionIdIsValid(settling_next))
		read_to = settling_low;
	if (have_all_ended(mark->next, mark))
		read_to = mark->low;
	record_map_settle(read_to);
	settling_low = mark->low;
	settling_next = mark->next;
}

static void
end_difference(Reader *reader)
{
	pfree(reader->old_xids);
	reader->old_xids = NULL;
	mark_set(&reader->from, &reader->to);
	mark_free(&reader->to);
	reader->phase = PHASE_IDLE;
	reader->recheck = false;
	if (reader->lane == NULL)
		note_settled(&reader->from);
}

static void
free_reader(Reader *reader)
{
	if (reader->old_xids != NULL)
		pfree(reader->old_xids);
	mark_free(&reader->from);
	mark_free(&reader->to);
	pfree(reader);
}

/* Create a reader for the lane that begins after this id of the main reader's difference. */
static Reader *
make_follower(Lane *lane, int64 position)
{
	Reader	   *follower = MemoryContextAllocZero(WorkerContext, sizeof(Reader));

	follower->lane = lane;
	mark_set(&follower->from, &main_reader.from);
	begin_difference(follower, &main_reader.to);
	follower->phase = main_reader.phase;
	follower->position = position;
	follower->recheck = main_reader.recheck;
	return follower;
}

/* ---- rows ----------------------------------------------------------------- */

/* A follower has met a row of its lane. */
static Admission
follow_row(Lane *lane, TupleTableSlot *slot, int64 id, bool maybe_sent)
{
	ParkResult	parked = park_row(lane, slot, id, maybe_sent);

	if (parked == PARK_FULL || (parked == PARK_NOT && !queue_has_room(lane, admit_size(slot))))
		return ADMIT_FULL;
	if (parked == PARK_NOT)
		tell_put_off(admit_row(lane, slot, maybe_sent));
	lane->skipped--;
	return ADMIT_DONE;
}

/* The main reader has met a row that has a lane. */
static void
read_row(Lane *lane, TupleTableSlot *slot, int64 id, bool maybe_sent)
{
	ParkResult	parked = lane->reader == NULL ? park_row(lane, slot, id, maybe_sent) : PARK_NOT;

	if (parked == PARK_DONE)
		return;
	if (lane->reader == NULL && (parked == PARK_FULL || !queue_has_room(lane, admit_size(slot))))
		lane->reader = make_follower(lane, id - 1);
	if (lane->reader != NULL)
		lane->skipped++;
	else
		tell_put_off(admit_row(lane, slot, maybe_sent));
}

static Admission
judge_row(Reader *reader, TupleTableSlot *slot, int64 id, ResultProbe *probe)
{
	bool		isnull;
	FullTransactionId xid = DatumGetFullTransactionId(slot_getattr(slot, Anum_outbox_xid, &isnull));
	Refusal		why;
	Lane	   *lane;

	if (!snapshot_sees(reader->to.snap, xid) || snapshot_sees(reader->from.snap, xid))
		return ADMIT_DONE;
	lane = admit_lane(slot, &why);
	/* rows without a lane are the main reader's */
	if (reader->lane != NULL && lane != reader->lane)
		return ADMIT_DONE;
	if (reader->recheck && result_probe_has(probe, id))
	{
		if (reader->lane == NULL && lane != NULL)
		{
			admit_remember(lane, slot, probe);
			tell_row(lane, slot);
		}
		return ADMIT_DONE;
	}
	if (reader->recheck && defer_has(id))
		return ADMIT_DONE;
	checkpoint_count_row();
	/* a row of a lane with a reader of its own ends there, or it would end twice */
	if (lane != NULL && lane->reader == (reader->lane != NULL ? reader : NULL) &&
		cancel_wants(slot))
	{
		if (reader->lane != NULL)
			lane->skipped--;
		admit_refuse(id, &cancel_refusal);
		return ADMIT_DONE;
	}
	/* before any row behind it is read, by whichever reader */
	if (lane != NULL && reader->lane == NULL)
		tell_row(lane, slot);
	Assert(reader->lane == NULL || lane == reader->lane);
	if (reader->lane != NULL)
		return follow_row(reader->lane, slot, id, reader->recheck);
	if (lane != NULL)
		read_row(lane, slot, id, reader->recheck);
	else
		admit_refuse(id, &why);
	return ADMIT_DONE;
}

static Admission
meet_row(Reader *reader, TupleTableSlot *slot, int64 id, ResultProbe *probe)
{
	Suspect		outer = suspect_begin(SUSPECT_ROW, id);
	Admission	admission = judge_row(reader, slot, id, probe);

	suspect_end(outer);
	return admission;
}

/* ---- pages ---------------------------------------------------------------- */

/*
 * Read up to *budget rows with position < id <= limit, within the generation of position
 * + 1.  False if the reader had to stop because there was no room.
 */
static bool
read_by_id(Reader *reader, int64 limit, int *budget, ResultProbe *probe)
{
	const Catalog *catalog = ring_outbox_catalog();
	int			number = RING_CHILD(reader->position + 1);
	int64		last = Min(limit, RING_FIRST(reader->position + 1) + RING_SPAN - 1);
	ScanKeyData keys[2];
	RingScan	child;
	bool		fits = true;

	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(reader->position));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(last));
	ring_scan_open(&child, catalog->outbox[number], catalog->outbox_id[number], 2);
	index_rescan(child.scan, keys, 2, NULL, 0);
	while (*budget > 0 && ring_scan_next(&child))
	{
		bool		isnull;
		int64		id = DatumGetInt64(slot_getattr(child.slot, Anum_outbox_id, &isnull));

		(*budget)--;
		if (meet_row(reader, child.slot, id, probe) == ADMIT_FULL)
		{
			fits = false;
			break;
		}
		/* Only after the row was taken: a reader that is full meets the same row again. */
		reader->position = id;
	}

	/*
	 * The generation has no more rows up to the limit: go on behind its end, or the next page
	 * would search it again.
	 */
	if (fits && *budget > 0)
		reader->position = last;
	ring_scan_close(&child);
	return fits;
}

/*
 * The next ids of the phase OLD, ascending.  Each old transaction gives up to PAGE_ROWS
 * of its ids in each generation; if it has more, all ids beyond its last one are left for
 * the next page.
 */
static int64 *
collect_old_ids(Reader *reader, int *count)
{
	const Catalog *catalog = ring_outbox_catalog();
	int64		highest = reader->from.low;
	int64		horizon = highest;
	int			capacity = PAGE_ROWS;
	int64	   *ids = palloc(sizeof(int64) * capacity);
	int64		first = Max(oldest_generation(highest), RING_GENERATION(reader->position));

	*count = 0;
	for (int64 generation = first; generation <= RING_GENERATION(highest); generation++)
	{
		int			number = (int) (generation % RING_CHILDREN);
		RingScan	child;

		ring_scan_open(&child, catalog->outbox[number], catalog->outbox_xid[number], 3);
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
			while (ring_scan_next(&child))
			{
				bool		isnull;

				if (*count == capacity)
					ids = repalloc(ids, sizeof(int64) * (capacity *= 2));
				ids[(*count)++] = DatumGetInt64(slot_getattr(child.slot, Anum_outbox_id, &isnull));
				if (++given == PAGE_ROWS)
				{
					horizon = Min(horizon, ids[*count - 1]);
					break;
				}
			}
		}
		ring_scan_close(&child);
	}

	/*
	 * Rows must come by ascending id over all transactions.  Beyond the horizon an id of a cut-off
	 * transaction may be missing, so that ids there must wait for the next page.
	 */
	qsort(ids, *count, sizeof(int64), ring_compare_ids);
	while (*count > 0 && ids[*count - 1] > horizon)
		(*count)--;
	return ids;
}

/* Read rows of transactions that were running at "from". */
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

/*
 * The highest id of the page: a follower must not overtake the main reader within one
 * difference.
 */
static int64
page_limit(const Reader *reader)
{
	int64		end = reader->phase == PHASE_OLD ? reader->from.low : reader->to.high;

	if (reader->lane != NULL && main_reader.phase == reader->phase &&
		main_reader.to.epoch == reader->to.epoch)
		return Min(end, main_reader.position);
	return end;
}

/* Read one page; false if there was no room for the next row. */
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
			break;				/* the follower has reached the main reader, which goes on first */
	}
	result_probe_close(&probe);
	return fits;
}

/* ---- followers ------------------------------------------------------------ */

/* Whether a follower is at the main reader's position. */
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

/* Let a follower read; returns whether it could read more at once. */
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

/* A follower reads again when the lane has finished half of its rows. */
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

	foreach_lane(lane)
	{
		if (wants_page(lane))
			more |= read_follower(lane->reader);
	}
	return more;
}

bool
reader_wants_fetch(void)
{
	if (park_is_due())
		return true;

	foreach_lane(lane)
	{
		if (wants_page(lane))
			return true;
	}
	return false;
}

/* ---- the worker's calls --------------------------------------------------- */

void
reader_start(void)
{
	Mark		mark = {.snap = NULL};

	PushActiveSnapshot(GetTransactionSnapshot());
	mark.epoch = ++last_epoch;
	checkpoint_read(&mark);
	admit_start();
	PopActiveSnapshot();
	mark_set(&main_reader.from, &mark);
	main_reader.recheck = true;
}

/*
 * Check for new rows and begin to read them. low and next were taken before the active
 * snapshot.
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

void
reader_look(void)
{
	int64		low;
	FullTransactionId next;

	if (main_reader.phase != PHASE_IDLE)
		return;
	nlooks++;
	low = ring_last_id(ring_catalog(false)->outbox_id_seq);
	next = ReadNextFullTransactionId();
	PushActiveSnapshot(GetTransactionSnapshot());
	begin_main(low, next);
	PopActiveSnapshot();
}

bool
reader_fetch(void)
{
	bool		more;

	PushActiveSnapshot(GetTransactionSnapshot());
	record_map_open();
	confirmed_begin_reading();
	(void) read_page(&main_reader);
	more = main_reader.phase != PHASE_IDLE;
	more |= read_followers();
	park_step();
	record_map_close();
	confirmed_end_reading();
	PopActiveSnapshot();
	return more;
}

bool
reader_took_mark(void)
{
	bool		took = took_mark;

	took_mark = false;
	return took;
}

static int64
read_id(const Reader *reader)
{
	return reader->phase == PHASE_NEW ? reader->position : reader->from.low;
}

int64
reader_read_id(void)
{
	return read_id(&main_reader);
}

int64
reader_lane_read_id(const Lane *lane)
{
	return read_id(lane->reader != NULL ? lane->reader : &main_reader);
}

uint64
reader_looks(void)
{
	return nlooks;
}

/* The mark up to which the main reader has read, or reads. */
static uint64
main_epoch(void)
{
	return main_reader.phase == PHASE_IDLE ? main_reader.from.epoch : main_reader.to.epoch;
}

/*
 * Whether the reader has taken all rows up to the id that the main reader's mark sees.  A follower
 * that is idle, or goes to an older mark, has rows of older transactions before it, whatever its
 * place.
 */
static bool
has_read(const Reader *reader, int64 id)
{
	if (reader->phase == PHASE_IDLE)
		return reader->lane == NULL && reader->from.low >= id;
	return reader->to.epoch == main_epoch() && reader->position >= id &&
		(reader->phase == PHASE_NEW || reader->from.low >= id);
}

bool
reader_has_read(int64 id, uint64 looks)
{
	if (nlooks <= looks || !has_read(&main_reader, id))
		return false;
	foreach_lane(lane)
	{
		if ((lane->reader != NULL && !has_read(lane->reader, id)) ||
			park_oldest_id(lane) <= id)
			return false;
	}
	return true;
}

int64
reader_ended(void)
{
	int64		oldest = read_to + 1;

	foreach_lane(lane)
	{
		if (lane->reader != NULL)
			return ended_to;
		oldest = Min(oldest, Min(unfinished_oldest(&lane->unfinished), park_oldest_id(lane)));
	}
	ended_to = Max(ended_to, oldest - 1);
	return ended_to;
}

/* ---- checkpoints ---------------------------------------------------------- */

/*
 * The epoch of the oldest mark from which a follower still reads; the highest number if
 * there is no follower.
 */
static uint64
oldest_epoch(void)
{
	uint64		oldest = PG_UINT64_MAX;

	foreach_lane(lane)
	{
		if (lane->reader != NULL)
			oldest = Min(oldest, lane->reader->from.epoch);
	}
	return oldest;
}

bool
reader_checkpoint_due(int64 now)
{
	if (main_reader.phase == PHASE_IDLE)
		checkpoint_propose(&main_reader.from);
	return checkpoint_is_due(now, oldest_epoch());
}
