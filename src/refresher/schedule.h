/*
 * schedule.h
 *		Finds what is due: refreshes by their schedule, open back-fills.
 *
 * A definition's next time is hubspot.sync_state.next_at.  A scheduled refresh moves it
 * by "every" from the time when it was due, so that it does not drift; missed refreshes
 * are not repeated.  After a failure it moves by "every", then by twice and four times as
 * much, up to an hour or to "every" if that is longer.
 *
 * All functions need a transaction with an active snapshot, and act as the
 * extension's owner.  Memory: the caller's context.
 */
#ifndef HUBSPOT_SCHEDULE_H
#define HUBSPOT_SCHEDULE_H

#include "nodes/pg_list.h"

#include "sync/sync.h"

/*
 * When something is due next that is not held and waits for no refresher that is stuck, with or
 * without back-fills; DT_NOEND: never.
 */
extern TimestampTz schedule_next(bool with_fills);

typedef struct ScheduleItem
{
	int			sync;			/* id */
	char	   *name;
	int64		wait_ms;		/* until the next try of a back-fill that has failed */
} ScheduleItem;

/*
 * The definitions that are due for a refresh, and those whose back-fill is open (lists of
 * ScheduleItem).  The owner who was served longest ago comes first, so that an owner of
 * many or slow definitions delays another owner by one of them at most.
 */
extern List *schedule_due(void);
extern List *schedule_fills(void);

/*
 * Begin the back-fills, or make due the refreshes, of what went without a property that HubSpot
 * has by now.
 */
extern void schedule_lacking(void);

/* Note a success, in the refresh's own transaction, which began at this time. */
extern void schedule_succeeded(const Sync *sync, TimestampTz began);

/*
 * Note a failure, in a transaction of its own.  The message is logged unless it is the
 * same as the last time.
 */
extern void schedule_failed(const ScheduleItem *item, bool is_fill, const ErrorData *error);

/* Hold the definition, in a transaction of its own: it does nothing until hubspot_resync(). */
extern void schedule_hold(int sync, const char *reason);

#endif							/* HUBSPOT_SCHEDULE_H */
