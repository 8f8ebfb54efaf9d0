/*
 * refresh.h
 *		A refresh: HubSpot is told what has changed in a compared source.
 *
 * Audiences, computed traits, and syncs of views, queries or in mode mirror.
 * All happens in the caller's transaction; a rollback takes back everything.
 */
#ifndef HUBSPOT_REFRESH_H
#define HUBSPOT_REFRESH_H

#include "refresh/refresh_compare.h"

/* What a refresh found. */
typedef struct RefreshCounts
{
	int64		source_rows;	/* that the source returned, with a key */
	int64		entered;		/* keys that were not there before */
	int64		changed;		/* keys with another value, or whose last call is to be repeated */
	int64		exited;			/* keys that are not there any more */
	int64		bad;			/* rows of the source without a key */
} RefreshCounts;

/*
 * Bring hubspot.member and the outbox into step with the source, and note it in
 * hubspot.sync_state.  Waits for another refresh of the same definition.  An
 * error when the query fails, when a key has two values, when the property
 * does not exist, and unless confirm is set, when more would leave than
 * max_shrink allows.
 */
extern void refresh_run(const Sync *sync, bool confirm, RefreshCounts *counts);

/*
 * The same as far as reading goes: nothing is locked or written.  Each
 * difference is given to the function, see refresh_compare.h.
 */
extern void refresh_look(const Sync *sync, RefreshFunction function, void *arg);

#endif							/* HUBSPOT_REFRESH_H */
