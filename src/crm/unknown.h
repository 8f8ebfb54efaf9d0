/*
 * unknown.h
 *		Names that HubSpot does not have, and names that it demands.
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

/*
 * An event of this internal name lacks a property; or is not there itself (property NULL), by the
 * name that calls say.  refusal: HubSpot has refused to create it, in these words; NULL: it has not
 * been asked.
 */
extern void unknown_note_property(Oid server, const char *event, const UnknownProperty *property,
								  const char *refusal, int64 id);
extern void unknown_note_event(Oid server, const char *event, const char *label,
							   const char *refusal, int64 id);

/* A list of such members is not there; it is. */
extern void unknown_note_list(Oid server, Object members, const char *name, int64 id);
extern void unknown_found_list(Oid server, Object members, const char *name);

/* Whether there is something to write; write it inside a transaction; it was committed. */
extern bool unknown_wants_saving(void);
extern void unknown_save(void);
extern void unknown_saved(void);

#endif							/* HUBSPOT_UNKNOWN_H */
