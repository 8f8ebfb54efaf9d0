/*
 * list.c
 *	  Static lists of contacts or companies: section 3.12.
 */
#include "list.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "api.h"
#include "error.h"
#include "journal.h"

typedef struct List
{
	int			id;
	char	   *name;
	char	   *processing;
	ObjectType *type;
	Table		members;		/* by record id as text */
} List;

static List **lists;
static int	list_count;
static int	last_id;

static List *
find_list(const char *id)
{
	for (int i = 0; i < list_count; i++)
	{
		if (strspn(id, "0123456789") == strlen(id) && lists[i]->id == atoi(id))
			return lists[i];
	}
	return NULL;
}

/* A name is unique in the account, whatever the list is of. */
static List *
find_name(const char *name)
{
	for (int i = 0; i < list_count; i++)
	{
		if (strcmp(lists[i]->name, name) == 0)
			return lists[i];
	}
	return NULL;
}

static void
reply_list(Request *request, const List *list)
{
	Buffer	   *out = &request->reply;

	if (list == NULL)
	{
		reply_not_found(request);
		return;
	}
	out->len = 0;
	buffer_printf(out, "{\"list\":{\"listId\":\"%d\",\"listVersion\":1,\"objectTypeId\":\"%s\","
				  "\"processingStatus\":\"COMPLETE\",\"processingType\":\"%s\",\"name\":",
				  list->id, list->type->id, list->processing);
	buffer_json(out, list->name);
	buffer_printf(out, ",\"additionalProperties\":{\"hs_list_size\":\"%zu\"}}}", list->members.count);
	reply_json(request, 200);
}

static void
log_list(Request *request, const List *list, const char *op)
{
	Buffer	   *line = journal_begin(request, op, "lists");

	if (line == NULL)
		return;
	buffer_printf(line, ",\"id\":\"%d\",\"name\":", list->id);
	buffer_json(line, list->name);
	journal_end(line);
}

void
list_create(Request *request)
{
	const char *name = json_text(request->json, "name");
	const char *type_id = json_text(request->json, "objectTypeId");
	const char *processing = json_text(request->json, "processingType");
	ObjectType *type = type_id ? object_type(type_id) : NULL;
	List	   *list;

	if (name == NULL || processing == NULL || type == NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR",
					"Some required fields were not set: [name, objectTypeId, processingType]");
		return;
	}
	if (strcmp(processing, "MANUAL") != 0 && strcmp(processing, "SNAPSHOT") != 0 &&
		strcmp(processing, "DYNAMIC") != 0)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "Unknown processingType %s", processing);
		return;
	}
	if (find_name(name) != NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "List with name %s already exists", name);
		request->reply.len--;
		buffer_puts(&request->reply, ",\"subCategory\":\"ILS.DUPLICATE_LIST_NAMES\"}");
		return;
	}
	list = must_alloc(sizeof(List));
	list->id = ++last_id;
	list->name = must_strdup(name);
	list->processing = must_strdup(processing);
	list->type = type;
	lists = must_realloc(lists, sizeof(List *) * (size_t) (list_count + 1));
	lists[list_count++] = list;
	log_list(request, list, "list_create");
	reply_list(request, list);
}

void
list_read(Request *request)
{
	reply_list(request, find_list(request->args[0]));
}

void
list_by_name(Request *request)
{
	ObjectType *type = object_type(request->args[0]);

	List	   *list = find_name(request->args[1]);

	if (list != NULL && list->type != type)
		list = NULL;
	if (list == NULL && answer_is(ANSWER_LIST_400))
		reply_error(request, 400, "VALIDATION_ERROR",
					"List does not exist with name %s and object type ID %s.",
					request->args[1], request->args[0]);
	else
		reply_list(request, list);
}

void
list_members(Request *request)
{
	List	   *list = find_list(request->args[0]);
	Buffer	   *out = &request->reply;
	int			count = 0;

	if (list == NULL)
	{
		reply_not_found(request);
		return;
	}
	out->len = 0;
	buffer_puts(out, "{\"results\":[");
	for (size_t i = 0; i < list->members.size; i++)
	{
		const TableEntry *entry = &list->members.slots[i];

		if (entry->key == NULL)
			continue;
		buffer_puts(out, count++ ? ",{\"recordId\":" : "{\"recordId\":");
		buffer_json(out, scratch_strndup(entry->key, entry->len));
		buffer_puts(out, "}");
	}
	buffer_printf(out, "],\"total\":%d}", count);
	reply_json(request, 200);
}

