/*
 * deletes.h
 *		Contacts are archived, or erased without a trace.
 */
#ifndef HUBSPOT_DELETES_H
#define HUBSPOT_DELETES_H

#include "work.h"

/* The request that the delete call at the head of a key needs; NULL: not yet. */
extern const RequestKind *deletes_kind_of(WorkKey *key);

#endif							/* HUBSPOT_DELETES_H */
