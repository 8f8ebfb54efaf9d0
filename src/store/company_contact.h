/*
 * company_contact.h
 *		Which contacts belong to which company: hubspot.company_contact.
 *
 *	company_contact_begin()	for one account, in the session that queues
 *	company_contact_add()	a pair that an association was queued for
 *	company_contact_end()	write those that are new
 *	company_contact_remove()	a contact is gone; called by the worker
 *
 * A pair that is in the table already costs one index look-up.  No session waits for
 * another: if two sessions queue the same new pair at the same time, both write it, and
 * readers use each pair once.
 */
#ifndef HUBSPOT_COMPANY_CONTACT_H
#define HUBSPOT_COMPANY_CONTACT_H

#include "message/message.h"

typedef struct CompanyContacts CompanyContacts;

/*
 * Begin; up to capacity pairs are kept before they are written.  Memory is allocated in
 * the current context, which must live until company_contact_end(); so must the SERVER's
 * name.
 */
extern CompanyContacts *company_contact_begin(const char *server, int capacity);
extern void company_contact_add(CompanyContacts *pairs, const MessageKey *company,
								const MessageKey *contact);
extern void company_contact_end(CompanyContacts *pairs);

/* Remove all pairs of a contact's key, for whatever property, in the current transaction. */
extern void company_contact_remove(const char *server, const char *contact);

/*
 * The same for many contacts: an array of SERVER oids and an array of keys.  Also removes
 * pairs of userIds that were seen with one of these addresses.  Needs a snapshot.
 */
extern void company_contact_remove_all(Datum servers, Datum contacts);

#endif							/* HUBSPOT_COMPANY_CONTACT_H */
