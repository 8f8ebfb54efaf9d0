/*
 * row_column.h
 *		Columns of a table as members of a jsonb object.
 *
 * For the triggers and for what reads followed tables.  The values are those
 * of to_jsonb(): digits of a numeric survive, dates are ISO 8601, an enum is
 * its label.
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
	FmgrInfo	to_jsonb;		/* for the column's own type */
} RowColumn;

/*
 * Whether a tuple holds the column's value.  For a virtual generated column it holds
 * NULL, which HubSpot would take as a request to clear the property.
 */
extern bool row_column_is_stored(Form_pg_attribute attribute);

/* Initialize a stored column; name must outlive it; caches are allocated in the current context. */
extern void row_column_init(RowColumn *column, const char *name, Form_pg_attribute attribute);

/*
 * Whether to_jsonb() can raise an error for some value, for example json text that jsonb
 * cannot hold.
 */
extern bool row_column_may_fail(const RowColumn *column);

/* Add the member's name and value to an open object. */
extern void row_column_push(RowColumn *column, TupleTableSlot *slot, JsonbInState *state);

/* Add the member's name with null. */
extern void row_column_push_null(const RowColumn *column, JsonbInState *state);

/* The attribute of this name that is not dropped, or NULL. */
extern Form_pg_attribute row_find_attribute(TupleDesc desc, const char *name);

#endif							/* HUBSPOT_ROW_COLUMN_H */
