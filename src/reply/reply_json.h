/*
 * reply_json.h
 *		JSON of HubSpot's answers: what is read, and what is refused where.
 *
 * What json-c takes for JSON differs by version: 0.18 calls each letter beyond
 * ASCII a control character when it is strict, 0.16 stops at none, and none of
 * them says where.  So the text is held against RFC 8259 here, and json-c
 * builds the tree of what has passed, without being strict itself.  Read the
 * same with each version:
 *
 *	control characters in a string	are taken, against the RFC: they say what was
 *									meant, and the answer tells what HubSpot has done
 *	whole numbers beyond 64 bits	are JSON, but no number to us: json-c would
 *									make the nearest one of them, perhaps another
 *									record's id
 *	NUL, malformed UTF-8			are refused
 *
 * Pure functions over bytes, see reply.h.
 */
#ifndef HUBSPOT_REPLY_JSON_H
#define HUBSPOT_REPLY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

/* Why a text was not read. */
typedef struct JsonFault
{
	const char *what;			/* NULL: out of memory; the text may be good */
	size_t		at;				/* offset of the first byte that cannot stand where it does */
} JsonFault;

/* Whether text is exactly one JSON value within our bounds; else fault says why not. */
extern bool reply_json_check(const char *text, size_t len, JsonFault *fault);

/*
 * Its tree, when it is one of this type; else NULL, and fault says why.  It lacks what HubSpot says
 * of each record and nobody reads: unread_names[] in reply_json.c.
 */
extern json_object *reply_json_parse(const char *text, size_t len, enum json_type type,
									 JsonFault *fault);

/* A member of an object; NULL when there is none of this type. */
extern json_object *reply_json_member(json_object *object, const char *name, enum json_type type);

/* The text of a string; NULL when it is none. */
extern const char *reply_json_text(json_object *value);

/* A whole number of 64 bits; false when the value is none. */
extern bool reply_json_whole(json_object *value, int64_t *number);

/*
 * What HubSpot tells as a text here is a number or a boolean there, and in another version of its
 * API: members are read by these, unless only one type means anything.
 */

/* A member of an object that is a whole number of 64 bits, or the text of one. */
extern bool reply_json_number(json_object *object, const char *name, int64_t *number);

/* A string's text, or the digits of a whole number; NULL when it is neither. */
extern const char *reply_json_id(json_object *value);

/* The same, or any other number or a boolean. */
extern const char *reply_json_scalar(json_object *value);

#endif							/* HUBSPOT_REPLY_JSON_H */
