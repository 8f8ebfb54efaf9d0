/*
 * batch.c
 *	  What the batch operations share; see api.h.
 */
#include <json-c/json.h>
#include <string.h>

#include "api.h"
#include "association.h"
#include "config.h"
#include "error.h"
#include "property.h"
#include "reading.h"

const char *
json_text(struct json_object *object, const char *name)
{
	struct json_object *member;

	if (!json_object_object_get_ex(object, name, &member) ||
		!json_object_is_type(member, json_type_string))
		return NULL;
	return json_object_get_string(member);
}

static int64_t
started_ms(const Request *request)
{
	return request->arrived_us / 1000;
}

void
batch_begin(Request *request)
{
	Buffer	   *out = &request->reply;

	out->len = 0;
	buffer_puts(out, "{\"status\":\"COMPLETE\",\"results\":[");
}

void
batch_end(Request *request, int status, const Buffer *errors, int error_count)
{
	Buffer	   *out = &request->reply;

	buffer_puts(out, "]");
	if (error_count > 0)
	{
		buffer_printf(out, ",\"numErrors\":%d,\"errors\":[", error_count);
		buffer_add(out, errors->data, errors->len);
		buffer_puts(out, "]");
	}
	buffer_puts(out, ",\"startedAt\":\"");
	buffer_time(out, started_ms(request));
	buffer_puts(out, "\",\"completedAt\":\"");
	buffer_time(out, now_ms());
	buffer_puts(out, "\"}");
	reply_json(request, error_count > 0 ? 207 : status);
}

struct json_object *
batch_inputs(Request *request, int limit)
{
	struct json_object *inputs;
	size_t		count;

	if (!json_object_is_type(request->json, json_type_object))
	{
		reply_invalid_json(request, "on line 1, column 1: Cannot deserialize value of type "
						   "`com.hubspot.inbounddb.publicobject.core.v2.BatchInput$Json` from %s value",
						   json_object_is_type(request->json, json_type_array) ? "Array" : "scalar");
		return NULL;
	}
	if (!json_object_object_get_ex(request->json, "inputs", &inputs))
	{
		/* Recorded: a body without inputs is a success that does nothing. */
		batch_begin(request);
		batch_end(request, 200, NULL, 0);
		return NULL;
	}
	if (!json_object_is_type(inputs, json_type_array))
	{
		reply_invalid_json(request, "on line 1, column 11: Cannot deserialize value of type "
						   "`java.util.ArrayList` from %s value", json_type_to_name(json_object_get_type(inputs)));
		return NULL;
	}
	count = json_object_array_length(inputs);
	request->records = (int) count;
	if (count > (size_t) limit)
	{
		reply_error(request, 400, "VALIDATION_ERROR",
					"The batch has %zu inputs; the maximum is %d", count, limit);
		return NULL;
	}
	return inputs;
}

void
batch_missing(Buffer *errors, const ObjectType *type, const char *const *ids, int count)
{
	buffer_printf(errors, "{\"status\":\"error\",\"category\":\"OBJECT_NOT_FOUND\",\"message\":"
				  "\"Could not get some %s objects, they may be deleted or not exist. "
				  "Check that ids are valid.\",\"context\":{\"ids\":[", type->upper);
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_puts(errors, ",");
		buffer_json(errors, ids[i]);
	}
	buffer_puts(errors, "]}}");
}

Property *
batch_id_property(Request *request, const char *name)
{
	Property   *property = property_find(request->type, name);

	if (property != NULL && property->unique &&
		(property->role != ROLE_SKU || reading_is(READING_UNIQUE_SKU)))
		return property;
	reply_error(request, 400, "VALIDATION_ERROR",
				"Unable to perform update/upsert by non-unique %s property %s in portal ID %lld",
				request->type->id, name, (long long) config.portal_id);
	return NULL;
}

Object *
contact_of_address(const char *address, bool *created)
{
	Object	   *contact = store_holder(contacts->email, address);

	*created = contact == NULL;
	if (contact == NULL)
	{
		contact = store_create(contacts, now_ms());
		object_set(contact, contacts->email, address);
	}
	return contact;
}

static void
render_property(Buffer *out, const Object *object, const char *name, bool *first)
{
	const Property *property = property_find(object->type, name);
	bool		is_company = object->type == contacts && strcmp(name, "associatedcompanyid") == 0;
	const char *value;

	/* An unknown name is left out silently. */
	if (property == NULL && !is_company)
		return;
	value = is_company ? association_primary(object) : object_value(object, property);
	if (!*first)
		buffer_puts(out, ",");
	*first = false;
	buffer_json(out, name);
	buffer_puts(out, ":");
	if (value != NULL)
		buffer_json(out, value);
	else
		buffer_puts(out, "null");
}

void
object_render_tail(Buffer *out, const Object *object)
{
	buffer_puts(out, ",\"createdAt\":\"");
	buffer_time(out, object->created_ms);
	buffer_puts(out, "\",\"updatedAt\":\"");
	buffer_time(out, object->updated_ms);
	buffer_puts(out, object->archived ? "\",\"archived\":true,\"url\":\"" :
				"\",\"archived\":false,\"url\":\"");
	buffer_puts(out, "https://app.hubspot.com/contacts/");
	buffer_u64(out, (uint64_t) config.portal_id);
	buffer_puts(out, "/record/");
	buffer_puts(out, object->type->id);
	buffer_puts(out, "/");
	buffer_u64(out, object->id);
	buffer_puts(out, "\"");
}

void
object_render(Buffer *out, const Object *object, struct json_object *names)
{
	/* These are always there; whoever asks for them gets them once. */
	const char *always[] = {object->type->created_name, "hs_object_id", object->type->modified_name};
	Table		seen = {0};
	bool		first = true;

	buffer_puts(out, "{\"id\":\"");
	buffer_u64(out, object->id);
	buffer_puts(out, "\",\"properties\":{");
	for (size_t i = 0; i < 3; i++)
		render_property(out, object, always[i], &first);
	if (names == NULL || json_object_array_length(names) == 0)
	{
		for (int i = 0; i < object->type->shown_count; i++)
			render_property(out, object, object->type->shown[i], &first);
	}
	else
	{
		for (size_t i = 0; i < 3; i++)
			table_set(&seen, always[i], out);
		for (size_t i = 0; i < json_object_array_length(names); i++)
		{
			const char *name = json_object_get_string(json_object_array_get_idx(names, i));

			if (name != NULL && table_set(&seen, name, out) == NULL)
				render_property(out, object, name, &first);
		}
		table_clear(&seen);
	}
	buffer_puts(out, "}");
	object_render_tail(out, object);
	buffer_puts(out, "}");
}
