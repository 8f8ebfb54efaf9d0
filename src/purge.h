/*
 * purge.h
 *		Every trace of an erased contact leaves the tables.
 */
#ifndef HUBSPOT_PURGE_H
#define HUBSPOT_PURGE_H

#include "work.h"

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

#endif							/* HUBSPOT_PURGE_H */
