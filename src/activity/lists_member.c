/*
 * lists_member.c
 *		Members of static lists: whose record it is, who comes and who goes.
 *
 * Called by batch.c, in the batch's memory context.  What an answer tells of a
 * record is kept with the row, which then begins anew; see lists.c.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "activity/lists.h"
#include "base/clock.h"
#include "crm/employers.h"
#include "crm/records.h"
#include "search/company_search.h"
#include "store/record_map.h"

/*
 * HubSpot tells no maximum of ids in a request.  This one is as large as that of its events, spares
 * most of the requests that single changes would take, and when it is too large the refused request
 * is halved.
 */
#define MAX_MEMBERS		500

static const RequestKind make_records;

/* ---- the record of a member ------------------------------------------------------------------ */

static bool
is_read(const Batch *batch)
{
	return batch->kind == &lists_read_records;
}

/* Rows that all come, or all go, share their fate; of others each has its own. */
static void
refuse_member(Input *input, const char *category, const char *message, int status,
			  AckRequest *request, bool alone)
{
	for (int i = 1; i < input->nrows; i++)
		if (input->rows[i]->call != input->rows[0]->call)
		{
			batch_refuse_rows(input, category, message, status, request, alone);
			return;
		}
	batch_reject(input, VERDICT_REJECTED, category, message, status, request);
}

static void
end_not_found(Input *input, const char *message, const Reply *reply, AckRequest *request)
{
	AckResult	result =
	{.verdict = VERDICT_UNCHANGED, .request = request, .http_status = reply->status, .created = -1};
	Object		object = lists_object(lists_carrier(input));

	if (lists_carrier(input)->call == CALL_REMOVE_FROM_LIST)
		batch_end_input(input, &result);
	else
		refuse_member(input, records_not_found(object),
					  message != NULL
					  ? message : psprintf("HubSpot has no such %s", object_types[object].name),
					  reply->status, request, false);
}

/* The row goes on with the record that HubSpot has told. */
static void
take_record(Input *input, const ReplyResult *result)
{
	WorkKey    *key = input->key;

	for (int i = 0; i < input->nrows; i++)
		strlcpy(lists_record(input->rows[i]), result->id, RECORD_ID_BYTES);
	if (result->created == 1 && key->property == NULL)
		employers_note(key, key->key, result->id);
	record_map_add(key->lane->account->server, lists_object(lists_carrier(input)),
				   queue_id_property(key), key->key, result->id,
				   result->created == 1, clock_us());
	batch_put_back(key, input->rows, input->nrows);
}

/* Somebody who leaves a list need not be made for it. */
static bool
is_to_be_made(const Batch *batch, const Input *input)
{
	return is_read(batch) && batch->lane->account->options->create_missing &&
		lists_carrier(input)->call == CALL_ADD_TO_LIST;
}

static void
decide_record(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
			  AckRequest *request)
{
	if (found != NULL)
		take_record(input, found);
	else if (is_to_be_made(batch, input))
		input->onward = &make_records;
	else
		end_not_found(input,
					  !is_read(batch) && reply->nerrors > 0 ? reply->errors[0].message : NULL,
					  reply, request);
}

/* The answer to a request that reads records, or makes them. */
static void
record_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	records_keys_answered(batch, reply, request, decide_record);
}

static BuildResult
append_domain(Batch *batch, Input *input, const MessageParts *parts)
{
	input->alias = input->key->key;
	return company_search_append(batch, input);
}

/* None is made of a domain alone: HubSpot would not know when another is made of it. */
static void
decide_searched(Input *input, const Found *found, const Reply *reply, AckRequest *request)
{
	if (found->company != NULL)
		take_record(input, found->company);
	else
		end_not_found(input, company_not_found(input->alias), reply, request);
}

static void
searched(Batch *batch, const Reply *reply, AckRequest *request)
{
	company_search_answered(batch, reply, request, decide_searched);
}

static bool
is_of_same_type(const Batch *batch, const WorkKey *key)
{
	return lists_object(lists_carrier(&batch->inputs[0])) == lists_object(key_head(key));
}

/* All members of a request are of one type, which the first one tells. */
static BuildResult
append_sought(Batch *batch, Input *input, const MessageParts *parts)
{
	batch->type = &object_types[lists_object(lists_carrier(input))];
	return records_append_id(batch, input, parts);
}

static BuildResult
append_made(Batch *batch, Input *input, const MessageParts *parts)
{
	batch->type = &object_types[lists_object(lists_carrier(input))];
	return records_append_new(batch, input, parts);
}

/*
 * ---- members come and go ----------------------------------------------------------------------
 */

static bool
is_of_same_list(const Batch *batch, const WorkKey *key)
{
	return lists_same(batch->inputs[0].rows[0], key_head(key));
}

/* One record by two keys: the second one waits, as it may say the opposite. */
static bool
is_in_batch(const Batch *batch, const char *record_id)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(lists_record(lists_carrier(&batch->inputs[i])), record_id) == 0)
			return true;
	return false;
}

/* The two arrays of the body are written when all inputs are known. */
static BuildResult
append_member(Batch *batch, Input *input, const MessageParts *parts)
{
	Row		   *row = lists_carrier(input);

	if (!lists_has_id(lists_of(row)) || lists_record(row)[0] == '\0' ||
		is_in_batch(batch, lists_record(row)))
	{
		row->looked = LOOKED_NOT;
		return BUILD_WAIT;
	}
	return BUILD_DONE;
}

