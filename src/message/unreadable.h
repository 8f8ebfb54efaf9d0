/*
 * unreadable.h
 *		A value that jsonb cannot hold: a message has a marker in its place.
 *
 * A column may hold what no message can: \u0000 or a lone surrogate in json, a value whose
 * type fails to print it, one that is longer than a message.  The statement that writes the
 * row must not fail, and the rest of the row is good.  So whoever makes a message of a row
 * puts {"hubspot.unreadable": "<why>"} there: an object with this one member is no value but
 * counts as absent, wherever a message is read, and the mapping warns of it.
 */
#ifndef HUBSPOT_UNREADABLE_H
#define HUBSPOT_UNREADABLE_H

#include "utils/jsonb.h"

#define UNREADABLE_WARNING "unreadable_value"

/* The marker, as a value of its own; palloc'd. */
extern Jsonb *unreadable_make(const char *why);

/* Whether a value is the marker; then *why (NULL: not wanted) is its text, palloc'd. */
extern bool unreadable_is(const JsonbValue *value, char **why);

/*
 * The first marker at the top of a message, among its traits or its properties, as words:
 * 'column "bio" cannot be read: <why>'.  NULL: there is none.
 */
extern char *unreadable_describe(JsonbContainer *message);

#endif							/* HUBSPOT_UNREADABLE_H */
