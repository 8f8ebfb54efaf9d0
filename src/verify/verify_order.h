/*
 * verify_order.h
 *		What a session tells the process of hubspot_verify() that it starts.
 */
#ifndef HUBSPOT_VERIFY_ORDER_H
#define HUBSPOT_VERIFY_ORDER_H

typedef struct VerifyOrder
{
	Oid			database;
	Oid			server;
	bool		any_size;		/* also an account that is not nearly empty */
} VerifyOrder;

#endif							/* HUBSPOT_VERIFY_ORDER_H */
