/*
 * daily.h
 *		The day of an account: how much of it is used, and when the next begins.
 */
#ifndef HUBSPOT_DAILY_H
#define HUBSPOT_DAILY_H

#include "request/batch.h"

/* When the account's day ends; 0: nothing is known of it. */
extern TimestampTz daily_ends_at(const Account *account);

/*
 * The account sends nothing more that counts for the day until that ends;
 * event says whose limit is reached, detail (may be NULL) completes the reason.
 */
extern void daily_pause(Account *account, LaneEvent event, const char *detail);

/* Do so if HubSpot's limit or the SERVER's own is reached, as far as is known. */
extern bool daily_pause_if_used_up(Account *account);

/* HubSpot told of the day in the headers of an answer. */
extern void daily_headers(Account *account, const ReplyHeaders *headers);

/* Whether HubSpot is to be asked for the use of the day now; it is being asked; it has answered. */
extern bool daily_wants_usage(Account *account, int64 now);
extern void daily_asking(Account *account, int64 now);
extern void daily_answered(Account *account, const Reply *reply);

#endif							/* HUBSPOT_DAILY_H */
