/*
 * contacts.h
 *		Contacts: what a batch/upsert says, and what its answer means.
 */
#ifndef HUBSPOT_CONTACTS_H
#define HUBSPOT_CONTACTS_H

#include "message.h"
#include "work.h"

/* The JSON around the properties of one record of a batch/upsert. */
extern void contacts_begin_input(StringInfo body, const char *id_property, const char *key, const char *trace);
extern void contacts_end_input(StringInfo body);

/* The property that an input is keyed by. */
extern const char *contacts_id_property(const WorkKey *key);

#endif							/* HUBSPOT_CONTACTS_H */
