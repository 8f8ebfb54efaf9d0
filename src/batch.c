/*
 * batch.c
 *		Requests of many records: taken from ready keys, read back by record.
 *
 * A batch owns its rows from batch_take() until each has a verdict.  HubSpot
 * may refuse a batch as a whole for the sake of one record: then it is cut in
 * two, the part that the answer points at first, until the culprit stands
 * alone.  An answer that does not account for a record is no success: what it
 * leaves open is sent again.
 *
 * Memory: each batch in a context of its own, a child of "hubspot work".
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "hubspot.h"
#include "clock.h"
#include "contacts.h"
#include "record_map.h"
#include "value.h"
#include "work.h"

#define INPUT_MAX_ROWS		1000	/* merged into one record */
#define MAX_SILENT_ANSWERS	3	/* 2xx answers without a word on the only record */
#define MAX_KEYS_LOOKED_AT	400 /* for one with the batch's id property */

/* The messages of the input that is being put together, taken apart. */
static MessageParts input_parts[INPUT_MAX_ROWS];

static const char *const server_dropped =
"the SERVER that this row was queued for does not exist any more";

static Batch *
make_batch(Lane *lane, int max_inputs)
{
	MemoryContext context = AllocSetContextCreate(window.work, "hubspot batch", ALLOCSET_DEFAULT_SIZES);
	Batch	   *batch = MemoryContextAllocZero(context, sizeof(Batch));

	batch->lane = lane;
	batch->context = context;
	batch->inputs = MemoryContextAllocZero(context, sizeof(Input) * max_inputs);
	return batch;
}

/* ---- taking ------------------------------------------------------------------ */

/* End an input: its carrier gets the verdict, the rows merged into it share it. */
static void
end_input(Input *input, AckResult *result)
{
	Row		   *carrier = input->rows[input->nrows - 1];
	Verdict		verdict = result->verdict;

	result->attempt = input->attempts;
	for (int i = 0; i < input->nrows; i++)
	{
		Row		   *row = input->rows[i];

		result->id = row->id;
		result->verdict = row == carrier ? verdict : VERDICT_COALESCED;
		result->merged_into = row == carrier ? 0 : carrier->id;
		result->warnings = row->warnings;
		ack_result(result);
		queue_forget_row(row);
	}
	queue_release_key(input->key);
}

/* A verdict for a row that leaves its key without having been sent. */
static void
end_unsent(Row *row, Verdict verdict, const char *category, const char *message)
{
	AckResult	result = {.id = row->id, .verdict = verdict, .created = -1,
	.category = category, .message = message};

	ack_result(&result);
	queue_forget_row(row);
}

/* Whether a row can be sent; if not, it ends here. */
static bool
is_sendable(Row *row, MessageParts *parts, TimestampTz now)
{
	MessageProblem problem;

	if (row->key->lane->account->dropped)
		end_unsent(row, VERDICT_CANCELLED, "server_dropped", server_dropped);
	else if (row->deadline != 0 && row->deadline < now)
		end_unsent(row, VERDICT_EXPIRED, "expired", "the row's deadline had passed before it could be sent");
	else if (!message_read(row->message, parts, &problem))
		end_unsent(row, VERDICT_REJECTED, "bad_message", problem.message);
	else
		return true;
	return false;
}

/* Move the key's waiting rows into the input; false when none is left to send. */
static bool
take_rows(Input *input, WorkKey *key, TimestampTz now)
{
	input->key = key;
	input->rows = palloc(sizeof(Row *) * 4);
	input->nrows = 0;
	while (!dlist_is_empty(&key->rows) && input->nrows < INPUT_MAX_ROWS)
	{
		Row		   *row = dlist_container(Row, node, dlist_pop_head_node(&key->rows));

		if (!is_sendable(row, &input_parts[input->nrows], now))
			continue;
		if (input->nrows >= 4 && (input->nrows & (input->nrows - 1)) == 0)
			input->rows = repalloc(input->rows, sizeof(Row *) * input->nrows * 2);
		input->rows[input->nrows++] = row;
	}
	return input->nrows > 0;
}

/* Put an input's JSON behind the others. */
static void
append_json(Batch *batch, Input *input)
{
	StringInfo	body = &batch->body;

	if (input != batch->inputs)
		appendStringInfoChar(body, ',');
	snprintf(input->trace, sizeof(input->trace), INT64_FORMAT, input->rows[input->nrows - 1]->id);
	input->offset = body->len;
	contacts_append_input(body, input, input_parts);
	input->len = body->len - input->offset;
	batch->nrows += input->nrows;
	batch->ninputs++;
}

