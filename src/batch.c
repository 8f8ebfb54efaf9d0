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
#include "schema_sync.h"
#include "value.h"
#include "work.h"

#define INPUT_MAX_ROWS		1000	/* merged into one record */
#define MAX_LOOKED_AT		4	/* keys for each input, for one with the batch's id property */

/* The messages of the input that is being put together, taken apart. */
static MessageParts input_parts[INPUT_MAX_ROWS];

static const FamilyWork *const families[FAMILY_COUNT] = {
	[FAMILY_CONTACTS] = &contacts_work,
	[FAMILY_EVENTS] = &events_work,
	[FAMILY_FORMS] = &forms_work,
	[FAMILY_SCHEMA] = &schema_work,
};

const FamilyWork *
batch_family(LaneFamily family)
{
	return families[family];
}

static const char *const server_dropped =
"the SERVER that this row was queued for does not exist any more";

static Batch *
make_batch(Lane *lane, int max_inputs)
{
	MemoryContext context = AllocSetContextCreate(window.work, "hubspot batch", ALLOCSET_DEFAULT_SIZES);
	Batch	   *batch = MemoryContextAllocZero(context, sizeof(Batch));

	batch->lane = lane;
	batch->path = families[lane->family]->path;
	batch->context = context;
	batch->inputs = MemoryContextAllocZero(context, sizeof(Input) * max_inputs);
	return batch;
}

/* ---- taking ------------------------------------------------------------------ */

/* End an input: its carrier gets the verdict, the rows merged into it share it. */
void
batch_end_input(Input *input, AckResult *result)
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
	const char *category;
	const char *why;

	if (row->key->lane->account->dropped)
		end_unsent(row, VERDICT_CANCELLED, "server_dropped", server_dropped);
	else if (row->deadline != 0 && row->deadline < now)
		end_unsent(row, VERDICT_EXPIRED, "expired", "the row's deadline had passed before it could be sent");
	else if (!message_read(row->message, parts, &problem))
		end_unsent(row, VERDICT_REJECTED, "bad_message", problem.message);
	else if (!families[row->key->lane->family]->check(row, parts, &category, &why))
		end_unsent(row, VERDICT_REJECTED, category, why);
	else
		return true;
	return false;
}

