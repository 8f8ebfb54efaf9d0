/*
 * refresh_check.h
 *		What an audience or trait needs to have in HubSpot.
 */
#ifndef HUBSPOT_REFRESH_CHECK_H
#define HUBSPOT_REFRESH_CHECK_H

#include "sync/sync.h"

/*
 * The property and the events that the definition writes: what is missing is
 * queued to be created when the definition says so, before anything else is
 * queued; otherwise it is an error that shows the statement.  Goes by what is
 * known of the account's schema; what is not known is taken to be there.
 */
extern void refresh_check_outputs(const Sync *sync);

/* Queue the creation of the static list, when the definition has one and says so. */
extern void refresh_create_list(const Sync *sync);

#endif							/* HUBSPOT_REFRESH_CHECK_H */
