/*
 * pair_label.c
 *		Pairs that get a label, or lose one.
 *
 * HubSpot replaces the labels of a pair by those that are written.  So they are read first, and
 * what is written is the union: what somebody else has said of the two stays.  Where all are there
 * already, nothing is written.  Called as pair_request.c is.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "pair/labels.h"
#include "pair/pair.h"
#include "request/fault.h"
#include "text/value.h"
#include "wait/defer.h"

#define MAX_PAGES	200			/* of a record's associations, 500 each */

static const RequestKind link_labelled;

static void
append_type(StringInfo json, bool is_own, int64 type_id)
{
	appendStringInfo(json,
					 "%s{\"associationCategory\":\"%s\",\"associationTypeId\":" INT64_FORMAT "}",
					 json->len > 0 ? "," : "", labels_category(is_own), type_id);
}

/* The label of a row; NULL: it is not known any more. */
static const Label *
label_of(const Row *row)
{
	RowPair		pair = pair_of(row);
	const Label *label;

	if (pair.message.label == NULL)
		return NULL;
	(void) labels_find(labels_known(row->key->lane->account, pair.message.from.object,
									pair.message.to.object), pair.message.label, row, &label);
	return label;
}

/* Whether they all are: another row may have made or forgotten one meanwhile. */
static bool
has_labels(const Input *input)
{
	for (int i = 0; i < input->nrows; i++)
		if (label_of(input->rows[i]) == NULL)
			return false;
	return true;
}

static void
directed_ids(Row *row, const char **from, const char **to)
{
	RowPair		pair = pair_of(row);

	*from = pair_record(row, PAIR_FROM(&pair));
	*to = pair_record(row, PAIR_TO(&pair));
}

/* ---- which labels a pair has ------------------------------------------------------------ */

static const char *
page_of(const Input *input)
{
	return input->lacks != NULL ? input->lacks : "";
}

/* Many pairs may begin with one record: one of them asks for all. */
static bool
is_asked_for(const Batch *batch, const Input *input)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(batch->inputs[i].alias, input->alias) == 0 &&
			strcmp(page_of(&batch->inputs[i]), page_of(input)) == 0)
			return true;
	return false;
}

static BuildResult
append_from(Batch *batch, Input *input, const MessageParts *parts)
{
	const char *to;

	directed_ids(pair_row(input), &input->alias, &to);
	pair_note(pair_row(input));
	if (is_asked_for(batch, input))
		return BUILD_DONE;
	appendStringInfo(&batch->body, "{\"id\":\"%s\"", input->alias);
	if (input->lacks != NULL)
	{
		appendStringInfoString(&batch->body, ",\"after\":");
		value_append_string(&batch->body, input->lacks, strlen(input->lacks));
	}
	appendStringInfoChar(&batch->body, '}');
	return BUILD_DONE;
}

static const ReplyResult *
result_of(const Reply *reply, const char *from_id)
{
	for (int i = 0; i < reply->nresults; i++)
		if (reply->results[i].from_id != NULL && strcmp(reply->results[i].from_id, from_id) == 0)
			return &reply->results[i];
	return NULL;
}

/* Whether a pair has a type, and all labels that it has, which are to stay. */
static bool
has_type(const ReplyResult *result, const char *to_id, const Label *wanted)
{
	ReplyLabel	type;

	for (int i = 0; result != NULL && reply_label_of_pair(result, to_id, i, &type); i++)
		if (type.category != NULL && type.type_id == wanted->type_id &&
			(strcmp(type.category, labels_category(false)) != 0) == wanted->is_own)
			return true;
	return false;
}

/* Those without a label come by themselves. */
static void
append_held(StringInfo json, const ReplyResult *result, const char *to_id)
{
	ReplyLabel	type;

	for (int i = 0; result != NULL && reply_label_of_pair(result, to_id, i, &type); i++)
		if (type.category != NULL && type.type_id > 0 && type.label != NULL &&
			type.label[0] != '\0')
			append_type(json, strcmp(type.category, labels_category(false)) != 0, type.type_id);
}

/* Whether a row before this one of the input has the same label. */
static bool
is_repeated(const Input *input, int row, const Label *label)
{
	for (int i = 0; i < row; i++)
		if (label_of(input->rows[i]) == label)
			return true;
	return false;
}