/*
 * The same, for any row: one that raises an error ends as rejected, together
 * with those it was merged with, and keeps nobody else from being sent.
 */
static void
append_input(Batch *batch, Input *input)
{
	int			start = batch->body.len;
	MemoryContext context = CurrentMemoryContext;
	AckResult	result = {.verdict = VERDICT_REJECTED, .created = -1, .category = "mapping_error"};

	PG_TRY();
	{
		append_json(batch, input);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
		batch->body.len = start;
		batch->body.data[start] = '\0';
		result.message = error->message;
		end_input(input, &result);
	}
	PG_END_TRY();
}

static void
begin_body(Batch *batch)
{
	initStringInfo(&batch->body);
	appendStringInfoString(&batch->body, "{\"inputs\":[");
}

static bool
same_property(const WorkKey *a, const WorkKey *b)
{
	return a->property == b->property ||
		(a->property != NULL && b->property != NULL && strcmp(a->property, b->property) == 0);
}

/* Take ready keys, oldest first, as long as they fit into one request. */
static void
fill(Batch *batch, Lane *lane)
{
	TimestampTz now = GetCurrentTimestamp();
	dlist_mutable_iter iter;
	int			looked = 0;

	dlist_foreach_modify(iter, &lane->ready)
	{
		WorkKey    *key = dlist_container(WorkKey, ready, iter.cur);
		Input	   *input = &batch->inputs[batch->ninputs];

		if (batch->ninputs == BATCH_MAX_INPUTS || batch->body.len > BATCH_MAX_BYTES ||
			++looked > MAX_KEYS_LOOKED_AT)
			break;
		if (batch->ninputs > 0 && !same_property(key, batch->inputs[0].key))
			continue;
		dlist_delete(&key->ready);
		key->is_ready = false;
		lane->nready--;
		key->busy = true;
		if (take_rows(input, key, now))
			append_input(batch, input);
		else
			queue_release_key(key);
	}
}

Batch *
batch_take(Lane *lane)
{
	Batch	   *batch = make_batch(lane, BATCH_MAX_INPUTS);
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	begin_body(batch);
	fill(batch, lane);
	appendStringInfoString(&batch->body, "]}");
	MemoryContextSwitchTo(old);
	if (batch->ninputs > 0)
		return batch;
	MemoryContextDelete(batch->context);
	return NULL;
}

/* ---- again -------------------------------------------------------------------- */

void
batch_again(Batch *batch)
{
	dlist_push_tail(&batch->lane->again, &batch->node);
}

Batch *
batch_take_again(Lane *lane)
{
	if (dlist_is_empty(&lane->again))
		return NULL;
	return dlist_container(Batch, node, dlist_pop_head_node(&lane->again));
}

/*
 * A batch of those inputs whose flag is set, to be sent before anything else.
 * The rows change hands; the JSON is copied.
 */
static void
split_off(Batch *batch, const bool *chosen)
{
	Batch	   *part = make_batch(batch->lane, batch->ninputs);
	MemoryContext old = MemoryContextSwitchTo(part->context);

	begin_body(part);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &part->inputs[part->ninputs];

		if (!chosen[i])
			continue;
		if (part->ninputs > 0)
			appendStringInfoChar(&part->body, ',');
		*input = batch->inputs[i];
		input->offset = part->body.len;
		appendBinaryStringInfo(&part->body, batch->body.data + batch->inputs[i].offset, input->len);
		input->rows = palloc(sizeof(Row *) * input->nrows);
		memcpy(input->rows, batch->inputs[i].rows, sizeof(Row *) * input->nrows);
		for (int j = 0; j < input->nrows; j++)
			if (input->rows[j]->warnings != NULL)
				input->rows[j]->warnings = pstrdup(input->rows[j]->warnings);
		part->nrows += input->nrows;
		part->ninputs++;
	}
	appendStringInfoString(&part->body, "]}");
	MemoryContextSwitchTo(old);
	if (part->ninputs > 0)
		dlist_push_head(&batch->lane->again, &part->node);
	else
		MemoryContextDelete(part->context);
}

/* ---- verdicts ------------------------------------------------------------------- */

static void
end_confirmed(Batch *batch, Input *input, const ReplyResult *confirmed, int status,
			  AckRequest *request)
{
	AckResult	result = {.verdict = VERDICT_DELIVERED, .request = request,
	.http_status = status, .created = -1};

	if (confirmed != NULL)
	{
		result.record_id = confirmed->id;
		result.created = confirmed->created;
		if (confirmed->id != NULL)
			record_map_add(batch->lane->account->server, OBJECT_IS_CONTACT,
						   contacts_id_property(input->key), input->key->key, confirmed->id,
						   confirmed->created == 1, clock_us());
	}
	end_input(input, &result);
}

