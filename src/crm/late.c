/*
 * late.c
 *		A contact's rows whose userId was told by a later row: they overwrite nothing.
 *
 * See late.h.  Called as contacts.c is.  Memory: what was asked is kept with the row,
 * in "hubspot window".
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "crm/late.h"
#include "crm/modes.h"
#include "crm/record_kinds.h"
#include "mapping/record_message.h"
#include "queue/queue.h"

/* The properties that a row writes. */
static Mapping
map_row(const Row *row, StringInfo json)
{
	const WorkKey *key = row->key;
	MessageKey	name = queue_message_key(key);
	Mapping		mapping;
	MessageParts parts;
	MessageProblem problem;
	StringInfoData warnings;

	initStringInfo(json);
	initStringInfo(&warnings);
	mapping_begin(&mapping, json, key->lane->account->rules[key->lane->family]);
	if (message_read(row->message, &parts, &problem))
		mapping_add_record(&mapping, row->call, &parts, &name, &warnings);
	pfree(warnings.data);
	return mapping;
}

/* All properties of all inputs; one that stands there twice does no harm. */
static void
end_read_values(Batch *batch)
{
	const char *id_property =
	batch->ninputs > 0 ? queue_id_property(batch->inputs[0].key) : "email";

	records_begin_asked(batch, id_property);
	for (int i = 0; i < batch->ninputs; i++)
	{
		StringInfoData json;
		Mapping		mapping = map_row(batch->inputs[i].rows[0], &json);

		for (int j = 0; j < mapping.nnames; j++)
			records_append_asked(batch, mapping_name(&mapping, j));
		mapping_end(&mapping);
		pfree(json.data);
	}
	records_end_asked(batch, id_property);
}

/* Keep with the row which of its properties HubSpot has a value of. */
static void
note_held(Row *row, const ReplyResult *result)
{
	StringInfoData json;
	StringInfoData held;
	Mapping		mapping = map_row(row, &json);

	initStringInfo(&held);
	for (int i = 0; i < mapping.nnames; i++)
	{
		const char *name = mapping_name(&mapping, i);
		const char *value = reply_property(result, name);

		if (value != NULL && value[0] != '\0')
			appendStringInfo(&held, "%s\n", name);
	}
	mapping_end(&mapping);
	if (row->held != NULL)
		pfree(row->held);
	row->held = MemoryContextStrdup(window.memory, held.data);
	pfree(held.data);
	pfree(json.data);
}

/* What is not there, or need not be, is modes.c's to say, as for any row that looks first. */
static void
values_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	const ReplyResult **found = palloc0(sizeof(ReplyResult *) * batch->ninputs);

	if (reply->class == REPLY_RECORDS)
		(void) records_match_keys(batch, reply, found);
	for (int i = 0; i < batch->ninputs; i++)
		if (found[i] != NULL)
			note_held(batch->inputs[i].rows[0], found[i]);
	pfree(found);
	modes_answered(batch, reply, request);
}

static const RequestKind read_values = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1,
	.is_list = true,
	.one_property = true,
	.end_body = end_read_values,
	.append_input = records_append_id,
	.answered = values_answered,
};

/* One that only creates overwrites nothing as it is. */
const RequestKind *
late_kind_of(const WorkKey *key)
{
	const Row  *row = key_head(key);

	return row->is_late && row->mode != MODE_CREATE ? &read_values : NULL;
}

/* ---- associations ------------------------------------------------------------------------- */

#define PRIMARY_COMPANY_PROPERTY	"associatedcompanyid"

static BuildResult
append_contact(Batch *batch, Input *input, const MessageParts *parts)
{
	appendStringInfo(&batch->body, "{\"id\":\"%s\"}", input->key->record_id);
	return BUILD_DONE;
}

static void
end_read_company(Batch *batch)
{
	records_end_read_by(batch, RECORD_ID_PROPERTY, PRIMARY_COMPANY_PROPERTY);
}

/* A contact that is not there has none; the association will find that out. */
static void
note_primary_company(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
					 AckRequest *request)
{
	const char *company =
	found == NULL ? NULL : reply_property(found, PRIMARY_COMPANY_PROPERTY);

	input->rows[0]->held = MemoryContextStrdup(window.memory, company != NULL ? company : "");
	batch_put_back(input->key, input->rows, input->nrows);
}

static void
company_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	const char **ids = palloc(sizeof(char *) * batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
		ids[i] = batch->inputs[i].key->record_id;
	records_read_answered(batch, reply, request, NULL, ids, note_primary_company);
}

const RequestKind late_read_company = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.type = &object_types[OBJECT_IS_CONTACT],
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1,
	.is_list = true,
	.by_record = true,
	.append_input = append_contact,
	.end_body = end_read_company,
	.answered = company_answered,
};

bool
late_pair_must_ask(const Row *row)
{
	return row->is_late && row->held == NULL &&
		row->key->lane->account->options->primary_company;
}

bool
late_has_company(const Row *row)
{
	return row->is_late && row->held != NULL && row->held[0] != '\0' &&
		strcmp(row->held, row->record_id) != 0;
}
