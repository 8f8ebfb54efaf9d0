/*
 * purge.h
 *		Every trace of an erased contact leaves the tables.
 */
#ifndef HUBSPOT_PURGE_H
#define HUBSPOT_PURGE_H

#include "request/batch.h"

/*
 * HubSpot has erased the contact of an input; alias: its addresses, ";"
 * between them, or NULL.  The input is taken over: its rows get the given
 * verdict when nothing is left here.
 */
extern void purge_begin(Input *input, const AckResult *result);

/* Whether there is anything to do; a step of it, inside a transaction; after its commit. */
extern bool purge_is_due(void);
extern void purge_step(void);
extern void purge_done(void);

/*
 * Whether what the worker knows is to be written before the step, so that it is found; at the
 * bounds of a pass.
 */
extern bool purge_wants_all_written(void);

/* The µs until something is due; -1: nothing will be. */
extern int64 purge_wake(int64 now);

/*
 * What holds an erasure of the account up, else how far one is, as text; false when there is none.
 */
extern bool purge_reason(const Account *account, char *reason, size_t size);

#endif							/* HUBSPOT_PURGE_H */
