/*
 * contacts.c
 *		Contacts: what a batch/upsert says.
 *
 * Called by batch.c, in the batch's memory context.  One input per contact,
 * keyed by e-mail address or by the account's unique property; each carries
 * an objectWriteTraceId, so that HubSpot can refuse one record of many.
 */
#include "postgres.h"

#include "hubspot.h"
#include "clock.h"
#include "contacts.h"
#include "mapping.h"
#include "record_map.h"
#include "schema_sync.h"
#include "unknown.h"
#include "value.h"

#define MAX_SILENT_ANSWERS	3	/* 2xx answers without a word on the only record */

const char *
contacts_id_property(const WorkKey *key)
{
	return key->property != NULL ? key->property : "email";
}

/* ---- a request ---------------------------------------------------------------- */

void
contacts_begin_input(StringInfo body, const char *id_property, const char *key, const char *trace)
{
	appendStringInfoString(body, "{\"idProperty\":");
	value_append_string(body, id_property, strlen(id_property));
	appendStringInfoString(body, ",\"id\":");
	value_append_string(body, key, strlen(key));
	appendStringInfo(body, ",\"objectWriteTraceId\":\"%s\",\"properties\":{", trace);
}

void
contacts_end_input(StringInfo body)
{
	appendStringInfoString(body, "}}");
}

/* Names that HubSpot does not have are counted, or created if the account wants that. */
static BuildResult
deal_with_unknown(Account *account, const Mapping *mapping, const Row *row)
{
	BuildResult result = BUILD_DONE;

	for (int i = 0; i < mapping->nunknown; i++)
	{
		if (account->options->create_properties &&
			schema_sync_create(account, SCHEMA_CONTACT, &mapping->unknown[i]))
			result = BUILD_WAIT;
		else
			unknown_note(account->server, SCHEMA_CONTACT, &mapping->unknown[i], row->id);
	}
	return result;
}

/* Add one row's properties below those of newer rows. */
static BuildResult
add_row(Mapping *mapping, Input *input, Row *row, const MessageParts *parts)
{
	StringInfoData warnings;
	BuildResult result;

	initStringInfo(&warnings);
	mapping_add_contact(mapping, parts, input->key->property, &warnings);
	result = deal_with_unknown(input->key->lane->account, mapping, row);
	row->warnings = warnings.len > 0 ? psprintf("[%s]", warnings.data) : NULL;
	pfree(warnings.data);
	return result;
}

static BuildResult
append_contact(Batch *batch, Input *input, const MessageParts *parts)
{
	StringInfo	body = &batch->body;
	Mapping		mapping;
	BuildResult result = BUILD_DONE;

	contacts_begin_input(body, contacts_id_property(input->key), input->key->key, input->trace);
	mapping_begin(&mapping, body, &input->key->lane->account->rules[SCHEMA_CONTACT]);
	for (int i = input->nrows - 1; i >= 0; i--)
		if (add_row(&mapping, input, input->rows[i], &parts[i]) == BUILD_WAIT)
			result = BUILD_WAIT;
	contacts_end_input(body);
	mapping_end(&mapping);
	return result;
}

/* With unknown_properties = 'reject' a row with a name that HubSpot does not have is no good. */
static bool
check_contact(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	Account    *account = row->key->lane->account;
	StringInfoData json;
	StringInfoData warnings;
	Mapping		mapping;

	if (account->options->unknown_properties != UNKNOWN_REJECT || account->options->create_properties)
		return true;
	initStringInfo(&json);
	initStringInfo(&warnings);
	mapping_begin(&mapping, &json, &account->rules[SCHEMA_CONTACT]);
	mapping_add_contact(&mapping, parts, row->key->property, &warnings);
	if (mapping.nunknown > 0)
	{
		*category = "unknown_property";
		*problem = psprintf("HubSpot has no property \"%s\"", mapping.unknown[0].name);
		unknown_note(account->server, SCHEMA_CONTACT, &mapping.unknown[0], row->id);
	}
	pfree(json.data);
	pfree(warnings.data);
	return mapping.nunknown == 0;
}

/* ---- its answer ---------------------------------------------------------------- */

