/*
 * reply_list.c
 *		What HubSpot tells of a list and its members.
 *
 * Pure functions over a parsed answer, see reply.h.
 */
#include <json-c/json.h>
#include <string.h>

#include "reply.h"

static json_object *
member(json_object *object, const char *name)
{
	json_object *value = NULL;

	return json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, name, &value) ? value : NULL;
}

/* The text of a string or a whole number; "" otherwise. */
static const char *
text_of(json_object *value)
{
	return json_object_is_type(value, json_type_string) || json_object_is_type(value, json_type_int)
		? json_object_get_string(value) : "";
}

bool
reply_list(const Reply *reply, ReplyList *list)
{
	json_object *object = member(reply->root, "list");
	const char *id = reply_id_of(member(object, "listId"));

	if (reply->class != REPLY_RECORDS || id == NULL)
		return false;
	strcpy(list->id, id);
	list->is_dynamic = strcmp(text_of(member(object, "processingType")), "DYNAMIC") == 0;
	return true;
}

bool
reply_lists_id(const Reply *reply, const char *array, const char *id)
{
	json_object *ids = member(reply->root, array);

	if (!json_object_is_type(ids, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(ids); i++)
		if (strcmp(text_of(json_object_array_get_idx(ids, i)), id) == 0)
			return true;
	return false;
}
