/*
 * message_event.c
 *		The key of a track or page call: whose event it is.
 *
 * A contact's, unless the message names another object.  Pure functions, see
 * message.c.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "message/message.h"
#include "message/object_type.h"

/* The key's property: no name of a property of HubSpot's has a dot. */
static bool
object_event_key(const MessageParts *parts, Object object, MessageKey *key,
				 MessageProblem *problem)
{
	JsonbValue	value;
	bool		by_record = message_member(parts->root, MESSAGE_BY_RECORD, &value);

	/* HubSpot's own id is enough by itself: no rule is asked for where a message has both */
	if (!by_record && !message_member(parts->root, MESSAGE_BY_RULE, &value))
		return message_bad(problem, psprintf("track message does not say which %s",
											 object_types[object].name),
						   "Expected \"record_id\", HubSpot's id of the record, or \"id\", the "
						   "value that the event's definition finds it by.");
	key->key = value.type == jbvString || value.type == jbvNumeric ? message_scalar_text(&value)
		: NULL;
	if (key->key == NULL || !message_is_key_length(strlen(key->key)) ||
		(by_record && !message_is_key_of(RECORD_ID_PROPERTY, key->key)))
		return message_bad(problem, psprintf("field \"%s\" of the message is not a key",
											 by_record ? MESSAGE_BY_RECORD : MESSAGE_BY_RULE),
						   by_record ? "Expected a number such as 12345."
						   : psprintf("Expected a text of 1 to %d bytes, or a number.",
									  MESSAGE_MAX_KEY));
	key->property = psprintf("%s.%s", object_types[object].name,
							 by_record ? MESSAGE_BY_RECORD : MESSAGE_BY_RULE);
	return true;
}

bool
message_event_key(Call call, const MessageParts *parts, const char *id_property, MessageKey *key,
				  MessageProblem *problem)
{
	JsonbValue	value;
	Object		object;

	if (call == CALL_TRACK && !message_event(parts, &value))
		return message_bad(problem, "track message has no event",
						   "Expected {\"event\": \"Order Completed\", \"properties\": {...}, "
						   "...}.");
	if (!message_event_object(call, parts, &object, problem))
		return false;
	if (object != OBJECT_IS_CONTACT)
		return object_event_key(parts, object, key, problem);
	if (parts->user_id.type != jbvNull || !message_hutk(parts, &value) ||
		message_email(call, parts) != NULL)
		return message_known_contact_key(call, parts, id_property, key, problem);
	key->property = MESSAGE_HUTK;
	key->key = pnstrdup(value.val.string.val, value.val.string.len);
	return true;
}
