/*
 * contacts.c
 *		The contacts lane: identify calls, and which contact they mean.
 *
 *	upsert		by e-mail address, or by the account's unique property
 *	update		by record id: of a contact that HubSpot had by its address alone
 *	find		the record ids that an answer did not tell, as of a contact
 *				that was found by one of its additional addresses
 *	resolve		HubSpot has such a contact: by the same key, or by the address
 *	seek		whether HubSpot has it, for rows that only update or only create
 *
 * Deletions are in deletes.c; they share the lane, so that a contact's calls
 * keep their order.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/deletes.h"
#include "crm/employers.h"
#include "crm/families.h"
#include "crm/late.h"
#include "crm/modes.h"
#include "crm/record_kinds.h"
#include "store/record_map.h"
#include "text/value.h"
#include "wait/await.h"
#include "wait/company_first.h"
#include "wait/tell.h"

/* ---- conflicts ------------------------------------------------------------------ */

/* It stays what HubSpot said at first.  The address, or another unique value, is one row's. */
static void
reject_conflict(Input *input, AckRequest *request)
{
	batch_refuse_rows(input, input->category, input->message, input->status, request, false);
}

static const RequestKind read_by_address;

/* The read was refused: by halves, as a write would be; what stands alone stays a conflict. */
static void
read_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (batch->ninputs > 1)
		batch_bisect(batch, reply);
	else
		reject_conflict(&batch->inputs[0], request);
}

/*
 * Nobody has the key or the address, by now (another row of the batch may have freed it): once
 * more.
 */
static bool
try_again(Input *input)
{
	if (batch_was_once(input, ONCE_AFTER_CONFLICT))
		return false;
	batch_note_once(input, ONCE_AFTER_CONFLICT);
	batch_put_back(input->key, input->rows, input->nrows);
	return true;
}

/*
 * Who is there by the key?  By e-mail address: this contact, to be updated by
 * its id.  By the account's property: the address is somebody else's; if
 * nobody is there by the key, that somebody may be meant.
 */
static void
decide_conflict(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
				AckRequest *request)
{
	/* A row that only creates ends here: what it was to create is there. */
	if (found != NULL && !modes_may_update(input, found->id, reply, request))
		return;
	if (found != NULL && input->key->property == NULL)
	{
		strlcpy(input->key->record_id, found->id, sizeof(input->key->record_id));
		input->onward = &records_update;
	}

	/*
	 * Found by the account's property, the contact is another one than the owner of the address,
	 * and no update makes both true: such an input falls through to the conflict.
	 */
	else if (found == NULL && input->alias != NULL)
		input->onward = &read_by_address;
	else
		reject_conflict(input, request);
}

static void
conflict_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class != REPLY_RECORDS)
		read_refused(batch, reply, request);
	else
		records_keys_answered(batch, reply, request, decide_conflict);
}

static void
end_read_by_address(Batch *batch)
{
	if (batch->ninputs > 0)
		records_end_read_by(batch, "email", queue_id_property(batch->inputs[0].key));
}

/* A contact without a key takes ours; one that has another is somebody else. */
static void
decide_by_address(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
				  AckRequest *request)
{
	const char *property = queue_id_property(input->key);
	const char *key = found == NULL ? NULL : reply_property(found, property);

	/*
	 * An input without a category comes from modes_answered(), which asks before anything was
	 * written; one with a category was refused, as its address was taken.
	 */
	if (found == NULL && input->category == NULL)
		input->onward = modes_may_create(input, reply, request) ? &records_upsert : NULL;
	else if (found == NULL)
	{
		if (!try_again(input))
			reject_conflict(input, request);
	}
	else if (key != NULL && key[0] != '\0' && strcmp(key, input->key->key) != 0)
		batch_refuse_rows(input, "conflicting_key",
						  psprintf("the address %s is of contact %s, whose %s is \"%s\"",
								   input->alias, found->id, property, key),
						  reply->status, request, false);
	else if (modes_may_update(input, found->id, reply, request))
	{
		const char *primary = reply_property(found, "email");

		/*
		 * The update must not move the primary address of a contact that has this one as an
		 * additional address.
		 */
		strlcpy(input->key->record_id, found->id, sizeof(input->key->record_id));
		input->keeps_address = primary != NULL && pg_strcasecmp(primary, input->alias) != 0;
		input->adopts = true;
		input->onward = &records_update;
	}
}

static void
address_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	const char **addresses = palloc(sizeof(char *) * batch->ninputs);

	if (reply->class != REPLY_RECORDS)
	{
		read_refused(batch, reply, request);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
		addresses[i] = batch->inputs[i].alias;
	records_read_answered(batch, reply, request, "email", addresses, decide_by_address);
}

/* ---- which request ------------------------------------------------------------------ */

/* A contact that goes by another property may be known by its address. */
static const char *
address_told(const Input *input, const MessageParts *parts)
{
	const char *address = NULL;

	for (int i = input->nrows - 1; i >= 0 && address == NULL && input->key->property != NULL; i--)
		address = message_email(input->rows[i]->call, &parts[i]);
	return address;
}

static const RequestKind find_contacts = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = records_found,
};

static const RequestKind read_by_key = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = conflict_answered,
};

static const RequestKind read_by_address = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.end_body = end_read_by_address,
	.append_input = records_append_alias,
	.answered = address_answered,
};

static const RecordKinds contact_kinds = {
	RECORD_KINDS_OF_ALL,
	.find = &find_contacts,
	.resolve = &read_by_key,
	.seek_elsewhere = &read_by_address,
	.alias = address_told,
	.created = employers_note,
	.archived = deletes_contact,
};

static const RequestKind *
kind_of_contact(WorkKey *key)
{
	const RequestKind *kind;

	if (key_head(key)->call == CALL_DELETE)
		return deletes_kind_of(key);
	if (queue_is_by_user_id(key) && !tell_is_hopeless(key))
		return NULL;
	if (tell_awaits_older(key) || company_first_await(key))
		return NULL;
	if (modes_awaits_record(key))
		return NULL;
	kind = late_kind_of(key);
	if (kind == NULL)
		kind = modes_kind_of(key);
	return kind != NULL ? kind : &records_upsert;
}

/*
 * Deletions are not merged with what comes before and after them; nor is a row that tells whom
 * older ones mean, which go before it.
 */
static bool
contact_joins(const Row *first, Row *next)
{
	return !first->is_late && !next->is_late && !tell_has_older(next) &&
		first->erases == next->erases && modes_join(first, next);
}

static bool
check_contact(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	if (queue_is_by_user_id(row->key))
	{
		*category = "contact_not_found";
		*problem = "no call has told yet which contact this userId is";
		return false;
	}
	return row->call == CALL_DELETE || records_check(row, parts, category, problem);
}

const FamilyWork contacts_work = {
	.kind = &records_upsert,
	.records = &contact_kinds,
	.kind_of = kind_of_contact,
	.joins = contact_joins,
	.check = check_contact,
	.look_up = await_look_up_contact,
};
