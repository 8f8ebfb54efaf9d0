/*
 * modes.c
 *		Rows that only update a record, or only create one.
 *
 * Called by the record types' files.  All rows of an input have one mode.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/modes.h"
#include "store/record_map.h"
#include "wait/await.h"

static RowMode
mode_of(const Input *input)
{
	return input->rows[0]->mode;
}

bool
modes_join(const Row *first, Row *next)
{
	return (first->call == CALL_DELETE) == (next->call == CALL_DELETE) &&
		first->mode == next->mode && first->mode != MODE_CREATE &&
		records_may_merge(first, next);
}

bool
modes_awaits_record(WorkKey *key)
{
	Row		   *row = key_head(key);

	/* one that turns out to be gone is read: it may have another id by now */
	if (!object_key_is_record_id(key->property) || key->record_id[0] != '\0' ||
		row->mode == MODE_CREATE || row->looked != LOOKED_NOT || row_was(row, ONCE_WITHOUT_RECORD))
		return false;
	row->looked = LOOKED_ONCE;
	await_look_up(key);
	return true;
}

const RequestKind *
modes_kind_of(WorkKey *key)
{
	const RecordKinds *kinds = records_of(key->lane);
	RowMode		mode = key_head(key)->mode;

	if (mode == MODE_UPSERT && !object_key_is_record_id(key->property))
		return NULL;
	return mode != MODE_CREATE && key->record_id[0] != '\0' ? kinds->update : kinds->seek;
}

BuildResult
modes_append_sought(Batch *batch, Input *input, const MessageParts *parts)
{
	const RecordKinds *kinds = records_of(batch->lane);

	input->alias = kinds->alias != NULL && !object_key_is_record_id(input->key->property)
		? kinds->alias(input, parts) : NULL;
	if (mode_of(input) == MODE_CREATE && input->key->record_id[0] != '\0')
		return records_end_unsent(input, records_exists(input));
	if (records_wait_for_key(input))
		return BUILD_WAIT;
	return records_append_id(batch, input, NULL);
}

/* ---- what was found -------------------------------------------------------------- */

bool
modes_may_update(Input *input, const char *record_id, const Reply *reply, AckRequest *request)
{
	WorkKey    *key = input->key;
	AckResult	result;

	if (mode_of(input) != MODE_CREATE)
		return true;
	strlcpy(key->record_id, record_id, sizeof(key->record_id));
	record_map_add(key->lane->account->server, key->lane->family, queue_id_property(key), key->key,
				   record_id, false, clock_us());
	result = records_exists(input);
	result.request = request;
	result.http_status = reply->status;
	batch_end_input(input, &result);
	return false;
}

bool
modes_may_create(Input *input, const Reply *reply, AckRequest *request)
{
	Object		object = input->key->lane->family;

	bool		by_id = object_key_is_record_id(input->key->property);

	if (mode_of(input) != MODE_UPDATE && !by_id)
		return true;
	batch_reject(input, VERDICT_REJECTED, records_not_found(object),
				 by_id ? psprintf("HubSpot has no %s of this record id, and gives such ids itself",
								  object_types[object].name)
				 : psprintf("HubSpot has no such %s, and this row only updates",
							object_types[object].name), reply->status, request);
	return false;
}

static void
decide_mode(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
			AckRequest *request)
{
	const RecordKinds *kinds = records_of(batch->lane);

	/* what is not there by its key may be there by its address */
	if (found == NULL && input->alias != NULL)
		input->onward = kinds->seek_elsewhere;
	else if (found == NULL)
	{
		if (!modes_may_create(input, reply, request))
			return;
		if (kinds->absent != NULL)
			kinds->absent(input);
		else
			input->onward = kinds->upsert;
	}
	else if (modes_may_update(input, found->id, reply, request))
	{
		strlcpy(input->key->record_id, found->id, sizeof(input->key->record_id));
		input->onward = kinds->update;
	}
}

void
modes_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	records_keys_answered(batch, reply, request, decide_mode);
}
