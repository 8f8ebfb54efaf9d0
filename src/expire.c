/*
 * expire.c
 *		Rows whose deadline passes while they wait.
 *
 * Called by the worker each turn, before anything is sent.  Costs nothing
 * while no row in the window has a deadline: then the earliest one is not
 * known, and else the window is gone through only when that has passed.
 * Rows that are not in the window end when they are read.
 */
#include "postgres.h"

#include "hubspot.h"
#include "clock.h"
#include "expire.h"

#define LOOK_US			200000	/* at least between two passes through the window */

static TimestampTz earliest;	/* of the window's deadlines, or before it; 0: none */
static int64 next_pass;			/* µs of the monotonic clock */

void
expire_note(const Row *row)
{
	if (row->deadline != 0 && (earliest == 0 || row->deadline < earliest))
		earliest = row->deadline;
}

void
expire_row(Row *row)
{
	batch_end_unsent(row, VERDICT_EXPIRED, "expired", "the row's deadline had passed before it could be sent");
}

static bool
is_overdue(const Row *row, TimestampTz now)
{
	return row->deadline != 0 && row->deadline < now;
}

static bool
batch_is_overdue(const Batch *batch, TimestampTz now)
{
	for (int i = 0; i < batch->ninputs; i++)
		for (int j = 0; j < batch->inputs[i].nrows; j++)
			if (is_overdue(batch->inputs[i].rows[j], now))
				return true;
	return false;
}

/* A request that was to be sent as it is holds values of an overdue row: its rows begin anew. */
static void
dissolve_batches(Lane *lane, TimestampTz now)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &lane->again)
	{
		Batch	   *batch = dlist_container(Batch, node, iter.cur);

		if (!batch_is_overdue(batch, now))
			continue;
		dlist_delete(&batch->node);
		for (int i = 0; i < batch->ninputs; i++)
			queue_put_back(batch->inputs[i].key, batch->inputs[i].rows, batch->inputs[i].nrows);
		batch_free(batch);
	}
}

static void
dissolve_all_batches(TimestampTz now)
{
	dlist_iter	iter;

	dlist_foreach(iter, &accounts)
	{
		Account    *account = dlist_container(Account, node, iter.cur);

		for (int i = 0; i < FAMILY_COUNT; i++)
			dissolve_batches(&account->lanes[i], now);
	}
}

/*
 * The key goes on without its row.  One that waits for something on account
 * of its first row asks anew what the next one needs, but for a time, which is the record's.
 */
static void
end_row(Row *row)
{
	WorkKey    *key = row->key;
	bool		was_head = queue_head(key) == row;

	expire_row(row);
	if (dlist_is_empty(&key->rows))
		queue_drop_idle(key);
	else if (was_head && key->place == PLACE_AWAY && key->until <= clock_us())
		queue_bring_back(key);
}

int64
expire_overdue(int64 now)
{
	TimestampTz time = GetCurrentTimestamp();
	dlist_mutable_iter iter;

	if (earliest == 0)
		return -1;
	if (earliest >= time || now < next_pass)
		return Max((int64) (earliest - time) + 1, next_pass - now);
	next_pass = now + LOOK_US;
	earliest = 0;
	dissolve_all_batches(time);
	dlist_foreach_modify(iter, &window.rows)
	{
		Row		   *row = dlist_container(Row, order, iter.cur);

		if (is_overdue(row, time) && !row->taken)
			end_row(row);
		else
			expire_note(row);
	}
	return earliest == 0 ? -1 : Max((int64) (earliest - time) + 1, LOOK_US);
}
