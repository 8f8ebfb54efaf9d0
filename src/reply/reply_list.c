/*
 * reply_list.c
 *		Answers about a list and its members.
 *
 * Pure functions over a parsed answer, see reply.h.
 */
#include <string.h>

#include "reply/reply.h"
#include "reply/reply_json.h"

static const char *
id_text(json_object *value)
{
	const char *text = reply_json_id(value);

	return text != NULL ? text : "";
}

static json_object *
any_member(json_object *object, const char *name)
{
	json_object *value = NULL;

	return json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, name, &value) ? value : NULL;
}

bool
reply_list(const Reply *reply, ReplyList *list)
{
	json_object *object = any_member(reply->root, "list");
	const char *id = reply_id_of(any_member(object, "listId"));

	if (reply->class != REPLY_RECORDS || id == NULL)
		return false;
	strcpy(list->id, id);
	list->is_dynamic = strcmp(id_text(any_member(object, "processingType")), "DYNAMIC") == 0;
	return true;
}

bool
reply_lists_id(const Reply *reply, const char *array, const char *id)
{
	json_object *ids = any_member(reply->root, array);

	if (!json_object_is_type(ids, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(ids); i++)
		if (strcmp(id_text(json_object_array_get_idx(ids, i)), id) == 0)
			return true;
	return false;
}
