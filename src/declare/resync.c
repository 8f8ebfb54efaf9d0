/*
 * resync.c
 *		hubspot_resync(): all rows of a definition are queued again.
 *
 * In the user's transaction.  Locks: those of sync_replaced(), until its end, and
 * when triggers are made again those of sync_follow().
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "base/hubspot.h"
#include "sync/sync.h"
#include "sync/sync_follow.h"

PG_FUNCTION_INFO_V1(hubspot_resync);

/* The present number of a column. */
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

/*
 * The relation that has the definition's triggers, whatever its name is; if there is
 * none, the relation of the source's name.
 */
static Oid
find_source(const Sync *sync)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(sync->source));
	Oid			followed = sync->follows ? sync_followed_table(sync->name) : InvalidOid;

	return OidIsValid(followed)
		? followed : RangeVarGetRelid(makeRangeVarFromNameList(names), AccessShareLock, true);
}

/* Store the source's present oid and column numbers: a restored table has others. */
static void
look_up_source(Sync *sync)
{
	Oid			relation = find_source(sync);
	ListCell   *cell;

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("\"%s\", the source of \"%s\", does not exist", sync->source, sync->name),
				 errhint("Declare \"%s\" again with another source, or call hubspot_drop_sync().",
						 sync->name)));
	sync->relation = relation;
	if (sync->key_column != NULL)
		sync->key_attnum = column_number(sync, relation, sync->key_column);
	foreach(cell, sync->columns)
	{
		SyncColumn *column = lfirst(cell);

		column->attnum = column_number(sync, relation, column->column);
	}
}

Datum
hubspot_resync(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Sync	   *sync = sync_replaced(name, sync_load(name, false)->kind);
	bool		was_held;

	if (sync == NULL)
		sync = sync_load(name, false);	/* the definition was dropped while we waited for its lock:
										 * raises the error */
	was_held = sync->held != NULL;
	sync->role = sync_need_owner(sync);
	if (was_held && OidIsValid(sync->relation))
		look_up_source(sync);
	sync_save(sync, sync, sync->follows ? SYNC_FILL_ANEW : SYNC_FILL_AS_IT_IS, false);
	if (!sync->follows)
		sync_resend(sync, true);
	else if (was_held || sync_follow_problem(sync) != NULL)
		sync_follow(sync);		/* also waits for transactions whose changes the triggers did not
								 * see */
	PG_RETURN_VOID();
}
