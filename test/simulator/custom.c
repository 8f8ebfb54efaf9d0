/*
 * custom.c
 *	  Schemas of objects over HTTP; see custom.h.
 *
 * HubSpot's own types are answered for, too, but only custom ones are listed
 * and can be changed.
 */
#include "custom.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "association.h"
#include "error.h"
#include "property.h"

#define MAX_NAME		50
#define MAX_CUSTOM		10		/* of an Enterprise account */

/* What a schema keeps beside its type: as it was given. */
static Table kept;				/* by type id: json_object */

static struct json_object *
member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, name, &value);
	return value;
}

/* Names of properties: all of them have to be there.  NULL: they are. */
static const char *
missing_property(ObjectType *type, struct json_object *names)
{
	for (size_t i = 0; json_object_is_type(names, json_type_array) && i < json_object_array_length(names); i++)
	{
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));

		if (name == NULL || property_find(type, name) == NULL)
			return name ? name : "null";
	}
	return NULL;
}

static const char *const lists[] = {"requiredProperties", "searchableProperties", "secondaryDisplayProperties"};

/* Takes over the lists of names and the display property; what is wrong, or NULL. */
static const char *
apply_names(ObjectType *type, struct json_object *schema)
{
	struct json_object *was = table_find(&kept, type->id);
	const char *primary = json_text(schema, "primaryDisplayProperty");
	struct json_object *required = member(schema, "requiredProperties");

	for (size_t i = 0; i < 3; i++)
	{
		const char *missing = missing_property(type, member(schema, lists[i]));

		if (missing != NULL)
			return scratch_printf("%s: property %s does not exist", lists[i], missing);
	}
	if (primary != NULL && property_find(type, primary) == NULL)
		return scratch_printf("primaryDisplayProperty: property %s does not exist", primary);
	if (json_object_is_type(required, json_type_array))
	{
		type_require_none(type);
		for (size_t i = 0; i < json_object_array_length(required); i++)
			type_require(type, json_object_get_string(json_object_array_get_idx(required, i)));
	}
	if (primary != NULL)
	{
		type->shown = must_realloc(type->shown, sizeof(char *));
		type->shown[0] = must_strdup(primary);
		type->shown_count = 1;
	}
	json_object_object_foreach(schema, name, value)
		json_object_object_add(was, name, json_object_get(value));
	return NULL;
}

static void
set_default(struct json_object *object, const char *name, const char *text)
{
	if (member(object, name) == NULL)
		json_object_object_add(object, name, json_object_new_string(text));
}

/* The field that goes with a type. */
static const char *
field_of(const char *type)
{
	if (strcmp(type, "enumeration") == 0)
		return "select";
	if (strcmp(type, "bool") == 0)
		return "booleancheckbox";
	if (strcmp(type, "datetime") == 0)
		return "date";
	return strcmp(type, "string") == 0 ? "text" : type;
}

/* The definition with what may be left out: text, in the type's own group. */
static void
complete(const ObjectType *type, struct json_object *definition)
{
	const char *name = json_text(definition, "name");

	set_default(definition, "type", "string");
	set_default(definition, "groupName", type->group);
	if (json_text(definition, "type") != NULL)
		set_default(definition, "fieldType", field_of(json_text(definition, "type")));
	if (name != NULL)
		set_default(definition, "label", name);
}

static bool
valid_name(const char *name)
{
	size_t		len = strlen(name);

	if (len == 0 || len > MAX_NAME || !isalpha((unsigned char) *name))
		return false;
	for (const char *c = name; *c != '\0'; c++)
	{
		if (!isalnum((unsigned char) *c) && *c != '_')
			return false;
	}
	return true;
}

static int
custom_count(void)
{
	int			count = 0;

	for (int i = 0; i < type_count(); i++)
		count += type_at(i)->is_custom && !type_at(i)->is_deleted;
	return count;
}

