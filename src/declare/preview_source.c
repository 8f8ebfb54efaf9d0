/*
 * preview_source.c
 *		The description of a sync's source before the sync is declared.
 *
 * Called by hubspot_sync_preview().  The result are plain values, so that the rest can
 * run as the extension's owner.
 *
 * Locks: those of the query.  Memory: the caller's context; of the source's
 * rows only the sample is kept.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "nodes/plannodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"

#include "base/hubspot.h"
#include "backend/user_tree.h"
#include "declare/preview_source.h"
#include "enqueue/row_column.h"
#include "refresh/refresh_row.h"
#include "refresh/refresh_source.h"
#include "store/act_as.h"
#include "sync/sync_follow.h"
#include "text/value.h"

#define SAMPLE_ROWS		3
#define COUNTED_ROWS	10000	/* rows are counted up to here, beyond estimated */

static void
append_member(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, ",\"%s\":", name);
	value_append_string(json, text, strlen(text));
}

/* "table public.customers", "query". */
static char *
source_words(const SyncSource *source)
{
	const char *kind = "table";

	if (!OidIsValid(source->relation))
		return pstrdup("query");
	switch (get_rel_relkind(source->relation))
	{
		case RELKIND_VIEW:
			kind = "view";
			break;
		case RELKIND_MATVIEW:
			kind = "materialized view";
			break;
		case RELKIND_FOREIGN_TABLE:
			kind = "foreign table";
			break;
		case RELKIND_PARTITIONED_TABLE:
			kind = "partitioned table";
			break;
	}
	return psprintf("%s %s", kind, source->text);
}

/* " and its 3 partitions"; empty if nothing is below it. */
static char *
below_words(Oid relation)
{
	int			count = list_length(user_tree_tables(relation, NoLock)) - 1;
	bool		is_partitioned = get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE;

	if (count <= 0)
		return pstrdup("");
	return psprintf(" and its %d %s", count,
					is_partitioned ? (count == 1 ? "partition" : "partitions")
					: (count == 1 ? "child" : "children"));
}

static void
describe_columns(StringInfo json, const Sync *sync, const SyncSource *source, bool of_associations)
{
	int			n = 0;
	ListCell   *cell;

	appendStringInfo(json, ",\"%s\":[", of_associations ? "associations" : "columns");
	foreach(cell, sync->columns)
	{
		const SyncColumn *column = lfirst(cell);
		Form_pg_attribute attribute = row_find_attribute(source->desc, column->column);

		if ((column->association != NULL) != of_associations)
			continue;
		appendStringInfo(json, "%s{\"n\":%d,\"type\":%u", n > 0 ? "," : "", n + 1,
						 getBaseType(attribute->atttypid));
		append_member(json, "column", column->column);
		append_member(json, "trait", column->property);
		if (of_associations)
			append_member(json, "object", column->association);
		append_member(json, "label",
					  format_type_with_typemod(attribute->atttypid, attribute->atttypmod));
		appendStringInfoChar(json, '}');
		n++;
	}
	appendStringInfoChar(json, ']');
}

/* Add the first rows; the key is null if a row has none. */
static void
append_sample(StringInfo json, const Sync *sync)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	RefreshRow *row = refresh_row_begin(sync, desc);

	appendStringInfoString(json, ",\"sample\":[");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		char	   *key = SPI_getvalue(tuple, desc, 1);
		Jsonb	   *traits = refresh_row_value(row, ExecStoreHeapTuple(tuple, slot, false));

		appendStringInfo(json, "%s{\"traits\":%s", i > 0 ? "," : "",
						 JsonbToCString(NULL, &traits->root, VARSIZE(traits)));
		if (key != NULL)
			append_member(json, "key", key);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
	ExecDropSingleTupleTableSlot(slot);
}

/* Add a few rows, and their number: counted if that is quick, else the planner's estimate. */
static void
describe_rows(StringInfo json, const Sync *sync)
{
	char	   *sql = refresh_statement(sync);
	Identity	before;
	Portal		portal;
	double		rows;
	bool		exact;

	sync_act_as_owner(sync, &before);
	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	SPI_cursor_fetch(portal, true, SAMPLE_ROWS);
	rows = SPI_processed;
	append_sample(json, sync);
	SPI_cursor_move(portal, true, COUNTED_ROWS);
	rows += SPI_processed;
	exact = rows <= COUNTED_ROWS;
	if (!exact)
		rows = Max(rows, PortalGetPrimaryStmt(portal)->planTree->plan_rows);
	SPI_cursor_close(portal);
	SPI_finish();
	act_back(&before);
	appendStringInfo(json, ",\"rows\":%.0f,\"exact\":%s", rows, exact ? "true" : "false");
}

char *
preview_describe_source(const Sync *sync, const SyncSource *source)
{
	StringInfoData json;
	const char *unseen;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"follows\":%s", sync->follows ? "true" : "false");
	append_member(&json, "what",
				  psprintf("%s%s", source_words(source),
						   sync->follows ? below_words(source->relation) : ""));
	unseen = sync->follows ? sync_follow_unseen(source->relation) : NULL;
	if (unseen != NULL)
		append_member(&json, "unseen", unseen);
	describe_columns(&json, sync, source, false);
	describe_columns(&json, sync, source, true);
	describe_rows(&json, sync);
	appendStringInfoChar(&json, '}');
	return json.data;
}
