/*
 * control.c
 *	  The paths under /_sim/; see control.h.
 */
#include "control.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "association.h"
#include "automation.h"
#include "config.h"
#include "consent.h"
#include "custom.h"
#include "error.h"
#include "event.h"
#include "fault.h"
#include "form.h"
#include "journal.h"
#include "limits.h"
#include "list.h"
#include "owner.h"
#include "property.h"

#define PREFIX	"/_sim/"

bool
control_owns(const Request *request)
{
	return strncmp(request->path, PREFIX, strlen(PREFIX)) == 0;
}

static void
refuse(Request *request, int status, const char *message)
{
	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"error\":");
	buffer_json(&request->reply, message);
	buffer_puts(&request->reply, "}");
	reply_json(request, status);
}

static bool
parse(Request *request)
{
	request->json = json_tokener_parse(buffer_text(&request->body));
	if (request->json == NULL)
		refuse(request, 400, "the body is not JSON");
	return request->json != NULL;
}

static void
serve_config(Request *request)
{
	const char *error;

	if (strcmp(request->method, "POST") == 0)
	{
		if (!parse(request))
			return;
		if (!config_apply(request->json, &error))
		{
			refuse(request, 400, error);
			return;
		}
		limits_zone_changed();
	}
	config_render(&request->reply);
	reply_json(request, 200);
}

static void
serve_fault(Request *request)
{
	const char *error;
	int			id;

	if (!parse(request))
		return;
	id = fault_add(request->json, &error);
	if (id == 0)
	{
		refuse(request, 400, error);
		return;
	}
	buffer_printf(&request->reply, "{\"id\":%d}", id);
	reply_json(request, 200);
}

static void
serve_faults(Request *request)
{
	if (strcmp(request->method, "DELETE") == 0)
	{
		fault_clear();
		http_release_delayed();
		reply_empty(request, 204);
		return;
	}
	fault_render(&request->reply);
	reply_json(request, 200);
}

static uint64_t
number_query(Request *request, const char *name)
{
	const char *text = request_query(request, name);

	return text ? strtoull(text, NULL, 10) : 0;
}

static void
serve_log(Request *request)
{
	journal_render_applied(&request->reply, number_query(request, "since"),
						   number_query(request, "limit"));
	request->status = 200;
	request->content_type = "application/x-ndjson";
}

static void
serve_requests(Request *request)
{
	journal_render_requests(&request->reply, number_query(request, "since"),
							number_query(request, "limit"));
	request->status = 200;
	request->content_type = "application/x-ndjson";
}

/* A stored record with all its values. */
static void
render_stored(Buffer *out, const Object *object)
{
	buffer_printf(out, "{\"id\":\"%llu\",\"properties\":{", (unsigned long long) object->id);
	for (int i = 0; i < object->value_count; i++)
	{
		if (i > 0)
			buffer_puts(out, ",");
		buffer_json(out, object->values[i].property->name);
		buffer_puts(out, ":");
		buffer_json(out, object->values[i].text);
	}
	buffer_puts(out, "}");
	object_render_tail(out, object);
	buffer_printf(out, ",\"erased\":%s,\"associations\":", object->erased ? "true" : "false");
	association_render(out, object);
	buffer_puts(out, "}");
}

static void
serve_objects(Request *request, const char *type_name)
{
	ObjectType *type = type_named(type_name);
	const char *id = request_query(request, "id");
	const char *key = request_query(request, "key");
	const char *property_name = request_query(request, "property");
	Property   *property;
	Object	   *object;
	int			found = 0;
	Buffer	   *out = &request->reply;

	if (type == NULL)
	{
		refuse(request, 404, "no such object type");
		return;
	}
	if (id == NULL && key == NULL)
	{
		buffer_printf(out, "{\"count\":%zu}", type->live_count);
		reply_json(request, 200);
		return;
	}
	buffer_puts(out, "{\"results\":[");
	if (id != NULL)
	{
		object = store_any(type, id);
		if (object != NULL)
			render_stored(out, object);
	}
	else
	{
		property = property_find(type, property_name ? property_name :
								 type->shown_count > 0 ? type->shown[0] : "hs_object_id");
		if (property == NULL)
		{
			refuse(request, 400, "no such property");
			return;
		}
		object = property->unique ? store_holder(property, value_key(property, key)) : NULL;
		if (object != NULL)
			render_stored(out, object);
		for (size_t i = 0; !property->unique && i < type->object_count; i++)
		{
			const char *value;

			object = type->objects[i];
			value = object->archived || object->erased ? NULL : object_value(object, property);
			if (value == NULL || strcmp(value, key) != 0)
				continue;
			if (found++ > 0)
				buffer_puts(out, ",");
			render_stored(out, object);
		}
	}
	buffer_puts(out, "]}");
	reply_json(request, 200);
}