/* What is wrong with the schema itself, or NULL. */
static const char *
schema_fault(struct json_object *schema, bool is_lax)
{
	static const char *const required[] = {"name", "labels", "properties", "requiredProperties", "associatedObjects"};
	const char *name = json_text(schema, "name");
	struct json_object *associated = member(schema, "associatedObjects");

	if (!json_object_is_type(schema, json_type_object))
		return "a schema is an object";
	for (size_t i = 0; i < (is_lax ? 1 : 5); i++)
	{
		if (member(schema, required[i]) == NULL)
			return scratch_printf("Some required fields were not set: [%s]", required[i]);
	}
	if (name == NULL || !valid_name(name))
		return "The name of an object has letters, digits and underscores and starts with a letter";
	if (!is_lax && custom_count() >= MAX_CUSTOM)
		return "The limit of custom objects is reached";
	if (type_named(name) != NULL)
		return scratch_printf("An object named %s already exists", name);
	for (size_t i = 0; json_object_is_type(associated, json_type_array) &&
		 i < json_object_array_length(associated); i++)
	{
		const char *other = json_object_get_string(json_object_array_get_idx(associated, i));

		if (other == NULL || (type_named(other) == NULL && strcasecmp(other, name) != 0))
			return scratch_printf("associatedObjects: there is no object %s", other ? other : "null");
	}
	return NULL;
}

/* The pairs that the schema wants, in both directions; the names were looked up. */
static void
allow_associations(ObjectType *type, struct json_object *schema)
{
	struct json_object *associated = member(schema, "associatedObjects");

	for (size_t i = 0; json_object_is_type(associated, json_type_array) &&
		 i < json_object_array_length(associated); i++)
	{
		ObjectType *other = type_named(json_object_get_string(json_object_array_get_idx(associated, i)));

		if (kind_default(type, other) == NULL)
			kind_allow(type, other, NULL);
	}
	if (json_object_get_boolean(member(schema, "shouldCreateSameObjectAssociation")) &&
		kind_default(type, type) == NULL)
		kind_allow(type, type, NULL);
}

ObjectType *
custom_create(struct json_object *schema, bool is_lax, const char **error)
{
	struct json_object *properties = member(schema, "properties");
	const char *name = json_text(schema, "name");
	const char *singular = json_text(member(schema, "labels"), "singular");
	ObjectType *type;

	*error = schema_fault(schema, is_lax);
	if (*error != NULL)
		return NULL;
	type = type_create(name, singular ? singular : name);
	property_define_all(type, "hs_pipeline:pipeline hs_pipeline_stage:stage");
	table_set(&kept, type->id, json_object_new_object());
	for (size_t i = 0; *error == NULL && json_object_is_type(properties, json_type_array) &&
		 i < json_object_array_length(properties); i++)
	{
		struct json_object *definition = json_object_array_get_idx(properties, i);
		const char *category;
		int			status;

		if (json_object_is_type(definition, json_type_object))
			complete(type, definition);
		if (property_create(type, definition, &status, &category, error) != NULL)
			*error = NULL;
	}
	if (*error == NULL)
		*error = apply_names(type, schema);
	if (*error != NULL)
	{
		type->is_deleted = true;
		return NULL;
	}
	allow_associations(type, schema);
	return type;
}

typedef struct Listing
{
	Buffer	   *out;
	const ObjectType *type;
	int			count;
} Listing;

/* Each direction by itself; the ids are not unique in the account. */
static void
render_association(void *state, Kind *kind)
{
	Listing    *listing = state;
	Buffer	   *out = listing->out;

	for (int side = 0; side < 2; side++)
	{
		if (kind->ids[side] == 0 || (side == 1 && kind->ids[0] == kind->ids[1]))
			continue;
		buffer_printf(out, "%s{\"id\":\"%d\",\"fromObjectTypeId\":\"%s\",\"toObjectTypeId\":\"%s\",\"name\":",
					  listing->count++ ? "," : "", kind->ids[side], kind->ends[side]->id, kind->ends[1 - side]->id);
		buffer_json(out, kind->name);
		buffer_printf(out, ",\"cardinality\":\"%s\",\"maxToObjectIds\":%d,\"maxFromObjectIds\":%d}",
					  kind->single < 0 ? "MANY_TO_MANY" : kind->single == side ? "ONE_TO_MANY" : "MANY_TO_ONE",
					  kind->single == side ? 1 : kind->limits[side] ? kind->limits[side] : 10000,
					  kind->single == 1 - side ? 1 : kind->limits[1 - side] ? kind->limits[1 - side] : 10000);
	}
}

