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
#define MAX_PAGE		500

/* The id in {"from": {"id": ".."}}; NULL when it is not there. */
static const char *
end_id(struct json_object *input, const char *name)
{
	struct json_object *end;

	return json_object_object_get_ex(input, name, &end) ? json_text(end, "id") : NULL;
}

/* Can the two types be associated?  Fills the reply when not. */
static bool
may_associate(Request *request)
{
	if (kind_default(request->type, request->other) != NULL)
		return true;
	reply_error(request, 400, "VALIDATION_ERROR", "No association is defined between %s and %s",
				request->type->upper, request->other->upper);
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
render_pair(Request *request, const Pair *pair, const Object *from)
{
	const Object *to = pair_other(pair, from);
	Buffer	   *out = &request->reply;
	int			count = 0;

	buffer_printf(out, "{\"fromObjectTypeId\":\"%s\",\"fromObjectId\":%llu,"
				  "\"toObjectTypeId\":\"%s\",\"toObjectId\":%llu,\"labels\":[",
				  from->type->id, (unsigned long long) from->id,
				  to->type->id, (unsigned long long) to->id);
	for (int i = 0; i < pair->mark_count; i++)
	{
		if (pair->marks[i].kind->category == HUBSPOT_DEFINED || mark_label(pair, i, from) == NULL)
			continue;
		separate(out, &count);
		buffer_json(out, mark_label(pair, i, from));
	}
	buffer_puts(out, "]}");
}

static void
render_direction(Request *request, const Object *from, const Object *to, int *count)
{
	const Kind *kind = kind_default(from->type, to->type);

	separate(&request->reply, count);
	buffer_printf(&request->reply, "{\"from\":{\"id\":\"%llu\"},\"to\":{\"id\":\"%llu\"},"
				  "\"associationSpec\":{\"associationCategory\":\"%s\","
				  "\"associationTypeId\":%d}}",
				  (unsigned long long) from->id, (unsigned long long) to->id,
				  category_name(kind->category), kind->ids[kind->ends[0] != from->type]);
}

/* In the default form a pair is told by a result for each direction, the opposite one first. */
static void
render_default(Request *request, const Object *from, const Object *to, int *count)
{
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
render_fault(Buffer *errors, Request *request, const char *fault, const Types *types)
{
	buffer_puts(errors, "{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",");
	if (types->wrong != NULL)
		buffer_puts(errors, "\"subCategory\":\"crm.associations.INVALID_ASSOCIATION_TYPE\",");
	buffer_puts(errors, "\"message\":");
	buffer_json(errors, fault);
	if (types->wrong != NULL)
		buffer_printf(errors, ",\"context\":{\"type\":[\"%s\"],\"fromObjectType\":[\"%s\"],"
					  "\"toObjectType\":[\"%s\"]}", types->wrong, request->type->upper, request->other->upper);
	buffer_puts(errors, "}");
}

/* What forbids a pair of two records that are there, or NULL. */
static const char *
pair_fault(Object *from, Object *to)
{
	if (from == to)
		return scratch_printf("Object %llu cannot be associated to itself (%llu)",
							  (unsigned long long) from->id, (unsigned long long) from->id);
	if (pair_find(from, to, false) == NULL &&
		(pair_beyond_limit(from, to->type) || pair_beyond_limit(to, from->type)))
		return scratch_printf("The limit of associations between %s and %s is reached",
							  from->type->upper, to->type->upper);
	return NULL;
}

static void
write_pairs(Request *request, bool typed)
{
	struct json_object *inputs;
	Buffer		errors = {0};
	int			error_count = 0;
	int			count = 0;

	if (!may_associate(request))
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
		const char *fault;
		Pair	   *pair;

		if (from == NULL || to == NULL)
		{
			separate(&errors, &error_count);
			missing_end(&errors, from == NULL ? request->type : request->other,
						end_id(input, from == NULL ? "from" : "to"));
			continue;
		}
		json_object_object_get_ex(input, "types", &json);
		fault = pair_fault(from, to);
		if (fault == NULL && typed)
			fault = types_read(json, request->type, request->other, &types);
		if (fault != NULL)
		{
			separate(&errors, &error_count);
			render_fault(&errors, request, fault, &types);
			continue;
		}
		pair = pair_find(from, to, true);
		if (typed)
			pair_apply(pair, from, &types);
		else
			pair_apply_default(pair);
		pair_log(request, "associate", pair);
		if (typed)
		{
			separate(&request->reply, &count);
			render_pair(request, pair, from);
		}
		else
			render_default(request, from, to, &count);
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

/* The records of a path with a single pair; false after filling the reply. */
static bool
ends_of_path(Request *request, Object **from, Object **to)
{
	request->records = 1;
	if (!may_associate(request))
		return false;
	*from = store_by_id(request->type, request->args[0]);
	*to = store_by_id(request->other, request->args[1]);
	if (*from != NULL && *to != NULL)
		return true;
	reply_not_found(request);
	return false;
}

static void
reply_fault(Request *request, const char *fault, const Types *types)
{
	reply_error(request, 400, "VALIDATION_ERROR", "%s", fault);
	if (types->wrong == NULL)
		return;
	request->reply.len--;
	buffer_printf(&request->reply, ",\"subCategory\":\"crm.associations.INVALID_ASSOCIATION_TYPE\","
				  "\"context\":{\"type\":[\"%s\"],\"fromObjectType\":[\"%s\"],\"toObjectType\":[\"%s\"]}}",
				  types->wrong, request->type->upper, request->other->upper);
}

void
association_put(Request *request)
{
	Types		types = {0};
	Object	   *from;
	Object	   *to;
	Pair	   *pair;
	int			count = 0;

	if (!ends_of_path(request, &from, &to))
		return;
	if (pair_fault(from, to) != NULL)
	{
		reply_fault(request, pair_fault(from, to), &types);
		return;
	}
	pair = pair_find(from, to, true);
	pair_apply_default(pair);
	pair_log(request, "associate", pair);
	batch_begin(request);
	render_default(request, from, to, &count);
	batch_end(request, 200, NULL, 0);
}

void
association_label(Request *request)
{
	Types		types = {0};
	Object	   *from;
	Object	   *to;
	Pair	   *pair;
	const char *fault;

	if (!ends_of_path(request, &from, &to))
		return;
	fault = pair_fault(from, to);
	if (fault == NULL)
		fault = types_read(request->json, request->type, request->other, &types);
	if (fault != NULL)
	{
		reply_fault(request, fault, &types);
		return;
	}
	pair = pair_find(from, to, true);
	pair_apply(pair, from, &types);
	pair_log(request, "associate", pair);
	request->reply.len = 0;
	render_pair(request, pair, from);
	reply_json(request, 201);
}

void
association_delete(Request *request)
{
	Object	   *from = store_by_id(request->type, request->args[0]);
	Object	   *to = store_by_id(request->other, request->args[1]);
	Pair	   *pair = from && to ? pair_find(from, to, false) : NULL;

	request->records = 1;
	if (pair == NULL && answer_is(ANSWER_ABSENT_ERRORS))
	{
		reply_not_found(request);
		return;
	}
	if (pair != NULL)
	{
		pair_log(request, "dissociate", pair);
		pair_end(request, pair);
	}
	reply_empty(request, 204);
}

static void
render_type(Buffer *out, Category category, int id, const char *label, int *count)
{
	separate(out, count);
	buffer_printf(out, "{\"category\":\"%s\",\"typeId\":%d,\"label\":", category_name(category), id);
	if (label != NULL)
		buffer_json(out, label);
	else
		buffer_puts(out, "null");
	buffer_puts(out, "}");
}

/* Their order is not stable: of every other pair the unlabelled one comes last. */
static void
render_types(Buffer *out, const Pair *pair, const Object *from)
{
	const Object *to = pair_other(pair, from);
	const Kind *kind = kind_default(from->type, to->type);
	int			id = kind->ids[kind->ends[0] != from->type];
	bool		is_last = ((from->id + to->id) & 1) != 0;
	int			count = 0;

	buffer_puts(out, "[");
	if (!is_last)
		render_type(out, kind->category, id, NULL, &count);
	for (int i = 0; i < pair->mark_count; i++)
	{
		if (mark_id(pair, i, from) != 0)
			render_type(out, pair->marks[i].kind->category, mark_id(pair, i, from),
						mark_label(pair, i, from), &count);
	}
	if (is_last)
		render_type(out, kind->category, id, NULL, &count);
	buffer_puts(out, "]");
}

/* The records of a type that belong to one, a page of them; returns how many that are. */
static int
render_partners(Buffer *out, const Object *from, const ObjectType *type, const char *after)
{
	Links	   *list = from->links;
	size_t		at = after ? strtoul(after, NULL, 10) : 0;
	int			count = 0;

	for (; list != NULL && at < list->count && count < MAX_PAGE; at++)
	{
		const Object *to = pair_other(list->pairs[at], from);

		if (to->type != type)
			continue;
		separate(out, &count);
		buffer_printf(out, "{\"toObjectId\":%llu,\"associationTypes\":", (unsigned long long) to->id);
		render_types(out, list->pairs[at], from);
		buffer_puts(out, "}");
	}
	while (list != NULL && at < list->count && pair_other(list->pairs[at], from)->type != type)
		at++;
	buffer_puts(out, "]");
	if (list != NULL && at < list->count)
		buffer_printf(out, ",\"paging\":{\"next\":{\"after\":\"%zu\"}}", at);
	return count;
}

void
association_page(Request *request)
{
	Object	   *from = store_by_id(request->type, request->args[0]);

	if (from == NULL)
	{
		reply_not_found(request);
		return;
	}
	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"results\":[");
	render_partners(&request->reply, from, request->other, request_query(request, "after"));
	buffer_puts(&request->reply, "}");
	reply_json(request, 200);
}

static bool
has_partner(const Object *from, const ObjectType *type)
{
	for (size_t i = 0; from->links != NULL && i < from->links->count; i++)
	{
		if (pair_other(from->links->pairs[i], from)->type == type)
			return true;
	}
	return false;
}

void
associations_read(Request *request)
{
	struct json_object *inputs;
	Buffer	   *out = &request->reply;
	Buffer		errors = {0};
	int			error_count = 0;
	int			count = 0;

	if (!may_associate(request))
		return;
	inputs = batch_inputs(request, MAX_READS);
	if (inputs == NULL)
		return;
	batch_begin(request);
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		const char *id = json_text(input, "id");
		Object	   *from = id ? store_by_id(request->type, id) : NULL;

		if (id == NULL)
		{
			buffer_free(&errors);
			reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [id]");
			return;
		}
		if (from == NULL || !has_partner(from, request->other))
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
		render_partners(out, from, request->other, json_text(input, "after"));
		buffer_puts(out, "}");
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

	if (!may_associate(request))
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
				pair_end(request, pair);
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

static bool
names_default(const Types *types)
{
	for (int i = 0; i < types->count; i++)
	{
		if (types->items[i].kind->is_default)
			return true;
	}
	return false;
}

void
associations_unlabel(Request *request)
{
	struct json_object *inputs;

	if (!may_associate(request))
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
		if (pair == NULL || types_read(json, request->type, request->other, &types) != NULL)
			continue;
		/* Without the unlabelled type nothing of the pair is left. */
		pair_log(request, names_default(&types) ? "dissociate" : "unlabel", pair);
		(void) pair_strip(request, pair, from, &types);
	}
	reply_archived(request, NULL, 0);
}
