/*
 * reply.c
 *		What an answer of HubSpot means.
 *
 * Pure functions over bytes, see reply.h.  Called by the worker for each
 * answer; owns the json-c tree until reply_free().  Running out of memory
 * makes an answer unreadable, nothing worse.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <json-c/json.h>

#include "reply.h"

/* ---- text ------------------------------------------------------------------------ */

/* Length of the UTF-8 character at text, 0 when it is malformed. */
static size_t
utf8_length(const unsigned char *text, size_t len)
{
	size_t		n = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 :
		(text[0] & 0xf0) == 0xe0 ? 3 : text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

void
reply_clean_text(char *dst, size_t size, const char *src, size_t len)
{
	const unsigned char *text = (const unsigned char *) src;
	size_t		used = 0;

	for (size_t i = 0; i < len;)
	{
		size_t		n = utf8_length(text + i, len - i);

		if (used + (n == 0 ? 1 : n) >= size)
			break;
		if (n == 0)
			dst[used++] = '?';
		else if (n == 1)
			dst[used++] = text[i] < ' ' || text[i] == 0x7f ? ' ' : (char) text[i];
		else
		{
			memcpy(dst + used, text + i, n);
			used += n;
		}
		i += n == 0 ? 1 : n;
	}
	dst[used] = '\0';
}

static void
clean(char *dst, size_t size, const char *src)
{
	reply_clean_text(dst, size, src, strlen(src));
}

/* ---- headers --------------------------------------------------------------------- */

void
reply_headers_init(ReplyHeaders *headers)
{
	memset(headers, 0, sizeof(*headers));
	headers->retry_after = -1;
	headers->burst_limit = -1;
	headers->burst_remaining = -1;
	headers->burst_interval_ms = -1;
	headers->daily_limit = -1;
	headers->daily_remaining = -1;
}

/* A whole number without sign, at most 10^12; -1 for anything else. */
static int64_t
parse_count(const char *text)
{
	char	   *end;
	long long	number;

	if (!isdigit((unsigned char) *text))
		return -1;
	number = strtoll(text, &end, 10);
	return *end == '\0' && number <= 1000000000000LL ? number : -1;
}

static int
parse_int(const char *text)
{
	int64_t		number = parse_count(text);

	return number < 0 || number > 1000000000 ? -1 : (int) number;
}

/* Seconds to wait, or a date until which to wait. */
static int
parse_retry_after(const char *text)
{
	int64_t		seconds = parse_count(text);
	struct tm	tm;

	if (seconds < 0)
	{
		memset(&tm, 0, sizeof(tm));
		if (strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
			return -1;
		seconds = (int64_t) timegm(&tm) - (int64_t) time(NULL);
	}
	return seconds < 0 ? 0 : seconds > 7 * 86400 ? 7 * 86400 : (int) seconds;
}

/* HubSpot's name of a data centre: two letters and a number. */
static bool
is_hublet(const char *text)
{
	size_t		digits;

	if (!(text[0] >= 'a' && text[0] <= 'z' && text[1] >= 'a' && text[1] <= 'z'))
		return false;
	digits = strspn(text + 2, "0123456789");
	return digits >= 1 && digits <= 3 && text[2 + digits] == '\0';
}

static void
take_header(ReplyHeaders *headers, const char *name, const char *value)
{
	if (strcasecmp(name, "content-type") == 0)
		clean(headers->content_type, sizeof(headers->content_type), value);
	else if (strcasecmp(name, "retry-after") == 0)
		headers->retry_after = parse_retry_after(value);
	else if (strcasecmp(name, "x-hubspot-correlation-id") == 0)
		clean(headers->correlation_id, sizeof(headers->correlation_id), value);
	else if (strcasecmp(name, "x-hubspot-correct-hublet") == 0)
	{
		if (is_hublet(value))
			clean(headers->correct_hublet, sizeof(headers->correct_hublet), value);
	}
	else if (strcasecmp(name, "x-hubspot-ratelimit-max") == 0)
		headers->burst_limit = parse_int(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-remaining") == 0)
		headers->burst_remaining = parse_int(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-interval-milliseconds") == 0)
		headers->burst_interval_ms = parse_int(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-daily") == 0)
		headers->daily_limit = parse_count(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-daily-remaining") == 0)
		headers->daily_remaining = parse_count(value);
}

void
reply_header_line(ReplyHeaders *headers, const char *line, size_t len)
{
	char		name[64];
	char		value[256];
	const char *colon = memchr(line, ':', len);
	size_t		name_len;
	size_t		value_len;

	if (colon == NULL)
		return;
	name_len = colon - line;
	if (name_len == 0 || name_len >= sizeof(name))
		return;
	memcpy(name, line, name_len);
	name[name_len] = '\0';

	line = colon + 1;
	value_len = len - name_len - 1;
	while (value_len > 0 && isspace((unsigned char) line[0]))
		line++, value_len--;
	while (value_len > 0 && isspace((unsigned char) line[value_len - 1]))
		value_len--;
	if (value_len >= sizeof(value) || memchr(line, '\0', value_len) != NULL)
		return;
	memcpy(value, line, value_len);
	value[value_len] = '\0';
	take_header(headers, name, value);
}

/* ---- members of JSON objects ------------------------------------------------------- */

static json_object *
member(json_object *object, const char *name, json_type type)
{
	json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
		!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

/* Text of a member, NULL when it is absent or no string. */
static const char *
text_member(json_object *object, const char *name)
{
	json_object *value = member(object, name, json_type_string);

	return value == NULL ? NULL : json_object_get_string(value);
}

/* Ids come as strings or as numbers. */
static const char *
id_member(json_object *object, const char *name)
{
	json_object *value = member(object, name, json_type_string);

	if (value == NULL)
		value = member(object, name, json_type_int);
	return value == NULL ? NULL : json_object_get_string(value);
}

static const char *
first_text(json_object *array)
{
	json_object *first;

	if (array == NULL || json_object_array_length(array) == 0)
		return NULL;
	first = json_object_array_get_idx(array, 0);
	return json_object_is_type(first, json_type_string) ? json_object_get_string(first) : NULL;
}

const char *
reply_text(const Reply *reply, const char *name)
{
	const char *text = text_member(reply->root, name);

	return text == NULL ? "" : text;
}

int64_t
reply_number(const Reply *reply, const char *name)
{
	json_object *value = member(reply->root, name, json_type_int);

	return value == NULL ? 0 : json_object_get_int64(value);
}

const char *
reply_property(const ReplyResult *result, const char *name)
{
	return result->properties == NULL ? NULL : text_member(result->properties, name);
}

/* ---- errors ------------------------------------------------------------------------- */

static json_object *
parse_json(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(REPLY_MAX_DEPTH);
	json_object *root;

	if (tokener == NULL)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tokener, text, (int) len);
	if (json_tokener_get_error(tokener) != json_tokener_success)
	{
		json_object_put(root);
		root = NULL;
	}
	else
	{
		for (size_t i = json_tokener_get_parse_end(tokener); i < len; i++)
			if (!isspace((unsigned char) text[i]))
			{
				json_object_put(root);
				root = NULL;
				break;
			}
	}
	json_tokener_free(tokener);
	return root;
}

/*
 * HubSpot's validation messages end in a JSON array with the details:
 * 'Property values were not valid: [{"message":..,"error":..,"name":..}]'.
 * The array becomes a member of the error, so that its texts live as long.
 */
static json_object *
embedded_details(json_object *error, const char *message)
{
	const char *start = message == NULL ? NULL : strstr(message, ": [{");
	json_object *details;

	if (start == NULL)
		return NULL;
	details = parse_json(start + 2, strlen(start + 2));
	if (details == NULL)
		return NULL;
	if (!json_object_is_type(details, json_type_array) ||
		json_object_object_add(error, "embedded details", details) != 0)
	{
		json_object_put(details);
		return NULL;
	}
	return json_object_array_get_idx(details, 0);
}

static json_object *
context_array(json_object *error, const char *name)
{
	return member(member(error, "context", json_type_object), name, json_type_array);
}

/* Take an error object apart; everything stays owned by it. */
static void
read_error(ReplyError *error, json_object *object)
{
	json_object *nested = member(object, "errors", json_type_array);
	json_object *first = nested == NULL ? NULL : json_object_array_get_idx(nested, 0);
	json_object *details;

	memset(error, 0, sizeof(*error));
	error->category = text_member(object, "category");
	error->sub_category = text_member(object, "subCategory");
	error->message = text_member(object, "message");
	error->traces = context_array(object, "objectWriteTraceId");
	error->ids = context_array(object, "ids");
	if (error->ids == NULL)
		error->ids = context_array(object, "id");
	error->existing_id = first_text(context_array(object, "existingId"));
	error->property = first_text(context_array(object, "propertyName"));

	if (first != NULL)
	{
		error->code = text_member(first, "code");
		if (error->code == NULL)
			error->code = text_member(first, "errorType");
		if (error->property == NULL)
			error->property = first_text(context_array(first, "propertyName"));
	}
	details = embedded_details(object, error->message);
	if (details != NULL)
	{
		if (text_member(details, "error") != NULL)
			error->code = text_member(details, "error");
		if (text_member(details, "name") != NULL)
			error->property = text_member(details, "name");
		if (text_member(details, "message") != NULL)
			error->message = text_member(details, "message");
	}
}

/* ---- the whole answer ------------------------------------------------------------------ */

static ReplyClass
class_of_status(int status, bool is_json, const char *category)
{
	if (status >= 200 && status < 300)
		return REPLY_RECORDS;
	if (status >= 300 && status < 400)
		return REPLY_MISDIRECTED;
	switch (status)
	{
		case 401:
			return REPLY_UNAUTHORIZED;
		case 403:
			return REPLY_FORBIDDEN;
		case 404:
			/* a record that does not exist is told in JSON; a path that does not, mostly not */
			return is_json && category[0] != '\0' ? REPLY_REFUSED : REPLY_MISDIRECTED;
		case 405:
		case 406:
		case 415:
			return REPLY_MISDIRECTED;
		case 408:
		case 425:
			return REPLY_UNAVAILABLE;
		case 423:
			return REPLY_LOCKED;
		case 429:
			return REPLY_LIMITED;
		case 477:
			return REPLY_MIGRATING;
		case 488:
			return REPLY_WRONG_HUBLET;
	}
	return status >= 400 && status < 500 ? REPLY_REFUSED : REPLY_UNAVAILABLE;
}

static bool
contains(const char *text, const char *word)
{
	size_t		len = strlen(word);

	for (; *text != '\0'; text++)
		if (strncasecmp(text, word, len) == 0)
			return true;
	return false;
}

/* Which limit a 429 is about: policyName, else the words of the message. */
static void
read_policy(Reply *reply)
{
	const char *policy = text_member(reply->root, "policyName");

	if (policy != NULL)
		clean(reply->policy, sizeof(reply->policy), policy);
	else if (contains(reply->message, "ten_secondly"))
		strcpy(reply->policy, "TEN_SECONDLY_ROLLING");
	else if (contains(reply->message, "secondly"))
		strcpy(reply->policy, "SECONDLY");
	else if (contains(reply->message, "daily"))
		strcpy(reply->policy, "DAILY");
	if (strcasecmp(reply->policy, "DAILY") == 0)
		reply->class = REPLY_DAILY;
}

/* The scopes that a 403 misses, from either of the two places they stand in. */
static void
read_scopes(Reply *reply)
{
	json_object *scopes = context_array(reply->root, "requiredGranularScopes");
	json_object *nested = member(reply->root, "errors", json_type_array);
	size_t		used = 0;

	if (scopes == NULL && nested != NULL)
		scopes = context_array(json_object_array_get_idx(nested, 0), "requiredGranularScopes");
	for (size_t i = 0; scopes != NULL && i < json_object_array_length(scopes); i++)
	{
		json_object *scope = json_object_array_get_idx(scopes, i);

		if (!json_object_is_type(scope, json_type_string) || used + 3 >= sizeof(reply->scopes))
			continue;
		if (used > 0)
		{
			memcpy(reply->scopes + used, ", ", 3);
			used += 2;
		}
		clean(reply->scopes + used, sizeof(reply->scopes) - used, json_object_get_string(scope));
		used += strlen(reply->scopes + used);
	}
}

static bool
read_results(Reply *reply)
{
	json_object *results = member(reply->root, "results", json_type_array);
	size_t		count = results == NULL ? 0 : json_object_array_length(results);

	if (count == 0)
		return true;
	reply->results = calloc(count, sizeof(ReplyResult));
	if (reply->results == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
	{
		json_object *object = json_object_array_get_idx(results, i);
		ReplyResult *result = &reply->results[reply->nresults];
		json_object *created;

		if (!json_object_is_type(object, json_type_object))
			continue;
		reply->nresults++;
		result->id = id_member(object, "id");
		result->trace = id_member(object, "objectWriteTraceId");
		created = member(object, "new", json_type_boolean);
		result->created = created == NULL ? -1 : json_object_get_boolean(created) ? 1 : 0;
		result->properties = member(object, "properties", json_type_object);
	}
	return true;
}

static bool
read_errors(Reply *reply)
{
	json_object *errors = member(reply->root, "errors", json_type_array);
	size_t		count = errors == NULL ? 0 : json_object_array_length(errors);

	if (count == 0)
		return true;
	reply->errors = calloc(count, sizeof(ReplyError));
	if (reply->errors == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
	{
		json_object *object = json_object_array_get_idx(errors, i);

		if (json_object_is_type(object, json_type_object))
			read_error(&reply->errors[reply->nerrors++], object);
	}
	return true;
}

static void
read_body(Reply *reply)
{
	read_error(&reply->error, reply->root);
	if (reply->error.message != NULL)
		clean(reply->message, sizeof(reply->message), reply->error.message);
	if (reply->error.category != NULL)
		clean(reply->category, sizeof(reply->category), reply->error.category);
	if (reply->correlation_id[0] == '\0' && text_member(reply->root, "correlationId") != NULL)
		clean(reply->correlation_id, sizeof(reply->correlation_id), text_member(reply->root, "correlationId"));
	if (reply->correct_hublet[0] == '\0' && text_member(reply->root, "correctHublet") != NULL &&
		is_hublet(text_member(reply->root, "correctHublet")))
		clean(reply->correct_hublet, sizeof(reply->correct_hublet), text_member(reply->root, "correctHublet"));
}

/* Words for a status whose answer brought none. */
static void
make_message(Reply *reply, const char *body, size_t len)
{
	char		start[128];

	if (reply->message[0] != '\0' || reply->class == REPLY_RECORDS)
		return;
	if (body == NULL || len == 0)
		snprintf(reply->message, sizeof(reply->message), "HTTP status %d without a body", reply->status);
	else
	{
		reply_clean_text(start, sizeof(start), body, len);
		snprintf(reply->message, sizeof(reply->message), "HTTP status %d with an unexpected body: %s",
				 reply->status, start);
	}
}

void
reply_parse(Reply *reply, int status, const ReplyHeaders *headers, const char *body, size_t len)
{
	bool		complete = true;

	memset(reply, 0, sizeof(*reply));
	reply->status = status;
	memcpy(reply->correlation_id, headers->correlation_id, sizeof(reply->correlation_id));
	memcpy(reply->correct_hublet, headers->correct_hublet, sizeof(reply->correct_hublet));

	if (body != NULL && len > 0 && len < INT32_MAX)
		reply->root = parse_json(body, len);
	if (reply->root != NULL && !json_object_is_type(reply->root, json_type_object))
	{
		json_object_put(reply->root);
		reply->root = NULL;
	}
	reply->is_json = reply->root != NULL;
	if (reply->is_json)
		read_body(reply);
	reply->class = class_of_status(status, reply->is_json, reply->category);

	if (reply->class == REPLY_RECORDS)
	{
		if (reply->is_json)
			complete = read_results(reply) && read_errors(reply);
		if (!complete || (!reply->is_json && status != 204))
			reply->class = REPLY_UNAVAILABLE;
	}
	make_message(reply, body, len);
	if (reply->class == REPLY_LIMITED)
		read_policy(reply);
	else if (reply->class == REPLY_FORBIDDEN)
		read_scopes(reply);
}

void
reply_free(Reply *reply)
{
	free(reply->results);
	free(reply->errors);
	json_object_put(reply->root);
	memset(reply, 0, sizeof(*reply));
}
