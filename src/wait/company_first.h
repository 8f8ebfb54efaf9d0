/*
 * company_first.h
 *		A company goes before a contact of its domain, where both wait.
 */
#ifndef HUBSPOT_COMPANY_FIRST_H
#define HUBSPOT_COMPANY_FIRST_H

#include "queue/queue.h"

/*
 * Whether the head row of a contact's key was sent away, for a company of its domain is about to be
 * made.  It waits once, and not for a lane that makes no progress.
 */
extern bool company_first_await(WorkKey *contact);

/* The worker's turn: lets those go that wait in vain; returns µs until the next call, or -1. */
extern int64 company_first_wake(int64 now);

#endif							/* HUBSPOT_COMPANY_FIRST_H */
