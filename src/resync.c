/*
 * resync.c
 *		hubspot_resync(): everything of a definition is queued anew.
 *
 * In the user's transaction.  Locks: those of sync_replaced(), until its end.
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "hubspot.h"
#include "sync.h"

PG_FUNCTION_INFO_V1(hubspot_resync);

/* The number that a column has today. */
static AttrNumber
column_number(const Sync *sync, Oid relation, const char *column)
{
	AttrNumber	attnum = get_attnum(relation, column);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of \"%s\" does not exist", column, sync->source),
				 errhint("Declare \"%s\" again.", sync->name)));
	return attnum;
}

/* A restored table has another oid, and its columns other numbers. */
static void
look_up_source(Sync *sync)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(sync->source));
	Oid			relation = RangeVarGetRelid(makeRangeVarFromNameList(names), AccessShareLock, true);
	ListCell   *cell;

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("\"%s\", the source of \"%s\", does not exist", sync->source, sync->name),
				 errhint("Declare \"%s\" again with another source, or call hubspot_drop_sync().", sync->name)));
	sync->relation = relation;
	if (sync->key_column != NULL)
		sync->key_attnum = column_number(sync, relation, sync->key_column);
	foreach(cell, sync->columns)
	{
		SyncColumn *column = lfirst(cell);

		column->attnum = column_number(sync, relation, column->column);
	}
}

/* The next refresh, at once, takes nothing for known. */
static void
ask_for_refresh(const Sync *sync)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(sync->id);
	SyncIdentity before;

	sync_act_as_extension(&before);
	SPI_connect();
	if (SPI_execute_with_args("UPDATE hubspot.sync_state SET resend = true, next_at = clock_timestamp() WHERE sync = $1",
							  1, &type, &value, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write hubspot.sync_state");
	SPI_finish();
	sync_act_back(&before);
}

Datum
hubspot_resync(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Sync	   *sync = sync_load(name, false);
	Sync	   *before = sync_replaced(name, sync->kind);

	if (before == NULL)
		(void) sync_load(name, false);	/* dropped while we waited */
	sync = before;
	if (OidIsValid(sync->relation) && sync->held != NULL)
		look_up_source(sync);
	sync_save(sync, before, sync->follows ? SYNC_FILL_ANEW : SYNC_FILL_AS_IT_IS, false);
	if (!sync->follows)
		ask_for_refresh(sync);
	PG_RETURN_VOID();
}
