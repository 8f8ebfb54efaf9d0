/*
 * definition.c
 *	  Event definitions over HTTP: section 3.6.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "api.h"
#include "buffer.h"
#include "config.h"
#include "error.h"
#include "event.h"

#define MAX_NAME		50
#define MAX_LABEL		50		/* characters, of a property */
#define MAX_EVENT_LABEL	100
#define MAX_DEFINITIONS	500
#define MAX_PROPERTIES	50		/* of a definition, beside HubSpot's own */

static const char *const default_properties[] = {
	"hs_page_url", "hs_page_title", "hs_page_id", "hs_page_content_type", "hs_referrer",
	"hs_utm_source", "hs_utm_medium", "hs_utm_campaign", "hs_utm_content", "hs_utm_term",
	"hs_browser", "hs_operating_system", "hs_operating_version", "hs_user_agent", "hs_device_type",
	"hs_device_name", "hs_screen_width", "hs_screen_height", "hs_language", "hs_city", "hs_region",
	"hs_country", "hs_link_href", "hs_asset_type", "hs_asset_description", "hs_campaign_id",
	"hs_touchpoint_source", "hs_tracking_name", "hs_parent_module_id",
};

static Definition **definitions;
static int	definition_count;

Definition *
definition_find(const char *full_name)
{
	for (int i = 0; i < definition_count; i++)
	{
		if (!definitions[i]->deleted && strcmp(definitions[i]->full_name, full_name) == 0)
			return definitions[i];
	}
	return NULL;
}

static bool
valid_name(const char *name)
{
	size_t		len = strlen(name);

	return len > 0 && len <= MAX_NAME && islower((unsigned char) name[0]) &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static size_t
characters(const char *text)
{
	size_t		count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char) *text & 0xC0) != 0x80;
	return count;
}

static bool
value_type(const char *name, ValueType *type)
{
	static const char *const names[] = {"string", "number", "bool", "enumeration", "date", "datetime"};

	for (int i = 0; i < 6; i++)
	{
		if (strcmp(names[i], name) == 0)
		{
			*type = (ValueType) i;
			return true;
		}
	}
	return false;
}

static void
add_property(Definition *definition, const char *name, const char *label, const char *type_name)
{
	Property   *property = must_alloc(sizeof(Property));

	property->name = must_strdup(name);
	property->label = must_strdup(label);
	(void) value_type(type_name, &property->value_type);
	property->type_name = must_strdup(type_name);
	definition->properties = must_realloc(definition->properties, sizeof(Property *) *
										  ((size_t) definition->property_count + 1));
	definition->properties[definition->property_count++] = property;
	table_set(&definition->property_index, name, property);
}

static void
add_options(Property *property, struct json_object *options)
{
	size_t		count = json_object_array_length(options);

	property->options = must_alloc(sizeof(Option) * count);
	for (size_t i = 0; i < count; i++)
	{
		Option	   *option = &property->options[property->option_count++];

		option->value = must_strdup(json_text(json_object_array_get_idx(options, i), "value"));
		table_set(&property->option_index, option->value, option);
	}
}

/* Those that count against the limit. */
static int
own_properties(const Definition *definition)
{
	int			count = 0;

	for (int i = 0; i < definition->property_count; i++)
		count += strncmp(definition->properties[i]->name, "hs_", 3) != 0 &&
			!definition->properties[i]->archived;
	return count;
}

/* NULL when the property can be added, else what is wrong with it. */
static const char *
property_fault(struct json_object *json)
{
	const char *name = json_text(json, "name");
	const char *type = json_text(json, "type");
	struct json_object *options = NULL;
	ValueType	value;

	if (name == NULL || json_text(json, "label") == NULL || type == NULL)
		return "Some required fields were not set: [name, label, type]";
	if (!valid_name(name))
		return scratch_printf("Property name %s is not valid", name);
	if (characters(json_text(json, "label")) > MAX_LABEL)
		return scratch_printf("The label of property %s is too long", name);
	if (!value_type(type, &value))
		return scratch_printf("Property type %s is not valid", type);
	json_object_object_get_ex(json, "options", &options);
	if (value == VALUE_ENUMERATION &&
		(!json_object_is_type(options, json_type_array) || json_object_array_length(options) == 0))
		return scratch_printf("Property %s needs options", name);
	for (size_t i = 0; value == VALUE_ENUMERATION && i < json_object_array_length(options); i++)
	{
		if (json_text(json_object_array_get_idx(options, i), "value") == NULL)
			return scratch_printf("An option of property %s has no value", name);
	}
	return NULL;
}

