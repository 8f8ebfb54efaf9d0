/*
 * company_contact.h
 *		Which contacts belong to which company: hubspot.company_contact.
 *
 *	company_contact_begin()	for one account, in the session that queues
 *	company_contact_add()	a pair that an association, or the end of one, was queued for
 *	company_contact_end()	write what is left
 *	company_contact_remove()	a contact is gone; called by the worker
 *	company_contact_trim()	rows that newer ones have replaced go; called by the worker
 *
 * A call costs one index look-up and one row.  No session waits for another: each call
 * about a pair writes its row, and readers go by the one with the highest outbox_id.
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

/* outbox_id: the row of the association; leaves: that takes the contact out of the company. */
extern void company_contact_add(CompanyContacts *pairs, const MessageKey *company,
								const MessageKey *contact, int64 outbox_id, bool leaves);
extern void company_contact_end(CompanyContacts *pairs);

/* Remove all pairs of a contact's key, for whatever property, in the current transaction. */
extern void company_contact_remove(const char *server, const char *contact);

/*
 * The same for many contacts: an array of SERVER oids and an array of keys.  Also removes
 * pairs of userIds that were seen with one of these addresses.  Needs a snapshot.
 */
extern void company_contact_remove_all(Datum servers, Datum contacts);

/*
 * Delete rows that a newer one of the same pair has replaced, in a part of the table at each call:
 * from its beginning once company_contact_grew() has said that there are new rows.  In the
 * worker; needs a snapshot.
 */
extern void company_contact_grew(void);
extern void company_contact_trim(void);

#endif							/* HUBSPOT_COMPANY_CONTACT_H */
