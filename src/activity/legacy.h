/*
 * legacy.h
 *		Legacy behavioural events, for accounts with events = 'legacy'.
 */
#ifndef HUBSPOT_LEGACY_H
#define HUBSPOT_LEGACY_H

#include "activity/event.h"
#include "request/batch.h"

extern const RequestKind legacy_event;

/*
 * Append the query of HubSpot's address for an event: hub, name, address,
 * revenue, and what the message says of the contact.
 */
extern void legacy_append_query(StringInfo query, const EventSource *source,
								const AccountOptions *options,
								Mapping *mapping, StringInfo warnings);

/* The address it goes to. */
extern const char *const legacy_path;

#endif							/* HUBSPOT_LEGACY_H */