/* All live records, a line each: what a test joins with its tables. */
static void
serve_records(Request *request, const char *type_name)
{
	ObjectType *type = type_named(type_name);

	if (type == NULL)
	{
		refuse(request, 404, "no such object type");
		return;
	}
	for (size_t i = 0; i < type->object_count; i++)
	{
		if (type->objects[i]->archived || type->objects[i]->erased)
			continue;
		render_stored(&request->reply, type->objects[i]);
		buffer_puts(&request->reply, "\n");
	}
	request->status = 200;
	request->content_type = "application/x-ndjson";
}

/* All pairs, or those of two types, as seen from the first one. */
static void
serve_associations(Request *request)
{
	const char *names[2] = {request_query(request, "from"), request_query(request, "to")};
	ObjectType *types[2] = {NULL, NULL};

	for (int i = 0; i < 2; i++)
	{
		types[i] = names[i] ? type_named(names[i]) : NULL;
		if (names[i] != NULL && types[i] == NULL)
		{
			refuse(request, 404, "no such object type");
			return;
		}
	}
	association_render_all(&request->reply, types[0], types[1]);
	request->status = 200;
	request->content_type = "application/x-ndjson";
}

/* How many records of one type a record of another may have. */
static void
serve_association_limits(Request *request)
{
	ObjectType *from;
	ObjectType *to;
	struct json_object *max = NULL;
	Kind	   *kind;

	if (!parse(request))
		return;
	from = json_text(request->json, "from") ? type_named(json_text(request->json, "from")) : NULL;
	to = json_text(request->json, "to") ? type_named(json_text(request->json, "to")) : NULL;
	kind = from && to ? kind_default(from, to) : NULL;
	if (kind == NULL || !json_object_object_get_ex(request->json, "max", &max))
	{
		refuse(request, 400, "a limit has from, to and max");
		return;
	}
	kind->limits[kind->ends[0] != from] = json_object_get_int(max);
	reply_empty(request, 204);
}

/* A custom object, as by HubSpot's interface; labels and the like may be left out. */
static void
serve_schemas(Request *request)
{
	const char *error;
	ObjectType *type;

	if (!parse(request))
		return;
	type = custom_create(request->json, true, &error);
	if (type == NULL)
	{
		refuse(request, 400, error);
		return;
	}
	custom_render(&request->reply, type, true, true);
	reply_json(request, 201);
}

static void
serve_stats(Request *request)
{
	Buffer	   *out = &request->reply;
	bool		first = true;

	buffer_printf(out, "{\"requests\":%llu,\"applied\":%llu,\"rate_limited\":%llu,\"by_status\":{",
				  (unsigned long long) stats.requests, (unsigned long long) stats.applied,
				  (unsigned long long) stats.rate_limited);
	for (int status = 0; status < 600; status++)
	{
		if (stats.by_status[status] == 0)
			continue;
		buffer_printf(out, "%s\"%d\":%llu", first ? "" : ",", status,
					  (unsigned long long) stats.by_status[status]);
		first = false;
	}
	buffer_printf(out, "},\"contacts\":%zu,\"companies\":%zu,\"associations\":%zu,"
				  "\"non_string_values\":%llu,\"max_burst_in_window\":%llu,\"daily_used\":%lld,"
				  "\"arrivals\":{\"first_us\":%lld,\"last_us\":%lld}}",
				  contacts->live_count, companies->live_count, association_count(),
				  (unsigned long long) stats.non_string_values,
				  (unsigned long long) limits_max_burst(), (long long) config.daily_used,
				  (long long) stats.first_arrival_us, (long long) stats.last_arrival_us);
	reply_json(request, 200);
}

static void
serve_reset(Request *request)
{
	association_reset();
	automation_reset();
	consent_reset();
	event_reset();
	list_reset();
	store_reset();
	fault_clear();
	limits_reset();
	journal_reset();
	reply_empty(request, 204);
}

