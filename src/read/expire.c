/*
 * expire.c
 *		Rows whose deadline passes while they wait.
 *
 * Called by the worker each turn, before anything is sent.  It costs nothing while no row
 * in the window has a deadline; otherwise the window is searched only when the earliest
 * deadline has passed.  Rows outside the window end when they are read.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "read/expire.h"
#include "request/batch.h"

#define LOOK_US			200000	/* at least between two passes through the window */

static int64 next_pass;			/* µs of the monotonic clock */

static bool
is_overdue(const Row *row, const void *now)
{
	return row->deadline != 0 && row->deadline < *(const TimestampTz *) now;
}

int64
expire_overdue(int64 now)
{
	TimestampTz time = GetCurrentTimestamp();
	dlist_mutable_iter iter;

	if (window.earliest_deadline == 0)
		return -1;
	if (window.earliest_deadline >= time || now < next_pass)
		return Max((int64) (window.earliest_deadline - time) + 1, next_pass - now);
	next_pass = now + LOOK_US;
	window.earliest_deadline = 0;
	batch_dissolve(is_overdue, &time);
	dlist_foreach_modify(iter, &window.rows)
	{
		Row		   *row = dlist_container(Row, order, iter.cur);

		if (is_overdue(row, &time) && row->state == ROW_WAITS)
			batch_end_waiting(row, VERDICT_EXPIRED, "expired", batch_too_late);
		else
			queue_note_deadline(row);
	}
	return window.earliest_deadline == 0
		? -1 : Max((int64) (window.earliest_deadline - time) + 1, LOOK_US);
}
