/*
 * enqueue.h
 *		From a message to a row of the outbox, in the caller's transaction.
 *
 *	enqueue_begin()		who calls what for which account
 *	enqueue_message()	check one message, write its row, return its id
 *	enqueue_end()		write what is left
 *
 * A session pays for about one INSERT per call: no plan, no look-up by name,
 * no wait for anybody.  The worker is told at commit.
 */
#ifndef HUBSPOT_ENQUEUE_H
#define HUBSPOT_ENQUEUE_H

#include "utils/timestamp.h"

#include "message/message.h"

typedef struct Enqueue Enqueue;

/* One row of the outbox. */
typedef struct Work
{
	int64		id;				/* 0: a new one is drawn */
	int64		parent;			/* the row of the same call that it belongs to; 0: none */
	Object		object;
	MessageKey	key;			/* key NULL: "" */
	const char *problem;		/* why the row is rejected, or NULL */
	Jsonb	   *message;		/* or NULL */
} Work;

/*
 * Begin to queue. role needs USAGE on the SERVER: it is the caller of a function, or the
 * owner of the table for a trigger. server NULL means the default SERVER.  With capacity
 * above one, rows are written in groups, and their messages are copied.
 */
extern Enqueue *enqueue_begin(Call call, Source source, const char *server, Oid role,
							  int capacity);

/* The following messages are of this call. */
extern void enqueue_set_call(Enqueue *enqueue, Call call);

/*
 * For the following messages: how long they may wait (NULL: each message says so), and
 * whether they are a back-fill.  The interval must live until enqueue_end().
 */
extern void enqueue_set_terms(Enqueue *enqueue, const Interval *deadline, bool backfill);

/*
 * For the following messages: what they may do to contacts, companies and associations in
 * HubSpot.
 */
extern void enqueue_set_mode(Enqueue *enqueue, RowMode mode);

/* For the following messages: they are of a definition, and counted under this number. */
extern void enqueue_set_report(Enqueue *enqueue, int report);
extern int64 enqueue_message(Enqueue *enqueue, Jsonb *message);

/* For the following messages: all their rows belong to this row; 0: to their own message's row. */
extern void enqueue_set_parent(Enqueue *enqueue, int64 parent);

/*
 * Queue only the association of a group message: its contact (userId or
 * context.traits.email) belongs to its company.
 */
extern int64 enqueue_membership(Enqueue *enqueue, Jsonb *message);

/* Write a row that has been checked; returns its id. */
extern int64 enqueue_work(Enqueue *enqueue, const Work *work);

/* Write a row that is known to be bad (or raise its problem, see hubspot.on_invalid). */
extern int64 enqueue_problem(Enqueue *enqueue, Jsonb *message, const MessageProblem *problem);
extern void enqueue_end(Enqueue *enqueue);

/* Raise a message's problem as an error. */
pg_noreturn extern void enqueue_raise(const MessageProblem *problem);

/* The call of this name; raises an error that lists the valid names. */
extern Call enqueue_call_by_name(const char *name);

/*
 * The call that a message's own member "type" names, as Segment's messages have it.  False: it
 * is of a type that HubSpot has no use for.  Raises an error for any other, which names the
 * message by its place, from 1.
 */
extern bool enqueue_call_of_type(Jsonb *message, int place, Call *call);

/*
 * The id under which this messageId was queued before; or 0, after storing that it is
 * queued as id now.  For hubspot.dedup_message_id; see src/enqueue/dedup.c.
 */
extern int64 dedup_message_id(Oid server, const char *message_id, int64 id);

#endif							/* HUBSPOT_ENQUEUE_H */
