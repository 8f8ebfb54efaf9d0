/*
 * batch_peer.c
 *		HubSpot as the fuzz target "batch" sees it, in place of wire.c; and the clock.
 *
 * What is sent is looked at when it is sent.  What is answered the input says;
 * then a HubSpot answers that accepts everything.
 */
#include "postgres.h"

#include <time.h>

#include "utils/memutils.h"

#include "base/hubspot.h"
#include "http/wire.h"
#include "text/value.h"
#include "backend.h"
#include "batch_fuzz.h"
#include "fuzz.h"

#define MAX_BODY	(BATCH_MAX_BYTES + 1024 * 1024)

typedef struct Request
{
	bool		busy;
	char	   *url;
	Jsonb	   *body;			/* NULL: none */
	JsonbContainer *inputs;		/* NULL: none */
	bool		ready;			/* its answer is below */
	WireResponse response;
	char	   *bytes;			/* malloc'd, of exactly that length */
} Request;

static Request requests[WIRE_MAX_TRANSFERS];
static int	nrequests;
static MemoryContext peer_context;
static Account *account;
static JsonbContainer *answers;
static int	nanswers,
			next_answer;
static int64 now_us = 1000000000;

extern int	__wrap_wire_send(const WireRequest *request, const WireSettings *settings, char *error);
extern bool __wrap_wire_next(WireResponse *response);
extern void __wrap_wire_release(int slot);
extern int	__wrap_wire_in_flight(void);
extern int	__real_clock_gettime(clockid_t id, struct timespec *time);
extern int	__wrap_clock_gettime(clockid_t id, struct timespec *time);

/* ---- the clock ----------------------------------------------------------------------- */

int
__wrap_clock_gettime(clockid_t id, struct timespec *time)
{
	if (id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, time);
	time->tv_sec = now_us / 1000000;
	time->tv_nsec = now_us % 1000000 * 1000;
	return 0;
}

void
peer_advance(int64 us)
{
	now_us += us;
}

/* ---- what is sent ----------------------------------------------------------------------- */

/* No two inputs have the same value of a member. */
static void
expect_different(JsonbContainer *inputs, int n, const char *name)
{
	char	   *texts[501];

	for (int i = 0; i < n; i++)
	{
		JsonbContainer *input = element(inputs, i, &n);

		texts[i] = input == NULL ? NULL : member_text(input, name);
		for (int j = 0; j < i && texts[i] != NULL; j++)
			expect(texts[j] == NULL || strcmp(texts[i], texts[j]) != 0, "no two inputs have the same id");
	}
}

static void
look_at_body(Request *request)
{
	JsonbContainer *root = &request->body->root;
	bool		is_event = strstr(request->url, "/send/batch") != NULL;
	int			n = 0;

	expect(JsonContainerIsObject(root), "a body is an object");
	request->inputs = member_container(root, "inputs");
	if (request->inputs == NULL)
		return;
	(void) element(request->inputs, 0, &n);
	expect(n > 0, "a request has inputs");
	expect(n <= (is_event ? 500 : 100), "a request has not more inputs than HubSpot takes");
	/* two events of one messageId have one uuid, which HubSpot tells apart */
	expect_different(request->inputs, n, "id");
	expect_different(request->inputs, n, "objectWriteTraceId");
}

int
__wrap_wire_send(const WireRequest *sent, const WireSettings *settings, char *error)
{
	MemoryContext old = MemoryContextSwitchTo(peer_context);
	Request    *request = NULL;

	for (int i = 0; i < WIRE_MAX_TRANSFERS && request == NULL; i++)
		if (!requests[i].busy)
			request = &requests[i];
	expect(request != NULL, "no more requests than there may be");
	*request = (Request)
	{
		.busy = true, .url = pstrdup(sent->url)
	};
	expect(sent->body == NULL || strlen(sent->body) == sent->body_len, "a body is as long as it says");
	expect(sent->body_len <= MAX_BODY, "a body is bounded");
	if (sent->body != NULL)
	{
		request->body = backend_jsonb(sent->body, sent->body_len);
		if (request->body == NULL)
			fprintf(stderr, "%s\n", sent->body);
		expect(request->body != NULL, "a body is JSON");
		look_at_body(request);
	}
	nrequests++;
	MemoryContextSwitchTo(old);
	return request - requests;
}

