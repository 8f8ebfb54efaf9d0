/*
 * late.h
 *		A contact's rows whose userId was told by a later row: they overwrite nothing.
 *
 * Such a row has waited, and HubSpot may have got values that are younger than its own by then.  It
 * is sent by itself; what HubSpot has a value of is asked first, and left out by records.c.
 * An association does so, too: a company that the contact belongs to in the first place stays that.
 */
#ifndef HUBSPOT_LATE_H
#define HUBSPOT_LATE_H

#include "crm/records.h"

/* The request that a late row begins with; NULL: the key's head row is none. */
extern const RequestKind *late_kind_of(const WorkKey *key);

/*
 * The same of an association whose contact's record is known: whether it has to ask, and the
 * request for that.
 */
extern bool late_pair_must_ask(const Row *row);
extern const RequestKind late_read_company;

/* Whether the contact of such a row, which was asked for, has another primary company. */
extern bool late_has_company(const Row *row);

#endif							/* HUBSPOT_LATE_H */
