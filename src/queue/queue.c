/*
 * queue.c
 *		Keys and rows in the worker's memory.
 *
 * The order of one contact's calls is kept here: rows hang on their key by
 * ascending id, and a key with an input in a batch is busy.  Keys that may be
 * taken stand in one of their lane's two lists of ready keys: those with a live
 * row, and those of a back-fill alone.  A key without rows is forgotten, unless
 * rows of it are deferred or parked, so that memory is bounded by the window,
 * DEFER_MAX_ROWS and PARK_MAX_ROWS.
 *
 * The window is shared by a rule without configuration: a lane may hold as
 * much as is still free.  One lane alone gets half of the window, k greedy
 * lanes get 1/(k+1) each, and a newcomer always finds room.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "base/worker_context.h"
#include "message/pair.h"
#include "queue/queue.h"
#include "store/confirmed.h"

typedef struct KeyName
{
	const Lane *lane;
	const char *property;		/* NULL: e-mail */
	const char *key;
	int			key_len;
} KeyName;

typedef struct KeyEntry
{
	KeyName		name;			/* points into the WorkKey */
	uint32		hash;
	char		status;
	WorkKey    *value;
} KeyEntry;

static uint32
hash_name(KeyName name)
{
	uint32		hash = hash_bytes((const unsigned char *) name.key, name.key_len);

	if (name.property != NULL)
		hash = hash_combine(hash, hash_bytes((const unsigned char *) name.property,
											 strlen(name.property)));
	return hash_combine(hash, hash_bytes_uint32((uint32) (uintptr_t) name.lane));
}

static bool
same_name(KeyName a, KeyName b)
{
	return a.lane == b.lane && a.key_len == b.key_len &&
		memcmp(a.key, b.key, a.key_len) == 0 &&
		(a.property == b.property ||
		 (a.property != NULL && b.property != NULL && strcmp(a.property, b.property) == 0));
}

#define SH_PREFIX keytable
#define SH_ELEMENT_TYPE KeyEntry
#define SH_KEY_TYPE KeyName
#define SH_KEY name
#define SH_HASH_KEY(table, key) hash_name(key)
#define SH_EQUAL(table, a, b) same_name(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

Window		window;
static keytable_hash *keys;
static int	nuser_ids;			/* of these, by a userId */
static Row *early;				/* in the window, near the place of what was brought in last; or
								 * NULL */

void
queue_init(void)
{
	worker_context_init();
	window.memory =
		AllocSetContextCreate(TopMemoryContext, "hubspot window", ALLOCSET_DEFAULT_SIZES);
	dlist_init(&window.rows);
	window.next_seq = 1;
	keys = keytable_create(WorkerContext, 1024, NULL);
}

bool
queue_has_room(const Lane *lane, Size bytes)
{
	int64		free_rows = hubspot_window_rows - window.nrows;
	int64		free_bytes = (int64) hubspot_window_memory * 1024 - window.bytes;

	return lane->rows == 0 ||
		(lane->rows < free_rows && lane->bytes + (int64) bytes <= free_bytes);
}

static WorkKey *
make_key(KeyName name)
{
	Size		property_size = name.property != NULL ? strlen(name.property) + 1 : 0;
	WorkKey    *key = MemoryContextAllocZero(WorkerContext,
											 sizeof(WorkKey) + name.key_len + 1 + property_size);
	char	   *text = (char *) (key + 1);

	memcpy(text, name.key, name.key_len);
	text[name.key_len] = '\0';
	key->key = text;
	if (name.property != NULL)
		key->property = memcpy(text + name.key_len + 1, name.property, property_size);
	key_init(key, unconstify(Lane *, name.lane));
	return key;
}

bool
queue_only_backfill(const Lane *lane)
{
	return dlist_is_empty(unconstify(dlist_head *, &lane->keys.in[KEY_READY])) &&
		dlist_is_empty(unconstify(dlist_head *, &lane->again));
}

void
queue_bring_back(WorkKey *key)
{
	Assert(key_is_away(key));
	key_rest(key);
	if (!key_has_rows(key))
		queue_release_key(key);
}

void
queue_wake_waiters(WorkKey *key)
{
	while (!dlist_is_empty(&key->waiters))
		queue_bring_back(dlist_head_element(WorkKey, stand.node, &key->waiters));
}

WorkKey *
queue_find(const Lane *lane, const char *property, const char *key)
{
	KeyName		name = {.lane = lane, .property = property, .key = key, .key_len = strlen(key)};
	KeyEntry   *entry = keytable_lookup(keys, name);

	return entry == NULL ? NULL : entry->value;
}

bool
queue_is_by_user_id(const WorkKey *key)
{
	return key->property != NULL && strcmp(key->property, MESSAGE_USER_ID) == 0;
}

bool
queue_is_to_be_told(const WorkKey *key)
{
	return queue_is_by_user_id(key) ||
		(key->property != NULL && strcmp(key->property, MESSAGE_PAIR) == 0) ||
		object_types[key->lane->family].born_associated != NULL;
}

static uint64
hash_domain(const char *domain)
{
	return hash_bytes_extended((const unsigned char *) domain, strlen(domain), 0);
}

void
queue_note_further_domain(WorkKey *key, const char *domain)
{
	key->further_domain = hash_domain(domain);
}

