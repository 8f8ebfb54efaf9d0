/*
 * association_batch.c
 *	  Associations over HTTP: section 3.4.
 *
 * Ids in requests are strings.  In answers they are numbers where the types of
 * an association were named, as recorded, and strings in the default form.
 */
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "api.h"
#include "association.h"
#include "error.h"

#define MAX_WRITES		2000
#define MAX_READS		1000
#define MAX_ARCHIVES	100

/* The id in {"from": {"id": ".."}}; NULL when it is not there. */
static const char *
end_id(struct json_object *input, const char *name)
{
	struct json_object *end;

	return json_object_object_get_ex(input, name, &end) ? json_text(end, "id") : NULL;
}

static bool
two_kinds(Request *request)
{
	if (request->type != request->other && (request->type == contacts || request->type == companies) &&
		(request->other == contacts || request->other == companies))
		return true;
	reply_error(request, 400, "VALIDATION_ERROR", "Associations of %s with %s are not supported",
				request->type->name, request->other->name);
	return false;
}

static bool
is_number(const char *id)
{
	return *id != '\0' && strspn(id, "0123456789") == strlen(id);
}

static void
separate(Buffer *out, int *count)
{
	if ((*count)++ > 0)
		buffer_puts(out, ",");
}

/* Only an id that is no number is named by its error. */
static void
missing_end(Buffer *errors, const ObjectType *type, const char *id)
{
	if (!is_number(id))
	{
		buffer_puts(errors, "{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\","
					"\"subCategory\":\"crm.associations.INVALID_IDENTIFIER\",\"message\":");
		buffer_json(errors, scratch_printf("%s is not a valid ID", id));
		buffer_puts(errors, ",\"context\":{\"id\":[");
		buffer_json(errors, id);
		buffer_puts(errors, "]}}");
		return;
	}
	buffer_puts(errors, "{\"status\":\"error\",\"category\":\"OBJECT_NOT_FOUND\",\"message\":");
	buffer_json(errors, scratch_printf("No %s with ID %s exists", type->upper, id));
	buffer_puts(errors, "}");
}

static void
render_pair(Request *request, const Pair *pair)
{
	const Object *from = request->type == contacts ? pair->contact : pair->company;
	const Object *to = from == pair->contact ? pair->company : pair->contact;

	buffer_printf(&request->reply, "{\"fromObjectTypeId\":\"%s\",\"fromObjectId\":%llu,"
				  "\"toObjectTypeId\":\"%s\",\"toObjectId\":%llu,\"labels\":[",
				  from->type->id, (unsigned long long) from->id,
				  to->type->id, (unsigned long long) to->id);
	for (int i = 0; i < pair->label_count; i++)
		buffer_printf(&request->reply, "%s\"%d\"", i ? "," : "", pair->labels[i]);
	buffer_puts(&request->reply, "]}");
}

static void
render_direction(Request *request, const Object *from, const Object *to, int *count)
{
	separate(&request->reply, count);
	buffer_printf(&request->reply, "{\"from\":{\"id\":\"%llu\"},\"to\":{\"id\":\"%llu\"},"
				  "\"associationSpec\":{\"associationCategory\":\"HUBSPOT_DEFINED\","
				  "\"associationTypeId\":%d}}",
				  (unsigned long long) from->id, (unsigned long long) to->id,
				  from->type == contacts ? CONTACT_DEFAULT : COMPANY_DEFAULT);
}

/* In the default form a pair is told by a result for each direction, the opposite one first. */
static void
render_default(Request *request, const Pair *pair, int *count)
{
	const Object *from = request->type == contacts ? pair->contact : pair->company;
	const Object *to = from == pair->contact ? pair->company : pair->contact;
	bool		both = !answer_is(ANSWER_ONE_DIRECTION);

	if (both && !answer_is(ANSWER_FORWARD_FIRST))
		render_direction(request, to, from, count);
	render_direction(request, from, to, count);
	if (both && answer_is(ANSWER_FORWARD_FIRST))
		render_direction(request, to, from, count);
}

/* Shape, number of inputs and repeated pairs; fills the reply when false. */
static bool
check_inputs(Request *request, struct json_object *inputs)
{
	Table		seen = {0};
	bool		good = true;

	for (size_t i = 0; good && i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		const char *from = end_id(input, "from");
		const char *to = end_id(input, "to");

		if (from == NULL || to == NULL)
		{
			reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [%s]",
							   from == NULL ? "from" : "to");
			good = false;
		}
		else if (table_set(&seen, scratch_printf("%s\037%s", from, to), request) != NULL)
		{
			reply_error(request, 400, "VALIDATION_ERROR",
						"Duplicate associations found in batch input: [%s, %s]", from, to);
			good = false;
		}
	}
	table_clear(&seen);
	return good;
}