static void
add_from_json(Definition *definition, struct json_object *json)
{
	struct json_object *options;

	add_property(definition, json_text(json, "name"), json_text(json, "label"), json_text(json, "type"));
	if (strcmp(json_text(json, "type"), "enumeration") == 0 &&
		json_object_object_get_ex(json, "options", &options))
		add_options(definition->properties[definition->property_count - 1], options);
}

static void
render_property(Buffer *out, const Property *property)
{
	buffer_puts(out, "{\"name\":");
	buffer_json(out, property->name);
	buffer_puts(out, ",\"label\":");
	buffer_json(out, property->label);
	buffer_printf(out, ",\"type\":\"%s\",\"archived\":%s}", property->type_name,
				  property->archived ? "true" : "false");
}

static void
render(Buffer *out, const Definition *definition, bool with_properties)
{
	buffer_printf(out, "{\"id\":\"%d\",\"name\":", definition->id);
	buffer_json(out, definition->name);
	buffer_puts(out, ",\"fullyQualifiedName\":");
	buffer_json(out, definition->full_name);
	buffer_puts(out, ",\"labels\":{\"singular\":");
	buffer_json(out, definition->label);
	buffer_puts(out, "},\"description\":");
	buffer_json(out, definition->description);
	buffer_puts(out, ",\"archived\":false,\"primaryObject\":");
	buffer_json(out, definition->primary->upper);
	buffer_printf(out, ",\"primaryObjectId\":\"%s\",\"objectTypeId\":\"6-%d\"", definition->primary->id,
				  definition->id);
	if (definition->match_by != NULL)
	{
		buffer_puts(out, ",\"customMatchingId\":{\"primaryObjectRule\":{\"targetObjectPropertyName\":");
		buffer_json(out, definition->match->name);
		buffer_puts(out, ",\"eventPropertyName\":");
		buffer_json(out, definition->match_by);
		buffer_puts(out, "}}");
	}
	if (with_properties)
	{
		buffer_puts(out, ",\"properties\":[");
		for (int i = 0; i < definition->property_count; i++)
		{
			if (i > 0)
				buffer_puts(out, ",");
			render_property(out, definition->properties[i]);
		}
		buffer_puts(out, "]");
	}
	buffer_puts(out, "}");
}

static void
reply_definition(Request *request, int status, const Definition *definition)
{
	request->reply.len = 0;
	render(&request->reply, definition, true);
	reply_json(request, status);
}

/* The label as a name: lower case, the rest as underscores. */
static char *
name_of_label(const char *label)
{
	char	   *name = scratch_strndup(label, strlen(label));

	for (char *c = name; *c != '\0'; c++)
		*c = isalnum((unsigned char) *c) ? (char) tolower((unsigned char) *c) : '_';
	return name;
}

/* The object of a definition's events; NULL: they cannot be of such a one. */
static ObjectType *
primary_of(const char *name)
{
	static const char *const standard[] = {"0-1", "0-2", "0-3", "0-5"};
	ObjectType *type = name == NULL ? contacts : type_named(name);

	if (type != NULL && type->is_custom)
		return type;
	for (int i = 0; type != NULL && i < 4; i++)
	{
		if (strcmp(type->id, standard[i]) == 0)
			return type;
	}
	return NULL;
}

