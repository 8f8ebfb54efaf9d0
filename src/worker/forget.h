/*
 * forget.h
 *		What hubspot_forget_confirmed() asks for, and what nobody may use any more.
 *
 * The function leaves an order in hubspot.forgotten; the worker is the only one
 * that writes hubspot.confirmed, so that nobody waits for anybody.
 */
#ifndef HUBSPOT_FORGET_H
#define HUBSPOT_FORGET_H

/*
 * Look for orders; in the transaction that has read rows, after them: a row that was
 * queued with or after an order is not judged by what the order is about.
 */
extern void forget_look(void);

/* Whether there is anything to do; a step of it, inside a transaction; after its commit. */
extern bool forget_is_due(void);
extern void forget_step(void);
extern void forget_done(void);

#endif							/* HUBSPOT_FORGET_H */
