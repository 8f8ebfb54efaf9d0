/*
 * refresh.h
 *		A refresh: sends to HubSpot what has changed in a compared source.
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
	int64		source_rows;	/* # of rows of the source that have a key */
	int64		entered;		/* # of new keys */
	int64		changed;		/* # of keys with another value, or whose last call is repeated */
	int64		exited;			/* # of keys that have left */
	int64		bad;			/* # of rows of the source without a key */
} RefreshCounts;

/*
 * Compare the source with hubspot.member, queue the differences, and update
 * hubspot.member and hubspot.sync_state.  Waits for another refresh of the same
 * definition.  Raises an error if the query fails, if a key has two values, if the
 * property does not exist, or, unless confirm is set, if more records would leave than
 * max_shrink allows.
 */
extern void refresh_run(const Sync *sync, bool confirm, RefreshCounts *counts);

/*
 * The same, but take all that the source returns for what HubSpot has: nothing is queued, and
 * the next refresh finds what has changed since.  Members that the source does not return stay
 * as they are.
 */
extern void refresh_take_as_known(const Sync *sync);

/*
 * Only read and compare: nothing is locked or written.  The function is called for each
 * difference, see refresh_compare.h.
 */
extern void refresh_look(const Sync *sync, RefreshFunction function, void *arg);

#endif							/* HUBSPOT_REFRESH_H */
