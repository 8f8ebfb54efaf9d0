/*
 * repeats.h
 *		Events that repeat others: HubSpot keeps the first of a uuid, and a repeat is unchanged.
 *
 * An event's uuid is of its own row, unless it has a messageId, or repeats a call by
 * hubspot_retry() or hubspot_replay().  Of such a one HubSpot may have had another row's: it
 * refuses that, or it answers as to any other.  Where it does not say, the books do:
 *
 *	a repeated call		the verdicts of the first row and of its other repeats, looked up before
 *						it is sent
 *	a messageId			those that this worker has delivered, the last NAMES of them
 */
#ifndef HUBSPOT_REPEATS_H
#define HUBSPOT_REPEATS_H

#include "message/message.h"
#include "queue/queue.h"

/* Whether another row may have the same uuid. */
extern bool repeats_may_be_one(const Row *row);

/*
 * The key waits until it has been looked up which of its rows are repeats; returns whether it was
 * sent away.  A row that must still be looked up does not join others; the look-up itself, inside
 * of a transaction.
 */
extern bool repeats_look(WorkKey *key);
extern bool repeats_must_look(const Row *row);
extern void repeats_look_up(WorkKey *key);

/* The row's event, as it goes out. */
extern void repeats_name(Row *row, const MessageParts *parts, const char *full_name);

/* The verdict of one that HubSpot has accepted, and of one that it refuses as a repeat. */
extern Verdict repeats_verdict(const Row *row);
extern Verdict repeats_refused(const Row *row);

#endif							/* HUBSPOT_REPEATS_H */
