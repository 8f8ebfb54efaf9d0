/*
 * sync_row.h
 *		Rows of a sync's table as calls: what a changed, new or gone row means.
 *
 *	sync_row_plan()		once per definition and shape of the table
 *	sync_rows_open()	once per statement, or sync_rows_begin() per chunk of a back-fill
 *	sync_rows_choose()	which columns of the rows from now on
 *	sync_rows_queue()	a row as it is now
 *	sync_rows_remove()	a row that was, or that has another key now
 *	sync_rows_end()
 */
#ifndef HUBSPOT_SYNC_ROW_H
#define HUBSPOT_SYNC_ROW_H

#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "sync/sync.h"

/*
 * How a definition's rows become calls.  Lives in the memory context that was current at
 * sync_row_plan(), as the definition does.
 */
typedef struct SyncRowPlan SyncRowPlan;

/*
 * Make the plan. desc: the present columns of sync->relation; renamed columns are found
 * by number.  Returns NULL, and the reason in *problem, if no row can become a call
 * because the SERVER or the key's column is gone.  Otherwise *problem says which columns
 * are left out, or is NULL.  Raises no error; the plan keeps a pointer to sync.
 */
extern SyncRowPlan *sync_row_plan(const Sync *sync, TupleDesc desc, const char **problem);

/*
 * Whether two rows differ, byte by byte, in the columns that the definition sends, or in
 * the key; of an event, whether the row is another occurrence now.
 */
extern bool sync_row_differs(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now);
extern bool sync_row_key_differs(const SyncRowPlan *plan, TupleTableSlot *before,
								 TupleTableSlot *now);

/*
 * Why the definition's present owner cannot queue rows: the SERVER or the owner is gone,
 * or the owner has lost the right to use the SERVER or to read the followed table.  NULL
 * if nothing is wrong.
 */
extern const char *sync_row_refusal(const Sync *sync);

/*
 * Begin to queue, up to capacity rows at once; sync_row_refusal() must have returned
 * NULL.  A row that cannot be sent is recorded as rejected.  Memory that outlives a row
 * is allocated in the current context.
 */
typedef struct SyncRows SyncRows;
extern SyncRows *sync_rows_open(SyncRowPlan *plan, int capacity, bool backfill);

/* The same for a back-fill; makes the plan and raises an error for sync_row_refusal()'s reason. */
extern SyncRows *sync_rows_begin(const Sync *sync, Relation rel);

/*
 * From now on only these columns of a record, by the names that the mapping gives them, beside its
 * key (List of char *; NIL: all).  The record is there then, so that it is not to be created.
 */
extern void sync_rows_choose(SyncRows *rows, List *names);

/* The path of the key in a message, as an array of text. */
extern Datum sync_rows_key_path(const SyncRows *rows);

/*
 * Queue a row; returns the outbox id, or 0 if its key is NULL or empty: such a row is left out.
 * sync_rows_change(): a row that was another one before, of the same record; associations that have
 * not changed are not said again, and those that were are ended.
 */
extern int64 sync_rows_queue(SyncRows *rows, TupleTableSlot *slot);
extern void sync_rows_change(SyncRows *rows, TupleTableSlot *before, TupleTableSlot *now);

/* So many rows without a key are there that nobody queues. */
extern void sync_rows_pass_over(SyncRows *rows, int64 count);
extern void sync_rows_remove(SyncRows *rows, TupleTableSlot *slot);

/* Whether anything is queued of a row that goes, or that turns out to have moved. */
extern bool sync_rows_leave_something(const SyncRowPlan *plan);

/*
 * What a row's removal is, palloc'd; NULL if nothing.  Queue it later: what it needs of the
 * definition is copied to the current context.
 */
typedef struct SyncRemoval SyncRemoval;
extern SyncRemoval *sync_rows_removal(SyncRowPlan *plan, TupleTableSlot *slot);
extern bool sync_rows_is_removal_of(const SyncRemoval *removal, const Sync *sync);
extern void sync_rows_queue_removal(const SyncRemoval *removal);

/*
 * Whether the removed row and the one that would be removed here are one record's; then what the
 * first was associated with, and the second is not, is ended.
 */
extern bool sync_rows_has_moved(const SyncRemoval *removal, const SyncRemoval *here);

/* Record a rejected row with this text that is about no record in particular. */
extern void sync_rows_note(SyncRows *rows, const char *text);
extern void sync_rows_end(SyncRows *rows);

/* ---- rows without a statement (sync_applied.c) ---------------------------------------- */

/* Queue the change of a row that a row trigger is called for. */
extern void sync_applied_row(SyncRowPlan *plan, const TriggerData *trigger);

/* Queue what was put off until it is known whether a row has moved. */
extern void sync_applied_flush(void);

/* Whether a row says something of another record now.  An association is all its columns. */
extern bool sync_row_is_other(const SyncRowPlan *plan, TupleTableSlot *before,
							  TupleTableSlot *now);

#endif							/* HUBSPOT_SYNC_ROW_H */
