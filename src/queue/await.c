/*
 * await.c
 *		Keys that wait: for rows of other keys, for the tables, for a time.
 *
 * Everything here is lists of keys; a key stands in one of them.  Look-ups are
 * gathered and done together in a short transaction of the worker's turn.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "queue/accounts.h"
#include "queue/await.h"
#include "queue/defer.h"
#include "queue/park.h"

#define LOOK_UPS_AT_ONCE	5000	/* in one transaction */

/* Keys that the current transaction has looked up, and how many. */
static dlist_head looked_up = DLIST_STATIC_INIT(looked_up);

void
await_key(WorkKey *key, WorkKey *other)
{
	queue_send_away(key, &other->waiters);
}

void
await_look_up(WorkKey *key)
{
	queue_send_away(key, &key->lane->asking);
}

bool
await_is_first(const Row *row, const Lane *lane)
{
	const Row  *oldest = queue_oldest(lane);

	return (lane->reader == NULL || lane == row->key->lane) && (oldest == NULL || oldest->id >= row->id) &&
		Min(defer_oldest(lane), park_oldest_id(lane)) >= row->id;
}

/*
 * The list is kept in the order of ids: the keys in it may wait for each
 * other, when they are of the lane that they wait for.
 */
void
await_older(WorkKey *key, Lane *lane)
{
	dlist_node *before = &lane->behind.head;
	dlist_iter	iter;

	queue_send_away(key, &lane->behind);
	dlist_delete(&key->node);
	dlist_reverse_foreach(iter, &lane->behind)
	{
		if (queue_head(dlist_container(WorkKey, node, iter.cur))->id < queue_head(key)->id)
		{
			before = iter.cur;
			break;
		}
	}
	dlist_insert_after(before, &key->node);
}

bool
await_other(WorkKey *key, WorkKey *other, bool is_known)
{
	Row		   *row = queue_head(key);

	if (other == NULL || (is_known && !queue_has_older(other, row->id)))
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
	queue_head(key)->looked = LOOKED_NOT;
	await_older(key, lane);
	return true;
}

void
await_time(WorkKey *key, int64 until)
{
	key->until = until;
	queue_send_away(key, &key->lane->delayed);
}

/* ---- contacts by what was remembered of them ------------------------------------- */

bool
await_contact(WorkKey *key)
{
	Row		   *row = queue_head(key);
	Lane	   *contacts = &key->lane->account->lanes[FAMILY_CONTACTS];
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

/* The record of the address that a userId has turned out to be, for events, which go by it. */
static void
set_record(WorkKey *key, const char *record_id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &key->rows)
		strlcpy(dlist_container(Row, node, iter.cur)->record_id, record_id, RECORD_ID_BYTES);
}

void
await_look_up_contact(WorkKey *key)
{
	Oid			server = key->lane->account->server;
	const char *property = object_key_property(key->property);
	const char *found = record_map_find(server, OBJECT_IS_CONTACT, property, key->key);

	if (found == NULL)
		return;
	if (strcmp(property, MESSAGE_USER_ID) != 0)
		strlcpy(key->record_id, found, sizeof(key->record_id));
	else
	{
		if (key->address == NULL)
			key->address = MemoryContextStrdup(WorkerContext, found);
		found = record_map_find(server, OBJECT_IS_CONTACT, "email", key->address);
		if (found != NULL && key->lane->family == FAMILY_EVENTS)
			set_record(key, found);
	}
}

/* ---- the worker's turn -------------------------------------------------------------- */

/* Those who wait for older rows of a lane, the oldest first. */
static void
wake_behind(Lane *lane)
{
	while (!dlist_is_empty(&lane->behind))
	{
		WorkKey    *key = dlist_head_element(WorkKey, node, &lane->behind);

		if (!await_is_first(queue_head(key), lane))
			break;
		queue_bring_back(key);
	}
}

static int64
wake_delayed(Lane *lane, int64 now)
{
	while (!dlist_is_empty(&lane->delayed))
	{
		WorkKey    *key = dlist_head_element(WorkKey, node, &lane->delayed);

		if (key->until > now)
			return key->until - now;
		queue_bring_back(key);
	}
	return -1;
}

int64
await_wake(int64 now)
{
	int64		wait_us = -1;

	foreach_lane(lane)
	{
		wake_behind(lane);
		wait_us = clock_sooner(wait_us, wake_delayed(lane, now));
	}
	return wait_us;
}

bool
await_has_look_ups(void)
{
	if (!dlist_is_empty(&looked_up))
		return true;
	foreach_lane(lane)
	{
		if (!dlist_is_empty(&lane->asking))
			return true;
	}
	return false;
}

/* Take the keys of a lane that ask, up to the bound. */
static void
gather(Lane *lane, int *budget)
{
	while (*budget > 0 && !dlist_is_empty(&lane->asking))
	{
		dlist_push_tail(&looked_up, dlist_pop_head_node(&lane->asking));
		(*budget)--;
	}
}

/* What an earlier transaction that failed has gathered is looked up again. */
void
await_step(void)
{
	int			budget = LOOK_UPS_AT_ONCE;
	dlist_iter	iter;

	foreach_lane(lane)
	{
		gather(lane, &budget);
	}
	record_map_open();
	dlist_foreach(iter, &looked_up)
	{
		WorkKey    *key = dlist_container(WorkKey, node, iter.cur);

		if (key->ndeferred > 0)
			defer_load(key);
		else if (!dlist_is_empty(&key->rows) && key->lane->work->look_up != NULL)
			key->lane->work->look_up(key);
	}
	record_map_close();
}

void
await_done(void)
{
	while (!dlist_is_empty(&looked_up))
	{
		WorkKey    *key = dlist_head_element(WorkKey, node, &looked_up);

		if (key->ndeferred > 0)
			defer_postpone(key);
		else if (key->address != NULL)
			queue_move(key, key->address);
		else
			queue_bring_back(key);
	}
}
