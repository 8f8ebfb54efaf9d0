/*
 * key.c
 *		The state of a key: where its rows stand, and what they wait for.
 *
 * Called by the worker's own files, outside and inside of transactions; raises
 * no error but for want of memory.  Memory: ids of deferred rows in "hubspot work".
 *
 * What a key waits for is private to the worker, and users ask.  The worker
 * tells of those that have waited for a second, the longest first, in shared
 * memory of a fixed size (key_report(), worker/publish.c), as it tells of lanes:
 *
 *	not in a table		an outage would write something for each row that waits, and
 *						VACUUM would have to follow
 *	not on demand		who asks would wait for the worker, or the worker would have
 *						to lock what it works on for somebody who reads slowly
 *	not of every key	most wait for milliseconds; a list of the keys that wait, in the
 *						order in which they began, costs a link, and only those that wait
 *						long are ever copied
 *
 * Whatever can be said of a whole lane (a pause, a limit, rows that are not read
 * yet) is said with the lane; whatever a table says (a deferred row's next try) is
 * read there.  hubspot.outbox_status puts it together: inspect/waits_for.c.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "message/object_type.h"
#include "queue/queue.h"
#include "text/encoding.h"

#define SHOWN_AFTER_US	1000000

/* ---- states ------------------------------------------------------------------------ */

typedef enum KeyList
{
	LIST_NONE,
	LIST_OF_STATE,				/* lane->keys.in[] */
	LIST_BY_TIME,				/* the same, by the time that is waited for */
	LIST_OF_KEY,				/* waiters of the key that is waited for */
	LIST_OF_OLDER				/* keys.behind of the lane that is waited for, by id of the head
								 * row */
} KeyList;

typedef struct KeyRule
{
	const char *name;
	KeyList		list;
	bool		is_ready;
	bool		is_away;
	bool		is_shown;
	uint32		next;			/* a bit for each state that may follow */
} KeyRule;

#define BIT(state)	(1U << (state))
#define REST		(BIT(KEY_IDLE) | BIT(KEY_READY) | BIT(KEY_READY_BACKFILL))
#define WAITS		(BIT(KEY_ASKS) | BIT(KEY_WAITS_KEY) | BIT(KEY_WAITS_CREATION) | \
					 BIT(KEY_WAITS_OLDER) | BIT(KEY_WAITS_USER_ID) | BIT(KEY_WAITS_TIME))

#define ASKS_TABLES	(BIT(KEY_ASKS) | BIT(KEY_IS_ASKED) | BIT(KEY_RECALLED))

static const KeyRule rules[KEY_STATE_COUNT] = {
	[KEY_IDLE] = {"idle", LIST_NONE, false, false, false,
	BIT(KEY_READY) | BIT(KEY_READY_BACKFILL) | BIT(KEY_DEFERRED)},
	[KEY_READY] = {"ready", LIST_OF_STATE, true, false, false,
	BIT(KEY_IDLE) | BIT(KEY_IN_BATCH) | WAITS | BIT(KEY_DEFERRED)},
	[KEY_READY_BACKFILL] = {"ready for a back-fill", LIST_OF_STATE, true, false, false,
	BIT(KEY_IDLE) | BIT(KEY_READY) | BIT(KEY_IN_BATCH) | WAITS | BIT(KEY_DEFERRED)},
	[KEY_IN_BATCH] = {"in a batch", LIST_NONE, false, false, true,
	REST | BIT(KEY_DEFERRED)},
	[KEY_ASKS] = {"asks", LIST_OF_STATE, false, true, true,
	REST | BIT(KEY_IS_ASKED)},
	[KEY_IS_ASKED] = {"is asked", LIST_OF_STATE, false, true, true,
	REST | BIT(KEY_DEFERRED)},
	[KEY_WAITS_KEY] = {"waits for a key", LIST_OF_KEY, false, true, true, REST},
	[KEY_WAITS_CREATION] = {"waits for a creation", LIST_OF_KEY, false, true, true, REST},
	/* to itself: another row is the head */
	[KEY_WAITS_OLDER] = {"waits for older rows", LIST_OF_OLDER, false, true, true,
	REST | BIT(KEY_WAITS_OLDER)},
	[KEY_WAITS_USER_ID] = {"waits for a userId", LIST_BY_TIME, false, true, true, REST},
	[KEY_WAITS_TIME] = {"waits for a time", LIST_BY_TIME, false, true, true, REST},
	[KEY_DEFERRED] = {"deferred", LIST_OF_STATE, false, false, true, BIT(KEY_RECALLED)},
	[KEY_RECALLED] = {"recalled", LIST_OF_STATE, false, true, true,
	REST | BIT(KEY_IS_ASKED)},
};

