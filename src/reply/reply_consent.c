/*
 * reply_consent.c
 *		Answers about subscriptions.
 *
 * Pure functions over a parsed answer, see reply.h.
 */
#include <string.h>
#include <strings.h>

#include "reply/reply.h"
#include "reply/reply_json.h"

static json_object *
any_member(json_object *object, const char *name)
{
	json_object *value = NULL;

	return json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, name, &value) ? value : NULL;
}

static const char *
text_of(json_object *object, const char *name)
{
	const char *text = reply_json_id(any_member(object, name));

	return text != NULL ? text : "";
}

/* Whether one status is that of the subscription; tell it. */
static bool
take(json_object *status, const char *subscription, ReplyConsent *consent)
{
	const char *id = text_of(status, "subscriptionId");

	if (id[0] == '\0')
		id = text_of(status, "id");
	if (subscription != NULL && strcmp(id, subscription) != 0)
		return false;
	consent->status = text_of(status, "status");
	consent->reason = text_of(status, "setStatusSuccessReason");
	return true;
}

static bool
find_among(json_object *array, const char *address, const char *subscription,
		   ReplyConsent *consent)
{
	if (!json_object_is_type(array, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(array); i++)
	{
		json_object *result = json_object_array_get_idx(array, i);
		json_object *nested = any_member(result, "statuses");
		const char *whose = text_of(result, "subscriberIdString");

		if (address != NULL && whose[0] != '\0' && strcasecmp(whose, address) != 0)
			continue;
		consent->is_told = true;
		if (nested != NULL ? find_among(nested, NULL, subscription, consent)
			: take(result, subscription, consent))
			return true;
	}
	return false;
}

bool
reply_consent(const Reply *reply, const char *address, const char *subscription,
			  ReplyConsent *consent)
{
	memset(consent, 0, sizeof(*consent));
	return find_among(any_member(reply->root, "results"), address, subscription, consent);
}
