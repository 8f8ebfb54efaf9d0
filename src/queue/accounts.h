/*
 * accounts.h
 *		The accounts that a worker knows, and what is common to their lanes.
 */
#ifndef HUBSPOT_ACCOUNTS_H
#define HUBSPOT_ACCOUNTS_H

#include "queue/family.h"

extern dlist_head accounts;

/* The one after this one, in the order of their making; NULL: the first, and the end. */
static inline Account *
accounts_next(Account *account)
{
	if (account == NULL)
		return dlist_is_empty(&accounts) ? NULL : dlist_head_element(Account, node, &accounts);
	return dlist_has_next(&accounts, &account->node) ?
		dlist_container(Account, node, dlist_next_node(&accounts, &account->node)) : NULL;
}

static inline Lane *
accounts_next_lane(Lane *lane)
{
	Account    *account = lane == NULL ? accounts_next(NULL) : lane->account;

	if (lane != NULL && ++lane < &account->lanes[FAMILY_COUNT])
		return lane;
	if (lane != NULL)
		account = accounts_next(account);
	return account == NULL ? NULL : &account->lanes[0];
}

/* The variable is the loop's own. */
#define foreach_account(account) \
	for (Account *account = accounts_next(NULL); account != NULL; account = accounts_next(account))
#define foreach_lane(lane) \
	for (Lane *lane = accounts_next_lane(NULL); lane != NULL; lane = accounts_next_lane(lane))

/* Once per worker. */
extern void accounts_init(void);

/* NULL when no such SERVER was ever seen. */
extern Account *accounts_find(Oid server);

/* A new one, whose lanes have nothing to do; families by LaneFamily. */
extern Account *accounts_add(Oid server, const FamilyWork *const *families);

/* Whether somebody has paused a lane, or its account: it begins nothing. */
extern bool accounts_is_paused(const Lane *lane);

/* The path by which an account is asked, see path_of(). */
static inline const char *
accounts_path(const Account *account, PathName name, const CrmType *type)
{
	return path_of(name, type, account->options, &account->path_forms);
}

/* Each LaneStatus of an account by a number, and the lane that it is about; NULL: all of it. */
#define ACCOUNT_STATUSES	(3 + 3 * FAMILY_COUNT)
extern LaneStatus *accounts_status(Account *account, int i, const char **lane);

#endif							/* HUBSPOT_ACCOUNTS_H */
