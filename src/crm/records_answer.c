/*
 * records_answer.c
 *		What records of every type have in common: the answers.
 *
 * Each input ends, or goes on: to be mapped again by a newer schema, to have
 * its lifecycle stage cleared and set, to have a conflict resolved, to be sent
 * again because the answer says nothing of it.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/modes.h"
#include "crm/records.h"
#include "crm/unknown.h"
#include "queue/known.h"
#include "reading/choices.h"
#include "request/fault.h"
#include "request/schema_sync.h"
#include "request/unchanged.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "text/value.h"

StaticAssertDecl(REPLY_ID_BYTES <= RECORD_ID_BYTES, "an id that was read can be kept");

#define MAX_SILENT_ANSWERS	3	/* 2xx answers without a word on the only record */

typedef struct Reading
{
	Batch	   *batch;
	const Reply *reply;
	AckRequest *request;
	const RecordKinds *kinds;
} Reading;

/* ---- confirmed ------------------------------------------------------------------------- */

void
records_end(Input *input, const char *record_id, int created, int status, AckRequest *request)
{
	WorkKey    *key = input->key;
	AckResult	result = {.verdict = VERDICT_DELIVERED, .request = request, .http_status = status,
	.created = created, .record_id = record_id};

	company_warn_of_several(input);
	if (record_id != NULL)
		record_map_add(key->lane->account->server, key->lane->family, queue_id_property(key),
					   key->key, record_id,
					   created == 1, clock_us());
	company_note_domain(input, record_id);
	if (created == 1 && records_of(key->lane)->created != NULL)
		records_of(key->lane)->created(key, key->property == NULL ? key->key : input->alias,
									   record_id);
	input->created = created;
	unchanged_learn(input, record_id);
	batch_end_input(input, &result);
}

/* The stage that an answer shows, NULL when it shows none. */
static const char *
stage_in(const Input *input, const ReplyResult *result)
{
	const char *property = records_type(input->key->lane)->stage_property;

	return result == NULL || property == NULL ? NULL : reply_property(result, property);
}

/* Whether HubSpot has silently kept another stage than the one that was sent. */
static bool
stage_was_kept(const Input *input, const ReplyResult *result)
{
	const char *stage = stage_in(input, result);

	return input->stage != NULL && stage != NULL && strcmp(stage, input->stage) != 0;
}

void
records_note_stage(Input *input, const ReplyResult *result)
{
	const char *stage = stage_in(input, result);

	input->stage_taken = input->stage != NULL && stage != NULL && strcmp(stage, input->stage) == 0;
}

/*
 * Values were left out because of a record that turns out not to be the one
 * that HubSpot has written to: all of them are sent to that one.
 */
static void
send_whole(Reading *reading, int i)
{
	Input	   *input = &reading->batch->inputs[i];

	known_forget(input->key);
	input->whole = true;
	if (input->key->record_id[0] != '\0')
		input->onward = reading->kinds->update;
	else
		batch_put_back(input->key, input->rows, input->nrows);
}

static void
confirm(Reading *reading, int i, const ReplyResult *result)
{
	Input	   *input = &reading->batch->inputs[i];
	WorkKey    *key = input->key;
	const RecordKinds *kinds = reading->kinds;
	const RequestKind *kind = reading->batch->kind;

	if (result != NULL && result->id != NULL)
		strlcpy(key->record_id, result->id, sizeof(key->record_id));
	else if (!kind->by_record)
		key->record_id[0] = '\0';
	if (result != NULL && result->created >= 0 && input->created != 1)
		input->created = result->created;
	else if (kind->by_record && input->created < 0)
		input->created = 0;

	records_note_stage(input, result);

	/*
	 * Each step needs what the one before has settled: which record it is, then whether what was
	 * left out is true of that record, then the stage, which takes requests of its own.
	 */
	if (key->record_id[0] == '\0' && kinds->find != NULL && kind != kinds->find)
		input->onward = kinds->find;
	else if (unchanged_is_elsewhere(input, key->record_id[0] != '\0' ? key->record_id : NULL))
		send_whole(reading, i);
	else if (kind == kinds->clear_stage)
		input->onward = kinds->set_stage;
	else if (stage_was_kept(input, result) &&
			 key->lane->account->options->lifecycle == LIFECYCLE_ANY &&
			 kind != kinds->set_stage)
		input->onward = kinds->clear_stage;
	else
	{
		if (stage_was_kept(input, result))
			batch_warn(input, "lifecycle_kept", records_type(key->lane)->stage_property,
					   psprintf("HubSpot has kept the stage \"%s\"", stage_in(input, result)));
		records_end(input, key->record_id[0] != '\0' ? key->record_id : NULL, input->created,
					reading->reply->status,
					reading->request);
	}
}

/* ---- refused ----------------------------------------------------------------------------- */

/* What an error of one record is called: its code says more than its category. */
static const char *
category_of(const ReplyError *error)
{
	return error->code != NULL ? error->code : error->category;
}

