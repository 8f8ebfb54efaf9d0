/*
 * await.h
 *		Keys that wait: for rows of other keys, for the tables, for a time.
 *
 * A family's kind_of() sends the key at hand away by one of these functions
 * and is asked again when the key has come back.  A key waits for one thing at
 * a time; nobody holds on to its rows meanwhile.
 */
#ifndef HUBSPOT_AWAIT_H
#define HUBSPOT_AWAIT_H

#include "queue/queue.h"

/*
 * Until the other key is released (queue_release_key()): an input of it has ended or gone back, or
 * its last row has left.  This key is then asked anew, and may be sent away again.  The second is
 * for a key that creates what is needed.
 */
extern void await_key(WorkKey *key, WorkKey *other);
extern void await_creator(WorkKey *key, WorkKey *other);

/* Until the family's look_up() was called for the key, in a transaction. */
extern void await_look_up(WorkKey *key);

/* The same, once all verdicts so far have been written. */
extern void await_verdicts(WorkKey *key);

/*
 * Until every row of the lane that was queued before the key's head row, and has been read, has its
 * verdict.
 */
extern void await_older(WorkKey *key, Lane *lane);

/*
 * The same, until nothing of the other key stands before the head row, or, when what it would tell
 * is not known, until the other key has no rows at all.  Returns whether the key was sent away.
 */
extern bool await_other(WorkKey *key, WorkKey *other, bool is_known);

/*
 * Rows of another lane may be on their way into the window.  Returns whether the key was sent away
 * until they are done.
 */
extern bool await_reader(WorkKey *key, Lane *lane);

/* Whether no older row of the lane is unfinished: what await_older() waits for. */
extern bool await_is_first(const Row *row, const Lane *lane);

/* Until a time, µs of the monotonic clock; the second, or until its userId is told, see tell.h. */
extern void await_time(WorkKey *key, int64 until);
extern void await_user_id(WorkKey *key, int64 until);

/*
 * The contact that a key means by the account's property: true when the key's
 * record_id is known, or when it is certain that nobody has seen it; else the
 * key has been sent away.
 */
extern bool await_contact(WorkKey *key);

/*
 * Until the rows before this one that a contact's own lane has of its address are done, for one
 * that was named by a userId and is not known to be in HubSpot.  Returns whether the key was sent
 * away.
 */
extern bool await_told(WorkKey *key);

/* What a family's look_up() does for such keys. */
extern void await_look_up_contact(WorkKey *key);

/* The same of a record by its own key, whatever its type. */
extern void await_look_up_record(WorkKey *key);

/* Bring back those whose time has come; returns µs until the next, -1: none has a time. */
extern int64 await_wake(int64 now);

/*
 * Look-ups: whether there are any, the transaction's step, and after its commit.  Recalled keys are
 * passed over as long as copies of deferred rows are not written, which await_needs_copies() asks
 * for.
 */
extern bool await_has_look_ups(void);
extern bool await_needs_copies(void);
extern bool await_needs_verdicts(void);
extern void await_step(void);
extern void await_done(void);

#endif							/* HUBSPOT_AWAIT_H */
