/*
 * ends.c
 *		Records of others that rows need, before they can be sent: waited for, looked up, asked for.
 *
 * The requests are called by batch.c, in the batch's memory context.  What is found is kept by the
 * lane's EndSeeker, and the rows then begin anew; what is not, it is told, and decides how long to
 * wait.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/records.h"
#include "pair/ends.h"
#include "queue/accounts.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "text/value.h"
#include "wait/await.h"
#include "wait/awaited.h"

static const RequestKind read_records;
static const RequestKind search_companies;

/* ---- what may tell an end ---------------------------------------------------------- */

bool
ends_is_by_user_id(const PairEnd *end)
{
	return end->object == OBJECT_IS_CONTACT && end->property != NULL &&
		strcmp(end->property, MESSAGE_USER_ID) == 0;
}

/*
 * Rows that wait outside of the window for somebody to tell of a third record are no reason to stay
 * in it: who tells this one in the end wakes the key, see awaited.h.
 */
bool
ends_await_rows(WorkKey *key, const PairEnd *end, bool is_known)
{
	Lane	   *lane = accounts_lane(key->lane->account, end->object);
	WorkKey    *other = lane == NULL || ends_is_by_user_id(end)
	? NULL : queue_find(lane, end->property, end->key);

	if (other != NULL && !is_known && key_is_deferred(other) && queue_is_to_be_told(other))
		return false;
	return await_other(key, other, is_known);
}

bool
ends_await_reader(WorkKey *key, Object object)
{
	Lane	   *lane = accounts_lane(key->lane->account, object);

	return lane != NULL && await_reader(key, lane);
}

/* Who is told by an address waits for that, and so does whoever is told to be at it. */
const char *
ends_look_up(WorkKey *key, PairEnd *end)
{
	Oid			server = key->lane->account->server;
	const char *address;

	if (ends_is_by_user_id(end))
	{
		address = record_map_find_told(server, end->key, key_head(key)->id, NULL);
		if (address == NULL)
			return NULL;
		end->property = NULL;
		end->key = address;
		awaited_note(key, end);
	}
	return record_map_find(server, end->object, object_key_property(end->property), end->key);
}

void
ends_forget(const WorkKey *key, const PairEnd *end)
{
	record_map_remove(key->lane->account->server, end->object, object_key_property(end->property),
					  end->key, clock_us());
}

char *
ends_problem(const PairEnd *end)
{
	if (ends_is_by_user_id(end))
		return psprintf("no call has told yet which contact userId %s is", end->key);
	return psprintf("neither HubSpot nor a call has told of it: no %s with %s \"%s\"",
					object_types[end->object].name, object_key_property(end->property), end->key);
}

/* ---- HubSpot is asked -------------------------------------------------------------- */

const RequestKind *
ends_kind_to_find(const PairEnd *end)
{
	const CrmType *type = &object_types[end->object];

	if (records_can_be_read(end->object, end->property))
		return &read_records;
	/* what companies go by is not unique in HubSpot, and found by a search alone */
	return type->natural_key != NULL && !type->natural_key_is_unique &&
		strcmp(end->property, type->natural_key) == 0 ? &search_companies : NULL;
}

static const EndSeeker *
seeker_of(const WorkKey *key)
{
	Assert(key->lane->work->seeker != NULL);
	return key->lane->work->seeker;
}

/* All rows of an input need one record: the first one knows which. */
static PairEnd
sought_by(const Input *input)
{
	return seeker_of(input->key)->sought(input->rows[0]);
}

/* One type and one property in a request. */
static bool
is_of_same_kind(const Batch *batch, const WorkKey *key)
{
	PairEnd		first = sought_by(&batch->inputs[0]);
	PairEnd		next = seeker_of(key)->sought(key_head(key));

	return first.object == next.object &&
		strcmp(object_key_property(first.property), object_key_property(next.property)) == 0;
}

/* Many rows may need one record: one of them asks for all. */
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

static void
take_record(Input *input, const ReplyResult *result)
{
	PairEnd		end = sought_by(input);

	record_map_add(input->key->lane->account->server, end.object,
				   object_key_property(end.property), end.key, result->id, false, clock_us());
	seeker_of(input->key)->found(input, result->id);
	batch_put_back(input->key, input->rows, input->nrows);
}

static void
note_missing(Input *input, const char *message, const Reply *reply, AckRequest *request)
{
	seeker_of(input->key)->missing(input, message, reply, request);
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