int
__wrap_wire_in_flight(void)
{
	return nrequests;
}

int
peer_requests(void)
{
	return nrequests;
}

/* ---- what is answered --------------------------------------------------------------------- */

/* What a place in a template stands for, NULL when there is nothing. */
static char *
replacement(const char *place, int number, JsonbContainer *input)
{
	char	   *id = NULL;

	if (strncmp(place, "$N", 2) == 0)
		return psprintf("%d", 7000 + number);
	if (strncmp(place, "$TRACE", 6) == 0)
		return member_text(input, "objectWriteTraceId");
	if (strncmp(place, "$ID", 3) == 0)
		id = member_text(input, "id");
	if (strncmp(place, "$FROM", 5) == 0 && member_container(input, "from") != NULL)
		id = member_text(member_container(input, "from"), "id");
	if (strncmp(place, "$TO", 3) == 0 && member_container(input, "to") != NULL)
		id = member_text(member_container(input, "to"), "id");
	if (strncmp(place, "$DOMAIN", 7) == 0 && member_container(input, "properties") != NULL)
		id = member_text(member_container(input, "properties"), "domain");
	return id;
}

/* A template with the input's own texts in place of its names. */
static void
append_filled(StringInfo json, const char *template, int number, JsonbContainer *input)
{
	for (const char *at = template; *at != '\0'; at++)
	{
		char	   *text = *at == '$' ? replacement(at, number, input) : NULL;

		if (text == NULL)
			appendStringInfoChar(json, *at);
		else
		{
			StringInfoData quoted;

			initStringInfo(&quoted);
			value_append_string(&quoted, text, strlen(text));
			appendBinaryStringInfo(json, quoted.data + 1, quoted.len - 2);
			at += strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		}
	}
}

/* The same template for every second input, beginning with this one; for all when step is 1. */
static void
append_list(StringInfo json, const char *name, const char *template, const Request *request, int first, int step)
{
	int			n = 0;

	appendStringInfo(json, "\"%s\":[", name);
	if (request->inputs != NULL)
		(void) element(request->inputs, 0, &n);
	for (int i = first; i < n; i += step)
	{
		JsonbContainer *input = element(request->inputs, i, &n);

		if (input == NULL)
			continue;
		if (i > first)
			appendStringInfoChar(json, ',');
		append_filled(json, template, i, input);
	}
	appendStringInfoChar(json, ']');
}

static char *
compact(JsonbContainer *object, const char *name)
{
	StringInfoData text;
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(object, name, strlen(name), &value) == NULL)
		return NULL;
	initStringInfo(&text);
	value_append_compact(&text, &value);
	return text.data;
}

static void
scripted_body(StringInfo json, JsonbContainer *answer, const Request *request)
{
	char	   *body = compact(answer, "body");
	char	   *each = compact(answer, "each");
	char	   *errors = compact(answer, "errors");

	if (body != NULL)
		append_filled(json, body, 0, request->inputs != NULL ? request->inputs : answer);
	if (each == NULL && errors == NULL)
		return;
	resetStringInfo(json);
	appendStringInfoString(json, "{\"status\":\"COMPLETE\",");
	append_list(json, "results", each != NULL ? each : "{}", request, 0, errors != NULL ? 2 : 1);
	if (errors != NULL)
	{
		appendStringInfoChar(json, ',');
		append_list(json, "errors", errors, request, 1, 2);
	}
	appendStringInfoChar(json, '}');
}

