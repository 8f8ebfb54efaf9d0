/*
 * refresh_filter.h
 *		Finds the keys without a difference while the source is read.
 *
 * A hash table of all members.  Most rows of most sources have not changed since the last
 * refresh; the filter finds them without storing, sorting or joining them.
 * refresh_compare.c compares the rest.
 */
#ifndef HUBSPOT_REFRESH_FILTER_H
#define HUBSPOT_REFRESH_FILTER_H

#include "sync/sync.h"

typedef struct RefreshFilter RefreshFilter;

typedef enum FilterAnswer
{
	FILTER_SAME,				/* a member with this value: nothing to do */
	FILTER_OTHER,				/* to be compared */
	FILTER_TWICE				/* a member's key that came before */
} FilterAnswer;

/*
 * The filter for a definition with about so many members; NULL if they do not fit into
 * maintenance_work_mem.
 */
extern RefreshFilter *refresh_filter_make(const Sync *sync, int64 members);

/* Test a row of the source by its normalised key and the digest of its value. */
extern FilterAnswer refresh_filter_test(RefreshFilter *filter, const char *key, int len,
										int64 digest);

/* The ctids (a tid[]) of the members for which no row of the source was the same. */
extern Datum refresh_filter_rest(const RefreshFilter *filter);

#endif							/* HUBSPOT_REFRESH_FILTER_H */
