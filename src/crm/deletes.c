/*
 * deletes.c
 *		Records are archived, contacts erased without a trace.
 *
 * HubSpot archives by record id only, and says nothing of ids that it does not have: so each record
 * is read first, by its key; one whose key is not unique (a company's domain) by the id that is
 * known, or it is searched for (companies.c).  Erasure goes by the address where that is the key,
 * for then HubSpot blocks one that it does not know; the traces here are removed by purge.c before
 * the row has its verdict.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/deletes.h"
#include "crm/records.h"
#include "erase/end_rows.h"
#include "erase/purge.h"
#include "queue/known.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "text/value.h"
#include "wait/await.h"
#include "wait/tell.h"

static const RequestKind erase_contact;

static void
end_unchanged(Input *input, const Reply *reply, AckRequest *request)
{
	AckResult	result =
	{.verdict = VERDICT_UNCHANGED, .request = request, .http_status = reply->status, .created = -1};

	batch_end_input(input, &result);
}

/* Events that wait go by the address again. */
static void
forget_in_events(const WorkKey *key)
{
	WorkKey    *events =
	queue_find(key->lane->account->lanes[FAMILY_EVENTS], key->property, key->key);
	dlist_iter	iter;

	if (events == NULL)
		return;
	events->record_id[0] = '\0';
	dlist_foreach(iter, &events->rows.waiting)
		dlist_container(Row, node, iter.cur)->record_id[0] = '\0';
}

/* The contact belongs to no company any more, unless it is about to be put into one again. */
void
deletes_contact(const WorkKey *key)
{
	const Account *account = key->lane->account;
	WorkKey    *associations =
	queue_find(account->lanes[FAMILY_ASSOCIATIONS], key->property, key->key);

	forget_in_events(key);
	if (associations != NULL && key_has_rows(associations))
		records_forget(key);
	else
		record_map_archive(account->server, queue_id_property(key), key->key, clock_us());
}

static void
forget(WorkKey *key)
{
	const RecordKinds *kinds = records_of(key->lane);

	if (kinds->archived != NULL)
		kinds->archived(key);
	else
		records_forget(key);
	known_forget(key);
	key->record_id[0] = '\0';
}

/* ---- archived ----------------------------------------------------------------------- */

void
deletes_found(Input *input, const char *record_id, const Reply *reply, AckRequest *request)
{
	if (record_id != NULL)
	{
		strlcpy(input->key->record_id, record_id, sizeof(input->key->record_id));
		input->onward = &deletes_archive;
		return;
	}
	forget(input->key);
	end_unchanged(input, reply, request);
}

/* Records that were read by their ids. */
static bool
match_records(const Batch *batch, const Reply *reply, const ReplyResult **found)
{
	const char **ids = palloc(sizeof(char *) * batch->ninputs);
	bool		complete;

	for (int i = 0; i < batch->ninputs; i++)
		ids[i] = batch->inputs[i].key->record_id;
	complete = records_match_read(batch, reply, NULL, ids, found);
	pfree(ids);
	return complete;
}

static void
read_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	const ReplyResult **found = palloc0(sizeof(ReplyResult *) * batch->ninputs);
	bool		complete;

	if (reply->class != REPLY_RECORDS)
	{
		batch_refused(batch, reply, request);
		return;
	}
	complete = batch->kind->by_record
		? match_records(batch, reply, found) : records_match_keys(batch, reply, found);
	for (int i = 0; i < batch->ninputs; i++)
	{
		if (found[i] == NULL && !complete)
			batch->inputs[i].onward = &batch_same;
		else
			deletes_found(&batch->inputs[i], found[i] != NULL ? found[i]->id : NULL, reply,
						  request);
	}
	batch_go_on(batch, reply, request);
}

static BuildResult
append_record(Batch *batch, Input *input, const MessageParts *parts)
{
	appendStringInfo(&batch->body, "{\"id\":\"%s\"}", input->key->record_id);
	return BUILD_DONE;
}

static void
end_archived(Input *input, const Reply *reply, AckRequest *request)
{
	char		record_id[RECORD_ID_BYTES];
	AckResult	result =
	{.verdict = VERDICT_DELIVERED, .request = request, .http_status = reply->status,
	.created = -1, .record_id = record_id};

	strlcpy(record_id, input->key->record_id, sizeof(record_id));
	company_warn_of_several(input);
	forget(input->key);
	batch_end_input(input, &result);
}

