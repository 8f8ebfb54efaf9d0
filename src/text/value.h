/*
 * value.h
 *		jsonb values as the JSON strings that HubSpot takes, and texts as jsonb.
 *
 * Requests are written from jsonb by these functions, never through a JSON
 * library that would turn numeric into double.
 */
#ifndef HUBSPOT_VALUE_H
#define HUBSPOT_VALUE_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#define VALUE_MAX_CHARS 65536	/* of a string property; HubSpot's limit */

/* Append text as a JSON string, quotes included. */
extern void value_append_string(StringInfo json, const char *text, int len);

/*
 * Append a value as a JSON string by the rules for string properties: text
 * unchanged, numbers as jsonb prints them, booleans as true/false, null as "",
 * objects and arrays as compact JSON.  Cut at VALUE_MAX_CHARS; returns whether it was.
 */
extern bool value_append(StringInfo json, const JsonbValue *value);

/* Append a value as compact JSON, without white space. */
extern void value_append_compact(StringInfo json, const JsonbValue *value);

/* Append text percent-encoded for a URL, except characters that HubSpot wants unencoded. */
extern void value_append_encoded(StringInfo url, const char *text, int len);

/*
 * What names the next page of a list as a part of its URL, palloc'd; NULL ends the list: there is
 * none, or one beyond bounds.
 */
extern char *value_encoded_cursor(const char *next);

/* Whether one of the items of a list with ";" between them is this one, in whatever case. */
extern bool value_list_has(const char *list, const char *item);

/* Add a key, a text, or both to an open jsonb object. */
extern void value_push_text(JsonbInState *state, JsonbIteratorToken token, const char *text,
							int len);
extern void value_push_name(JsonbInState *state, const char *name);
extern void value_push_pair(JsonbInState *state, const char *name, const char *text);

/* End the outermost object, and return it. */
extern Jsonb *value_end_object(JsonbInState *state);

#endif							/* HUBSPOT_VALUE_H */
