/*
 * covered.h
 *		Up to which row of the outbox everything has its verdict, or a copy in hubspot.deferred.
 */
#ifndef HUBSPOT_COVERED_H
#define HUBSPOT_COVERED_H

/* As the active snapshot sees it. */
extern int64 covered_to(void);

#endif							/* HUBSPOT_COVERED_H */
