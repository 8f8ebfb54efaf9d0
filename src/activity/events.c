/*
 * events.c
 *		The events lane: occurrences in batches.
 *
 * Called by batch.c, in the batch's memory context.  Rows are not merged; all
 * that wait for one contact go into one request in their order, up to 500 in
 * all.  HubSpot's answer to a batch names no record: it is all or nothing.
 * A refused batch is halved until the culprit stands alone; each occurrence
 * has a uuid, so that what was received already is refused, not doubled.
 * Whose the first one was is repeats.c's to say.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "activity/event.h"
#include "activity/families.h"
#include "activity/legacy.h"
#include "activity/repeats.h"
#include "activity/schema_lane.h"
#include "crm/records.h"
#include "request/await_creation.h"
#include "request/batch.h"
#include "request/creation.h"
#include "request/schema_sync.h"
#include "text/value.h"
#include "wait/await.h"
#include "wait/tell.h"

/*
 * The contact's record id, if it is known.  While calls about the contact wait, the
 * address is better, because one of them may delete the record.
 */
static const char *
record_of(const Row *row)
{
	const WorkKey *key = row->key;

	if (key->property == NULL &&
		queue_find(key->lane->account->lanes[FAMILY_CONTACTS], NULL, key->key) != NULL)
		return "";
	return row->record_id[0] != '\0' ? row->record_id : key->record_id;
}

static EventSource
source_of(const Row *row, const MessageParts *parts)
{
	EventSource source = {
		.call = row->call, .parts = parts, .key_property = row->key->property, .key = row->key->key,
		.record_id = record_of(row), .portal_id = row->key->lane->account->portal_id,
		.id = row->identity, .called_at = row->called_at
	};

	return source;
}

/* An event that HubSpot does not know is refused here, with the statement that creates it. */
static bool
check_event(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	Account    *account = row->key->lane->account;
	EventSource source = source_of(row, parts);
	const char *full_name;
	int			len;
	const char *wanted = event_wanted(&source, account->options, &len);
	const EventDefinition *definition;
	bool		by_record;
	const char *name;
	const char *refusal;
	char	   *statement;

	if (!event_has_reference(&source))
	{
		*category = "contact_not_found";
		*problem = "no call has told yet which contact this userId is";
		return false;
	}

	/* HubSpot's old events have no definitions: it takes any name, of contacts. */
	if (account->options->events == EVENTS_LEGACY)
	{
		*category = "wrong_object";
		*problem = "events 'legacy' are contacts' alone";
		return event_object(&source, &by_record) == OBJECT_IS_CONTACT;
	}
	definition = event_definition(&source, account->options, account->schema, &full_name);
	*category = "wrong_object";
	*problem = event_misfit(&source, definition);
	if (*problem != NULL)
		return false;
	*category = "unknown_event";

	/*
	 * A full name without a definition: nothing has been read of the account's events, and HubSpot
	 * itself will refuse what it does not know. Refused here, a row would be lost because of a
	 * schema that is not there yet.
	 */
	if (definition != NULL || full_name != NULL)
		return true;
	name = schema_event_name(wanted, len);
	*problem = event_unknown_reason(&source, account->options, account->schema, &statement);
	if (statement == NULL)
		return event_object(&source, &by_record) != OBJECT_IS_CONTACT &&
			schema_sync_may_look(account, OBJECT_IS_EVENT);

	/*
	 * The event may yet come to be, by a row that was queued before this one or by ourselves:
	 * create_event() waits for it.
	 */
	if (await_creation_is_due(row, OBJECT_IS_EVENT, name) ||
		(account->options->create_events &&
		 !schema_sync_was_tried(account, OBJECT_IS_EVENT, name)) ||
		schema_sync_may_look(account, OBJECT_IS_EVENT))
		return true;
	refusal = creation_refusal(account->sync[OBJECT_IS_EVENT], name);
	growth_note_event(row, &source, name, refusal);
	*problem = refusal != NULL ? psprintf("%s, and refuses to create it: %s", *problem, refusal)
		: psprintf("%s; %s creates it", *problem, statement);
	return false;
}

/* Wait for the event, or have it created before anything more of this lane is sent. */
static BuildResult
create_event(Input *input, Row *row, const EventSource *source)
{
	Account    *account = row->key->lane->account;
	int			len;
	const char *wanted = event_wanted(source, account->options, &len);
	bool		by_record;

	if (await_creation(input, row, OBJECT_IS_EVENT, schema_event_name(wanted, len)) ||
		schema_sync_look_again(account, OBJECT_IS_EVENT))
		return BUILD_WAIT;
	/* if nothing is created, check_event() judges it anew */
	if (account->options->create_events &&
		event_object(source, &by_record) == OBJECT_IS_CONTACT)
		(void) growth_begin(input);
	return BUILD_WAIT;
}

