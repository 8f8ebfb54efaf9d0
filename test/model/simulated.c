/*
 * simulated.c
 *		The simulator, called instead of connected to; see simulated.h.
 *
 * Takes the place of the simulator's http.c and main.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../simulator/api.h"
#include "../simulator/config.h"
#include "../simulator/fault.h"
#include "../simulator/journal.h"
#include "../simulator/property.h"
#include "../simulator/random.h"
#include "../simulator/route.h"
#include "../simulator/start.h"
#include "../simulator/type.h"

#include "simulated.h"

#define MAX_PARAMETERS	16
#define TAGS			64		/* MAX_CALLS of model.h */
#define LABELS			2		/* these as there */
#define EXTRAS			3

static uint64_t request_count;
static uint64_t told;			/* lines of the journal */
static bool has_extras;			/* a property was created, perhaps */
static char *names[MAX_PARAMETERS]; /* of the query at hand */
static char *values[MAX_PARAMETERS];
static int	nparameters;
static Request request;

/* ---- what the simulator wants of http.c ---- */

const char *
request_query(Request *of, const char *name)
{
	(void) of;
	for (int i = 0; i < nparameters; i++)
		if (strcmp(names[i], name) == 0)
			return values[i];
	return NULL;
}

void
request_each_query(Request *of, void (*each) (void *, const char *, const char *), void *state)
{
	(void) of;
	for (int i = 0; i < nparameters; i++)
		each(state, names[i], values[i]);
}

const char *
request_header(Request *of, const char *name)
{
	(void) of;
	return strcmp(name, "Content-Type") == 0 ? "application/json" : NULL;
}

void
reply_header(Request *of, const char *name, const char *value)
{
	if (of->header_count < MAX_HEADERS)
	{
		of->headers[of->header_count].name = name;
		of->headers[of->header_count++].value = value;
	}
}

/* Nothing is held back here. */
void
http_release_delayed(void)
{
}

/* ---- the path ---- */

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* As libmicrohttpd does before it hands a path or a parameter out. */
static void
unescape(char *text, bool is_query)
{
	char	   *to = text;

	for (char *at = text; *at != '\0'; at++)
	{
		if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0)
		{
			*to++ = (char) (hex(at[1]) * 16 + hex(at[2]));
			at += 2;
		}
		else
			*to++ = *at == '+' && is_query ? ' ' : *at;
	}
	*to = '\0';
}

static void
split_query(char *query)
{
	nparameters = 0;
	for (char *at = strtok(query, "&"); at != NULL && nparameters < MAX_PARAMETERS; at = strtok(NULL, "&"))
	{
		char	   *value = strchr(at, '=');

		if (value != NULL)
			*value++ = '\0';
		names[nparameters] = at;
		values[nparameters] = value != NULL ? value : at + strlen(at);
		unescape(names[nparameters], true);
		unescape(values[nparameters], true);
		nparameters++;
	}
}

/* ---- requests ---- */

static void
forget_request(void)
{
	buffer_free(&request.body);
	buffer_free(&request.reply);
	free(request.split);
	free(request.method);
	free(request.path);
	memset(&request, 0, sizeof(request));
	nparameters = 0;
}

void
simulated_ask(const char *method, const char *path, const char *token, const char *body,
			  SimulatedAnswer *answer)
{
	static char *query;

	forget_request();
	request.arrived_us = now_us();
	request.method = must_strdup(method);
	request.path = must_strdup(path);
	request.number = ++request_count;
	request.burst_remaining = request.daily_remaining = -1;
	request.token = token;
	random_uuid(request.correlation_id);
	if (body != NULL)
		buffer_add(&request.body, body, strlen(body));
	if (strchr(request.path, '?') != NULL)
	{
		char	   *mark = strchr(request.path, '?');

		free(query);
		query = must_strdup(mark + 1);
		*mark = '\0';
		split_query(query);
	}
	unescape(request.path, false);
	route_admit(&request);
	scratch_reset();
	has_extras |= body != NULL && strstr(body, "\"name\":\"extra") != NULL;
	route_perform(&request);

	memset(answer, 0, sizeof(*answer));
	answer->status = request.delivery == DELIVER_NORMALLY ? request.status : 0;
	answer->body = request.reply.len > 0 ? buffer_text(&request.reply) : "";
	answer->len = request.reply.len;
	if (request.content_type != NULL)
		reply_header(&request, "Content-Type", request.content_type);
	answer->nheaders = request.header_count;
	for (int i = 0; i < request.header_count; i++)
	{
		answer->names[i] = request.headers[i].name;
		answer->values[i] = request.headers[i].value;
	}
}

const char *
simulated_applied(void)
{
	static Buffer lines;

	lines.len = 0;
	journal_render_applied(&lines, told, 0);
	for (size_t i = 0; i < lines.len; i++)
		told += lines.data[i] == '\n';
	return lines.len > 0 ? buffer_text(&lines) : "";
}

