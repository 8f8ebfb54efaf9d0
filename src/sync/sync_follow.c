/*
 * sync_follow.c
 *		The triggers of a followed table, and of the tables below it.
 *
 * A statement fires the statement triggers of the table that it names, and no others: of a
 * partitioned table its own, for the rows of all partitions; of a partition only those of the
 * partition.  So the table, and each partition and child of any level, has the same triggers,
 * and each change is seen by those of one table.
 *
 * Rows that a subscription applies come without a statement: a row trigger that is enabled for
 * replicas sees them, and costs other sessions nothing.  PostgreSQL itself copies it to
 * partitions.  TRUNCATE fires statement triggers there, too.
 *
 * The triggers are objects of the user's tables: who follows needs TRIGGER on each.  Their
 * argument names the definition, so that they are found after a rename and after a restore.
 * What comes under a followed table later gets them in the transaction that puts it there, as it
 * gets copies of row triggers from PostgreSQL: without a right of the definition's owner on it,
 * for who attaches a partition owns both tables, and the trigger does nothing but what the
 * definition says.
 *
 * Locks: SHARE ROW EXCLUSIVE on the tables.  It waits for writers, so that no statement
 * uses the old triggers after the new definition is committed, and for who attaches
 * partitions.  ACCESS EXCLUSIVE where a trigger is dropped.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "parser/parser.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "backend/transaction_list.h"
#include "backend/user_table.h"
#include "backend/user_tree.h"
#include "store/act_as.h"
#include "sync/sync_follow.h"
#include "sync/sync_row.h"

#define TRIGGER_FUNCTION "hubspot_sync_trigger"
#define LONGEST_PLAIN	36		/* longest definition name that fits into a trigger's name */

/* Whom a trigger is for. */
typedef struct Enabled
{
	char		state;			/* of pg_trigger.tgenabled, or TRIGGER_FIRES_ALWAYS */
	const char *by;				/* of ALTER TABLE; NULL: ENABLE */
} Enabled;

static const Enabled for_sessions = {TRIGGER_FIRES_ON_ORIGIN, NULL};
static const Enabled for_replicas = {TRIGGER_FIRES_ON_REPLICA, "ENABLE REPLICA"};
static const Enabled for_all = {TRIGGER_FIRES_ALWAYS, "ENABLE ALWAYS"};

/* What makes a row a change that is sent. */
typedef enum Need
{
	NEEDED_ALWAYS,
	NEEDED_UPDATES,				/* an event's row happens once, unless it has a time, which may
								 * change */
	NEEDED_DELETES				/* deletions are sent; an event is never taken back */
} Need;

/* The triggers.  A row trigger is for the events that those above it are for. */
static const struct
{
	const char *word;			/* in the trigger's name */
	const char *event;			/* NULL: all for which there is a trigger above */
	const char *rest;			/* of the statement that creates it */
	Need		need;
	const Enabled *enabled;
	bool		is_copied;		/* from a partitioned table to its partitions, by PostgreSQL */
}			triggers[] =
{
	{"insert", "INSERT", "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
	NEEDED_ALWAYS, &for_sessions, false},
	{"update", "UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
		"FOR EACH STATEMENT",
	NEEDED_UPDATES, &for_sessions, false},
	{"delete", "DELETE", "REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT",
	NEEDED_DELETES, &for_sessions, false},
	{"applied", NULL, "FOR EACH ROW", NEEDED_ALWAYS, &for_replicas, true},
	{"truncate", "TRUNCATE", "FOR EACH STATEMENT", NEEDED_DELETES, &for_all, false},
};

static bool
is_needed(const Sync *sync, int i)
{
	bool		is_event = sync->object == OBJECT_IS_EVENT;

	switch (triggers[i].need)
	{
		case NEEDED_UPDATES:
			return sync->follows && (!is_event || sync_tells_time(sync));
		case NEEDED_DELETES:
			return sync->follows && !is_event && sync->deletes != SYNC_DELETES_IGNORE;
		default:
			return sync->follows;
	}
}

/*
 * Row by row, one that moves to another partition is a deletion and an insertion: what it was
 * associated with is known of the first alone.
 */
