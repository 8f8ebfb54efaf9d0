/*
 * message_consent.c
 *		What a subscription call says: {"email", "subscription", "subscribed", ...}.
 *
 * Pure, like message.c.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "message/message_consent.h"

#define MAX_ID_DIGITS	18		/* of a type of subscription: 64 bits, and no more */

/* HubSpot's words. */
static const char *const legal_bases[] = {
	"LEGITIMATE_INTEREST_PQL", "LEGITIMATE_INTEREST_CLIENT", "LEGITIMATE_INTEREST_OTHER",
	"PERFORMANCE_OF_CONTRACT", "CONSENT_WITH_NOTICE", "NON_GDPR", "PROCESS_AND_STORE"
};

bool
message_is_subscription_id(const char *text)
{
	return text[0] >= '1' && text[0] <= '9' && strlen(text) <= MAX_ID_DIGITS &&
		strspn(text, "0123456789") == strlen(text);
}

/* A member of the message: at its top, else in properties or traits, as of Segment's messages. */
static bool
find(const MessageParts *parts, const char *name, JsonbValue *value)
{
	return message_field(parts->root, name, value) ||
		(parts->properties != NULL && message_field(parts->properties, name, value)) ||
		(parts->traits != NULL && message_field(parts->traits, name, value));
}

/* Its text; NULL when it is absent, empty, or no text and no number. */
static char *
text_of(const MessageParts *parts, const char *name)
{
	JsonbValue	value;
	char	   *text;

	if (!find(parts, name, &value))
		return NULL;
	text = message_scalar_text(&value);
	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* True and false, as jsonb has them or in words.  False: it is neither, *is_there says if any. */
static bool
read_bool(const MessageParts *parts, const char *name, bool *result, bool *is_there)
{
	JsonbValue	value;
	char	   *text;

	*is_there = find(parts, name, &value);
	if (!*is_there)
		return false;
	if (value.type == jbvBool)
	{
		*result = value.val.boolean;
		return true;
	}
	text = message_scalar_text(&value);
	*result = text != NULL && pg_strcasecmp(text, "true") == 0;
	return *result || (text != NULL && pg_strcasecmp(text, "false") == 0);
}

/* The same for what is false when it is not there; false, with the problem, if it is neither. */
static bool
read_flag(const MessageParts *parts, const char *folded, const char *name, bool *result,
		  MessageProblem *problem)
{
	bool		is_there;

	*result = false;
	if (read_bool(parts, folded, result, &is_there) || !is_there)
		return true;
	return message_bad(problem, psprintf("field \"%s\" of the message is not true or false", name),
					   "Expected a boolean.");
}

static char *
in_capitals(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		*c = pg_ascii_toupper((unsigned char) *c);
	return text;
}

static char *
names_of_bases(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(legal_bases); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", legal_bases[i]);
	return psprintf("Expected one of %s.", names.data);
}

static bool
read_basis(const MessageParts *parts, MessageConsent *consent, MessageProblem *problem)
{
	consent->legal_basis = text_of(parts, "legalbasis");
	consent->explanation = text_of(parts, "legalbasisexplanation");
	if ((consent->legal_basis == NULL) != (consent->explanation == NULL))
		return message_bad(problem, consent->explanation == NULL
						   ? "subscription message has a legalBasis without legalBasisExplanation"
						   : "subscription message has a legalBasisExplanation without legalBasis",
						   "HubSpot wants both of them, or neither.");
	if (consent->legal_basis == NULL)
		return true;
	if (strlen(consent->explanation) > MESSAGE_MAX_EXPLANATION)
		return message_bad(problem, "legalBasisExplanation of the message is too long",
						   psprintf("It may have %d bytes.", MESSAGE_MAX_EXPLANATION));
	(void) in_capitals(consent->legal_basis);
	for (int i = 0; i < lengthof(legal_bases); i++)
		if (strcmp(consent->legal_basis, legal_bases[i]) == 0)
			return true;
	return message_bad(problem, psprintf("unknown legalBasis \"%s\"", consent->legal_basis),
					   names_of_bases());
}

static bool
read_channel(const MessageParts *parts, MessageConsent *consent, MessageProblem *problem)
{
	consent->channel = text_of(parts, "channel");
	if (consent->channel == NULL)
		consent->channel = pstrdup("EMAIL");
	(void) in_capitals(consent->channel);
	if (strlen(consent->channel) <= 30 &&
		strspn(consent->channel, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == strlen(consent->channel))
		return true;
	return message_bad(problem, "field \"channel\" of the message is not the name of a channel",
					   "Expected a word like EMAIL, which is the default.");
}

/* The type, or all of them. */
static bool
read_subscription(const MessageParts *parts, MessageConsent *consent, MessageProblem *problem)
{
	consent->subscription = text_of(parts, "subscription");
	consent->business_unit = text_of(parts, "businessunit");
	if (consent->of_all && (consent->subscription != NULL || consent->subscribed))
		return message_bad(problem,
						   "unsubscribeAll of the message stands beside another wish",
						   "Neither a subscription nor subscribed goes with it.");
	if (consent->business_unit != NULL &&
		(!consent->of_all || !message_is_subscription_id(consent->business_unit)))
		return message_bad(problem, "field \"businessUnit\" of the message is of no use",
						   "It is the id of a business unit, and goes with unsubscribeAll alone: "
						   "each type of subscription is of one.");
	if (consent->of_all || (consent->subscription != NULL &&
							strlen(consent->subscription) <= MESSAGE_MAX_SUBSCRIPTION))
		return true;
	return message_bad(problem, "subscription message names no subscription",
					   psprintf("Expected {\"email\": \"ada@example.com\", "
								"\"subscription\": \"Newsletter\", \"subscribed\": true}: name or "
								"id of a type, of at most %d bytes.", MESSAGE_MAX_SUBSCRIPTION));
}

bool
message_consent(const MessageParts *parts, MessageConsent *consent, MessageProblem *problem)
{
	bool		is_there;

	memset(consent, 0, sizeof(*consent));
	if (!read_flag(parts, "unsubscribeall", "unsubscribeAll", &consent->of_all, problem) ||
		!read_flag(parts, "resubscribe", "resubscribe", &consent->again, problem))
		return false;
	if (!read_bool(parts, "subscribed", &consent->subscribed, &is_there) &&
		(is_there || !consent->of_all))
		return message_bad(problem, "subscription message does not say whether it is subscribed",
						   "Expected \"subscribed\": true or false, or \"unsubscribeAll\": true.");
	return read_subscription(parts, consent, problem) && read_basis(parts, consent, problem) &&
		read_channel(parts, consent, problem);
}
