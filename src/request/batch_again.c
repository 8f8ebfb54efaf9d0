/*
 * batch_again.c
 *		Requests that are sent again: as they are, in parts, or on to another kind.
 *
 * HubSpot may refuse a batch as a whole, or stumble over it, for the sake of
 * one record: then it is cut in two, the part that the answer points at first, until the
 * culprit stands alone.  A refusal says so itself; trouble (no answer, 5xx)
 * is the batch's own only if the rest of the lane goes well meanwhile.
 *
 * Memory: each batch in a context of its own, a child of "hubspot work".
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/hubspot.h"
#include "admit/begun.h"
#include "queue/accounts.h"
#include "request/batch_build.h"
#include "request/fault.h"
#include "request/unchanged.h"
#include "wait/defer.h"

#define MAX_SILENT_ANSWERS	3	/* 2xx answers without a word on the only record */

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

static bool
has_row(const Batch *batch, RowTest test, const void *arg)
{
	for (int i = 0; i < batch->ninputs; i++)
		for (int j = 0; j < batch->inputs[i].nrows; j++)
			if (test(batch->inputs[i].rows[j], arg))
				return true;
	return false;
}

static void
dissolve(Lane *lane, RowTest test, const void *arg)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &lane->again)
	{
		Batch	   *batch = dlist_container(Batch, node, iter.cur);

		if (batch->kind->finishes || !has_row(batch, test, arg))
			continue;
		dlist_delete(&batch->node);
		for (int i = 0; i < batch->ninputs; i++)
			batch_put_back(batch->inputs[i].key, batch->inputs[i].rows, batch->inputs[i].nrows);
		batch_free(batch);
	}
}

void
batch_dissolve(RowTest test, const void *arg)
{
	foreach_lane(lane)
	{
		dissolve(lane, test, arg);
	}
}

/* Hand an input of one batch to another, with all that it knows but its JSON. */
static Input *
move_input(Batch *part, const Input *from)
{
	Input	   *input = &part->inputs[part->ninputs];

	*input = *from;
	input->rows = palloc(sizeof(Row *) * input->nrows);
	memcpy(input->rows, from->rows, sizeof(Row *) * input->nrows);
	for (int i = 0; i < input->nrows; i++)
		if (input->rows[i]->warnings != NULL)
			input->rows[i]->warnings = pstrdup(input->rows[i]->warnings);
	input->onward = NULL;
	input->written = unchanged_copy(from->written);
	input->stage = from->stage != NULL ? pstrdup(from->stage) : NULL;
	input->alias = from->alias != NULL ? pstrdup(from->alias) : NULL;
	input->adoptee = from->adoptee != NULL ? pstrdup(from->adoptee) : NULL;
	input->contact = from->contact != NULL ? pstrdup(from->contact) : NULL;
	input->employers = from->employers != NULL ? pstrdup(from->employers) : NULL;
	input->lacks = from->lacks != NULL ? pstrdup(from->lacks) : NULL;
	input->category = from->category != NULL ? pstrdup(from->category) : NULL;
	input->message = from->message != NULL ? pstrdup(from->message) : NULL;
	return input;
}

/* A batch that goes before all others of its lane, unless it is empty. */
static Batch *
push(Batch *part)
{
	if (part->ninputs > 0)
	{
		dlist_push_head(&part->lane->again, &part->node);
		return part;
	}
	MemoryContextDelete(part->context);
	return NULL;
}

/*
 * A batch of those inputs whose flag is set, to be sent before anything else.
 * The rows change hands; the JSON is copied.
 */
void
batch_split_off(Batch *batch, const bool *chosen)
{
	Batch	   *part = batch_make(batch->lane, batch->kind, batch->ninputs);
	MemoryContext old = MemoryContextSwitchTo(part->context);

	part->path = batch->path;
	part->type = batch->type;
	/* what was met, and what is known of whose fault it was, holds for the part */
	part->is_suspect = batch->is_suspect;
	part->is_blamed = batch->is_blamed;
	part->met_at = batch->is_blamed ? batch->met_at : batch->lane->successes;
	part->is_stray = batch->is_stray;
	part->worked_at = batch->worked_at;
	batch_begin_body(part);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input;

		if (!chosen[i])
			continue;
		input = move_input(part, &batch->inputs[i]);
		if (part->kind->shares)
		{
			batch_read_parts(input);
			(void) batch_append_json(part, input);
			continue;
		}
		batch_append_comma(part);
		input->offset = part->body.len;
		appendBinaryStringInfo(&part->body, batch->body.data + batch->inputs[i].offset, input->len);
		part->nrows += input->nrows;
		part->ninputs++;
	}
	batch_end_body(part);
	MemoryContextSwitchTo(old);
	(void) push(part);
}

