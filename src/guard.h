/*
 * guard.h
 *		May this very database send?
 */
#ifndef HUBSPOT_GUARD_H
#define HUBSPOT_GUARD_H

/*
 * NULL when it may; else the reason, palloc'd.  A copied data directory, a
 * restored backup or a database made from a template holds the same outbox as its original,
 * and must not send it again.  Inside a transaction.
 */
extern char *guard_problem(void);

#endif							/* HUBSPOT_GUARD_H */
