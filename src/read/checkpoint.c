/*
 * checkpoint.c
 *		Stores up to where every row has its verdict.
 *
 * The table is a ring of two halves: before a half is written again, it is truncated.
 * The row with the highest id is the checkpoint.
 *
 * Locks: ROW EXCLUSIVE on the half written, ACCESS EXCLUSIVE on the one that
 * is emptied.  Memory: two marks in "hubspot work".
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "queue/park.h"
#include "queue/queue.h"
#include "read/checkpoint.h"
#include "store/append.h"
#include "store/ring.h"

#define CHECKPOINT_US	1000000 /* shortest time between two checkpoints */

/* Columns of hubspot.checkpoint, in the order of the script. */
enum CheckpointColumn
{
	CHECKPOINT_ID, CHECKPOINT_WRITTEN_AT, CHECKPOINT_LAST_ID, CHECKPOINT_SNAPSHOT,
	CHECKPOINT_NEXT_XID
};

static int64 next_id;
static Mark written;			/* the last checkpoint in the table */
static Mark candidate;			/* the next checkpoint; snap NULL: none is proposed */
static uint64 candidate_seq;	/* its rows have lower sequence numbers; 0: not all are read yet */
static int64 written_at;		/* µs of the monotonic clock */
static int64 rows;				/* # of rows read since the candidate was proposed */

static void
take_if_younger(TupleTableSlot *slot, Mark *mark)
{
	bool		isnull;
	int64		id = DatumGetInt64(slot_getattr(slot, CHECKPOINT_ID + 1, &isnull));

	if (id < next_id)
		return;
	next_id = id + 1;
	mark->low = mark->high = DatumGetInt64(slot_getattr(slot, CHECKPOINT_LAST_ID + 1, &isnull));
	mark->next = DatumGetFullTransactionId(slot_getattr(slot, CHECKPOINT_NEXT_XID + 1, &isnull));
	mark_free(mark);
	mark->snap = snapshot_from_datum(slot_getattr(slot, CHECKPOINT_SNAPSHOT + 1, &isnull));
}

void
checkpoint_read(Mark *mark)
{
	const Catalog *catalog = ring_catalog(false);

	next_id = 0;
	for (int i = 0; i < CHECKPOINT_CHILDREN; i++)
	{
		Relation	rel = table_open(catalog->checkpoint[i], AccessShareLock);
		TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL, SO_NONE);
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
			take_if_younger(slot, mark);
		table_endscan(scan);
		ExecDropSingleTupleTableSlot(slot);
		table_close(rel, AccessShareLock);
	}
	if (mark->snap == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"hubspot.checkpoint\" is empty"),
				 errhint("Drop the extension and create it again.")));
	mark_set(&written, mark);
}

void
checkpoint_count_row(void)
{
	rows++;
}

void
checkpoint_propose(const Mark *mark)
{
	if (candidate.snap != NULL || rows == 0)
		return;
	mark_set(&candidate, mark);
	candidate_seq = 0;
	rows = 0;
}

/* Sequence number of the oldest row without a verdict; UINT64_MAX if there is none. */
static uint64
oldest_seq(void)
{
	uint64		parked = park_oldest_seq();

	if (dlist_is_empty(&window.rows))
		return parked;
	return Min(dlist_head_element(Row, order, &window.rows)->seq, parked);
}

bool
checkpoint_is_due(int64 now, uint64 oldest_epoch)
{
	if (candidate.snap == NULL)
		return false;
	if (candidate_seq == 0 && oldest_epoch >= candidate.epoch)
		candidate_seq = window.next_seq;
	return candidate_seq != 0 && oldest_seq() >= candidate_seq &&
		now - written_at >= CHECKPOINT_US;
}

bool
checkpoint_is_wanted(void)
{
	return candidate.snap != NULL || rows > 0;
}

static Oid
half_of(int64 id)
{
	return ring_catalog(false)->checkpoint[(id / CHECKPOINT_SPAN) % CHECKPOINT_CHILDREN];
}

void
checkpoint_write(void)
{
	Appender   *append;
	Datum	   *values;
	bool	   *isnull;

	if (next_id % CHECKPOINT_SPAN == 0)
		ring_truncate(half_of(next_id));
	append = append_open(half_of(next_id), 1);
	append_next(append, &values, &isnull);
	values[CHECKPOINT_ID] = Int64GetDatum(next_id);
	values[CHECKPOINT_WRITTEN_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[CHECKPOINT_LAST_ID] = Int64GetDatum(candidate.low);
	values[CHECKPOINT_SNAPSHOT] = snapshot_to_datum(candidate.snap);
	values[CHECKPOINT_NEXT_XID] = FullTransactionIdGetDatum(candidate.next);
	memset(isnull, false, (CHECKPOINT_NEXT_XID + 1) * sizeof(bool));
	append_row(append);
	append_close(append);
}

void
checkpoint_written(int64 now)
{
	next_id++;
	written_at = now;
	mark_free(&written);
	written = candidate;
	candidate.snap = NULL;
}

Datum
checkpoint_snapshot(void)
{
	return snapshot_to_datum(written.snap);
}
