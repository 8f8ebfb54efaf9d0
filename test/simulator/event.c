/*
 * event.c
 *	  Occurrences of custom behavioural events: section 3.6.
 *
 * The answer is 204 without a body or one error for all of the request, in
 * which case none of it was accepted.
 */
#include "event.h"

#include <string.h>

#include "api.h"
#include "config.h"
#include "error.h"
#include "journal.h"
#include "reading.h"

#define MAX_EVENTS			500
#define MAX_PROPERTIES		50
#define MAX_VALUE			256
#define MAX_LINK_VALUE		1024

typedef struct Occurrence
{
	struct json_object *json;
	struct json_object *properties;
	const char *name;
	Definition *definition;
	Object	   *record;			/* found by the rule of the definition */
	const char *uuid;
	const char *uuid_key;		/* unique within the event type */
	const char *email;			/* checked */
	const char *object_id;
	const char *utk;
	const char *occurred_at;	/* checked, or NULL: now */
	bool		repeated;
} Occurrence;

static Table seen;				/* uuid_key of what was accepted */

static bool
refuse(Request *request, const char *message)
{
	reply_error(request, 400, "VALIDATION_ERROR", "%s", message);
	return false;
}

static size_t
value_limit(const char *name)
{
	return strstr(name, "url") != NULL || strstr(name, "referrer") != NULL ||
		strstr(name, "link") != NULL ? MAX_LINK_VALUE : MAX_VALUE;
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
check_properties(Request *request, Occurrence *occurrence, const Definition *definition)
{
	if (!json_object_is_type(occurrence->properties, json_type_object))
	{
		reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [properties]");
		return false;
	}
	if (json_object_object_length(occurrence->properties) > MAX_PROPERTIES)
		return refuse(request, "An event occurrence has at most 50 properties");
	json_object_object_foreach(occurrence->properties, name, value)
	{
		Property   *property = table_find(&definition->property_index, name);
		ProblemList problems = {0};
		const char *text;

		if (!json_object_is_type(value, json_type_string))
		{
			reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
							   "`java.lang.String` from %s value",
							   json_type_to_name(json_object_get_type(value)));
			return false;
		}
		text = json_object_get_string(value);
		if (property == NULL || property->archived ||
			now_ms() < property->created_ms + config.property_lag_ms)
			return refuse(request, scratch_printf("Property \"%s\" does not exist on event %s", name,
												  occurrence->name));
		if (characters(text) > value_limit(name))
			return refuse(request, scratch_printf("The value of \"%s\" is longer than %zu characters",
												  name, value_limit(name)));
		if (value_check(property, text, &problems) == NULL)
		{
			reply_problems(request, &problems);
			return false;
		}
	}
	return true;
}

/* The record whose unique value the event has; the rule wins over any other reference. */
static bool
match_record(Request *request, Occurrence *occurrence)
{
	const Definition *definition = occurrence->definition;
	const char *key = json_text(occurrence->properties, definition->match_by);

	occurrence->object_id = NULL;
	occurrence->record = key ? store_holder(definition->match, value_key(definition->match, key)) : NULL;
	if (occurrence->record == NULL && reading_is(READING_MATCH_REFUSED))
		return refuse(request, scratch_printf("No %s matches the event", definition->primary->singular));
	return true;
}

/* Who it was: an address that is none fails the event whatever else is there. */
static bool
check_reference(Request *request, Occurrence *occurrence)
{
	ProblemList problems = {0};
	const Definition *definition = occurrence->definition;
	const char *email = json_text(occurrence->json, "email");

	occurrence->object_id = json_text(occurrence->json, "objectId");
	occurrence->utk = json_text(occurrence->json, "utk");
	if (email != NULL)
	{
		occurrence->email = value_check(contacts->email, email, &problems);
		if (occurrence->email == NULL || *occurrence->email == '\0')
			return refuse(request, scratch_printf("Email address %s is invalid", email));
	}
	if (definition->match_by != NULL && json_text(occurrence->properties, definition->match_by) != NULL)
		return match_record(request, occurrence);
	/* of other objects nobody has an address */
	if (definition->primary != contacts && occurrence->object_id == NULL)
		return refuse(request, scratch_printf("objectId is required of an event of %s", definition->primary->upper));
	if (email == NULL && occurrence->object_id == NULL && occurrence->utk == NULL)
		return refuse(request, "One of objectId, email, utk is required");
	return true;
}

static bool
check_time(Request *request, Occurrence *occurrence)
{
	static Property moment = {.name = (char *) "occurredAt", .value_type = VALUE_DATETIME};
	struct json_object *value = NULL;
	ProblemList problems = {0};

	if (!json_object_object_get_ex(occurrence->json, "occurredAt", &value) || value == NULL)
		return true;
	occurrence->occurred_at = value_check(&moment, json_object_get_string(value), &problems);
	return occurrence->occurred_at != NULL || refuse(request, "occurredAt is not a valid time");
}

