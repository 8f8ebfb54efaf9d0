/*
 * event.c
 *		Custom behavioural events: one occurrence as HubSpot takes it.
 *
 * Pure: message, definition and options in, JSON out; used by the events lane
 * and by hubspot_explain().  Memory is the current context's.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "activity/event.h"
#include "mapping/mapping_name.h"
#include "message/object_type.h"
#include "text/value.h"

#define SHOWN_BYTES		100		/* of an event's name, to people */
#define MAX_NAME		50		/* of a property of an event */
#define MAX_LABEL		100		/* characters, of an event */

const char *
event_wanted(const EventSource *source, const AccountOptions *options, int *len)
{
	JsonbValue	event;

	if (source->call != CALL_TRACK || !message_event(source->parts, &event))
	{
		*len = strlen(options->page_event);
		return options->page_event;
	}
	*len = event.val.string.len;
	return event.val.string.val;
}

const EventDefinition *
event_definition(const EventSource *source, const AccountOptions *options, const Schema *schema,
				 const char **full_name)
{
	int			len;
	const char *wanted = event_wanted(source, options, &len);
	const EventDefinition *alike[2];
	const EventDefinition *event = schema_event(schema, wanted, len, alike);

	*full_name = NULL;
	if (event != NULL)
		*full_name = event->full_name;
	else if (!schema->events_known)
		*full_name = schema_event_full_name(source->portal_id, wanted, len);
	return event;
}

bool
event_uuid(const EventSource *source, char uuid[DIGEST_UUID_TEXT])
{
	char	   *id = message_id(source->parts);

	/* numbers of rows begin anew in another database; the time tells them apart */
	return digest_uuid(id != NULL ? psprintf(INT64_FORMAT " m %s", source->portal_id, id)
					   : psprintf(INT64_FORMAT " r " INT64_FORMAT " " INT64_FORMAT,
								  source->portal_id,
								  source->id, source->called_at), uuid);
}

/* The message's timestamp, else the time of the call. */
static void
append_time(StringInfo body, const EventSource *source, pg_tz *zone)
{
	static const Property moment = {.name = "occurredAt", .type = PROPERTY_DATETIME};
	ValueProblem problem;

	appendStringInfoString(body, ",\"occurredAt\":");
	if (source->parts->timestamp.type != jbvNull &&
		property_value_append(body, &moment, &source->parts->timestamp, zone, &problem))
		return;
	property_value_append_time(body, source->called_at);
}

static void
append_text(StringInfo body, const char *name, const char *text)
{
	appendStringInfo(body, "\"%s\":", name);
	value_append_string(body, text, strlen(text));
}

Object
event_object(const EventSource *source, bool *by_record)
{
	return message_object_of_key(source->key_property, by_record);
}

/* What finds the record, unless the message has it among its properties. */
static void
append_match(StringInfo body, const EventSource *source, const EventDefinition *event,
			 const Mapping *mapping)
{
	bool		by_record = false;

	if (event_object(source, &by_record) == OBJECT_IS_CONTACT || by_record || event == NULL ||
		mapping_value(mapping, event->match_property) != NULL)
		return;
	if (mapping->nnames > 0)
		appendStringInfoChar(body, ',');
	append_text(body, event->match_property, source->key);
}

/*
 * Who it was: the record that is known, else the address, else the browser token; NULL when nothing
 * tells.
 */
static const char *
find_reference(const EventSource *source, const char **value)
{
	bool		by_record = false;
	JsonbValue	hutk;
	bool		is_hutk =
	(source->key_property != NULL && strcmp(source->key_property, MESSAGE_HUTK) == 0);

	if (event_object(source, &by_record) != OBJECT_IS_CONTACT)
	{
		*value = source->key;
		return by_record ? "objectId" : NULL;
	}
	*value = source->record_id;
	if (source->record_id[0] != '\0')
		return "objectId";
	*value = source->key;
	if (source->key_property == NULL || is_hutk)
		return is_hutk ? "utk" : "email";
	*value = message_email(source->call, source->parts);
	if (*value != NULL)
		return "email";
	if (!message_hutk(source->parts, &hutk))
		return NULL;
	*value = pnstrdup(hutk.val.string.val, hutk.val.string.len);
	return "utk";
}