/* The labels that the pair is to have; NULL: it has them. */
static const char *
union_of(const Input *input, const ReplyResult *result, const char *to_id)
{
	StringInfoData json;
	bool		lacks = false;

	initStringInfo(&json);
	append_held(&json, result, to_id);
	for (int i = 0; i < input->nrows; i++)
	{
		const Label *label = label_of(input->rows[i]);

		if (label == NULL || has_type(result, to_id, label) || is_repeated(input, i, label))
			continue;
		append_type(&json, label->is_own, label->type_id);
		lacks = true;
	}
	return lacks ? json.data : NULL;
}

/* HubSpot tells of a record without associations as of an error, or not at all. */
static void
decide(Input *input, const Reply *reply, AckRequest *request)
{
	const char *from;
	const char *to;
	const ReplyResult *result;

	directed_ids(pair_row(input), &from, &to);
	result = result_of(reply, from);

	/* a record may have more associations than a page holds */
	if (result != NULL && !reply_is_associated(result, to) && result->after != NULL &&
		strcmp(page_of(input), result->after) != 0)
	{
		/* answers to this input: a list without an end would be asked for for ever */
		if (input->attempts > MAX_PAGES)
		{
			fault_input(input, DEFER_UNREADABLE, "the list of a record's associations has no end",
						reply->status, request);
			return;
		}
		input->lacks = pstrdup(result->after);
		input->onward = &pair_read_labelled;
		return;
	}
	if (!has_labels(input))
	{
		batch_put_back(input->key, input->rows, input->nrows);
		return;
	}
	input->lacks = NULL;
	input->stage = union_of(input, result, to);
	if (input->stage == NULL)
		pair_end(input, VERDICT_UNCHANGED, reply, request);
	else
		input->onward = &link_labelled;
}

static void
read_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class != REPLY_RECORDS)
	{
		pair_refused(batch, reply, request);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		const ReplyError *error = result_of(reply, input->alias) != NULL
		? NULL : pair_error(reply, input, batch->ninputs);

		if (error != NULL && reply_is_transient(error))
			pair_refuse(input, error, reply, request);
		else if (error == NULL && result_of(reply, input->alias) == NULL &&
				 reply->nresults == 0 && reply->nerrors == 0)
			input->onward = &batch_same;	/* an answer that says nothing at all */
		else
			decide(input, reply, request);
	}
	batch_go_on(batch, reply, request);
}

/* ---- and which it gets, or loses ----------------------------------------------------------- */

static void
append_typed(Batch *batch, Row *row, const char *types)
{
	const char *from;
	const char *to;

	directed_ids(row, &from, &to);
	pair_note(row);
	appendStringInfo(&batch->body,
					 "{\"from\":{\"id\":\"%s\"},\"to\":{\"id\":\"%s\"},\"types\":[%s]}",
					 from, to, types);
}

static BuildResult
append_labelled(Batch *batch, Input *input, const MessageParts *parts)
{
	append_typed(batch, pair_row(input), input->stage);
	return BUILD_DONE;
}

static BuildResult
append_lost(Batch *batch, Input *input, const MessageParts *parts)
{
	StringInfoData json;
	const Label *label = label_of(pair_row(input));

	if (label == NULL || !pair_is_whole(input))
		return BUILD_WAIT;
	initStringInfo(&json);
	append_type(&json, label->is_own, label->type_id);
	append_typed(batch, pair_row(input), json.data);
	return BUILD_DONE;
}

static void
read_address(const Batch *batch, Address *address)
{
	pair_address(batch, address, "batch/read");
}

static void
create_address(const Batch *batch, Address *address)
{
	pair_address(batch, address, "batch/create");
}

static void
archive_address(const Batch *batch, Address *address)
{
	pair_address(batch, address, "batch/labels/archive");
}

const RequestKind pair_read_labelled = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_PAIRS,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 1000,
	.max_rows = 1000,
	.is_list = true,
	.shares = true,
	.gathers = true,
	.fits = pair_fits_directed,
	.address = read_address,
	.begin_body = pair_begin_body,
	.append_input = append_from,
	.answered = read_answered,
};

static const RequestKind link_labelled = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_PAIRS,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 2000,
	.is_list = true,
	.fits = pair_fits_directed,
	.address = create_address,
	.begin_body = pair_begin_body,
	.append_input = append_labelled,
	.answered = pair_linked,
};

const RequestKind pair_unlabel = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_PAIRS,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.gathers = true,
	.fits = pair_fits_directed,
	.address = archive_address,
	.begin_body = pair_begin_body,
	.append_input = append_lost,
	.answered = pair_removed,
};
