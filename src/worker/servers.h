/*
 * servers.h
 *		The worker's accounts: SERVERs, tokens, and what HubSpot says of them.
 */
#ifndef HUBSPOT_SERVERS_H
#define HUBSPOT_SERVERS_H

#include "request/batch.h"

/* Once per worker. */
extern void servers_init(void);

/* Read the SERVERs if they changed: new, altered and dropped ones; in a transaction. */
extern void servers_load_accounts(void);

/* The configuration was reloaded: read all tokens, try again what was in trouble. */
extern void servers_reload(void);

/* A request got 401: the token may have been replaced in its file. */
extern void servers_refused(Account *account);

/* Whether account-info is to be asked now; reads the token where there is none. */
extern bool servers_wants_asking(Account *account, int64 now);

/* The number of the account that account-info names in "portalId"; 0: none. */
extern int64 servers_hub_of(const Reply *reply);

/* account-info answered, and accepted the token. */
extern void servers_answered(Account *account, const Reply *reply);

/*
 * What the lane is in, for the views: a pause before the account's trouble, and that before the
 * lane's.
 */
extern LaneStatus servers_effective_status(const Lane *lane);

/* Write hubspot.account and hubspot.rate_limit, in a transaction; tell that it committed. */
extern bool servers_wants_saving(void);
extern void servers_save(void);
extern void servers_saved(void);

/* Whether a lane has ever had anything to do, or is paused: the others are not shown. */
extern bool servers_lane_is_used(const Lane *lane);

#endif							/* HUBSPOT_SERVERS_H */
