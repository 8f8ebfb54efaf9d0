/*
 * refresh_row.h
 *		The value of a row of a compared source, as jsonb.
 */
#ifndef HUBSPOT_REFRESH_ROW_H
#define HUBSPOT_REFRESH_ROW_H

#include "executor/tuptable.h"
#include "utils/jsonb.h"

#include "sync/sync.h"

typedef struct RefreshRow RefreshRow;

/* For rows of refresh_statement(), in the current context; by the statement's result columns. */
extern RefreshRow *refresh_row_begin(const Sync *sync, TupleDesc desc);

/*
 * Of a sync an object of property -> value, of a trait its value, or NULL; of an audience NULL.
 * Raises no error for a value: see row_column.h.
 */
extern Jsonb *refresh_row_value(RefreshRow *row, TupleTableSlot *slot);

#endif							/* HUBSPOT_REFRESH_ROW_H */
