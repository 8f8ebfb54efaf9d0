/*
 * subscription_type.h
 *		Types of subscriptions by name and id: hubspot.subscription_type.
 *
 * Inside a transaction with a snapshot.  The table is small: an account has some dozens of them.
 */
#ifndef HUBSPOT_SUBSCRIPTION_TYPE_H
#define HUBSPOT_SUBSCRIPTION_TYPE_H

/* HubSpot's id of the type of this name, an active one before others; NULL: there is none. */
extern char *subscription_type_find(Oid server, const char *name);

/* Whether the type of this id has this name. */
extern bool subscription_type_is(Oid server, const char *id, const char *name);

/* What the account has, for people: "Newsletter (123), Offers (124)"; "" of none. */
extern char *subscription_type_list(Oid server);

#endif							/* HUBSPOT_SUBSCRIPTION_TYPE_H */
