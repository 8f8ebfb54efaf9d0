/*
 * contacts.h
 *		Contacts: what a batch/upsert says, and what its answer means.
 */
#ifndef HUBSPOT_CONTACTS_H
#define HUBSPOT_CONTACTS_H

#include "message.h"
#include "work.h"

/*
 * Append one input to a batch/upsert body: the rows of one contact merged per
 * property, the newest value winning.  parts are the rows' messages, taken
 * apart.  Sets the warnings of each row.
 */
extern void contacts_append_input(StringInfo body, Input *input, const MessageParts *parts);

/* The property that an input is keyed by. */
extern const char *contacts_id_property(const WorkKey *key);

#endif							/* HUBSPOT_CONTACTS_H */
