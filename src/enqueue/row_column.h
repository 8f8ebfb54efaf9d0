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
	Oid			type;			/* domains looked through */
	bool		is_varlena;
	FmgrInfo	to_jsonb;		/* for the column's own type */
} RowColumn;

/*
 * Whether a tuple holds the column's value.  Of a virtual generated column it
 * holds NULL instead, which HubSpot would take for the wish to empty a property.
 */
extern bool row_column_is_stored(Form_pg_attribute attribute);

/* A column that is stored; name is borrowed; caches go to the current memory context. */
extern void row_column_init(RowColumn *column, const char *name, Form_pg_attribute attribute);

/* Whether to_jsonb() of some value may be an error, as of a json text that jsonb cannot hold. */
extern bool row_column_may_fail(const RowColumn *column);

/* Push the member's name and value, into an object that has been begun. */
extern void row_column_push(RowColumn *column, TupleTableSlot *slot, JsonbInState *state);

/* The same with null for the value. */
extern void row_column_push_null(const RowColumn *column, JsonbInState *state);

/* The attribute of this name that is not dropped, or NULL. */
extern Form_pg_attribute row_find_attribute(TupleDesc desc, const char *name);

#endif							/* HUBSPOT_ROW_COLUMN_H */