static bool
is_needed_of_moved(const Sync *sync, int i)
{
	return triggers[i].need == NEEDED_DELETES && sync_is_associated(sync);
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

/* The events of a trigger, for CREATE TRIGGER. */
static const char *
trigger_events(const Sync *sync, int i)
{
	StringInfoData events;

	if (triggers[i].event != NULL)
		return triggers[i].event;
	initStringInfo(&events);
	for (int j = 0; j < i; j++)
		if (is_needed(sync, j) || is_needed_of_moved(sync, j))
			appendStringInfo(&events, "%s%s", events.len > 0 ? " OR " : "", triggers[j].event);
	return events.data;
}

static char *
table_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

/* ---- finding them ---------------------------------------------------------------------- */

typedef struct Found
{
	Oid			relation;
	char	   *name;
	char		state;
	bool		is_copy;		/* PostgreSQL drops it with the one that it is a copy of */
	char	   *sync;			/* the name of the definition */
} Found;

/* Triggers are found by their function, a member of the extension, and their only argument. */
#define FIND_SQL \
	"SELECT t.tgrelid, t.tgname::text, t.tgenabled, t.tgparentid <> 0, t.tgargs" \
	" FROM pg_trigger t" \
	" JOIN pg_proc p ON p.oid = t.tgfoid AND p.prosrc = '" TRIGGER_FUNCTION "'" \
	" JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'" \
	" JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = " \
	"d.refobjid AND e.extname = '" HUBSPOT_EXTENSION "'" \
	" WHERE t.tgnargs = 1 AND "

static const char *const of_definition =
FIND_SQL "t.tgargs = pg_catalog.convert_to($1, pg_catalog.getdatabaseencoding()) "
"|| '\\x00'::bytea ORDER BY t.tgrelid, t.oid";

static const char *const of_table = FIND_SQL "t.tgrelid = $1 ORDER BY t.oid";
static const char *const of_numbers = FIND_SQL "t.oid = ANY ($1) ORDER BY t.oid";

/*
 * Read with the latest snapshot: a transaction that keeps an old one must not overlook what was
 * declared since.
 */
static List *
find(const char *sql, Oid type, Datum value)
{
	MemoryContext context = CurrentMemoryContext;
	Identity	before;
	List	   *found = NIL;

	act_as_extension(&before);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	if (statement_execute(sql, 1, &type, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_trigger");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		Found	   *one = MemoryContextAlloc(context, sizeof(Found));
		bytea	   *args;
		MemoryContext old;

		one->relation = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		one->name = MemoryContextStrdup(context, SPI_getvalue(tuple, desc, 2));
		one->state = DatumGetChar(SPI_getbinval(tuple, desc, 3, &isnull));
		one->is_copy = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull));
		/* Arguments end with a zero byte. */
		args = DatumGetByteaPP(SPI_getbinval(tuple, desc, 5, &isnull));
		one->sync = MemoryContextStrdup(context, VARDATA_ANY(args));
		/* The list must survive SPI_finish(), which frees the current context. */
		old = MemoryContextSwitchTo(context);
		found = lappend(found, one);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	PopActiveSnapshot();
	act_back(&before);
	return found;
}

static List *
find_triggers(const char *name)
{
	return find(of_definition, TEXTOID, CStringGetTextDatum(name));
}

/* Which trigger of its definition it is; -1: it has another name. */
static int
which(const Found *found)
{
	for (int i = 0; i < lengthof(triggers); i++)
		if (strcmp(found->name, trigger_name(found->sync, i)) == 0)
			return i;
	return -1;
}

static bool
is_below_any(Oid table, const List *tables)
{
	List	   *ancestors = user_tree_ancestors(table);

	for (int i = 1; i < list_length(ancestors); i++)
		if (list_member_oid(tables, list_nth_oid(ancestors, i)))
			return true;
	return false;
}

Oid
sync_followed_table(const char *name)
{
	List	   *tables = NIL;
	Oid			top = InvalidOid;
	ListCell   *cell;

	foreach(cell, find_triggers(name))
		tables = list_append_unique_oid(tables, ((const Found *) lfirst(cell))->relation);
	foreach(cell, tables)
	{
		if (is_below_any(lfirst_oid(cell), tables))
			continue;
		if (OidIsValid(top))
			return InvalidOid;
		top = lfirst_oid(cell);
	}
	return top;
}

/* ---- what is wrong with them ----------------------------------------------------------- */

/* What keeps a trigger from firing for whom it is; NULL: nothing. */
static const char *
state_problem(int i, const Found *found)
{
	const Enabled *enabled = triggers[i].enabled;

	if (found == NULL)
		return "is missing, so that not all changes are followed";
	if (found->state == TRIGGER_FIRES_ALWAYS || found->state == enabled->state)
		return NULL;
	if (found->state == TRIGGER_DISABLED)
		return "is disabled, so that not all changes are followed";
	return enabled == &for_sessions
		? "is enabled for replicas only, so that changes are not followed"
		: "is not enabled for replicas, so that what a subscription applies is not followed";
}

/* The state of a definition's triggers on one table; found are those of the table. */
static const char *
table_problem(const Sync *sync, Oid table, const List *found, int *count)
{
	const char *problem = NULL;

	for (int i = 0; i < lengthof(triggers); i++)
	{
		char	   *name = trigger_name(sync->name, i);
		const Found *one = NULL;
		const char *why;
		ListCell   *cell;

		/* By its name, as CREATE OR REPLACE finds it: one of another name would be a second one. */
		foreach(cell, found)
			if (strcmp(((const Found *) lfirst(cell))->name, name) == 0)
			one = lfirst(cell);
		why = is_needed(sync, i) ? state_problem(i, one) : NULL;
		*count += why != NULL ? 1 : 0;
		if (why != NULL && problem == NULL)
			problem = psprintf("the trigger \"%s\" of table %s %s", name, table_name(table), why);
	}
	return problem;
}

/* Both lists are in the order of tables. */
const char *
sync_follow_problem(const Sync *sync)
{
	List	   *found;
	List	   *tables;
	const char *problem = NULL;
	int			count = 0;
	int			next = 0;
	ListCell   *cell;

	if (!sync->follows)
		return NULL;
	found = find_triggers(sync->name);
	tables = user_tree_tables(sync->relation, NoLock);
	list_sort(tables, list_oid_cmp);
	foreach(cell, tables)
	{
		Oid			table = lfirst_oid(cell);
		List	   *here = NIL;
		const char *why = NULL;

		/* A trigger may also be on a table that is not in the tree (any more). */
		for (; next < list_length(found); next++)
		{
			Found	   *one = list_nth(found, next);

			if (one->relation > table)
				break;
			if (one->relation == table)
				here = lappend(here, one);
		}
		if (get_rel_name(table) != NULL)	/* not dropped meanwhile */
			why = table_problem(sync, table, here, &count);
		if (problem == NULL)
			problem = why;
	}
	return count > 1 ? psprintf("%s, and %d more", problem, count - 1) : problem;
}

/* ---- making and dropping them ------------------------------------------------------------ */

/* Whose rights making and dropping takes. */
typedef enum Rights
{
	BY_RIGHT,					/* the current user's */
	BY_STRUCTURE				/* nobody's: the table has come or gone */
} Rights;

/*
 * Whoever has the right, it is done as the table's owner: what opens a partitioned table
 * evaluates its partition key, which are functions of that owner's choice.
 */
static void
act_as_table_owner(Oid table, Identity *before)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	act_as(owner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION,
		   "pg_catalog, pg_temp", before);
}

