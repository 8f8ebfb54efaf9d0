/*
 * batch.c
 *		Requests of many records: taken from ready keys, put together.
 *
 * A batch owns its rows from batch_take() until each has a verdict
 * (batch_end.c) or is sent again (batch_again.c).  An answer that does not account for
 * a record is no success: what it leaves open is sent again.
 *
 * Memory: each batch in a context of its own, a child of "hubspot work".
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "cluster/suspect.h"
#include "queue/accounts.h"
#include "request/await_creation.h"
#include "request/batch.h"
#include "request/batch_build.h"
#include "request/narrow.h"
#include "request/schema_sync.h"
#include "text/value.h"
#include "wait/defer.h"

#define INPUT_MAX_ROWS		1000	/* merged into one record */
#define MAX_LOOKED_AT		4	/* keys for each input, for one with the batch's id property */

/* The messages of the input that is being put together, taken apart. */
static MessageParts input_parts[INPUT_MAX_ROWS];

Batch *
batch_make(Lane *lane, const RequestKind *kind, int max_inputs)
{
	MemoryContext context =
	AllocSetContextCreate(WorkerContext, "hubspot batch", ALLOCSET_DEFAULT_SIZES);
	Batch	   *batch = MemoryContextAllocZero(context, sizeof(Batch));

	Assert(kind->repeat != REPEAT_UNSTATED);
	Assert(kind->repeat != REPEAT_DOUBLES || kind->settle != NULL);
	batch->lane = lane;
	batch->kind = kind;
	batch->path = kind->path;
	batch->type = kind->type != NULL ? kind->type : &object_types[lane->family];
	batch->context = context;
	batch->inputs = MemoryContextAllocZero(context, sizeof(Input) * max_inputs);
	return batch;
}

/* ---- taking ------------------------------------------------------------------ */

/* Whether a row can be sent; if not, it ends here. */
static bool
is_sendable(Row *row, MessageParts *parts, TimestampTz now)
{
	MessageProblem problem;
	const char *category;
	const char *why;

	if (suspect_is_held(SUSPECT_ROW, row->id))
		batch_end_unsent(row, VERDICT_REJECTED, SUSPECT_CATEGORY, SUSPECT_REASON("this row"));
	else if (row->key->lane->account->dropped)
		batch_end_unsent(row, admit_server_dropped.verdict, admit_server_dropped.category,
						 admit_server_dropped.message);
	else if (row->deadline != 0 && row->deadline < now)
		batch_end_unsent(row, VERDICT_EXPIRED, "expired", batch_too_late);
	else if (!message_read(row->message, parts, &problem))
		batch_end_unsent(row, VERDICT_REJECTED, "bad_message", problem.message);
	else if (!row->key->lane->work->check(row, parts, &category, &why))
		batch_end_unsent(row, VERDICT_REJECTED, category, why);
	else
		return true;
	return false;
}

/* Move the key's waiting rows into the input; false when none is left to send. */
static bool
take_rows(Input *input, WorkKey *key, int limit, TimestampTz now)
{
	const FamilyWork *family = key->lane->work;

	memset(input, 0, sizeof(*input));
	input->key = key;
	input->created = -1;
	input->rows = palloc(sizeof(Row *) * 4);
	while (key_has_rows(key) && input->nrows < limit)
	{
		Row		   *row = key_head(key);
		Suspect		outer;
		bool		sendable;

		if (input->nrows > 0 &&
			(row->begins || (family->joins != NULL && !family->joins(input->rows[0], row))))
			break;
		if (!queue_may_go(key->lane, row->looked_at))
			break;
		outer = suspect_begin(SUSPECT_ROW, row->id);
		sendable = is_sendable(row, &input_parts[input->nrows], now);
		suspect_end(outer);
		if (!sendable)
		{
			/* what kind_of() said was of the row that has just ended */
			if (input->nrows == 0 && family->kind_of != NULL)
				break;
			continue;
		}
		key_take_row(row, input->nrows == 0);
		if (input->nrows >= 4 && (input->nrows & (input->nrows - 1)) == 0)
			input->rows = repalloc(input->rows, sizeof(Row *) * input->nrows * 2);
		input->rows[input->nrows++] = row;
	}
	return input->nrows > 0;
}

/* Inputs stand in an array, with commas between those that say something. */
void
batch_append_comma(Batch *batch)
{
	if (batch->kind->is_list && batch->ninputs > 0)
		appendStringInfoChar(&batch->body, ',');
}

