/*
 * route.c
 *	  From a path to what serves it; see route.h.
 *
 * One table serves all versions of HubSpot's paths: the family and the
 * version are taken out of the path first, what remains is the same in all.
 */
#include "route.h"

#include <assert.h>
#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "api.h"
#include "automation.h"
#include "config.h"
#include "control.h"
#include "error.h"
#include "fault.h"
#include "journal.h"
#include "limits.h"
#include "random.h"
#include "reading.h"
#include "type.h"

#define JSON_DEPTH	32

typedef struct Route
{
	const char *method;
	const char *family;
	const char *pattern;		/* {type}, {other} and * are wildcards */
	void		(*serve) (Request *request);
	Meter		meter;
	const char *scope;			/* %s is the object type; NULL: any token */
	bool		wants_json;
	bool		is_public;		/* needs no credential */
} Route;

#define READ	"crm.objects.%s.read"
#define WRITE	"crm.objects.%s.write"
#define SEND_EVENTS		"analytics.behavioral_events.send"
#define DEFINE_EVENTS	"behavioral_events.event_definitions.read_write"
#define READ_LISTS		"crm.lists.read"
#define WRITE_LISTS		"crm.lists.write"
#define READ_CONSENT	"communication_preferences.read"
#define WRITE_CONSENT	"communication_preferences.write"
#define READ_CONSENTS	"communication_preferences.statuses.batch.read"
#define WRITE_CONSENTS	"communication_preferences.statuses.batch.write"
#define READ_SCHEMAS	"crm.schemas.custom.read"
#define WRITE_SCHEMAS	"crm.schemas.custom.write"