bool
queue_is_further_domain(const WorkKey *key, const char *domain)
{
	return key->further_domain != 0 && key->further_domain == hash_domain(domain);
}

const char *
queue_id_property(const WorkKey *key)
{
	return object_key_property(key->property);
}

bool
queue_has_user_ids(void)
{
	return nuser_ids > 0;
}

static WorkKey *
find_or_make(KeyName name)
{
	bool		found;
	KeyEntry   *entry = keytable_insert(keys, name, &found);

	if (!found)
	{
		entry->value = make_key(name);
		entry->name.key = entry->value->key;
		entry->name.property = entry->value->property;
		nuser_ids += queue_is_by_user_id(entry->value);
	}
	return entry->value;
}

WorkKey *
queue_make(Lane *lane, const char *property, const char *key)
{
	KeyName		name = {.lane = lane, .property = property, .key = key, .key_len = strlen(key)};

	return find_or_make(name);
}

void
queue_note_deadline(const Row *row)
{
	if (row->deadline != 0 &&
		(window.earliest_deadline == 0 || row->deadline < window.earliest_deadline))
		window.earliest_deadline = row->deadline;
}

void
queue_add(WorkKey *key, Row *row)
{
	Lane	   *lane = key->lane;

	row->seq = window.next_seq++;
	dlist_push_tail(&window.rows, &row->order);
	window.nrows++;
	window.bytes += row->bytes;
	lane->rows++;
	lane->bytes += row->bytes;
	lane->nbackfill += row->backfill;
	unfinished_read(&lane->unfinished, row->id, row->created_at);
	key_add_row(key, row);
}

/*
 * What was parked came early, one after the other: the search for its place
 * begins where the last one was found.
 */
void
queue_keep_seq(Row *row, uint64 seq)
{
	dlist_node *before = early != NULL && early->seq < seq ? &early->order : &window.rows.head;

	row->seq = seq;
	dlist_delete(&row->order);
	while (dlist_has_next(&window.rows, before) &&
		   dlist_container(Row, order, dlist_next_node(&window.rows, before))->seq < seq)
		before = dlist_next_node(&window.rows, before);
	dlist_insert_after(before, &row->order);
	early = row;
}

/* Forget a key that has no rows. */
static void
drop_key_if_idle(WorkKey *key)
{
	KeyName		name = {.lane = key->lane, .property = key->property, .key = key->key,
	.key_len = strlen(key->key)};

	if (key->stand.state != KEY_IDLE || key->parked != NULL)
		return;
	Assert(dlist_is_empty(&key->waiters) && key->rows.ndeferred == 0);
	keytable_delete(keys, name);
	nuser_ids -= queue_is_by_user_id(key);
	Assert(key->address == NULL);
	if (key->confirmed != NULL)
		confirmed_close(key->confirmed);
	pfree(key);
}

void
queue_lose_copy(Row *row)
{
	row->key->lane->nrecalled -= row->deferred;
	row->deferred = false;
}

/* The row leaves its key, for the one of its contact or for good. */
static void
settle_stranger(Row *row)
{
	row->key->lane->strangers -= row->is_stranger;
	row->is_stranger = false;
}

static void
drop_row(Row *row)
{
	Lane	   *lane = row->key->lane;

	queue_lose_copy(row);
	settle_stranger(row);
	if (early == row)
		early = dlist_has_prev(&window.rows, &row->order) ?
			dlist_container(Row, order, dlist_prev_node(&window.rows, &row->order)) : NULL;
	dlist_delete(&row->order);
	window.nrows--;
	window.bytes -= row->bytes;
	lane->rows--;
	lane->bytes -= row->bytes;
	lane->nbackfill -= row->backfill;
	key_count_out(row);
	if (row->held != NULL)
		pfree(row->held);
	pfree(row);
}

void
queue_end_row(Row *row)
{
	row->key->lane->done++;
	unfinished_end(&row->key->lane->unfinished, row->id);
	drop_row(row);
}

void
queue_defer_row(Row *row)
{
	/* nobody waits for rows that wait for somebody to tell whom they mean */
	if (queue_is_to_be_told(row->key))
		unfinished_end(&row->key->lane->unfinished, row->id);
	else
		unfinished_defer(&row->key->lane->unfinished, row->id);
	drop_row(row);
}

void
queue_release_key(WorkKey *key)
{
	queue_wake_waiters(key);
	if (!key_is_deferred(key))
		key_rest(key);
	drop_key_if_idle(key);
}

void
queue_drop_idle(WorkKey *key)
{
	if (key_has_rows(key) || key_is_in_batch(key) || key->rows.ndeferred > 0)
		return;
	if (key_is_away(key))
		queue_bring_back(key);
	else
		queue_release_key(key);
}

void
queue_move(WorkKey *key, const char *address, int nrows, bool is_late)
{
	WorkKey    *target = queue_make(key->lane, NULL, address);

	Assert(key->stand.state == KEY_IS_ASKED);
	for (; nrows > 0; nrows--)
	{
		Row		   *row = key_head(key);

		settle_stranger(row);
		row->looked = LOOKED_NOT;
		row->by_user_id = true;
		row->is_late = is_late;
		key_remove_row(row);
		key_count_out(row);
		key_add_row(target, row);
		unfinished_read(&key->lane->unfinished, row->id, row->created_at);
	}
	queue_release_key(key);
}