BuildResult
batch_append_nothing(Batch *batch, Input *input, const MessageParts *parts)
{
	return BUILD_DONE;
}

/* Put an input's JSON behind the others. */
BuildResult
batch_append_json(Batch *batch, Input *input)
{
	StringInfo	body = &batch->body;
	int			start = body->len;
	BuildResult result;

	batch_append_comma(batch);
	(void) pg_lltoa(input->rows[input->nrows - 1]->id, input->trace);
	input->offset = body->len;
	result = batch->kind->append_input(batch, input, input_parts);
	if (result != BUILD_DONE)
		return result;
	batch_warn_of_addresses(input, input_parts);
	input->len = body->len - input->offset;
	if (input->len == 0)
		body->len = start;
	batch->nrows += input->nrows;
	batch->ninputs++;
	return BUILD_DONE;
}

/*
 * The same, for any row: one that raises an error ends as rejected, and keeps nobody else from
 * being sent.  is_first: nothing of the input has been sent since its rows were taken.
 */
BuildResult
batch_append_input(Batch *batch, Input *input, bool is_first)
{
	int			start = batch->body.len;
	MemoryContext context = CurrentMemoryContext;
	volatile BuildResult built = BUILD_DONE;
	volatile Suspect outer = suspect_begin(SUSPECT_ROW, input->rows[input->nrows - 1]->id);

	PG_TRY();
	{
		built = batch_append_json(batch, input);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();

		/* No fault of the row: another time it fits. */
		if (error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
		batch->body.len = start;
		batch->body.data[start] = '\0';
		batch_refuse_rows(input, "mapping_error", error->message, 0, NULL, false);
	}
	PG_END_TRY();
	suspect_end(outer);

	/* What the row has written before it was put aside is no part of the request. */
	if (built != BUILD_DONE)
	{
		batch->body.len = start;
		batch->body.data[start] = '\0';
	}
	if (built == BUILD_WAIT)
	{
		(is_first ? batch_put_back_unsent : batch_put_back) (input->key, input->rows, input->nrows);
		if (input->awaits != NULL)
			await_creation_send_away(input->key, input->awaits);
	}
	else if (built == BUILD_UNCHANGED)
		batch_end_input(input, input->unsent);
	return built;
}

void
batch_begin_body(Batch *batch)
{
	initStringInfo(&batch->body);
	if (batch->kind->begin_body != NULL)
		batch->kind->begin_body(batch);
	else if (batch->kind->is_list)
		appendStringInfoString(&batch->body, "{\"inputs\":[");
}

void
batch_end_body(Batch *batch)
{
	if (batch->kind->end_body != NULL)
		batch->kind->end_body(batch);
	else if (batch->kind->is_list)
		appendStringInfoString(&batch->body, "]}");
}

static bool
same_property(const WorkKey *a, const WorkKey *b)
{
	return a->property == b->property ||
		(a->property != NULL && b->property != NULL && strcmp(a->property, b->property) == 0);
}

/* Whether the record of a key stands in the batch already. */
bool
batch_has_record(const Batch *batch, const WorkKey *key)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(batch->inputs[i].key->record_id, key->record_id) == 0)
			return true;
	return false;
}

/* Whether a key may stand beside the inputs there are. */
static bool
fits(const Batch *batch, const WorkKey *key)
{
	const RequestKind *kind = batch->kind;

	if (kind->one_property && batch->ninputs > 0 && !same_property(key, batch->inputs[0].key))
		return false;
	if (kind->fits != NULL && batch->ninputs > 0 && !kind->fits(batch, key))
		return false;
	return !kind->by_record || !batch_has_record(batch, key);
}

/* Rows of a key that the next input may have. */
static int
row_limit(const Batch *batch, const WorkKey *key)
{
	const RequestKind *kind = batch->kind;
	int			limit = kind->counts_rows ? kind->max_rows - batch->nrows : kind->max_rows;
	int			at_once = narrow_limit(key);

	return at_once > 0 ? Min(at_once, limit) : limit;
}

static bool
is_full(const Batch *batch)
{
	return batch->ninputs == batch->kind->max_inputs ||
		batch->body.len > BATCH_MAX_BYTES;
}