bool
event_has_reference(const EventSource *source)
{
	bool		by_record;
	const char *value;

	return event_object(source, &by_record) != OBJECT_IS_CONTACT ||
		find_reference(source, &value) != NULL;
}

const char *
event_misfit(const EventSource *source, const EventDefinition *event)
{
	bool		by_record = false;
	Object		object = event_object(source, &by_record);
	const CrmType *type = &object_types[object];

	if (object == OBJECT_MAX)
		return "this process has met too many types of records";
	if (event == NULL)
		return NULL;
	if (event->type_id[0] != '\0' && strcmp(event->type_id, type->type_id) != 0)
		return psprintf("HubSpot has the event \"%s\" for objects of type %s, not %s (%s)",
						event->name, event->type_id, type->type_id, type->name);
	if (object != OBJECT_IS_CONTACT && !by_record && event->match_property[0] == '\0')
		return psprintf("the event \"%s\" has no rule in HubSpot by which an \"id\" finds a %s: "
						"the message must name its \"record_id\"", event->name, type->name);
	return NULL;
}

/*
 * Whether the contact goes by a property that the account keeps the user's own ids in: an address
 * in the message is no key then.  Where it goes by a userId or a token, there is none that is good.
 */
static bool
goes_by_property(const EventSource *source)
{
	return source->key_property != NULL && strcmp(source->key_property, MESSAGE_USER_ID) != 0 &&
		strcmp(source->key_property, MESSAGE_HUTK) != 0;
}

void
event_append(StringInfo body, const EventSource *source, const char *full_name,
			 const EventDefinition *event, Mapping *mapping, StringInfo warnings)
{
	char		uuid[DIGEST_UUID_TEXT];
	const char *value;
	const char *reference = find_reference(source, &value);

	appendStringInfoChar(body, '{');
	append_text(body, "eventName", full_name);
	if (reference != NULL)
	{
		appendStringInfoChar(body, ',');
		append_text(body, reference, value);
	}
	append_time(body, source, mapping->rules->zone);
	if (event_uuid(source, uuid))
		appendStringInfo(body, ",\"uuid\":\"%s\"", uuid);
	appendStringInfoString(body, ",\"properties\":{");
	mapping_add_event(mapping, source->parts, source->call == CALL_PAGE,
					  !goes_by_property(source), warnings);
	append_match(body, source, event, mapping);
	appendStringInfoString(body, "}}");
}

/* ---- definitions that fit a message -------------------------------------------------- */

bool
event_may_have(const char *name)
{
	size_t		len = strlen(name);

	return len <= MAX_NAME && name[0] >= 'a' && name[0] <= 'z' && name_is_canonical(name, len) &&
		strcmp(name, "email") != 0 && !schema_is_default(name);
}

List *
event_unite(List *properties, const UnknownProperty *property)
{
	UnknownProperty *copy;
	ListCell   *cell;

	foreach(cell, properties)
	{
		UnknownProperty *there = lfirst(cell);

		if (strcmp(there->name, property->name) == 0)
		{
			there->type = property_type_of_both(there->type, property->type);
			return properties;
		}
	}
	copy = palloc0(sizeof(UnknownProperty));
	copy->name = pstrdup(property->name);
	copy->type = property->type;
	return lappend(properties, copy);
}

