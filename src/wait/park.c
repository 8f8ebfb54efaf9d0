/*
 * park.c
 *		Rows that stay on disk although they have been read: they make way.
 *
 * Two kinds of queues of ids, both first in, first out.  A key that has many
 * rows has one of its own.  The back-fill of a lane has one, whose entries
 * are chained by the hash of their key, the youngest first, so that those of
 * a live row's key are found; a chain ends where it leaves the queue, and
 * nothing is ever taken out of it.
 *
 * Each entry keeps the number of its reading: the checkpoint waits for it.
 *
 * Memory: "hubspot work"; 16 bytes for a row of a key, 28 for one of a
 * back-fill, at most PARK_MAX_ROWS.  Locks: ACCESS SHARE on children of the outbox.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "admit/cancel.h"
#include "base/guc.h"
#include "base/worker_context.h"
#include "queue/accounts.h"
#include "ring/ring.h"
#include "wait/park.h"
#include "wait/tell.h"

#define KEY_ROWS			2000	/* of one key in the window; KEY_CROWDED of one that waits for
									 * a deferred row */
#define BACKFILL_SHARE		4	/* a back-fill may have this part of the window */
#define ROWS_AT_ONCE		2000	/* brought in by one transaction, for one queue */
#define FIRST_SIZE			1024

/* Flags in an id. */
#define SENT	PG_INT64_MIN	/* a worker before this one may have sent the row */
#define UNTOLD	(INT64CONST(1) << 62)	/* nobody had told whom its userId means */
#define ID(value)	((value) & ~(SENT | UNTOLD))

/* Ids in a ring of a power of two. */
typedef struct ParkedRow
{
	int64		id;				/* with the flags; 0: has been brought in before its turn */
	uint64		seq;
} ParkedRow;

typedef struct Chain
{
	uint32		hash;
	uint32		next;			/* place of the previous row of its bucket, plus 1; 0: none */
} Chain;

typedef struct Parked
{
	ParkedRow  *rows;
	uint32		size;
	uint32		first;			/* places count up for ever, modulo 2^32 */
	uint32		end;
	int64		highest;		/* id that was ever parked here */
	int64		late;			/* lowest id that came after a higher one; may be gone */
	Chain	   *chains;			/* of a back-fill; NULL: of a key */
	uint32	   *buckets;		/* size of them; place plus one */
} Parked;

static dlist_head keys = DLIST_STATIC_INIT(keys);	/* with parked rows */
static int64 total;

static uint32
count_of(const Parked *parked)
{
	return parked == NULL ? 0 : parked->end - parked->first;
}

static ParkedRow *
row_at(const Parked *parked, uint32 place)
{
	return &parked->rows[place & (parked->size - 1)];
}

static void
link_place(Parked *parked, uint32 place)
{
	Chain	   *chain = &parked->chains[place & (parked->size - 1)];
	uint32	   *bucket = &parked->buckets[chain->hash & (parked->size - 1)];

	chain->next = *bucket;
	*bucket = place + 1;
}

/* Twice as many places; what is there keeps its number. */
static void
grow(Parked *parked)
{
	Parked		old = *parked;

	parked->size = old.size * 2;
	parked->rows = MemoryContextAllocHuge(WorkerContext, sizeof(ParkedRow) * parked->size);
	for (uint32 place = old.first; place != old.end; place++)
		*row_at(parked, place) = *row_at(&old, place);
	pfree(old.rows);
	if (old.chains == NULL)
		return;
	parked->chains = MemoryContextAllocHuge(WorkerContext, sizeof(Chain) * parked->size);
	parked->buckets =
		MemoryContextAllocExtended(WorkerContext, sizeof(uint32) * parked->size,
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 place = old.first; place != old.end; place++)
	{
		parked->chains[place & (parked->size - 1)].hash = old.chains[place & (old.size - 1)].hash;
		link_place(parked, place);
	}
	pfree(old.chains);
	pfree(old.buckets);
}

static Parked *
make_parked(bool chained)
{
	Parked	   *parked = MemoryContextAllocZero(WorkerContext, sizeof(Parked));

	parked->size = FIRST_SIZE;
	parked->late = PG_INT64_MAX;
	parked->rows = MemoryContextAlloc(WorkerContext, sizeof(ParkedRow) * FIRST_SIZE);
	if (chained)
	{
		parked->chains = MemoryContextAlloc(WorkerContext, sizeof(Chain) * FIRST_SIZE);
		parked->buckets = MemoryContextAllocZero(WorkerContext, sizeof(uint32) * FIRST_SIZE);
	}
	return parked;
}

