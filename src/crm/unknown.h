/*
 * unknown.h
 *		Names that were dropped because HubSpot does not have them, and names that it demands.
 *
 * Counted in the worker's memory, added to hubspot.unknown_property and to
 * hubspot.required_property now and then.  What a crash loses is a count.
 */
#ifndef HUBSPOT_UNKNOWN_H
#define HUBSPOT_UNKNOWN_H

#include "mapping/mapping.h"
#include "message/object_type.h"

/* HubSpot has refused to create a record of that type, for it lacks the property. */
extern void unknown_note_required(Oid server, Object part, const char *property, int64 id);

extern void unknown_note(Oid server, Object part, const UnknownProperty *property, int64 id);

/* Whether there is something to write; write it inside a transaction; it was committed. */
extern bool unknown_wants_saving(void);
extern void unknown_save(void);
extern void unknown_saved(void);

#endif							/* HUBSPOT_UNKNOWN_H */
