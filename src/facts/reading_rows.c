/*
 * reading_rows.c
 *		From an answer of HubSpot to JSON rows that our tables take.
 *
 * Reads what json-c made of an answer (owned by the Reply), writes JSON text.  Memory: the
 * StringInfo's.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "facts/reading_rows.h"
#include "text/encoding.h"
#include "text/value.h"

const char *
rows_text_of(json_object *object, const char *name)
{
	json_object *value = NULL;
	const char *text = NULL;

	if (json_object_is_type(object, json_type_object) &&
		json_object_object_get_ex(object, name, &value))
		text = reply_json_scalar(value);
	return text == NULL ? "" : text;
}

bool
rows_is_true(json_object *object, const char *name)
{
	return strcmp(rows_text_of(object, name), "true") == 0;
}

bool
rows_is_archived(json_object *object)
{
	return rows_is_true(object, "archived");
}

bool
rows_is_name(const char *text, size_t max)
{
	size_t		len = strnlen(text, max + 1);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len > 0 && len <= max;
}

/* Before a further member or element. */
static void
add_comma(StringInfo json)
{
	char		last = json->len > 0 ? json->data[json->len - 1] : '[';

	if (last != '{' && last != '[')
		appendStringInfoChar(json, ',');
}

void
rows_open(StringInfo json)
{
	add_comma(json);
	appendStringInfoChar(json, '{');
}

void
rows_close(StringInfo json)
{
	appendStringInfoChar(json, '}');
}

static void
add_name(StringInfo json, const char *name)
{
	add_comma(json);
	appendStringInfo(json, "\"%s\":", name);
}

void
rows_add_text(StringInfo json, const char *name, const char *text, size_t max)
{
	char	   *bounded = encoding_bounded(CurrentMemoryContext, text, max);

	add_name(json, name);
	value_append_string(json, bounded, strlen(bounded));
	pfree(bounded);
}

void
rows_add_bool(StringInfo json, const char *name, bool value)
{
	add_name(json, name);
	appendStringInfoString(json, value ? "true" : "false");
}

void
rows_add_element(StringInfo json, const char *text)
{
	add_comma(json);
	value_append_string(json, text, strlen(text));
}

void
rows_add_names(StringInfo json, const char *name, json_object *array)
{
	size_t		count = array == NULL ? 0 : json_object_array_length(array);

	add_name(json, name);
	appendStringInfoChar(json, '[');
	for (size_t i = 0; i < Min(count, ROWS_MAX_OBJECTS); i++)
	{
		const char *text = reply_json_scalar(json_object_array_get_idx(array, i));

		if (text != NULL && rows_is_name(text, ROWS_MAX_NAME))
			rows_add_element(json, text);
	}
	appendStringInfoChar(json, ']');
}

static bool
is_named(json_object *object, const RowKind *kind)
{
	if (kind->name == NULL)
		return json_object_is_type(object, json_type_object);
	return rows_is_name(rows_text_of(object, kind->name), kind->max_name);
}

void
rows_add_each(StringInfo json, json_object *array, const RowKind *kind)
{
	size_t		count = array == NULL ? 0 : json_object_array_length(array);

	for (size_t i = 0; i < Min(count, kind->max_count); i++)
	{
		json_object *object = json_object_array_get_idx(array, i);

		if (!is_named(object, kind) || rows_is_archived(object))
			continue;
		kind->append(json, object);
	}
}

void
rows_add_array(StringInfo json, const char *name, json_object *array, const RowKind *kind)
{
	add_name(json, name);
	appendStringInfoChar(json, '[');
	rows_add_each(json, array, kind);
	appendStringInfoChar(json, ']');
}