static void
end_rejected(Input *input, Verdict verdict, const char *category, const char *message,
			 int status, AckRequest *request)
{
	AckResult	result = {.verdict = verdict, .request = request, .http_status = status,
	.created = -1, .category = value_from_utf8(category), .message = value_from_utf8(message)};

	end_input(input, &result);
}

/* What an error of one record is called: its code says more than its category. */
static const char *
category_of(const ReplyError *error)
{
	return error->code != NULL ? error->code : error->category;
}

static bool
input_has_property(const Batch *batch, const Input *input, const char *property)
{
	char		member[128];
	int			len = snprintf(member, sizeof(member), "\"%s\":", property);

	return len < sizeof(member) &&
		memmem(batch->body.data + input->offset, input->len, member, len) != NULL;
}

/*
 * The batch got an answer of no use as a whole: the inputs that its answer points at
 * (by key, by property) are tried apart from the rest, else the batch is halved.
 */
static void
bisect(Batch *batch, const Reply *reply)
{
	const char *property = reply_named_property(reply);
	bool	   *named = palloc0(sizeof(bool) * batch->ninputs);
	int			nnamed = 0;

	for (int i = 0; i < batch->ninputs; i++)
		if ((named[i] = reply_names(reply, batch->inputs[i].key->key)))
			nnamed++;
	if (nnamed == 0 && property != NULL)
		for (int i = 0; i < batch->ninputs; i++)
			if ((named[i] = input_has_property(batch, &batch->inputs[i], property)))
				nnamed++;
	if (nnamed == 0 || nnamed == batch->ninputs)
		for (int i = 0; i < batch->ninputs; i++)
			named[i] = i < batch->ninputs / 2;

	/* pushed to the front: what is pushed last goes first */
	for (int i = 0; i < batch->ninputs; i++)
		named[i] = !named[i];
	split_off(batch, named);
	for (int i = 0; i < batch->ninputs; i++)
		named[i] = !named[i];
	split_off(batch, named);
	pfree(named);
}

/*
 * HubSpot accepted the request: look at each record.  Inputs that the answer
 * leaves open go into a batch of their own.
 */
static void
read_records(Batch *batch, const Reply *reply, AckRequest *request)
{
	ReplyInput *matched = palloc0(sizeof(ReplyInput) * batch->ninputs);
	bool	   *open = palloc0(sizeof(bool) * batch->ninputs);
	int			nopen = 0;

	for (int i = 0; i < batch->ninputs; i++)
	{
		matched[i].trace = batch->inputs[i].trace;
		matched[i].key = batch->inputs[i].key->key;
	}
	reply_match(reply, contacts_id_property(batch->inputs[0].key), matched, batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];

		if (matched[i].outcome == REPLY_CONFIRMED)
			end_confirmed(batch, input, matched[i].result, reply->status, request);
		else if (matched[i].outcome == REPLY_FAILED)
			end_rejected(input, VERDICT_REJECTED, category_of(matched[i].error),
						 matched[i].error->message, reply->status, request);
		else
		{
			open[i] = true;
			nopen++;
		}
	}
	if (nopen == batch->ninputs && ++batch->attempts >= MAX_SILENT_ANSWERS && nopen == 1)
		end_rejected(&batch->inputs[0], VERDICT_DEAD, "not_confirmed",
					 "HubSpot answered with success but did not say anything about this record",
					 reply->status, request);
	else if (nopen == batch->ninputs && batch->attempts >= MAX_SILENT_ANSWERS)
		bisect(batch, reply);
	else if (nopen > 0)
	{
		int			attempts = batch->attempts;

		lane_event(&batch->lane->status, EVENT_UNAVAILABLE,
				   "it answered with success but left records out", 0);
		split_off(batch, open);
		dlist_head_element(Batch, node, &batch->lane->again)->attempts = attempts;
	}
	pfree(open);
	pfree(matched);
}

void
batch_cancel(Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		end_rejected(&batch->inputs[i], VERDICT_CANCELLED, "server_dropped", server_dropped, 0, NULL);
	MemoryContextDelete(batch->context);
}

void
batch_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	for (int i = 0; i < batch->ninputs; i++)
		batch->inputs[i].attempts++;

	if (reply->class == REPLY_RECORDS)
		read_records(batch, reply, request);
	else if (batch->ninputs > 1)
		bisect(batch, reply);
	else
		end_rejected(&batch->inputs[0], VERDICT_REJECTED,
					 reply->error.code != NULL ? reply->error.code : reply->category,
					 reply->message, reply->status, request);
	MemoryContextDelete(batch->context);
}
