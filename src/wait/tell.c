/*
 * tell.c
 *		Whom a userId means: rows that tell, and rows that wait for it.
 *
 * See tell.h.  The reader tells inside of its transaction; families ask outside
 * of any.  Memory: what was told is record_map.c's.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "base/clock.h"
#include "message/message.h"
#include "queue/accounts.h"
#include "ring/outbox.h"
#include "store/record_map.h"
#include "wait/await.h"
#include "wait/defer.h"
#include "wait/tell.h"

#define GRACE_US	1000000		/* who tells is near, as a rule: no copy is made before */
#define NO_ROOM_US	60000000	/* too many are deferred: look again */
#define LOOKS		64			/* at a key with many rows, in unknown_user_wait */

/*
 * Keys of that userId go on, by way of a look-up, which finds out for each row what was told before
 * it.  A key that waits for something else, or is in a batch, asks when it comes back.  So does a
 * ready one while somebody goes through those.
 */
static void
wake(Account *account, const char *user_id, bool goes_through_ready)
{
	if (!queue_has_user_ids())
		return;
	foreach_lane_of(lane, account)
	{
		WorkKey    *key = queue_has_user_ids() ? queue_find(lane, MESSAGE_USER_ID, user_id) : NULL;

		if (key == NULL)
			continue;
		defer_recall(key);
		if (key->stand.state == KEY_WAITS_USER_ID)
			queue_bring_back(key);
		if (!key_is_ready(key))
			continue;
		key_head(key)->looked = LOOKED_NOT;
		if (!goes_through_ready)
			await_look_up(key);
	}
}

void
tell_row(Lane *lane, TupleTableSlot *slot)
{
	char	   *user_id = admit_user_id_told(lane, slot);
	const char *address;
	bool		isnull;

	if (user_id == NULL)
		return;
	address = TextDatumGetCString(slot_getattr(slot, Anum_outbox_key, &isnull));
	record_map_tell(lane->account->server, user_id, address,
					DatumGetInt64(slot_getattr(slot, Anum_outbox_id, &isnull)), clock_us());
	wake(lane->account, user_id, false);
}

bool
tell_is_awaited(Oid server, const char *user_id)
{
	Account    *account = accounts_find(server);

	if (account == NULL || !queue_has_user_ids())
		return false;
	foreach_lane_of(lane, account)
	{
		if (queue_find(lane, MESSAGE_USER_ID, user_id) != NULL)
			return true;
	}
	return false;
}

int64
tell_left_us(const Row *row)
{
	TimestampTz limit = row->created_at + row->key->lane->account->options->unknown_user_wait;

	if (row->deadline != 0)
		limit = Min(limit, row->deadline);
	return limit - GetCurrentTimestamp();
}

bool
tell_may_come(const Row *row)
{
	return row->call != CALL_DELETE && tell_left_us(row) > 0;
}

/*
 * When a deferred key is looked at, if nobody tells: when the time of its oldest row is over.  Of
 * one with many rows the others are, from then on, a part of the whole time late at most, so
 * that each of them does not bring in all.
 */
static int64
next_look_us(const Row *row, int64 left)
{
	return row->deferred
		? Max(left, row->key->lane->account->options->unknown_user_wait / LOOKS) : left;
}

bool
tell_is_hopeless(WorkKey *key)
{
	Row		   *row = key_head(key);
	int64		left = tell_left_us(row);
	int64		now = clock_us();

	if (row->looked == LOOKED_NOT)
	{
		row->looked = LOOKED_ONCE;
		await_look_up(key);
	}
	else if (!tell_may_come(row))
		return true;
	else if (row->looked == LOOKED_ONCE)
	{
		row->looked = LOOKED_LAST;
		await_user_id(key, now + Min(left, GRACE_US));
	}
	else if (!defer_untold(key, now + next_look_us(row, left), tell_left_us))
		await_user_id(key, now + Min(left, NO_ROOM_US));
	return false;
}

void
tell_put_off(Row *row)
{
	if (key_is_deferred(row->key) && queue_is_to_be_told(row->key) && tell_may_come(row))
		(void) defer_more_untold(row, tell_left_us(row));
}

/* The key of such rows; NULL: there are none. */
static WorkKey *
untold_before(const Row *row, char **user_id)
{
	WorkKey    *key;

	if (!queue_has_user_ids() || row->key->property != NULL)
		return NULL;
	*user_id = message_find_user_id(row->message);
	key = *user_id == NULL ? NULL : queue_find(row->key->lane, MESSAGE_USER_ID, *user_id);
	return key != NULL && key_has_older(key, row->id) ? key : NULL;
}

bool
tell_has_older(const Row *row)
{
	char	   *user_id;

	return untold_before(row, &user_id) != NULL;
}

/* It is told once more, in case that somebody has emptied the table since. */
bool
tell_awaits_older(WorkKey *key)
{
	Row		   *row = key_head(key);
	char	   *user_id;
	WorkKey    *other = untold_before(row, &user_id);

	if (other == NULL)
		return false;
	record_map_tell(key->lane->account->server, user_id, key->key, row->id, clock_us());
	wake(key->lane->account, user_id, true);
	await_key(key, other);
	return true;
}
