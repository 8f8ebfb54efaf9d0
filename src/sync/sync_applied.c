/*
 * sync_applied.c
 *		Rows of a followed table that are changed without a statement: by a subscription, or by
 *		a session that is a replica.
 *
 * Called by hubspot_sync_trigger() for each row.  So there is no order within a statement: rows
 * that exchange their keys in one may end archived, as docs/syncs.md says.
 *
 * A row that an UPDATE moves to another partition is a deletion here and an insertion there, one
 * right behind the other.  Archiving its record would lose what HubSpot knows of it, so that a
 * deletion in a partition is put off until the next row: is that one inserted, with the same
 * key, it is the same row.  A session's deletions carry the mark of a moved row; those of a
 * subscription do not, and all of them are put off.  What is put off is queued at the latest
 * when the transaction commits, where nothing of the user's may run any more: it is made when
 * the row is deleted.
 *
 * Locks: as enqueue.h.  Memory: what is put off is in a context of its own below
 * TopTransactionContext.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "replication/logicalworker.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "sync/sync_row_plan.h"

static SyncRemoval *removal = NULL; /* what is put off; NULL: nothing */
static MemoryContext removal_context = NULL;
static SubTransactionId removal_subtransaction;

/* ---- what is put off --------------------------------------------------------------------- */

static void
forget_removal(void)
{
	MemoryContext context = removal_context;

	removal = NULL;
	removal_context = NULL;
	if (context != NULL)
		MemoryContextDelete(context);
}

void
sync_applied_flush(void)
{
	SyncRemoval *due = removal;

	if (due == NULL)
		return;
	removal = NULL;				/* whatever happens, it is not queued twice */
	sync_rows_queue_removal(due);
	forget_removal();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (removal_context == NULL)
		return;
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		PushActiveSnapshot(GetTransactionSnapshot());
		sync_applied_flush();
		PopActiveSnapshot();
		MemoryContextSwitchTo(old);
	}
	else
		forget_removal();
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
					  SubTransactionId parent, void *arg)
{
	if (removal_context == NULL || removal_subtransaction != subtransaction)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_removal();
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		removal_subtransaction = parent;
}

static void
put_off(SyncRowPlan *plan, TupleTableSlot *slot)
{
	static bool is_registered = false;
	MemoryContext old;

	if (!is_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		is_registered = true;
	}
	forget_removal();
	removal_context = AllocSetContextCreate(TopTransactionContext, "hubspot removal put off",
											ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(removal_context);
	removal = sync_rows_removal(plan, slot);
	MemoryContextSwitchTo(old);
	removal_subtransaction = GetCurrentSubTransactionId();
}

/* Whether it may be half of a row that moves. */
static bool
may_move(const TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_DELETE(trigger->tg_event) &&
		trigger->tg_relation->rd_rel->relispartition &&
		(IsLogicalWorker() ||
		 HeapTupleHeaderIndicatesMovedPartitions(trigger->tg_trigtuple->t_data));
}

/* Of a row that has moved nothing is removed.  Else what was put off is queued. */
static void
settle(SyncRowPlan *plan, const TriggerData *trigger)
{
	SyncRemoval *here;

	if (removal == NULL)
		return;
	here = TRIGGER_FIRED_BY_INSERT(trigger->tg_event)
		? sync_rows_removal(plan, trigger->tg_trigslot) : NULL;
	if (here != NULL && sync_rows_same_removal(removal, here))
		forget_removal();
	else
		sync_applied_flush();
}

/* ---- a row ---------------------------------------------------------------------------------- */

void
sync_applied_row(SyncRowPlan *plan, const TriggerData *trigger)
{
	TriggerEvent event = trigger->tg_event;
	TupleTableSlot *now = TRIGGER_FIRED_BY_UPDATE(event) ? trigger->tg_newslot :
	TRIGGER_FIRED_BY_INSERT(event) ? trigger->tg_trigslot : NULL;
	TupleTableSlot *before = TRIGGER_FIRED_BY_INSERT(event) ? NULL : trigger->tg_trigslot;
	bool		removes = before != NULL && plan->sync->deletes != SYNC_DELETES_IGNORE &&
	(now == NULL || sync_row_is_other(plan, before, now));
	SyncRows   *queue;

	/* Whatever becomes of this row, it is queued behind what was put off. */
	settle(plan, trigger);
	if (removes && may_move(trigger))
	{
		put_off(plan, before);
		return;
	}
	if (now != NULL && before != NULL && !sync_row_differs(plan, before, now))
		now = NULL;
	if (now == NULL && !removes)
		return;
	queue = sync_rows_open(plan, 1, false);
	if (removes)
		sync_rows_remove(queue, before);
	if (now != NULL)
		(void) sync_rows_queue(queue, now);
	sync_rows_end(queue);
}