static void
archive_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class != REPLY_RECORDS)
		batch_refused(batch, reply, request);
	else if (reply->nerrors > 0)
		batch_silent(batch, NULL, reply, request);
	else
	{
		end_pairs_of_archived(batch);
		for (int i = 0; i < batch->ninputs; i++)
			end_archived(&batch->inputs[i], reply, request);
	}
}

/* ---- erased --------------------------------------------------------------------------- */

/* An address is erased as such; by another key, the contact has to be there. */
static void
erase_read_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	const ReplyResult *found = NULL;
	Input	   *input = &batch->inputs[0];

	if (reply->class != REPLY_RECORDS)
	{
		batch_refused(batch, reply, request);
		return;
	}

	/*
	 * What was known of the record may be old, and the erasure must meet the one that HubSpot has
	 * under this key. All its addresses are noted now: HubSpot tells none of an erased contact,
	 * and the tables are searched for each.
	 */
	(void) records_match_keys(batch, reply, &found);
	input->key->record_id[0] = '\0';
	input->alias = NULL;
	if (found != NULL)
	{
		const char *email = reply_property(found, "email");
		const char *more = reply_property(found, "hs_additional_emails");

		strlcpy(input->key->record_id, found->id, sizeof(input->key->record_id));
		input->alias = psprintf("%s;%s", email != NULL ? email : "", more != NULL ? more : "");
	}
	if (found != NULL || input->key->property == NULL)
		input->onward = &erase_contact;
	else
	{
		/* HubSpot has nobody, but our tables may name him. */
		AckResult	result =
		{.verdict = VERDICT_UNCHANGED, .request = request, .http_status = reply->status,
		.created = -1};

		purge_begin(input, &result);
	}
	batch_go_on(batch, reply, request);
}

static BuildResult
append_erasure(Batch *batch, Input *input, const MessageParts *parts)
{
	const WorkKey *key = input->key;

	appendStringInfoString(&batch->body, "{\"objectId\":");
	if (key->property == NULL)
	{
		value_append_string(&batch->body, key->key, strlen(key->key));
		appendStringInfoString(&batch->body, ",\"idProperty\":\"email\"");
	}
	else
		appendStringInfo(&batch->body, "\"%s\"", key->record_id);
	appendStringInfoChar(&batch->body, '}');
	return BUILD_DONE;
}

static void
erase_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	AckResult	result =
	{.verdict = VERDICT_DELIVERED, .request = request, .http_status = reply->status,
	.created = -1};

	if (reply->class == REPLY_RECORDS && reply->nerrors > 0)
		batch_silent(batch, NULL, reply, request);
	else if (reply->class == REPLY_RECORDS)
		purge_begin(input, &result);
	else
		batch_reject(input, VERDICT_REJECTED, reply_code(reply), reply->message, reply->status,
					 request);
}

/* ---- which request ----------------------------------------------------------------------- */

static const RequestKind read_for_archive = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.one_property = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = read_answered,
};

static void
end_read_records(Batch *batch)
{
	records_end_read_by(batch, RECORD_ID_PROPERTY, batch->type->natural_key);
}

static const RequestKind read_by_record = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.by_record = true,
	.end_body = end_read_records,
	.append_input = append_record,
	.answered = read_answered,
};

const RequestKind deletes_archive = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_ARCHIVE,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.by_record = true,
	.append_input = append_record,
	.answered = archive_answered,
};

static const RequestKind read_for_erasure = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1000,
	.is_list = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = erase_read_answered,
};

static const RequestKind erase_contact = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_ERASE,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.append_input = append_erasure,
	.answered = erase_answered,
};

const RequestKind *
deletes_kind_of(WorkKey *key)
{
	Row		   *row = key_head(key);

	if (queue_is_by_user_id(key))
	{
		if (!tell_is_hopeless(key))
			return NULL;
	}
	else if (!records_can_be_read(key->lane->family, key->property))
		return &read_by_record;
	return row->erases ? &read_for_erasure : &read_for_archive;
}