/*
 * A definition lacks something of what a row has: that is waited for, created if the account wants
 * that, or may have come to be since HubSpot was asked.  False: the row goes without.
 */
static bool
wait_for_growth(Input *input, Row *row, const EventDefinition *event, const Mapping *mapping)
{
	Account    *account = row->key->lane->account;

	if (event == NULL || (mapping->nunknown == 0 && (mapping->missed & CHOICE_OPTION) == 0))
		return false;
	return await_creation(input, row, OBJECT_IS_EVENT, event->name) ||
		(account->options->create_events && growth_is_wanted(account, event, mapping) &&
		 growth_begin(input)) ||
		schema_sync_look_again(account, OBJECT_IS_EVENT);
}

static BuildResult
append_row(Batch *batch, Input *input, Row *row, const MessageParts *parts)
{
	Account    *account = row->key->lane->account;
	EventSource source = source_of(row, parts);
	const char *full_name;
	const EventDefinition *event =
	event_definition(&source, account->options, account->schema, &full_name);
	MappingRules rules = *account->rules[OBJECT_IS_CONTACT];
	Mapping		mapping;
	StringInfoData warnings;
	bool		waits;

	if (full_name == NULL)
		return create_event(input, row, &source);
	rules.object = OBJECT_IS_EVENT;
	rules.properties = event != NULL ? event->properties : NULL;
	initStringInfo(&warnings);
	mapping_begin(&mapping, &batch->body, &rules);
	event_append(&batch->body, &source, full_name, event, &mapping, &warnings);
	/* both before mapping_end(), which forgets what the definition lacks */
	waits = wait_for_growth(input, row, event, &mapping);
	if (!waits && event != NULL)
		growth_note_lacks(row, event, &mapping);
	mapping_end(&mapping);
	if (waits)
		return BUILD_WAIT;
	repeats_name(row, parts, full_name);
	row->warnings = warnings.len > 0 ? psprintf("[%s]", warnings.data) : NULL;
	pfree(warnings.data);
	return BUILD_DONE;
}

static BuildResult
append_events(Batch *batch, Input *input, const MessageParts *parts)
{
	for (int i = 0; i < input->nrows; i++)
	{
		if (i > 0)
			appendStringInfoChar(&batch->body, ',');
		if (append_row(batch, input, input->rows[i], &parts[i]) == BUILD_WAIT)
			return BUILD_WAIT;
	}
	return BUILD_DONE;
}

static void
end_delivered(Input *input, const Reply *reply, AckRequest *request)
{
	AckResult	result = {.request = request, .http_status = reply->status, .created = -1};

	batch_end_each(input, &result, repeats_verdict);
}

/* Whether the refusal is of this row, because HubSpot has had it. */
static bool
was_received(const Row *row, const Reply *reply)
{
	MessageParts parts;
	MessageProblem problem;
	EventSource source;
	char		uuid[DIGEST_UUID_TEXT];

	if (!message_read(row->message, &parts, &problem))
		return false;
	source = source_of(row, &parts);
	return event_uuid(&source, uuid) && strcasestr(reply->message, uuid) != NULL;
}

/*
 * HubSpot may have forgotten the record that the map remembers: the same by
 * what the message says, once.
 */
static bool
try_address(Input *input)
{
	Row		   *row = input->rows[0];
	bool		had_record = row->record_id[0] != '\0' || input->key->record_id[0] != '\0';

	row->record_id[0] = input->key->record_id[0] = '\0';
	row->looked = LOOKED_LAST;
	if (!had_record || row_was(row, ONCE_WITHOUT_RECORD))
		return false;
	row_note(row, ONCE_WITHOUT_RECORD);
	batch_put_back(input->key, input->rows, input->nrows);
	return true;
}

/*
 * One row that HubSpot refuses.  When it refuses a repeat, the event is there: this row's own,
 * whose answer was lost, or which libcurl has sent again by itself on a connection that had gone;
 * or another row's.
 */
static void
end_refused(Input *input, const Reply *reply, AckRequest *request)
{
	Row		   *row = input->rows[0];
	bool		repeat = was_received(row, reply) ||
	(reply->status == 409 && (row_may_have_arrived(row) || repeats_may_be_one(row)));
	AckResult	result = {.verdict = repeat ? repeats_refused(row) : VERDICT_REJECTED,
		.request = request, .http_status = reply->status, .created = -1,
		.category = repeat ? NULL : reply_code(reply),
	.message = repeat ? NULL : reply->message};

	if (repeat || !try_address(input))
		batch_end_rows(input, &result);
}

