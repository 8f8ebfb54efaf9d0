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

/* Advance to this slice; window is the number of slices of the window. */
extern void tally_advance(Tally *tally, int64 slice, int window);

/* Count so many more, now. */
extern void tally_add(Tally *tally, int count);

/* Count so many more in an earlier slice; no effect if it is outside the window. */
extern void tally_add_at(Tally *tally, int64 slice, int count);

/* Remove so many, the oldest first. */
extern void tally_remove_oldest(Tally *tally, int count);

/* Sum from one slice to another, both included, as far as they are kept. */
extern int	tally_between(const Tally *tally, int64 first, int64 last);

/* The oldest slice inside the window with a count; there must be one. */
extern int64 tally_oldest(const Tally *tally);

#endif							/* HUBSPOT_TALLY_H */
