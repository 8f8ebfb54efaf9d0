/*
 * transaction.h
 *		How our own processes begin a transaction, and what they tell when it is over.
 *
 * Nothing in the server does for a background worker what it does for a session
 * with each statement.  So no other file starts a transaction: make lint checks
 * that.
 */
#ifndef HUBSPOT_TRANSACTION_H
#define HUBSPOT_TRANSACTION_H

/* Start one: now() is this moment, and pg_stat_activity shows what is done in it. */
extern void transaction_begin(const char *activity);

/*
 * It has been committed, or aborted: statistics are reported, and the process is idle.  Not where
 * an error would be taken for one of the transaction's.
 */
extern void transaction_over(void);

#endif							/* HUBSPOT_TRANSACTION_H */
