/*
 * refresh_filter.h
 *		Keys that a refresh has nothing to do about, recognized as they come.
 *
 * A hash table of all members: most rows of most sources are the same as the
 * last time, and are found to be so without being stored, sorted or joined.
 * What is left is compared by refresh_compare.c.
 */
#ifndef HUBSPOT_REFRESH_FILTER_H
#define HUBSPOT_REFRESH_FILTER_H

#include "sync/sync.h"

typedef struct RefreshFilter RefreshFilter;

typedef enum FilterAnswer
{
	FILTER_SAME,				/* a member of this value: nothing to do */
	FILTER_OTHER,				/* to be compared */
	FILTER_TWICE				/* a member's key that was asked for before */
} FilterAnswer;

/*
 * For a definition with about so many members; NULL when they do not fit into
 * maintenance_work_mem.
 */
extern RefreshFilter *refresh_filter_make(const Sync *sync, int64 members);

/* Of a row of the source: its key in normal form, and the digest of its value. */
extern FilterAnswer refresh_filter_test(RefreshFilter *filter, const char *key, int len,
										int64 digest);

/* ctids of the members of which no row of the source was the same: a tid[]. */
extern Datum refresh_filter_rest(const RefreshFilter *filter);

#endif							/* HUBSPOT_REFRESH_FILTER_H */