Batch *
batch_follow(Batch *batch, const bool *chosen, const RequestKind *kind)
{
	Batch	   *part = batch_make(batch->lane, kind, batch->ninputs);
	MemoryContext old = MemoryContextSwitchTo(part->context);

	batch_begin_body(part);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];

		if (!chosen[i])
			continue;
		if (kind->by_record && batch_has_record(part, input->key))
			batch_put_back(input->key, input->rows, input->nrows);
		else
		{
			batch_read_parts(input);
			(void) batch_append_input(part, move_input(part, input), false);
		}
	}
	batch_end_body(part);
	MemoryContextSwitchTo(old);
	return push(part);
}

/* ---- whose records the answer left out ----------------------------------------------- */

/*
 * One answer that says nothing may be an accident.  When it says nothing at all,
 * the lane waits, unless it has worked since this batch was first passed over
 * in silence, or the batch has been so too often: then it is looked into.
 */
void
batch_silent(Batch *batch, const bool *open, const Reply *reply, AckRequest *request)
{
	static const char *const silence =
	"HubSpot answered with success but did not say anything about this record";
	bool		is_known = batch->is_suspect && batch->lane->successes > batch->met_at;
	int			attempts = batch->attempts + 1;
	int			nopen = 0;

	if (open == NULL)
	{
		bool	   *all = palloc(sizeof(bool) * batch->ninputs);

		memset(all, true, sizeof(bool) * batch->ninputs);
		open = all;
	}
	for (int i = 0; i < batch->ninputs; i++)
		nopen += open[i];
	if (nopen == 0)
		return;
	if (nopen == batch->ninputs && (is_known || attempts >= MAX_SILENT_ANSWERS))
	{
		if (nopen > 1)
			batch_bisect(batch, reply);
		else
			fault_input(&batch->inputs[0], DEFER_SILENT, silence, reply->status, request);
		return;
	}

	/* An answer without a word on any record is trouble of the lane, until others of it go well. */
	if (nopen == batch->ninputs)
		lane_event(&batch->lane->status, EVENT_UNAVAILABLE,
				   "it answered with success but left records out", 0);
	batch->is_suspect = true;
	batch_split_off(batch, open);
	dlist_head_element(Batch, node, &batch->lane->again)->attempts = attempts;
}

/* A mark, never sent. */
const RequestKind batch_same;

/*
 * Send the inputs from this one on that go where it goes; an input before it may have
 * sent them already.
 */
static void
follow(Batch *batch, int first, bool *chosen)
{
	const RequestKind *kind = batch->inputs[first].onward;

	for (int i = 0; i < first; i++)
		if (batch->inputs[i].onward == kind)
			return;
	for (int i = 0; i < batch->ninputs; i++)
		chosen[i] = batch->inputs[i].onward == kind;
	(void) batch_follow(batch, chosen, kind);
}

