/*
 * row_column.h
 *		Columns of a table as members of a jsonb object.
 *
 * For the triggers, for what reads followed tables and for what is compared.  The values are
 * those of to_jsonb(), but for times with a zone, which are in UTC: digits of a numeric survive,
 * dates are ISO 8601, an enum is its label.
 *
 * No value raises an error, whatever it is: the statement that writes the row is not ours, and
 * the other columns are good.  One that jsonb cannot hold, that its type fails to print, or
 * that is too long for a message becomes the marker of message/unreadable.h.
 */
#ifndef HUBSPOT_ROW_COLUMN_H
#define HUBSPOT_ROW_COLUMN_H

#include "catalog/pg_attribute.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"

typedef struct RowColumn
{
	const char *name;			/* of the member */
	int			name_len;
	AttrNumber	attno;
	Oid			type;			/* base type of a domain */
	bool		is_varlena;
	bool		may_fail;		/* to_jsonb() can raise an error for some value, for example json
								 * text that jsonb cannot hold */
	FmgrInfo	to_jsonb;		/* for the column's own type */
} RowColumn;

/*
 * Bytes that the columns of one message may still take.  A value that has not enough of them
 * is not even detoasted, but for short ones: a key always fits.
 */
typedef Size RowRoom;

/* The room of a new message. */
extern RowRoom row_room(void);

/*
 * Whether a tuple holds the column's value.  For a virtual generated column it holds
 * NULL, which HubSpot would take as a request to clear the property.
 */
extern bool row_column_is_stored(Form_pg_attribute attribute);

/* Initialize a stored column; name must outlive it; caches are allocated in the current context. */
extern void row_column_init(RowColumn *column, const char *name, Form_pg_attribute attribute);

/* Add the member's name and value to an open object. */
extern void row_column_push(RowColumn *column, TupleTableSlot *slot, RowRoom *room,
							JsonbInState *state);

/* The value by itself, palloc'd; NULL for NULL. */
extern Jsonb *row_column_value(RowColumn *column, TupleTableSlot *slot, RowRoom *room);

/*
 * The text of a value that is not NULL, as its type prints it, palloc'd; NULL if it cannot be
 * printed, and *why says why.
 */
extern char *row_column_text(const RowColumn *column, TupleTableSlot *slot, char **why);

/* Add the member's name with null. */
extern void row_column_push_null(const RowColumn *column, JsonbInState *state);

/* The attribute of this name that is not dropped, or NULL. */
extern Form_pg_attribute row_find_attribute(TupleDesc desc, const char *name);

#endif							/* HUBSPOT_ROW_COLUMN_H */
