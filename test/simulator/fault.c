/*
 * fault.c
 *	  Rules that make the simulator misbehave; see fault.h.
 */
#include "fault.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "random.h"

typedef enum Action
{
	ACTION_STATUS,
	ACTION_RATE_LIMIT,
	ACTION_DELAY,
	ACTION_HANG,
	ACTION_RESET,
	ACTION_TRUNCATE,
	ACTION_DROP_BEFORE,
	ACTION_DROP_AFTER,
	ACTION_HTML,
	ACTION_GARBAGE,
	ACTION_EMPTY_SUCCESS,
	ACTION_MISSING_RESULTS,
	ACTION_SHUFFLE,
	ACTION_UNTRACED_ERRORS,
	ACTION_CONFLICT,
	ACTION_RECORD_ERROR,
	ACTION_BIG,
	ACTION_SLOW_BODY
} Action;

typedef struct ActionName
{
	const char *name;
	Action		action;
	bool		applies;		/* unless the rule says otherwise */
} ActionName;

static const ActionName actions[] = {
	{"status", ACTION_STATUS, false},
	{"rate_limit", ACTION_RATE_LIMIT, false},
	{"delay", ACTION_DELAY, true},
	{"hang", ACTION_HANG, false},
	{"reset", ACTION_RESET, false},
	{"truncate", ACTION_TRUNCATE, true},
	{"drop_before", ACTION_DROP_BEFORE, false},
	{"drop_after", ACTION_DROP_AFTER, true},
	{"html", ACTION_HTML, false},
	{"garbage", ACTION_GARBAGE, false},
	{"empty_success", ACTION_EMPTY_SUCCESS, false},
	{"missing_results", ACTION_MISSING_RESULTS, true},
	{"shuffle", ACTION_SHUFFLE, true},
	{"untraced_errors", ACTION_UNTRACED_ERRORS, true},
	{"conflict", ACTION_CONFLICT, false},
	{"record_error", ACTION_RECORD_ERROR, true},
	{"big", ACTION_BIG, false},
	{"slow_body", ACTION_SLOW_BODY, true},
};

struct FaultRule
{
	int			id;
	bool		retired;
	const ActionName *action;
	char	   *method;
	char	   *path;
	char	   *record;
	int64_t		skip;
	int64_t		times;
	double		probability;
	uint64_t	seed;
	bool		applies;
	int64_t		seen;
	int64_t		hits;

	/* Details of the actions; 0 or NULL when not given. */
	int64_t		status;
	int64_t		ms;
	int64_t		bytes;
	int64_t		after_bytes;
	char	   *policy;
	char	   *category;
	char	   *body;
	char	   *content_type;
	struct json_object *headers;
};

static FaultRule **rules;
static int	rule_count;
static int	next_id = 1;

static char *
member_text(struct json_object *object, const char *name)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, name, &member) || member == NULL)
		return NULL;
	/* A body may be given as JSON: it is sent as it is written. */
	if (!json_object_is_type(member, json_type_string))
		return must_strdup(json_object_to_json_string_ext(member, JSON_C_TO_STRING_PLAIN |
														  JSON_C_TO_STRING_NOSLASHESCAPE));
	return must_strdup(json_object_get_string(member));
}

static int64_t
member_number(struct json_object *object, const char *name, int64_t otherwise)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, name, &member))
		return otherwise;
	return json_object_get_int64(member);
}

static const char *
unknown_member(struct json_object *object, const char *const *known)
{
	json_object_object_foreach(object, name, value)
	{
		const char *const *at = known;

		(void) value;
		while (*at != NULL && strcmp(*at, name) != 0)
			at++;
		if (*at == NULL)
			return scratch_printf("unknown key \"%s\"", name);
	}
	return NULL;
}

static const char *
description_fault(struct json_object *description)
{
	static const char *const known[] = {
		"match", "skip", "times", "probability", "seed", "action", "apply", "status", "body",
		"headers", "content_type", "policy", "category", "ms", "bytes", "after_bytes", NULL
	};
	static const char *const known_match[] = {"method", "path", "record", NULL};
	struct json_object *match;
	const char *fault;

	if (!json_object_is_type(description, json_type_object))
		return "a fault is a JSON object";
	fault = unknown_member(description, known);
	if (fault == NULL && json_object_object_get_ex(description, "match", &match))
		fault = json_object_is_type(match, json_type_object) ?
			unknown_member(match, known_match) : "match is an object";
	if (fault == NULL && json_object_object_get_ex(description, "headers", &match) &&
		!json_object_is_type(match, json_type_object))
		fault = "headers is an object";
	return fault;
}

