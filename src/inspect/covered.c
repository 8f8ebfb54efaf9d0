/*
 * covered.c
 *		hubspot.covered_to(): up to which row everything has its verdict.
 *
 * What is not done lies behind the checkpoint.  Told as an id, the views find it by the
 * index that they read everything else by, newest first, and the planner knows from the
 * index how much that is: it calls the function while it plans.
 *
 * The checkpoint covers the rows that its snapshot sees.  The others have ids above its
 * last one, but for those of transactions that ran when it was taken: where such rows are
 * to be seen by now, the first of them is the limit.
 *
 * Locks: ACCESS SHARE on the checkpoint's halves and on children of the outbox, given back
 * at once.  The answer to the statement's snapshot is kept in the process.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "inspect/covered.h"
#include "ring/checkpoint_table.h"
#include "ring/outbox.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"

PG_FUNCTION_INFO_V1(hubspot_covered_to);

/* The planner asks for each condition of each branch: the last answer, and for whom it was. */
typedef struct Answer
{
	Oid			table;			/* the outbox's first child: who asks after DROP has another */
	TransactionId xmin,
				xmax;
	uint32		xcnt;
	CommandId	command;
	int64		id;
} Answer;

static Answer last;

/* The lowest id that transactions between two xids have in a child, if it is lower. */
static void
lower_to_rows_of(RingScan *child, FullTransactionId from, FullTransactionId before, int64 *lowest)
{
	while (FullTransactionIdPrecedes(from, before))
	{
		ScanKeyData keys[2];
		bool		isnull;

		ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE,
					FullTransactionIdGetDatum(from));
		ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT,
					FullTransactionIdGetDatum(before));
		index_rescan(child->scan, keys, 2, NULL, 0);
		if (!ring_scan_next(child))
			return;
		*lowest = Min(*lowest,
					  DatumGetInt64(slot_getattr(child->slot, Anum_outbox_id, &isnull)));
		from = DatumGetFullTransactionId(slot_getattr(child->slot, Anum_outbox_xid, &isnull));
		FullTransactionIdAdvance(&from);
	}
}

/* The first row that the checkpoint does not cover has a higher id. */
static int64
covered_by(const Mark *checkpoint)
{
	const Catalog *catalog = ring_outbox_catalog();
	const Snap *snap = checkpoint->snap;
	int64		lowest = checkpoint->low + 1;

	if (snap->nxip == 0 && !FullTransactionIdPrecedes(snap->xmax, checkpoint->next))
		return checkpoint->low;

	/* from xmax on they ran without being listed: it is one above the last that had ended */
	for (int i = 0; i < RING_CHILDREN; i++)
	{
		RingScan	child;

		ring_scan_open(&child, catalog->outbox[i], catalog->outbox_xid[i], 2);
		for (int j = 0; j < snap->nxip; j++)
		{
			FullTransactionId next = snap->xip[j];

			FullTransactionIdAdvance(&next);
			lower_to_rows_of(&child, snap->xip[j], next, &lowest);
		}
		lower_to_rows_of(&child, snap->xmax, checkpoint->next, &lowest);
		ring_scan_close(&child);
	}
	return lowest - 1;
}

int64
covered_to(void)
{
	Snapshot	now = GetActiveSnapshot();
	Answer		asked = {
		.table = ring_catalog(false)->outbox[0],
		.xmin = now->xmin, .xmax = now->xmax, .xcnt = now->xcnt, .command = now->curcid
	};
	Mark		checkpoint = {0};

	/* Of snapshots with the same bounds, one that sees more has fewer transactions in its list. */
	if (asked.table == last.table && asked.xmin == last.xmin && asked.xmax == last.xmax &&
		asked.xcnt == last.xcnt && asked.command == last.command)
		return last.id;
	if (checkpoint_find(&checkpoint) != 0)
		asked.id = covered_by(&checkpoint);
	mark_free(&checkpoint);
	last = asked;
	return asked.id;
}

Datum
hubspot_covered_to(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(covered_to());
}
