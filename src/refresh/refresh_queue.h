/*
 * refresh_queue.h
 *		From a difference that a refresh found to rows of the outbox.
 */
#ifndef HUBSPOT_REFRESH_QUEUE_H
#define HUBSPOT_REFRESH_QUEUE_H

#include "refresh/refresh_compare.h"

typedef struct RefreshQueue RefreshQueue;

/*
 * at: time of the refresh; it makes the events of this change different from those of
 * later changes. backfill: live calls are sent before these rows.  Checks that the
 * definition's owner has USAGE on the SERVER.
 */
extern RefreshQueue *refresh_queue_begin(const Sync *sync, TimestampTz at, bool backfill);

/*
 * Queue the rows that the difference needs; returns the id of the first row, which the
 * others carry as parent, or 0 if HubSpot need not know.
 */
extern int64 refresh_queue_add(RefreshQueue *queue, const RefreshDifference *difference);
extern void refresh_queue_end(RefreshQueue *queue);

#endif							/* HUBSPOT_REFRESH_QUEUE_H */
