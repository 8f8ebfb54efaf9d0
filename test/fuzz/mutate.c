/*
 * mutate.c
 *		Mutations of inputs that are JSON, for libFuzzer.
 *
 * Bytes that are flipped in JSON mostly make something that is none.  So most
 * mutations are of the tree: values are replaced, copied from elsewhere in it,
 * wrapped, removed; members get names that the code under test knows.  The rest,
 * and texts within the tree, are libFuzzer's own.
 *
 * Only in the fuzzer; memory is malloc's.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "fuzz.h"

#define MAX_NODES	2000
#define MAX_TEXT	2048

/* A place in the tree: a member of an object, or an element of an array. */
typedef struct Place
{
	json_object *parent;
	const char *name;			/* NULL: an element */
	size_t		index;
} Place;

static Place places[MAX_NODES];
static int	nplaces;
static unsigned state;

static const char *const names[] = {
	"traits", "properties", "context", "userId", "user_id", "messageId", "timestamp", "email", "event", "company",
	"website", "domain", "id", "name", "firstName", "last name", "address", "city", "town", "groupId", "formId",
	"fields", "value", "hutk", "page", "url", "title", "gdpr", "plan", "tags", "seats", "birthday", "seen_at",
	"newsletter", "lifecyclestage", "created_at", "nick name", "secret", "size", "order", "total", "First  Seen",
	"external_id", "createdate", "property", "rows", "answers", "status", "body", "each", "errors", "results",
	"message", "category", "objectWriteTraceId", "ids", "error", "reached", "wait", "drop", "new", "paging", "total"
};

static const char *const values[] = {
	"null", "true", "false", "0", "-1", "1.50", "1e400", "1753963500000", "12345678901234567890123456789", "\"\"",
	"\"ada@example.com\"", "\" Ada@Bücher.example.com \"", "\"bob@example.org\"", "\"a@b\"", "\"https://www.example.com/x\"",
	"\"2026-11-23T10:00:00+02:00\"", "\"2026-11-23\"", "\"0000-00-00\"", "\"pro\"", "\"a;b;c\"", "\";a\"", "\"lead\"",
	"\"customer\"", "\"u1\"", "\"$ID\"", "\"$TRACE\"", "\"$N\"", "\"\\u0001\\u2028\\\\\\\"\"", "{}", "[]", "[\"a\", \"b\"]",
	"{\"name\": \"Acme\", \"website\": \"acme.example.com\"}", "200", "207", "400", "401", "403", "404", "409", "413",
	"423", "429", "477", "488", "500", "503", "\"PROPERTY_DOESNT_EXIST\"", "\"CONFLICT\"", "\"INVALID_EMAIL\"",
	"\"OBJECT_NOT_FOUND\"", "\"Order Completed\"", "\"identify\"", "\"track\"", "\"group\"", "\"page\"", "\"form\"", "\"delete\""
};

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static unsigned
pick(unsigned n)
{
	state = state * 1664525u + 1013904223u;
	return n == 0 ? 0 : (state >> 8) % n;
}

static void
note(json_object *parent, const char *name, size_t index)
{
	if (nplaces < MAX_NODES)
		places[nplaces++] = (Place)
	{
		parent, name, index
	};
}

static void
gather(json_object *node)
{
	if (json_object_is_type(node, json_type_object))
	{
		json_object_object_foreach(node, name, value)
		{
			note(node, name, 0);
			gather(value);
		}
	}
	else if (json_object_is_type(node, json_type_array))
		for (size_t i = 0; i < json_object_array_length(node); i++)
		{
			note(node, NULL, i);
			gather(json_object_array_get_idx(node, i));
		}
}

static json_object *
at(const Place *place)
{
	return place->name != NULL ? json_object_object_get(place->parent, place->name)
		: json_object_array_get_idx(place->parent, place->index);
}

static json_object *
copy_of(json_object *node)
{
	json_object *copy = NULL;

	return node != NULL && json_object_deep_copy(node, &copy, NULL) == 0 ? copy : NULL;
}

/* The value is handed over. */
static void
put(const Place *place, json_object *value)
{
	if (place->name == NULL)
		json_object_array_put_idx(place->parent, place->index, value);
	else
	{
		char	   *name = strdup(place->name);

		json_object_object_add(place->parent, name, value);
		free(name);
	}
}

static void
take_out(const Place *place)
{
	if (place->name != NULL)
		json_object_object_del(place->parent, place->name);
	else
		json_object_array_del_idx(place->parent, place->index, 1);
}

static json_object *
some_value(void)
{
	return json_tokener_parse(values[pick(sizeof(values) / sizeof(values[0]))]);
}

/* libFuzzer's own mutation of a text. */
static void
mutate_text(const Place *place)
{
	uint8_t		text[MAX_TEXT];
	json_object *value = at(place);
	size_t		len = json_object_is_type(value, json_type_string) ? json_object_get_string_len(value) : 0;

	if (len > MAX_TEXT)
		len = MAX_TEXT;
	if (len > 0)
		memcpy(text, json_object_get_string(value), len);
	len = LLVMFuzzerMutate(text, len, MAX_TEXT);
	put(place, json_object_new_string_len((const char *) text, (int) len));
}

/* A value gets a shell, or one more member or element. */
static void
grow(const Place *place)
{
	json_object *value = at(place);
	json_object *other = pick(2) ? some_value() : copy_of(at(&places[pick(nplaces)]));

	if (json_object_is_type(value, json_type_object))
		json_object_object_add(value, names[pick(sizeof(names) / sizeof(names[0]))], other);
	else if (json_object_is_type(value, json_type_array))
		json_object_array_add(value, other);
	else
	{
		json_object *shell = pick(2) ? json_object_new_object() : json_object_new_array();

		if (json_object_is_type(shell, json_type_object))
			json_object_object_add(shell, names[pick(sizeof(names) / sizeof(names[0]))], copy_of(value));
		else
			json_object_array_add(shell, copy_of(value));
		json_object_put(other);
		put(place, shell);
	}
}

static void
rename_member(const Place *place)
{
	json_object *value = copy_of(at(place));

	if (place->name == NULL)
	{
		put(place, value);
		return;
	}
	json_object_object_add(place->parent, names[pick(sizeof(names) / sizeof(names[0]))], value);
	if (pick(2))
		take_out(place);
}

static void
mutate_tree(void)
{
	const Place *place = &places[pick(nplaces)];

	switch (pick(6))
	{
		case 0:
			put(place, some_value());
			break;
		case 1:
			put(place, copy_of(at(&places[pick(nplaces)])));
			break;
		case 2:
			mutate_text(place);
			break;
		case 3:
			grow(place);
			break;
		case 4:
			rename_member(place);
			break;
		default:
			take_out(place);
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	char	   *text = strndup((const char *) data, size);
	json_object *root = text == NULL ? NULL : json_tokener_parse(text);
	size_t		len = 0;

	free(text);
	state = seed;
	if (root == NULL || pick(10) == 0)
	{
		json_object_put(root);
		return LLVMFuzzerMutate(data, size, max_size);
	}
	for (unsigned times = 1 + pick(3); times > 0; times--)
	{
		nplaces = 0;
		gather(root);
		if (nplaces > 0)
			mutate_tree();
	}
	text = (char *) json_object_to_json_string_length(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text == NULL || len > max_size)
		len = LLVMFuzzerMutate(data, size, max_size);
	else
		memcpy(data, text, len);
	json_object_put(root);
	return len;
}