static const Route routes[] = {
	{"POST", "objects", "{type}/batch/upsert", objects_upsert, METER_STANDARD, WRITE, true, false},
	{"POST", "objects", "{type}/batch/create", objects_create, METER_STANDARD, WRITE, true, false},
	{"POST", "objects", "{type}/batch/update", objects_update, METER_STANDARD, WRITE, true, false},
	{"POST", "objects", "{type}/batch/read", objects_read, METER_STANDARD, READ, true, false},
	{"POST", "objects", "{type}/batch/archive", objects_archive, METER_STANDARD, WRITE, true, false},
	{"POST", "objects", "{type}/search", objects_search, METER_SEARCH, READ, true, false},
	{"POST", "objects", "{type}/gdpr-delete", object_erase, METER_STANDARD, WRITE, true, false},
	{"GET", "objects", "{type}", object_page, METER_STANDARD, READ, false, false},
	{"POST", "objects", "{type}", object_create, METER_STANDARD, WRITE, true, false},
	{"GET", "objects", "{type}/*", object_read, METER_STANDARD, READ, false, false},
	{"PATCH", "objects", "{type}/*", object_update, METER_STANDARD, WRITE, true, false},
	{"DELETE", "objects", "{type}/*", object_archive, METER_STANDARD, WRITE, false, false},

	{"POST", "properties", "{type}/batch/create", property_add_many, METER_STANDARD,
	"crm.schemas.%s.write", true, false},
	{"GET", "properties", "{type}/groups", groups_list, METER_STANDARD, "crm.schemas.%s.read", false, false},
	{"POST", "properties", "{type}/groups", group_add, METER_STANDARD, "crm.schemas.%s.write", true, false},
	{"GET", "properties", "{type}", properties_list, METER_STANDARD, "crm.schemas.%s.read", false, false},
	{"POST", "properties", "{type}", property_add_one, METER_STANDARD, "crm.schemas.%s.write", true, false},
	{"GET", "properties", "{type}/*", property_read, METER_STANDARD, "crm.schemas.%s.read", false, false},
	{"DELETE", "properties", "{type}/*", property_archive, METER_STANDARD, "crm.schemas.%s.write", false, false},

	{"GET", "schemas", "", schemas_list, METER_STANDARD, READ_SCHEMAS, false, false},
	{"POST", "schemas", "", schema_create, METER_STANDARD, WRITE_SCHEMAS, true, false},
	{"POST", "schemas", "batch/read", schemas_read, METER_STANDARD, READ_SCHEMAS, true, false},
	{"GET", "schemas", "{type}", schema_read, METER_STANDARD, "crm.schemas.%s.read", false, false},
	{"PATCH", "schemas", "{type}", schema_change, METER_STANDARD, WRITE_SCHEMAS, true, false},
	{"DELETE", "schemas", "{type}", schema_delete, METER_STANDARD, WRITE_SCHEMAS, false, false},
	{"POST", "schemas", "{type}/associations", schema_allow, METER_STANDARD, WRITE_SCHEMAS, true, false},
	{"DELETE", "schemas", "{type}/associations/*", schema_forbid, METER_STANDARD, WRITE_SCHEMAS, false, false},

	{"GET", "owners", "", owners_list, METER_STANDARD, "crm.objects.owners.read", false, false},
	{"GET", "owners", "*", owner_read, METER_STANDARD, "crm.objects.owners.read", false, false},
	{"GET", "pipelines", "{type}", pipelines_list, METER_STANDARD, "crm.schemas.%s.read", false, false},
	{"POST", "pipelines", "{type}", pipeline_create, METER_STANDARD, "crm.schemas.%s.write", true, false},
	{"GET", "pipelines", "{type}/*", pipeline_read, METER_STANDARD, "crm.schemas.%s.read", false, false},
	{"PATCH", "pipelines", "{type}/*", pipeline_change, METER_STANDARD, "crm.schemas.%s.write", true, false},
	{"DELETE", "pipelines", "{type}/*", pipeline_delete, METER_STANDARD, "crm.schemas.%s.write", false, false},
	{"GET", "pipelines", "{type}/*/stages", stages_list, METER_STANDARD, "crm.schemas.%s.read", false, false},
	{"POST", "pipelines", "{type}/*/stages", stage_create, METER_STANDARD, "crm.schemas.%s.write", true, false},
	{"PATCH", "pipelines", "{type}/*/stages/*", stage_change, METER_STANDARD, "crm.schemas.%s.write", true, false},
	{"DELETE", "pipelines", "{type}/*/stages/*", stage_delete, METER_STANDARD, "crm.schemas.%s.write", false, false},
	{"GET", "object-library", "enablement", enablement_list, METER_STANDARD, NULL, false, false},

	{"PUT", "objects", "{type}/*/associations/default/{other}/*", association_put, METER_STANDARD,
	WRITE, false, false},
	{"PUT", "objects", "{type}/*/associations/{other}/*", association_label, METER_STANDARD, WRITE, true, false},
	{"DELETE", "objects", "{type}/*/associations/{other}/*", association_delete, METER_STANDARD, WRITE, false, false},
	{"GET", "objects", "{type}/*/associations/{other}", association_page, METER_STANDARD, READ, false, false},
	{"GET", "associations", "{type}/{other}/labels", labels_list, METER_STANDARD, READ, false, false},
	{"POST", "associations", "{type}/{other}/labels", label_create, METER_STANDARD, WRITE, true, false},
	{"PUT", "associations", "{type}/{other}/labels", label_rename, METER_STANDARD, WRITE, true, false},
	{"DELETE", "associations", "{type}/{other}/labels/*", label_drop, METER_STANDARD, WRITE, false, false},
	{"POST", "associations", "{type}/{other}/batch/associate/default", associations_default,
	METER_ASSOCIATIONS, WRITE, true, false},
	{"POST", "associations", "{type}/{other}/batch/create", associations_create,
	METER_ASSOCIATIONS, WRITE, true, false},
	{"POST", "associations", "{type}/{other}/batch/read", associations_read,
	METER_ASSOCIATIONS, READ, true, false},
	{"POST", "associations", "{type}/{other}/batch/archive", associations_archive,
	METER_ASSOCIATIONS, WRITE, true, false},
	{"POST", "associations", "{type}/{other}/batch/labels/archive", associations_unlabel,
	METER_ASSOCIATIONS, WRITE, true, false},

	{"GET", "consent-v3", "definitions", consent_types, METER_STANDARD, READ_CONSENT, false, false},
	{"GET", "consent-v3", "status/email/*", consent_status, METER_STANDARD, READ_CONSENT, false, false},
	{"POST", "consent-v3", "subscribe", consent_subscribe, METER_STANDARD, WRITE_CONSENT, true, false},
	{"POST", "consent-v3", "unsubscribe", consent_unsubscribe, METER_STANDARD, WRITE_CONSENT, true, false},
	{"GET", "consent", "definitions", consent_types, METER_STANDARD, READ_CONSENT, false, false},
	{"POST", "consent", "statuses/batch/write", consent_write_many, METER_STANDARD, WRITE_CONSENTS, true, false},
	{"POST", "consent", "statuses/batch/read", consent_read_many, METER_STANDARD, READ_CONSENTS, true, false},
	{"POST", "consent", "statuses/batch/unsubscribe-all", consent_leave_many, METER_STANDARD,
	WRITE_CONSENTS, true, false},
	{"POST", "consent", "statuses/batch/unsubscribe-all/read", consent_read_wide_many, METER_STANDARD,
	READ_CONSENTS, true, false},
	{"GET", "consent", "statuses/*", consent_read, METER_STANDARD, READ_CONSENT, false, false},
	{"POST", "consent", "statuses/*", consent_write, METER_STANDARD, WRITE_CONSENT, true, false},
	{"POST", "consent", "statuses/*/unsubscribe-all", consent_leave, METER_STANDARD, WRITE_CONSENT, false, false},
	{"GET", "consent", "statuses/*/unsubscribe-all", consent_read_wide, METER_STANDARD, READ_CONSENT, false, false},

	{"POST", "events", "send", event_send, METER_EVENTS, SEND_EVENTS, true, false},
	{"POST", "events", "send/batch", events_send, METER_EVENTS, SEND_EVENTS, true, false},
	{"POST", "events", "event-definitions", definition_create, METER_STANDARD, DEFINE_EVENTS, true, false},
	{"GET", "events", "event-definitions", definitions_list, METER_STANDARD, DEFINE_EVENTS, false, false},
	{"GET", "events", "event-definitions/*", definition_read, METER_STANDARD, DEFINE_EVENTS, false, false},
	{"DELETE", "events", "event-definitions/*", definition_delete, METER_STANDARD, DEFINE_EVENTS, false, false},
	{"POST", "events", "event-definitions/*/property", definition_add_property, METER_STANDARD,
	DEFINE_EVENTS, true, false},
	{"DELETE", "events", "event-definitions/*/property/*", definition_delete_property,
	METER_STANDARD, DEFINE_EVENTS, false, false},

	{"POST", "submissions", "integration/submit/*/*", form_submit, METER_FORMS, NULL, true, true},
	{"POST", "submissions", "integration/secure/submit/*/*", form_submit, METER_STANDARD, "forms", true, false},
	{"GET", "marketing", "forms", forms_list, METER_STANDARD, "forms", false, false},
	{"GET", "marketing", "forms/*", form_read, METER_STANDARD, "forms", false, false},

	{"POST", "lists", "", list_create, METER_STANDARD, WRITE_LISTS, true, false},
	{"GET", "lists", "object-type-id/*/name/*", list_by_name, METER_STANDARD, READ_LISTS, false, false},
	{"GET", "lists", "*", list_read, METER_STANDARD, READ_LISTS, false, false},
	{"DELETE", "lists", "*", list_delete, METER_STANDARD, WRITE_LISTS, false, false},
	{"GET", "lists", "*/memberships", list_members, METER_STANDARD, READ_LISTS, false, false},
	{"PUT", "lists", "*/memberships/add-and-remove", list_change, METER_STANDARD, WRITE_LISTS, true, false},
	{"PUT", "lists", "*/memberships/add", list_add, METER_STANDARD, WRITE_LISTS, true, false},
	{"PUT", "lists", "*/memberships/remove", list_remove, METER_STANDARD, WRITE_LISTS, true, false},

	{"GET", "account-info", "details", account_details, METER_STANDARD, NULL, false, false},
	{"GET", "account-info", "api-usage/daily/private-apps", account_usage, METER_STANDARD, NULL, false, false},

	/* Of another host: track.hubspot.com. */
	{"GET", "v1", "event", tracking_event, METER_NONE, NULL, false, true},
};