static void
write_pairs(Request *request, bool typed)
{
	struct json_object *inputs;
	Buffer		errors = {0};
	int			error_count = 0;
	int			count = 0;

	if (!two_kinds(request))
		return;
	inputs = batch_inputs(request, MAX_WRITES);
	if (inputs == NULL || !check_inputs(request, inputs))
		return;
	batch_begin(request);
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		Object	   *from = store_by_id(request->type, end_id(input, "from"));
		Object	   *to = store_by_id(request->other, end_id(input, "to"));
		struct json_object *json = NULL;
		Types		types = {0};
		const char *fault = NULL;
		Pair	   *pair;

		json_object_object_get_ex(input, "types", &json);
		if (from == NULL || to == NULL)
		{
			separate(&errors, &error_count);
			missing_end(&errors, from == NULL ? request->type : request->other,
						end_id(input, from == NULL ? "from" : "to"));
			continue;
		}
		if (typed)
			fault = types_read(json, request->type, &types);
		if (fault != NULL)
		{
			separate(&errors, &error_count);
			buffer_puts(&errors, "{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":");
			buffer_json(&errors, fault);
			buffer_puts(&errors, "}");
			continue;
		}
		pair = pair_find(from, to, true);
		if (typed)
			pair_apply(pair, &types);
		pair_log(request, "associate", pair);
		if (typed)
		{
			separate(&request->reply, &count);
			render_pair(request, pair);
		}
		else
			render_default(request, pair, &count);
	}
	batch_end(request, typed ? 201 : 200, &errors, error_count);
	/* The default form reports its errors inside a success. */
	if (!typed)
		request->status = 200;
	buffer_free(&errors);
}

void
associations_default(Request *request)
{
	write_pairs(request, false);
}

void
associations_create(Request *request)
{
	write_pairs(request, true);
}

void
association_put(Request *request)
{
	Object	   *from = store_by_id(request->type, request->args[0]);
	Object	   *to = store_by_id(request->other, request->args[1]);
	Pair	   *pair;
	int			count = 0;

	if (!two_kinds(request))
		return;
	request->records = 1;
	if (from == NULL || to == NULL)
	{
		reply_not_found(request);
		return;
	}
	pair = pair_find(from, to, true);
	pair_log(request, "associate", pair);
	batch_begin(request);
	render_default(request, pair, &count);
	batch_end(request, 200, NULL, 0);
}

static void
render_types(Buffer *out, const Pair *pair, bool from_contact)
{
	buffer_printf(out, "[{\"category\":\"HUBSPOT_DEFINED\",\"typeId\":%d,\"label\":null}",
				  from_contact ? CONTACT_DEFAULT : COMPANY_DEFAULT);
	if (pair->primary)
		buffer_printf(out, ",{\"category\":\"HUBSPOT_DEFINED\",\"typeId\":%d,\"label\":\"Primary\"}",
					  from_contact ? CONTACT_PRIMARY : COMPANY_PRIMARY);
	for (int i = 0; i < pair->label_count; i++)
		buffer_printf(out, ",{\"category\":\"USER_DEFINED\",\"typeId\":%d,\"label\":\"%d\"}",
					  pair->labels[i], pair->labels[i]);
	buffer_puts(out, "]");
}

