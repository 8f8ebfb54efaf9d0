/*
 * recall.h
 *		What the tables know of an account from before this server came up.
 */
#ifndef HUBSPOT_RECALL_H
#define HUBSPOT_RECALL_H

#include "request/batch.h"

/* Read it, for accounts that appear, a list of their SERVERs; in a transaction. */
extern void recall_read(List *servers);

/* The account's meters are there: tell them. */
extern void recall_tell_meters(Account *account);

#endif							/* HUBSPOT_RECALL_H */