List *
event_lacks(const EventSource *source, const MappingRules *rules)
{
	List	   *lacks = NIL;
	StringInfoData json;
	StringInfoData warnings;
	Mapping		mapping;

	initStringInfo(&json);
	initStringInfo(&warnings);
	mapping_begin(&mapping, &json, rules);
	mapping_add_event(&mapping, source->parts, source->call == CALL_PAGE,
					  !goes_by_property(source), &warnings);
	for (int i = 0; i < mapping.nunknown; i++)
		if (event_may_have(mapping.unknown[i].name))
			lacks = event_unite(lacks, &mapping.unknown[i]);
	mapping_end(&mapping);
	return lacks;
}

char *
event_property_body(const UnknownProperty *property)
{
	return psprintf("{\"name\":\"%s\",\"label\":\"%s\",\"type\":\"%s\"%s%s%s}", property->name,
					property->name, property->type,
					strcmp(property->type, "bool") == 0 ? ",\"options\":[" : "",
					strcmp(property->type, "bool") == 0 ? schema_bool_options : "",
					strcmp(property->type, "bool") == 0 ? "]" : "");
}

char *
event_definition_body(const char *wanted, int len, const List *properties)
{
	StringInfoData json;
	ListCell   *cell;
	int			n = 0;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"name\":\"%s\",\"label\":", schema_event_name(wanted, len));
	value_append_string(&json, wanted, pg_mbcharcliplen(wanted, len, MAX_LABEL));
	appendStringInfoString(&json,
						   ",\"primaryObject\":\"CONTACT\",\"includeDefaultProperties\":true,"
						   "\"propertyDefinitions\":[");
	foreach(cell, properties)
		if (n < SCHEMA_MAX_EVENT_PROPERTIES)
		appendStringInfo(&json, "%s%s", n++ > 0 ? "," : "", event_property_body(lfirst(cell)));
	appendStringInfoString(&json, "]}");
	return json.data;
}

static char *
event_definition_statement(const EventSource *source, const AccountOptions *options,
						   const Schema *schema)
{
	StringInfoData json;
	int			len;
	const char *wanted = event_wanted(source, options, &len);
	const char *name = schema_event_name(wanted, len);
	char	   *label = pnstrdup(wanted, pg_mbcliplen(wanted, len, SHOWN_BYTES));
	MappingRules rules = mapping_rules(schema, OBJECT_IS_EVENT,
									   (const char *const *) options->id_property, NULL);
	ListCell   *cell;
	int			n = 0;

	rules.properties = schema_no_properties();
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	foreach(cell, event_lacks(source, &rules))
	{
		const UnknownProperty *property = lfirst(cell);

		if (n < SCHEMA_MAX_EVENT_PROPERTIES)
			appendStringInfo(&json, "%s\"%s\": \"%s\"", n++ > 0 ? ", " : "", property->name,
							 property->type);
	}
	appendStringInfoChar(&json, '}');
	return psprintf("SELECT hubspot_create_event('%s', '%s'%s)", name, json.data,
					strcmp(label, name) == 0 ? "" : psprintf(", %s", quote_literal_cstr(label)));
}

char *
event_unknown_reason(const EventSource *source, const AccountOptions *options,
					 const Schema *schema, char **statement)
{
	int			len;
	const char *wanted = event_wanted(source, options, &len);
	const char *shown = pnstrdup(wanted, pg_mbcliplen(wanted, len, SHOWN_BYTES));
	const EventDefinition *alike[2];

	bool		by_record;

	(void) schema_event(schema, wanted, len, alike);
	*statement = NULL;
	if (alike[0] == NULL && event_object(source, &by_record) != OBJECT_IS_CONTACT)
		return psprintf("HubSpot has no event \"%s\"; events of objects other than contacts are "
						"defined in HubSpot", shown);
	if (alike[0] == NULL)
		*statement = event_definition_statement(source, options, schema);
	return alike[0] == NULL ? psprintf("HubSpot has no event \"%s\"", shown)
		: psprintf("HubSpot has two events that may be meant by \"%s\": \"%s\" and \"%s\"", shown,
				   alike[0]->name, alike[1]->name);
}
