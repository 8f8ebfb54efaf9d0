/*
 * message_company.c
 *		The company of a message: of a group or delete call, or in a contact's traits.
 *
 * Pure, like message.c.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

#include "base/hubspot.h"
#include "message/message.h"
#include "message/object_type.h"
#include "text/domain.h"
#include "text/value.h"

/* Fields that may hold a company's domain, in order. */
static const char *const domain_fields[] = {"domain", "website"};

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/* The member "company" of the contact's traits, if it is an object. */
static JsonbContainer *
company_trait(Call call, const MessageParts *parts)
{
	JsonbContainer *const places[] = {
		call == CALL_IDENTIFY && parts->flat ? parts->root : NULL,
		call == CALL_IDENTIFY ? parts->traits : NULL,
		parts->context_traits
	};
	JsonbValue	value;

	for (int i = 0; i < lengthof(places); i++)
		if (message_field(places[i], "company", &value))
			return is_object(&value) ? value.val.binary.data : NULL;
	return NULL;
}

JsonbContainer *
message_company_traits(Call call, const MessageParts *parts)
{
	return !message_is_of_company(call) ? company_trait(call, parts)
		: parts->flat ? parts->root : parts->traits;
}

/* Find the field with the domain; false if there is none. */
static bool
find_website(JsonbContainer *traits, JsonbValue *value, const char **field)
{
	for (int i = 0; i < lengthof(domain_fields); i++)
		if (message_field(traits, domain_fields[i], value) &&
			!(value->type == jbvString && value->val.string.len == 0))
		{
			*field = domain_fields[i];
			return true;
		}
	return false;
}

static char *
read_domain(const JsonbValue *value, const char **why)
{
	*why = "It is no text.";
	return value->type != jbvString
		? NULL : domain_of_website(value->val.string.val, value->val.string.len, why);
}

char *
message_company_domain(Call call, const MessageParts *parts)
{
	JsonbContainer *traits = message_company_traits(call, parts);
	JsonbValue	value;
	const char *field;
	const char *why;

	if (traits == NULL || !find_website(traits, &value, &field))
		return NULL;
	return read_domain(&value, &why);
}

/* A scalar as a key; NULL if it cannot be one. */
static char *
id_text(const JsonbValue *id)
{
	char	   *text = id->type == jbvBool ? NULL : message_scalar_text(id);

	return text == NULL || !message_is_key_length(strlen(text)) ? NULL : text;
}

static bool
id_key(const JsonbValue *id, const char *property, MessageKey *key)
{
	key->property = property;
	key->key = id_text(id);
	if (key->key != NULL && !message_is_key_of(property, key->key))
		key->key = NULL;
	return key->key != NULL;
}

bool
message_company_key(Call call, const MessageParts *parts, const char *id_property,
					MessageKey *key, MessageProblem *problem)
{
	JsonbContainer *traits = message_company_traits(CALL_GROUP, parts);
	JsonbValue	value;
	const char *field;
	const char *why;

	/*
	 * A groupId that is malformed is an error, even if there is a website: falling back could
	 * write to another company.
	 */
	if (id_property != NULL &&
		(message_member(parts->root, "groupId", &value) ||
		 message_member(parts->root, "group_id", &value)))
		return id_key(&value, id_property, key) ||
			message_bad(problem, "field \"groupId\" of the message is not a key",
						object_key_is_record_id(id_property)
						? "Expected a record id of HubSpot, a number such as 12345, as the "
						"SERVER says company_id_property 'hs_object_id'."
						: psprintf("Expected a text of 1 to %d bytes, or a number.",
								   MESSAGE_MAX_KEY));
	if (traits == NULL || !find_website(traits, &value, &field))
		return message_bad(problem, psprintf("%s message has no company key", call_names[call]),
						   id_property != NULL
						   ? psprintf("Expected groupId (the account keeps it in property \"%s\"), "
									  "or a website or domain in traits.", id_property)
						   : "Expected a website or domain in traits, "
						   "such as \"https://www.example.com\".");
	key->property = MESSAGE_DOMAIN;
	key->key = read_domain(&value, &why);
	return key->key != NULL ||
		message_bad(problem, value.type != jbvString
					? psprintf("field \"%s\" of the company is not a domain", field)
					: psprintf("field \"%s\" of the company is not a domain: \"%s\"", field,
							   pnstrdup(value.val.string.val,
										pg_mbcliplen(value.val.string.val, value.val.string.len,
													 100))),
					why);
}

bool
message_contact_company(Call call, const MessageParts *parts, const char *id_property,
						MessageKey *key,
						const char **why)
{
	JsonbContainer *traits = company_trait(call, parts);
	JsonbValue	value;
	const char *field;
	bool		has_id;

	*why = NULL;
	if (traits == NULL)
		return false;
	has_id = message_field(traits, "id", &value);

	/*
	 * Unlike company_key(): an id that cannot be used does not spoil the contact's call, and the
	 * website may still name the company.
	 */
	if (has_id && id_property != NULL && id_key(&value, id_property, key))
		return true;
	if (find_website(traits, &value, &field))
	{
		key->property = MESSAGE_DOMAIN;
		key->key = read_domain(&value, why);
		return key->key != NULL;
	}
	if (has_id)
		*why = id_property == NULL
			? "The account has no property for the company's id, and there is neither a "
			"domain nor a website."
			: "Its id is no text of a key's length, and there is neither a domain nor a website.";
	return false;
}

/* ---- associations ------------------------------------------------------------------ */

Jsonb *
message_make_association(const MessageKey *company)
{
	JsonbInState state = {0};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value_push_pair(&state, "company", company->key);
	value_push_pair(&state, "property", company->property);
	return value_end_object(&state);
}

bool
message_read_association(Jsonb *message, MessageKey *company)
{
	JsonbValue	value;

	if (!JsonContainerIsObject(&message->root) ||
		!message_member(&message->root, "company", &value) ||
		value.type != jbvString)
		return false;
	company->key = pnstrdup(value.val.string.val, value.val.string.len);
	if (!message_member(&message->root, "property", &value) || value.type != jbvString)
		return false;
	company->property = pnstrdup(value.val.string.val, value.val.string.len);
	return true;
}
