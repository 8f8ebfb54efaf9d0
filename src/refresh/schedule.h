/*
 * schedule.h
 *		What is due: refreshes by their schedule, open back-fills.
 *
 * The clock of a definition is hubspot.sync_state.next_at.  A scheduled refresh
 * moves it by "every", counted from when it was due, so that it does not drift;
 * what was missed meanwhile is not made up for.  After a failure it moves by
 * "every", twice, four times as much .. up to an hour, or "every" when that is
 * longer.
 *
 * All functions need a transaction with an active snapshot, and act as the
 * extension's owner.  Memory: the caller's context.
 */
#ifndef HUBSPOT_SCHEDULE_H
#define HUBSPOT_SCHEDULE_H

#include "nodes/pg_list.h"

#include "sync/sync.h"

/*
 * When something is due next, of what is not held, with back-fills or without; DT_NOEND: nothing.
 */
extern TimestampTz schedule_next(bool with_fills);

typedef struct ScheduleItem
{
	int			sync;			/* id */
	char	   *name;
	int64		wait_ms;		/* of a back-fill that has failed: until the next try */
} ScheduleItem;

/*
 * Definitions that are to be refreshed now, and those whose back-fill is open;
 * of ScheduleItem.  First those of the owner whose turn was the longest ago,
 * so that who has many, or slow ones, keeps nobody waiting for more than one.
 */
extern List *schedule_due(void);
extern List *schedule_fills(void);

/* In the transaction of the refresh, which began at this time. */
extern void schedule_succeeded(const Sync *sync, TimestampTz began);

/*
 * In a transaction of its own: a refresh or a back-fill failed with this
 * message, which is logged unless it is the same as the last time.
 */
extern void schedule_failed(const ScheduleItem *item, bool is_fill, const ErrorData *error);

/* In a transaction of its own: the definition does nothing until hubspot_resync(). */
extern void schedule_hold(int sync, const char *reason);

#endif							/* HUBSPOT_SCHEDULE_H */
