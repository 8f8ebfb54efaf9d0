/*
 * suppress.h
 *		Whom nothing is sent about: hubspot.suppressed, asked when a request is built.
 *
 * A row that waits may go into a request when it was looked at in the present look (row->looked_at
 * is window.look), see request/batch.c.  A look ends when a session has committed a change of the
 * table, and after LOOK_US in any case, for changes that nobody announces (COMMIT PREPARED).  So
 * what is committed when a turn of the worker begins counts for each request that is built, or
 * sent again, in that turn or later.
 *
 * While the table has no pages there is no look (window.look is 0), and nothing is asked.
 */
#ifndef HUBSPOT_SUPPRESS_H
#define HUBSPOT_SUPPRESS_H

#include "cluster/shared.h"

/* In a transaction that reads: whether anybody may be suppressed. */
extern void suppress_poll(void);

/* Before anything is sent in a turn: whether suppress_step() is to be run. */
extern bool suppress_is_due(WorkerSlot *slot, int64 now);

/*
 * Look at the rows that may go next, in a transaction: those of a suppressed contact end.  How many
 * it looks at is bounded; suppress_has_more(), once requests were built, says that some were not
 * because of that.
 */
extern void suppress_step(void);
extern bool suppress_has_more(void);

#endif							/* HUBSPOT_SUPPRESS_H */
