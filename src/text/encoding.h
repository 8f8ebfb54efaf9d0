/*
 * encoding.h
 *		Texts on their way to HubSpot and back: there UTF-8, here the database's encoding.
 *
 * All text inside is in the database's encoding: rows, keys, requests while they are
 * built, and answers after they are parsed.  Text is converted at two places only, when a
 * request goes out and when an answer has come in (send.c), so that keys and names can be
 * compared everywhere.  No other file calls a conversion of PostgreSQL's.
 *
 * Nothing here raises an error because of a text, and only the preparation needs a
 * transaction: characters that cannot be converted become ENCODING_REPLACEMENT.
 */
#ifndef HUBSPOT_ENCODING_H
#define HUBSPOT_ENCODING_H

#include "utils/jsonb.h"

#define ENCODING_REPLACEMENT '?'	/* for a character that the other encoding lacks */

/* Find the conversions, once in a process; inside a transaction. */
extern void encoding_prepare(void);

/* Text as UTF-8, palloc'd or the same; *len changes with it. */
extern char *encoding_to_wire(const char *text, int *len);

/* UTF-8 as text of the database, palloc'd or the same; NULL stays NULL. */
extern const char *encoding_from_wire(const char *text);

/*
 * For an answer that has just been parsed (wire_translate.c), after encoding_prepare():
 * whether its texts stay unchanged; convert one of json-c's texts to malloc'd memory
 * (NULL if there is none); convert an array of this size in place.
 */
extern bool encoding_stays_utf8(void);
extern char *encoding_from_wire_malloc(const char *text, size_t len, size_t *new_len);
extern void encoding_array_from_wire(char *array, size_t size);

/*
 * Why this row cannot be sent to HubSpot, as text for its owner; NULL if all its texts
 * can be UTF-8.
 */
extern const char *encoding_objection(const char *property, const char *key, Jsonb *message);

/*
 * What a peer says, made safe to be stored and shown: whole characters, at most so many bytes,
 * without control characters but for tabs and line ends.  The first fills an array of that
 * size, the second allocates; NULL stays NULL.
 */
extern void encoding_copy(char *dst, size_t size, const char *text);
extern char *encoding_bounded(MemoryContext context, const char *text, size_t max);

#endif							/* HUBSPOT_ENCODING_H */
