/*
 * batch_end.c
 *		How rows end: each with one verdict, which ack.c writes.
 *
 * An input's newest row carries it, the rows merged into it share its fate;
 * where rows are not merged each ends by itself.  Called by batch.c and by the
 * families, outside of transactions.  Memory: nothing that stays.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "admit/begun.h"
#include "base/clock.h"
#include "base/verdict.h"
#include "queue/known.h"
#include "request/batch.h"
#include "request/narrow.h"
#include "text/encoding.h"
#include "text/value.h"
#include "wait/defer.h"

const char *const batch_too_late = "the row's deadline had passed before it could be sent";

#define MAX_DETAIL	1000		/* bytes of a warning's, which may quote HubSpot */

/* What the counters are to know of it. */
static AckOf
of_row(const Row *row)
{
	const Lane *lane = row->key->lane;

	return (AckOf)
	{
		.server = lane->account->server, .object = lane->family, .call = row->call
	};
}

/* What the report of its definition goes by. */
static ReportedRow
reported(const Row *row)
{
	ReportedRow reported = {
		.report = row->report,
		.object = (Object) row->key->lane->family,
		.change = row->parent != 0 ? row->parent : row->identity,
		.key = row->key->key,
		.message = row->message
	};

	return reported;
}

/* Each verdict of a row that is in the window. */
static void
end_row(Row *row, AckResult *result)
{
	ReportedRow about = reported(row);

	result->id = row->id;
	result->of = of_row(row);
	result->row = &about;
	result->warnings = row->warnings;
	ack_result(result);
	result->row = NULL;
}

/* The row has its verdict. */
static void
forget_row(Row *row)
{
	if (row->deferred)
		defer_ended(row);
	begun_over(row);
	queue_end_row(row);
}

/* All rows of an input have ended. */
static void
end_sent(Input *input, Verdict verdict, const AckResult *result)
{
	narrow_ended(input->key, input->nrows, verdict_is_confirmed(verdict));
	input->key->lane->successes += result->request != NULL;
	queue_release_key(input->key);
}

/* End an input: its carrier gets the verdict, the rows merged into it share it. */
void
batch_end_input(Input *input, AckResult *result)
{
	Row		   *carrier = input->rows[input->nrows - 1];
	Verdict		verdict = result->verdict;

	if (!verdict_is_confirmed(verdict))
		known_forget(input->key);
	result->attempt = input->attempts;
	for (int i = 0; i < input->nrows; i++)
	{
		Row		   *row = input->rows[i];

		result->shared = verdict;
		result->verdict = row == carrier ? verdict : VERDICT_COALESCED;
		result->merged_into = row == carrier ? 0 : carrier->id;
		result->merged = row == carrier ? input->nrows - 1 : 0;
		end_row(row, result);
		forget_row(row);
	}
	end_sent(input, verdict, result);
}

void
batch_end_unsent(Row *row, Verdict verdict, const char *category, const char *message)
{
	AckResult	result = {.verdict = verdict, .created = -1,
	.category = category, .message = message};

	if (row_may_have_arrived(row))
		known_forget(row->key);
	key_remove_row(row);
	end_row(row, &result);
	forget_row(row);
}

/*
 * A key that waits for something on account of its first row asks anew what
 * the next one needs, but for a time, which is the record's.
 */
void
batch_end_waiting(Row *row, Verdict verdict, const char *category, const char *message)
{
	WorkKey    *key = row->key;
	bool		was_head = key_head(key) == row;

	batch_end_unsent(row, verdict, category, message);
	if (!key_has_rows(key))
		queue_drop_idle(key);
	else if (was_head && key_is_away(key) && key->rows.ndeferred == 0 &&
			 key->stand.wait.until <= clock_us())
		queue_bring_back(key);
}

/* ---- rows that are not merged ------------------------------------------------------- */

void
batch_end_row(Input *input, Row *row, AckResult *result)
{
	result->attempt = input->attempts;
	end_row(row, result);
	forget_row(row);
}

void
batch_end_rows(Input *input, AckResult *result)
{
	batch_end_each(input, result, NULL);
}

