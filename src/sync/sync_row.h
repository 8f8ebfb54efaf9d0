/*
 * sync_row.h
 *		Rows of a sync's table as calls: what a changed, new or gone row means.
 *
 *	sync_row_plan()		once per definition and shape of the table
 *	sync_rows_open()	once per statement, or sync_rows_begin() per chunk of a back-fill
 *	sync_rows_queue()	a row as it is now
 *	sync_rows_remove()	a row that was, or that has another key now
 *	sync_rows_end()
 */
#ifndef HUBSPOT_SYNC_ROW_H
#define HUBSPOT_SYNC_ROW_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "sync/sync.h"

/*
 * How a definition's rows become calls; lives in the context it was made in, with the definition.
 */
typedef struct SyncRowPlan SyncRowPlan;

/*
 * desc: the columns of sync->relation as they are now; its renamed columns are known by their
 * numbers.  Returns NULL, with the reason in *problem, when no row can become
 * a call: the key's column, or all mapped ones, are gone.  Otherwise *problem tells what is left
 * out, or is NULL.  Raises no error; the sync is borrowed.
 */
extern SyncRowPlan *sync_row_plan(const Sync *sync, TupleDesc desc, const char **problem);

/* Whether two rows differ in what the definition sends, byte by byte; and whether in their keys. */
extern bool sync_row_differs(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now);
extern bool sync_row_key_differs(const SyncRowPlan *plan, TupleTableSlot *before,
								 TupleTableSlot *now);

/*
 * Why nothing can be queued for the definition's account by its owner now: one of them is gone,
 * or the right to use it, or to read what is followed.  NULL: nothing stands against it.
 */
extern const char *sync_row_refusal(const Sync *sync);

/*
 * Begin to queue, up to capacity rows at once; sync_row_refusal() must have found nothing.
 * What cannot be sent is recorded as a rejected row.  Memory that outlives a row is of the
 * current context.
 */
typedef struct SyncRows SyncRows;
extern SyncRows *sync_rows_open(SyncRowPlan *plan, int capacity, bool backfill);

/* The same for a back-fill, whatever it needs; raises what stands against it. */
extern SyncRows *sync_rows_begin(const Sync *sync, Relation rel);

/*
 * Queue a row; returns the outbox id, or 0 for one without a key (NULL, or an empty text), which is
 * left out.
 */
extern int64 sync_rows_queue(SyncRows *rows, TupleTableSlot *slot);
extern void sync_rows_remove(SyncRows *rows, TupleTableSlot *slot);

/* A rejected row that says so, about no record in particular. */
extern void sync_rows_note(SyncRows *rows, const char *text);
extern void sync_rows_end(SyncRows *rows);

#endif							/* HUBSPOT_SYNC_ROW_H */