static int64 turn_us;
static int	nasks;				/* keys in states of ASKS_TABLES */

static int
compare_due(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	int64		x = pairingheap_const_container(WorkKey, stand.due, a)->stand.wait.until;
	int64		y = pairingheap_const_container(WorkKey, stand.due, b)->stand.wait.until;

	return x < y ? 1 : x > y ? -1 : 0;
}

static pairingheap due = {.ph_compare = compare_due};	/* deferred keys by their time */

void
key_set_turn(int64 now)
{
	turn_us = now;
}

void
key_init(WorkKey *key, Lane *lane)
{
	key->lane = lane;
	dlist_init(&key->rows.waiting);
	dlist_init(&key->waiters);
}

void
key_init_lane(LaneKeys *keys)
{
	for (int i = 0; i < KEY_STATE_COUNT; i++)
		dlist_init(&keys->in[i]);
	dlist_init(&keys->behind);
	dlist_init(&keys->shown);
}

bool
key_is_ready(const WorkKey *key)
{
	return rules[key->stand.state].is_ready;
}

bool
key_is_in_batch(const WorkKey *key)
{
	return key->stand.state == KEY_IN_BATCH;
}

bool
key_is_away(const WorkKey *key)
{
	return rules[key->stand.state].is_away;
}

bool
key_is_deferred(const WorkKey *key)
{
	return key->stand.state == KEY_DEFERRED;
}

/* ---- lists -------------------------------------------------------------------------- */

/* The last key of a list that does not come behind this one; the list's head: none. */
static dlist_node *
place_by_head(dlist_head *list, const WorkKey *key)
{
	dlist_iter	iter;

	dlist_reverse_foreach(iter, list)
		if (key_head(dlist_container(WorkKey, stand.node, iter.cur))->id < key_head(key)->id)
		return iter.cur;
	return &list->head;
}

static dlist_node *
place_by_time(dlist_head *list, int64 until)
{
	dlist_iter	iter;

	dlist_reverse_foreach(iter, list)
		if (dlist_container(WorkKey, stand.node, iter.cur)->stand.wait.until <= until)
		return iter.cur;
	return &list->head;
}

static void
link_key(WorkKey *key)
{
	KeyStand   *stand = &key->stand;
	LaneKeys   *keys = &key->lane->keys;

	switch (rules[stand->state].list)
	{
		case LIST_NONE:
			break;
		case LIST_OF_STATE:
			dlist_push_tail(&keys->in[stand->state], &stand->node);
			break;
		case LIST_BY_TIME:
			dlist_insert_after(place_by_time(&keys->in[stand->state], stand->wait.until),
							   &stand->node);
			break;
		case LIST_OF_KEY:
			Assert(stand->wait.key != NULL);
			dlist_push_tail(&stand->wait.key->waiters, &stand->node);
			break;
		case LIST_OF_OLDER:
			/* await_wake() looks at the front alone: an old row behind a younger one would stay */
			dlist_insert_after(place_by_head(&stand->wait.lane->keys.behind, key), &stand->node);
			break;
	}
	if (stand->state == KEY_DEFERRED)
		pairingheap_add(&due, &stand->due);
}

static void
unlink_key(WorkKey *key)
{
	if (rules[key->stand.state].list != LIST_NONE)
		dlist_delete(&key->stand.node);
	if (key->stand.state == KEY_DEFERRED)
		pairingheap_remove(&due, &key->stand.due);
}

