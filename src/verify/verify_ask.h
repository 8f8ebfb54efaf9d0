/*
 * verify_ask.h
 *		One request to HubSpot and its answer, in the process of hubspot_verify().
 *
 * Memory: the token and what was made are in TopMemoryContext, for the life of the process.
 */
#ifndef HUBSPOT_VERIFY_ASK_H
#define HUBSPOT_VERIFY_ASK_H

#include "nodes/pg_list.h"

#include "account/account.h"

/*
 * From here on requests may be sent to this account.  False: there is no token, *problem says why.
 * Inside a transaction.
 */
extern bool verify_ask_start(const AccountOptions *options, char **problem);

/* The requests that remove what was made since the last call, oldest first; strings. */
extern List *verify_ask_made(void);

#endif							/* HUBSPOT_VERIFY_ASK_H */
