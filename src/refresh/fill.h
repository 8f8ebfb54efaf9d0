/*
 * fill.h
 *		The back-fill: what was in a followed table before it was followed.
 *
 * A back-fill reads the table by its key, a chunk at a time, and goes no
 * further than FILL_AHEAD rows ahead of HubSpot: the table itself is the
 * queue.  Called by the refresher only.
 */
#ifndef HUBSPOT_FILL_H
#define HUBSPOT_FILL_H

#include "nodes/pg_list.h"

#include "cluster/shared.h"
#include "refresh/schedule.h"

#define FILL_CHUNK		500		/* rows of a transaction */
#define FILL_GROUP		10000	/* at most, when many have the same key */
#define FILL_AHEAD		2000	/* rows of a back-fill without a verdict ... */
#define FILL_AHEAD_ALL	4000	/* ... and of all together */

/*
 * Inside a transaction: what an earlier refresher has queued and HubSpot has
 * not taken counts as ahead.
 */
extern void fill_start(void);

/* These are open (of ScheduleItem); others are forgotten, but for their rows. */
extern void fill_keep(const List *items);

/* When a back-fill may read its next chunk, in µs of the monotonic clock; now or before: it may. */
extern int64 fill_ready_at(int sync, int64 now);

/* Inside a transaction: read and queue a chunk. */
extern void fill_step(const ScheduleItem *item);

/* The transaction of fill_step() was committed, or not. */
extern void fill_ran(int sync, bool done, int64 now);

/* Inside a transaction, when it is wanted: forget the rows that have a verdict. */
extern bool fill_wants_look(int64 now);
extern void fill_look(int64 now);

/* Tell shared memory how far they are ahead. */
extern void fill_report(WorkerSlot *slot);

/* ---- between fill.c and fill_ahead.c ---- */

/* The transaction under way queued this row for the definition of fill_step(). */
extern void fill_add(int64 id);

/*
 * The definition of fill_step() could not go on, and is to be tried again soon.
 * Returns for how many µs that has been so.
 */
extern int64 fill_contested(int64 now);

#endif							/* HUBSPOT_FILL_H */
