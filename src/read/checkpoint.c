/*
 * checkpoint.c
 *		Stores up to where every row has its verdict.
 *
 * The table is a ring of two halves: before a half is written again, it is truncated.
 * The row with the highest id is the checkpoint.
 *
 * Locks: ROW EXCLUSIVE on the half written, ACCESS EXCLUSIVE on the one that
 * is emptied.  Memory: a mark in "hubspot work".
 */
#include "postgres.h"

#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "queue/queue.h"
#include "read/checkpoint.h"
#include "ring/checkpoint_table.h"
#include "ring/ring.h"
#include "store/append.h"
#include "wait/park.h"

#define CHECKPOINT_US	1000000 /* shortest time between two checkpoints */

static int64 next_id;
static Mark candidate;			/* the next checkpoint; snap NULL: none is proposed */
static uint64 candidate_seq;	/* its rows have lower sequence numbers; 0: not all are read yet */
static int64 written_at;		/* µs of the monotonic clock */
static int64 rows;				/* # of rows read since the candidate was proposed */

void
checkpoint_read(Mark *mark)
{
	next_id = checkpoint_find(mark) + 1;
	if (mark->snap == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"hubspot.checkpoint\" is empty"),
				 errhint("Drop the extension and create it again.")));
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
	mark_free(&candidate);
}