/* Whether a state may follow, and the key has what it takes to be in it. */
static pg_attribute_unused()
bool
may_follow(const WorkKey *key, KeyState state, const KeyWait *wait)
{
	KeyList		list = rules[state].list;

	if ((rules[key->stand.state].next & BIT(state)) == 0)
		return false;
	/* with rows a key is not idle; without it is not ready, and has no head row to be sorted by */
	if (key_has_rows(key) ? state == KEY_IDLE : rules[state].is_ready || list == LIST_OF_OLDER)
		return false;

	/*
	 * With deferred ids, which go before what waits, it is deferred or on its way to read them;
	 * without it is not deferred.
	 */
	if (key->rows.ndeferred == 0 ? state == KEY_DEFERRED :
		(BIT(state) & (BIT(KEY_DEFERRED) | ASKS_TABLES)) == 0)
		return false;
	/* what is waited for is given where the state needs it, and nowhere else */
	return (wait->key != NULL) == (list == LIST_OF_KEY) &&
		(wait->lane != NULL) == (list == LIST_OF_OLDER) &&
		(wait->until != 0) == (list == LIST_BY_TIME || state == KEY_DEFERRED);
}

/*
 * Users ask about rows, so that a key is shown only while a row of it waits here; one in a batch,
 * or with rows in hubspot.deferred, may have none.  An outage may defer as many keys as there are
 * records: they cost no look anything.  The list is in the order of since, as a key goes to its
 * end whenever its wait begins: it comes into another state, or its first row comes.
 */
static void
show(WorkKey *key, bool is_new_state)
{
	KeyStand   *stand = &key->stand;
	bool		has_rows = key_has_rows(key) || key->parked != NULL;
	bool		is_asked = has_rows && rules[stand->state].is_shown;

	if (is_asked == stand->is_shown && !is_new_state)
		return;
	if (stand->is_shown)
		dlist_delete(&stand->shown);
	if (is_asked)
	{
		dlist_push_tail(&key->lane->keys.shown, &stand->shown);
		stand->since = turn_us;
	}
	stand->is_shown = is_asked;
}

void
key_parked_changed(WorkKey *key)
{
	show(key, false);
}

/*
 * The state, the lists and the counters change together, so that no key is ever counted as
 * what it is not.
 */
void
key_set_state(WorkKey *key, KeyState state, KeyWait wait)
{
	KeyStand   *stand = &key->stand;
	const KeyRule *before = &rules[stand->state];
	const KeyRule *after = &rules[state];
	LaneKeys   *keys = &key->lane->keys;

	Assert(may_follow(key, state, &wait));
	/* by the old state: afterwards nothing says in which list the key hangs */
	unlink_key(key);
	keys->nready += after->is_ready - before->is_ready;
	keys->naway += after->is_away - before->is_away;
	nasks += ((ASKS_TABLES & BIT(state)) != 0) - ((ASKS_TABLES & BIT(stand->state)) != 0);
	stand->state = state;
	stand->wait = wait;
	link_key(key);
	show(key, before != after);
}

/* As a rule the first row tells. */
static KeyState
rest_state(const WorkKey *key)
{
	dlist_iter	iter;

	if (!key_has_rows(key))
		return KEY_IDLE;
	dlist_foreach(iter, &unconstify(WorkKey *, key)->rows.waiting)
		if (!dlist_container(Row, node, iter.cur)->backfill)
		return KEY_READY;
	return KEY_READY_BACKFILL;
}

/* A key that is ready keeps its place among those that are. */
void
key_rest(WorkKey *key)
{
	if (key->stand.state == KEY_IDLE ? key_has_rows(key) : !key_is_ready(key) || !key_has_rows(key))
		key_set_state(key, rest_state(key), wait_for_nothing());
}

int
key_ask_count(void)
{
	return nasks;
}

WorkKey *
key_next_due(void)
{
	return pairingheap_is_empty(&due) ? NULL :
		pairingheap_container(WorkKey, stand.due, pairingheap_first(&due));
}

/* ---- rows --------------------------------------------------------------------------- */

bool
key_has_rows(const WorkKey *key)
{
	return !dlist_is_empty(unconstify(dlist_head *, &key->rows.waiting));
}

Row *
key_head(const WorkKey *key)
{
	return dlist_head_element(Row, node, unconstify(dlist_head *, &key->rows.waiting));
}

bool
key_has_older(const WorkKey *key, int64 id)
{
	return (key_is_in_batch(key) && key->rows.taken_from < id) ||
		(key->rows.ndeferred > 0 && key->rows.deferred[0] < id) ||
		(key_has_rows(key) && key_head(key)->id < id) ||
		(key->parked_from != 0 && key->parked_from < id);
}

