/*
 * draft.c
 *	  One input of a write; see draft.h.
 */
#include "draft.h"

#include <string.h>

#include "answer.h"
#include "api.h"
#include "association.h"
#include "config.h"
#include "journal.h"
#include "pipeline.h"
#include "reading.h"

#define INPUT_CLASS \
	"com.hubspot.inbounddb.publicobject.core.v2.SimplePublicObjectBatchInput$Json"

static bool
known_member(Operation operation, const char *name)
{
	if (strcmp(name, "properties") == 0 || strcmp(name, "objectWriteTraceId") == 0)
		return true;
	if (operation == OP_CREATE)
		return strcmp(name, "associations") == 0;
	return strcmp(name, "id") == 0 || strcmp(name, "idProperty") == 0;
}

/* Values are strings; numbers and booleans are tolerated and counted. */
static bool
read_properties(Request *request, struct json_object *properties)
{
	if (!json_object_is_type(properties, json_type_object))
	{
		reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
						   "`java.util.LinkedHashMap` from %s value",
						   json_type_to_name(json_object_get_type(properties)));
		return false;
	}
	json_object_object_foreach(properties, name, value)
	{
		(void) name;
		switch (json_object_get_type(value))
		{
			case json_type_string:
			case json_type_null:
				break;
			case json_type_array:
			case json_type_object:
				reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
								   "`java.lang.String` from %s value",
								   json_type_to_name(json_object_get_type(value)));
				return false;
			default:
				stats.non_string_values++;
				break;
		}
	}
	return true;
}

bool
draft_read(Request *request, Draft *draft, struct json_object *input)
{
	struct json_object *member;

	if (!json_object_is_type(input, json_type_object))
	{
		reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type `"
						   INPUT_CLASS "` from %s value", json_type_to_name(json_object_get_type(input)));
		return false;
	}
	json_object_object_foreach(input, name, value)
	{
		if (!known_member(draft->operation, name))
		{
			reply_invalid_json(request, "on line 1, column 1: Unrecognized field \"%s\" (class "
							   INPUT_CLASS "), not marked as ignorable", name);
			return false;
		}
		if (strcmp(name, "properties") == 0 || strcmp(name, "associations") == 0)
			continue;
		if (!json_object_is_type(value, json_type_string))
		{
			reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
							   "`java.lang.String` from %s value of \"%s\"",
							   json_type_to_name(json_object_get_type(value)), name);
			return false;
		}
	}
	draft->trace = json_text(input, "objectWriteTraceId");
	draft->id = json_text(input, "id");
	if (draft->operation != OP_CREATE && (draft->id == NULL || *draft->id == '\0'))
	{
		reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [id]");
		return false;
	}
	if (!json_object_object_get_ex(input, "properties", &member))
	{
		reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [properties]");
		return false;
	}
	draft->properties = member;
	json_object_object_get_ex(input, "associations", &draft->associations);
	return read_properties(request, draft->properties);
}

/* The claim of a unique value by an earlier draft of the same batch. */
static bool
claimed(Table *claims, const Property *property, const char *text, const Draft *draft)
{
	const char *key;
	const Draft *other;

	if (claims == NULL)
		return false;
	key = scratch_printf("%s\037%s", property->name, text);
	other = table_find(claims, key);
	if (other == NULL)
	{
		table_set(claims, key, (void *) draft);
		return false;
	}
	return other != draft && (draft->target == NULL || other->target != draft->target);
}

static void
check_address(Draft *draft, Table *claims, const char *address)
{
	Object	   *holder = store_holder(draft->type->email, address);

	if ((holder != NULL && holder != draft->target) ||
		claimed(claims, draft->type->email, address, draft))
	{
		if (!draft->conflict)
			draft->holder = holder;
		draft->conflict = true;
	}
}

