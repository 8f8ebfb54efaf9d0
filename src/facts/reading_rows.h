/*
 * reading_rows.h
 *		From an answer of HubSpot to JSON rows that our tables take.
 *
 * Whatever an answer says, names and texts are within bounds: a name that is none is left out with
 * what it names, a text is cut after a whole character.
 */
#ifndef HUBSPOT_READING_ROWS_H
#define HUBSPOT_READING_ROWS_H

#include "lib/stringinfo.h"

#include "reply/reply_json.h"

/* Bytes, beyond what HubSpot allows itself: its names have at most 100 characters. */
#define ROWS_MAX_NAME	400
#define ROWS_MAX_LABEL	1000
#define ROWS_MAX_OBJECTS 20000	/* of a page, a property, an event */

/* A member that is a text, a number or a boolean, as text; "" when there is none. */
extern const char *rows_text_of(json_object *object, const char *name);
extern bool rows_is_true(json_object *object, const char *name);

/* Whether something in an answer was deleted: it is still told, and cannot be used. */
extern bool rows_is_archived(json_object *object);

/*
 * Whether a text can be what it is said to be: a name, by which things are found in an index, or an
 * option's value.  What is cut would be another one.
 */
extern bool rows_is_name(const char *text, size_t max);

/* An object, or one in an open array, with a comma where one is needed. */
extern void rows_open(StringInfo json);
extern void rows_close(StringInfo json);

/* Append a member to the open object, likewise. */
extern void rows_add_text(StringInfo json, const char *name, const char *text, size_t max);
extern void rows_add_bool(StringInfo json, const char *name, bool value);

/* Append a text to the open array, likewise. */
extern void rows_add_element(StringInfo json, const char *text);

/* The strings of an array that are names, as an array; of none an empty one. */
extern void rows_add_names(StringInfo json, const char *name, json_object *array);

/* One kind of what a list consists of. */
typedef struct RowKind
{
	const char *name;			/* the member that names one; NULL: append() judges */
	size_t		max_name;
	size_t		max_count;
	void		(*append) (StringInfo json, json_object *object);	/* an object, or nothing */
} RowKind;

/*
 * An array's objects of a kind, with commas, without brackets.  What is none of the kind, of no
 * name, or archived, is left out.
 */
extern void rows_add_each(StringInfo json, json_object *array, const RowKind *kind);

/* The same as a member of the open object, with brackets. */
extern void rows_add_array(StringInfo json, const char *name, json_object *array,
						   const RowKind *kind);

#endif							/* HUBSPOT_READING_ROWS_H */