static void
execute(Oid table, const char *sql)
{
	Identity	before;

	act_as_table_owner(table, &before);
	SPI_connect();
	if (statement_execute(sql, 0, NULL, NULL, NULL, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
	SPI_finish();
	act_back(&before);
}

/* Whether the user owns the table, or one above it, as PostgreSQL asks for a copied trigger. */
static bool
owns(Oid table)
{
	ListCell   *cell;

	foreach(cell, user_tree_ancestors(table))
		if (object_ownercheck(RelationRelationId, lfirst_oid(cell), GetUserId()))
		return true;
	return false;
}

static void
drop_trigger(const Found *found, Rights rights)
{
	if (found->is_copy)
		return;
	if (rights == BY_STRUCTURE || owns(found->relation))
		execute(found->relation, psprintf("DROP TRIGGER %s ON %s", quote_identifier(found->name),
										  table_name(found->relation)));
	else
		ereport(NOTICE,
				(errmsg("trigger \"%s\" of table %s stays, and does nothing", found->name,
						table_name(found->relation)),
				 errdetail("Only the owner of the table can drop it.")));
}

/* The function, as the extension's owner: the table's owner may not see its schema. */
static Oid
trigger_function(void)
{
	Identity	before;
	Oid			function;

	act_as_extension(&before);
	function = LookupFuncName(list_make2(makeString(sync_functions_namespace()),
										 makeString(TRIGGER_FUNCTION)), 0, NULL, false);
	act_back(&before);
	return function;
}

/*
 * As CREATE TRIGGER does, but for whom the trigger is in one step: ALTER TABLE would take the
 * table's owner.
 */
static void
make_trigger(const Sync *sync, Oid table, int i, Oid function)
{
	char	   *sql = psprintf("CREATE OR REPLACE TRIGGER %s AFTER %s ON %s %s "
							   "EXECUTE FUNCTION %s(%s)",
							   quote_identifier(trigger_name(sync->name, i)),
							   trigger_events(sync, i), table_name(table), triggers[i].rest,
							   TRIGGER_FUNCTION, quote_literal_cstr(sync->name));
	RawStmt    *statement = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
	Identity	before;

	act_as_table_owner(table, &before);
	(void) CreateTriggerFiringOn(castNode(CreateTrigStmt, statement->stmt), sql, table,
								 InvalidOid, InvalidOid, InvalidOid, function, InvalidOid, NULL,
								 false, false, triggers[i].enabled->state);
	act_back(&before);
	CommandCounterIncrement();
}

static void
make_triggers(const Sync *sync, Oid table, Rights rights)
{
	bool		is_partition = get_rel_relispartition(table) && table != sync->relation;
	Oid			function = trigger_function();
	AclResult	result = rights == BY_RIGHT
	? pg_class_aclcheck(table, GetUserId(), ACL_TRIGGER) : ACLCHECK_OK;

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(table));
	for (int i = 0; i < lengthof(triggers); i++)
		if (is_needed(sync, i) && !(triggers[i].is_copied && is_partition))
			make_trigger(sync, table, i, function);
}

static bool
is_wanted(const Sync *sync, const List *tables, const Found *found)
{
	int			i = which(found);

	return i >= 0 && is_needed(sync, i) && list_member_oid(tables, found->relation);
}

void
sync_follow(const Sync *sync)
{
	List	   *tables = NIL;
	ListCell   *cell;

	if (sync->follows)
	{
		/* First those of the table itself: nobody locks others by it without a right on it. */
		make_triggers(sync, sync->relation, BY_RIGHT);
		tables = user_tree_tables(sync->relation, ShareRowExclusiveLock);
	}
	foreach(cell, find_triggers(sync->name))
		if (!is_wanted(sync, tables, lfirst(cell)))
		drop_trigger(lfirst(cell), BY_RIGHT);
	foreach(cell, tables)
		if (lfirst_oid(cell) != sync->relation)
		make_triggers(sync, lfirst_oid(cell), BY_RIGHT);
}

void
sync_unfollow(const char *name)
{
	ListCell   *cell;

	foreach(cell, find_triggers(name))
		drop_trigger(lfirst(cell), BY_RIGHT);
}

/* ---- tables that come and go --------------------------------------------------------------- */

static Datum
oid_array(const List *oids)
{
	Datum	   *values = palloc(sizeof(Datum) * list_length(oids));

	for (int i = 0; i < list_length(oids); i++)
		values[i] = ObjectIdGetDatum(list_nth_oid(oids, i));
	return PointerGetDatum(construct_array(values, list_length(oids), OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

/* The names of the definitions that follow one of these tables. */
static List *
following(const List *tables)
{
	MemoryContext context = CurrentMemoryContext;
	Identity	before;
	Oid			type = OIDARRAYOID;
	Datum		value = oid_array(tables);
	List	   *names = NIL;

	act_as_extension(&before);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	if (statement_execute("SELECT name FROM hubspot.sync WHERE follows AND held IS NULL AND "
						  "kind = 'sync' AND relation = ANY ($1) ORDER BY id",
						  1, &type, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.sync");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		names = lappend(names, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	PopActiveSnapshot();
	act_back(&before);
	return names;
}

/* Whether one of these tables has, or had, rows. */
static bool
have_rows(const List *tables)
{
	bool		found = false;
	ListCell   *cell;

	foreach(cell, tables)
	{
		Relation	rel = relation_open(lfirst_oid(cell), AccessShareLock);

		found |= user_table_has_storage(rel) && RelationGetNumberOfBlocks(rel) > 0;
		relation_close(rel, NoLock);
	}
	return found;
}

/* Record a rejected row with this text, as TRUNCATE does: hubspot.failures has it. */
static void
note(const Sync *sync, const char *text)
{
	Relation	rel = try_relation_open(sync->relation, AccessShareLock);
	const char *problem = NULL;
	SyncRowPlan *plan = rel != NULL && sync_row_refusal(sync) == NULL
	? sync_row_plan(sync, RelationGetDescr(rel), &problem) : NULL;

	if (plan != NULL)
	{
		SyncRows   *rows = sync_rows_open(plan, 1, false);

		sync_rows_note(rows, text);
		sync_rows_end(rows);
	}
	if (rel != NULL)
		relation_close(rel, NoLock);
}

/* Rows that come with a table are changes that no trigger sees. */
static void
tell_of_rows(const Sync *sync, Oid table)
{
	char	   *resync = psprintf("SELECT %s.hubspot_resync(%s)", sync_functions_schema(),
								  quote_literal_cstr(sync->name));

	ereport(WARNING,
			(errmsg("rows that table \"%s\" has already are not sent to HubSpot",
					get_rel_name(table)),
			 errdetail("Its changes are followed by the sync \"%s\" from now on.", sync->name),
			 errhint("%s sends all rows of the sync, these among them.", resync)));
	note(sync, psprintf("table \"%s\" came with rows, which are not sent: %s",
						get_rel_name(table), resync));
}

/* Rows that leave with a table are no deletions. */
static void
tell_of_leaving(const Sync *sync, Oid table)
{
	if (sync->deletes == SYNC_DELETES_IGNORE)
		return;
	ereport(WARNING,
			(errmsg("rows that have left with table \"%s\" are not followed in HubSpot",
					get_rel_name(table)),
			 errdetail("None of their records is %s by the sync \"%s\".",
					   sync_deletes_done(sync), sync->name)));
	note(sync, psprintf("table \"%s\" left with its rows: none of their records is %s in HubSpot",
						get_rel_name(table), sync_deletes_done(sync)));
}

/* Drop the triggers of definitions that the table does not belong to any more; returns these. */
static List *
leave(Oid table)
{
	List	   *left = NIL;
	ListCell   *cell;

	foreach(cell, find(of_table, OIDOID, ObjectIdGetDatum(table)))
	{
		const Found *found = lfirst(cell);
		Sync	   *sync = sync_load(found->sync, true);

		if (sync == NULL || sync->held != NULL || user_tree_is_in(table, sync->relation))
			continue;
		drop_trigger(found, BY_STRUCTURE);
		left = list_append_unique_int(left, sync->id);
	}
	return left;
}

static void
follow_moved(Oid moved)
{
	List	   *names = following(user_tree_ancestors(moved));
	List	   *tables = user_tree_tables(moved, NoLock);
	List	   *left = NIL;
	ListCell   *table;
	ListCell   *cell;

	foreach(table, tables)
		left = list_union_int(left, leave(lfirst_oid(table)));
	foreach(cell, names)
	{
		Sync	   *sync = sync_load(lfirst(cell), true);

		/* The followed table itself may have come below another one: that changes nothing here. */
		if (sync == NULL || sync->relation == moved)
			continue;
		foreach(table, tables)
			make_triggers(sync, lfirst_oid(table), BY_STRUCTURE);
		if (have_rows(tables))
			tell_of_rows(sync, moved);
	}
	foreach(cell, left)
	{
		if (have_rows(tables))
			tell_of_leaving(sync_load_by_id(lfirst_int(cell), false), moved);
	}
}

/* ---- triggers that are enabled ------------------------------------------------------------- */

static object_access_hook_type prev_object_access = NULL;
static List *altered = NIL;		/* triggers of this transaction */

static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access != NULL)
		prev_object_access(access, class, object, sub, arg);
	if (access == OAT_POST_ALTER && class == TriggerRelationId)
		transaction_list_append_oid(&altered, object);
}

/*
 * ENABLE TRIGGER ALL and USER, as at the end of a load, enable all triggers for sessions: those
 * of ours that are for replicas are enabled for these.
 */
static void
follow_altered(const List *oids)
{
	ListCell   *cell;

	foreach(cell, find(of_numbers, OIDARRAYOID, oid_array(oids)))
	{
		const Found *found = lfirst(cell);
		int			i = which(found);

		if (i >= 0 && found->state == TRIGGER_FIRES_ON_ORIGIN && triggers[i].enabled->by != NULL)
			execute(found->relation,
					psprintf("ALTER TABLE %s %s TRIGGER %s", table_name(found->relation),
							 triggers[i].enabled->by, quote_identifier(found->name)));
	}
}

void
sync_follow_init(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = on_object_access;
}

void
sync_follow_statement(void)
{
	List	   *tables;
	List	   *oids;
	ListCell   *cell;

	if (!IsTransactionState())
		return;					/* a ROLLBACK after an error */
	tables = user_tree_take_moved();
	oids = transaction_list_take(&altered);
	if ((tables == NIL && oids == NIL) || creating_extension ||
		!OidIsValid(get_extension_oid(HUBSPOT_EXTENSION, true)))
		return;
	CommandCounterIncrement();
	foreach(cell, tables)
		if (get_rel_name(lfirst_oid(cell)) != NULL)
		follow_moved(lfirst_oid(cell));
	if (oids != NIL)
		follow_altered(oids);
}
