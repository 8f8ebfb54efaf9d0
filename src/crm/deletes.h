/*
 * deletes.h
 *		Records are archived, contacts erased without a trace.
 */
#ifndef HUBSPOT_DELETES_H
#define HUBSPOT_DELETES_H

#include "request/batch.h"

/* The request that the delete call at the head of a key needs; NULL: not yet. */
extern const RequestKind *deletes_kind_of(WorkKey *key);

/*
 * The record of an input that deletes was looked for, and is this one (NULL: there is none).
 * The input goes on to be archived, or it ends.
 */
extern void deletes_found(Input *input, const char *record_id, const Reply *reply,
						  AckRequest *request);
extern const RequestKind deletes_archive;

/* A contact was archived: what is forgotten of it; for contacts.c. */
extern void deletes_contact(const WorkKey *key);

#endif							/* HUBSPOT_DELETES_H */
