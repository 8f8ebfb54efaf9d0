/*
 * records_lane.c
 *		The lanes of records that are neither contacts nor companies: a lane for each type.
 *
 *	upsert		by the account's unique property of the type
 *	update		by record id
 *	seek		whether HubSpot has it, for rows that only update or only create
 *	resolve		HubSpot has such a record, by a value that is unique
 *
 * They have what records of every type have (crm/), and nothing of their own: what a type differs
 * by stands in its row of object_types[].  Where that says that a record is created with an
 * association, the lane's family is born.c's.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "crm/deletes.h"
#include "crm/modes.h"
#include "crm/record_kinds.h"
#include "object/families.h"
#include "object/records_lane.h"
#include "wait/await.h"

/*
 * Is the record there by its key?  Then it has been made meanwhile, and is updated by its id; a
 * second conflict is about another value, as is one of a record that is not there.
 */
static void
decide_conflict(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
				AckRequest *request)
{
	if (found == NULL)
		batch_refuse_rows(input, input->category, input->message, input->status, request, false);
	else if (modes_may_update(input, found->id, reply, request))
	{
		input->created = -1;
		strlcpy(input->key->record_id, found->id, sizeof(input->key->record_id));
		input->onward = &records_update;
	}
}

static void
conflict_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	records_keys_answered(batch, reply, request, decide_conflict);
}

const RequestKind records_lane_resolve = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = conflict_answered,
};

static const RecordKinds kinds = {
	RECORD_KINDS_OF_ALL,
	.resolve = &records_lane_resolve,
};

static const RequestKind *
kind_of_record(WorkKey *key)
{
	const RequestKind *kind;

	if (modes_awaits_record(key))
		return NULL;
	if (key_head(key)->call == CALL_DELETE)
		return deletes_kind_of(key);
	kind = modes_kind_of(key);
	return kind != NULL ? kind : &records_upsert;
}

/* A key that was put into the outbox by hand may be of no property. */
bool
records_lane_check(Row *row, const MessageParts *parts, const char **category,
				   const char **problem)
{
	if (row->key->property == NULL)
	{
		*category = "bad_message";
		*problem = "the row does not say which property of the record its key is";
		return false;
	}
	if (row->erases)
	{
		*category = "bad_message";
		*problem = "only a contact can be erased, other records are archived";
		return false;
	}
	return row->call == CALL_DELETE || records_check(row, parts, category, problem);
}

const FamilyWork object_records_work = {
	.kind = &records_upsert,
	.records = &kinds,
	.kind_of = kind_of_record,
	.joins = modes_join,
	.check = records_lane_check,
	.look_up = await_look_up_record,
};
