/*
 * connect.h
 *		The worker's accounts: SERVERs, tokens, and what HubSpot says of them.
 */
#ifndef HUBSPOT_CONNECT_H
#define HUBSPOT_CONNECT_H

#include "request/batch.h"

/* Once per worker. */
extern void connect_init(void);

/* Read the SERVERs if they changed: new, altered and dropped ones; in a transaction. */
extern void connect_load_accounts(void);

/* The configuration was reloaded: read all tokens, try again what was in trouble. */
extern void connect_reload(void);

/* A request got 401: the token may have been replaced in its file. */
extern void connect_refused(Account *account);

/* Whether account-info is to be asked now; reads the token where there is none. */
extern bool connect_wants_asking(Account *account, int64 now);

/* account-info answered, and accepted the token. */
extern void connect_answered(Account *account, const Reply *reply);

/*
 * What the lane is in, for the views: a pause before the account's trouble, and that before the
 * lane's.
 */
extern LaneStatus connect_effective_status(const Lane *lane);

/* Write hubspot.account and hubspot.rate_limit, in a transaction; tell that it committed. */
extern bool connect_wants_saving(void);
extern void connect_save(void);
extern void connect_saved(void);

/* Whether a lane has ever had anything to do, or is paused: the others are not shown. */
extern bool connect_lane_is_used(const Lane *lane);

#endif							/* HUBSPOT_CONNECT_H */