void
batch_end_each(Input *input, AckResult *result, RowVerdict verdict_of)
{
	for (int i = 0; i < input->nrows; i++)
	{
		if (verdict_of != NULL)
			result->verdict = verdict_of(input->rows[i]);
		batch_end_row(input, input->rows[i], result);
	}
	end_sent(input, result->verdict, result);
}

void
batch_put_back_unsent(WorkKey *key, Row *const *rows, int nrows)
{
	for (int i = 0; i < nrows; i++)
	{
		rows[i]->warnings = NULL;	/* gone with the batch */
		key_put_back_row(rows[i]);
	}
	queue_release_key(key);
}

void
batch_put_back(WorkKey *key, Row *const *rows, int nrows)
{
	known_forget(key);			/* a part of it may have been written */
	batch_put_back_unsent(key, rows, nrows);
}

void
batch_was_lost(Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		for (int j = 0; j < batch->inputs[i].nrows; j++)
			row_note_fate(batch->inputs[i].rows[j], FATE_SENT);
}

/* ---- what goes with a verdict -------------------------------------------------------- */

static void
warn_row(Row *row, const char *code, const char *property, const char *detail)
{
	const char *before = row->warnings;
	StringInfoData json;

	initStringInfo(&json);
	if (before != NULL)
		appendBinaryStringInfo(&json, before, strlen(before) - 1);
	else
		appendStringInfoChar(&json, '[');
	appendStringInfo(&json, "%s{\"code\":\"%s\",\"property\":", before != NULL ? "," : "", code);
	value_append_string(&json, property, strlen(property));
	appendStringInfoString(&json, ",\"detail\":");
	detail = encoding_bounded(CurrentMemoryContext, detail, MAX_DETAIL);
	value_append_string(&json, detail, strlen(detail));
	appendStringInfoString(&json, "}]");
	row->warnings = json.data;
}

void
batch_warn(Input *input, const char *code, const char *property, const char *detail)
{
	warn_row(input->rows[input->nrows - 1], code, property, detail);
}

void
batch_warn_of_addresses(const Input *input, const MessageParts *parts)
{
	static const char *const code = "invalid_email";

	for (int i = 0; i < input->nrows; i++)
	{
		Row		   *row = input->rows[i];
		const AccountOptions *options = row->key->lane->account->options;
		const char *what;

		/* the call's own row tells, and once, whatever requests are made of it */
		if (row->parent != 0 || options == NULL ||
			(row->key->property == NULL &&
			 message_address_is(row->call, &parts[i], row->key->key)) ||
			(row->warnings != NULL && strstr(row->warnings, code) != NULL))
			continue;
		for (int j = 0; (what = message_unused_address(row->call, &parts[i],
													   options->id_property[OBJECT_IS_CONTACT],
													   j)) != NULL; j++)
			warn_row(row, code, "email", what);
	}
}

static bool
is_empty(const char *text)
{
	return text == NULL || text[0] == '\0';
}

void
batch_reject(Input *input, Verdict verdict, const char *category, const char *message,
			 int status, AckRequest *request)
{
	AckResult	result = {.verdict = verdict, .request = request, .http_status = status,
	.created = -1, .category = category, .message = message};

	if (is_empty(category) && is_empty(message))
		result.message = "HubSpot has given no reason";
	batch_end_input(input, &result);
}

void
batch_tell_apart(Input *input, bool alone)
{
	narrow_begin(input->key, input->nrows, alone);
	batch_put_back(input->key, input->rows, input->nrows);
}

void
batch_refuse_rows(Input *input, const char *category, const char *message, int status,
				  AckRequest *request, bool alone)
{
	if (narrow_may_help(input))
		batch_tell_apart(input, alone);
	else
		batch_reject(input, VERDICT_REJECTED, category, message, status, request);
}

/* ---- what is done once ---------------------------------------------------------------- */

bool
batch_was_once(const Input *input, Once once)
{
	for (int i = 0; i < input->nrows; i++)
		if (row_was(input->rows[i], once))
			return true;
	return false;
}

void
batch_note_once(Input *input, Once once)
{
	for (int i = 0; i < input->nrows; i++)
		row_note(input->rows[i], once);
}
