/*
 * type_bound.c
 *		How many types of records the rows of an account may name.
 *
 * A process knows OBJECT_MAX types, and forgets none.  One worker serves accounts whose owners need
 * not trust each other: whoever queues rows of ever new types must not take the room of the others,
 * whose rows would be refused.  So the words of a row are counted for its account before any of
 * them becomes an object.
 *
 * Memory: "hubspot work", for each account that names further types.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/hubspot.h"
#include "admit/type_bound.h"
#include "base/worker_context.h"
#include "message/message.h"
#include "message/object_type.h"
#include "ring/outbox.h"

/* Types that each process knows from the start are not counted. */
static bool
may_name(Account *account, const char *word, int len)
{
	uint32		code;

	if (!object_find_code(word, len, &code) || code < OBJECT_COUNT)
		return true;
	for (int i = 0; i < account->ntypes; i++)
		if (account->types[i] == code)
			return true;
	if (account->ntypes == TYPES_OF_ACCOUNT)
		return false;
	if (account->types == NULL)
		account->types = MemoryContextAlloc(WorkerContext, sizeof(uint32) * TYPES_OF_ACCOUNT);
	account->types[account->ntypes++] = code;
	return true;
}

/* A member that is a word, or an object of the message with a member "object" that is one. */
static bool
may_have_member(Account *account, JsonbContainer *message, const char *name)
{
	JsonbValue	value;

	if (!message_member(message, name, &value))
		return true;
	if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
		return may_have_member(account, value.val.binary.data, "object");
	return value.type != jbvString ||
		may_name(account, value.val.string.val, value.val.string.len);
}

/* "2-123.record_id" is the property of an event's key, see message_event.c. */
static bool
may_have_key(Account *account, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, Anum_outbox_key_property, &isnull);
	const char *property = isnull ? "" : TextDatumGetCString(datum);

	return may_name(account, property, strcspn(property, "."));
}

static bool
may_have_message(Account *account, TupleTableSlot *slot)
{
	static const char *const members[] = {"object", "from", "to"};
	bool		isnull;
	Datum		datum = slot_getattr(slot, Anum_outbox_message, &isnull);
	Jsonb	   *message = isnull ? NULL : DatumGetJsonbP(datum);

	if (message == NULL || !JB_ROOT_IS_OBJECT(message))
		return true;
	for (int i = 0; i < lengthof(members); i++)
		if (!may_have_member(account, &message->root, members[i]))
			return false;
	return true;
}

bool
type_bound_admits(Account *account, TupleTableSlot *slot)
{
	bool		isnull;
	text	   *word = DatumGetTextPP(slot_getattr(slot, Anum_outbox_object, &isnull));
	int			fixed = object_find(VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));

	if (fixed < 0)
		return may_name(account, VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word));
	if (!object_types[fixed].names_types)
		return true;
	/* the key of an event says what its message does, which is not read for that */
	return may_have_key(account, slot) &&
		(object_types[fixed].keyed_by_contact || may_have_message(account, slot));
}