static void
free_parked(Parked *parked)
{
	pfree(parked->rows);
	if (parked->chains != NULL)
	{
		pfree(parked->chains);
		pfree(parked->buckets);
	}
	pfree(parked);
}

static void
push(Parked *parked, int64 id, uint64 seq, uint32 hash)
{
	uint32		place;

	if (count_of(parked) == parked->size)
		grow(parked);
	if (ID(id) < parked->highest)
		parked->late = Min(parked->late, ID(id));
	parked->highest = Max(parked->highest, ID(id));
	place = parked->end++;
	row_at(parked, place)->id = id;
	row_at(parked, place)->seq = seq;
	if (parked->chains != NULL)
	{
		parked->chains[place & (parked->size - 1)].hash = hash;
		link_place(parked, place);
	}
	total++;
}

/* What has been brought in before its turn leaves with its turn. */
static void
skip_taken(Parked *parked)
{
	while (count_of(parked) > 0 && row_at(parked, parked->first)->id == 0)
		parked->first++;
}

static ParkedRow
pop(Parked *parked)
{
	ParkedRow	row = *row_at(parked, parked->first++);

	total--;
	skip_taken(parked);
	return row;
}

/* No id is lower; there is one.  What was queued early may be read late. */
static int64
lowest_id(const Parked *parked)
{
	return Min(ID(row_at(parked, parked->first)->id), parked->late);
}

/* ---- into the window ---------------------------------------------------------------- */

/* A row of the lane by its id, as a reader would meet it. */
static void
bring_in(Lane *owner, const ParkedRow *parked)
{
	const Catalog *catalog = ring_outbox_catalog();
	int64		id = ID(parked->id);
	int			child = RING_CHILD(id);
	RingScan	rows;
	Refusal		why;
	Lane	   *lane;

	ring_scan_open(&rows, catalog->outbox[child], catalog->outbox_id[child], 1);

	/*
	 * No row may go: the checkpoint waits for the number that the entry keeps. Were this one
	 * skipped, it would have no verdict ever.
	 */
	if (!ring_scan_find(&rows, id))
		elog(ERROR, "outbox row " INT64_FORMAT " has gone before it had a verdict", id);

	/*
	 * What was said when it was read need not hold any more: the SERVER may be dropped, the row
	 * cancelled.
	 */
	lane = admit_lane(rows.slot, &why);
	if (lane != NULL && cancel_wants(rows.slot))
	{
		lane = NULL;
		why = cancel_refusal;
	}
	if (lane == NULL)
	{
		admit_refuse(id, &why);
		unfinished_end(&owner->unfinished, id);
	}
	else
	{
		Row		   *row = admit_row(lane, rows.slot, (parked->id & SENT) != 0);

		/*
		 * It counts as read when it was first met, or the checkpoint would pass it while it is
		 * here.
		 */
		queue_keep_seq(row, parked->seq);
		if ((parked->id & UNTOLD) != 0)
			admit_has_waited(row);
		tell_put_off(row);
	}
	ring_scan_close(&rows);
}

static void
bring_in_first(Lane *lane, Parked *parked)
{
	bring_in(lane, row_at(parked, parked->first));
	(void) pop(parked);
	lane->nparked--;
}

/* ---- keys with many rows ---------------------------------------------------------------- */

static int
limit_of(const WorkKey *key)
{
	return key_is_deferred(key) ? KEY_CROWDED : KEY_ROWS;
}

static void
begin_key(WorkKey *key)
{
	key->parked = make_parked(false);
	key_parked_changed(key);
	dlist_push_tail(&keys, &key->parked_node);
}

/* After what it has parked has changed. */
static void
note_lowest(WorkKey *key)
{
	key->parked_from = count_of(key->parked) > 0 ? lowest_id(key->parked) : 0;
}

static ParkResult
park_in_key(WorkKey *key, int64 id, TimestampTz created_at)
{
	if (total >= PARK_MAX_ROWS)
		return PARK_FULL;
	if (key->parked == NULL)
		begin_key(key);
	push(key->parked, id, window.next_seq++, 0);
	note_lowest(key);
	unfinished_read(&key->lane->unfinished, ID(id), created_at);
	key->lane->nparked++;
	return PARK_DONE;
}

