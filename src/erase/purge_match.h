/*
 * purge_match.h
 *		Whether a row is of, or mentions, a contact that is to be erased.
 *
 * A set of identifiers (addresses, userIds, other keys) of any number of
 * contacts, each with the SERVER, and the id of the deletion: only rows before it are
 * the erased contact's.  To look one text up costs the same however many are in the set.
 *
 * A key is compared as it is.  In texts and JSON, addresses are looked for: what stands around an
 * "@", without regard to case, an international domain in its ASCII form.  A JSON string that is
 * one address matches as a whole or not at all; in free text an address begins after anything that
 * is not an address's usual character (quotes and brackets of messages). userIds and other keys are
 * found in a message's userId only, for as words they mean nothing.
 *
 * Memory: the context that was current at identifiers_create().
 */
#ifndef HUBSPOT_PURGE_MATCH_H
#define HUBSPOT_PURGE_MATCH_H

#include "utils/jsonb.h"

typedef struct Identifiers Identifiers;

extern Identifiers *identifiers_create(void);
extern void identifiers_add(Identifiers *set, Oid server, const char *text, int64 before);

/* id 0: of what has no order, and counts as before any deletion. */
extern bool identifiers_has(const Identifiers *set, Oid server, const char *text, int len,
							int64 id);
extern bool identifiers_in_text(const Identifiers *set, Oid server, const char *text, int len,
								int64 id);

/* without_person: but for the members of a group call that are about its contact. */
extern bool identifiers_in_json(const Identifiers *set, Oid server, Jsonb *json, int64 id,
								bool without_person);

#endif							/* HUBSPOT_PURGE_MATCH_H */
