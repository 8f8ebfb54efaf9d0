/*
 * cancel.c
 *		What hubspot_cancel() means, for rows that are about to come into the window.
 *
 * Memory: the commands are command.c's.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/hubspot.h"
#include "admit/cancel.h"
#include "ring/ring.h"

const Refusal cancel_refusal =
{VERDICT_CANCELLED, "cancelled", "hubspot_cancel() was called before the row could be sent"};

List	   *cancel_commands = NIL;

bool
cancel_means(const Command *command, const Subject *subject)
{
	return subject->id <= command->last_id &&
		(command->ids == NULL ||
		 bsearch(&subject->id, command->ids, command->nids, sizeof(int64), ring_compare_ids) !=
		 NULL) &&
		(!OidIsValid(command->server) || command->server == subject->server) &&
		(!OidIsValid(command->call) || command->call == subject->call) &&
		(command->object == NULL || strcmp(command->object, subject->object) == 0) &&
		(command->key == NULL || strcmp(command->key, subject->key) == 0) &&
		(command->backfill < 0 || (command->backfill == 1) == subject->backfill);
}

bool
cancel_wants(TupleTableSlot *slot)
{
	bool		isnull;
	ListCell   *cell;
	Subject		subject;

	if (cancel_commands == NIL)
		return false;
	subject.id = DatumGetInt64(slot_getattr(slot, Anum_outbox_id, &isnull));
	subject.server = DatumGetObjectId(slot_getattr(slot, Anum_outbox_server, &isnull));
	subject.call = DatumGetObjectId(slot_getattr(slot, Anum_outbox_call, &isnull));
	subject.object = TextDatumGetCString(slot_getattr(slot, Anum_outbox_object, &isnull));
	subject.key = TextDatumGetCString(slot_getattr(slot, Anum_outbox_key, &isnull));
	subject.backfill = admit_is_backfill(slot);
	foreach(cell, cancel_commands)
		if (cancel_means(lfirst(cell), &subject))
		return true;
	return false;
}
