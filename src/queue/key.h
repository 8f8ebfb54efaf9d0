/*
 * key.h
 *		A key: what one record of HubSpot's is called in one lane.  The unit of order.
 *
 * A key with an input in a batch is busy: its later rows wait.  A key without
 * rows is forgotten, unless rows of it are deferred or parked.
 *
 * Memory: WorkerContext.
 */
#ifndef HUBSPOT_KEY_H
#define HUBSPOT_KEY_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "queue/account_state.h"
#include "store/record_map.h"

#define KEY_CROWDED 100			/* rows of a key from which on park.c looks at it */

/* Where a key stands that has waiting rows and none in a batch. */
typedef enum KeyPlace
{
	PLACE_NONE,					/* it has none, or is busy */
	PLACE_READY,				/* in one of lane->ready */
	PLACE_AWAY,					/* waits for something, see await.h */
	PLACE_DEFERRED				/* in lane->deferred */
} KeyPlace;

typedef struct WorkKey
{
	Lane	   *lane;
	uint32		hash;
	const char *property;		/* HubSpot property, NULL for the e-mail address */
	const char *key;
	char		record_id[RECORD_ID_BYTES]; /* that it is in HubSpot, "": not known */
	dlist_head	rows;			/* waiting, in order */
	bool		busy;			/* an input of this key is in a batch */
	int64		busy_id;		/* of the oldest row in there */
	int			chunk;			/* rows to be taken at once, while a culprit is looked for; 0: all */
	KeyPlace	place;
	dlist_node	node;			/* in the list of its place */
	int64		until;			/* of a delayed or deferred key, µs of the monotonic clock */
	pairingheap_node due;		/* of a deferred key */
	int			ndeferred;		/* rows of it in hubspot.deferred and not in the window */
	int64	   *deferred;		/* their ids, ascending; NULL: none */
	int64		met_at;			/* successes of the lane when they were deferred */
	int			nrows;			/* in the window, in a batch or not */
	struct Parked *parked;		/* more of them, see park.h; NULL: none */
	dlist_node	parked_node;	/* among the keys that have some */
	char	   *address;		/* that a userId has turned out to be; its rows will move there */
	struct Confirmed *confirmed;	/* what its record is known to hold, with skip_unchanged; NULL:
									 * nothing */
	dlist_head	waiters;		/* keys that wait for rows of this one */
} WorkKey;

#endif							/* HUBSPOT_KEY_H */
