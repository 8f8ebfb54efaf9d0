/*
 * queue.h
 *		Keys and rows in the worker's memory; the window, which holds the rows.
 *
 * Everything is in one process; nothing is locked.
 */
#ifndef HUBSPOT_QUEUE_H
#define HUBSPOT_QUEUE_H

#include "message/message.h"
#include "queue/row.h"

/* The window and its bounds. */
typedef struct Window
{
	MemoryContext memory;		/* rows */
	dlist_head	rows;			/* by seq */
	uint64		next_seq;
	TimestampTz earliest_deadline;	/* of its rows, or before it; 0: none */
	uint32		look;			/* at hubspot.suppressed, see consent/suppress.h: only rows go that
								 * were looked at in it; 0: nobody is suppressed */
	bool		met_unlooked;	/* some were to go that were not */
	int64		nrows;
	int64		bytes;
} Window;

extern Window window;

extern void queue_init(void);

/* Whether the lane may take another row of this size now. */
extern bool queue_has_room(const Lane *lane, Size bytes);

/* What the key is called in messages. */
static inline MessageKey
queue_message_key(const WorkKey *key)
{
	MessageKey	name = {key->property, key->key};

	return name;
}

/* Rows that a deadline may end are looked for when the earliest has passed, see expire.c. */
extern void queue_note_deadline(const Row *row);
extern void queue_add(WorkKey *key, Row *row);

/* The key of this name while it has rows that are in the window, deferred or parked; else NULL. */
extern WorkKey *queue_find(const Lane *lane, const char *property, const char *key);

/* Whether a key is a userId whose contact is not known yet. */
extern bool queue_is_by_user_id(const WorkKey *key);

/*
 * Whether rows of a key wait for somebody to tell which records they mean, where nobody has: a
 * userId, two records to be associated, a record that is created with an association.
 */
extern bool queue_is_to_be_told(const WorkKey *key);

/* The HubSpot property that a key is a value of. */
extern const char *queue_id_property(const WorkKey *key);

/*
 * A company was found by a domain that is not its primary one, and must not become it: kept with
 * its key, which may tell it again.
 */
extern void queue_note_further_domain(WorkKey *key, const char *domain);
extern bool queue_is_further_domain(const WorkKey *key, const char *domain);

/* The row just added was read before, as number seq. */
extern void queue_keep_seq(Row *row, uint64 seq);

/* Whether the rows of a lane are about contacts, who may be suppressed. */
static inline bool
queue_is_personal(const Lane *lane)
{
	return lane->family == OBJECT_IS_CONTACT || object_types[lane->family].keyed_by_contact ||
		object_types[lane->family].names_contacts ||
		object_types[lane->family].born_associated != NULL;
}

/*
 * Whether what was last looked at in this look may go: a row, or a request that is sent again.
 */
static inline bool
queue_may_go(const Lane *lane, uint32 looked_at)
{
	if (window.look == 0 || looked_at == window.look || !queue_is_personal(lane) ||
		lane->account->dropped)
		return true;
	window.met_unlooked = true;
	return false;
}

/* Whether nothing but rows of a back-fill could be taken now. */
extern bool queue_only_backfill(const Lane *lane);

/* The row has its verdict, or leaves memory without one: it is in hubspot.deferred. */
extern void queue_end_row(Row *row);
extern void queue_defer_row(Row *row);

/* What the row has there is of no concern any more. */
extern void queue_lose_copy(Row *row);

/* The key has no input in a batch any more. */
extern void queue_release_key(WorkKey *key);

/* The last row that waited left its key: forget it, unless it is busy. */
extern void queue_drop_idle(WorkKey *key);

/* Keys that wait for rows of this one ask anew what they need. */
extern void queue_wake_waiters(WorkKey *key);

/* A key that was sent away comes back, and asks anew what it needs. */
extern void queue_bring_back(WorkKey *key);

/*
 * The key of this name; it is made if need be, and stays while it has rows that are in the
 * window, deferred or parked.
 */
extern WorkKey *queue_make(Lane *lane, const char *property, const char *key);

/* Whether any key is a userId whose contact is not known yet. */
extern bool queue_has_user_ids(void);

/*
 * The first so many rows of a userId join those of their address, in the order of their ids; the
 * key is gone with its last one.
 */
extern void queue_move(WorkKey *key, const char *address, int nrows, bool is_late);

#endif							/* HUBSPOT_QUEUE_H */
