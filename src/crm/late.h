/*
 * late.h
 *		A contact's rows whose userId was told by a later row: they overwrite nothing.
 *
 * Such a row has waited, and HubSpot may have got values that are younger than its own by then.  It
 * is sent by itself; what HubSpot has a value of is asked first, and left out by records.c.
 */
#ifndef HUBSPOT_LATE_H
#define HUBSPOT_LATE_H

#include "crm/records.h"

/* The request that a late row begins with; NULL: the key's head row is none. */
extern const RequestKind *late_kind_of(const WorkKey *key);

#endif							/* HUBSPOT_LATE_H */