/* What a ready key needs; rows of a dropped SERVER need none, and end when they are taken. */
static const RequestKind *
kind_of(WorkKey *key)
{
	const FamilyWork *family = key->lane->work;

	return family->kind_of == NULL || key->lane->account->dropped
		? family->kind : family->kind_of(key);
}

/*
 * Take ready keys, oldest first, as long as they fit into one request.  Returns whether more may
 * come beside them.
 */
static bool
fill_from(Batch *batch, dlist_head *keys)
{
	TimestampTz now = GetCurrentTimestamp();
	dlist_mutable_iter iter;
	int			looked = 0;
	bool		suspect;
	bool		alone;

	dlist_foreach_modify(iter, keys)
	{
		WorkKey    *key = dlist_container(WorkKey, stand.node, iter.cur);
		Input	   *input = &batch->inputs[batch->ninputs];

		if (is_full(batch) || row_limit(batch, key) <= 0 ||
			++looked > batch->kind->max_inputs * MAX_LOOKED_AT)
			break;
		/* those behind it were not looked at either */
		if (!queue_may_go(key->lane, key_head(key)->looked_at))
			break;
		if (kind_of(key) != batch->kind || !fits(batch, key))
			continue;
		suspect = key_head(key)->is_suspect;
		alone = suspect || narrow_is_alone(key);

		/* Beside others, a row that made a request fail would be proof of nothing again. */
		if (alone && batch->ninputs > 0)
			continue;

		/*
		 * Before its rows are taken: whatever ends or puts back a row from here on finds a key
		 * that is in a batch.
		 */
		key_set_state(key, KEY_IN_BATCH, wait_for_nothing());
		if (!take_rows(input, key, row_limit(batch, key), now))
			queue_release_key(key);
		else if (batch_append_input(batch, input, true) == BUILD_WAIT)
		{
			if (key_is_ready(key))
				break;
		}
		else if (alone && batch->ninputs > 0)
		{
			batch->is_suspect = suspect;
			batch->met_at = suspect ? key->met_at : 0;
			return false;
		}
	}
	return true;
}

/* A live batch is filled up with what would go next. */
static void
fill(Batch *batch, Lane *lane)
{
	for (int i = KEY_READY; i <= KEY_READY_BACKFILL; i++)
		if (!fill_from(batch, &lane->keys.in[i]))
			break;
}

static bool
may_use(const RequestKind *kind, int busy_meters)
{
	return kind->meter == METER_NONE || (busy_meters & (1 << kind->meter)) == 0;
}

/*
 * Whether a batch has met trouble, and nothing has gone well since that would
 * tell whose trouble it is.  Parts of one that was at fault are looked into
 * without asking again, but for a single record, whose rows would pay for it.
 */
bool
batch_is_in_doubt(const Batch *batch)
{
	return batch->is_suspect && batch->met_at == batch->lane->successes &&
		!(batch->is_blamed && batch->ninputs > 1);
}

/* What has begun is finished, whoever is suppressed meanwhile. */
static bool
may_go_again(const Batch *batch)
{
	return batch->kind->finishes || queue_may_go(batch->lane, batch->looked_at);
}

/*
 * The first batch to be sent as it is whose meter is free; those in doubt are
 * the last resort.  Of a paused lane, one that finishes what has begun.
 */
static Batch *
first_again(Lane *lane, bool paused, int busy_meters, bool in_doubt)
{
	dlist_iter	iter;

	dlist_foreach(iter, &lane->again)
	{
		Batch	   *batch = dlist_container(Batch, node, iter.cur);

		if (may_use(batch->kind, busy_meters) && batch_is_in_doubt(batch) == in_doubt &&
			(!paused || batch->kind->finishes) && may_go_again(batch))
			return batch;
	}
	return NULL;
}

const RequestKind *
batch_next_kind(Lane *lane, int busy_meters)
{
	bool		paused = accounts_is_paused(lane);
	const Batch *batch = first_again(lane, paused, busy_meters, false);
	dlist_mutable_iter iter;

	if (batch != NULL)
		return batch->kind;
	for (int i = KEY_READY; i <= KEY_READY_BACKFILL && !paused; i++)
		dlist_foreach_modify(iter, &lane->keys.in[i])
	{
		WorkKey    *key = dlist_container(WorkKey, stand.node, iter.cur);
		const RequestKind *kind;

		if (!queue_may_go(lane, key_head(key)->looked_at))
			break;
		kind = kind_of(key);
		if (kind != NULL && may_use(kind, busy_meters))
			return kind;
	}
	batch = first_again(lane, paused, busy_meters, true);
	return batch == NULL ? NULL : batch->kind;
}

