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
#include "message/unreadable.h"
#include "text/value.h"

#define SHOWN_BYTES		100		/* of an event's name, to people */

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

/*
 * Who it was: the record that is known, else the address, else the browser token; NULL when nothing
 * tells.
 */
static const char *
find_reference(const EventSource *source, const char **value)
{
	JsonbValue	hutk;
	bool		is_hutk =
	(source->key_property != NULL && strcmp(source->key_property, MESSAGE_HUTK) == 0);

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
	const char *value;

	return find_reference(source, &value) != NULL;
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
event_append(StringInfo body, const EventSource *source, const char *full_name, Mapping *mapping,
			 StringInfo warnings)
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
	appendStringInfoString(body, "}}");
}

/* ---- definitions that fit a message -------------------------------------------------- */

/*
 * The name that a member of an event becomes as a property of its own; NULL
 * when it is none: the contact's address, the envelope, HubSpot's default ones.
 */
static char *
property_name(const EventSource *source, const JsonbValue *name)
{
	int			len = name->val.string.len;
	char	   *canonical = canonical_name(name->val.string.val, &len);

	if (len == 0 || len > 50 || canonical[0] < 'a' || canonical[0] > 'z' ||
		strcmp(canonical, "email") == 0 ||
		strncmp(canonical, "hs_", 3) == 0 ||
		(source->parts->flat &&
		 message_is_envelope(name->val.string.val, name->val.string.len, OBJECT_IS_EVENT)))
		return NULL;
	return canonical;
}

static bool
is_listed(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
		return true;
	return false;
}

/*
 * Run a function for the properties that an occurrence of the message would
 * have.  Of several names that become one, that which is the property's counts.
 */
static void
for_each_property(const EventSource *source,
				  void (*visit) (StringInfo, const char *name, const char *type), StringInfo out)
{
	JsonbContainer *container =
	(source->parts->flat ? source->parts->root : source->parts->properties);
	List	   *visited = NIL;

	/*
	 * Two rounds, the members that bear the property's own name first: jsonb sorts members by
	 * length and bytes, so that "Plan" may come before "plan", and the first one counts.
	 */
	for (int exact = 1; exact >= 0 && container != NULL; exact--)
	{
		JsonbIterator *it = JsonbIteratorInit(container);
		JsonbIteratorToken token;
		JsonbValue	name;
		JsonbValue	value;

		while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
		{
			char	   *property;

			if (token != WJB_KEY)
				continue;
			(void) JsonbIteratorNext(&it, &value, true);
			property = property_name(source, &name);
			if (property == NULL || unreadable_is(&value, NULL) ||
				name_is_canonical(name.val.string.val, name.val.string.len) != (exact == 1) ||
				is_listed(visited, property))
				continue;
			visited = lappend(visited, property);
			visit(out, property, property_type_for(&value));
		}
	}
}

static void
append_definition(StringInfo json, const char *name, const char *type)
{
	appendStringInfo(json, "%s{\"name\":\"%s\",\"label\":\"%s\",\"type\":\"%s\"",
					 json->data[json->len - 1] == '}' ? "," : "", name, name, type);
	if (strcmp(type, "bool") == 0)
		appendStringInfo(json, ",\"options\":[%s]", schema_bool_options);
	appendStringInfoChar(json, '}');
}

static void
append_pair(StringInfo json, const char *name, const char *type)
{
	appendStringInfo(json, "%s\"%s\": \"%s\"", json->data[json->len - 1] == '{' ? "" : ", ", name,
					 type);
}

char *
event_definition_body(const EventSource *source, const AccountOptions *options)
{
	StringInfoData json;
	int			len;
	const char *wanted = event_wanted(source, options, &len);
	const char *name = schema_event_name(wanted, len);

	initStringInfo(&json);
	appendStringInfo(&json, "{\"name\":\"%s\",\"label\":", name);
	value_append_string(&json, wanted, len);
	appendStringInfoString(&json,
						   ",\"primaryObject\":\"CONTACT\",\"includeDefaultProperties\":true,"
						   "\"propertyDefinitions\":[");
	for_each_property(source, append_definition, &json);
	appendStringInfoString(&json, "]}");
	return json.data;
}

static char *
event_definition_statement(const EventSource *source, const AccountOptions *options)
{
	StringInfoData json;
	int			len;
	const char *wanted = event_wanted(source, options, &len);
	const char *name = schema_event_name(wanted, len);
	char	   *label = pnstrdup(wanted, pg_mbcliplen(wanted, len, SHOWN_BYTES));

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for_each_property(source, append_pair, &json);
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

	(void) schema_event(schema, wanted, len, alike);
	*statement = alike[0] == NULL ? event_definition_statement(source, options) : NULL;
	return alike[0] == NULL ? psprintf("HubSpot has no event \"%s\"", shown)
		: psprintf("HubSpot has two events that may be meant by \"%s\": \"%s\" and \"%s\"", shown,
				   alike[0]->name, alike[1]->name);
}