static void
append_ids(Batch *batch, const char *name, Call call)
{
	bool		first = true;

	appendStringInfo(&batch->body, "\"%s\":[", name);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Row		   *row = lists_carrier(&batch->inputs[i]);

		if (row->call != call)
			continue;
		appendStringInfo(&batch->body, "%s\"%s\"", first ? "" : ",", lists_record(row));
		first = false;
	}
	appendStringInfoChar(&batch->body, ']');
}

static void
end_change(Batch *batch)
{
	appendStringInfoChar(&batch->body, '{');
	append_ids(batch, "recordIdsToAdd", CALL_ADD_TO_LIST);
	appendStringInfoChar(&batch->body, ',');
	append_ids(batch, "recordIdsToRemove", CALL_REMOVE_FROM_LIST);
	appendStringInfoChar(&batch->body, '}');
}

static void
change_address(const Batch *batch, Address *address)
{
	lists_append_change_path(address->path, sizeof(address->path),
							 lists_of(lists_carrier(&batch->inputs[0]))->id);
}

/*
 * Once more from the beginning, as what was known of the list or the record has turned out to be
 * old.
 */
static void
begin_anew(Input *input, Once once)
{
	batch_note_once(input, once);
	batch_put_back(input->key, input->rows, input->nrows);
}

/* HubSpot does not have the record that we remember: it was merged, or deleted. */
static void
end_missing(Input *input, const Reply *reply, AckRequest *request)
{
	WorkKey    *key = input->key;

	record_map_remove(key->lane->account->server, lists_object(lists_carrier(input)),
					  queue_id_property(key), key->key, clock_us());
	for (int i = 0; i < input->nrows; i++)
		lists_record(input->rows[i])[0] = '\0';
	if (row_was(lists_carrier(input), ONCE_WITHOUT_RECORD))
		end_not_found(input, NULL, reply, request);
	else
		begin_anew(input, ONCE_WITHOUT_RECORD);
}

/*
 * Of those who were members already, or were none, HubSpot says nothing; after a lost answer that
 * is our doing.
 */
static void
end_member(Input *input, const Reply *reply, AckRequest *request)
{
	Row		   *row = lists_carrier(input);
	const char *array = row->call == CALL_ADD_TO_LIST ? "recordsIdsAdded" : "recordIdsRemoved";
	char		record_id[RECORD_ID_BYTES];
	AckResult	result =
	{.request = request, .http_status = reply->status, .created = -1, .record_id = record_id};

	strlcpy(record_id, lists_record(row), sizeof(record_id));
	if (reply_lists_id(reply, "recordIdsMissing", record_id))
	{
		end_missing(input, reply, request);
		return;
	}
	result.verdict = row_may_have_arrived(row) || reply_lists_id(reply, array, record_id)
		? VERDICT_DELIVERED : VERDICT_UNCHANGED;
	batch_end_input(input, &result);
}

static bool
was_looked_for(const Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (!row_was(batch->inputs[i].rows[0], ONCE_LIST_ANEW))
			return false;
	return true;
}

/* The list may be gone, or another one by now: it is looked for by its name once more. */
static void
change_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool		is_gone = reply->status == 404;

	/*
	 * The list was looked for a moment ago and is there, so the fault is with a member: halves,
	 * until it stands alone.
	 */
	if (was_looked_for(batch) && !is_gone && batch->ninputs == 1)
	{
		refuse_member(&batch->inputs[0], reply_code(reply), reply->message, reply->status, request,
					  true);
		return;
	}
	if (was_looked_for(batch) && !is_gone)
	{
		batch_bisect(batch, reply);
		return;
	}

	/*
	 * A list that was made anew has another id under the same name. Each row goes once more by
	 * what the name means now, and ONCE_LIST_ANEW ends it when that is refused, too.
	 */
	if (!was_looked_for(batch))
		lists_forget(lists_of(lists_carrier(&batch->inputs[0])));
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];

		if (row_was(input->rows[0], ONCE_LIST_ANEW) && is_gone)
			batch_reject(input, VERDICT_REJECTED, lists_not_found, reply->message, reply->status,
						 request);
		else
			begin_anew(input, ONCE_LIST_ANEW);
	}
}

static void
change_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class != REPLY_RECORDS)
		change_refused(batch, reply, request);
	else if (!reply_has(reply, "recordsIdsAdded") || !reply_has(reply, "recordIdsRemoved"))
		batch_silent(batch, NULL, reply, request);
	else
		for (int i = 0; i < batch->ninputs; i++)
		{
			end_member(&batch->inputs[i], reply, request);
		}
}

/* ---- which request --------------------------------------------------------------------------- */

const RequestKind lists_change_members = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_LISTS,
	.meter = METER_OBJECTS,
	.max_inputs = MAX_MEMBERS,
	.max_rows = 1000,
	.method = "PUT",
	.gathers = true,
	.shares = true,
	.fits = is_of_same_list,
	.address = change_address,
	.names_content = true,
	.append_input = append_member,
	.end_body = end_change,
	.answered = change_answered,
};

const RequestKind lists_read_records = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.one_property = true,
	.gathers = true,
	.fits = is_of_same_type,
	.end_body = records_end_read,
	.append_input = append_sought,
	.answered = record_answered,
};

const RequestKind lists_search_companies = {
	COMPANY_SEARCH,
	.gathers = true,
	.append_input = append_domain,
	.answered = searched,
};

static const RequestKind make_records = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_UPSERT,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.append_input = append_made,
	.answered = record_answered,
};
