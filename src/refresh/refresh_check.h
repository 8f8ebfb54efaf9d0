/*
 * refresh_check.h
 *		Properties, events and lists that a definition needs in HubSpot.
 */
#ifndef HUBSPOT_REFRESH_CHECK_H
#define HUBSPOT_REFRESH_CHECK_H

#include "sync/sync.h"

/*
 * Check the property and the events that an audience or trait writes; or, when it is declared, the
 * properties of a sync of contacts or companies.  What is missing is created (queued) first if the
 * definition, or the account, asks for that; otherwise an error shows the statements that create
 * it.  The check uses what is known of the account's schema; what is not known counts as present,
 * unless it is to be created.
 */
extern void refresh_check_outputs(const Sync *sync);
extern void refresh_check_columns(const Sync *sync);

/* Queue the creation of the static list if the definition has one and asks for it. */
extern void refresh_create_list(const Sync *sync);

#endif							/* HUBSPOT_REFRESH_CHECK_H */
