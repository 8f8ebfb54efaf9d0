/*
 * pair_schema.c
 *		The labels of two types: they are read, and created on request.
 *
 * A label is read and written per ordered pair of types, one request for all rows that need it: the
 * row that asks begins anew when the answer is there, and the others wait for its key.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "pair/pair.h"
#include "pair/pair_schema.h"
#include "text/value.h"

/* The types that a row is about, in its own order. */
static KnownLabels *
labels_of(Row *row)
{
	Account    *account = row->key->lane->account;
	PairLabel	label;
	RowPair		pair;

	if (row->call == CALL_CREATE_LABEL && message_read_label(row->message, &label))
		return labels_known(account, label.from, label.to);
	pair = pair_of(row);
	return labels_known(account, pair.message.from.object, pair.message.to.object);
}

bool
pair_label_is_settled(const KnownLabels *known, const Row *row)
{
	return known->told_us != 0 && row->created_at <= known->told_at;
}

char *
pair_unknown_label(Account *account, const PairMessage *message)
{
	const char *from = object_types[message->from.object].name;
	const char *to = object_types[message->to.object].name;

	return psprintf("HubSpot has no label \"%s\" of a %s with a %s; it has: %s; SELECT "
					"hubspot_create_label(%s, %s, %s) creates it", message->label, from, to,
					labels_list(labels_known(account, message->from.object, message->to.object)),
					quote_literal_cstr(from), quote_literal_cstr(to),
					quote_literal_cstr(message->label));
}

static void
labels_address(const Batch *batch, Address *address)
{
	const KnownLabels *known = labels_of(pair_row(&batch->inputs[0]));
	size_t		len = strlen(address->path);

	snprintf(address->path + len, sizeof(address->path) - len, "%s/%s/labels",
			 object_types[known->from].type_id, object_types[known->to].type_id);
}

/* ---- reading --------------------------------------------------------------------------- */

static BuildResult
append_question(Batch *batch, Input *input, const MessageParts *parts)
{
	labels_ask(labels_of(pair_row(input)), input->key);
	return BUILD_DONE;
}

static void
end_created(Input *input, Verdict verdict, const Reply *reply, AckRequest *request)
{
	AckResult	result =
	{.verdict = verdict, .request = request, .http_status = reply->status,
	.created = verdict == VERDICT_DELIVERED};

	batch_end_input(input, &result);
}

static const Label *
created_label(Row *row)
{
	PairLabel	label;
	const Label *found;

	if (!message_read_label(row->message, &label))
		return NULL;
	(void) labels_find(labels_of(row), label.label, row, &found);
	return found;
}

/* A row that creates a label comes here, too, when HubSpot has refused it: it may be there. */
static void
labels_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	Row		   *row = pair_row(input);

	if (reply->class != REPLY_RECORDS)
		batch_refused(batch, reply, request);
	else
	{
		bool		told = labels_told(labels_of(row), input->key, reply);

		if (input->category == NULL || !told)
			batch_put_back(input->key, input->rows, input->nrows);
		else if (created_label(row) != NULL)
			end_created(input, row_may_have_arrived(row) ? VERDICT_DELIVERED : VERDICT_UNCHANGED,
						reply, request);
		else
			batch_reject(input, VERDICT_REJECTED, input->category, input->message, input->status,
						 request);
	}
}

const RequestKind pair_read_labels = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_PAIRS,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 1,
	.max_rows = 1000,
	.method = "GET",
	.address = labels_address,
	.append_input = append_question,
	.answered = labels_answered,
};

/* ---- creating ---------------------------------------------------------------------------- */

/* HubSpot's internal name: letters, digits and "_", a letter first. */
static void
append_name(StringInfo json, const char *label)
{
	bool		blank = true;

	appendStringInfoString(json, "\"name\":\"label");
	for (const char *c = label; *c != '\0'; c++)
	{
		bool		plain = isalnum((unsigned char) *c) && (unsigned char) *c < 0x80;

		if (plain && blank)
			appendStringInfoChar(json, '_');
		if (plain)
			appendStringInfoChar(json, pg_ascii_tolower((unsigned char) *c));
		blank = !plain;
	}
	appendStringInfoChar(json, '"');
}

static BuildResult
append_created(Batch *batch, Input *input, const MessageParts *parts)
{
	static AckResult unchanged =
	{
		.verdict = VERDICT_UNCHANGED, .created = -1
	};
	PairLabel	label;

	if (created_label(pair_row(input)) != NULL)
	{
		input->unsent = &unchanged;
		return BUILD_UNCHANGED;
	}
	(void) message_read_label(pair_row(input)->message, &label);
	appendStringInfoChar(&batch->body, '{');
	append_name(&batch->body, label.label);
	appendStringInfoString(&batch->body, ",\"label\":");
	value_append_string(&batch->body, label.label, strlen(label.label));
	if (label.inverse != NULL)
	{
		appendStringInfoString(&batch->body, ",\"inverseLabel\":");
		value_append_string(&batch->body, label.inverse, strlen(label.inverse));
	}
	appendStringInfoChar(&batch->body, '}');
	return BUILD_DONE;
}

static void
create_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	KnownLabels *known = labels_of(pair_row(input));

	if (reply->class == REPLY_RECORDS)
	{
		labels_forget(batch->lane->account, known->from, known->to);
		end_created(input, VERDICT_DELIVERED, reply, request);
		return;
	}
	/* perhaps because it is there: the list tells */
	input->category = reply_code(reply) != NULL ? reply_code(reply) : "refused";
	input->message = reply->message;
	input->status = reply->status;
	input->onward = &pair_read_labels;
	batch_go_on(batch, reply, request);
}

/* HubSpot refuses a second one of the name. */
const RequestKind pair_create_label = {
	.repeat = REPEAT_REFUSED,
	.path = PATH_PAIRS,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 1,
	.max_rows = 1,
	.address = labels_address,
	.append_input = append_created,
	.answered = create_answered,
};
