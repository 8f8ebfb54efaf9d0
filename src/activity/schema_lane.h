/*
 * schema_lane.h
 *		The schema lane: properties to be created, schemas to be read again; definitions that grow.
 *
 * Rows of other lanes wait for what was queued here before them, when they
 * need it; so that a property may be created and used in one transaction.
 */
#ifndef HUBSPOT_SCHEMA_LANE_H
#define HUBSPOT_SCHEMA_LANE_H

#include "activity/event.h"
#include "request/batch.h"

/* Deal with the rows that need no request of their own; each turn. */
extern void schema_lane_refresh(Lane *lane);

/* Nothing will be created for now: what waits for it goes on without; each turn. */
extern void schema_lane_give_up(Lane *lane);

/* ---- definitions.c: because a row says so ---------------------------------------------- */

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

/* ---- growth.c: by itself, with create_events --------------------------------------------- */

/* Whether the event lacks one of these properties, and nobody has tried yet to add it. */
extern bool growth_is_wanted(const Account *account, const EventDefinition *event,
							 const Mapping *mapping);

/*
 * Have created what the definitions lack of what the rows of an input have, and all others that
 * wait in its lane.  False: there is nothing that has not been tried; else the lane waits.
 */
extern bool growth_begin(Input *input);

/* For people: a row goes without what its event's definition lacks; or there is none. */
extern void growth_note_lacks(const Row *row, const EventDefinition *event,
							  const Mapping *mapping);
extern void growth_note_event(const Row *row, const EventSource *source, const char *name,
							  const char *refusal);

#endif							/* HUBSPOT_SCHEMA_LANE_H */