/* What a HubSpot says that has accepted everything. */
static int
kind_body(StringInfo json, const Request *request)
{
	const char *url = request->url;

	if (strstr(url, "/details") != NULL)
		appendStringInfoString(json, "{\"portalId\":1234567,\"timeZone\":\"UTC\",\"utcOffsetMilliseconds\":0}");
	else if (strstr(url, "add-and-remove") != NULL)
		appendStringInfoString(json, "{\"recordsIdsAdded\":[],\"recordIdsRemoved\":[],\"recordIdsMissing\":[]}");
	else if (strstr(url, "/lists/") != NULL)
		appendStringInfoString(json, "{\"list\":{\"listId\":\"1\",\"processingType\":\"MANUAL\"}}");
	else if (strstr(url, "/search") != NULL)
		appendStringInfoString(json, "{\"total\":0,\"results\":[]}");
	else if (strstr(url, "/archive") != NULL || strstr(url, "gdpr-delete") != NULL || strstr(url, "/send") != NULL)
		return 204;
	else
	{
		appendStringInfoString(json, "{\"status\":\"COMPLETE\",");
		append_list(json, "results", strstr(url, "/associations/") != NULL ? "{\"fromObjectId\":\"$FROM\",\"toObjectId\":\"$TO\"}"
					: strstr(url, "/create") != NULL
					? "{\"id\":\"$N\",\"objectWriteTraceId\":\"$TRACE\",\"properties\":{\"domain\":\"$DOMAIN\"}}"
					: "{\"id\":\"$N\",\"objectWriteTraceId\":\"$TRACE\",\"new\":true,\"properties\":{\"email\":\"$ID\",\"domain\":\"$ID\",\"external_id\":\"$ID\"}}",
					request, 0, 1);
		appendStringInfoChar(json, '}');
	}
	return 200;
}

bool
peer_is_scripted(void)
{
	return next_answer < nanswers;
}

/* Requests about the account and its properties are answered by themselves: the input is about rows. */
static bool
is_about_rows(const Request *request)
{
	return strstr(request->url, "/details") == NULL && strstr(request->url, "/properties/") == NULL &&
		strstr(request->url, "/event-definitions") == NULL;
}

static void
answer_scripted(Request *request, JsonbContainer *answer, StringInfo json)
{
	WireResponse *response = &request->response;

	scripted_body(json, answer, request);
	response->status = member_number(answer, "status");
	response->headers.retry_after = member_number(answer, "retry") > 0 ? member_number(answer, "retry") : -1;
	response->answered = response->status >= 100 && response->status <= 999 && !member_is_true(answer, "lost");
	response->reached = response->answered || !member_is_true(answer, "unsent");
	if (!response->answered)
		snprintf(response->error, sizeof(response->error), "no answer");
	if (member_is_true(answer, "drop"))
		account->dropped = true;
}

static void
answer_request(Request *request, JsonbContainer *answer)
{
	StringInfoData json;
	WireResponse *response = &request->response;

	initStringInfo(&json);
	memset(response, 0, sizeof(*response));
	reply_headers_init(&response->headers);
	response->slot = request - requests;
	response->started_us = response->finished_us = now_us;
	if (answer != NULL)
		answer_scripted(request, answer, &json);
	else
	{
		response->status = kind_body(&json, request);
		response->answered = response->reached = true;
	}
	request->bytes = malloc(json.len + 1);
	memcpy(request->bytes, json.data, json.len + 1);
	response->body = json.len > 0 ? request->bytes : NULL;
	response->body_len = response->bytes_received = json.len;
	request->ready = true;
}

bool
peer_answer(void)
{
	MemoryContext old = MemoryContextSwitchTo(peer_context);
	JsonbContainer *answer = NULL;
	Request    *request = NULL;

	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
		if (requests[i].busy && (request == NULL || now_us % 3 == 0))
			request = &requests[i];
	if (request != NULL && is_about_rows(request) && peer_is_scripted())
		answer = element(answers, next_answer++, &nanswers);
	if (request != NULL && (answer == NULL || !member_is_true(answer, "wait")))
		answer_request(request, answer);
	MemoryContextSwitchTo(old);
	return request != NULL && request->ready;
}

bool
__wrap_wire_next(WireResponse *response)
{
	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
		if (requests[i].ready)
		{
			requests[i].ready = false;
			*response = requests[i].response;
			return true;
		}
	return false;
}

void
__wrap_wire_release(int slot)
{
	expect(requests[slot].busy, "a request is released once");
	free(requests[slot].bytes);
	requests[slot].bytes = NULL;
	requests[slot].busy = false;
	nrequests--;
}

void
peer_begin(Account *of, JsonbContainer *script)
{
	peer_context = CurrentMemoryContext;
	account = of;
	answers = script;
	next_answer = nanswers = 0;
	(void) element(answers, 0, &nanswers);
}
