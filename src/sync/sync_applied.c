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
 * subscription do not, and all of them are put off.  Where several definitions follow the table,
 * each has a trigger: all of them are called for the one row, then all for the other.  What is put
 * off is queued at the latest when the transaction commits, where nothing of the user's may run
 * any more: it is made when the row is deleted.
 *
 * Locks: as enqueue.h.  Memory: what is put off is in a context of its own below
 * TopTransactionContext.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "nodes/pg_list.h"
#include "replication/logicalworker.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "sync/sync_row_plan.h"

/* A row that triggers are called for; table InvalidOid: none. */
typedef struct RowPlace
{
	Oid			table;
	ItemPointerData at;
} RowPlace;

static List *removals = NIL;	/* SyncRemoval, what is put off: each of another definition */
static RowPlace deleted;		/* the row that all of them are of */
static RowPlace inserted;		/* the row right behind it, by which they are settled */
static MemoryContext removal_context = NULL;
static SubTransactionId removal_subtransaction;

/* ---- what is put off --------------------------------------------------------------------- */

static void
forget_removals(void)
{
	MemoryContext context = removal_context;

	removals = NIL;
	removal_context = NULL;
	if (context != NULL)
		MemoryContextDelete(context);
}

void
sync_applied_flush(void)
{
	List	   *due = removals;
	ListCell   *cell;

	if (due == NIL)
		return;
	removals = NIL;				/* whatever happens, nothing is queued twice */
	foreach(cell, due)
		sync_rows_queue_removal(lfirst(cell));
	forget_removals();
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
		forget_removals();
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
					  SubTransactionId parent, void *arg)
{
	if (removal_context == NULL || removal_subtransaction != subtransaction)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_removals();
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		removal_subtransaction = parent;
}

static RowPlace
place_of(const TriggerData *trigger)
{
	RowPlace	place = {RelationGetRelid(trigger->tg_relation), trigger->tg_trigtuple->t_self};

	return place;
}

static bool
is_place(RowPlace a, RowPlace b)
{
	return a.table == b.table && ItemPointerEquals(&a.at, &b.at);
}

/* Of another row nothing is put off any more: see settle(). */
static void
put_off(SyncRowPlan *plan, const TriggerData *trigger)
{
	static bool is_registered = false;
	MemoryContext old;
	SyncRemoval *removal;

	if (!is_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		is_registered = true;
	}
	if (removals == NIL)
	{
		forget_removals();
		removal_context = AllocSetContextCreate(TopTransactionContext, "hubspot removals put off",
												ALLOCSET_SMALL_SIZES);
		removal_subtransaction = GetCurrentSubTransactionId();
		deleted = place_of(trigger);
		inserted.table = InvalidOid;
	}
	old = MemoryContextSwitchTo(removal_context);
	removal = sync_rows_removal(plan, trigger->tg_trigslot);
	if (removal != NULL)
		removals = lappend(removals, removal);
	MemoryContextSwitchTo(old);
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

/* Of a row that has moved nothing is removed.  What is put off of other definitions stays so. */
static void
settle_own(SyncRowPlan *plan, const TriggerData *trigger)
{
	SyncRemoval *here;
	ListCell   *cell;

	foreach(cell, removals)
	{
		SyncRemoval *removal = lfirst(cell);

		if (!sync_rows_is_removal_of(removal, plan->sync))
			continue;
		here = sync_rows_removal(plan, trigger->tg_trigslot);
		removals = foreach_delete_current(removals, cell);
		if (here == NULL || !sync_rows_has_moved(removal, here))
			sync_rows_queue_removal(removal);
	}
}

/* What the row says of those that are put off. */
static void
settle(SyncRowPlan *plan, const TriggerData *trigger)
{
	RowPlace	place;

	if (removals == NIL)
		return;
	place = place_of(trigger);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) &&
		(!OidIsValid(inserted.table) || is_place(inserted, place)))
	{
		inserted = place;
		settle_own(plan, trigger);
	}
	else if (!TRIGGER_FIRED_BY_DELETE(trigger->tg_event) || OidIsValid(inserted.table) ||
			 !is_place(deleted, place))
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
	bool		leaves = before != NULL && (now == NULL || sync_row_is_other(plan, before, now));
	bool		removes = leaves && plan->sync->deletes != SYNC_DELETES_IGNORE;
	SyncRows   *queue;

	/* Whatever becomes of this row, it is queued behind what its definition has put off. */
	settle(plan, trigger);
	if (leaves && may_move(trigger) && sync_rows_leave_something(plan))
	{
		put_off(plan, trigger);
		return;
	}
	if (now != NULL && before != NULL && !sync_row_differs(plan, before, now))
		now = NULL;
	if (now == NULL && !removes)
		return;
	queue = sync_rows_open(plan, 1, false);
	if (removes)
		sync_rows_remove(queue, before);
	if (now != NULL && before != NULL)
		sync_rows_change(queue, before, now);
	else if (now != NULL)
		(void) sync_rows_queue(queue, now);
	sync_rows_end(queue);
}