/* The rule by which an event finds its record; what is wrong with it, or NULL. */
static const char *
read_rule(struct json_object *json, const ObjectType *primary, struct json_object *properties, Property **match,
		  const char **match_by)
{
	struct json_object *outer = NULL;
	struct json_object *rule = NULL;
	const char *target;

	if (!json_object_object_get_ex(json, "customMatchingId", &outer) || outer == NULL)
		return NULL;
	json_object_object_get_ex(outer, "primaryObjectRule", &rule);
	target = rule ? json_text(rule, "targetObjectPropertyName") : NULL;
	*match_by = rule ? json_text(rule, "eventPropertyName") : NULL;
	if (target == NULL || *match_by == NULL)
		return "customMatchingId has a primaryObjectRule of targetObjectPropertyName and eventPropertyName";
	*match = property_find(primary, target);
	if (*match == NULL || !(*match)->unique)
		return scratch_printf("Property %s of %s is not unique", target, primary->upper);
	for (size_t i = 0; i < json_object_array_length(properties); i++)
	{
		const char *name = json_text(json_object_array_get_idx(properties, i), "name");

		if (name != NULL && strcmp(name, *match_by) == 0)
			return NULL;
	}
	return scratch_printf("The event has no property %s", *match_by);
}

void
definition_create(Request *request)
{
	const char *label = json_text(request->json, "label");
	const char *name = json_text(request->json, "name");
	const char *object = json_text(request->json, "primaryObject");
	const char *description = json_text(request->json, "description");
	struct json_object *properties = NULL;
	struct json_object *defaults = NULL;
	const char *fault = NULL;
	ObjectType *primary = primary_of(object);
	Property   *match = NULL;
	const char *match_by = NULL;
	Definition *definition;

	json_object_object_get_ex(request->json, "propertyDefinitions", &properties);
	json_object_object_get_ex(request->json, "includeDefaultProperties", &defaults);
	if (label == NULL || !json_object_is_type(properties, json_type_array) ||
		!json_object_is_type(defaults, json_type_boolean))
	{
		reply_error(request, 400, "VALIDATION_ERROR", "Some required fields were not set: "
					"[includeDefaultProperties, label, propertyDefinitions]");
		return;
	}
	if (name == NULL)
		name = name_of_label(label);
	if (!valid_name(name))
		fault = scratch_printf("Event name %s is not valid", name);
	else if (characters(label) > MAX_EVENT_LABEL)
		fault = "The label of the event is too long";
	else if (json_object_array_length(properties) > MAX_PROPERTIES)
		fault = "An event has at most 50 custom properties";
	else if (primary == NULL)
		fault = scratch_printf("primaryObject %s is not supported", object);
	else if (definition_count >= MAX_DEFINITIONS)
		fault = "The limit of event definitions is reached";
	for (size_t i = 0; fault == NULL && i < json_object_array_length(properties); i++)
		fault = property_fault(json_object_array_get_idx(properties, i));
	if (fault == NULL)
		fault = read_rule(request->json, primary, properties, &match, &match_by);
	if (fault != NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "%s", fault);
		return;
	}
	for (int i = 0; i < definition_count; i++)
	{
		/* The name of a deleted definition is used up, too. */
		if (strcmp(definitions[i]->name, name) == 0)
		{
			reply_error(request, 409, "OBJECT_ALREADY_EXISTS",
						"An event definition named '%s' already exists.", name);
			return;
		}
	}
	definition = must_alloc(sizeof(Definition));
	definitions = must_realloc(definitions, sizeof(Definition *) * (size_t) (definition_count + 1));
	definitions[definition_count++] = definition;
	definition->id = 1000 + definition_count;
	definition->name = must_strdup(name);
	definition->full_name = must_strdup(scratch_printf("pe%lld_%s", (long long) config.portal_id, name));
	definition->label = must_strdup(label);
	definition->description = must_strdup(description ? description : "");
	definition->primary = primary;
	definition->match = match;
	definition->match_by = match_by ? must_strdup(match_by) : NULL;
	for (size_t i = 0; json_object_get_boolean(defaults) &&
		 i < sizeof(default_properties) / sizeof(default_properties[0]); i++)
		add_property(definition, default_properties[i], default_properties[i], "string");
	for (size_t i = 0; i < json_object_array_length(properties); i++)
		add_from_json(definition, json_object_array_get_idx(properties, i));
	reply_definition(request, 201, definition);
}