/* Which version a family has beside the dated ones, or instead of them. */
static const struct
{
	const char *name;
	const char *old_version;
	bool		dated;
}			families[] = {
	{"objects", "v3", true},
	{"objects", "v4", true},
	{"properties", "v3", true},
	{"associations", "v4", true},
	{"lists", "v3", true},
	{"consent-v3", "v3", false},
	{"consent", "v4", true},
	{"schemas", "v3", true},
	{"owners", "v3", true},
	{"pipelines", "v3", true},
	{"object-library", "v3", true},
	{"events", "v3", true},
	{"account-info", "v3", true},
	{"submissions", "v3", false},
	{"marketing", "v3", false},
};

static bool
is_dated(const char *version)
{
	return strcmp(version, "2026-03") == 0 || strcmp(version, "2026-09") == 0;
}

static bool
has_version(const char *family, const char *version)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
	{
		if (strcmp(families[i].name, family) == 0 &&
			(strcmp(families[i].old_version, version) == 0 ||
			 (families[i].dated && is_dated(version))))
			return true;
	}
	return false;
}

/* Each segment by itself: what was written as %2F separates none. */
static void
decode(char *segment)
{
	char	   *out = segment;

	for (; *segment != '\0'; segment++)
	{
		char		digits[3] = {segment[0] == '%' ? segment[1] : '\0', '\0', '\0'};

		if (digits[0] != '\0')
			digits[1] = segment[2];
		if (!isxdigit((unsigned char) digits[0]) || !isxdigit((unsigned char) digits[1]))
		{
			*out++ = *segment;
			continue;
		}
		*out++ = (char) strtol(digits, NULL, 16);
		segment += 2;
	}
	*out = '\0';
}