static void
check_unique(Draft *draft, Table *claims, const Setting *setting)
{
	Property   *property = setting->property;
	Object	   *holder;

	if (*setting->text == '\0')
		return;
	if (property->role == ROLE_EMAIL)
	{
		check_address(draft, claims, setting->text);
		return;
	}
	if (property->role == ROLE_MORE_EMAILS)
	{
		for (const char *at = setting->text; *at != '\0';)
		{
			size_t		len = strcspn(at, ";");

			check_address(draft, claims, scratch_strndup(at, len));
			at += len + (at[len] == ';');
		}
		return;
	}
	if (!property->unique || (property->role == ROLE_SKU && !reading_is(READING_UNIQUE_SKU)))
		return;
	holder = store_holder(property, setting->text);
	if ((holder != NULL && holder != draft->target) ||
		claimed(claims, property, setting->text, draft))
		problem_add(&draft->problems, "CONFLICTING_UNIQUE_VALUE", property->name,
					"Cannot set PropertyValueCoordinates{portalId=%lld, objectTypeId=%s, "
					"propertyName=%s, value=%s} on %llu. %llu already has that value.",
					(long long) config.portal_id, draft->type->id, property->name, setting->text,
					draft->target ? (unsigned long long) draft->target->id : 0ULL,
					holder ? (unsigned long long) holder->id : 0ULL);
}

static void
add_setting(Draft *draft, Property *property, const char *text)
{
	text = value_check(property, text, &draft->problems);
	if (text == NULL)
		return;
	draft->settings[draft->setting_count].property = property;
	draft->settings[draft->setting_count].text = text;
	draft->setting_count++;
}

static bool
has_setting(const Draft *draft, const char *name)
{
	for (int i = 0; i < draft->setting_count; i++)
	{
		if (strcmp(draft->settings[i].property->name, name) == 0 && *draft->settings[i].text != '\0')
			return true;
	}
	return false;
}

static void
find_target(Draft *draft)
{
	if (draft->operation == OP_CREATE)
		return;
	if (draft->id_property == NULL)
		draft->target = store_by_id(draft->type, draft->id);
	else
	{
		draft->key = value_key(draft->id_property, draft->id);
		draft->target = store_holder(draft->id_property, draft->key);
	}
	draft->missing = draft->operation == OP_UPDATE && draft->target == NULL;
}

/* What the draft sets, or NULL. */
static const char *
setting_of(const Draft *draft, const Property *property)
{
	for (int i = 0; i < draft->setting_count; i++)
	{
		if (draft->settings[i].property == property)
			return draft->settings[i].text;
	}
	return NULL;
}

static void
refuse_option(Draft *draft, const Property *property, const char *text, const char *allowed)
{
	if (reading_is(READING_OTHER_CODES))
		problem_add(&draft->problems, "INVALID_PIPELINE_STAGE", property->name,
					"%s is not valid for this object", text);
	else
		problem_add(&draft->problems, "INVALID_OPTION", property->name,
					"%s: %s was not one of the allowed options: [%s]", property->name, text, allowed);
}

/* A record that comes into a closed stage is closed at this moment, unless it says when. */
static void
set_close_date(Draft *draft, const PipelineStage *stage)
{
	Property   *property = property_find(draft->type, "closedate");

	if (property == NULL || !stage_is_closed(stage) || setting_of(draft, property) != NULL ||
		(draft->target != NULL && object_value(draft->target, property) != NULL))
		return;
	add_setting(draft, property, scratch_printf("%lld", (long long) now_ms()));
}

/*
 * A stage is one of the pipeline that is named with it; without one, of the
 * default pipeline, even of a record in another (section 5 of the notes).
 */
static void
check_stage(Draft *draft)
{
	const ObjectType *type = draft->type;
	const char *pipeline_id = setting_of(draft, type->pipeline);
	const char *stage_id = setting_of(draft, type->stage);
	const char *id = pipeline_id;
	Pipeline   *pipeline;
	PipelineStage *stage;

	if (pipeline_id == NULL && (stage_id == NULL || *stage_id == '\0'))
		return;
	if (id == NULL && draft->target != NULL && reading_is(READING_KEPT_PIPELINE))
		id = object_value(draft->target, type->pipeline);
	pipeline = id != NULL && *id != '\0' ? pipeline_find(type, id) : pipeline_default(type);
	if (pipeline == NULL)
	{
		refuse_option(draft, id != NULL ? type->pipeline : type->stage, id != NULL ? id : stage_id, pipeline_ids(type));
		return;
	}
	if (stage_id == NULL && draft->target != NULL)
		stage_id = object_value(draft->target, type->stage);
	/* a new record begins at the beginning */
	if (stage_id == NULL && draft->target == NULL && pipeline->stage_count > 0)
		add_setting(draft, type->stage, pipeline->stages[0]->id);
	if (stage_id == NULL || *stage_id == '\0')
		return;
	stage = stage_find(pipeline, stage_id);
	if (stage == NULL)
	{
		refuse_option(draft, type->stage, stage_id, stage_ids(pipeline));
		return;
	}
	if (pipeline_id == NULL)
		add_setting(draft, type->pipeline, pipeline->id);
	set_close_date(draft, stage);
}

