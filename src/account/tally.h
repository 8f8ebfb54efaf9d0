/*
 * tally.h
 *		How many requests happened within a rolling window.
 *
 * Time is cut into slices, a thousand per window; a Tally is a ring of their
 * counters and knows the sum over the window.  What has left the window is
 * kept for another quarter of it, for those who ask about the recent past.
 * Pure arithmetic over memory of the caller, who holds its lock; callers are
 * the meters.  Slices are known by their numbers: time divided by length.
 */
#ifndef HUBSPOT_TALLY_H
#define HUBSPOT_TALLY_H

#include "cluster/shared.h"

/*
 * Time has come to this slice; window is the number of slices that the
 * window reaches over.
 */
extern void tally_advance(Tally *tally, int64 slice, int window);

/* So many more, now. */
extern void tally_add(Tally *tally, int count);

/* So many more in a slice of the past; nothing when that is out of the window. */
extern void tally_add_at(Tally *tally, int64 slice, int count);

/* So many fewer, the oldest first. */
extern void tally_remove_oldest(Tally *tally, int count);

/* How many from a slice to another one, both included, as far as is remembered. */
extern int	tally_between(const Tally *tally, int64 first, int64 last);

/* The oldest slice inside the window that holds any; there is one. */
extern int64 tally_oldest(const Tally *tally);

#endif							/* HUBSPOT_TALLY_H */