static bool
split_path(Request *request)
{
	char	   *at;

	request->split = must_strdup(request->path);
	for (at = request->split; *at == '/';)
	{
		*at++ = '\0';
		if (*at == '\0')
			break;
		if (request->segment_count == MAX_SEGMENTS)
			return false;
		request->segments[request->segment_count++] = at;
		at += strcspn(at, "/");
	}
	for (int i = 0; i < request->segment_count; i++)
		decode((char *) request->segments[i]);
	return true;
}

/*
 * The family of the path, with the index of its first segment behind family
 * and version; NULL when there is no such path.
 */
static const char *
find_family(Request *request, int *rest)
{
	const char **segments = request->segments;
	int			count = request->segment_count;
	const char *family = NULL;

	if (count >= 3 && strcmp(segments[0], "crm") == 0)
	{
		/* crm/v3/objects/... or crm/objects/2026-09/... */
		bool		dated = is_dated(segments[2]) ||
		(strcmp(segments[1], "associations") == 0 && strcmp(segments[2], "v4") == 0);

		family = segments[dated ? 1 : 2];
		request->version = segments[dated ? 2 : 1];
		if (is_dated(request->version) && !dated)
			return NULL;
		*rest = 3;
	}
	else if (count == 2 && strcmp(segments[0], "v1") == 0)
	{
		*rest = 1;
		return segments[0];
	}
	else if (count >= 4 && strcmp(segments[0], "events") == 0 && strcmp(segments[1], "custom") == 0)
	{
		/* The dated form of one documentation page and of the specification. */
		family = segments[0];
		request->version = segments[2];
		*rest = 3;
		if (!is_dated(request->version) || strcmp(config.events_path, "plain") == 0)
			return NULL;
	}
	else if (count >= 2)
	{
		if (strcmp(segments[0], "events") == 0 && strcmp(segments[1], "2026-09") == 0 &&
			strcmp(config.events_path, "custom") == 0)
			return NULL;
		family = segments[0];
		request->version = segments[1];
		*rest = 2;
	}
	if (family != NULL && strcmp(family, "communication-preferences") == 0)
		family = strcmp(request->version, "v3") == 0 ? "consent-v3" : "consent";
	else if (family != NULL && strcmp(family, "crm-object-schemas") == 0)
		family = count > *rest && strcmp(segments[*rest], "schemas") == 0 ? segments[(*rest)++] : NULL;
	else if (family != NULL && strcmp(family, "schemas") == 0 && is_dated(request->version))
		return NULL;			/* an alias of the old version alone */
	if (family == NULL || !has_version(family, request->version))
		return NULL;
	return family;
}

