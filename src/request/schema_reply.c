/*
 * schema_reply.c
 *		HubSpot's list of properties and event definitions, as our tables hold them.
 *
 * Reads what json-c made of an answer (owned by the Reply), writes JSON text.  Whatever the
 * answer says, the text has objects of the shape that our tables take, with names and texts within
 * bounds; that two have one name is left to schema_store(), since lists come in pages.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "reply/reply_json.h"
#include "request/schema_reply.h"
#include "text/encoding.h"
#include "text/value.h"

/* Bytes, beyond what HubSpot allows itself: its names have at most 100 characters. */
#define MAX_NAME	400
#define MAX_TYPE	100
#define MAX_LABEL	1000
#define MAX_VALUE	3000
#define MAX_OBJECTS	20000		/* of a page, a property, an event */

static const char *
text_member(json_object *object, const char *name)
{
	const char *text = reply_json_text(reply_json_member(object, name, json_type_string));

	return text == NULL ? "" : text;
}

static bool
is_true(json_object *object, const char *name)
{
	json_object *value = reply_json_member(object, name, json_type_boolean);

	return value != NULL && json_object_get_boolean(value);
}

/* No more of it than max bytes. */
static void
append_text(StringInfo json, const char *name, const char *text, size_t max)
{
	char	   *bounded = encoding_bounded(CurrentMemoryContext, text, max);

	appendStringInfo(json, "\"%s\":", name);
	value_append_string(json, bounded, strlen(bounded));
	pfree(bounded);
}

/*
 * Whether a text can be what it is said to be: a name, by which things are found in an index, or an
 * option's value.  What is cut would be another one.
 */
static bool
is_name(const char *text, size_t max)
{
	size_t		len = strnlen(text, max + 1);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len > 0 && len <= max;
}

/*
 * One kind of what a list consists of: the member that names it, how long that may be, how it is
 * written.
 */
typedef struct Kind
{
	const char *name;
	size_t		max_name;
	size_t		max_count;
	void		(*append) (StringInfo json, json_object *object);
} Kind;

bool
schema_reply_is_archived(json_object *object)
{
	return is_true(object, "archived");
}

/*
 * An array's objects of a kind, with commas.  What is none of the kind, of no name, or archived, so
 * that it cannot be sent, is left out.
 */
static void
append_each(StringInfo json, json_object *array, const Kind *kind)
{
	size_t		count = array == NULL ? 0 : json_object_array_length(array);

	for (size_t i = 0; i < Min(count, kind->max_count); i++)
	{
		json_object *object = json_object_array_get_idx(array, i);

		if (!is_name(text_member(object, kind->name), kind->max_name) ||
			schema_reply_is_archived(object))
			continue;
		if (json->len > 0 && json->data[json->len - 1] == '}')
			appendStringInfoChar(json, ',');
		kind->append(json, object);
	}
}

static void
append_option(StringInfo json, json_object *option)
{
	appendStringInfoChar(json, '{');
	append_text(json, "value", text_member(option, "value"), MAX_VALUE);
	appendStringInfoChar(json, ',');
	append_text(json, "label", text_member(option, "label"), MAX_LABEL);
	appendStringInfoChar(json, '}');
}

static const Kind option_kind = {"value", MAX_VALUE, MAX_OBJECTS, append_option};

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
	json_object *modification =
	reply_json_member(property, "modificationMetadata", json_type_object);

	appendStringInfoChar(json, '{');
	append_text(json, "name", text_member(property, "name"), MAX_NAME);
	appendStringInfoChar(json, ',');
	append_text(json, "type", text_member(property, "type"), MAX_TYPE);
	appendStringInfoChar(json, ',');
	append_text(json, "field_type", text_member(property, "fieldType"), MAX_TYPE);
	appendStringInfoChar(json, ',');
	append_text(json, "label", text_member(property, "label"), MAX_LABEL);
	appendStringInfo(json, ",\"is_unique\":%s,\"read_only\":%s,\"options\":[",
					 is_true(property, "hasUniqueValue") ? "true" : "false",
					 is_true(property, "calculated") || is_true(modification, "readOnlyValue") ||
					 has_no_text(property)
					 ? "true" : "false");
	append_each(json, reply_json_member(property, "options", json_type_array), &option_kind);
	appendStringInfoString(json, "]}");
}

static const Kind property_kind = {"name", MAX_NAME, MAX_OBJECTS, append_property};

/* HubSpot takes a label and gives labels. */
static const char *
event_label(json_object *event)
{
	const char *label = text_member(event, "label");

	return label[0] != '\0' ? label
		: text_member(reply_json_member(event, "labels", json_type_object), "singular");
}

static void
append_event(StringInfo json, json_object *event)
{
	appendStringInfoChar(json, '{');
	append_text(json, "name", text_member(event, "name"), MAX_NAME);
	appendStringInfoChar(json, ',');
	append_text(json, "full_name", text_member(event, "fullyQualifiedName"), MAX_NAME);
	appendStringInfoChar(json, ',');
	append_text(json, "label", event_label(event), MAX_LABEL);
	appendStringInfoString(json, ",\"properties\":[");
	append_each(json, reply_json_member(event, "properties", json_type_array), &property_kind);
	appendStringInfoString(json, "]}");
}

static const Kind event_kind = {"fullyQualifiedName", MAX_NAME, MAX_OBJECTS, append_event};

void
schema_reply_properties(StringInfo json, const Reply *reply)
{
	append_each(json, reply_json_member(reply->root, "results", json_type_array), &property_kind);
}

void
schema_reply_events(StringInfo json, const Reply *reply)
{
	append_each(json, reply_json_member(reply->root, "results", json_type_array), &event_kind);
}
