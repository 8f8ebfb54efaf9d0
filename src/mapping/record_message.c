/*
 * record_message.c
 *		Messages about records: whose they are, and what they write.
 *
 * What differs by the type of the record is a row of message_rules[].  Pure, as
 * message.c.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "mapping/mapping_property.h"
#include "mapping/record_message.h"
#include "message/object_type.h"

typedef bool (*KeyRule) (Call call, const MessageParts *parts, const char *id_property,
						 MessageKey *key,
						 MessageProblem *problem);
typedef void (*MapRule) (Mapping *mapping, Call call, const MessageParts *parts,
						 const MessageKey *key, StringInfo warnings);

static const struct
{
	KeyRule		key;
	MapRule		map;
}			message_rules[OBJECT_COUNT] =
{
	[OBJECT_IS_CONTACT] = {message_known_contact_key, mapping_add_contact},
	[OBJECT_IS_COMPANY] = {message_company_key, mapping_add_company},
};

bool
message_record_key(Object object, Call call, const MessageParts *parts, const char *id_property,
				   MessageKey *key,
				   MessageProblem *problem)
{
	return message_rules[object].key(call, parts, id_property, key, problem);
}

void
mapping_add_record(Mapping *mapping, Call call, const MessageParts *parts,
				   const MessageKey *key, StringInfo warnings)
{
	message_rules[mapping->rules->object].map(mapping, call, parts, key, warnings);
	if (mapping->rules->pipelines != NULL)
		mapping_add_stage(mapping);
}

bool
message_deleted_key(const MessageParts *parts, const char *const *id_properties, Object *object,
					MessageKey *key,
					MessageProblem *problem)
{
	const CrmType *type;
	JsonbValue	value;

	*object = message_object(parts->root);
	type = &object_types[*object];
	if (!type->can_be_erased && message_member(parts->root, "gdpr", &value) &&
		value.type == jbvBool && value.val.boolean)
		return message_bad(problem, psprintf("a %s cannot be erased", type->name),
						   psprintf("HubSpot erases contacts only; without \"gdpr\" the %s is "
									"archived.", type->name));
	return message_record_key(*object, CALL_DELETE, parts, id_properties[*object], key, problem);
}

bool
message_member_key(Call call, const MessageParts *parts, const char *const *id_properties,
				   MessageKey *key,
				   MessageProblem *problem)
{
	MessageList list = {0};

	if (!message_list(parts->root, &list, problem))
		return false;
	return message_record_key(list.object, call, parts, id_properties[list.object], key, problem);
}

bool
message_may_have_change(Jsonb *message)
{
	JsonbIterator *it = JsonbIteratorInit(&message->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		found = false;

	while (!found && (token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
		found = (token == WJB_VALUE || token == WJB_ELEM) && value.type == jbvString &&
			property_value_is_change(NULL, value.val.string.val, value.val.string.len);
	return found;
}