static bool
match_pattern(Request *request, const char *pattern, int rest, const char **type, const char **other)
{
	int			args = 0;

	*type = *other = NULL;
	memset(request->args, 0, sizeof(request->args));
	for (; *pattern != '\0'; rest++)
	{
		size_t		len = strcspn(pattern, "/");
		const char *segment;

		if (rest >= request->segment_count)
			return false;
		segment = request->segments[rest];
		if (len == 6 && memcmp(pattern, "{type}", 6) == 0)
			*type = segment;
		else if (len == 7 && memcmp(pattern, "{other}", 7) == 0)
			*other = segment;
		else if (len == 1 && *pattern == '*')
			request->args[args++] = segment;
		else if (strlen(segment) != len || memcmp(segment, pattern, len) != 0)
			return false;
		pattern += len + (pattern[len] == '/');
	}
	return rest == request->segment_count;
}

/* A type that is named in the path has to be there, and switched on. */
static void
refuse_type(Request *request, const char *name, const ObjectType *type)
{
	if (name == NULL || request->refusal != 0 || (type != NULL && type_is_active(type)))
		return;
	request->refusal = type != NULL && reading_is(READING_INACTIVE_403) ? 403 : 400;
	request->refusal_detail = name;
}

/* Sets route and types, or refusal: 404, 405, 400 for an unknown type. */
static void
find_route(Request *request)
{
	int			rest = 0;
	const char *family = split_path(request) ? find_family(request, &rest) : NULL;
	const char *type;
	const char *other;
	bool		at_v3;
	bool		at_v4;

	request->refusal = 404;
	/* Under v4 there is nothing of the objects but their associations. */
	at_v4 = family != NULL && strcmp(family, "objects") == 0 && strcmp(request->version, "v4") == 0;
	at_v3 = family != NULL && strcmp(family, "objects") == 0 && strcmp(request->version, "v3") == 0;
	for (size_t i = 0; family != NULL && i < sizeof(routes) / sizeof(routes[0]); i++)
	{
		if (strcmp(routes[i].family, family) != 0 ||
			!match_pattern(request, routes[i].pattern, rest, &type, &other))
			continue;
		if (other != NULL ? at_v3 : at_v4)
			continue;
		request->refusal = 405;
		if (strcmp(routes[i].method, request->method) != 0)
			continue;
		request->route = &routes[i];
		request->refusal = 0;
		request->type = type ? object_type(type) : NULL;
		request->other = other ? object_type(other) : NULL;
		refuse_type(request, type, request->type);
		refuse_type(request, other, request->other);
		return;
	}
}

