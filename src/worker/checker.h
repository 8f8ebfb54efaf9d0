/*
 * checker.h
 *		The worker's own hubspot_check(): once in hubspot.check_interval, and before a
 *		generation is given back.
 */
#ifndef HUBSPOT_CHECKER_H
#define HUBSPOT_CHECKER_H

#include "ring/snapshot.h"

extern void checker_start(int64 now);

/* Whether a slice is to be done; µs until then (-1: not before it is asked for). */
extern bool checker_is_due(int64 now);
extern int64 checker_wake(int64 now);

/* A slice, inside a transaction, and after its commit. */
extern void checker_step(void);
extern void checker_done(void);
extern void checker_failed(void);	/* it was rolled back: the pass begins anew, in some minutes */

/*
 * Whether a generation may be given back, for ring_rotate(): each row of it that this checkpoint
 * covers has its verdict or a copy.  NULL: that is not known, and is found out; the caller comes
 * again.
 */
extern const Snap *checker_covers(int64 generation, bool anew);

/* Whether ring_rotate() has asked for a generation that is known now. */
extern bool checker_has_answer(void);

#endif							/* HUBSPOT_CHECKER_H */