/* Which state of a row may follow which; that a row ends in LEAVES, key_count_out() sees to. */
static const uint8 row_rules[ROW_STATE_COUNT] PG_USED_FOR_ASSERTS_ONLY = {
	[ROW_NEW] = BIT(ROW_WAITS),
	[ROW_WAITS] = BIT(ROW_IN_INPUT) | BIT(ROW_LEAVES),
	[ROW_IN_INPUT] = BIT(ROW_WAITS) | BIT(ROW_LEAVES),
	/* to the key of its contact, see queue_move() */
	[ROW_LEAVES] = BIT(ROW_WAITS),
};

static void
row_set_state(Row *row, RowState state)
{
	Assert((row_rules[row->state] & BIT(state)) != 0);
	row->state = state;
}

/* The head row is another one. */
static void
head_changed(WorkKey *key)
{
	if (rules[key->stand.state].list == LIST_OF_OLDER)
		key_set_state(key, key->stand.state, key->stand.wait);
}

static void
count_row(WorkKey *key, int change)
{
	key->lane->keys.ncrowded -= key->rows.in_window >= KEY_CROWDED;
	key->rows.in_window += change;
	key->lane->keys.ncrowded += key->rows.in_window >= KEY_CROWDED;
}

/*
 * Behind the last row that was queued before it.  Answers of the tables are about the head row: one
 * that was asked for and is not the head any more may not have got its own.
 */
static void
link_row(WorkKey *key, Row *row)
{
	dlist_node *before = &key->rows.waiting.head;
	dlist_iter	iter;

	dlist_reverse_foreach(iter, &key->rows.waiting)
	{
		if (dlist_container(Row, node, iter.cur)->id < row->id)
		{
			before = iter.cur;
			break;
		}
	}
	dlist_insert_after(before, &row->node);
	if (before == &key->rows.waiting.head && dlist_has_next(&key->rows.waiting, &row->node))
	{
		dlist_container(Row, node, dlist_next_node(&key->rows.waiting, &row->node))->looked =
			LOOKED_NOT;
		head_changed(key);
	}
}

void
key_add_row(WorkKey *key, Row *row)
{
	row_set_state(row, ROW_WAITS);
	row->key = key;
	row->looked_at = 0;
	link_row(key, row);
	count_row(key, 1);
	/* it may have been ready for a back-fill alone */
	if (key->stand.state == KEY_IDLE || (key->stand.state == KEY_READY_BACKFILL && !row->backfill))
		key_set_state(key, rest_state(key), wait_for_nothing());
	show(key, false);
}

void
key_count_out(Row *row)
{
	/* an input's rows end from there; one that waits is to be removed from its key first */
	if (row->state == ROW_IN_INPUT)
		row_set_state(row, ROW_LEAVES);
	Assert(row->state == ROW_LEAVES);
	count_row(row->key, -1);
}

void
key_take_row(Row *row, bool is_first)
{
	Assert(key_is_in_batch(row->key) && key_head(row->key) == row);
	row_set_state(row, ROW_IN_INPUT);
	dlist_delete(&row->node);
	if (is_first)
		row->key->rows.taken_from = row->id;
	show(row->key, false);
}

/* A key that has nothing to wait for any more does not stand in a list as if it had. */
void
key_remove_row(Row *row)
{
	WorkKey    *key = row->key;
	bool		was_head = key_head(key) == row;

	row_set_state(row, ROW_LEAVES);
	dlist_delete(&row->node);
	if (key_has_rows(key))
	{
		if (was_head)
			head_changed(key);
	}
	else if (key_is_ready(key) || (BIT(key->stand.state) & WAITS) != 0)
		key_set_state(key, KEY_IDLE, wait_for_nothing());
	show(key, false);
}

/* From the front, where it was. */
void
key_put_back_row(Row *row)
{
	WorkKey    *key = row->key;
	dlist_node *before = &key->rows.waiting.head;
	dlist_iter	iter;

	Assert(row->state == ROW_IN_INPUT && key_is_in_batch(key));
	row_set_state(row, ROW_WAITS);
	dlist_foreach(iter, &key->rows.waiting)
	{
		if (dlist_container(Row, node, iter.cur)->id > row->id)
			break;
		before = iter.cur;
	}
	dlist_insert_after(before, &row->node);
	show(key, false);
}

