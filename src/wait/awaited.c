/*
 * awaited.c
 *		Records that nobody has told yet, and the rows that wait for them.
 *
 * See awaited.h.  Called as tell.c is.  Memory: a hash table of ends and the names of keys, in a
 * context of its own, which is emptied where it has become too large.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "queue/accounts.h"
#include "store/record_map.h"
#include "wait/await.h"
#include "wait/awaited.h"
#include "wait/defer.h"
#include "wait/tell.h"

#define GRACE_US	1000000		/* the record is near, as a rule: no copy is made before */
#define NO_ROOM_US	60000000	/* too many are deferred: look again */
#define LOOKS		8			/* into HubSpot, in unknown_user_wait */
#define MAX_NOTES	(4 * DEFER_MAX_UNTOLD)

/* A key that waits; the newest first. */
typedef struct Waiter
{
	struct Waiter *next;
	Lane	   *lane;
	const char *property;		/* of the key, behind it */
	char		key[FLEXIBLE_ARRAY_MEMBER];
} Waiter;

typedef struct AwaitedEntry
{
	uint64		hash;			/* of the SERVER and the end; or of these and the key that waits,
								 * whose entry has no list: it is noted once */
	Waiter	   *waiters;
	char		status;
} AwaitedEntry;

#define SH_PREFIX awaited
#define SH_ELEMENT_TYPE AwaitedEntry
#define SH_KEY_TYPE uint64
#define SH_KEY hash
#define SH_HASH_KEY(table, key) ((uint32) ((key) ^ ((key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MemoryContext context;
static awaited_hash *ends;		/* NULL: nothing is awaited */
static int	nnotes;

static void
forget_all(void)
{
	MemoryContextReset(context);
	ends = NULL;
	nnotes = 0;
}

static uint64
hash_text(const char *text)
{
	return hash_bytes_extended((const unsigned char *) text, strlen(text), 0);
}

static uint64
hash_end(Oid server, Object object, const char *property, const char *key)
{
	uint64		hash = hash_combine64(hash_text(key), hash_text(property));

	return hash_combine64(hash_combine64(hash, object), server);
}

/* Of an end and a key that waits for it. */
static uint64
hash_note(uint64 end, const Lane *lane, const char *property, const char *key)
{
	uint64		hash = hash_combine64(hash_text(key), hash_text(property));

	return hash_combine64(end, hash_combine64(hash, lane->family));
}

static Waiter *
make_waiter(const WorkKey *key)
{
	size_t		size = strlen(key->key) + 1;
	Waiter	   *waiter = MemoryContextAlloc(context, offsetof(Waiter, key) + size +
											strlen(key->property) + 1);

	waiter->lane = key->lane;
	strcpy(waiter->key, key->key);
	waiter->property = strcpy(waiter->key + size, key->property);
	return waiter;
}

void
awaited_note(const WorkKey *key, const PairEnd *end)
{
	uint64		hash = hash_end(key->lane->account->server, end->object,
								object_key_property(end->property), end->key);
	AwaitedEntry *entry;
	Waiter	   *waiter;
	bool		found;

	if (nnotes >= MAX_NOTES)
		forget_all();
	if (ends == NULL)
		ends = awaited_create(context, 256, NULL);
	(void) awaited_insert(ends, hash_note(hash, key->lane, key->property, key->key), &found);
	if (found)
		return;
	waiter = make_waiter(key);
	entry = awaited_insert(ends, hash, &found);
	waiter->next = found ? entry->waiters : NULL;
	entry->waiters = waiter;
	nnotes++;
}

/* A key that is in a batch asks the tables when it comes back. */
static void
wake(const Waiter *waiter)
{
	WorkKey    *key = queue_find(waiter->lane, waiter->property, waiter->key);

	if (key == NULL)
		return;
	defer_recall(key);
	if (!key_has_rows(key))
		return;
	key_head(key)->looked = LOOKED_NOT;
	if (key->stand.state == KEY_WAITS_USER_ID)
		queue_bring_back(key);
}

/* record_map.c has been told something. */
static void
told(Oid server, Object object, const char *property, const char *key)
{
	AwaitedEntry *entry;
	uint64		hash;
	Waiter	   *waiter;

	if (ends == NULL)
		return;
	hash = hash_end(server, object, property, key);
	entry = awaited_lookup(ends, hash);
	if (entry == NULL)
		return;
	waiter = entry->waiters;
	(void) awaited_delete(ends, hash);
	while (waiter != NULL)
	{
		Waiter	   *next = waiter->next;

		(void) awaited_delete(ends, hash_note(hash, waiter->lane, waiter->property,
											  waiter->key));
		wake(waiter);
		pfree(waiter);
		nnotes--;
		waiter = next;
	}
	if (nnotes == 0)
		forget_all();
}

void
awaited_init(void)
{
	context = AllocSetContextCreate(WorkerContext, "hubspot awaited records",
									ALLOCSET_SMALL_SIZES);
	forget_all();
	record_map_tells(told);
}

bool
awaited_is_hopeless(WorkKey *key)
{
	const Row  *row = key_head(key);
	int64		left = tell_left_us(row);
	int64		now = clock_us();
	int64		grace = row->created_at + GRACE_US - GetCurrentTimestamp();
	int64		look = Max(row->key->lane->account->options->unknown_user_wait / LOOKS, GRACE_US);

	if (left <= 0)
		return true;
	if (grace > 0)
		await_user_id(key, now + Min(left, Min(grace, GRACE_US)));
	else if (!defer_untold(key, now + Min(left, look), tell_left_us))
		await_user_id(key, now + Min(left, NO_ROOM_US));
	return false;
}