void
associations_read(Request *request)
{
	struct json_object *inputs;
	bool		from_contact = request->type == contacts;
	Buffer	   *out = &request->reply;
	Buffer		errors = {0};
	int			error_count = 0;
	int			count = 0;

	if (!two_kinds(request))
		return;
	inputs = batch_inputs(request, MAX_READS);
	if (inputs == NULL)
		return;
	batch_begin(request);
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		const char *id = json_text(json_object_array_get_idx(inputs, i), "id");
		Object	   *from = id ? store_by_id(request->type, id) : NULL;
		Links	   *list = from ? links_of(from) : NULL;

		if (id == NULL)
		{
			buffer_free(&errors);
			reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [id]");
			return;
		}
		if (list == NULL || list->count == 0)
		{
			separate(&errors, &error_count);
			buffer_puts(&errors, "{\"status\":\"error\",\"category\":\"OBJECT_NOT_FOUND\","
						"\"subCategory\":\"crm.associations.NO_ASSOCIATIONS_FOUND\",\"message\":");
			buffer_json(&errors, scratch_printf("No %s is associated with %s %s.",
												request->other->singular, request->type->singular, id));
			buffer_puts(&errors, ",\"context\":{\"fromObjectId\":[");
			buffer_json(&errors, id);
			buffer_puts(&errors, "]}}");
			continue;
		}
		separate(out, &count);
		buffer_printf(out, "{\"from\":{\"id\":\"%llu\"},\"to\":[", (unsigned long long) from->id);
		for (size_t at = 0; at < list->count; at++)
		{
			const Pair *pair = list->pairs[at];

			buffer_printf(out, "%s{\"toObjectId\":%llu,\"associationTypes\":", at ? "," : "",
						  (unsigned long long) (from_contact ? pair->company : pair->contact)->id);
			render_types(out, pair, from_contact);
			buffer_puts(out, "}");
		}
		buffer_puts(out, "]}");
	}
	batch_end(request, 200, &errors, error_count);
	buffer_free(&errors);
}

/* The old version has nothing to say, the dated ones an empty batch. */
static void
reply_archived(Request *request, const Buffer *errors, int error_count)
{
	if (strcmp(request->version, "v4") == 0 && error_count == 0)
	{
		reply_empty(request, 204);
		return;
	}
	batch_begin(request);
	batch_end(request, 200, errors, error_count);
}

void
associations_archive(Request *request)
{
	struct json_object *inputs;
	Buffer		errors = {0};
	int			error_count = 0;

	if (!two_kinds(request))
		return;
	inputs = batch_inputs(request, MAX_ARCHIVES);
	if (inputs == NULL)
		return;
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		struct json_object *to;

		if (end_id(input, "from") == NULL || !json_object_object_get_ex(input, "to", &to) ||
			!json_object_is_type(to, json_type_array))
		{
			reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [from, to]");
			return;
		}
	}
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		Object	   *from = store_by_id(request->type, end_id(input, "from"));
		struct json_object *list;

		json_object_object_get_ex(input, "to", &list);
		for (size_t at = 0; from != NULL && at < json_object_array_length(list); at++)
		{
			const char *id = json_text(json_object_array_get_idx(list, at), "id");
			Object	   *to = id ? store_by_id(request->other, id) : NULL;
			Pair	   *pair = to ? pair_find(from, to, false) : NULL;

			if (pair != NULL)
			{
				pair_log(request, "dissociate", pair);
				pair_remove(pair);
			}
			else if (id != NULL && answer_is(ANSWER_ABSENT_ERRORS))
			{
				separate(&errors, &error_count);
				missing_end(&errors, request->other, id);
			}
		}
		if (from == NULL && answer_is(ANSWER_ABSENT_ERRORS))
		{
			separate(&errors, &error_count);
			missing_end(&errors, request->type, end_id(input, "from"));
		}
	}
	reply_archived(request, &errors, error_count);
	buffer_free(&errors);
}

static void
unlabel(Pair *pair, const Types *types)
{
	if (types->primary)
		pair->primary = false;
	for (int i = 0; i < types->label_count; i++)
	{
		for (int at = pair->label_count - 1; at >= 0; at--)
		{
			if (pair->labels[at] == types->labels[i])
				pair->labels[at] = pair->labels[--pair->label_count];
		}
	}
}

void
associations_unlabel(Request *request)
{
	struct json_object *inputs;

	if (!two_kinds(request))
		return;
	inputs = batch_inputs(request, MAX_WRITES);
	if (inputs == NULL || !check_inputs(request, inputs))
		return;
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		Object	   *from = store_by_id(request->type, end_id(input, "from"));
		Object	   *to = store_by_id(request->other, end_id(input, "to"));
		Pair	   *pair = from && to ? pair_find(from, to, false) : NULL;
		struct json_object *json = NULL;
		Types		types = {0};

		json_object_object_get_ex(input, "types", &json);
		if (pair == NULL || types_read(json, request->type, &types) != NULL)
			continue;
		/* Without the default type nothing of the pair is left. */
		pair_log(request, types.plain ? "dissociate" : "unlabel", pair);
		if (types.plain)
			pair_remove(pair);
		else
			unlabel(pair, &types);
	}
	reply_archived(request, NULL, 0);
}
