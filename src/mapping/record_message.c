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

typedef bool (*KeyRule) (Object object, Call call, const MessageParts *parts,
						 const char *id_property, MessageKey *key, MessageProblem *problem);
typedef void (*MapRule) (Mapping *mapping, Call call, const MessageParts *parts,
						 const MessageKey *key, StringInfo warnings);

typedef struct MessageRule
{
	KeyRule		key;
	MapRule		map;
} MessageRule;

static bool
contact_key(Object object, Call call, const MessageParts *parts, const char *id_property,
			MessageKey *key, MessageProblem *problem)
{
	return message_known_contact_key(call, parts, id_property, key, problem);
}

static bool
company_key(Object object, Call call, const MessageParts *parts, const char *id_property,
			MessageKey *key, MessageProblem *problem)
{
	return message_company_key(call, parts, id_property, key, problem);
}

/* ---- records of other types ------------------------------------------------------------- */

/* A member that may be the value of this property; false, with the problem, if it is not. */
static bool
key_of_member(const JsonbValue *value, const char *member, const char *property, MessageKey *key,
			  MessageProblem *problem)
{
	char	   *text = value->type == jbvBool ? NULL : message_scalar_text(value);

	if (text != NULL && !message_is_key_of(property, text))
		return message_bad(problem,
						   psprintf("field \"%s\" of the message is not a record id of HubSpot",
									member), "Expected a number such as 12345.");
	if (text == NULL || !message_is_key_length(strlen(text)))
		return message_bad(problem, psprintf("field \"%s\" of the message is not a key", member),
						   psprintf("Expected a text of 1 to %d bytes, or a number.",
									MESSAGE_MAX_KEY));
	key->property = property;
	key->key = text;
	return true;
}

/* By "record_id" where it is given, else by "id". */
static bool
other_key(Object object, Call call, const MessageParts *parts, const char *id_property,
		  MessageKey *key, MessageProblem *problem)
{
	const CrmType *type = &object_types[object];
	JsonbValue	value;

	if (message_member(parts->root, MESSAGE_RECORD_ID, &value))
		return key_of_member(&value, MESSAGE_RECORD_ID, RECORD_ID_PROPERTY, key, problem);
	if (!message_member(parts->root, type->id_member, &value))
		return message_bad(problem, psprintf("%s message names no %s", call_names[call],
											 type->name),
						   "Expected \"id\", your own id of the record, or \"record_id\", "
						   "HubSpot's.");
	if (id_property == NULL)
	{
		(void) message_bad(problem,
						   psprintf("no property is named that holds your ids of %s", type->plural),
						   psprintf("\"id\" is a value of a property with unique values, which the "
									"SERVER option %s names.", type->id_option));
		problem->hint = psprintf("ALTER SERVER ... OPTIONS (%s '%s=...'); or name the record by "
								 "\"record_id\".", type->id_option, type->name);
		return false;
	}
	return key_of_member(&value, type->id_member, id_property, key, problem);
}

static const MessageRule message_rules[OBJECT_COUNT] =
{
	[OBJECT_IS_CONTACT] = {contact_key, mapping_add_contact},
	[OBJECT_IS_COMPANY] = {company_key, mapping_add_company},
};

static const MessageRule other_rule = {other_key, mapping_add_other};

static const MessageRule *
rule_of(Object object)
{
	Assert(object_types[object].is_record);
	return object < OBJECT_COUNT ? &message_rules[object] : &other_rule;
}

/* ---- records ------------------------------------------------------------------------------ */

bool
message_record_key(Object object, Call call, const MessageParts *parts, const char *id_property,
				   MessageKey *key,
				   MessageProblem *problem)
{
	return rule_of(object)->key(object, call, parts, id_property, key, problem);
}

void
mapping_add_record(Mapping *mapping, Call call, const MessageParts *parts,
				   const MessageKey *key, StringInfo warnings)
{
	rule_of(mapping->rules->object)->map(mapping, call, parts, key, warnings);
	if (mapping->rules->pipelines != NULL)
		mapping_add_stage(mapping);
}

bool
message_deleted_key(Object object, const MessageParts *parts, const char *const *id_properties,
					MessageKey *key, MessageProblem *problem)
{
	const CrmType *type = &object_types[object];
	JsonbValue	value;

	if (!type->can_be_erased && message_member(parts->root, "gdpr", &value) &&
		value.type == jbvBool && value.val.boolean)
		return message_bad(problem, psprintf("a %s cannot be erased", type->name),
						   psprintf("HubSpot erases contacts only; without \"gdpr\" the %s is "
									"archived.", type->name));
	return message_record_key(object, CALL_DELETE, parts,
							  object_id_property(id_properties, object), key, problem);
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

/* What the row of a message may do to the record. */
static const struct
{
	const char *word;
	RowMode		mode;
}			modes[] =
{
	{"upsert", MODE_UPSERT},
	{"update", MODE_UPDATE},
	{"create", MODE_CREATE},
};

bool
message_mode(const MessageParts *parts, RowMode *mode, MessageProblem *problem)
{
	JsonbValue	value;

	if (!message_member(parts->root, "mode", &value))
		return true;
	for (int i = 0; i < lengthof(modes); i++)
		if (value.type == jbvString && value.val.string.len == strlen(modes[i].word) &&
			memcmp(value.val.string.val, modes[i].word, value.val.string.len) == 0)
		{
			*mode = modes[i].mode;
			return true;
		}
	return message_bad(problem, "field \"mode\" of the message is not a mode",
					   "Expected \"upsert\", which is the default, \"update\" or \"create\".");
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