static bool
check(Request *request, Occurrence *occurrence, struct json_object *json)
{
	static const char *const known = " eventName email objectId utk occurredAt uuid properties ";
	Definition *definition;

	occurrence->json = json;
	if (!json_object_is_type(json, json_type_object))
	{
		reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
						   "`BehavioralEventHttpCompletionRequest`");
		return false;
	}
	json_object_object_foreach(json, name, value)
	{
		(void) value;
		if (strstr(known, scratch_printf(" %s ", name)) == NULL)
		{
			reply_invalid_json(request, "on line 1, column 1: Unrecognized field \"%s\"", name);
			return false;
		}
	}
	occurrence->name = json_text(json, "eventName");
	if (occurrence->name == NULL)
		return refuse(request, "Some required fields were not set: [eventName]");
	definition = occurrence->definition = definition_find(occurrence->name);
	if (definition == NULL)
		return refuse(request, scratch_printf("Event definition %s does not exist", occurrence->name));
	json_object_object_get_ex(json, "properties", &occurrence->properties);
	if (!check_properties(request, occurrence, definition) ||
		!check_reference(request, occurrence) || !check_time(request, occurrence))
		return false;
	occurrence->uuid = json_text(json, "uuid");
	if (occurrence->uuid == NULL)
		return true;
	occurrence->uuid_key = scratch_printf("%s\037%s", occurrence->name, occurrence->uuid);
	occurrence->repeated = table_find(&seen, occurrence->uuid_key) != NULL;
	if (occurrence->repeated && strcmp(config.event_repeat, "ignore") != 0)
	{
		reply_error(request, strcmp(config.event_repeat, "conflict") == 0 ? 409 : 400,
					strcmp(config.event_repeat, "conflict") == 0 ? "CONFLICT" : "VALIDATION_ERROR",
					"An event with uuid %s was received already", occurrence->uuid);
		return false;
	}
	return true;
}

static void
write_text(Buffer *line, const char *name, const char *text)
{
	buffer_printf(line, ",\"%s\":", name);
	if (text != NULL)
		buffer_json(line, text);
	else
		buffer_puts(line, "null");
}

static void
accept(Request *request, Occurrence *occurrence)
{
	ObjectType *primary = occurrence->definition->primary;
	Object	   *record = occurrence->record;
	bool		created = false;
	Buffer	   *line;

	/* Within one batch the first of the same uuid wins, too. */
	if (occurrence->uuid_key != NULL && table_set(&seen, occurrence->uuid_key, &seen) != NULL)
		return;
	if (occurrence->object_id != NULL)
		record = store_by_id(primary, occurrence->object_id);
	else if (record == NULL && primary == contacts && occurrence->email != NULL)
		record = contact_of_address(occurrence->email, &created);
	line = journal_begin(request, "event", "events");
	if (line == NULL)
		return;
	write_text(line, "event", occurrence->name);
	write_text(line, "of", primary->name);
	write_text(line, "id", record ? scratch_printf("%llu", (unsigned long long) record->id) : NULL);
	write_text(line, "uuid", occurrence->uuid);
	write_text(line, "email", occurrence->email);
	write_text(line, "object_id", occurrence->object_id);
	write_text(line, "utk", occurrence->utk);
	write_text(line, "occurred_at", occurrence->occurred_at);
	buffer_printf(line, ",\"created\":%s,\"properties\":", created ? "true" : "false");
	buffer_puts(line, json_object_to_json_string_ext(occurrence->properties, JSON_C_TO_STRING_PLAIN |
													 JSON_C_TO_STRING_NOSLASHESCAPE));
	journal_end(line);
}

/* Two of the same uuid in one request: refused as a repeat is. */
static bool
check_batch(Request *request, const Occurrence *occurrences, size_t count)
{
	Table		uuids = {0};
	const char *repeated = NULL;

	for (size_t i = 0; i < count; i++)
	{
		if (occurrences[i].uuid_key != NULL &&
			table_set(&uuids, occurrences[i].uuid_key, &uuids) != NULL)
			repeated = occurrences[i].uuid;
	}
	table_clear(&uuids);
	if (repeated == NULL || strcmp(config.event_repeat, "ignore") == 0)
		return true;
	return refuse(request, scratch_printf("An event with uuid %s was received already", repeated));
}

void
event_send(Request *request)
{
	Occurrence	occurrence = {0};

	request->records = 1;
	if (!check(request, &occurrence, request->json))
		return;
	accept(request, &occurrence);
	reply_empty(request, 204);
}

void
events_send(Request *request)
{
	struct json_object *inputs = batch_inputs(request, MAX_EVENTS);
	Occurrence *occurrences;
	size_t		count;

	if (inputs == NULL)
		return;
	count = json_object_array_length(inputs);
	occurrences = scratch_alloc(sizeof(Occurrence) * (count + 1));
	for (size_t i = 0; i < count; i++)
	{
		if (!check(request, &occurrences[i], json_object_array_get_idx(inputs, i)))
			return;
	}
	if (!check_batch(request, occurrences, count))
		return;
	for (size_t i = 0; i < count; i++)
		accept(request, &occurrences[i]);
	reply_empty(request, 204);
}

void
event_reset(void)
{
	table_clear(&seen);
}
