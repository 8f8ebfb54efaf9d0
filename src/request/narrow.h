/*
 * narrow.h
 *		Which row of an input is at fault, when HubSpot refuses them together.
 *
 * Rows of one key go out together: merged into one record, or one after the other.  What one
 * of them says may have the request refused, and the others must not pay for it.  So they go
 * back to their key, which sends fewer at once, from the oldest on, so that their order holds:
 * half of those among which one is at fault, until that one stands alone.  Behind it one goes,
 * then two, then four.  One row among n costs about twice log2(n) requests more than no
 * search, and a key whose rows are all refused one for each row and log2(n) more.
 *
 * Called by batch_end.c: batch_tell_apart() begins a search, each end of rows that were sent goes
 * on with it.  Asked by batch.c, which takes rows.  Its state is the key's, so that it is over
 * when the key has no rows.
 */
#ifndef HUBSPOT_NARROW_H
#define HUBSPOT_NARROW_H

#include "request/batch.h"

/*
 * Whether one of the rows of an input may be at fault without the others: they do not all say
 * the same.
 */
extern bool narrow_may_help(const Input *input);

/*
 * One of so many rows of a key is at fault, which wait again: fewer go at once.  alone: the fault
 * was the whole request's, so that other keys stay out of it.
 */
extern void narrow_begin(WorkKey *key, int nrows, bool alone);

/* Rows of a key that were sent have ended; went_well: none of them was refused. */
extern void narrow_ended(WorkKey *key, int nrows, bool went_well);

/* How many rows of the key go at once; 0: all. */
extern int	narrow_limit(const WorkKey *key);

/* Whether they go in a request of their own. */
extern bool narrow_is_alone(const WorkKey *key);

#endif							/* HUBSPOT_NARROW_H */
