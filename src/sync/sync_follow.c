/*
 * sync_follow.c
 *		The triggers of a followed table.
 *
 * Three statement triggers with transition tables and one for TRUNCATE, as far as the
 * definition needs them.  They are objects of the user's table, created with the user's
 * rights.  Their argument names the definition, so that they are found after a rename and
 * after a restore.
 *
 * Locks: SHARE ROW EXCLUSIVE on the table.  It waits for writers, so that no statement
 * uses the old triggers after the new definition is committed.  ACCESS EXCLUSIVE where a
 * trigger is dropped.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "store/act_as.h"
#include "sync/sync_follow.h"

#define TRIGGER_FUNCTION "hubspot_sync_trigger"
#define LONGEST_PLAIN	36		/* longest definition name that fits into a trigger's name */

/* Events, and the transition tables that each needs. */
static const struct
{
	const char *event;
	const char *word;			/* in the trigger's name */
	const char *tables;
	bool		only_with_deletes;	/* needed only if deletions are sent */
	bool		only_records;	/* not for events, which are never taken back */
}			triggers[] =
{
	{"INSERT", "insert", "REFERENCING NEW TABLE AS new_rows", false, false},
	{"UPDATE", "update", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows", false, false},
	{"DELETE", "delete", "REFERENCING OLD TABLE AS old_rows", true, true},
	{"TRUNCATE", "truncate", "", true, true},
};

static bool
is_needed(const Sync *sync, int i)
{
	/* An event's row happens once, unless it has a time, which may change. */
	if (strcmp(triggers[i].word, "update") == 0 && sync->object == OBJECT_IS_EVENT)
		return sync->follows && sync_tells_time(sync);
	return sync->follows &&
		(!triggers[i].only_with_deletes || sync->deletes != SYNC_DELETES_IGNORE) &&
		(!triggers[i].only_records || sync->object != OBJECT_IS_EVENT);
}

static char *
trigger_name(const char *sync, int i)
{
	int			len = strlen(sync);

	if (len <= LONGEST_PLAIN)
		return psprintf("hubspot_sync_%s_%s", triggers[i].word, sync);
	return psprintf("hubspot_sync_%s_%.*s_%08x", triggers[i].word,
					pg_mbcliplen(sync, len, LONGEST_PLAIN - 9), sync,
					hash_bytes((const unsigned char *) sync, len));
}

/* ---- finding them ---------------------------------------------------------------------- */

typedef struct Found
{
	Oid			relation;
	char	   *name;
	bool		is_enabled;
} Found;

/* Triggers are found by their function, a member of the extension, and their only argument. */
static const char *const find_sql =
"SELECT t.tgrelid, t.tgname::text, t.tgenabled IN ('O', 'A') FROM pg_trigger t"
" JOIN pg_proc p ON p.oid = t.tgfoid AND p.prosrc = '" TRIGGER_FUNCTION "'"
" JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
" JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = "
"d.refobjid AND e.extname = '" HUBSPOT_EXTENSION "'"
" WHERE t.tgnargs = 1 AND t.tgargs = pg_catalog.convert_to($1, pg_catalog.getdatabaseencoding()) "
"|| '\\x00'::bytea"
" ORDER BY t.oid";

static List *
find_triggers(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	Identity	before;
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(name);
	List	   *found = NIL;

	act_as_extension(&before);
	SPI_connect();
	if (statement_execute(find_sql, 1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_trigger");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		isnull;
		Found	   *one = MemoryContextAlloc(context, sizeof(Found));
		MemoryContext old;

		one->relation = DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
		one->name = MemoryContextStrdup(context, SPI_getvalue(tuple, SPI_tuptable->tupdesc, 2));
		one->is_enabled = DatumGetBool(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 3, &isnull));
		/* The list must survive SPI_finish(), which frees the current context. */
		old = MemoryContextSwitchTo(context);
		found = lappend(found, one);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	act_back(&before);
	return found;
}

Oid
sync_followed_table(const char *name)
{
	Oid			table = InvalidOid;
	ListCell   *cell;

	foreach(cell, find_triggers(name))
	{
		const Found *found = lfirst(cell);

		if (OidIsValid(table) && table != found->relation)
			return InvalidOid;
		table = found->relation;
	}
	return table;
}

const char *
sync_follow_problem(const Sync *sync)
{
	List	   *found = find_triggers(sync->name);

	for (int i = 0; i < lengthof(triggers); i++)
	{
		char	   *name = trigger_name(sync->name, i);
		bool		is_there = false;
		ListCell   *cell;

		foreach(cell, found)
		{
			const Found *one = lfirst(cell);

			is_there |= one->relation == sync->relation && one->is_enabled &&
				strcmp(one->name, name) == 0;
		}
		if (is_needed(sync, i) && !is_there)
			return psprintf("the trigger \"%s\" of the table is missing or disabled, "
							"so that not all changes are followed", name);
	}
	return NULL;
}

/* ---- making and dropping them ------------------------------------------------------------ */

static char *
table_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

static void
execute(const char *sql)
{
	SPI_connect();
	if (statement_execute(sql, 0, NULL, NULL, NULL, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
	SPI_finish();
}

static void
drop_trigger(const Found *found)
{
	if (object_ownercheck(RelationRelationId, found->relation, GetUserId()))
		execute(psprintf("DROP TRIGGER %s ON %s", quote_identifier(found->name),
						 table_name(found->relation)));
	else
		ereport(NOTICE,
				(errmsg("trigger \"%s\" of table %s stays, and does nothing", found->name,
						table_name(found->relation)),
				 errdetail("Only the owner of the table can drop it.")));
}

static void
make_trigger(const Sync *sync, int i)
{
	execute(psprintf("CREATE OR REPLACE TRIGGER %s AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE "
					 "FUNCTION %s.%s(%s)",
					 quote_identifier(trigger_name(sync->name, i)), triggers[i].event,
					 table_name(sync->relation), triggers[i].tables,
					 sync_functions_schema(), TRIGGER_FUNCTION,
					 quote_literal_cstr(sync->name)));
}

static bool
is_wanted(const Sync *sync, const Found *found)
{
	for (int i = 0; i < lengthof(triggers); i++)
		if (is_needed(sync, i) && found->relation == sync->relation &&
			strcmp(found->name, trigger_name(sync->name, i)) == 0)
			return true;
	return false;
}

void
sync_follow(const Sync *sync)
{
	ListCell   *cell;

	foreach(cell, find_triggers(sync->name))
		if (!is_wanted(sync, lfirst(cell)))
		drop_trigger(lfirst(cell));
	for (int i = 0; i < lengthof(triggers); i++)
		if (is_needed(sync, i))
			make_trigger(sync, i);
}

void
sync_unfollow(const char *name)
{
	ListCell   *cell;

	foreach(cell, find_triggers(name))
		drop_trigger(lfirst(cell));
}
