/*
 * message_list.c
 *		The static list of a message, and the member that it names.
 *
 * Pure, like message.c.
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "base/hubspot.h"
#include "message/message.h"
#include "message/object_type.h"
#include "text/value.h"

static bool
is_word(const JsonbValue *value, const char *word)
{
	return value->type == jbvString && value->val.string.len == strlen(word) &&
		memcmp(value->val.string.val, word, value->val.string.len) == 0;
}

/*
 * HubSpot finds a list by a URL that contains the name as one segment: a name that would
 * become several segments, or none, cannot be found.
 */
static bool
is_list_name(const JsonbValue *value)
{
	const char *name = value->val.string.val;
	int			len = value->val.string.len;

	if (value->type != jbvString || len == 0 || len > MESSAGE_MAX_LIST ||
		memchr(name, '/', len) != NULL)
		return false;
	for (int i = 0; i < len; i++)
		if (name[i] != '.')
			return true;
	return false;
}

bool
message_list(JsonbContainer *message, MessageList *list, MessageProblem *problem)
{
	JsonbValue	name;
	JsonbValue	object;
	bool		has_object = message_member(message, "object", &object);

	if (!message_member(message, MESSAGE_LIST, &name) || !is_list_name(&name))
		return message_bad(problem, "field \"list\" of the message is not the name of a list",
						   psprintf("Expected a text of 1 to %d bytes without a slash, "
									"such as {\"list\": \"VIP\", \"email\": \"ada@example.com\"}.",
									MESSAGE_MAX_LIST));
	list->object = message_object(message);
	if (has_object && !is_word(&object, object_types[list->object].name))
		return message_bad(problem,
						   "field \"object\" of the message is not an object that a list can be of",
						   psprintf("Expected \"contact\", which is the default, or "
									"another of: %s.",
									object_names_where(is_record)));
	list->name = name.val.string.val;
	list->len = name.val.string.len;
	return true;
}

Jsonb *
message_set_text(Jsonb *message, const char *name, const char *value)
{
	StringInfoData json;
	Datum		member;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"%s\":", name);
	value_append_string(&json, value, strlen(value));
	appendStringInfoChar(&json, '}');
	member = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(message), member));
}

MessageKey
message_list_key(const MessageList *list)
{
	MessageKey	key = {.property = MESSAGE_LIST};

	key.key = psprintf("%s %.*s", object_types[list->object].name, list->len, list->name);
	return key;
}
