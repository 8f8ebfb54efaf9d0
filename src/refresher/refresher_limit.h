/*
 * refresher_limit.h
 *		How long a definition may keep the refresher.
 *
 *	refresher_limit_init()	once					the process
 *	refresher_limit()		a query begins			refresher.c, fill.c
 *	refresher_unlimit()		it has ended, also by an error
 */
#ifndef HUBSPOT_REFRESHER_LIMIT_H
#define HUBSPOT_REFRESHER_LIMIT_H

#include "cluster/shared.h"
#include "sync/sync.h"

extern void refresher_limit_init(WorkerSlot *slot);

/*
 * From now on the definition's timeout runs, or hubspot.max_refresh_timeout
 * when that is shorter: the query is cancelled.  When it goes on all the same,
 * the process is ended.
 */
extern void refresher_limit(const Sync *sync);
extern void refresher_unlimit(void);

#endif							/* HUBSPOT_REFRESHER_LIMIT_H */