/*
 * Look for the culprit: among contacts by halving the batch, among the rows of
 * one contact by sending half as many at once, which keeps their order.
 */
static void
events_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (batch->ninputs > 1)
		batch_bisect(batch, reply);
	else if (batch->nrows > 1)
		batch_tell_apart(&batch->inputs[0], true);
	else
		end_refused(&batch->inputs[0], reply, request);
}

/*
 * HubSpot's success has no body.  One that lists results, as those for other
 * objects do, and not enough of them, is a success of something else; one with
 * errors is none for everybody.
 */
static bool
leaves_some_out(const Batch *batch, const Reply *reply)
{
	return reply->nerrors > 0 ||
		(reply_has(reply, "results") && reply->nresults < batch->nrows);
}

/* All again, which the uuids make safe; rows of one contact fewer at once. */
static void
events_again(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (batch->ninputs == 1 && batch->nrows > 1)
		events_refused(batch, reply, request);
	else
		batch_silent(batch, NULL, reply, request);
}

static void
events_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class != REPLY_RECORDS)
		events_refused(batch, reply, request);
	else if (leaves_some_out(batch, reply))
		events_again(batch, reply, request);
	else
		for (int i = 0; i < batch->ninputs; i++)
			end_delivered(&batch->inputs[i], reply, request);
}

static const RequestKind send_events = {
	.repeat = REPEAT_REFUSED,
	.path = PATH_EVENTS_SEND,
	.meter = METER_EVENTS,
	.max_inputs = 500,
	.max_rows = 500,
	.is_list = true,
	.counts_rows = true,
	.append_input = append_events,
	.answered = events_answered,
};

/* Whether it is known whose event a row is, or the message itself says so. */
static bool
tells_contact(const Row *row)
{
	const WorkKey *key = row->key;
	MessageParts parts;
	MessageProblem problem;
	bool		by_record;

	return key->property == NULL ||
		message_object_of_key(key->property, &by_record) != OBJECT_IS_CONTACT ||
		strcmp(key->property, MESSAGE_HUTK) == 0 ||
		row->record_id[0] != '\0' ||
		key->record_id[0] != '\0' ||
		(message_read(row->message, &parts, &problem) && message_email(row->call, &parts) != NULL);
}

/* The lane of the record that an event of another object finds by an id; NULL: it names none. */
static Lane *
lane_of_record(const WorkKey *key)
{
	bool		by_record = false;
	Object		object = message_object_of_key(key->property, &by_record);

	if (object == OBJECT_IS_CONTACT || object == OBJECT_MAX || by_record)
		return NULL;
	return key->lane->account->lanes[object];
}

/* What rows about that record are queued under, by the account's own id of it. */
static WorkKey *
key_of_record(const WorkKey *key, Lane *lane)
{
	const char *const *all = (const char *const *) lane->account->options->id_property;
	const char *property = object_id_property(all, (Object) lane->family);

	return property == NULL ? NULL : queue_find(lane, property, key->key);
}

/*
 * HubSpot loses an event whose rule finds no record, and says nothing: rows that may create it go
 * first.  Returns whether the key was sent away.
 */
static bool
await_record(WorkKey *key)
{
	Lane	   *lane = lane_of_record(key);

	return lane != NULL &&
		(await_other(key, key_of_record(key, lane), true) || await_reader(key, lane));
}

static bool
has_older_record(const Row *row)
{
	Lane	   *lane = lane_of_record(row->key);
	WorkKey    *other = lane == NULL ? NULL : key_of_record(row->key, lane);

	return other != NULL && key_has_older(other, row->id);
}

static const RequestKind *
kind_of_event(WorkKey *key)
{
	if (await_record(key))
		return NULL;
	if (!tells_contact(key_head(key)) &&
		!(queue_is_by_user_id(key) ? tell_is_hopeless(key) : await_contact(key)))
		return NULL;
	if (await_told(key))
		return NULL;
	if (key->lane->account->options->events == EVENTS_LEGACY)
		return &legacy_event;
	return repeats_look(key) ? NULL : &send_events;
}

/* What the key's first row has waited for is not known of the next one. */
static bool
event_joins(const Row *first, Row *next)
{
	return tells_contact(next) && !repeats_must_look(next) && !has_older_record(next);
}

static void
look_up_event(WorkKey *key)
{
	await_look_up_contact(key);
	if (!queue_is_by_user_id(key))
		repeats_look_up(key);
}

const FamilyWork events_work = {
	.kind = &send_events,
	.kind_of = kind_of_event,
	.joins = event_joins,
	.check = check_event,
	.look_up = look_up_event,
};