/* In their order: key_has_older() and defer_end_key() take the first to be the lowest. */
void
key_add_deferred(WorkKey *key, int64 id)
{
	KeyRows    *rows = &key->rows;
	int			n = rows->ndeferred++;

	if (n == 0)
		rows->deferred = MemoryContextAlloc(WorkerContext, sizeof(int64) * 4);
	else if (n >= 4 && (n & (n - 1)) == 0)
		rows->deferred = repalloc(rows->deferred, sizeof(int64) * n * 2);
	for (; n > 0 && rows->deferred[n - 1] > id; n--)
		rows->deferred[n] = rows->deferred[n - 1];
	rows->deferred[n] = id;
	key->lane->keys.ndeferred++;
}

bool
key_forget_deferred(WorkKey *key, int64 id)
{
	KeyRows    *rows = &key->rows;
	int			i = 0;

	while (i < rows->ndeferred && rows->deferred[i] != id)
		i++;
	if (i == rows->ndeferred)
		return false;
	rows->ndeferred--;
	key->lane->keys.ndeferred--;
	memmove(rows->deferred + i, rows->deferred + i + 1, sizeof(int64) * (rows->ndeferred - i));
	if (rows->ndeferred == 0)
	{
		pfree(rows->deferred);
		rows->deferred = NULL;
	}
	return true;
}

/* ---- for who looks --------------------------------------------------------------------- */

/* The lane whose rows a key waits for; NULL: it waits for something else. */
static const Lane *
awaited_lane(const WorkKey *key)
{
	const KeyWait *wait = &key->stand.wait;

	return wait->key != NULL ? wait->key->lane : wait->lane;
}

static void
describe(const WorkKey *key, int64 now, KeyReport *report)
{
	const KeyWait *wait = &key->stand.wait;
	const Lane *awaited = awaited_lane(key);

	report->id = key_has_rows(key) ? key_head(key)->id : 0;
	report->key_hash = shared_key_hash(key->property, key->key);
	report->server = key->lane->account->server;
	report->object = object_code(key->lane->family);
	report->state = key->stand.state;
	report->awaited = awaited != NULL ? object_code(awaited->family) : 0;
	report->until = wait->until == 0 ? 0 : GetCurrentTimestamp() + (wait->until - now);
	encoding_copy(report->name, sizeof(report->name), wait->key != NULL ? wait->key->key
				  : key->stand.state == KEY_WAITS_USER_ID ? key->key : "");
}

int
key_report(const Lane *lane, KeyReport *reports, int max, bool *more)
{
	int64		now = clock_us();
	int			n = 0;
	dlist_iter	iter;

	*more = false;
	dlist_foreach(iter, &unconstify(Lane *, lane)->keys.shown)
	{
		const WorkKey *key = dlist_container(WorkKey, stand.shown, iter.cur);

		/* by since: those behind wait for less */
		if (key->stand.since > now - SHOWN_AFTER_US)
			break;
		*more = n == max;
		if (*more)
			break;
		describe(key, now, &reports[n++]);
	}
	return n;
}

char *
key_wait_words(const KeyReport *report, bool with_names)
{
	const char *name = with_names ? report->name : "(another)";
	const char *until = timestamptz_to_str(report->until - report->until % USECS_PER_SEC);

	switch ((KeyState) report->state)
	{
			/* these are not reported: nothing but their turn keeps them */
		case KEY_IDLE:
		case KEY_READY:
		case KEY_READY_BACKFILL:
			break;
		case KEY_IN_BATCH:
			return pstrdup("the answer about earlier rows of its key");
		case KEY_ASKS:
		case KEY_IS_ASKED:
			return pstrdup("a look-up in the tables");
		case KEY_WAITS_KEY:
			return psprintf("rows of %s %s", object_code_name(report->awaited), name);
		case KEY_WAITS_CREATION:
			return psprintf("the creation of %s", name);
		case KEY_WAITS_OLDER:
			return psprintf("%s queued before", object_code_lane(report->awaited));
		case KEY_WAITS_USER_ID:
			if (report->object >= OBJECT_COUNT)
				return psprintf("a record that is not known yet, with which %s is created", name);
			return report->object == OBJECT_IS_PAIR
				? psprintf("a record that is not known yet, of %s", name)
				: psprintf("the contact of userId %s", name);
		case KEY_WAITS_TIME:
			return psprintf("HubSpot's search index until %s", until);
		case KEY_DEFERRED:
			return psprintf("an earlier row of its key, which is tried again at %s", until);
		case KEY_RECALLED:
			return pstrdup("an earlier row of its key, which is tried again");
	}
	return NULL;
}