void
simulated_fault(const char *rule)
{
	struct json_object *description;
	const char *error;

	fault_clear();
	if (rule == NULL)
		return;
	description = json_tokener_parse(rule);
	if (fault_add(description, &error) == 0)
	{
		fprintf(stderr, "no rule of the simulator: %s: %s\n", rule, error);
		abort();
	}
	json_object_put(description);
}

/* A property of contacts is as if it had never been; no record has a value of it. */
static void
drop_property(const char *name)
{
	Property   *property = table_find(&contacts->properties, name);
	int			at = 0;

	if (property == NULL)
		return;
	table_remove(&contacts->properties, name, strlen(name));
	while (contacts->property_list[at] != property)
		at++;
	contacts->property_count--;
	memmove(contacts->property_list + at, contacts->property_list + at + 1,
			(contacts->property_count - at) * sizeof(contacts->property_list[0]));
}

void
simulated_reset(void)
{
	SimulatedAnswer answer;

	simulated_ask("POST", "/_sim/reset", NULL, NULL, &answer);
	/* properties survive that, and an archived one keeps its name */
	for (int i = 0; i < EXTRAS && has_extras; i++)
		drop_property(scratch_printf("extra%d", i));
	has_extras = false;
	random_restart();
	request_count = 0;
	told = 0;
}

static void
prepare(const char *path, const char *body)
{
	SimulatedAnswer answer;

	simulated_ask("POST", path, "model", body, &answer);
	if (answer.status >= 300)
	{
		fprintf(stderr, "the simulator refuses %s: %d %s\n", path, answer.status, answer.body);
		abort();
	}
}

/* What a contact may have several of: "t0" and so on. */
static void
prepare_tags(void)
{
	Buffer		body = {0};

	buffer_puts(&body, "{\"name\":\"tags\",\"label\":\"Tags\",\"type\":\"enumeration\",\"fieldType\":\"checkbox\",\"options\":[");
	for (int i = 0; i < TAGS; i++)
		buffer_printf(&body, "%s{\"value\":\"t%d\",\"label\":\"t%d\",\"hidden\":false}", i > 0 ? "," : "", i, i);
	buffer_puts(&body, "]}");
	prepare("/_sim/properties/contacts", buffer_text(&body));
	buffer_free(&body);
}

/* A custom object, properties that deals go by, and labels of any two types. */
static void
prepare_objects(void)
{
	static const char *const types[] = {"contacts", "companies", "deals", "2-3465404"};
	static const char *const unique[] = {"order_ref", "vin"};

	prepare("/_sim/schemas", "{\"name\":\"car\",\"properties\":[],\"associatedObjects\":"
			"[\"contacts\",\"companies\",\"deals\"],\"shouldCreateSameObjectAssociation\":true}");
	for (int i = 2; i < 4; i++)
	{
		const char *const names[] = {unique[i - 2], "first", "second"};

		for (int j = 0; j < 3; j++)
		{
			char		path[60];
			char		body[200];

			snprintf(path, sizeof(path), "/_sim/properties/%s", types[i]);
			snprintf(body, sizeof(body), "{\"name\":\"%s\",\"type\":\"string\",\"fieldType\":\"text\","
					 "\"hasUniqueValue\":%s}", names[j], j == 0 ? "true" : "false");
			prepare(path, body);
		}
	}
	for (int from = 0; from < 4; from++)
		for (int to = from; to < 4; to++)
			for (int label = 0; label < LABELS; label++)
			{
				char		path[100];
				char		body[60];

				snprintf(path, sizeof(path), "/crm/v4/associations/%s/%s/labels", types[from], types[to]);
				snprintf(body, sizeof(body), "{\"name\":\"label_%d\",\"label\":\"L%d\"}", label, label);
				prepare(path, body);
			}
}

void
simulated_start(void)
{
	simulator_start();
	(void) journal_open(NULL, true);
	prepare("/_sim/config", "{\"burst_limit\":0,\"daily_limit\":0,\"search_limit\":0,\"association_limit\":0,"
			"\"event_limit\":0,\"form_limit\":0,\"rate_headers\":false}");
	prepare("/_sim/properties/companies", "{\"name\":\"external_id\",\"label\":\"Key\",\"type\":\"string\","
			"\"fieldType\":\"text\",\"groupName\":\"companyinformation\",\"hasUniqueValue\":true}");
	prepare("/_sim/properties/contacts", "{\"name\":\"nickname\",\"label\":\"Nickname\",\"type\":\"string\","
			"\"fieldType\":\"text\",\"onlyLetters\":true}");
	prepare_tags();
	prepare_objects();
	prepare("/_sim/forms", "{\"id\":\"0a1b2c3d-0000-4000-8000-1234567890ab\",\"name\":\"Form\",\"fields\":[\"email\",\"note\"]}");
	prepare("/events/v3/event-definitions", "{\"label\":\"Order Completed\",\"name\":\"order_completed\","
			"\"primaryObject\":\"CONTACT\",\"includeDefaultProperties\":true,\"propertyDefinitions\":"
			"[{\"name\":\"marker\",\"label\":\"Marker\",\"type\":\"string\"}]}");
	simulated_reset();
}