static bool
key_is_due(const WorkKey *key)
{
	return key->rows.in_window * 2 <= KEY_ROWS && !key_is_deferred(key) &&
		queue_has_room(key->lane, 0);
}

/*
 * The key may go with the last of its rows, if that was not to be sent: it is held by the list
 * until then.
 */
static void
load_key(WorkKey *key)
{
	Lane	   *lane = key->lane;

	for (int i = 0; i < ROWS_AT_ONCE && count_of(key->parked) > 0 && key->rows.in_window < KEY_ROWS;
		 i++)
	{
		bring_in_first(lane, key->parked);
		note_lowest(key);
	}
	if (count_of(key->parked) > 0)
		return;
	dlist_delete(&key->parked_node);
	free_parked(key->parked);
	key->parked = NULL;
	key_parked_changed(key);
	queue_drop_idle(key);
}

/* ---- back-fills ------------------------------------------------------------------------------ */

static int64
share_of(void)
{
	return Max(hubspot_window_rows / BACKFILL_SHARE, 1);
}

static uint32
hash_of(const char *property, const char *key)
{
	uint32		hash = hash_bytes((const unsigned char *) key, strlen(key));

	return property == NULL
		? hash : hash_combine(hash, hash_bytes((const unsigned char *) property, strlen(property)));
}

/* The places of a key's parked rows, the youngest first; at most KEY_ROWS + 1. */
static int
find_places(const Parked *parked, uint32 hash, uint32 *places)
{
	uint32		next = parked->buckets[hash & (parked->size - 1)];
	int			n = 0;

	while (next != 0 && next - 1 - parked->first < count_of(parked) && n <= KEY_ROWS)
	{
		uint32		place = next - 1;
		const Chain *chain = &parked->chains[place & (parked->size - 1)];

		if (chain->hash == hash && row_at(parked, place)->id != 0)
			places[n++] = place;
		next = chain->next;
	}
	return n;
}

/*
 * Bring in what is parked of a live row's key.  False when that is too much:
 * then the live row has to wait with it.
 */
static bool
overtake(Lane *lane, const char *property, const char *key)
{
	Parked	   *parked = lane->parked;
	uint32	   *places = palloc(sizeof(uint32) * (KEY_ROWS + 1));
	int			n = find_places(parked, hash_of(property, key), places);

	if (n > KEY_ROWS)
		return false;
	while (n-- > 0)
	{
		ParkedRow  *row = row_at(parked, places[n]);

		bring_in(lane, row);
		row->id = 0;
		lane->nparked--;
		total--;
	}
	skip_taken(parked);
	pfree(places);
	return true;
}

/* The same with those that have waited for the userId whose address a live row tells. */
static bool
overtake_untold(Lane *lane, TupleTableSlot *slot)
{
	char	   *user_id = admit_user_id_told(lane, slot);

	return user_id == NULL || overtake(lane, MESSAGE_USER_ID, user_id);
}

/*
 * Move the entries of a key that gets a queue of its own from the lane's queue to it.
 * False if there are more than KEY_ROWS.
 */
static bool
hand_over(WorkKey *key)
{
	Parked	   *parked = key->lane->parked;
	uint32	   *places = palloc(sizeof(uint32) * (KEY_ROWS + 1));
	int			n = find_places(parked, hash_of(key->property, key->key), places);

	if (n > KEY_ROWS)
		return false;
	if (n > 0)
		begin_key(key);
	while (n-- > 0)
	{
		ParkedRow  *row = row_at(parked, places[n]);

		push(key->parked, row->id, row->seq, 0);
		note_lowest(key);
		row->id = 0;
		total--;
	}
	skip_taken(parked);
	pfree(places);
	return true;
}

static ParkResult
park_in_lane(Lane *lane, const char *property, const char *key, int64 id, TimestampTz created_at)
{
	if (total >= PARK_MAX_ROWS)
		return PARK_FULL;
	if (lane->parked == NULL)
		lane->parked = make_parked(true);
	push(lane->parked, id, window.next_seq++, hash_of(property, key));
	unfinished_read(&lane->unfinished, ID(id), created_at);
	lane->nparked++;
	return PARK_DONE;
}

