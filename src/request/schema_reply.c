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
#include "facts/reading_rows.h"
#include "request/schema_reply.h"

/* Bytes, beyond what HubSpot allows itself. */
#define MAX_TYPE	100
#define MAX_VALUE	3000

static void
append_option(StringInfo json, json_object *option)
{
	rows_open(json);
	rows_add_text(json, "value", rows_text_of(option, "value"), MAX_VALUE);
	rows_add_text(json, "label", rows_text_of(option, "label"), ROWS_MAX_LABEL);
	rows_close(json);
}

static const RowKind option_kind = {"value", MAX_VALUE, ROWS_MAX_OBJECTS, append_option};

/* Types whose values nobody can write as a text. */
static bool
has_no_text(json_object *property)
{
	const char *type = rows_text_of(property, "type");

	return strcmp(type, "json") == 0 || strcmp(type, "object_coordinates") == 0;
}

static void
add_property(StringInfo json, json_object *property)
{
	json_object *modification =
	reply_json_member(property, "modificationMetadata", json_type_object);

	rows_add_text(json, "name", rows_text_of(property, "name"), ROWS_MAX_NAME);
	rows_add_text(json, "type", rows_text_of(property, "type"), MAX_TYPE);
	rows_add_text(json, "field_type", rows_text_of(property, "fieldType"), MAX_TYPE);
	rows_add_text(json, "label", rows_text_of(property, "label"), ROWS_MAX_LABEL);
	rows_add_text(json, "refers_to", rows_text_of(property, "referencedObjectType"), MAX_TYPE);
	rows_add_bool(json, "is_external", rows_is_true(property, "externalOptions"));
	rows_add_bool(json, "is_unique", rows_is_true(property, "hasUniqueValue"));
	rows_add_bool(json, "read_only", rows_is_true(property, "calculated") ||
				  rows_is_true(modification, "readOnlyValue") || has_no_text(property));
	rows_add_array(json, "options", reply_json_member(property, "options", json_type_array),
				   &option_kind);
}

static void
append_property(StringInfo json, json_object *property)
{
	rows_open(json);
	add_property(json, property);
	rows_add_text(json, "group_name", rows_text_of(property, "groupName"), ROWS_MAX_NAME);
	rows_close(json);
}

static void
append_event_property(StringInfo json, json_object *property)
{
	rows_open(json);
	add_property(json, property);
	rows_close(json);
}

static const RowKind property_kind = {"name", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_property};
static const RowKind event_property_kind =
{"name", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_event_property};

/* HubSpot takes a label and gives labels. */
static const char *
event_label(json_object *event)
{
	const char *label = rows_text_of(event, "label");

	return label[0] != '\0' ? label
		: rows_text_of(reply_json_member(event, "labels", json_type_object), "singular");
}

/* The object whose events these are, where it is told as a type id: "0-1". */
static const char *
event_type_id(json_object *event)
{
	const char *id = rows_text_of(event, "primaryObjectId");
	size_t		digits = strspn(id, "0123456789");

	return digits > 0 && id[digits] == '-' && id[digits + 1] != '\0' &&
		strspn(id + digits + 1, "0123456789") == strlen(id + digits + 1) ? id : "";
}

static void
append_event(StringInfo json, json_object *event)
{
	json_object *matching = reply_json_member(event, "customMatchingId", json_type_object);
	json_object *rule = reply_json_member(matching, "primaryObjectRule", json_type_object);

	rows_open(json);
	rows_add_text(json, "name", rows_text_of(event, "name"), ROWS_MAX_NAME);
	rows_add_text(json, "full_name", rows_text_of(event, "fullyQualifiedName"), ROWS_MAX_NAME);
	rows_add_text(json, "label", event_label(event), ROWS_MAX_LABEL);
	rows_add_text(json, "type_id", event_type_id(event), ROWS_MAX_NAME);
	rows_add_text(json, "match_property", rows_text_of(rule, "eventPropertyName"), ROWS_MAX_NAME);
	rows_add_array(json, "properties", reply_json_member(event, "properties", json_type_array),
				   &event_property_kind);
	rows_close(json);
}

static const RowKind event_kind =
{"fullyQualifiedName", ROWS_MAX_NAME, ROWS_MAX_OBJECTS, append_event};

void
schema_reply_properties(StringInfo json, const Reply *reply)
{
	rows_add_each(json, reply_json_member(reply->root, "results", json_type_array), &property_kind);
}

void
schema_reply_events(StringInfo json, const Reply *reply)
{
	rows_add_each(json, reply_json_member(reply->root, "results", json_type_array), &event_kind);
}
