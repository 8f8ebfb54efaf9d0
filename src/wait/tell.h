/*
 * tell.h
 *		Whom a userId means: rows that tell, and rows that wait for it.
 *
 * A row that writes a contact by its address tells that the userId beside it means this contact.
 * What it tells holds from its place in the queue on: a row by a userId alone means the contact
 * told by the youngest row before it.  record_map.c keeps what was told, admit_resolve() asks it.
 *
 * What a later row tells counts for an earlier one only where nothing else does: that one has a key
 * of the userId until then.
 */
#ifndef HUBSPOT_TELL_H
#define HUBSPOT_TELL_H

#include "executor/tuptable.h"

#include "queue/queue.h"

/*
 * A row has been seen for the first time, whatever becomes of it: it tells, and rows that have
 * waited for it go on.
 */
extern void tell_row(Lane *lane, TupleTableSlot *slot);

/* Whether rows of a userId wait that nobody had told when they came. */
extern bool tell_is_awaited(Oid server, const char *user_id);

/*
 * For a key of a userId that nobody has told yet: true when its head row is not to wait any longer;
 * else the key has been sent away.
 */
extern bool tell_is_hopeless(WorkKey *key);

/*
 * Whether a row of such a key may still be told: its time is not over.  One that deletes does not
 * wait: there was nothing to delete when it was called, and whoever is told later is to stay.
 */
extern bool tell_may_come(const Row *row);

/* µs until a row ends, if nobody tells whom it means. */
extern int64 tell_left_us(const Row *row);

/* A row that has come into the window joins those of its userId that are deferred; it is gone. */
extern void tell_put_off(Row *row);

/*
 * Whether a contact's row tells the address of older rows that have waited for it, and have not
 * joined it yet.
 */
extern bool tell_has_older(const Row *row);

/* The key waits until they have; returns whether it was sent away. */
extern bool tell_awaits_older(WorkKey *key);

#endif							/* HUBSPOT_TELL_H */