static bool
is_id_array(Request *request, struct json_object *ids)
{
	bool		good = ids == NULL || json_object_is_type(ids, json_type_array);

	for (size_t i = 0; good && ids != NULL && i < json_object_array_length(ids); i++)
		good = json_object_is_type(json_object_array_get_idx(ids, i), json_type_string);
	if (!good)
		reply_invalid_json(request, "on line 1, column 1: record ids are an array of strings");
	return good;
}

static void
log_member(Request *request, const List *list, const char *op, const char *id)
{
	Buffer	   *line = journal_begin(request, op, "lists");

	if (line == NULL)
		return;
	buffer_printf(line, ",\"id\":\"%s\",\"list\":\"%d\",\"name\":", id, list->id);
	buffer_json(line, list->name);
	journal_end(line);
}

/* Adds or removes each id; collects the ids by what became of them. */
static void
change_members(Request *request, List *list, struct json_object *ids, bool add,
			   Buffer *changed, Buffer *missing)
{
	for (size_t i = 0; ids != NULL && i < json_object_array_length(ids); i++)
	{
		const char *id = json_object_get_string(json_object_array_get_idx(ids, i));
		bool		member = table_find(&list->members, id) != NULL;
		Buffer	   *out = changed;

		if (store_by_id(list->type, id) == NULL)
			out = missing;
		else if (member == add)
			continue;
		else if (add)
			table_set(&list->members, id, list);
		else
			table_remove(&list->members, id, strlen(id));
		if (out->len > 0)
			buffer_puts(out, ",");
		buffer_json(out, id);
		if (out == changed)
			log_member(request, list, add ? "list_add" : "list_remove", id);
	}
}

static void
change(Request *request, struct json_object *add, struct json_object *remove)
{
	List	   *list = find_list(request->args[0]);
	Buffer		added = {0};
	Buffer		removed = {0};
	Buffer		missing = {0};
	Buffer	   *out = &request->reply;

	if (!is_id_array(request, add) || !is_id_array(request, remove))
		return;
	if (list == NULL)
	{
		reply_not_found(request);
		return;
	}
	if (strcmp(list->processing, "DYNAMIC") == 0)
	{
		reply_error(request, 400, "VALIDATION_ERROR",
					"Memberships of a list of processing type DYNAMIC cannot be changed");
		return;
	}
	request->records = (add ? (int) json_object_array_length(add) : 0) +
		(remove ? (int) json_object_array_length(remove) : 0);
	change_members(request, list, add, true, &added, &missing);
	change_members(request, list, remove, false, &removed, &missing);
	/* The first name is spelled so. */
	out->len = 0;
	buffer_puts(out, "{\"recordsIdsAdded\":[");
	buffer_add(out, added.data, added.len);
	buffer_puts(out, "],\"recordIdsRemoved\":[");
	buffer_add(out, removed.data, removed.len);
	buffer_puts(out, "],\"recordIdsMissing\":[");
	buffer_add(out, missing.data, missing.len);
	buffer_puts(out, "]}");
	reply_json(request, 200);
	buffer_free(&added);
	buffer_free(&removed);
	buffer_free(&missing);
}

void
list_change(Request *request)
{
	struct json_object *add = NULL;
	struct json_object *remove = NULL;

	json_object_object_get_ex(request->json, "recordIdsToAdd", &add);
	json_object_object_get_ex(request->json, "recordIdsToRemove", &remove);
	change(request, add, remove);
}

void
list_add(Request *request)
{
	change(request, request->json, NULL);
}

void
list_remove(Request *request)
{
	change(request, NULL, request->json);
}

static void
free_list(List *list)
{
	table_clear(&list->members);
	free(list->name);
	free(list->processing);
	free(list);
}

void
list_delete(Request *request)
{
	List	   *list = find_list(request->args[0]);

	if (list == NULL)
	{
		reply_not_found(request);
		return;
	}
	for (int i = 0; i < list_count; i++)
	{
		if (lists[i] == list)
			lists[i] = lists[--list_count];
	}
	log_list(request, list, "list_delete");
	free_list(list);
	reply_empty(request, 204);
}

void
list_reset(void)
{
	for (int i = 0; i < list_count; i++)
		free_list(lists[i]);
	list_count = 0;
}
