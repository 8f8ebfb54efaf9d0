/*
 * reply_translate.c
 *		The texts of a JSON tree in another encoding.
 *
 * Pure, see reply.h.  Most answers are ASCII: their trees are walked, and stay as they are.
 * The depth is that of the parser (REPLY_MAX_DEPTH), twice where a message holds JSON.
 */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "reply/reply_translate.h"
#include "text/ascii.h"

static bool translate_value(json_object *value, ReplyTranslator translator);

static bool
translate_string(json_object *value, ReplyTranslator translator)
{
	const char *text = json_object_get_string(value);
	size_t		len = json_object_get_string_len(value);
	size_t		new_len;
	char	   *translated;
	bool		done;

	if (is_ascii(text, len))
		return true;
	translated = translator(text, len, &new_len);
	done = translated != NULL && json_object_set_string_len(value, translated, (int) new_len) == 1;
	free(translated);
	return done;
}

static bool
translate_array(json_object *array, ReplyTranslator translator)
{
	for (size_t i = 0; i < json_object_array_length(array); i++)
		if (!translate_value(json_object_array_get_idx(array, i), translator))
			return false;
	return true;
}

/* Move a member to its translated name; it replaces a member that has this name already. */
static bool
rename_member(json_object *object, const char *name, ReplyTranslator translator)
{
	size_t		len;
	char	   *translated = translator(name, strlen(name), &len);
	json_object *value;
	bool		done;

	if (translated == NULL)
		return false;
	value = json_object_get(json_object_object_get(object, name));
	json_object_object_del(object, name);
	done = json_object_object_add(object, translated, value) == 0;
	if (!done)
		json_object_put(value);
	free(translated);
	return done;
}

/* The names of an object that are not ASCII, copied before the object is changed. */
typedef struct Names
{
	size_t		count;
	char	  **names;
} Names;

static void
free_names(Names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
}

static bool
collect_names(json_object *object, Names *names)
{
	size_t		size = (size_t) json_object_object_length(object);

	names->count = 0;
	names->names = calloc(size > 0 ? size : 1, sizeof(char *));
	if (names->names == NULL)
		return false;
	for (struct lh_entry *entry = json_object_get_object(object)->head; entry != NULL;
		 entry = entry->next)
	{
		const char *name = entry->k;

		if (is_ascii(name, strlen(name)))
			continue;
		names->names[names->count] = strdup(name);
		if (names->names[names->count] == NULL)
			return false;
		names->count++;
	}
	return true;
}

static bool
has_foreign_name(json_object *object)
{
	for (struct lh_entry *entry = json_object_get_object(object)->head; entry != NULL;
		 entry = entry->next)
		if (!is_ascii(entry->k, strlen(entry->k)))
			return true;
	return false;
}

static bool
translate_names(json_object *object, ReplyTranslator translator)
{
	Names		names;
	bool		done;

	if (!has_foreign_name(object))
		return true;
	done = collect_names(object, &names);
	for (size_t i = 0; done && i < names.count; i++)
		done = rename_member(object, names.names[i], translator);
	free_names(&names);
	return done;
}

static bool
translate_object(json_object *object, ReplyTranslator translator)
{
	for (struct lh_entry *entry = json_object_get_object(object)->head; entry != NULL;
		 entry = entry->next)
		if (!translate_value((json_object *) entry->v, translator))
			return false;
	return translate_names(object, translator);
}

static bool
translate_value(json_object *value, ReplyTranslator translator)
{
	switch (json_object_get_type(value))
	{
		case json_type_string:
			return translate_string(value, translator);
		case json_type_array:
			return translate_array(value, translator);
		case json_type_object:
			return translate_object(value, translator);
		default:
			return true;
	}
}

bool
reply_translate_tree(struct json_object **root, ReplyTranslator translator)
{
	if (translate_value(*root, translator))
		return true;
	json_object_put(*root);
	*root = NULL;
	return false;
}
