/*
 * message_form.c
 *		Checks a form call.
 *
 * Pure, like message.c.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "message/message.h"

/* Read the name of a form's field; false if it has none. */
static bool
field_name(const JsonbValue *field, JsonbValue *name, JsonbValue *value)
{
	return field->type == jbvBinary && JsonContainerIsObject(field->val.binary.data) &&
		message_member(field->val.binary.data, "name", name) && name->type == jbvString &&
		getKeyJsonValueFromContainer(field->val.binary.data, "value", strlen("value"), value) !=
		NULL;
}

/* Check all fields; returns their number, -1 if one is malformed. */
static int
check_fields(JsonbContainer *fields, char **email)
{
	JsonbIterator *it = JsonbIteratorInit(fields);
	JsonbIteratorToken token;
	JsonbValue	field;
	int			count = 0;

	while ((token = JsonbIteratorNext(&it, &field, true)) != WJB_DONE)
	{
		JsonbValue	name;
		JsonbValue	value;
		const char *why;

		if (token != WJB_ELEM)
			continue;
		if (!field_name(&field, &name, &value))
			return -1;
		count++;
		if (*email == NULL && value.type == jbvString && name.val.string.len == strlen("email") &&
			memcmp(name.val.string.val, "email", strlen("email")) == 0)
			*email = message_normalise_email(value.val.string.val, value.val.string.len, &why);
	}
	return count;
}

static bool
is_form_id(const JsonbValue *id)
{
	for (int i = 0; i < id->val.string.len; i++)
		if (!isalnum((unsigned char) id->val.string.val[i]) && id->val.string.val[i] != '-')
			return false;
	return id->val.string.len <= 64;
}

bool
message_form_key(const MessageParts *parts, MessageKey *key, MessageProblem *problem)
{
	JsonbValue	id;
	JsonbValue	fields;
	char	   *email = NULL;
	int			count = -1;

	if ((!message_text(parts, "formId", &id) && !message_text(parts, "form_id", &id)) ||
		!is_form_id(&id))
		return message_bad(problem, "form message has no formId",
						   "Expected {\"formId\": \"0a1b2c3d-0000-4000-8000-1234567890ab\", "
						   "\"fields\": [...]}.");
	if (message_member(parts->root, "fields", &fields) && fields.type == jbvBinary &&
		JsonContainerIsArray(fields.val.binary.data))
		count = check_fields(fields.val.binary.data, &email);
	if (count <= 0 || count > 1000)
		return message_bad(problem, "form message has no fields",
						   "Expected an array of 1 to 1000 fields, {\"name\": \"email\", "
						   "\"value\": \"ada@example.com\"}.");
	key->property = email != NULL ? NULL : "formId";
	key->key = email != NULL ? email : pnstrdup(id.val.string.val, id.val.string.len);
	return true;
}
