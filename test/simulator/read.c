/*
 * read.c
 *	  Reading records by id or unique value: section 3.2.
 */
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "error.h"
#include "property.h"

#define MAX_INPUTS			100
#define MAX_HISTORY_INPUTS	50
#define MAX_PAGE			100

/* "a,b,c" of a query string as a JSON array, or NULL. */
static struct json_object *
names_of_query(Request *request)
{
	const char *text = request_query(request, "properties");
	struct json_object *names;

	if (text == NULL || *text == '\0')
		return NULL;
	names = json_object_new_array();
	while (*text != '\0')
	{
		size_t		len = strcspn(text, ",");

		json_object_array_add(names, json_object_new_string_len(text, (int) len));
		text += len + (text[len] == ',');
	}
	return names;
}

static bool
wants_archived(Request *request)
{
	const char *archived = request_query(request, "archived");

	return archived != NULL && strcmp(archived, "true") == 0;
}

static Object *
find(Request *request, Property *property, const char *id)
{
	Object	   *object;

	if (property != NULL)
		return store_holder(property, value_key(property, id));
	object = store_any(request->type, id);
	if (object == NULL || object->erased || object->archived != wants_archived(request))
		return NULL;
	return object;
}

static int
by_id(const void *a, const void *b)
{
	uint64_t	left = (*(Object *const *) a)->id;
	uint64_t	right = (*(Object *const *) b)->id;

	return left < right ? -1 : left > right;
}

void
objects_read(Request *request)
{
	struct json_object *inputs = batch_inputs(request, MAX_INPUTS);
	struct json_object *names = NULL;
	struct json_object *history = NULL;
	struct json_object *id_property = NULL;
	Property   *property = NULL;
	Object	  **found;
	const char **missing;
	size_t		count;
	size_t		found_count = 0;
	int			missing_count = 0;
	Buffer		errors = {0};

	if (inputs == NULL)
		return;
	count = json_object_array_length(inputs);
	json_object_object_get_ex(request->json, "properties", &names);
	json_object_object_get_ex(request->json, "propertiesWithHistory", &history);
	json_object_object_get_ex(request->json, "idProperty", &id_property);
	if ((names != NULL && !json_object_is_type(names, json_type_array)) ||
		(history != NULL && !json_object_is_type(history, json_type_array)))
	{
		reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
						   "`java.util.LinkedHashSet` from scalar value");
		return;
	}
	if (history != NULL && json_object_array_length(history) > 0 && count > MAX_HISTORY_INPUTS)
	{
		reply_error(request, 400, "VALIDATION_ERROR",
					"Property history can be read for at most %d records", MAX_HISTORY_INPUTS);
		return;
	}
	/* Of all requests this one alone takes the record id for a property. */
	if (id_property != NULL && strcmp(json_object_get_string(id_property), "hs_object_id") != 0)
	{
		property = batch_id_property(request, json_object_get_string(id_property));
		if (property == NULL)
			return;
	}
	found = scratch_alloc(sizeof(Object *) * (count + 1));
	missing = scratch_alloc(sizeof(char *) * (count + 1));
	for (size_t i = 0; i < count; i++)
	{
		const char *id = json_text(json_object_array_get_idx(inputs, i), "id");
		Object	   *object;

		if (id == NULL)
		{
			reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [id]");
			return;
		}
		object = find(request, property, id);
		if (object != NULL)
			found[found_count++] = object;
		else
			missing[missing_count++] = id;
	}
	qsort(found, found_count, sizeof(Object *), by_id);
	batch_begin(request);
	for (size_t i = 0; i < found_count; i++)
	{
		/* Two addresses of one contact give one result. */
		if (i > 0 && found[i] == found[i - 1])
			continue;
		if (i > 0)
			buffer_puts(&request->reply, ",");
		object_render(&request->reply, found[i], names);
	}
	if (missing_count > 0)
		batch_missing(&errors, request->type, missing, missing_count);
	batch_end(request, 200, &errors, missing_count > 0 ? 1 : 0);
	buffer_free(&errors);
}

void
object_read(Request *request)
{
	const char *id_property = request_query(request, "idProperty");
	Property   *property = NULL;
	struct json_object *names;
	Object	   *object;

	if (id_property != NULL)
	{
		property = batch_id_property(request, id_property);
		if (property == NULL)
			return;
	}
	object = find(request, property, request->args[0]);
	if (object == NULL)
	{
		reply_not_found(request);
		return;
	}
	names = names_of_query(request);
	request->reply.len = 0;
	object_render(&request->reply, object, names);
	reply_json(request, 200);
	json_object_put(names);
}

void
object_page(Request *request)
{
	const char *limit_text = request_query(request, "limit");
	const char *after_text = request_query(request, "after");
	long		limit = limit_text ? strtol(limit_text, NULL, 10) : 10;
	size_t		at = after_text ? strtoul(after_text, NULL, 10) : 0;
	struct json_object *names;
	Buffer	   *out = &request->reply;

	if (limit < 1 || limit > MAX_PAGE)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "limit must be between 1 and %d", MAX_PAGE);
		return;
	}
	names = names_of_query(request);
	out->len = 0;
	buffer_puts(out, "{\"results\":[");
	for (long count = 0; at < request->type->object_count && count < limit; at++)
	{
		Object	   *object = request->type->objects[at];

		if (object->erased || object->archived != wants_archived(request))
			continue;
		if (count++ > 0)
			buffer_puts(out, ",");
		object_render(out, object, names);
	}
	buffer_puts(out, "]");
	if (at < request->type->object_count)
		buffer_printf(out, ",\"paging\":{\"next\":{\"after\":\"%zu\"}}", at);
	buffer_puts(out, "}");
	reply_json(request, 200);
	json_object_put(names);
}
