/*
 * archive.c
 *	  Deleting: archive by record id, erase under the GDPR; section 3.10.
 */
#include "archive.h"

#include <string.h>

#include "api.h"
#include "association.h"
#include "error.h"
#include "journal.h"
#include "property.h"

#define MAX_INPUTS	100

static void
log_removal(Request *request, const ObjectType *type, const char *op, const char *id, const char *key)
{
	Buffer	   *line = journal_begin(request, op, type->name);

	if (line == NULL)
		return;
	buffer_puts(line, ",\"id\":");
	if (id != NULL)
		buffer_json(line, id);
	else
		buffer_puts(line, "null");
	buffer_puts(line, ",\"key\":");
	buffer_json(line, key);
	journal_end(line);
}

/* A quote takes its line items along. */
static void
archive_items(Request *request, const Object *quote)
{
	for (size_t left = quote->links ? quote->links->count : 0; left > 0; left--)
	{
		Object	   *item = pair_other(quote->links->pairs[left - 1], quote);

		if (strcmp(item->type->name, "line_items") == 0)
			archive_record(request, item);
	}
}

void
archive_record(Request *request, Object *object)
{
	const char *id = scratch_printf("%llu", (unsigned long long) object->id);

	if (strcmp(object->type->name, "quotes") == 0)
		archive_items(request, object);
	association_forget(object);
	store_archive(object);
	log_removal(request, object->type, "archive", id, id);
}

/* An unknown id is no fault. */
static void
archive_one(Request *request, const char *id)
{
	Object	   *object = store_by_id(request->type, id);

	if (object != NULL)
		archive_record(request, object);
}

void
objects_archive(Request *request)
{
	struct json_object *inputs = batch_inputs(request, MAX_INPUTS);
	size_t		count;

	if (inputs == NULL)
		return;
	count = json_object_array_length(inputs);
	for (size_t i = 0; i < count; i++)
	{
		if (json_text(json_object_array_get_idx(inputs, i), "id") == NULL)
		{
			reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [id]");
			return;
		}
	}
	for (size_t i = 0; i < count; i++)
		archive_one(request, json_text(json_object_array_get_idx(inputs, i), "id"));
	reply_empty(request, 204);
}

void
object_archive(Request *request)
{
	request->records = 1;
	archive_one(request, request->args[0]);
	reply_empty(request, 204);
}

void
object_erase(Request *request)
{
	const char *id = json_text(request->json, "objectId");
	const char *id_property = json_text(request->json, "idProperty");
	Property   *property = NULL;
	Object	   *object;
	const char *address;

	if (request->type != contacts)
	{
		reply_no_such_path(request);
		return;
	}
	if (id == NULL)
	{
		reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [objectId]");
		return;
	}
	if (id_property != NULL)
	{
		property = batch_id_property(request, id_property);
		if (property == NULL)
			return;
	}
	request->records = 1;
	object = property ? store_holder(property, value_key(property, id)) :
		store_any(request->type, id);
	if (object == NULL || object->erased)
	{
		if (property == NULL)
		{
			reply_not_found(request);
			return;
		}
		/* HubSpot blocks an address it does not know. */
		if (property->role == ROLE_EMAIL)
			table_set(&contacts->blocked, value_key(property, id), contacts);
		log_removal(request, request->type, "gdpr", NULL, id);
		reply_empty(request, 204);
		return;
	}
	address = object_value(object, contacts->email);
	if (address != NULL)
		table_set(&contacts->blocked, address, contacts);
	association_forget(object);
	store_erase(object);
	log_removal(request, request->type, "gdpr", scratch_printf("%llu", (unsigned long long) object->id), id);
	reply_empty(request, 204);
}