static void
serve_forms(Request *request)
{
	if (!parse(request))
		return;
	if (form_define(request->json))
		reply_empty(request, 204);
	else
		refuse(request, 400, "a form has an id and an array of fields");
}

static void
serve_definition(Request *request, bool (*apply) (struct json_object *json), const char *wanted)
{
	if (!parse(request))
		return;
	if (apply(request->json))
		reply_empty(request, 204);
	else
		refuse(request, 400, wanted);
}

static void
serve_consents(Request *request)
{
	consent_render_all(&request->reply);
	request->status = 200;
	request->content_type = "application/x-ndjson";
}

static void
serve_properties(Request *request, const char *type_name)
{
	ObjectType *type = type_named(type_name);
	Property   *property;
	int			status;
	const char *category;
	const char *message;
	struct json_object *name;

	if (type == NULL)
	{
		refuse(request, 404, "no such object type");
		return;
	}
	if (!parse(request))
		return;
	/* A test need not say what it does not care about. */
	if (json_object_is_type(request->json, json_type_object) &&
		json_object_object_get_ex(request->json, "name", &name))
	{
		if (!json_object_object_get_ex(request->json, "label", NULL))
			json_object_object_add(request->json, "label", json_object_get(name));
		if (!json_object_object_get_ex(request->json, "groupName", NULL))
			json_object_object_add(request->json, "groupName", json_object_new_string(type->group));
	}
	property = property_restore(type, request->json);
	if (property == NULL)
		property = property_create(type, request->json, &status, &category, &message);
	if (property == NULL)
	{
		refuse(request, status, message);
		return;
	}
	if (json_object_object_get_ex(request->json, "readOnlyValue", &name))
		property->read_only = json_object_get_boolean(name);
	if (json_object_object_get_ex(request->json, "calculated", &name))
		property->calculated = json_object_get_boolean(name);
	property->only_letters = json_object_object_get_ex(request->json, "onlyLetters", &name) &&
		json_object_get_boolean(name);
	property_render(&request->reply, property);
	reply_json(request, 201);
}

void
control_serve(Request *request)
{
	const char *path = request->path + strlen(PREFIX);
	bool		post = strcmp(request->method, "POST") == 0;
	bool		get = strcmp(request->method, "GET") == 0;

	request->reply.len = 0;
	if (strcmp(path, "config") == 0 && (get || post))
		serve_config(request);
	else if (strcmp(path, "fault") == 0 && post)
		serve_fault(request);
	else if (strcmp(path, "faults") == 0 && !post)
		serve_faults(request);
	else if (strcmp(path, "log") == 0 && get)
		serve_log(request);
	else if (strcmp(path, "requests") == 0 && get)
		serve_requests(request);
	else if (strcmp(path, "stats") == 0 && get)
		serve_stats(request);
	else if (strcmp(path, "reset") == 0 && post)
		serve_reset(request);
	else if (strcmp(path, "forms") == 0 && post)
		serve_forms(request);
	else if (strncmp(path, "objects/", 8) == 0 && get)
		serve_objects(request, path + 8);
	else if (strncmp(path, "records/", 8) == 0 && get)
		serve_records(request, path + 8);
	else if (strcmp(path, "associations") == 0 && get)
		serve_associations(request);
	else if (strcmp(path, "owners") == 0 && post)
		serve_definition(request, owner_define, "an owner has an id");
	else if (strcmp(path, "subscriptions") == 0 && post)
		serve_definition(request, consent_define, "a subscription has an id, a number, and a name");
	else if (strcmp(path, "opt-out") == 0 && post)
		serve_definition(request, consent_opt_out, "an opt-out has an email and a known subscriptionId or none");
	else if (strcmp(path, "consents") == 0 && get)
		serve_consents(request);
	else if (strcmp(path, "association-limits") == 0 && post)
		serve_association_limits(request);
	else if (strcmp(path, "schemas") == 0 && post)
		serve_schemas(request);
	else if (strncmp(path, "properties/", 11) == 0 && post)
		serve_properties(request, path + 11);
	else
		refuse(request, 404, "no such control path or method");
	if (request->json != NULL)
		json_object_put(request->json);
	request->json = NULL;
}
