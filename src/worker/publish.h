/*
 * publish.h
 *		What the worker tells others while it works: shared memory, wait events.
 */
#ifndef HUBSPOT_PUBLISH_H
#define HUBSPOT_PUBLISH_H

#include "cluster/shared.h"

#define PUBLISH_US 100000		/* a report is at most this old */

typedef enum PublishWait
{
	PUBLISH_IDLE,
	PUBLISH_HTTP
} PublishWait;

extern void publish_start(WorkerSlot *slot);

/*
 * Copy lanes, requests and counters into the slot, at most every PUBLISH_US
 * unless forced.  Returns the µs after which it wants to be called again, or -1.
 */
extern int64 publish_report(WorkerSlot *slot, bool force);

/* The wait event for pg_stat_activity. */
extern uint32 publish_wait_event(PublishWait wait);

#endif							/* HUBSPOT_PUBLISH_H */