static bool
lane_is_due(const Lane *lane)
{
	return count_of(lane->parked) > 0 && lane->nbackfill * 2 <= share_of() &&
		queue_has_room(lane, 0);
}

static void
load_lane(Lane *lane)
{
	for (int i = 0; i < ROWS_AT_ONCE && count_of(lane->parked) > 0 && lane->nbackfill < share_of();
		 i++)
		bring_in_first(lane, lane->parked);
	if (count_of(lane->parked) > 0)
		return;
	free_parked(lane->parked);
	lane->parked = NULL;
}

/*
 * ---- the reader's and the worker's calls
 * ---------------------------------------------------------
 */

ParkResult
park_row(Lane *lane, TupleTableSlot *slot, int64 id, bool maybe_sent)
{
	bool		isnull;
	bool		is_backfill = admit_is_backfill(slot);
	int64		value = maybe_sent ? id | SENT : id;
	Datum		property_datum;
	const char *property;
	const char *name;
	TimestampTz created_at;
	WorkKey    *key;

	/* the usual case costs nothing more */
	if (dlist_is_empty(&keys) && lane->parked == NULL && !is_backfill && lane->keys.ncrowded == 0)
		return PARK_NOT;

	created_at = DatumGetTimestampTz(slot_getattr(slot, Anum_outbox_created_at, &isnull));
	property_datum = slot_getattr(slot, Anum_outbox_key_property, &isnull);
	property = isnull ? NULL : TextDatumGetCString(property_datum);
	name = TextDatumGetCString(slot_getattr(slot, Anum_outbox_key, &isnull));
	(void) admit_resolve(lane, id, &property, &name);
	if (property != NULL && strcmp(property, MESSAGE_USER_ID) == 0)
		value |= UNTOLD;
	if (!is_backfill && lane->parked != NULL && !overtake_untold(lane, slot))
		return park_in_lane(lane, property, name, value, created_at);
	key = queue_find(lane, property, name);
	if (key != NULL && (key->parked != NULL || key->rows.in_window >= limit_of(key)))
		return key->parked != NULL || lane->parked == NULL || hand_over(key)
			? park_in_key(key, value, created_at)
			: park_in_lane(lane, property, name, value, created_at);
	if (is_backfill && (lane->parked != NULL || lane->nbackfill >= share_of()))
		return park_in_lane(lane, property, name, value, created_at);
	if (!is_backfill && lane->parked != NULL && !overtake(lane, property, name))
		return park_in_lane(lane, property, name, value, created_at);
	return PARK_NOT;
}

bool
park_is_due(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &keys)
		if (key_is_due(dlist_container(WorkKey, parked_node, iter.cur)))
		return true;
	foreach_lane(lane)
	{
		if (lane_is_due(lane))
			return true;
	}
	return false;
}

void
park_step(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &keys)
	{
		WorkKey    *key = dlist_container(WorkKey, parked_node, iter.cur);

		if (key_is_due(key))
			load_key(key);
	}
	foreach_lane(lane)
	{
		if (lane_is_due(lane))
			load_lane(lane);
	}
}

uint64
park_oldest_seq(void)
{
	uint64		oldest = PG_UINT64_MAX;
	dlist_iter	iter;

	dlist_foreach(iter, &keys)
	{
		const Parked *parked = dlist_container(WorkKey, parked_node, iter.cur)->parked;

		oldest = Min(oldest, row_at(parked, parked->first)->seq);
	}
	foreach_lane(lane)
	{
		const Parked *parked = lane->parked;

		if (count_of(parked) > 0)
			oldest = Min(oldest, row_at(parked, parked->first)->seq);
	}
	return oldest;
}

int64
park_backfill_from(const Lane *lane)
{
	return count_of(lane->parked) > 0 ? lowest_id(lane->parked) : 0;
}

int64
park_oldest_id(const Lane *lane)
{
	int64		oldest = PG_INT64_MAX;
	dlist_iter	iter;

	if (lane->nparked == 0)
		return oldest;
	dlist_foreach(iter, &keys)
	{
		const WorkKey *key = dlist_container(WorkKey, parked_node, iter.cur);

		if (key->lane == lane)
			oldest = Min(oldest, lowest_id(key->parked));
	}
	if (count_of(lane->parked) > 0)
		oldest = Min(oldest, lowest_id(lane->parked));
	return oldest;
}