static bool
is_one_of(const char *word, const char *const *words, int n)
{
	for (int i = 0; word != NULL && i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

/* Errors that say that our picture of the account's properties is old. */
static bool
is_about_schema(const ReplyError *error)
{
	static const char *const codes[] =
	{"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "INVALID_OPTION"};

	return is_one_of(error->code, codes, lengthof(codes));
}

/*
 * Whether an error is about a value that is chosen from a list of HubSpot's own (mapping/choice.h),
 * an owner, or a pipeline or stage: by the property, since HubSpot's codes for these are not all
 * known.
 */
static bool
is_about_owner(const Lane *lane, const ReplyError *error)
{
	const PropertySet *properties = lane->account->rules[lane->family]->properties;
	const Property *property = NULL;

	if (properties != NULL && error->property != NULL)
		property = schema_property(properties, error->property, strlen(error->property));

	return (error->code != NULL && strcmp(error->code, "INVALID_OWNER_ID") == 0) ||
		(property != NULL && property->owners != NULL);
}

static bool
is_about_stage(const Lane *lane, const ReplyError *error)
{
	const MappingRules *rules = lane->account->rules[lane->family];

	return rules->pipelines != NULL && error->property != NULL &&
		(strcmp(error->property, rules->pipeline_property) == 0 ||
		 strcmp(error->property, rules->stage_property) == 0);
}

/* Errors that say that HubSpot has such a record already. */
static bool
is_conflict(const ReplyError *error, int status)
{
	static const char *const words[] =
	{"CONFLICT", "OBJECT_ALREADY_EXISTS", "CONFLICTING_UNIQUE_VALUE"};

	return status == 409 || error->existing_id != NULL ||
		is_one_of(error->code, words, lengthof(words)) ||
		is_one_of(error->category, words, lengthof(words));
}

static bool
is_vanished(const ReplyError *error, int status)
{
	return status == 404 ||
		(error->category != NULL && strcmp(error->category, "OBJECT_NOT_FOUND") == 0);
}

/* Whether the error is of the property that names the record, which all rows of the key have. */
static bool
is_about_key(const Input *input, const ReplyError *error)
{
	return error->property != NULL &&
		strcmp(error->property, queue_id_property(input->key)) == 0;
}

/* Whether none of the input's rows was mapped again before, and there is a schema to go by. */
static bool
may_be_repaired(const Input *input)
{
	Account    *account = input->key->lane->account;
	Object		part = input->key->lane->family;

	if (account->schema == NULL || schema_properties(account->schema, part) == NULL)
		return false;
	return !batch_was_once(input, ONCE_MAPPED_ANEW);
}

/* Map the input's rows again with a new schema, once; false when that was tried. */
static bool
repair(Input *input)
{
	if (!may_be_repaired(input))
		return false;
	batch_note_once(input, ONCE_MAPPED_ANEW);
	choices_doubt(input->key->lane);
	schema_sync_refresh(input->key->lane->account, input->key->lane->family);
	batch_put_back(input->key, input->rows, input->nrows);
	return true;
}

static bool
repair_all(Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (!may_be_repaired(&batch->inputs[i]))
			return false;
	for (int i = 0; i < batch->ninputs; i++)
		(void) repair(&batch->inputs[i]);
	return true;
}

/* An owner is refused: once more without any, for which the record must not fail. */
static bool
go_without_owner(Input *input)
{
	if (batch_was_once(input, ONCE_WITHOUT_OWNER))
		return false;
	batch_note_once(input, ONCE_WITHOUT_OWNER);
	choices_doubt(input->key->lane);
	batch_put_back(input->key, input->rows, input->nrows);
	return true;
}

/* The record that the request went by is gone: once more without it. */
static bool
try_without_record(Batch *batch, Input *input)
{
	if (!batch->kind->by_record || batch_was_once(input, ONCE_WITHOUT_RECORD))
		return false;
	batch_note_once(input, ONCE_WITHOUT_RECORD);
	input->key->record_id[0] = '\0';
	records_forget(input->key);
	batch_put_back(input->key, input->rows, input->nrows);
	return true;
}

/* The call had it, with a value that could not be sent. */
static bool
was_left_out(const Input *input, const char *property)
{
	for (int i = 0; i < input->nrows; i++)
		if (mapping_has_warned(input->rows[i]->warnings, property, strlen(property)))
			return true;
	return false;
}

/*
 * HubSpot does not create the record, for the account demands more of it: each row says so with the
 * names, and hubspot.required_property once, for hubspot_health(), of what calls do not bring.
 */
static void
refuse_lacking(Reading *reading, Input *input, const ReplyError *error, int status)
{
	const Lane *lane = input->key->lane;
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < error->nlacking; i++)
	{
		bool		left_out = was_left_out(input, error->lacking[i]);

		appendStringInfo(&names, "%s%s%s", i > 0 ? ", " : "", error->lacking[i],
						 left_out ? " (left out: see the warnings)" : "");
		if (!left_out)
			unknown_note_required(lane->account->server, lane->family, error->lacking[i],
								  input->rows[0]->id);
	}
	batch_refuse_rows(input, "required_property",
					  psprintf("HubSpot demands of a new %s what the call has not: %s",
							   records_type(lane)->name, names.data),
					  reading->reply->status, reading->request, status != 0);
}

/* An error of one record, of a whole refused request when status is that of a refusal. */
static void
refuse(Reading *reading, int i, const ReplyError *error, const char *category, const char *message,
	   int status)
{
	Batch	   *batch = reading->batch;
	Input	   *input = &batch->inputs[i];

	/* First, on each way out: what HubSpot holds of the record is in doubt. */
	known_forget(input->key);
	if (status == 0 && reply_is_transient(error))
	{
		fault_input(input, category, message, reading->reply->status, reading->request);
		return;
	}
	if (is_about_owner(batch->lane, error))
	{
		if (go_without_owner(input))
			return;
	}
	else if ((is_about_schema(error) || is_about_stage(batch->lane, error)) && repair(input))
		return;
	/* Once per input, which has a category afterwards: a second conflict would go on for ever. */
	if (is_conflict(error, status) && reading->kinds->resolve != NULL && input->category == NULL)
	{
		input->category =
			MemoryContextStrdup(batch->context, category != NULL ? category : "CONFLICT");
		input->message = MemoryContextStrdup(batch->context, message != NULL ? message : "");
		input->status = reading->reply->status;
		input->onward = reading->kinds->resolve;
		return;
	}
	if (is_vanished(error, status) && batch->kind->by_record &&
		(try_without_record(batch, input) ||
		 !modes_may_create(input, reading->reply, reading->request)))
		return;
	if (error->nlacking > 0)
		refuse_lacking(reading, input, error, status);
	else if (error->property == NULL && reading->kinds->doubts != NULL &&
			 reading->kinds->doubts(batch, input))
		return;
	else if (is_about_key(input, error))
		batch_reject(input, VERDICT_REJECTED, category, message, reading->reply->status,
					 reading->request);
	else
		batch_refuse_rows(input, category, message, reading->reply->status, reading->request,
						  status != 0);
}

void
records_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	Reading		reading = {batch, reply, request, records_of(batch->lane)};

	if ((is_about_schema(&reply->error) || is_about_stage(batch->lane, &reply->error)) &&
		!is_about_owner(batch->lane, &reply->error) && repair_all(batch))
		return;
	if (batch->ninputs > 1)
	{
		batch_bisect(batch, reply);
		return;
	}
	refuse(&reading, 0, &reply->error, reply_code(reply), reply->message, reply->status);
	batch_go_on(batch, reply, request);
}

/* ---- the answers --------------------------------------------------------------------------- */

/* The property, and each input's value of it, by which results are told apart. */
static const char *
match_key(const Batch *batch, const Input *input, const char **property)
{
	*property = batch->kind->by_record ? NULL : queue_id_property(input->key);
	return batch->kind->by_record ? input->key->record_id : input->key->key;
}

/*
 * HubSpot accepted the request: look at each record.  Inputs that the answer
 * leaves open go into a batch of their own.
 */
static void
read_records(Batch *batch, const Reply *reply, AckRequest *request)
{
	ReplyInput *matched = palloc0(sizeof(ReplyInput) * batch->ninputs);
	const char *property = NULL;
	Reading		reading = {batch, reply, request, records_of(batch->lane)};

	for (int i = 0; i < batch->ninputs; i++)
	{
		matched[i].trace = batch->inputs[i].trace;
		matched[i].key = match_key(batch, &batch->inputs[i], &property);
	}
	reply_match(reply, property, matched, batch->ninputs);
	for (int i = 0; i < batch->ninputs; i++)
	{
		if (matched[i].outcome == REPLY_CONFIRMED)
			confirm(&reading, i, matched[i].result);
		/* Failures of single records, in a request that was accepted: status 0. */
		else if (matched[i].outcome == REPLY_FAILED)
			refuse(&reading, i, matched[i].error, category_of(matched[i].error),
				   matched[i].error->message, 0);
		else
			batch->inputs[i].onward = &batch_same;
	}
	batch_go_on(batch, reply, request);
	pfree(matched);
}

void
records_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class == REPLY_RECORDS)
		read_records(batch, reply, request);
	else
		records_refused(batch, reply, request);
}

void
records_found(Batch *batch, const Reply *reply, AckRequest *request)
{
	const ReplyResult **found = palloc0(sizeof(ReplyResult *) * batch->ninputs);
	Reading		reading = {batch, reply, request, records_of(batch->lane)};

	if (reply->class == REPLY_RECORDS)
		(void) records_match_keys(batch, reply, found);
	for (int i = 0; i < batch->ninputs; i++)
		confirm(&reading, i, found[i]);
	batch_go_on(batch, reply, request);
	pfree(found);
}