static int64 built;				/* batches of ready keys since the start */
static int64 built_us;			/* and the time that they took */

static Batch *
take_ready(Lane *lane, const RequestKind *kind)
{
	int64		start = clock_us();
	Batch	   *batch = batch_make(lane, kind, kind->max_inputs);
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	batch->looked_at = window.look;
	batch_begin_body(batch);
	fill(batch, lane);
	batch_end_body(batch);
	MemoryContextSwitchTo(old);
	built += batch->ninputs > 0;
	built_us += clock_us() - start;
	if (batch->ninputs > 0)
		return batch;
	MemoryContextDelete(batch->context);
	return NULL;
}

void
batch_tell(void)
{
	elog(DEBUG1, "building " INT64_FORMAT " requests took " INT64_FORMAT " us", built, built_us);
}

/* The first batch of a kind that is to be sent as it is. */
static Batch *
take_again(Lane *lane, const RequestKind *kind, bool in_doubt)
{
	dlist_iter	iter;

	dlist_foreach(iter, &lane->again)
	{
		Batch	   *batch = dlist_container(Batch, node, iter.cur);

		if (batch->kind == kind && batch_is_in_doubt(batch) == in_doubt && may_go_again(batch))
		{
			dlist_delete(&batch->node);
			return batch;
		}
	}
	return NULL;
}

Batch *
batch_take(Lane *lane, const RequestKind *kind)
{
	Batch	   *batch = take_again(lane, kind, false);

	if (batch == NULL)
		batch = take_ready(lane, kind);
	return batch != NULL ? batch : take_again(lane, kind, true);
}

/* Take the messages of an input's rows apart; they have been read before. */
void
batch_read_parts(const Input *input)
{
	MessageProblem problem;

	for (int i = 0; i < input->nrows; i++)
		if (!message_read(input->rows[i]->message, &input_parts[i], &problem))
			elog(ERROR, "outbox row " INT64_FORMAT " is unreadable: %s", input->rows[i]->id,
				 problem.message);
}

/* ---- the end of a lane, of a batch ------------------------------------------------ */

static void
bring_all_back(dlist_head *list)
{
	while (!dlist_is_empty(list))
		queue_bring_back(dlist_head_element(WorkKey, stand.node, list));
}

/* Rows in hubspot.deferred, whether their time has come or not. */
static void
cancel_deferred(dlist_head *keys)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, keys)
		defer_end_key(dlist_container(WorkKey, stand.node, iter.cur), PG_INT64_MAX,
					  admit_server_dropped.verdict, admit_server_dropped.category,
					  admit_server_dropped.message);
}

/* Rows that wait for those of another lane come back when these have been cancelled. */
void
batch_cancel_lane(Lane *lane)
{
	while (!dlist_is_empty(&lane->again))
	{
		Batch	   *batch = dlist_container(Batch, node, dlist_pop_head_node(&lane->again));

		for (int i = 0; i < batch->ninputs; i++)
			batch_reject(&batch->inputs[i], admit_server_dropped.verdict,
						 admit_server_dropped.category, admit_server_dropped.message, 0, NULL);
		MemoryContextDelete(batch->context);
	}
	/* the last row of a deferred key that ends recalls it */
	cancel_deferred(&lane->keys.in[KEY_DEFERRED]);
	cancel_deferred(&lane->keys.in[KEY_RECALLED]);
	cancel_deferred(&lane->keys.in[KEY_IS_ASKED]);
	bring_all_back(&lane->keys.in[KEY_RECALLED]);
	bring_all_back(&lane->keys.in[KEY_IS_ASKED]);
	bring_all_back(&lane->keys.in[KEY_ASKS]);
	bring_all_back(&lane->keys.in[KEY_WAITS_TIME]);
	bring_all_back(&lane->keys.in[KEY_WAITS_USER_ID]);
	bring_all_back(&lane->keys.behind);
	while (lane->keys.nready > 0 && take_ready(lane, lane->work->kind) == NULL)
		;
}

void
batch_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	for (int i = 0; i < batch->ninputs; i++)
		batch->inputs[i].attempts++;
	batch->kind->answered(batch, reply, request);
	MemoryContextDelete(batch->context);
}
