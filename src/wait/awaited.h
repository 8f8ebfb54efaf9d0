/*
 * awaited.h
 *		Records that nobody has told yet, and the rows that wait for them.
 *
 * A row that associates two records, or creates one with an association, waits for an answer that
 * tells the record of each, or for a row that tells whom a userId means.  Whoever remembers that
 * (record_map.h) wakes those that wait for it. What stands here is a hint: a row that misses it is
 * looked at again when its time has come.
 */
#ifndef HUBSPOT_AWAITED_H
#define HUBSPOT_AWAITED_H

#include "message/pair.h"
#include "queue/queue.h"

extern void awaited_init(void);

/*
 * The key, which has a property, waits for the record of this end.  To be said before the tables
 * are asked for the last time: what is told from then on is heard.
 */
extern void awaited_note(const WorkKey *key, const PairEnd *end);

/*
 * For a key whose head row needs a record that neither the tables nor HubSpot have told: true when
 * it is not to wait any longer; else the key has been sent away.
 */
extern bool awaited_is_hopeless(WorkKey *key);

#endif							/* HUBSPOT_AWAITED_H */