/* Move the key's waiting rows into the input; false when none is left to send. */
static bool
take_rows(Input *input, WorkKey *key, int limit, TimestampTz now)
{
	input->key = key;
	input->rows = palloc(sizeof(Row *) * 4);
	input->nrows = 0;
	while (!dlist_is_empty(&key->rows) && input->nrows < limit)
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
static BuildResult
append_json(Batch *batch, Input *input)
{
	StringInfo	body = &batch->body;

	if (input != batch->inputs)
		appendStringInfoChar(body, ',');
	snprintf(input->trace, sizeof(input->trace), INT64_FORMAT, input->rows[input->nrows - 1]->id);
	input->offset = body->len;
	if (families[batch->lane->family]->append_input(batch, input, input_parts) == BUILD_WAIT)
		return BUILD_WAIT;
	input->len = body->len - input->offset;
	batch->nrows += input->nrows;
	batch->ninputs++;
	return BUILD_DONE;
}

/*
 * The same, for any row: one that raises an error ends as rejected, together
 * with those it was merged with, and keeps nobody else from being sent.
 */
static BuildResult
append_input(Batch *batch, Input *input)
{
	int			start = batch->body.len;
	MemoryContext context = CurrentMemoryContext;
	AckResult	result = {.verdict = VERDICT_REJECTED, .created = -1, .category = "mapping_error"};
	volatile BuildResult built = BUILD_DONE;

	PG_TRY();
	{
		built = append_json(batch, input);
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
		batch_end_input(input, &result);
	}
	PG_END_TRY();
	if (built == BUILD_WAIT)
	{
		batch->body.len = start;
		batch->body.data[start] = '\0';
		queue_put_back(input->key, input->rows, input->nrows);
	}
	return built;
}

static void
begin_body(Batch *batch)
{
	initStringInfo(&batch->body);
	if (families[batch->lane->family]->is_list)
		appendStringInfoString(&batch->body, "{\"inputs\":[");
}

static void
end_body(Batch *batch)
{
	if (families[batch->lane->family]->is_list)
		appendStringInfoString(&batch->body, "]}");
}

static bool
same_property(const WorkKey *a, const WorkKey *b)
{
	return a->property == b->property ||
		(a->property != NULL && b->property != NULL && strcmp(a->property, b->property) == 0);
}

/* Rows of a key that the next input may have. */
static int
row_limit(const Batch *batch, const WorkKey *key)
{
	const FamilyWork *family = families[key->lane->family];
	int			limit = family->counts_rows ? family->max_rows - batch->nrows : family->max_rows;

	return key->chunk > 0 ? Min(key->chunk, limit) : limit;
}

/* Take ready keys, oldest first, as long as they fit into one request. */
static void
fill(Batch *batch, Lane *lane)
{
	const FamilyWork *family = families[lane->family];
	TimestampTz now = GetCurrentTimestamp();
	dlist_mutable_iter iter;
	int			looked = 0;

	dlist_foreach_modify(iter, &lane->ready)
	{
		WorkKey    *key = dlist_container(WorkKey, ready, iter.cur);
		Input	   *input = &batch->inputs[batch->ninputs];

		if (batch->ninputs == family->max_inputs || row_limit(batch, key) <= 0 || batch->body.len > BATCH_MAX_BYTES ||
			++looked > family->max_inputs * MAX_LOOKED_AT)
			break;
		if (family->wants_request != NULL && !family->wants_request(key))
			continue;
		if (!family->counts_rows && batch->ninputs > 0 && !same_property(key, batch->inputs[0].key))
			continue;
		dlist_delete(&key->ready);
		key->is_ready = false;
		lane->nready--;
		key->busy = true;
		if (!take_rows(input, key, row_limit(batch, key), now))
			queue_release_key(key);
		else if (append_input(batch, input) == BUILD_WAIT)
			break;
	}
}

Batch *
batch_take(Lane *lane)
{
	Batch	   *batch = make_batch(lane, families[lane->family]->max_inputs);
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	begin_body(batch);
	fill(batch, lane);
	end_body(batch);
	MemoryContextSwitchTo(old);
	if (batch->ninputs > 0)
		return batch;
	MemoryContextDelete(batch->context);
	return NULL;
}

/* ---- rows that are not merged ---- */

void
batch_end_row(Input *input, Row *row, AckResult *result)
{
	result->id = row->id;
	result->attempt = input->attempts;
	result->warnings = row->warnings;
	ack_result(result);
	queue_forget_row(row);
}

void
batch_end_rows(Input *input, AckResult *result)
{
	for (int i = 0; i < input->nrows; i++)
		batch_end_row(input, input->rows[i], result);
	queue_release_key(input->key);
}

void
batch_was_lost(Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		for (int j = 0; j < batch->inputs[i].nrows; j++)
			batch->inputs[i].rows[j]->lost = true;
}

/* ---- again -------------------------------------------------------------------- */

void
batch_again(Batch *batch)
{
	dlist_push_tail(&batch->lane->again, &batch->node);
}

void
batch_free(Batch *batch)
{
	MemoryContextDelete(batch->context);
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
void
batch_split_off(Batch *batch, const bool *chosen)
{
	Batch	   *part = make_batch(batch->lane, batch->ninputs);
	MemoryContext old = MemoryContextSwitchTo(part->context);

	part->path = batch->path;
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
	end_body(part);
	MemoryContextSwitchTo(old);
	if (part->ninputs > 0)
		dlist_push_head(&batch->lane->again, &part->node);
	else
		MemoryContextDelete(part->context);
}

/* ---- verdicts ------------------------------------------------------------------- */

void
batch_reject(Input *input, Verdict verdict, const char *category, const char *message,
			 int status, AckRequest *request)
{
	AckResult	result = {.verdict = verdict, .request = request, .http_status = status,
	.created = -1, .category = value_from_utf8(category), .message = value_from_utf8(message)};

	batch_end_input(input, &result);
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
void
batch_bisect(Batch *batch, const Reply *reply)
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
	batch_split_off(batch, named);
	for (int i = 0; i < batch->ninputs; i++)
		named[i] = !named[i];
	batch_split_off(batch, named);
	pfree(named);
}

void
batch_cancel(Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		batch_reject(&batch->inputs[i], VERDICT_CANCELLED, "server_dropped", server_dropped, 0, NULL);
	MemoryContextDelete(batch->context);
}

void
batch_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	for (int i = 0; i < batch->ninputs; i++)
		batch->inputs[i].attempts++;
	families[batch->lane->family]->answered(batch, reply, request);
	MemoryContextDelete(batch->context);
}
