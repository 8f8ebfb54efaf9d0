/*
 * await.c
 *		Keys that wait: for rows of other keys, for the tables, for a time.
 *
 * What a key waits for is its state (key.h).  Look-ups are gathered and done
 * together in a short transaction of the worker's turn.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "queue/accounts.h"
#include "wait/await.h"
#include "wait/defer.h"

#define LOOK_UPS_AT_ONCE	5000	/* in one transaction */

void
await_key(WorkKey *key, WorkKey *other)
{
	key_set_state(key, KEY_WAITS_KEY, wait_for_key(other));
}

void
await_creator(WorkKey *key, WorkKey *other)
{
	key_set_state(key, KEY_WAITS_CREATION, wait_for_key(other));
}

void
await_look_up(WorkKey *key)
{
	key_set_state(key, KEY_ASKS, wait_for_nothing());
}

static bool needs_verdicts;

void
await_verdicts(WorkKey *key)
{
	needs_verdicts = true;
	await_look_up(key);
}

bool
await_needs_verdicts(void)
{
	return needs_verdicts;
}

bool
await_is_first(const Row *row, const Lane *lane)
{
	return (lane->reader == NULL || lane == row->key->lane) &&
		unfinished_oldest(&lane->unfinished) >= row->id;
}

void
await_older(WorkKey *key, Lane *lane)
{
	key_set_state(key, KEY_WAITS_OLDER, wait_for_lane(lane));
}

bool
await_other(WorkKey *key, WorkKey *other, bool is_known)
{
	Row		   *row = key_head(key);

	if (other == NULL || (is_known && !key_has_older(other, row->id)))
		return false;
	row->looked = LOOKED_NOT;
	await_key(key, other);
	return true;
}

bool
await_reader(WorkKey *key, Lane *lane)
{
	if (lane->reader == NULL && lane->nparked == 0)
		return false;
	key_head(key)->looked = LOOKED_NOT;
	await_older(key, lane);
	return true;
}

void
await_time(WorkKey *key, int64 until)
{
	key_set_state(key, KEY_WAITS_TIME, wait_until_time(until));
}

void
await_user_id(WorkKey *key, int64 until)
{
	key_set_state(key, KEY_WAITS_USER_ID, wait_until_time(until));
}

/* ---- contacts by what was remembered of them ------------------------------------- */

bool
await_contact(WorkKey *key)
{
	Row		   *row = key_head(key);
	Lane	   *contacts = key->lane->account->lanes[FAMILY_CONTACTS];
	bool		is_first = await_is_first(row, contacts);

	if (key->record_id[0] != '\0' || row->looked == LOOKED_LAST)
		return true;
	if (row->looked == LOOKED_ONCE && !is_first)
		await_older(key, contacts);
	else
	{
		row->looked = is_first ? LOOKED_LAST : LOOKED_ONCE;
		await_look_up(key);
	}
	return false;
}

bool
await_told(WorkKey *key)
{
	Row		   *row = key_head(key);
	Lane	   *contacts = key->lane->account->lanes[FAMILY_CONTACTS];
	WorkKey    *other;

	if (!row->by_user_id || row->record_id[0] != '\0' || key->record_id[0] != '\0')
		return false;
	other = queue_find(contacts, NULL, key->key);
	if (other != NULL && key_has_older(other, row->id))
		await_key(key, other);
	else if ((contacts->reader != NULL || contacts->nparked > 0) && !await_is_first(row, contacts))
		await_older(key, contacts);
	else if (row->looked == LOOKED_NOT)
	{
		row->looked = LOOKED_ONCE;
		await_look_up(key);
	}
	else
		return false;
	return true;
}

/* How many rows of a userId mean the same contact as its first one. */
static void
look_up_told(WorkKey *key)
{
	dlist_iter	iter;

	if (key->address != NULL)
		pfree(key->address);
	key->address = NULL;
	key->naddress = 0;
	dlist_foreach(iter, &key->rows.waiting)
	{
		const Row  *row = dlist_container(Row, node, iter.cur);
		bool		is_late;
		const char *address = NULL;

		/* a deletion means whom it could mean when it was read: see tell_may_come() */
		if (row->call != CALL_DELETE)
			address = admit_address_of(key->lane, row->id, key->key, true, &is_late);
		if (address == NULL ||
			(key->address != NULL &&
			 (is_late != key->address_is_late || strcmp(address, key->address) != 0)))
			break;
		if (key->address == NULL)
			key->address = MemoryContextStrdup(WorkerContext, address);
		key->address_is_late = is_late;
		key->naddress++;
	}
}

