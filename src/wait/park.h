/*
 * park.h
 *		Rows that stay on disk although they have been read: they make way.
 *
 *	a key with very many rows	some are in the window, of the rest the ids are kept
 *	a back-fill					as much as its share of the window, of the rest the ids
 *
 * What is parked is read again by id, in its order, as there is room.  So
 * neither one contact's hundred thousand calls nor a bulk of old data keeps
 * the reader from what others have queued behind it.
 *
 * A live row does not wait for the back-fill, but for its own key's part of
 * it: rows of that key that are parked are brought into the window before it.
 */
#ifndef HUBSPOT_PARK_H
#define HUBSPOT_PARK_H

#include "executor/tuptable.h"

#include "queue/queue.h"

#define PARK_MAX_ROWS	2000000 /* of a worker; beyond it everything waits in order */

typedef enum ParkResult
{
	PARK_NOT,					/* the row is to come into the window */
	PARK_DONE,
	PARK_FULL					/* it would be parked, but there is no room for that: stop before
								 * it */
} ParkResult;

/*
 * What becomes of a row that has been read.  May bring other rows of its key into
 * the window.  Inside a transaction, as park_step().
 */
extern ParkResult park_row(Lane *lane, TupleTableSlot *slot, int64 id, bool maybe_sent);

/* Whether parked rows could come into the window now, and bring them. */
extern bool park_is_due(void);
extern void park_step(void);

/* The oldest parked row, by number of reading; the highest number: none. */
extern uint64 park_oldest_seq(void);

/* No parked row of the lane has a lower id; the highest number: none is parked. */
extern int64 park_oldest_id(const Lane *lane);

/* The same of the lane's back-fill alone; 0: none of that is parked. */
extern int64 park_backfill_from(const Lane *lane);

#endif							/* HUBSPOT_PARK_H */
