/*
 * accounts.h
 *		The accounts that a worker knows, and what is common to their lanes.
 */
#ifndef HUBSPOT_ACCOUNTS_H
#define HUBSPOT_ACCOUNTS_H

#include "queue/family.h"

extern dlist_head accounts;

/* Once per worker. */
extern void accounts_init(void);

/* NULL when no such SERVER was ever seen. */
extern Account *accounts_find(Oid server);

/* A new one, whose lanes have nothing to do; families by LaneFamily. */
extern Account *accounts_add(Oid server, const FamilyWork *const *families);

/* Whether somebody has paused a lane, or its account: it begins nothing. */
extern bool accounts_is_paused(const Lane *lane);

/* A line of the server log: the account, or one lane of it (NULL: none), has come into this state. */
extern void accounts_tell(const Account *account, const Lane *lane, const LaneStatus *status);

#endif							/* HUBSPOT_ACCOUNTS_H */
