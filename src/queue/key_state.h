/*
 * key_state.h
 *		The states of a key, and the lists and counters that a lane has of them.
 *
 * See key.h.  Memory: in the Lane.
 */
#ifndef HUBSPOT_KEY_STATE_H
#define HUBSPOT_KEY_STATE_H

#include "lib/ilist.h"

/*
 * States in which a key waits have words for users.  Keys with a live row go
 * before those that a back-fill alone has rows of.
 */
typedef enum KeyState
{
	KEY_IDLE,
	KEY_READY,
	KEY_READY_BACKFILL,
	KEY_IN_BATCH,
	KEY_ASKS,					/* tables are to be asked; see await.c */
	KEY_IS_ASKED,				/* the same, in the transaction at hand */
	KEY_WAITS_KEY,				/* for rows of another key */
	KEY_WAITS_CREATION,			/* the same, of one that creates what the head row needs */
	KEY_WAITS_OLDER,			/* for all older rows of a lane */
	KEY_WAITS_USER_ID,			/* for a row that tells the contact of a userId, some time */
	KEY_WAITS_TIME,
	KEY_DEFERRED,				/* rows of it wait in hubspot.deferred; see defer.c */
	KEY_RECALLED				/* these are to be read */
#define KEY_STATE_COUNT (KEY_RECALLED + 1)
} KeyState;

/* The keys of a lane; written by key.c alone. */
typedef struct LaneKeys
{
	dlist_head	in[KEY_STATE_COUNT];	/* by state; those that wait for a key or for older rows
										 * stand elsewhere */
	dlist_head	behind;			/* keys, also of other lanes, waiting for older rows of this lane */
	dlist_head	shown;			/* keys that wait with rows here, which users may ask about, the
								 * longest first */
	int			nready;
	int			naway;			/* sent away, or recalled after a fault; deferred ones are not */
	int			ncrowded;		/* with KEY_CROWDED rows in the window, or more */
	int64		ndeferred;		/* rows in hubspot.deferred and not in the window */
} LaneKeys;

#define KEY_CROWDED 100			/* rows of a key from which on park.c looks at it */

#endif							/* HUBSPOT_KEY_STATE_H */
