/*
 * refresh_check.h
 *		Properties, events and lists that an audience or trait needs in HubSpot.
 */
#ifndef HUBSPOT_REFRESH_CHECK_H
#define HUBSPOT_REFRESH_CHECK_H

#include "sync/sync.h"

/*
 * Check the property and the events that the definition writes.  If one is missing, its
 * creation is queued first if the definition asks for that; otherwise an error shows the
 * statement that creates it.  The check uses what is known of the account's schema; what
 * is not known counts as present.
 */
extern void refresh_check_outputs(const Sync *sync);

/* Queue the creation of the static list if the definition has one and asks for it. */
extern void refresh_create_list(const Sync *sync);

#endif							/* HUBSPOT_REFRESH_CHECK_H */
