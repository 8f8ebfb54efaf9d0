/*
 * error.c
 *	  Error bodies; see error.h.  The forms are those of section 5.2 and 4.3
 *	  of the notes on HubSpot's interface.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "config.h"
#include "random.h"

void
problem_add(ProblemList *list, const char *code, const char *property, const char *format,...)
{
	Problem    *problem = scratch_alloc(sizeof(Problem));
	va_list		args;
	char		text[2048];
	int			len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len >= (int) sizeof(text))
		len = (int) sizeof(text) - 1;
	problem->code = code;
	problem->property = property;
	problem->message = scratch_strndup(text, (size_t) len);
	if (list->last != NULL)
		list->last->next = problem;
	else
		list->first = problem;
	list->last = problem;
}

void
problems_join(ProblemList *list, const ProblemList *more)
{
	if (more->first == NULL)
		return;
	if (list->last != NULL)
		list->last->next = more->first;
	else
		list->first = more->first;
	list->last = more->last;
}

char *
problems_message(const ProblemList *list)
{
	Buffer		text = {0};
	char	   *copy;

	buffer_puts(&text, "Property values were not valid: [");
	for (const Problem *problem = list->first; problem != NULL; problem = problem->next)
	{
		if (problem != list->first)
			buffer_puts(&text, ",");
		buffer_puts(&text, "{\"isValid\":false,\"message\":");
		buffer_json(&text, problem->message);
		buffer_puts(&text, ",\"error\":");
		buffer_json(&text, problem->code);
		buffer_puts(&text, ",\"name\":");
		buffer_json(&text, problem->property);
		buffer_puts(&text, ",\"localizedErrorMessage\":");
		buffer_json(&text, problem->message);
		buffer_printf(&text, ",\"portalId\":%lld}", (long long) config.portal_id);
	}
	buffer_puts(&text, "]");
	copy = scratch_strndup(text.data, text.len);
	buffer_free(&text);
	return copy;
}

static void
begin_error(Request *request, const char *message)
{
	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"status\":\"error\",\"message\":");
	buffer_json(&request->reply, message);
	buffer_printf(&request->reply, ",\"correlationId\":\"%s\"", request->correlation_id);
}

static void
end_error(Request *request, int status, const char *category)
{
	if (category != NULL)
		buffer_printf(&request->reply, ",\"category\":\"%s\"", category);
	buffer_puts(&request->reply, "}");
	reply_json(request, status);
}

/* Was the same thing already said about this property? */
static bool
said_before(const ProblemList *list, const Problem *problem)
{
	for (const Problem *other = list->first; other != problem; other = other->next)
	{
		if (strcmp(other->code, problem->code) == 0 &&
			strcmp(other->property, problem->property) == 0)
			return true;
	}
	return false;
}

/* Does the list say nothing but that a new record lacks something? */
static bool
all_lack(const ProblemList *list)
{
	for (const Problem *problem = list->first; problem != NULL; problem = problem->next)
	{
		if (strcmp(problem->code, "REQUIRED_FIELD") != 0)
			return false;
	}
	return true;
}

static void
reply_lacking(Request *request, const ProblemList *list)
{
	begin_error(request, "Error creating record. Some required properties were not set.");
	buffer_puts(&request->reply, ",\"context\":{\"properties\":[");
	for (const Problem *problem = list->first; problem != NULL; problem = problem->next)
	{
		if (said_before(list, problem))
			continue;
		if (problem != list->first)
			buffer_puts(&request->reply, ",");
		buffer_json(&request->reply, problem->property);
	}
	buffer_puts(&request->reply, "]}");
	end_error(request, 400, "VALIDATION_ERROR");
}

void
reply_problems(Request *request, const ProblemList *list)
{
	bool		first = true;

	if (answer_is(ANSWER_REQUIRED_CONTEXT) && all_lack(list))
	{
		reply_lacking(request, list);
		return;
	}

	begin_error(request, problems_message(list));
	buffer_puts(&request->reply, ",\"errors\":[");
	for (const Problem *problem = list->first; problem != NULL; problem = problem->next)
	{
		/* The list is shorter than the one in the message: as recorded. */
		if (said_before(list, problem))
			continue;
		buffer_puts(&request->reply, first ? "{\"message\":" : ",{\"message\":");
		buffer_json(&request->reply, problem->message);
		buffer_puts(&request->reply, ",\"code\":");
		buffer_json(&request->reply, problem->code);
		buffer_puts(&request->reply, ",\"context\":{\"propertyName\":[");
		buffer_json(&request->reply, problem->property);
		buffer_puts(&request->reply, "]}}");
		first = false;
	}
	buffer_puts(&request->reply, "]");
	end_error(request, 400, "VALIDATION_ERROR");
}