static void
end_confirmed(Batch *batch, Input *input, const ReplyResult *confirmed, int status,
			  AckRequest *request)
{
	AckResult	result = {.verdict = VERDICT_DELIVERED, .request = request,
	.http_status = status, .created = -1};

	if (confirmed != NULL)
	{
		result.record_id = confirmed->id;
		result.created = confirmed->created;
		if (confirmed->id != NULL)
			record_map_add(batch->lane->account->server, OBJECT_IS_CONTACT,
						   contacts_id_property(input->key), input->key->key, confirmed->id,
						   confirmed->created == 1, clock_us());
	}
	batch_end_input(input, &result);
}

/* What an error of one record is called: its code says more than its category. */
static const char *
category_of(const ReplyError *error)
{
	return error->code != NULL ? error->code : error->category;
}

/* Errors that say that our picture of the account's properties is old. */
static const char *const schema_errors[] = {
	"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "INVALID_OPTION"
};

static bool
is_about_schema(const char *code)
{
	for (int i = 0; code != NULL && i < lengthof(schema_errors); i++)
		if (strcmp(code, schema_errors[i]) == 0)
			return true;
	return false;
}

/* Whether none of the input's rows was mapped again before, and there is a schema to go by. */
static bool
may_be_repaired(const Input *input)
{
	Account    *account = input->key->lane->account;

	if (account->schema == NULL || account->schema->properties[SCHEMA_CONTACT] == NULL)
		return false;
	for (int i = 0; i < input->nrows; i++)
		if (input->rows[i]->repaired)
			return false;
	return true;
}

/* Map the input's rows again with a new schema, once; false when that was tried. */
static bool
repair(Input *input)
{
	Account    *account = input->key->lane->account;

	if (!may_be_repaired(input))
		return false;
	for (int i = 0; i < input->nrows; i++)
		input->rows[i]->repaired = true;
	schema_sync_refresh(account, SCHEMA_CONTACT);
	queue_put_back(input->key, input->rows, input->nrows);
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

/*
 * HubSpot accepted the request: look at each record.  Inputs that the answer
 * leaves open go into a batch of their own.
 */
static void
read_records(Batch *batch, const Reply *reply, AckRequest *request)
{
	ReplyInput *matched = palloc0(sizeof(ReplyInput) * batch->ninputs);
	bool	   *open = palloc0(sizeof(bool) * batch->ninputs);
	int			nopen = 0;

	for (int i = 0; i < batch->ninputs; i++)
	{
		matched[i].trace = batch->inputs[i].trace;
		matched[i].key = batch->inputs[i].key->key;
	}
	reply_match(reply, contacts_id_property(batch->inputs[0].key), matched, batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];

		if (matched[i].outcome == REPLY_CONFIRMED)
			end_confirmed(batch, input, matched[i].result, reply->status, request);
		else if (matched[i].outcome == REPLY_FAILED)
		{
			if (!is_about_schema(matched[i].error->code) || !repair(input))
				batch_reject(input, VERDICT_REJECTED, category_of(matched[i].error),
							 matched[i].error->message, reply->status, request);
		}
		else
		{
			open[i] = true;
			nopen++;
		}
	}
	if (nopen == batch->ninputs && ++batch->attempts >= MAX_SILENT_ANSWERS && nopen == 1)
		batch_reject(&batch->inputs[0], VERDICT_DEAD, "not_confirmed",
					 "HubSpot answered with success but did not say anything about this record",
					 reply->status, request);
	else if (nopen == batch->ninputs && batch->attempts >= MAX_SILENT_ANSWERS)
		batch_bisect(batch, reply);
	else if (nopen > 0)
	{
		int			attempts = batch->attempts;

		lane_event(&batch->lane->status, EVENT_UNAVAILABLE,
				   "it answered with success but left records out", 0);
		batch_split_off(batch, open);
		dlist_head_element(Batch, node, &batch->lane->again)->attempts = attempts;
	}
	pfree(open);
	pfree(matched);
}

/* The request as a whole was refused. */
static void
contacts_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];

	if (is_about_schema(reply->error.code) && repair_all(batch))
		return;
	if (batch->ninputs > 1)
		batch_bisect(batch, reply);
	else
		batch_reject(input, VERDICT_REJECTED, reply_code(reply), reply->message, reply->status, request);
}

static void
contacts_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class == REPLY_RECORDS)
		read_records(batch, reply, request);
	else
		contacts_refused(batch, reply, request);
}

const FamilyWork contacts_work = {
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.path = PATH_CONTACTS_UPSERT,
	.check = check_contact,
	.append_input = append_contact,
	.answered = contacts_answered,
};