int
fault_add(struct json_object *description, const char **error)
{
	FaultRule  *rule;
	struct json_object *member;
	const ActionName *action = NULL;

	*error = description_fault(description);
	if (*error != NULL)
		return 0;
	if (json_object_object_get_ex(description, "action", &member) &&
		json_object_is_type(member, json_type_string))
	{
		for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		{
			if (strcmp(actions[i].name, json_object_get_string(member)) == 0)
				action = &actions[i];
		}
	}
	if (action == NULL)
	{
		*error = "unknown or missing action";
		return 0;
	}
	rule = must_alloc(sizeof(FaultRule));
	rule->id = next_id++;
	rule->action = action;
	if (json_object_object_get_ex(description, "match", &member))
	{
		rule->method = member_text(member, "method");
		rule->path = member_text(member, "path");
		rule->record = member_text(member, "record");
	}
	rule->skip = member_number(description, "skip", 0);
	rule->times = member_number(description, "times", 1);
	rule->probability = 1.0;
	if (json_object_object_get_ex(description, "probability", &member))
		rule->probability = json_object_get_double(member);
	rule->seed = (uint64_t) member_number(description, "seed", 1);
	rule->status = member_number(description, "status", 0);
	rule->ms = member_number(description, "ms", 0);
	rule->bytes = member_number(description, "bytes", 0);
	rule->after_bytes = member_number(description, "after_bytes", 0);
	rule->policy = member_text(description, "policy");
	rule->category = member_text(description, "category");
	rule->body = member_text(description, "body");
	rule->content_type = member_text(description, "content_type");
	if (json_object_object_get_ex(description, "headers", &member))
		rule->headers = json_object_get(member);
	/* An answer that breaks off in its middle was an answer. */
	rule->applies = action->applies || (action->action == ACTION_RESET && rule->after_bytes > 0);
	if (json_object_object_get_ex(description, "apply", &member))
		rule->applies = json_object_get_boolean(member);
	rules = must_realloc(rules, sizeof(FaultRule *) * (size_t) (rule_count + 1));
	rules[rule_count++] = rule;
	return rule->id;
}

void
fault_render(Buffer *out)
{
	bool		first = true;

	buffer_puts(out, "{\"results\":[");
	for (int i = 0; i < rule_count; i++)
	{
		FaultRule  *rule = rules[i];

		if (rule->retired)
			continue;
		buffer_printf(out, "%s{\"id\":%d,\"action\":\"%s\",\"times\":%lld,\"seen\":%lld,\"hits\":%lld}",
					  first ? "" : ",", rule->id, rule->action->name, (long long) rule->times,
					  (long long) rule->seen, (long long) rule->hits);
		first = false;
	}
	buffer_puts(out, "]}");
}

void
fault_clear(void)
{
	for (int i = 0; i < rule_count; i++)
		rules[i]->retired = true;
}

/* A sequence of its own per rule, so that other requests do not shift it. */
static double
rule_random(FaultRule *rule)
{
	return (double) (random_step(&rule->seed) >> 11) / 9007199254740992.0;
}

FaultRule *
fault_match(const Request *request)
{
	for (int i = 0; i < rule_count; i++)
	{
		FaultRule  *rule = rules[i];

		if (rule->retired || (rule->times != 0 && rule->hits >= rule->times))
			continue;
		if (rule->method != NULL && strcmp(rule->method, request->method) != 0)
			continue;
		if (rule->path != NULL && strstr(request->path, rule->path) == NULL)
			continue;
		if (rule->record != NULL &&
			(request->body.len == 0 ||
			 memmem(request->body.data, request->body.len, rule->record, strlen(rule->record)) == NULL))
			continue;
		if (++rule->seen <= rule->skip)
			continue;
		if (rule->probability < 1.0 && rule_random(rule) >= rule->probability)
			continue;
		rule->hits++;
		return rule;
	}
	return NULL;
}

const char *
fault_action(const FaultRule *rule)
{
	return rule->action->name;
}

bool
fault_fails_record(const Request *request, const char *id, const char **category, const char **message)
{
	const FaultRule *rule = request->fault;

	if (rule == NULL || rule->action->action != ACTION_RECORD_ERROR || id == NULL ||
		rule->record == NULL || strstr(id, rule->record) == NULL)
		return false;
	*category = rule->category != NULL ? rule->category : "INTERNAL_ERROR";
	*message = rule->body != NULL ? rule->body : "internal error";
	return true;
}

bool
fault_is_refusal(const FaultRule *rule)
{
	return rule->action->action == ACTION_RATE_LIMIT ||
		(rule->action->action == ACTION_STATUS && rule->status == 429);
}

int64_t
fault_delay_us(const FaultRule *rule)
{
	return rule->action->action == ACTION_DELAY ? rule->ms * 1000 : 0;
}

bool
fault_applies(const FaultRule *rule)
{
	return rule->applies;
}

/* The answer of a status without a body of its own. */
static void
default_body(Request *request, int status)
{
	switch (status)
	{
		case 401:
			reply_unauthenticated(request);
			break;
		case 403:
			reply_missing_scope(request, "crm.objects.contacts.write", NULL);
			break;
		case 404:
			reply_not_found(request);
			break;
		case 409:
			reply_error(request, 409, "CONFLICT", "Contact already exists");
			break;
		case 423:
			reply_error(request, 423, NULL, "The resource is locked");
			break;
		case 429:
			reply_rate_limited(request, "TEN_SECONDLY_ROLLING");
			break;
		case 477:
			reply_error(request, 477, NULL, "Hub 123 is currently being migrated");
			reply_header(request, "Retry-After", "3600");
			break;
		case 488:
			reply_error(request, 488, NULL, "Hub 123 is unknown to this Hublet, "
						"but it appears to exist in Hublet eu1");
			request->reply.len--;
			buffer_puts(&request->reply, ",\"correctHublet\":\"eu1\"}");
			reply_header(request, "X-HubSpot-Correct-Hublet", "eu1");
			break;
		default:
			reply_error(request, status, NULL, "internal error");
			break;
	}
}

