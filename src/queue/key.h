/*
 * key.h
 *		The state of a key: where its rows stand, and what they wait for.
 *
 * A WorkKey is the unit of order: (lane, identity).  It is in one state of the
 * table in key.c, which says what a key in it waits for, in which list it
 * stands, what it counts as, and which states may follow.  key_set_state() is the
 * only place that writes a state; with it go list links and counters.  The rows
 * that wait, and the ids of those that are deferred, are linked and counted in
 * key.c as well: lint finds whoever else writes them.
 *
 * What holds whenever key.c is not at work:
 *
 *	ready						some row waits
 *	idle						none does
 *	in a batch					an input of the key's rows is in a batch, or on its way there
 *	deferred, recalled			ids of the key stand in hubspot.deferred
 *	an older row's wait			the list of the lane that is waited for is in the order of
 *								the ids of the keys' head rows
 *
 * A key waits on account of its head row, the oldest by id.  When that ends, or an
 * older one comes before it, the key's place in such a list follows.
 *
 * Memory: WorkerContext.
 */
#ifndef HUBSPOT_KEY_H
#define HUBSPOT_KEY_H

#include "lib/ilist.h"
#include "lib/pairingheap.h"

#include "base/assert.h"
#include "cluster/shared_keys.h"
#include "queue/account_state.h"
#include "store/record_map.h"

struct Row;

/* What a key waits for, as far as its state does not say it. */
typedef struct KeyWait
{
	struct WorkKey *key;		/* whose rows */
	Lane	   *lane;			/* of older rows */
	int64		until;			/* µs of the monotonic clock; 0: no time */
} KeyWait;

/* Written by key.c alone. */
typedef struct KeyStand
{
	KeyState	state;
	KeyWait		wait;
	dlist_node	node;			/* in the list of its state */
	dlist_node	shown;			/* in lane->keys.shown, when is_shown */
	bool		is_shown;
	pairingheap_node due;		/* of a deferred key */
	int64		since;			/* turn of the worker in which that began, µs of the monotonic
								 * clock */
} KeyStand;

/* Rows of a key; written by key.c alone. */
typedef struct KeyRows
{
	dlist_head	waiting;		/* in the window and in no input, by id */
	int			in_window;		/* number of rows, in an input or not */
	int64		taken_from;		/* in a batch: the oldest row of the input */
	int			ndeferred;		/* in hubspot.deferred and not in the window */
	int64	   *deferred;		/* their ids, ascending; NULL: none */
} KeyRows;

/* The search for a row at fault among those of a key; written by narrow.c alone, of zeros: none. */
typedef struct KeySearch
{
	int			among;			/* rows at the head: one among them is; 0: not known */
	int			at_once;		/* rows that are taken; 0: all */
	bool		alone;			/* no other key's beside them */
} KeySearch;

typedef struct WorkKey
{
	Lane	   *lane;
	const char *property;		/* HubSpot property, NULL for the e-mail address */
	const char *key;
	KeyStand	stand;
	KeyRows		rows;
	dlist_head	waiters;		/* keys that wait for rows of this one; written by key.c alone */
	char		record_id[RECORD_ID_BYTES]; /* that it is in HubSpot, "": not known */
	uint64		further_domain; /* hash of a domain by which a company with a key of its own was
								 * found, beside its primary one; 0: none */
	KeySearch	search;
	int64		not_before;		/* µs: HubSpot's search may not find the record earlier; 0: not
								 * known */
	int64		met_at;			/* successes of the lane when rows of it were deferred */
	struct Parked *parked;		/* more rows of it, see park.h; NULL: none */
	int64		parked_from;	/* no parked row of it has a lower id; 0: none is parked */
	dlist_node	parked_node;	/* among the keys that have some */
	char	   *address;		/* that a userId has turned out to be ... */
	int			naddress;		/* ... for so many of its rows, which will move there ... */
	bool		address_is_late;	/* ... as late ones, see row.h */
	struct Confirmed *confirmed;	/* what its record is known to hold, with skip_unchanged; NULL:
									 * nothing */
} WorkKey;

/* Of zeros: such a key is idle. */
extern void key_init(WorkKey *key, Lane *lane);
extern void key_init_lane(LaneKeys *keys);

/* The one place where a state changes. */
extern void key_set_state(WorkKey *key, KeyState state, KeyWait wait);

/* What goes with a state that says by itself what the key waits for, or is not a wait. */
static inline KeyWait
wait_for_nothing(void)
{
	KeyWait		wait = {0};

	return wait;
}

/* Rows of another key: KEY_WAITS_KEY, KEY_WAITS_CREATION. */
static inline KeyWait
wait_for_key(WorkKey *key)
{
	KeyWait		wait = {.key = key};

	return wait;
}

/* Older rows of a lane: KEY_WAITS_OLDER. */
static inline KeyWait
wait_for_lane(Lane *lane)
{
	KeyWait		wait = {.lane = lane};

	return wait;
}

/* A time: KEY_WAITS_TIME, KEY_WAITS_USER_ID, KEY_DEFERRED. */
static inline KeyWait
wait_until_time(int64 until)
{
	KeyWait		wait = {.until = until};

	return wait;
}

/* The state of a key that is free to go: ready, or idle without rows. */
extern void key_rest(WorkKey *key);

/*
 * Ready; in a batch; sent away until something happens; with rows in hubspot.deferred whose
 * time has not come.
 */
extern bool key_is_ready(const WorkKey *key);
extern bool key_is_in_batch(const WorkKey *key);
extern bool key_is_away(const WorkKey *key);
extern bool key_is_deferred(const WorkKey *key);

/* ---- rows ------------------------------------------------------------------------ */

extern bool key_has_rows(const WorkKey *key);

/* The oldest row that waits for a batch, by id; there is one. */
extern struct Row *key_head(const WorkKey *key);

/* Whether a row of the key that was queued before this one, and was read, has no verdict yet. */
extern bool key_has_older(const WorkKey *key, int64 id);

/* A row comes in, or another key's row; it leaves the window. */
extern void key_add_row(WorkKey *key, struct Row *row);
extern void key_count_out(struct Row *row);

/* A row that waits goes into an input, the first of it or one more; or ends. */
extern void key_take_row(struct Row *row, bool is_first);
extern void key_remove_row(struct Row *row);

/* key->parked has come to be, or is gone. */
extern void key_parked_changed(WorkKey *key);

/* Rows that a batch took wait again. */
extern void key_put_back_row(struct Row *row);

/* Ids in hubspot.deferred: one more, sorted in; one less.  False: it was not there. */
extern void key_add_deferred(WorkKey *key, int64 id);
extern bool key_forget_deferred(WorkKey *key, int64 id);

/* How many keys the tables are to be asked for, of all lanes. */
extern int	key_ask_count(void);

/* The deferred key whose time comes next; NULL: none is deferred. */
extern WorkKey *key_next_due(void);

/* ---- for who looks ----------------------------------------------------------------- */

/* The time of this turn of the worker. */
extern void key_set_turn(int64 now);

/*
 * The keys of a lane that have waited for a second, the longest first; returns
 * how many, max at most, and in *more whether there are others.
 */
extern int	key_report(const Lane *lane, KeyReport *reports, int max, bool *more);

/* What they wait for, in words, palloc'd; with_names: keys of others may be named. */
extern char *key_wait_words(const KeyReport *report, bool with_names);

#endif							/* HUBSPOT_KEY_H */
