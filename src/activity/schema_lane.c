/*
 * schema_lane.c
 *		The schema lane: properties to be created, schemas to be read again.
 *
 * A row is a request of its own; its message is HubSpot's body.  One that creates an event which
 * is there goes on in definitions.c.  A row that
 * asks for a refresh needs none: it ends when all parts have been read.  Its
 * key says what it creates (schema_call.c), by which others find it that wait.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/hubspot.h"
#include "activity/families.h"
#include "activity/schema_lane.h"
#include "queue/accounts.h"
#include "reading/reading.h"
#include "request/await_creation.h"
#include "request/schema_sync.h"
#include "text/value.h"
#include "wait/await.h"

/* The part of the schema that a row makes something in; false, with the problem: none of ours. */
static bool
find_part(const Row *row, const MessageParts *parts, Object *part, MessageProblem *problem)
{
	*part = OBJECT_IS_EVENT;
	return row->call == CALL_CREATE_EVENT || message_record_type(parts->root, part, problem);
}

/* Its properties are read from then on. */
static Object
open_part(const Row *row, const MessageParts *parts)
{
	MessageProblem problem;
	Object		part;

	(void) find_part(row, parts, &part, &problem);
	(void) accounts_open_lane(row->key->lane->account, part);
	return part;
}

static bool
check_schema_row(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	MessageProblem objection;
	Object		part;

	*category = "bad_message";
	if (definitions_only_adds(row))
	{
		*problem = "it names no property that could be added to an event";
		return definitions_check(row);
	}
	if (!find_part(row, parts, &part, &objection))
	{
		*problem = objection.message;
		return false;
	}
	*problem = "this version knows no such schema call";
	return row->call == CALL_CREATE_PROPERTY || row->call == CALL_CREATE_EVENT ||
		row->call == CALL_REFRESH_SCHEMA;
}

/* The body is the message without "object", which tells the path. */
static BuildResult
append_schema_row(Batch *batch, Input *input, const MessageParts *parts)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;
	bool		first = true;

	batch->type = &object_types[open_part(input->rows[0], parts)];
	batch->path = batch->type->is_record ? PATH_PROPERTIES : PATH_EVENT_DEFINITIONS;
	appendStringInfoChar(&batch->body, '{');
	it = JsonbIteratorInit(parts->root);
	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);

		/* A member that HubSpot does not have makes it refuse the whole request. */
		if (name.val.string.len == strlen("object") &&
			memcmp(name.val.string.val, "object", name.val.string.len) == 0)
			continue;
		if (!first)
			appendStringInfoChar(&batch->body, ',');
		first = false;
		value_append_string(&batch->body, name.val.string.val, name.val.string.len);
		appendStringInfoChar(&batch->body, ':');
		value_append_compact(&batch->body, &value);
	}
	if (batch->type->is_record && !message_member(parts->root, "groupName", &value))
	{
		const char *group = schema_property_group(batch->lane->account->schema,
												  (Object) (batch->type - object_types));

		/* without one HubSpot refuses, and its words are kept */
		if (group != NULL)
		{
			appendStringInfoString(&batch->body, ",\"groupName\":");
			value_append_string(&batch->body, group, strlen(group));
		}
	}
	appendStringInfoChar(&batch->body, '}');
	return BUILD_DONE;
}

/* Created, or there already, which is as good. */
static void
schema_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	Account    *account = batch->lane->account;
	const ReplyError *error = reply->nerrors > 0 ? &reply->errors[0] : &reply->error;
	bool		exists = definitions_exists(reply);
	AckResult	result =
	{.verdict = exists ? VERDICT_UNCHANGED : VERDICT_DELIVERED, .request = request,
	.http_status = reply->status, .created = exists ? 0 : 1};

	if (exists && input->rows[0]->call == CALL_CREATE_EVENT && definitions_check(input->rows[0]))
		definitions_grow(batch, reply, request);
	else if (exists || (reply->class == REPLY_RECORDS && reply->nerrors == 0))
	{
		schema_sync_refresh(account, (Object) (batch->type - object_types));
		batch_end_input(input, &result);
	}
	else
		batch_reject(input, VERDICT_REJECTED, error->code != NULL ? error->code : error->category,
					 error->message != NULL ? error->message : reply->message, reply->status,
					 request);
}

static const RequestKind create_in_schema = {
	.repeat = REPEAT_REFUSED,
	.path = PATH_PROPERTIES,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1,
	.append_input = append_schema_row,
	.answered = schema_answered,
};

/* A property goes into a group; of some types it is known when their properties have been read. */
static bool
awaits_group(const WorkKey *key)
{
	Account    *account = key->lane->account;
	const Row  *row = key_head(key);
	MessageParts parts;
	MessageProblem problem;
	Object		part;

	if (row->call != CALL_CREATE_PROPERTY || !message_read(row->message, &parts, &problem) ||
		!find_part(row, &parts, &part, &problem) || object_types[part].property_group != NULL)
		return false;
	return !schema_sync_is_settled(accounts_open_lane(account, part));
}

/* A refresh needs no request of its own. */
static const RequestKind *
kind_of_schema_row(WorkKey *key)
{
	if (key_head(key)->call == CALL_REFRESH_SCHEMA || awaits_group(key))
		return NULL;
	return definitions_only_adds(key_head(key)) ? &definitions_add : &create_in_schema;
}

const FamilyWork schema_work = {
	.kind = &create_in_schema,
	.kind_of = kind_of_schema_row,
	.check = check_schema_row,
};

/* ---- rows that need what is created here ------------------------------------------- */

static void
wake_for(dlist_head *keys)
{
	dlist_iter	iter;

	dlist_foreach(iter, keys)
		queue_wake_waiters(dlist_container(WorkKey, stand.node, iter.cur));
}

void
schema_lane_give_up(Lane *lane)
{
	dlist_iter	iter;

	if (await_creation_may_come(lane))
		return;
	for (int i = 0; i < KEY_STATE_COUNT; i++)
		wake_for(&lane->keys.in[i]);
	dlist_foreach(iter, &lane->again)
	{
		Batch	   *batch = dlist_container(Batch, node, iter.cur);

		for (int i = 0; i < batch->ninputs; i++)
			queue_wake_waiters(batch->inputs[i].key);
	}
	while (!dlist_is_empty(&lane->keys.behind))
		queue_bring_back(dlist_head_element(WorkKey, stand.node, &lane->keys.behind));
}

/* ---- rows that want the schema to be read ------------------------------------------- */

static void
end_refresh(WorkKey *key)
{
	batch_end_unsent(key_head(key), VERDICT_DELIVERED, NULL, NULL);
	queue_release_key(key);
}

/*
 * Rows at the head of their keys that only want the schema to be read: the
 * first sight starts that, and when all of it has been read they are done.
 */
static void
refresh_for(Lane *lane, dlist_head *keys)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, keys)
	{
		WorkKey    *key = dlist_container(WorkKey, stand.node, iter.cur);
		Row		   *row = key_head(key);

		if (row->call != CALL_REFRESH_SCHEMA)
			continue;
		if (!row_was(row, ONCE_REFRESH))
		{
			schema_sync_refresh_all(lane->account);
			reading_refresh_all(lane->account);
			row_note(row, ONCE_REFRESH);
		}
		if (schema_sync_is_fresh(lane->account) && reading_all_are_fresh(lane->account))
			end_refresh(key);
	}
}

void
schema_lane_refresh(Lane *lane)
{
	for (int i = KEY_READY; i <= KEY_READY_BACKFILL; i++)
		refresh_for(lane, &lane->keys.in[i]);
}
