/*
 * refresh_row.c
 *		The value of a row of a compared source, as jsonb.
 *
 * Called for each row that the query of a definition returns, as its owner, since the types
 * may have functions of the owner's choice; and for the rows of a preview.  The columns are
 * made jsonb here and not in the query, so that one value that jsonb cannot hold is one value
 * less, and not the end of the query.
 *
 * Locks: none.  Memory: the current context.
 */
#include "postgres.h"

#include "nodes/pg_list.h"

#include "base/hubspot.h"
#include "enqueue/row_column.h"
#include "refresh/refresh_row.h"
#include "text/value.h"

#define FIRST_VALUE 1			/* of the result's columns: behind the key */

struct RefreshRow
{
	bool		is_object;
	int			ncolumns;
	RowColumn	columns[FLEXIBLE_ARRAY_MEMBER];
};

RefreshRow *
refresh_row_begin(const Sync *sync, TupleDesc desc)
{
	int			ncolumns = desc->natts - FIRST_VALUE;
	RefreshRow *row = palloc0(offsetof(RefreshRow, columns) + sizeof(RowColumn) * ncolumns);

	Assert(sync->columns == NIL || list_length(sync->columns) == ncolumns);
	row->is_object = sync->kind == SYNC_IS_SYNC;
	row->ncolumns = ncolumns;
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, FIRST_VALUE + i);
		const char *name = sync->columns != NIL
		? ((const SyncColumn *) list_nth(sync->columns, i))->property
		: pstrdup(NameStr(attribute->attname));

		row_column_init(&row->columns[i], name, attribute);
	}
	return row;
}

Jsonb *
refresh_row_value(RefreshRow *row, TupleTableSlot *slot)
{
	JsonbInState state = {0};
	RowRoom		room = row_room();

	if (!row->is_object)
		return row->ncolumns == 0 ? NULL : row_column_value(&row->columns[0], slot, &room);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < row->ncolumns; i++)
		row_column_push(&row->columns[i], slot, &room, &state);
	return value_end_object(&state);
}