/* What is pushed last goes first: the request of the oldest input. */
void
batch_go_on(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool	   *chosen = palloc0(sizeof(bool) * batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
		chosen[i] = batch->inputs[i].onward == &batch_same;
	batch_silent(batch, chosen, reply, request);
	for (int i = batch->ninputs - 1; i >= 0; i--)
		if (batch->inputs[i].onward != NULL && batch->inputs[i].onward != &batch_same)
			follow(batch, i, chosen);
	pfree(chosen);
}

/* ---- by halves -------------------------------------------------------------------- */

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
batch_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	/* of an object that the account does not have, no part of the request is better than another */
	if (batch->ninputs > 1 && strcmp(reply->category, reply_unknown_object) != 0)
	{
		batch_bisect(batch, reply);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
		batch_reject(&batch->inputs[i], VERDICT_REJECTED, reply_code(reply), reply->message,
					 reply->status, request);
}

/* ---- whose fault ----------------------------------------------------------------- */

bool
batch_is_unproven(const Batch *batch)
{
	return batch->is_suspect && batch->met_at == batch->lane->successes;
}

/*
 * The record alone is at fault.  What the request's line of the log says is
 * more than the answer when there was none.
 */
static void
defer_blamed(Input *input, const Reply *reply, AckRequest *request)
{
	const char *words = request->error != NULL ? request->error : reply->message;

	if (reply->class == REPLY_UNREADABLE)
		fault_input(input, DEFER_UNREADABLE,
					psprintf("HubSpot has probably done what was asked, "
							 "but this server cannot read its answer: %s", words),
					reply->status, request);
	else
		fault_input(input, reply->status == 0 ? "no_answer" : "unavailable", words, reply->status,
					request);
}

static void
blame(Batch *batch, const Reply *reply, AckRequest *request)
{
	/* its parts are judged by what goes well from here on */
	if (!batch->is_blamed)
		batch->met_at = batch->lane->successes;
	batch->is_blamed = true;
	if (batch->ninputs > 1)
		batch_bisect(batch, reply);
	else if (batch->kind->counts_rows && batch->nrows > 1)
		batch_tell_apart(&batch->inputs[0], true);
	else
		defer_blamed(&batch->inputs[0], reply, request);
}

bool
batch_suspect(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool		met_before = batch->is_suspect;

	if (met_before && (!batch_is_in_doubt(batch) || reply->class == REPLY_UNREADABLE))
	{
		blame(batch, reply, request);
		batch_free(batch);
		return true;
	}
	batch->is_suspect = true;
	batch->met_at = batch->lane->successes;
	if (!met_before || batch->lane->keys.nready == 0)
		return false;
	batch_again(batch);
	return true;
}

/* ---- what must not be repeated ---------------------------------------------------- */

/*
 * 503 comes before anything is done; behind other errors of the server, behind what cannot be read,
 * and behind silence, it may have been.
 */
bool
batch_may_be_done(const Reply *reply, bool answered, bool reached)
{
	if (!answered)
		return reached;
	return (reply->class == REPLY_UNAVAILABLE || reply->class == REPLY_UNREADABLE) &&
		reply->status != 503;
}

bool
batch_must_be_noted(Batch *batch)
{
	bool		is_noted = true;

	if (batch->kind->repeat != REPEAT_DOUBLES)
		return false;
	for (int i = 0; i < batch->ninputs; i++)
		for (int j = 0; j < batch->inputs[i].nrows; j++)
		{
			is_noted = is_noted && batch->inputs[i].rows[j]->begun;
			begun_want(batch->inputs[i].rows[j]);
		}
	return !is_noted;
}

void
batch_not_taken(Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		for (int j = 0; j < batch->inputs[i].nrows; j++)
			begun_over(batch->inputs[i].rows[j]);
}

/* ---- whose 404 ------------------------------------------------------------------- */

#define PATH_BIT(path)	((uint32) 1 << (path))
StaticAssertDecl(PATH_COUNT <= 32, "a lane has a bit for each path");

/* HubSpot has the path when it does what was asked, or says why it does not. */
void
batch_learn_path(const Batch *batch, const Reply *reply)
{
	Lane	   *lane = batch->lane;

	if (reply->class != REPLY_RECORDS &&
		(reply->class != REPLY_REFUSED || !reply->is_of_hubspot || reply->status == 404))
		return;
	path_is_right(&lane->account->path_forms, batch->path);
	lane->worked[batch->path]++;
	lane->trusted |= PATH_BIT(batch->path);
	lane->strays = 0;
}

bool
batch_not_found(Batch *batch, Reply *reply, const char *path, AckRequest *request)
{
	Lane	   *lane = batch->lane;
	bool		is_trusted = (lane->trusted & PATH_BIT(batch->path)) != 0;
	bool		is_first = lane->strays++ == 0;

	/* One request says nothing against an address that was right; a second one, in a row, does. */
	bool		others_tell = is_trusted && lane->keys.nready > 0 && is_first;

	if (batch->is_stray && lane->worked[batch->path] > batch->worked_at)
	{
		batch->is_blamed = true;
		reply_settle_not_found(reply);
		batch_answered(batch, reply, request);
		return true;
	}
	if (!others_tell &&
		path_try_other(&lane->account->path_forms, batch->path, lane->account->options, path))
	{
		/* what this form of the path has not, the other may have: the batch is not at fault yet */
		lane->strays = 0;
		batch_again(batch);
		return true;
	}
	batch->is_stray = batch->is_suspect = true;
	batch->worked_at = lane->worked[batch->path];
	batch->met_at = lane->successes;
	if (others_tell)
		batch_again(batch);
	return others_tell;
}
