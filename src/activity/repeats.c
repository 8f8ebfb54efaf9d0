/*
 * repeats.c
 *		Events that repeat others: HubSpot keeps the first of a uuid, and a repeat is unchanged.
 *
 * See repeats.h.  Rows of one key are sent in order, so that when a repeat is at its head, or
 * behind rows that it does not repeat, those before it have ended.  Nothing here costs other events
 * anything.
 *
 * Locks: ACCESS SHARE on hubspot.repeat and children of the result.  Memory: NAMES names in
 * "hubspot work".
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/fmgroids.h"

#include "base/hubspot.h"
#include "activity/repeats.h"
#include "base/verdict.h"
#include "base/worker_context.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"
#include "store/ack.h"
#include "wait/await.h"

#define NAMES		65536		/* occurrences that are remembered */
#define MAX_LOOKS	500			/* rows of a key looked up at once: what a request may have */

/* Columns of hubspot.repeat, in the order of the script. */
enum RepeatColumn
{
	REPEAT_REPLAY_OF, REPEAT_ID, REPEAT_IS_NEW
};

/* ---- by the tables ---------------------------------------------------------------------- */

bool
repeats_may_be_one(const Row *row)
{
	return row->identity != row->id || row->occurrence != 0;
}

bool
repeats_must_look(const Row *row)
{
	return row->identity != row->id && !row->looked_for_first;
}

bool
repeats_look(WorkKey *key)
{
	if (!repeats_must_look(key_head(key)))
		return false;
	await_verdicts(key);
	return true;
}

/* Whether the row of this id has a verdict that says that HubSpot has it. */
static bool
has_arrived(int64 id)
{
	const Catalog *catalog = ring_catalog(false);
	int			number = RING_CHILD(id);
	RingScan	child;
	bool		arrived = false;

	ring_scan_open(&child, catalog->result[number], catalog->result_id[number], 1);
	if (ring_scan_find(&child, id))
	{
		bool		isnull;
		Oid			verdict =
		DatumGetObjectId(slot_getattr(child.slot, Anum_result_verdict, &isnull));
		int			position = ring_enum_position(catalog->verdict, VERDICT_COUNT, verdict);

		arrived = (verdict_rules[position].flags & VERDICT_IS_ARRIVED) != 0;
	}
	ring_scan_close(&child);
	return arrived;
}

/* Whether another row of its call has; one that is an event of its own does not count. */
static bool
was_repeated(const Row *row)
{
	const Catalog *catalog = ring_catalog(false);
	RingScan	repeats;
	ScanKeyData key;
	bool		arrived = false;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(row->identity));
	ring_scan_open(&repeats, catalog->repeat, catalog->repeat_replay_of, 1);
	index_rescan(repeats.scan, &key, 1, NULL, 0);
	while (!arrived && ring_scan_next(&repeats))
	{
		bool		isnull;
		int64		id = DatumGetInt64(slot_getattr(repeats.slot, REPEAT_ID + 1, &isnull));

		arrived = id != row->id &&
			!DatumGetBool(slot_getattr(repeats.slot, REPEAT_IS_NEW + 1, &isnull)) &&
			has_arrived(id);
	}
	ring_scan_close(&repeats);
	return arrived;
}

/* Whether a row of the same call waits before it: it is looked up when that has ended. */
static bool
is_behind_its_first(WorkKey *key, const Row *row)
{
	dlist_iter	iter;

	dlist_foreach(iter, &key->rows.waiting)
	{
		const Row  *other = dlist_container(Row, node, iter.cur);

		if (other == row)
			break;
		if (other->identity == row->identity)
			return true;
	}
	return false;
}

/* All that may go in the next request.  Verdicts that are not written yet would be missed. */
void
repeats_look_up(WorkKey *key)
{
	dlist_iter	iter;
	int			n = 0;

	if (ack_pending() > 0)
		return;
	dlist_foreach(iter, &key->rows.waiting)
	{
		Row		   *row = dlist_container(Row, node, iter.cur);

		if (n++ == MAX_LOOKS || (repeats_must_look(row) && is_behind_its_first(key, row)))
			break;
		if (!repeats_must_look(row))
			continue;
		row->is_repeat = has_arrived(row->identity) || was_repeated(row);
		row->looked_for_first = true;
	}
}

/* ---- by what was delivered -------------------------------------------------------------- */

typedef struct NameEntry
{
	uint64		name;
	char		status;
} NameEntry;

#define SH_PREFIX names
#define SH_ELEMENT_TYPE NameEntry
#define SH_KEY_TYPE uint64
#define SH_KEY name
#define SH_HASH_KEY(table, key) ((uint32) ((key) ^ ((key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static names_hash *delivered;	/* NULL: none yet */
static uint64 *order;			/* the same, a ring in the order of delivery */
static int	next;				/* place of the oldest, which makes way, or of the next */

/* Returns false if it is there already. */
static bool
remember(uint64 name)
{
	bool		found;

	if (delivered == NULL)
	{
		delivered = names_create(WorkerContext, 256, NULL);
		order = MemoryContextAllocZero(WorkerContext, NAMES * sizeof(uint64));
	}
	(void) names_insert(delivered, name, &found);
	if (found)
		return false;
	if (order[next] != 0)
		(void) names_delete(delivered, order[next]);
	order[next] = name;
	next = (next + 1) % NAMES;
	return true;
}

/* A uuid is unique within the type of event, a messageId within the account. */
void
repeats_name(Row *row, const MessageParts *parts, const char *full_name)
{
	const char *id = message_id(parts);
	uint64		name;

	row->occurrence = 0;
	if (id == NULL)
		return;
	name = hash_combine64(hash_bytes_extended((const unsigned char *) id, strlen(id), 0),
						  hash_bytes_extended((const unsigned char *) full_name,
											  strlen(full_name), 0));
	row->occurrence = Max(hash_combine64(name, row->key->lane->account->server), 1);
}

Verdict
repeats_verdict(const Row *row)
{
	bool		is_first = row->occurrence == 0 || remember(row->occurrence);

	return row->is_repeat || !is_first ? VERDICT_UNCHANGED : VERDICT_DELIVERED;
}

/* When its own answer was lost, it may be the first one itself. */
Verdict
repeats_refused(const Row *row)
{
	Verdict		verdict = repeats_verdict(row);

	return repeats_may_be_one(row) && !row_may_have_arrived(row) ? VERDICT_UNCHANGED : verdict;
}