static void
render_names(Buffer *out, const char *name, struct json_object *list)
{
	buffer_printf(out, ",\"%s\":", name);
	buffer_puts(out, json_object_is_type(list, json_type_array) ?
				json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN) : "[]");
}

void
custom_render(Buffer *out, ObjectType *type, bool with_properties, bool with_associations)
{
	Listing		listing = {.out = out, .type = type};
	struct json_object *schema = table_find(&kept, type->id);
	struct json_object *labels = member(schema, "labels");
	bool		first = true;

	buffer_printf(out, "{\"id\":\"%s\",\"objectTypeId\":\"%s\",\"name\":", strchr(type->id, '-') + 1, type->id);
	buffer_json(out, type->singular);
	buffer_puts(out, ",\"fullyQualifiedName\":");
	buffer_json(out, type->is_custom ? type_full_name(type) : type->upper);
	buffer_puts(out, ",\"labels\":");
	buffer_puts(out, labels ? json_object_to_json_string_ext(labels, JSON_C_TO_STRING_PLAIN) :
				scratch_printf("{\"singular\":\"%s\",\"plural\":\"%ss\"}", type->title, type->title));
	if (type->shown_count > 0)
	{
		buffer_puts(out, ",\"primaryDisplayProperty\":");
		buffer_json(out, type->shown[0]);
	}
	for (size_t i = 0; i < 3; i++)
		render_names(out, lists[i], member(schema, lists[i]));
	if (with_properties)
	{
		buffer_puts(out, ",\"properties\":[");
		for (int i = 0; i < type->property_count; i++)
		{
			if (type->property_list[i]->archived)
				continue;
			if (!first)
				buffer_puts(out, ",");
			first = false;
			property_render(out, type->property_list[i]);
		}
		buffer_puts(out, "]");
	}
	if (with_associations)
	{
		buffer_puts(out, ",\"associations\":[");
		kind_each(type, NULL, render_association, &listing);
		buffer_puts(out, "]");
	}
	buffer_printf(out, ",\"archived\":%s}", type->is_deleted ? "true" : "false");
}

static bool
wants(Request *request, const char *flag)
{
	const char *text = request_query(request, flag);

	return text == NULL || strcmp(text, "false") != 0;
}

static void
reply_schema(Request *request, int status, ObjectType *type)
{
	request->reply.len = 0;
	custom_render(&request->reply, type, wants(request, "includePropertyDefinitions"),
				  wants(request, "includeAssociationDefinitions"));
	reply_json(request, status);
}

void
schemas_list(Request *request)
{
	const char *archived = request_query(request, "archived");
	bool		wanted = archived != NULL && strcmp(archived, "true") == 0;
	bool		first = true;

	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"results\":[");
	for (int i = 0; i < type_count(); i++)
	{
		ObjectType *type = type_at(i);

		if (!type->is_custom || type->is_deleted != wanted || table_find(&kept, type->id) == NULL)
			continue;
		if (!first)
			buffer_puts(&request->reply, ",");
		first = false;
		custom_render(&request->reply, type, wants(request, "includePropertyDefinitions"),
					  wants(request, "includeAssociationDefinitions"));
	}
	buffer_puts(&request->reply, "]}");
	reply_json(request, 200);
}

void
schemas_read(Request *request)
{
	struct json_object *inputs = batch_inputs(request, 100);
	int			count = 0;

	if (inputs == NULL)
		return;
	batch_begin(request);
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		const char *name = json_object_get_string(json_object_array_get_idx(inputs, i));
		ObjectType *type = name ? object_type(name) : NULL;

		if (type == NULL)
			continue;
		if (count++ > 0)
			buffer_puts(&request->reply, ",");
		custom_render(&request->reply, type, wants(request, "includePropertyDefinitions"),
					  wants(request, "includeAssociationDefinitions"));
	}
	batch_end(request, 200, NULL, 0);
}

