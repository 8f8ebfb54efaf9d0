/*
 * reply_pair.c
 *		Answers about associations: what two records are to each other, and which labels there are.
 *
 * Pure, like reply.c.
 */
#include <string.h>

#include "reply/reply.h"
#include "reply/reply_json.h"

static const char *
word_of(json_object *object, const char *name)
{
	return reply_json_text(reply_json_member(object, name, json_type_string));
}

/* A type of associations, as an answer has it: {"category", "typeId", "label"}. */
static void
read_label(json_object *object, ReplyLabel *label)
{
	memset(label, 0, sizeof(*label));
	label->category = word_of(object, "category");
	label->label = word_of(object, "label");
	if (!reply_json_number(object, "typeId", &label->type_id))
		label->type_id = 0;
}

static json_object *
element(json_object *array, int i)
{
	return array == NULL || i >= (int) json_object_array_length(array)
		? NULL : json_object_array_get_idx(array, i);
}

bool
reply_label(const Reply *reply, int i, ReplyLabel *label)
{
	json_object *results = reply_json_member(reply->root, "results", json_type_array);

	if (results == NULL || i >= (int) json_object_array_length(results))
		return false;
	read_label(element(results, i), label);
	return true;
}

/* What a record is associated with; NULL: it is not among those told. */
static json_object *
find_to(const ReplyResult *result, const char *to_id)
{
	int			count = result->to == NULL ? 0 : (int) json_object_array_length(result->to);

	for (int i = 0; i < count; i++)
	{
		json_object *to = json_object_array_get_idx(result->to, i);
		const char *id = reply_other_end(to);

		if (id != NULL && strcmp(id, to_id) == 0)
			return to;
	}
	return NULL;
}

bool
reply_is_associated(const ReplyResult *result, const char *to_id)
{
	return find_to(result, to_id) != NULL;
}

bool
reply_label_of_pair(const ReplyResult *result, const char *to_id, int i, ReplyLabel *label)
{
	json_object *to = find_to(result, to_id);
	json_object *types =
	to == NULL ? NULL : reply_json_member(to, "associationTypes", json_type_array);

	if (types == NULL || i >= (int) json_object_array_length(types))
		return false;
	read_label(element(types, i), label);
	return true;
}