void
reply_error(Request *request, int status, const char *category, const char *format,...)
{
	va_list		args;
	char		text[2048];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	begin_error(request, text);
	end_error(request, status, category);
}

void
reply_error_context(Request *request, int status, const char *category, const char *message,
					const char *key, const char *const *values, int count)
{
	begin_error(request, message);
	buffer_printf(&request->reply, ",\"context\":{\"%s\":[", key);
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_puts(&request->reply, ",");
		buffer_json(&request->reply, values[i]);
	}
	buffer_puts(&request->reply, "]}");
	end_error(request, status, category);
}

void
reply_invalid_json(Request *request, const char *format,...)
{
	va_list		args;
	char		text[1024];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	begin_error(request, scratch_printf("Invalid input JSON %s", text));
	end_error(request, 400, NULL);
}

void
reply_unauthenticated(Request *request)
{
	reply_error(request, 401, "INVALID_AUTHENTICATION",
				"Authentication credentials not found. This API supports OAuth 2.0 "
				"authentication and you can find more details at "
				"https://developers.hubspot.com/docs/methods/auth/oauth-overview");
}

void
reply_missing_scope(Request *request, const char *scope, const char *other)
{
	begin_error(request, "One or more of the following scopes are required.");
	buffer_puts(&request->reply, ",\"context\":{\"requiredGranularScopes\":[");
	buffer_json(&request->reply, scope);
	if (other != NULL)
	{
		buffer_puts(&request->reply, ",");
		buffer_json(&request->reply, other);
	}
	buffer_puts(&request->reply, "],\"links\":[\"https://developers.hubspot.com/scopes\"]}");
	end_error(request, 403, "MISSING_SCOPES");
}

void
reply_not_found(Request *request)
{
	reply_error(request, 404, "OBJECT_NOT_FOUND", "resource not found");
}

void
reply_no_such_path(Request *request)
{
	request->status = 404;
	request->content_type = "text/html;charset=utf-8";
	request->reply.len = 0;
	buffer_puts(&request->reply,
				"<html>\n<head>\n<meta http-equiv=\"Content-Type\" "
				"content=\"text/html;charset=utf-8\"/>\n<title>Error 404 Not Found</title>\n"
				"</head>\n<body><h2>HTTP ERROR 404</h2>\n<p>Reason: Not Found</p>\n"
				"</body>\n</html>\n");
}

void
reply_rate_limited(Request *request, const char *policy)
{
	char		uuid[37];

	if (strcmp(policy, "DAILY") == 0)
	{
		begin_error(request, "You have reached your daily limit.");
		random_uuid(uuid);
		buffer_printf(&request->reply,
					  ",\"errorType\":\"RATE_LIMIT\",\"policyName\":\"DAILY\",\"requestId\":\"%s\"",
					  uuid);
		end_error(request, 429, NULL);
	}
	else if (strcmp(policy, "SECONDLY_SEARCH") == 0)
	{
		/* The recorded form has neither policy nor error type. */
		begin_error(request, "You have reached your secondly limit.");
		end_error(request, 429, "RATE_LIMITS");
	}
	else
	{
		begin_error(request, "You have reached your ten_secondly_rolling limit.");
		buffer_printf(&request->reply,
					  ",\"errorType\":\"RATE_LIMIT\",\"policyName\":\"TEN_SECONDLY_ROLLING\","
					  "\"groupName\":\"publicapi:private_app-api-calls-ten-secondly:%lld\"",
					  (long long) config.portal_id);
		end_error(request, 429, NULL);
	}
}

void
reply_json(Request *request, int status)
{
	request->status = status;
	request->content_type = "application/json;charset=utf-8";
}

void
reply_empty(Request *request, int status)
{
	request->status = status;
	request->content_type = NULL;
	request->reply.len = 0;
}