static void
require(Draft *draft, const char *name)
{
	if (!has_setting(draft, name))
		problem_add(&draft->problems, "REQUIRED_FIELD", name, "Property \"%s\" is required", name);
}

/* What a new record needs: by its type, and by a rule of the account that 2026-09 enforces. */
static void
check_new(Draft *draft)
{
	ObjectType *type = draft->type;
	size_t		len = strlen(type->name);
	int			count = type_required(type, draft->operation == OP_UPSERT);

	for (int i = 0; i < count; i++)
	{
		if (strcmp(type->required[i], "/") != 0)
			require(draft, type->required[i]);
	}
	for (int i = 0; draft->is_strict && i < config.required.count; i++)
	{
		const char *item = config.required.items[i];

		if (strncmp(item, type->name, len) == 0 && item[len] == '.')
			require(draft, item + len + 1);
	}
	if (draft->associations != NULL)
		draft->refused = association_fault(type, draft->associations);
	if (draft->refused == NULL && type->needs_parent && !association_has_parent(draft->type, draft->associations))
		draft->refused = scratch_printf("A %s must be associated with a contact or a company when it is created",
										type->singular);
}

static void
refuse_read_only(Draft *draft, const char *name)
{
	problem_add(&draft->problems, "READ_ONLY_VALUE", name,
				"\"%s\" is a read only property; its value cannot be set.", name);
}

void
draft_check(Draft *draft, Table *claims)
{
	size_t		count = (size_t) json_object_object_length(draft->properties);

	find_target(draft);
	if (draft->missing)
		return;
	draft->settings = scratch_alloc(sizeof(Setting) * (count + 4));
	json_object_object_foreach(draft->properties, name, value)
	{
		Property   *property = property_find(draft->type, name);

		if (property == NULL)
			problem_add(&draft->problems, "PROPERTY_DOESNT_EXIST", name,
						"Property \"%s\" does not exist", name);
		else if (property->read_only)
			refuse_read_only(draft, name);
		else if (value == NULL)
			problem_add(&draft->problems, "INVALID_VALUE", name,
						"Property values must be strings: \"%s\" is null", name);
		else
			add_setting(draft, property, json_object_get_string(value));
	}
	/* The key of a new record is a value of it, whether or not it was repeated. */
	if (draft->operation == OP_UPSERT && draft->target == NULL &&
		!json_object_object_get_ex(draft->properties, draft->id_property->name, NULL))
	{
		if (draft->id_property->read_only)
			refuse_read_only(draft, draft->id_property->name);
		else
			add_setting(draft, draft->id_property, draft->id);
	}
	if (draft->type->stage != NULL)
		check_stage(draft);
	for (int i = 0; i < draft->setting_count; i++)
		check_unique(draft, claims, &draft->settings[i]);
	if (draft->operation != OP_UPDATE && draft->target == NULL)
		check_new(draft);
	if (draft->operation != OP_CREATE || draft->problems.first != NULL)
		return;
	if (draft->type == contacts && !has_setting(draft, "email") &&
		!has_setting(draft, "firstname") && !has_setting(draft, "lastname"))
		problem_add(&draft->problems, "REQUIRED_FIELD", "email",
					"A contact needs one of email, firstname, lastname");
	else if (draft->type == companies && !has_setting(draft, "name") && !has_setting(draft, "domain"))
		problem_add(&draft->problems, "REQUIRED_FIELD", "name",
					"A company needs one of name, domain");
}

bool
draft_failed(const Draft *draft)
{
	return draft->missing || draft->stumbled || draft->conflict || draft->refused != NULL ||
		draft->problems.first != NULL;
}

static const char *
operation_name(Operation operation)
{
	return operation == OP_UPSERT ? "upsert" : operation == OP_CREATE ? "create" : "update";
}

