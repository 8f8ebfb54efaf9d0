/*
 * fault.c
 *		A fault that concerns one record and may pass: its rows are tried again later.
 *
 * Called by those who read answers, outside of transactions.  The rows leave
 * the window for hubspot.deferred (defer.c), or end as dead.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "queue/known.h"
#include "request/fault.h"
#include "request/narrow.h"
#include "wait/defer.h"
#include "wait/defer_write.h"

#define FIRST_WAIT_S	5		/* after the first fault; doubles with each more ... */
#define LONGEST_WAIT_S	3600	/* ... up to this */

/*
 * HubSpot has carried it out each time, so that every further try repeats what is done.  Two are
 * for an answer that something on the way has garbled.
 */
#define MAX_UNREADABLE	3

/* Seconds until the next try after so many faults; a deadline is not slept through. */
static int64
wait_after(const Input *input, int attempt)
{
	int64		wait = FIRST_WAIT_S;

	for (int i = 1; i < attempt && wait < LONGEST_WAIT_S; i++)
		wait *= 2;
	wait = Min(wait, LONGEST_WAIT_S);
	for (int i = 0; i < input->nrows; i++)
		if (input->rows[i]->deadline != 0)
			wait = Min(wait,
					   Max((input->rows[i]->deadline - GetCurrentTimestamp()) / USECS_PER_SEC + 1,
						   0));
	return wait;
}

static int
faults_of(const Input *input)
{
	int			faults = 0;

	for (int i = 0; i < input->nrows; i++)
		faults = Max(faults, input->rows[i]->attempt);
	return faults + 1;
}

/* How many faults a record may have. */
static int
most_faults(const WorkKey *key, const char *category)
{
	int			most = key->lane->account->options->max_attempts;

	return strcmp(category, DEFER_UNREADABLE) == 0 ? Min(most, MAX_UNREADABLE) : most;
}

static void
note_row(const Row *row, ChangeKind kind, int attempt, int64 wait_s, const AckResult *fault)
{
	Change	   *change = defer_change(kind, row->id);

	change->attempt = attempt;
	change->status = fault->http_status;
	change->wait_s = wait_s;
	change->failed_at = GetCurrentTimestamp();
	change->lost = row_may_have_arrived(row);
	change->request = fault->request;
	change->category = defer_text(fault->category);
	change->message = defer_text(fault->message);
}

static void
note_fault(Input *input, ChangeKind kind, int attempt, int64 wait_s, const AckResult *fault)
{
	for (int i = 0; i < input->nrows; i++)
		note_row(input->rows[i], kind, attempt, wait_s, fault);
}

/*
 * Whether the fault may be one row's among several.  A first one passes, as a rule.  Another one,
 * while the lane goes well, may be owed to what a row says; and no row dies of its neighbour.
 */
static bool
is_to_be_narrowed(const Input *input, int attempt, const char *category)
{
	const WorkKey *key = input->key;

	return (attempt >= most_faults(key, category) ||
			(attempt > 1 && key->lane->successes > key->met_at)) &&
		strcmp(category, DEFER_SILENT) != 0 && narrow_may_help(input);
}

/*
 * Rows behind the one at fault that were recalled with it wait in the table as before.  In the
 * window they would take the room that it needs to be loaded.
 */
static void
defer_those_behind(WorkKey *key, int64 wait_s, const AckResult *fault)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &key->rows.waiting)
	{
		Row		   *row = dlist_container(Row, node, iter.cur);

		if (!row->deferred || !defer_has_room(1))
			continue;
		note_row(row, CHANGE_WAIT, row->attempt, wait_s, fault);
		key_remove_row(row);
		defer_add_row(key, row);
	}
}

/* There is no room for more deferred rows: these begin anew, when the lane goes on. */
static void
hold_lane(Input *input)
{
	LaneStatus *status = &input->key->lane->status;

	if (status->state == LANE_RUN)
		lane_event(status, EVENT_UNAVAILABLE, "too many records fail for a reason of their own", 0);
	batch_put_back(input->key, input->rows, input->nrows);
}

void
fault_input(Input *input, const char *category, const char *message, int status,
			AckRequest *request)
{
	WorkKey    *key = input->key;
	int			attempt = faults_of(input);
	int64		wait_s;
	AckResult	fault =
	{.verdict = VERDICT_DEAD, .request = request, .http_status = status, .created = -1,
	.category = category, .message = message};

	if (!defer_has_room(input->nrows))
	{
		hold_lane(input);
		return;
	}
	if (is_to_be_narrowed(input, attempt, category))
	{
		batch_tell_apart(input, true);
		return;
	}
	if (attempt >= most_faults(key, category))
	{
		note_fault(input, CHANGE_DEAD, attempt, 0, &fault);
		for (int i = 0; i < input->nrows; i++)
			queue_lose_copy(input->rows[i]);	/* the change removes it */
		input->attempts = attempt;
		batch_end_input(input, &fault);
		return;
	}
	wait_s = wait_after(input, attempt);
	known_forget(key);
	note_fault(input, CHANGE_WAIT, attempt, wait_s, &fault);
	defer_those_behind(key, wait_s, &fault);
	defer_rows_of_key(key, input->rows, input->nrows, clock_us() + wait_s * 1000000);
}