void
schema_read(Request *request)
{
	reply_schema(request, 200, request->type);
}

void
schema_create(Request *request)
{
	const char *error;
	const char *name = json_text(request->json, "name");
	bool		exists = name != NULL && type_named(name) != NULL;
	ObjectType *type = custom_create(request->json, false, &error);

	if (type == NULL)
		reply_error(request, exists ? 409 : 400, exists ? "OBJECT_ALREADY_EXISTS" : "VALIDATION_ERROR", "%s", error);
	else
		reply_schema(request, 201, type);
}

/* HubSpot's own types cannot be changed here; fills the reply. */
static bool
is_ours(Request *request)
{
	if (request->type->is_custom)
		return true;
	reply_error(request, 400, "VALIDATION_ERROR", "Object type %s is defined by HubSpot", request->type->id);
	return false;
}

void
schema_change(Request *request)
{
	const char *error;

	if (!is_ours(request))
		return;
	error = json_object_is_type(request->json, json_type_object) ? apply_names(request->type, request->json) :
		"a schema is an object";
	if (error != NULL)
		reply_error(request, 400, "VALIDATION_ERROR", "%s", error);
	else
		reply_schema(request, 200, request->type);
}

void
schema_delete(Request *request)
{
	if (!is_ours(request))
		return;
	if (request->type->live_count > 0)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "Object type %s still has records", request->type->id);
		return;
	}
	request->type->is_deleted = true;
	reply_empty(request, 204);
}

void
schema_allow(Request *request)
{
	const char *from = json_text(request->json, "fromObjectTypeId");
	const char *to = json_text(request->json, "toObjectTypeId");
	ObjectType *ends[2] = {from ? object_type(from) : NULL, to ? object_type(to) : NULL};
	Kind	   *kind;

	if (ends[0] == NULL || ends[1] == NULL || (ends[0] != request->type && ends[1] != request->type) ||
		!(ends[0]->is_custom || ends[1]->is_custom))
	{
		reply_error(request, 400, "VALIDATION_ERROR", "fromObjectTypeId and toObjectTypeId name the types of an "
					"association, one of them that of the path");
		return;
	}
	if (kind_default(ends[0], ends[1]) != NULL)
	{
		reply_error(request, 409, "OBJECT_ALREADY_EXISTS", "The association exists");
		return;
	}
	kind = kind_allow(ends[0], ends[1], json_text(request->json, "name"));
	request->reply.len = 0;
	buffer_printf(&request->reply, "{\"id\":\"%d\",\"fromObjectTypeId\":\"%s\",\"toObjectTypeId\":\"%s\",\"name\":",
				  kind->ids[kind->ends[0] != ends[0]], ends[0]->id, ends[1]->id);
	buffer_json(&request->reply, kind->name);
	buffer_puts(&request->reply, "}");
	reply_json(request, 201);
}

typedef struct Search
{
	int			id;
	const ObjectType *type;
	Kind	   *found;
} Search;

static void
find_own(void *state, Kind *kind)
{
	Search	   *search = state;

	for (int side = 0; side < 2; side++)
	{
		if (kind->category == USER_DEFINED && kind->ends[side] == search->type && kind->ids[side] == search->id)
			search->found = kind;
	}
}

void
schema_forbid(Request *request)
{
	Search		search = {.id = atoi(request->args[0]), .type = request->type};

	kind_each(request->type, NULL, find_own, &search);
	if (search.found == NULL)
		reply_not_found(request);
	else
	{
		search.found->is_dropped = true;
		reply_empty(request, 204);
	}
}

/* Which of the types that can be switched are on. */
void
enablement_list(Request *request)
{
	int			count = 0;

	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"enablementByObjectTypeId\":{");
	for (int i = 0; i < type_count(); i++)
	{
		if (type_at(i)->is_switched)
			buffer_printf(&request->reply, "%s\"%s\":%s", count++ ? "," : "", type_at(i)->id,
						  type_is_active(type_at(i)) ? "true" : "false");
	}
	buffer_puts(&request->reply, "}}");
	reply_json(request, 200);
}