/* The scope that the pattern asks for; NULL: the type has none but its other one. */
static const char *
scope_of(const char *pattern, const ObjectType *type)
{
	const char *place = strstr(pattern, "%s");

	/* a scope by object type stands only at paths that name one */
	assert(place == NULL || type != NULL);
	if (place == NULL)
		return pattern;
	if (type->scope == NULL)
		return NULL;
	return scratch_printf("%.*s%s%s", (int) (place - pattern), pattern, type->scope, place + 2);
}

static bool
has_scope(const char *pattern, const ObjectType *type)
{
	const char *scope;

	if (!config.scopes.given)
		return true;
	scope = scope_of(pattern, type);
	if (scope != NULL && list_allows(&config.scopes, scope))
		return true;
	if (strcmp(pattern, READ_CONSENT) == 0 || strcmp(pattern, WRITE_CONSENT) == 0)
		return list_allows(&config.scopes, "communication_preferences.read_write");
	if (strcmp(pattern, READ_SCHEMAS) == 0)
		return list_allows(&config.scopes, "crm.objects.custom.read");
	if (strstr(pattern, "%s") == NULL)
		return false;
	/* as in scope_of() */
	assert(type != NULL);
	if (type->other_scope != NULL && list_allows(&config.scopes, type->other_scope))
		return true;
	/* The schema may be read by whoever reads the objects. */
	return strcmp(pattern, "crm.schemas.%s.read") == 0 && has_scope(READ, type);
}

void
route_admit(Request *request)
{
	const Route *route;

	if (control_owns(request))
		return;
	find_route(request);
	route = request->route;
	request->delay_us = config.latency_ms * 1000;
	if (config.latency_jitter_ms > 0)
		request->delay_us += (int64_t) (random_next() % (uint64_t) (config.latency_jitter_ms * 1000 + 1));
	if (route == NULL)
		return;
	if (!route->is_public &&
		(request->token == NULL || !list_allows(&config.tokens, request->token)))
		request->refusal = 401;
	if (request->refusal != 0)
		return;
	if (route->scope != NULL &&
		(!has_scope(route->scope, request->type) ||
		 (request->other != NULL && !has_scope(route->scope, request->other))))
	{
		request->refusal = 403;
		return;
	}
	request->fault = fault_match(request);
	if (request->fault != NULL)
		request->delay_us += fault_delay_us(request->fault);
	if (request->fault == NULL || !fault_is_refusal(request->fault))
		request->refusal_detail = limits_take(request, route->meter);
	if (request->refusal_detail != NULL)
		request->refusal = 429;
}

static void
refuse_scope(Request *request)
{
	const char *pattern = request->route->scope;
	const ObjectType *type = has_scope(pattern, request->type) ? request->other : request->type;
	const char *scope = scope_of(pattern, type);
	const char *other = strstr(pattern, "%s") != NULL ? type->other_scope : NULL;

	/* recorded under this name */
	if (strcmp(pattern, READ_SCHEMAS) == 0)
		scope = "custom-object-read";
	reply_missing_scope(request, scope ? scope : other, scope ? other : NULL);
}

static void
refuse(Request *request)
{
	switch (request->refusal)
	{
		case 400:
			reply_error(request, 400, NULL, "Unable to infer object type from: %s",
						request->refusal_detail);
			break;
		case 401:
			reply_unauthenticated(request);
			break;
		case 403:
			if (request->refusal_detail == NULL)
				refuse_scope(request);
			else
				reply_error(request, 403, "FORBIDDEN", "Object type %s is not enabled in portal %lld",
							request->refusal_detail, (long long) config.portal_id);
			break;
		case 405:
			reply_error(request, 405, NULL, "HTTP 405 Method Not Allowed");
			break;
		case 429:
			stats.rate_limited++;
			reply_rate_limited(request, request->refusal_detail);
			break;
		default:
			reply_no_such_path(request);
			break;
	}
}

/* Returns the offset of the end, or of what is refused. */
static size_t
parse_with(struct json_object **json, const char *text, size_t len, int flags)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	size_t		end;

	json_tokener_set_flags(tokener, flags);
	*json = json_tokener_parse_ex(tokener, text, (int) len);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	return end;
}

