/*
 * suppressed_table.c
 *		Triggers of hubspot.suppressed, in the session that writes it.
 *
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "backend/trigger_call.h"
#include "cluster/shared.h"
#include "consent/suppressed_hash.h"
#include "message/message.h"
#include "message/object_type.h"
#include "ring/ring.h"

PG_FUNCTION_INFO_V1(hubspot_suppressed_check);
PG_FUNCTION_INFO_V1(hubspot_suppressed_changed);

static const TriggerUse check_use = {
	.function = "suppressed_check", .timing = TRIGGER_EVENT_BEFORE,
	.events = TRIGGER_ON_INSERT | TRIGGER_ON_UPDATE, .for_row = true,
	.expected = "BEFORE INSERT OR UPDATE FOR EACH ROW"
};

static const TriggerUse changed_use = {
	.function = "suppressed_changed", .timing = TRIGGER_EVENT_AFTER, .events = TRIGGER_ON_ANY,
	.for_statement = true,
	.expected = "AFTER a statement"
};

/* The columns that are looked at, in the order of the script. */
enum
{
	CHECK_ADDRESS, CHECK_USER_ID, CHECK_SERVER, CHECK_SUBSCRIPTION, CHECK_OBJECTS
#define CHECK_COLUMNS (CHECK_OBJECTS + 1)
};

static char *
normal_address(const char *text)
{
	const char *why;
	char	   *address;

	if (suppressed_is_hash(text))
		return pstrdup(text);
	address = message_normalise_email(text, strlen(text), &why);
	if (address == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid address in hubspot.suppressed: \"%s\"", text),
				 errdetail("%s", why),
				 errhint("A contact without an address goes by the column user_id.")));
	return address;
}

static void
check_length(const char *column, const char *text)
{
	if (message_is_key_length(strlen(text)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s in hubspot.suppressed", column),
			 errdetail("It is empty, or longer than %d bytes.", MESSAGE_MAX_KEY)));
}

/* Whether rows of an object are a contact's, and hubspot.suppressed may name it. */
static bool
is_of_contacts(Object object)
{
	return object == OBJECT_IS_CONTACT || object_types[object].keyed_by_contact ||
		object_types[object].names_contacts;
}

static char *
names_of_objects(void)
{
	return psprintf("%s, %s, %s", object_types[OBJECT_IS_CONTACT].name,
					object_names_where(keyed_by_contact), object_names_where(names_contacts));
}

static void
check_objects(ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("objects of hubspot.suppressed must not be empty"),
				 errhint("NULL means all of them.")));
	/* the array is a part of an index's entries, whose size has a bound */
	if (count > OBJECT_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("objects of hubspot.suppressed names one twice")));
	for (int i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? pstrdup("") : TextDatumGetCString(elements[i]);
		int			object = object_find(name, strlen(name));

		if (object < 0 || !is_of_contacts((Object) object))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown object \"%s\" in hubspot.suppressed", name),
					 errhint("Valid objects are: %s.", names_of_objects())));
	}
}

Datum
hubspot_suppressed_check(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, &check_use, ring_catalog(false)->suppressed);
	TupleDesc	desc = trigger->tg_relation->rd_att;
	HeapTuple	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)
	? trigger->tg_newtuple : trigger->tg_trigtuple;
	Datum		values[CHECK_COLUMNS];
	bool		isnull[CHECK_COLUMNS];
	int			attnums[] = {CHECK_ADDRESS + 1, CHECK_SERVER + 1};
	Datum		changed[2];
	bool		gone[2];

	for (int i = 0; i < CHECK_COLUMNS; i++)
		values[i] = heap_getattr(tuple, i + 1, desc, &isnull[i]);
	if (!isnull[CHECK_ADDRESS])
		values[CHECK_ADDRESS] =
			CStringGetTextDatum(normal_address(TextDatumGetCString(values[CHECK_ADDRESS])));
	if (!isnull[CHECK_USER_ID])
		check_length("user_id", TextDatumGetCString(values[CHECK_USER_ID]));
	if (!isnull[CHECK_SUBSCRIPTION])
		check_length("subscription", TextDatumGetCString(values[CHECK_SUBSCRIPTION]));
	if (!isnull[CHECK_OBJECTS])
		check_objects(DatumGetArrayTypeP(values[CHECK_OBJECTS]));
	/* "all of them", as hubspot.mapping has it */
	if (!isnull[CHECK_SERVER] && NameStr(*DatumGetName(values[CHECK_SERVER]))[0] == '\0')
		isnull[CHECK_SERVER] = true;
	changed[0] = values[CHECK_ADDRESS];
	gone[0] = isnull[CHECK_ADDRESS];
	changed[1] = values[CHECK_SERVER];
	gone[1] = isnull[CHECK_SERVER];
	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, desc, lengthof(attnums), attnums,
													 changed, gone));
}

/* An opt-out must outlive a crash even where commits are asynchronous. */
Datum
hubspot_suppressed_changed(PG_FUNCTION_ARGS)
{
	(void) trigger_call(fcinfo, &changed_use, ring_catalog(false)->suppressed);
	ForceSyncCommit();
	shared_suppressed_at_commit();
	PG_RETURN_POINTER(NULL);
}