static void
write_journal(Request *request, const Draft *draft)
{
	Buffer	   *line = journal_begin(request, operation_name(draft->operation), draft->type->name);
	bool		first = true;

	if (line == NULL)
		return;
	buffer_puts(line, ",\"id\":\"");
	buffer_u64(line, draft->target->id);
	buffer_puts(line, "\",\"id_property\":");
	if (draft->id_property != NULL)
		buffer_json(line, draft->id_property->name);
	else
		buffer_puts(line, "null");
	buffer_puts(line, ",\"key\":");
	if (draft->id != NULL)
		buffer_json(line, draft->id);
	else
		buffer_puts(line, "null");
	buffer_puts(line, draft->created ? ",\"created\":true,\"trace\":" : ",\"created\":false,\"trace\":");
	if (draft->trace != NULL)
		buffer_json(line, draft->trace);
	else
		buffer_puts(line, "null");
	buffer_puts(line, ",\"properties\":{");
	json_object_object_foreach(draft->properties, name, value)
	{
		if (!first)
			buffer_puts(line, ",");
		first = false;
		buffer_json(line, name);
		buffer_puts(line, ":");
		buffer_json(line, json_object_get_string(value));
	}
	buffer_puts(line, "}");
	journal_end(line);
}

void
draft_apply(Request *request, Draft *draft)
{
	int64_t		now = now_ms();

	if (draft->target == NULL)
	{
		draft->target = store_create(draft->type, now);
		draft->created = true;
	}
	for (int i = 0; i < draft->setting_count; i++)
		object_set(draft->target, draft->settings[i].property, draft->settings[i].text);
	draft->target->updated_ms = now;
	write_journal(request, draft);
	if (draft->associations != NULL)
		association_of_create(request, draft->target, draft->associations);
}

void
draft_render(Buffer *out, const Draft *draft)
{
	const Object *object = draft->target;
	bool		shows_key = false;

	buffer_puts(out, "{\"id\":\"");
	buffer_u64(out, object->id);
	buffer_puts(out, "\",\"properties\":{\"");
	buffer_puts(out, object->type->created_name);
	buffer_puts(out, "\":\"");
	buffer_time(out, object->created_ms);
	buffer_puts(out, "\"");
	for (int i = 0; i < draft->setting_count; i++)
	{
		Property   *property = draft->settings[i].property;
		const char *value = object_value(object, property);

		shows_key |= property == draft->id_property;
		buffer_puts(out, ",");
		buffer_json(out, property->name);
		buffer_puts(out, ":");
		if (value != NULL)
			buffer_json(out, value);
		else
			buffer_puts(out, "null");
	}
	if (draft->id_property != NULL && !shows_key)
	{
		const char *value = object_value(object, draft->id_property);

		buffer_puts(out, ",");
		buffer_json(out, draft->id_property->name);
		buffer_puts(out, ":");
		if (value != NULL)
			buffer_json(out, value);
		else
			buffer_puts(out, "null");
	}
	buffer_puts(out, ",\"hs_object_id\":\"");
	buffer_u64(out, object->id);
	buffer_puts(out, "\",\"");
	buffer_puts(out, object->type->modified_name);
	buffer_puts(out, "\":\"");
	buffer_time(out, object->updated_ms);
	buffer_puts(out, "\"}");
	if (draft->trace != NULL && answer_is(ANSWER_ECHOED_TRACES))
	{
		buffer_puts(out, ",\"objectWriteTraceId\":");
		buffer_json(out, draft->trace);
	}
	if (draft->operation == OP_UPSERT)
		buffer_puts(out, draft->created ? ",\"new\":true" : ",\"new\":false");
	object_render_tail(out, object);
	buffer_puts(out, "}");
}

void
draft_render_error(Buffer *out, const Draft *draft)
{
	const char *category = "VALIDATION_ERROR";
	const char *message;

	if (draft->problems.first != NULL)
		message = problems_message(&draft->problems);
	else if (draft->refused != NULL)
		message = draft->refused;
	else
	{
		category = "CONFLICT";
		message = draft->holder == NULL ? "Contact already exists" :
			scratch_printf("Contact already exists. Existing ID: %llu",
						   (unsigned long long) draft->holder->id);
	}
	buffer_printf(out, "{\"status\":\"error\",\"category\":\"%s\",\"message\":", category);
	buffer_json(out, message);
	buffer_puts(out, ",\"context\":{");
	if (draft->trace != NULL)
	{
		buffer_puts(out, "\"objectWriteTraceId\":[");
		buffer_json(out, draft->trace);
		buffer_puts(out, "]");
	}
	if (draft->problems.first == NULL && draft->holder != NULL)
		buffer_printf(out, "%s\"existingId\":[\"%llu\"]", draft->trace ? "," : "",
					  (unsigned long long) draft->holder->id);
	buffer_puts(out, "}}");
}
