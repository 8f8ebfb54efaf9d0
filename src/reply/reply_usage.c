/*
 * reply_usage.c
 *		How much of its daily limit an account has used.
 *
 * Pure functions over a parsed answer, see reply.h.
 */
#include <string.h>
#include <time.h>

#include "reply/reply.h"
#include "reply/reply_json.h"

/* Seconds since 1970 of "2025-12-13T05:00:00Z", with a fraction or not; -1 for anything else. */
static int64_t
parse_time(const char *text)
{
	struct tm	tm;
	const char *rest;

	memset(&tm, 0, sizeof(tm));
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest == NULL)
		return -1;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return strcmp(rest, "Z") == 0 ? (int64_t) timegm(&tm) : -1;
}

static int64_t
count_member(json_object *object, const char *name)
{
	int64_t		number;

	return reply_json_number(object, name, &number) ? number : -1;
}

static const char *
text_member(json_object *object, const char *name)
{
	const char *text = reply_json_text(reply_json_member(object, name, json_type_string));

	return text != NULL ? text : "";
}

/* HubSpot returns an array of pools; the day's limit is the first one that it could read. */
bool
reply_usage(const Reply *reply, ReplyUsage *usage)
{
	json_object *results;

	if (reply->class != REPLY_RECORDS || reply->root == NULL ||
		!json_object_object_get_ex(reply->root, "results", &results) ||
		!json_object_is_type(results, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(results); i++)
	{
		json_object *entry = json_object_array_get_idx(results, i);

		if (!json_object_is_type(entry, json_type_object) ||
			strcmp(text_member(entry, "fetchStatus"), "SUCCESS") != 0)
			continue;
		usage->limit = count_member(entry, "usageLimit");
		usage->used = count_member(entry, "currentUsage");
		usage->resets_at = parse_time(text_member(entry, "resetsAt"));
		return true;
	}
	return false;
}