static void
fixed_reply(Request *request, int status, const char *content_type, const char *body)
{
	request->status = status;
	request->content_type = content_type;
	request->reply.len = 0;
	buffer_puts(&request->reply, body);
}

static void
status_reply(Request *request, FaultRule *rule)
{
	int			status = rule->status ? (int) rule->status : 500;

	if (rule->body != NULL)
		fixed_reply(request, status,
					rule->content_type ? rule->content_type : "application/json;charset=utf-8",
					rule->body);
	else
		default_body(request, status);
	if (rule->headers == NULL)
		return;
	json_object_object_foreach(rule->headers, name, value)
	{
		reply_header(request, name, value ? json_object_get_string(value) : "");
	}
}

/* Spoils the lists of a batch answer, when it is one. */
static void
spoil_lists(Request *request, Action action)
{
	struct json_object *answer;
	struct json_object *list;
	size_t		count;

	answer = json_tokener_parse(buffer_text(&request->reply));
	if (action == ACTION_UNTRACED_ERRORS && json_object_object_get_ex(answer, "errors", &list))
	{
		for (size_t i = 0; i < json_object_array_length(list); i++)
			json_object_object_del(json_object_array_get_idx(list, i), "context");
	}
	else if (action != ACTION_UNTRACED_ERRORS &&
			 json_object_object_get_ex(answer, "results", &list) &&
			 (count = json_object_array_length(list)) > 0)
	{
		if (action == ACTION_MISSING_RESULTS)
			json_object_array_del_idx(list, count / 2, 1);
		for (size_t i = count - 1; action == ACTION_SHUFFLE && i > 0; i--)
		{
			size_t		other = random_next() % (i + 1);
			struct json_object *a = json_object_get(json_object_array_get_idx(list, i));
			struct json_object *b = json_object_get(json_object_array_get_idx(list, other));

			json_object_array_put_idx(list, i, b);
			json_object_array_put_idx(list, other, a);
		}
	}
	if (answer != NULL)
	{
		request->reply.len = 0;
		buffer_puts(&request->reply,
					json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN |
												   JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(answer);
	}
}

void
fault_reply(Request *request)
{
	FaultRule  *rule = request->fault;
	size_t		bytes;

	switch (rule->action->action)
	{
		case ACTION_STATUS:
			status_reply(request, rule);
			break;
		case ACTION_RATE_LIMIT:
			reply_rate_limited(request, rule->policy ? rule->policy : "TEN_SECONDLY_ROLLING");
			break;
		case ACTION_DELAY:
		case ACTION_RECORD_ERROR:
			break;
		case ACTION_HANG:
			request->delivery = DELIVER_NEVER;
			break;
		case ACTION_RESET:
			request->delivery = DELIVER_RESET;
			request->delivery_detail = rule->after_bytes;
			break;
		case ACTION_TRUNCATE:
			if (request->reply.len >= 2)
				request->delivery = DELIVER_TRUNCATED;
			break;
		case ACTION_DROP_BEFORE:
		case ACTION_DROP_AFTER:
			request->delivery = DELIVER_NOTHING;
			break;
		case ACTION_HTML:
			fixed_reply(request, rule->status ? (int) rule->status : 502,
						rule->content_type ? rule->content_type : "text/html",
						rule->body ? rule->body :
						"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
						"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n");
			break;
		case ACTION_GARBAGE:
			fixed_reply(request, 200, "application/json;charset=utf-8",
						rule->body ? rule->body : "{\"status\":\"COMPLETE\",\"results\":[{\"id\":");
			break;
		case ACTION_EMPTY_SUCCESS:
			fixed_reply(request, 200, "application/json;charset=utf-8",
						"{\"status\":\"COMPLETE\",\"results\":[],\"errors\":[]}");
			break;
		case ACTION_CONFLICT:
			default_body(request, 409);
			break;
		case ACTION_BIG:
			bytes = rule->bytes > 2 ? (size_t) rule->bytes : 1024 * 1024;
			reply_json(request, rule->status ? (int) rule->status : 200);
			request->reply.len = 0;
			buffer_reserve(&request->reply, bytes);
			memset(request->reply.data, 'x', bytes);
			request->reply.data[0] = request->reply.data[bytes - 1] = '"';
			request->reply.len = bytes;
			break;
		case ACTION_SLOW_BODY:
			request->delivery = DELIVER_SLOWLY;
			request->delivery_detail = rule->ms ? rule->ms : 100;
			break;
		case ACTION_MISSING_RESULTS:
		case ACTION_SHUFFLE:
		case ACTION_UNTRACED_ERRORS:
			spoil_lists(request, rule->action->action);
			break;
	}
}