/* The record that the tables know for the key, as an object of that type. */
static void
look_up_record(WorkKey *key, Object object)
{
	const char *found = record_map_find(key->lane->account->server, object,
										object_key_property(key->property), key->key);

	if (found != NULL)
		strlcpy(key->record_id, found, sizeof(key->record_id));
}

void
await_look_up_contact(WorkKey *key)
{
	if (queue_is_by_user_id(key))
		look_up_told(key);
	else
		look_up_record(key, OBJECT_IS_CONTACT);
}

void
await_look_up_record(WorkKey *key)
{
	look_up_record(key, key->lane->family);
}

/* The rows of a userId go where they belong. */
static void
move_told(WorkKey *key)
{
	char	   *address = key->address;

	key->address = NULL;
	queue_move(key, address, key->naddress, key->address_is_late);
	pfree(address);
}

/* ---- the worker's turn -------------------------------------------------------------- */

/* Those who wait for older rows of a lane, the oldest first. */
static void
wake_behind(Lane *lane)
{
	while (!dlist_is_empty(&lane->keys.behind))
	{
		WorkKey    *key = dlist_head_element(WorkKey, stand.node, &lane->keys.behind);

		if (!await_is_first(key_head(key), lane))
			break;
		queue_bring_back(key);
	}
}

static int64
wake_delayed(Lane *lane, KeyState state, int64 now)
{
	dlist_head *keys = &lane->keys.in[state];

	while (!dlist_is_empty(keys))
	{
		WorkKey    *key = dlist_head_element(WorkKey, stand.node, keys);

		if (key->stand.wait.until > now)
			return key->stand.wait.until - now;
		queue_bring_back(key);
	}
	return -1;
}

int64
await_wake(int64 now)
{
	int64		wait_us = -1;

	key_set_turn(now);
	foreach_lane(lane)
	{
		wake_behind(lane);
		wait_us = clock_sooner(wait_us, wake_delayed(lane, KEY_WAITS_TIME, now));
		wait_us = clock_sooner(wait_us, wake_delayed(lane, KEY_WAITS_USER_ID, now));
	}
	return wait_us;
}

bool
await_has_look_ups(void)
{
	return key_ask_count() > 0;
}

bool
await_needs_copies(void)
{
	if (!defer_lags() || key_ask_count() == 0)
		return false;
	foreach_lane(lane)
	{
		if (!dlist_is_empty(&lane->keys.in[KEY_RECALLED]))
			return true;
	}
	return false;
}

/* Take the keys of a lane that ask, up to the bound. */
static void
gather(Lane *lane, KeyState state, int *budget)
{
	while (*budget > 0 && !dlist_is_empty(&lane->keys.in[state]))
	{
		key_set_state(dlist_head_element(WorkKey, stand.node, &lane->keys.in[state]), KEY_IS_ASKED,
					  wait_for_nothing());
		(*budget)--;
	}
}

static void
look_up(Lane *lane)
{
	dlist_iter	iter;

	dlist_foreach(iter, &lane->keys.in[KEY_IS_ASKED])
	{
		WorkKey    *key = dlist_container(WorkKey, stand.node, iter.cur);

		if (key->rows.ndeferred > 0)
		{
			/* gathered by a transaction that failed, before another row was deferred */
			if (!defer_lags())
				defer_load(key);
		}
		else if (key_has_rows(key) && lane->work->look_up != NULL)
			lane->work->look_up(key);
	}
}

/* The tables have answered. */
static void
end_look_ups(Lane *lane)
{
	while (!dlist_is_empty(&lane->keys.in[KEY_IS_ASKED]))
	{
		WorkKey    *key = dlist_head_element(WorkKey, stand.node, &lane->keys.in[KEY_IS_ASKED]);

		if (key->rows.ndeferred > 0)
			defer_postpone(key);
		else if (key->address != NULL)
			move_told(key);
		else
			queue_bring_back(key);
	}
}

/* What an earlier transaction that failed has gathered is looked up again. */
void
await_step(void)
{
	int			budget = LOOK_UPS_AT_ONCE;

	record_map_open();
	foreach_lane(lane)
	{
		if (!defer_lags())
			gather(lane, KEY_RECALLED, &budget);
		gather(lane, KEY_ASKS, &budget);
		look_up(lane);
	}
	record_map_close();
}

void
await_done(void)
{
	needs_verdicts = false;
	foreach_lane(lane)
	{
		end_look_ups(lane);
	}
}
