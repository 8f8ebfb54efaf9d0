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

/* The next lane that an account has, from this number on; NULL: none. */
static inline Lane *
accounts_lane_from(const Account *account, int i)
{
	while (i < account->nobjects && account->lanes[i] == NULL)
		i++;
	return i < account->nobjects ? account->lanes[i] : NULL;
}

static inline Lane *
accounts_next_lane(Lane *lane)
{
	Account    *account = lane == NULL ? accounts_next(NULL) : lane->account;

	if (lane != NULL)
	{
		lane = accounts_lane_from(account, lane->family + 1);
		if (lane != NULL)
			return lane;
		account = accounts_next(account);
	}
	return account == NULL ? NULL : account->lanes[0];
}

/* The lane of an object, NULL: the account has none yet. */
static inline Lane *
accounts_lane(const Account *account, int object)
{
	return object < account->nobjects ? account->lanes[object] : NULL;
}

/* The variable is the loop's own. */
#define foreach_account(account) \
	for (Account *account = accounts_next(NULL); account != NULL; account = accounts_next(account))
#define foreach_lane(lane) \
	for (Lane *lane = accounts_next_lane(NULL); lane != NULL; lane = accounts_next_lane(lane))
#define foreach_lane_of(lane, of_account) \
	for (Lane *lane = accounts_lane_from(of_account, 0); lane != NULL; \
		 lane = accounts_lane_from(of_account, lane->family + 1))

/* Of the account's objects whose flag is set; to be followed by a block. */
#define foreach_part(part, of_account, flag) \
	for (Object part = (Object) 0; part < (of_account)->nobjects; part++) \
		if ((of_account)->lanes[part] == NULL || !object_types[part].flag) ; else

/* The requests of lanes, and who is told that one has come to be. */
typedef struct AccountsWork
{
	const FamilyWork *fixed[OBJECT_COUNT];	/* of those that every account has */
	const FamilyWork *of_records;	/* of further record types; NULL: there are none */
	const FamilyWork *of_born;	/* of those that are born_associated */
	void		(*opened) (Lane *lane);
} AccountsWork;

/* Once per worker; what is handed over stays. */
extern void accounts_init(const AccountsWork *of_lanes);

/* NULL when no such SERVER was ever seen. */
extern Account *accounts_find(Oid server);

/* A new one, whose lanes have nothing to do. */
extern Account *accounts_add(Oid server);

/*
 * The lane of an object by what object_of_name() said of its word, be it made now; NULL: it is no
 * word of ours, or this process has met too many types.
 */
extern Lane *accounts_open_lane(Account *account, int object);

/* The SERVER is gone: nothing is told of it any more. */
extern void accounts_leave(Account *account);

/* Whether somebody has paused a lane, or its account: it begins nothing. */
extern bool accounts_is_paused(const Lane *lane);

/* The path by which an account is asked, see path_of(). */
static inline const char *
accounts_path(const Account *account, PathName name, const CrmType *type)
{
	return path_of(name, type, account->options, &account->path_forms);
}

#endif							/* HUBSPOT_ACCOUNTS_H */
