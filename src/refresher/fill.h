/*
 * fill.h
 *		The back-fill: rows that were in a table before it was followed.
 *
 * A back-fill reads the table by its key, one chunk at a time, and stops when FILL_AHEAD
 * of its rows have no verdict yet: the table itself is the queue.  Called by the
 * refresher only.
 */
#ifndef HUBSPOT_FILL_H
#define HUBSPOT_FILL_H

#include "nodes/pg_list.h"

#include "cluster/shared.h"
#include "refresher/schedule.h"
#include "utils/relcache.h"

#define FILL_CHUNK		500		/* rows of a transaction */
#define FILL_GROUP		10000	/* at most, when many have the same key */
#define FILL_AHEAD		2000	/* rows of a back-fill without a verdict ... */
#define FILL_AHEAD_ALL	4000	/* ... and of all together */

/*
 * Inside a transaction: count the rows that an earlier refresher has queued and that have
 * no verdict.
 */
extern void fill_start(void);

/*
 * Keep the back-fills of this list (of ScheduleItem); forget the others, but keep
 * counting their rows.
 */
extern void fill_keep(const List *items);

/*
 * When a back-fill may read its next chunk, in µs of the monotonic clock; a time that has
 * passed means now.
 */
extern int64 fill_ready_at(int sync, int64 now);

/* Inside a transaction: read and queue a chunk. */
extern void fill_step(const ScheduleItem *item);

/* Report whether the transaction of fill_step() was committed. */
extern void fill_ran(int sync, bool done, int64 now);

/* Inside a transaction, if fill_wants_look(): forget the rows that have a verdict. */
extern bool fill_wants_look(int64 now);
extern void fill_look(int64 now);

/* Write to shared memory how far the back-fills are ahead. */
extern void fill_report(WorkerSlot *slot);

/* ---- between fill.c and fill_ahead.c ---- */

/* The current transaction queued this row for the definition of fill_step(). */
extern void fill_add(int64 id);

/*
 * The definition of fill_step() could not go on; it is tried again soon.  Returns for how
 * many µs that has been so.
 */
extern int64 fill_contested(int64 now);

/* ---- between fill.c and fill_lacking.c ---- */

/*
 * A chunk of a back-fill of what was lacking, after this position (NULL: the first one); false:
 * another session changes a row of it.
 */
extern bool fill_lacking(const Sync *sync, Relation rel, const char *position);

#endif							/* HUBSPOT_FILL_H */
