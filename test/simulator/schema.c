/*
 * schema.c
 *	  Property definitions and their groups over HTTP: section 3.5.
 */
#include <string.h>

#include "api.h"
#include "error.h"
#include "property.h"

#define MAX_INPUTS	100

void
properties_list(Request *request)
{
	const char *archived = request_query(request, "archived");
	const char *sensitivity = request_query(request, "dataSensitivity");
	bool		wanted = archived != NULL && strcmp(archived, "true") == 0;
	Buffer	   *out = &request->reply;
	bool		first = true;

	out->len = 0;
	buffer_puts(out, "{\"results\":[");
	for (int i = 0; i < request->type->property_count; i++)
	{
		Property   *property = request->type->property_list[i];

		if (property->archived != wanted ||
			(sensitivity != NULL && strcmp(sensitivity, "non_sensitive") != 0))
			continue;
		if (!first)
			buffer_puts(out, ",");
		first = false;
		property_render(out, property);
	}
	buffer_puts(out, "]}");
	reply_json(request, 200);
}

void
property_read(Request *request)
{
	Property   *property = property_find(request->type, request->args[0]);

	if (property == NULL)
	{
		reply_not_found(request);
		return;
	}
	request->reply.len = 0;
	property_render(&request->reply, property);
	reply_json(request, 200);
}

void
property_add_one(Request *request)
{
	int			status;
	const char *category;
	const char *message;
	Property   *property = property_create(request->type, request->json, &status, &category, &message);

	request->records = 1;
	if (property == NULL)
	{
		reply_error(request, status, category, "%s", message);
		return;
	}
	request->reply.len = 0;
	property_render(&request->reply, property);
	reply_json(request, 201);
}

void
property_add_many(Request *request)
{
	struct json_object *inputs = batch_inputs(request, MAX_INPUTS);
	Buffer		errors = {0};
	int			error_count = 0;
	bool		first = true;

	if (inputs == NULL)
		return;
	batch_begin(request);
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		const char *name = json_text(input, "name");
		int			status;
		const char *category;
		const char *message;
		Property   *property = property_create(request->type, input, &status, &category, &message);

		if (property != NULL)
		{
			if (!first)
				buffer_puts(&request->reply, ",");
			first = false;
			property_render(&request->reply, property);
			continue;
		}
		if (error_count++ > 0)
			buffer_puts(&errors, ",");
		buffer_printf(&errors, "{\"status\":\"error\",\"category\":\"%s\",%s\"message\":", category,
					  status == 409 ? "\"subCategory\":\"Properties.PROPERTY_WITH_NAME_EXISTS\"," : "");
		buffer_json(&errors, message);
		buffer_puts(&errors, ",\"context\":{\"name\":[");
		buffer_json(&errors, name ? name : "");
		buffer_puts(&errors, "]}}");
	}
	/* The newest version answers 200 where the others say 201. */
	batch_end(request, strcmp(request->version, "2026-09") == 0 ? 200 : 201, &errors, error_count);
	buffer_free(&errors);
}

void
property_archive(Request *request)
{
	Property   *property = property_find(request->type, request->args[0]);

	if (property == NULL)
		reply_not_found(request);
	else if (property->standard)
		reply_error(request, 400, "VALIDATION_ERROR", "Property %s cannot be archived", property->name);
	else
	{
		property->archived = true;
		reply_empty(request, 204);
	}
}

static void
render_group(Buffer *out, const char *name, const char *label)
{
	buffer_puts(out, "{\"name\":");
	buffer_json(out, name);
	buffer_puts(out, ",\"label\":");
	buffer_json(out, label);
	buffer_puts(out, ",\"displayOrder\":-1,\"archived\":false}");
}

void
groups_list(Request *request)
{
	const Table *groups = &request->type->groups;
	Buffer	   *out = &request->reply;
	bool		first = true;

	out->len = 0;
	buffer_puts(out, "{\"results\":[");
	for (size_t i = 0; i < groups->size; i++)
	{
		const TableEntry *entry = &groups->slots[i];

		if (entry->key == NULL)
			continue;
		if (!first)
			buffer_puts(out, ",");
		first = false;
		render_group(out, scratch_strndup(entry->key, entry->len), entry->value);
	}
	buffer_puts(out, "]}");
	reply_json(request, 200);
}

void
group_add(Request *request)
{
	const char *name = json_text(request->json, "name");
	const char *label = json_text(request->json, "label");

	if (name == NULL || label == NULL)
		reply_error(request, 400, "VALIDATION_ERROR", "Some required fields were not set: [%s]",
					name == NULL ? "name" : "label");
	else if (table_find(&request->type->groups, name) != NULL)
		reply_error(request, 409, "OBJECT_ALREADY_EXISTS", "A property group named '%s' already exists.", name);
	else
	{
		table_set(&request->type->groups, name, must_strdup(label));
		request->reply.len = 0;
		render_group(&request->reply, name, label);
		reply_json(request, 201);
	}
}
