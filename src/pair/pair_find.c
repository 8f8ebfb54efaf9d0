/*
 * pair_find.c
 *		Records of pairs that no answer has told: HubSpot is asked by their keys.
 *
 * Called by batch.c, in the batch's memory context.  What is found is kept with the key and the
 * row, which then begin anew; what is not, is noted, and pairs.c decides how long to wait.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/records.h"
#include "pair/pair.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "text/value.h"

static const RequestKind read_records;
static const RequestKind search_companies;

const RequestKind *
pair_kind_to_find(const PairEnd *end)
{
	const CrmType *type = &object_types[end->object];

	if (records_can_be_read(end->object, end->property))
		return &read_records;
	/* what companies go by is not unique in HubSpot, and found by a search alone */
	return type->natural_key != NULL && !type->natural_key_is_unique &&
		strcmp(end->property, type->natural_key) == 0 ? &search_companies : NULL;
}

/* The end of a row that is looked for now. */
static PairEnd
sought(Row *row)
{
	RowPair		pair = pair_of(row);

	return pair.ends[Max(pair_unknown(row), 0)];
}

static PairEnd
sought_by(const Input *input)
{
	return sought(pair_row(input));
}

/* One type and one property in a request. */
static bool
is_of_same_kind(const Batch *batch, const WorkKey *key)
{
	PairEnd		first = sought_by(&batch->inputs[0]);
	PairEnd		next = sought(key_head(key));

	return first.object == next.object &&
		strcmp(object_key_property(first.property), object_key_property(next.property)) == 0;
}

/* Many pairs may look for one record: one of them asks for all. */
static bool
is_in_batch(const Batch *batch, const char *id)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(batch->inputs[i].alias, id) == 0)
			return true;
	return false;
}

static BuildResult
append_id(Batch *batch, Input *input, const MessageParts *parts)
{
	PairEnd		end = sought_by(input);

	batch->type = &object_types[end.object];
	input->alias = end.key;
	if (is_in_batch(batch, end.key))
		return BUILD_DONE;
	appendStringInfoString(&batch->body, "{\"id\":");
	value_append_string(&batch->body, end.key, strlen(end.key));
	appendStringInfoChar(&batch->body, '}');
	return BUILD_DONE;
}

static void
end_ids(Batch *batch)
{
	const char *property;

	if (batch->ninputs == 0)
		return;
	property = object_key_property(sought_by(&batch->inputs[0]).property);
	records_end_read_by(batch, property,
						strcmp(property, object_key_property(NULL)) == 0 ? NULL : property);
}

/* All rows of the input are of one pair: the first one knows its ends. */
static void
take_record(Input *input, const ReplyResult *result)
{
	PairEnd		end = sought_by(input);
	Row		   *row = pair_row(input);

	record_map_add(input->key->lane->account->server, end.object,
				   object_key_property(end.property), end.key, result->id, false, clock_us());
	strlcpy(pair_record(row, pair_unknown(row)), result->id, RECORD_ID_BYTES);
	batch_put_back(input->key, input->rows, input->nrows);
}

/* Where one of the two is not there they are not associated; else it may yet come. */
static void
note_missing(Input *input, const char *message, const Reply *reply, AckRequest *request)
{
	Row		   *row = pair_row(input);
	PairEnd		end = sought_by(input);

	if (row->call == CALL_DISSOCIATE)
	{
		batch_reject(input, VERDICT_UNCHANGED, records_not_found(end.object), message,
					 reply->status, request);
		return;
	}

	/* what the tables know has turned out to be gone */
	if (row_was(row, ONCE_WITHOUT_RECORD))
		record_map_remove(input->key->lane->account->server, end.object,
						  object_key_property(end.property), end.key, clock_us());
	row_note(row, ONCE_SOUGHT);
	row->looked = LOOKED_NOT;
	batch_put_back(input->key, input->rows, input->nrows);
}

static void
decide(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
	   AckRequest *request)
{
	if (found != NULL)
		take_record(input, found);
	else
		note_missing(input, psprintf("HubSpot has no such %s", batch->type->name), reply, request);
}

static void
read_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	const char **ids = palloc(sizeof(char *) * batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
		ids[i] = batch->inputs[i].alias;
	records_read_answered(batch, reply, request,
						  object_key_property(sought_by(&batch->inputs[0]).property), ids, decide);
}

/* ---- companies by domain -------------------------------------------------------------- */

static BuildResult
append_domain(Batch *batch, Input *input, const MessageParts *parts)
{
	input->alias = sought_by(input).key;
	return company_search_append(batch, input);
}

static void
decide_searched(Input *input, const Found *found, const Reply *reply, AckRequest *request)
{
	if (found->company != NULL)
		take_record(input, found->company);
	else
		note_missing(input, company_not_found(input->alias), reply, request);
}

static void
searched(Batch *batch, const Reply *reply, AckRequest *request)
{
	company_search_answered(batch, reply, request, decide_searched);
}

/* ---- which request -------------------------------------------------------------------- */

static const RequestKind read_records = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.gathers = true,
	.shares = true,
	.fits = is_of_same_kind,
	.end_body = end_ids,
	.append_input = append_id,
	.answered = read_answered,
};

static const RequestKind search_companies = {
	COMPANY_SEARCH,
	.gathers = true,
	.append_input = append_domain,
	.answered = searched,
};
