/*
 * schema_reply.c
 *		HubSpot's list of properties and event definitions, as our tables hold them.
 *
 * Reads what json-c made of an answer (owned by the Reply), writes JSON text.
 */
#include "postgres.h"

#include <json-c/json.h>

#include "hubspot.h"
#include "schema_reply.h"
#include "value.h"

static json_object *
member(json_object *object, const char *name, enum json_type type)
{
	json_object *value = NULL;

	return json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, name, &value) && json_object_is_type(value, type) ? value : NULL;
}

static const char *
text_member(json_object *object, const char *name)
{
	json_object *value = member(object, name, json_type_string);

	return value == NULL ? "" : json_object_get_string(value);
}

static bool
is_true(json_object *object, const char *name)
{
	json_object *value = member(object, name, json_type_boolean);

	return value != NULL && json_object_get_boolean(value);
}

static void
append_text(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, "\"%s\":", name);
	value_append_string(json, text, strlen(text));
}

/* An array's objects, each by a function, with commas. */
static void
append_each(StringInfo json, json_object *array, void (*append) (StringInfo, json_object *))
{
	size_t		count = array == NULL ? 0 : json_object_array_length(array);

	for (size_t i = 0; i < count; i++)
	{
		json_object *object = json_object_array_get_idx(array, i);

		if (!json_object_is_type(object, json_type_object))
			continue;
		if (json->len > 0 && json->data[json->len - 1] == '}')
			appendStringInfoChar(json, ',');
		append(json, object);
	}
}

static void
append_option(StringInfo json, json_object *option)
{
	appendStringInfoChar(json, '{');
	append_text(json, "value", text_member(option, "value"));
	appendStringInfoChar(json, ',');
	append_text(json, "label", text_member(option, "label"));
	appendStringInfoChar(json, '}');
}

/* Types whose values nobody can write as a text. */
static bool
has_no_text(json_object *property)
{
	const char *type = text_member(property, "type");

	return strcmp(type, "json") == 0 || strcmp(type, "object_coordinates") == 0;
}

static void
append_property(StringInfo json, json_object *property)
{
	json_object *modification = member(property, "modificationMetadata", json_type_object);

	appendStringInfoChar(json, '{');
	append_text(json, "name", text_member(property, "name"));
	appendStringInfoChar(json, ',');
	append_text(json, "type", text_member(property, "type"));
	appendStringInfoChar(json, ',');
	append_text(json, "field_type", text_member(property, "fieldType"));
	appendStringInfoChar(json, ',');
	append_text(json, "label", text_member(property, "label"));
	appendStringInfo(json, ",\"is_unique\":%s,\"read_only\":%s,\"options\":[",
					 is_true(property, "hasUniqueValue") ? "true" : "false",
					 is_true(property, "calculated") || is_true(modification, "readOnlyValue") || has_no_text(property)
					 ? "true" : "false");
	append_each(json, member(property, "options", json_type_array), append_option);
	appendStringInfoString(json, "]}");
}

/* HubSpot takes a label and gives labels. */
static const char *
event_label(json_object *event)
{
	const char *label = text_member(event, "label");

	return label[0] != '\0' ? label
		: text_member(member(event, "labels", json_type_object), "singular");
}

static void
append_event(StringInfo json, json_object *event)
{
	appendStringInfoChar(json, '{');
	append_text(json, "name", text_member(event, "name"));
	appendStringInfoChar(json, ',');
	append_text(json, "full_name", text_member(event, "fullyQualifiedName"));
	appendStringInfoChar(json, ',');
	append_text(json, "label", event_label(event));
	appendStringInfoString(json, ",\"properties\":[");
	append_each(json, member(event, "properties", json_type_array), append_property);
	appendStringInfoString(json, "]}");
}

void
schema_reply_properties(StringInfo json, const Reply *reply)
{
	append_each(json, member(reply->root, "results", json_type_array), append_property);
}

void
schema_reply_events(StringInfo json, const Reply *reply)
{
	append_each(json, member(reply->root, "results", json_type_array), append_event);
}
