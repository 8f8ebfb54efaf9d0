/*
 * employers.h
 *		The companies that a contact has, before another one is made for it.
 *
 * A new contact belongs, a second or so later, to the company of its address's
 * domain, which HubSpot makes when it finds none, and which its search does not
 * find for half a minute.  So a company goes before a contact of its domain
 * where both wait (wait/company_first.h); and before one is created that a contact
 * may have already, the companies of that contact are read, which is never behind.
 */
#ifndef HUBSPOT_EMPLOYERS_H
#define HUBSPOT_EMPLOYERS_H

#include "request/batch.h"

/* HubSpot has just created a contact of this address (NULL: it has none that is known). */
extern void employers_note(const WorkKey *key, const char *address, const char *record_id);

/*
 * For companies that are not known: whether the head row of a key was sent away, to ask the tables
 * for the contact that it names; what its look_up() then does.
 */
extern bool employers_ask(WorkKey *company);
extern void employers_look_up(WorkKey *company);

/* The contact whose companies are to be read before this one is created; NULL: none is known. */
extern const char *employers_contact(const Input *input);

/* Reads its companies, then what these are; what follows is decided by RecordKinds. */
extern const RequestKind employers_read;

#endif							/* HUBSPOT_EMPLOYERS_H */
