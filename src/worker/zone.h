/*
 * zone.h
 *		Time zones by the names that HubSpot gives them.
 */
#ifndef HUBSPOT_ZONE_H
#define HUBSPOT_ZONE_H

#include "pgtime.h"

/* NULL: this server has no zone of that name, nor one that it is an old name of. */
extern pg_tz *zone_of_account(const char *name);

#endif							/* HUBSPOT_ZONE_H */
