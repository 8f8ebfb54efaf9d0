/*
 * record_call.c
 *		Which records hubspot_record() is about; of contacts and companies it is another call.
 *
 * So that their rows are the same whatever the call was: "id" is the member that the call of
 * their own has for the user's id, "properties" are its traits.
 *
 * Memory: the current context.
 */
#include "postgres.h"

#include "utils/jsonb.h"

#include "base/hubspot.h"
#include "base/compat.h"
#include "enqueue/record_call.h"
#include "facts/objects.h"
#include "message/object_type.h"
#include "message/pair.h"

bool
record_object(Oid server, const MessageParts *parts, Object *object, MessageProblem *problem)
{
	JsonbValue	name;
	const char *word;

	if (message_record_type(parts->root, object, problem))
		return true;
	if (problem->sqlerrcode != ERRCODE_INVALID_PARAMETER_VALUE ||
		!message_member(parts->root, "object", &name) || name.type != jbvString ||
		!message_is_key_length(name.val.string.len))
		return false;
	word = objects_find(server, pnstrdup(name.val.string.val, name.val.string.len), problem);
	return word != NULL && message_type_of_word(word, strlen(word), object, problem);
}

/* What a member is called there; NULL: it is left out. */
static const char *
own_name(const CrmType *type, const char *name)
{
	if (strcmp(name, "object") == 0 || strcmp(name, "mode") == 0 ||
		strcmp(name, MESSAGE_ASSOCIATIONS) == 0)
		return NULL;
	if (strcmp(name, "id") == 0)
		return type->id_member;
	return strcmp(name, "properties") == 0 ? "traits" : name;
}

Jsonb *
record_as_own_call(Jsonb *message, const MessageParts *parts, Object object,
				   MessageProblem *problem)
{
	const CrmType *type = &object_types[object];
	JsonbInState state = {0};
	JsonbIterator *it = JsonbIteratorInit(&message->root);
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;

	if (message_member(parts->root, MESSAGE_RECORD_ID, &value))
	{
		(void) message_bad(problem, psprintf("a %s cannot be named by \"" MESSAGE_RECORD_ID "\"",
											 type->name),
						   "Expected \"id\".");
		problem->hint = psprintf("With the SERVER option %s '" RECORD_ID_PROPERTY
								 "' \"id\" is HubSpot's record id.", type->id_option);
		return NULL;
	}
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		const char *own;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &value, true);
		own = own_name(type, pnstrdup(name.val.string.val, name.val.string.len));
		if (own == NULL)
			continue;
		name.val.string.val = unconstify(char *, own);
		name.val.string.len = strlen(own);
		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}