/*
 * By name or fully qualified name; NULL after filling the reply: 400 in the words of a Java
 * exception, as it was recorded of the GET, or 404.
 */
static Definition *
definition_of_path(Request *request)
{
	for (int i = 0; i < definition_count; i++)
	{
		if (!definitions[i]->deleted &&
			(strcmp(definitions[i]->name, request->args[0]) == 0 ||
			 strcmp(definitions[i]->full_name, request->args[0]) == 0))
			return definitions[i];
	}
	if (answer_is(ANSWER_DEFINITION_404))
		reply_not_found(request);
	else
		reply_error(request, 400, NULL, "StandardError{status=error, category=VALIDATION_ERROR, "
					"message=Event with fully qualified name %s does not exist.}", request->args[0]);
	return NULL;
}

void
definition_read(Request *request)
{
	Definition *definition = definition_of_path(request);

	if (definition != NULL)
		reply_definition(request, 200, definition);
}

void
definition_delete(Request *request)
{
	Definition *definition = definition_of_path(request);

	if (definition == NULL)
		return;
	definition->deleted = true;
	reply_empty(request, 204);
}

void
definition_add_property(Request *request)
{
	Definition *definition = definition_of_path(request);
	Property   *there;
	const char *fault;

	if (definition == NULL)
		return;
	fault = property_fault(request->json);
	if (fault != NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "%s", fault);
		return;
	}
	there = table_find(&definition->property_index, json_text(request->json, "name"));
	if (there != NULL)
		reply_error(request, 409, "OBJECT_ALREADY_EXISTS", "A property named '%s' already exists.",
					there->name);
	else if (own_properties(definition) >= MAX_PROPERTIES)
		reply_error(request, 400, "VALIDATION_ERROR", "An event has at most 50 custom properties");
	else
	{
		add_from_json(definition, request->json);
		there = definition->properties[definition->property_count - 1];
		there->created_ms = now_ms();
		request->reply.len = 0;
		render_property(&request->reply, there);
		reply_json(request, 201);
	}
}

void
definition_delete_property(Request *request)
{
	Definition *definition = definition_of_path(request);
	Property   *property;

	if (definition == NULL)
		return;
	property = table_find(&definition->property_index, request->args[1]);
	if (property == NULL || property->archived)
	{
		reply_not_found(request);
		return;
	}
	property->archived = true;
	reply_empty(request, 204);
}

void
definitions_list(Request *request)
{
	const char *search = request_query(request, "searchString");
	const char *after = request_query(request, "after");
	const char *limit_text = request_query(request, "limit");
	const char *include = request_query(request, "includeProperties");
	int			limit = limit_text ? atoi(limit_text) : 100;
	int			at = after ? atoi(after + strcspn(after, "0123456789")) : 0;
	int			count = 0;
	Buffer	   *out = &request->reply;

	if (at < 0 || limit < 1)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "after and limit are positive numbers");
		return;
	}
	out->len = 0;
	buffer_puts(out, "{\"results\":[");
	for (; at < definition_count && count < limit; at++)
	{
		if (definitions[at]->deleted ||
			(search != NULL && strcasestr(definitions[at]->name, search) == NULL &&
			 strcasestr(definitions[at]->label, search) == NULL))
			continue;
		if (count++ > 0)
			buffer_puts(out, ",");
		render(out, definitions[at], include != NULL && strcmp(include, "true") == 0);
	}
	buffer_printf(out, "],\"total\":%d", count);
	if (at < definition_count)
		buffer_printf(out, ",\"paging\":{\"next\":{\"after\":\"%s%d%s\"}}",
					  answer_is(ANSWER_CURSORS) ? "Nz/+" : "", at, answer_is(ANSWER_CURSORS) ? "==" : "");
	buffer_puts(out, "}");
	reply_json(request, 200);
}
