/*
 * meter_restore.h
 *		What the tables know of an account from before this server came up.
 */
#ifndef HUBSPOT_METER_RESTORE_H
#define HUBSPOT_METER_RESTORE_H

#include "request/batch.h"

/* Read it, for accounts that appear, a list of their SERVERs; in a transaction. */
extern void meter_restore_read(List *servers);

/* The account's meters are there: tell them. */
extern void meter_restore_tell_meters(Account *account);

#endif							/* HUBSPOT_METER_RESTORE_H */
