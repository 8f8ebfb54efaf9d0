/*
 * definitions.h
 *		What an event's definition lacks is added to it.
 */
#ifndef HUBSPOT_DEFINITIONS_H
#define HUBSPOT_DEFINITIONS_H

#include "request/batch.h"

/*
 * Whether a row adds properties to an event that is there: its message has the member "event"
 * where a new definition has its "name".
 */
extern bool definitions_only_adds(const Row *row);

/* Whether such a row names an event, and a property at least. */
extern bool definitions_check(const Row *row);

/* Adds one property in a request, until nothing is lacking. */
extern const RequestKind definitions_add;

/* Whether HubSpot refuses to create what it has. */
extern bool definitions_exists(const Reply *reply);

/* HubSpot has the event that the only input of a batch was to create: what does it lack? */
extern void definitions_grow(Batch *batch, const Reply *reply, AckRequest *request);

#endif							/* HUBSPOT_DEFINITIONS_H */