/*
 * The first byte that json-c lets pass when it is strict, though it is no JSON
 * (up to 0.19: names in single quotes, NaN, Infinity; 0.16: control characters
 * in strings); len when there is none.  Letters beyond ASCII, which can stand
 * only in strings, too, become 'x' in ascii.
 */
static size_t
find_lax(const char *text, size_t len, char *ascii, bool *has_letters)
{
	bool		in_string = false;

	*has_letters = false;
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (in_string ? c < ' ' : c >= 0x80 || strchr("'NI", c) != NULL)
			return i;
		*has_letters |= c >= 0x80;
		ascii[i] = c < 0x80 ? (char) c : 'x';
		if (c == '"')
			in_string = !in_string;
		else if (c == '\\' && in_string && i + 1 < len && (unsigned char) text[i + 1] >= ' ' && text[i + 1] > 0)
		{
			i++;
			ascii[i] = text[i];
		}
	}
	return len;
}

/*
 * Strictly, as HubSpot reads, with each version of json-c: 0.18 takes a letter
 * beyond ASCII for a control character when it is strict.  So a text with such
 * letters is read strictly with an 'x' in the place of each, and then as it is.
 */
static size_t
parse_strictly(struct json_object **json, const char *text, size_t len)
{
	char	   *ascii = must_alloc(len);
	bool		has_letters;
	size_t		end = find_lax(text, len, ascii, &has_letters);

	*json = NULL;
	if (end == len)
		end = parse_with(json, ascii, len, JSON_TOKENER_STRICT);
	free(ascii);
	if (*json == NULL || end != len || !has_letters)
		return end;
	json_object_put(*json);
	return parse_with(json, text, len, JSON_TOKENER_VALIDATE_UTF8);
}

static bool
parse_body(Request *request)
{
	const char *type = request_header(request, "Content-Type");
	size_t		len = request->body.len;
	size_t		end = 0;
	int			line = 1;
	int			column = 1;

	if (type == NULL || strncasecmp(type, "application/json", 16) != 0 ||
		(type[16] != '\0' && type[16] != ';' && type[16] != ' '))
	{
		reply_error(request, 415, NULL, "HTTP 415 Unsupported Media Type");
		return false;
	}
	while (len > 0 && strchr(" \t\r\n", request->body.data[len - 1]) != NULL)
		len--;
	if (len > 0)
		end = parse_strictly(&request->json, request->body.data, len);
	if (request->json != NULL && end == len)
		return true;
	for (size_t i = 0; i < end && i < len; i++)
	{
		column = request->body.data[i] == '\n' ? 1 : column + 1;
		line += request->body.data[i] == '\n';
	}
	reply_invalid_json(request, "on line %d, column %d: %s", line, column,
					   len == 0 ? "No content to map due to end-of-input" :
					   "Unexpected character or end-of-input");
	return false;
}

static void
perform(Request *request)
{
	bool		applies = request->fault == NULL || fault_applies(request->fault);

	if (request->too_large)
		reply_error(request, 413, NULL, "HTTP 413 Request Entity Too Large");
	else if (applies && (!request->route->wants_json || parse_body(request)))
		request->route->serve(request);
	if (request->json != NULL)
		json_object_put(request->json);
	request->json = NULL;
	answer_vary(request);
	if (request->fault != NULL)
		fault_reply(request);
}

void
route_perform(Request *request)
{
	automation_run(request);
	if (control_owns(request))
	{
		control_serve(request);
		return;
	}
	if (request->refusal != 0 || request->route == NULL)
		refuse(request);
	else
	{
		perform(request);
		if (request->fault != NULL && request->status == 429)
			stats.rate_limited++;
		limits_headers(request, request->route->meter);
	}
	if (request->status != 0)
		reply_header(request, "X-HubSpot-Correlation-Id", request->correlation_id);
	journal_request(request);
}
