/*
 * sync_trigger.c
 *		hubspot_sync_trigger(): changes of a followed table become calls.
 *
 * hubspot_sync() creates the triggers, but they are objects of the user's table: they
 * come back from a dump, stay when somebody who does not own the table drops the
 * definition, and may be created on another table by hand.  So a trigger works only if
 * the definition that its argument names follows this table, or one above it, and is not
 * held, and if the definition's owner may use the account and read the table; otherwise it
 * does nothing.  It raises no error of its own: hubspot.sync_problem() says what is wrong.
 *
 * Sessions fire the statement triggers, replicas the row triggers (sync_follow.c).  Who
 * enables one of them for everybody does not make a change of it twice: a trigger works
 * only for whom it is.
 *
 * The plan of a trigger, and whether it may queue, is cached in this backend until the
 * definition, the table, an account, a role or a right changes: a statement may change only
 * one row, and a subscription applies row by row.
 *
 * Locks: as enqueue.h.  Memory: plans live in contexts of their own below
 * plans_context; the rest is the trigger's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "backend/transaction_list.h"
#include "backend/trigger_call.h"
#include "backend/user_tree.h"
#include "ring/ring.h"
#include "sync/sync_row.h"

#define GROUP_ROWS	500
#define MAX_PLANS	256
#define NO_COLUMN	(-1)		/* an attribute number that no table has */

PG_FUNCTION_INFO_V1(hubspot_sync_trigger);

typedef struct TriggerPlan
{
	Oid			trigger;		/* hash key */
	Oid			relation;
	Oid			followed;		/* the table of the definition; InvalidOid: none */
	bool		valid;
	int			users;			/* # of running calls that use the plan */
	MemoryContext context;		/* of the members below */
	Sync	   *sync;			/* NULL: the trigger does nothing */
	SyncRowPlan *rows;
} TriggerPlan;

static MemoryContext plans_context = NULL;
static HTAB *plans = NULL;
static Oid	definitions = InvalidOid;	/* the table hubspot.sync */

/* ---- plans, kept ------------------------------------------------------------------- */

static void
spoil(bool all, Oid relation)
{
	HASH_SEQ_STATUS scan;
	TriggerPlan *plan;

	hash_seq_init(&scan, plans);
	while ((plan = hash_seq_search(&scan)) != NULL)
		if (all || plan->relation == relation || plan->followed == relation)
			plan->valid = false;
}

static void
on_relation_change(Datum arg, Oid relation)
{
	spoil(!OidIsValid(relation) || relation == definitions, relation);
}

static void
on_catalog_change(Datum arg, int cache, uint32 hash)
{
	spoil(true, InvalidOid);
}

/* What sync_row_plan() and sync_row_refusal() go by, beside relations. */
static const int catalogs[] =
{FOREIGNSERVEROID, FOREIGNDATAWRAPPEROID, AUTHOID, AUTHMEMROLEMEM, DATABASEOID, NAMESPACEOID};

static void
init_plans(void)
{
	HASHCTL		shape = {.keysize = sizeof(Oid), .entrysize = sizeof(TriggerPlan)};

	plans_context =
		AllocSetContextCreate(TopMemoryContext, "hubspot sync triggers", ALLOCSET_SMALL_SIZES);
	shape.hcxt = plans_context;
	plans = hash_create("hubspot sync triggers", 16, &shape, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
	for (int i = 0; i < lengthof(catalogs); i++)
		CacheRegisterSyscacheCallback(catalogs[i], on_catalog_change, (Datum) 0);
}

static void
forget_plan(TriggerPlan *plan)
{
	MemoryContextDelete(plan->context);
	(void) hash_search(plans, &plan->trigger, HASH_REMOVE, NULL);
}

/* Dropped triggers leave their plans behind: forget all that are not in use. */
static void
forget_unused_plans(void)
{
	HASH_SEQ_STATUS scan;
	TriggerPlan *plan;

	hash_seq_init(&scan, plans);
	while ((plan = hash_seq_search(&scan)) != NULL)
		if (plan->users == 0)
			forget_plan(plan);
}

static bool
follows(const Sync *sync, Relation rel)
{
	return sync->kind == SYNC_IS_SYNC && sync->follows && sync->held == NULL &&
		user_tree_is_in(RelationGetRelid(rel), sync->relation);
}

/* The number of a column's namesake in a table below the one that it is of. */
static AttrNumber
number_below(const Sync *sync, AttrNumber attnum, Relation rel)
{
	char	   *name = get_attname(sync->relation, attnum, true);
	AttrNumber	below = name != NULL ? get_attnum(RelationGetRelid(rel), name) : InvalidAttrNumber;

	return below != InvalidAttrNumber ? below : NO_COLUMN;
}

/*
 * The definition as it would be of a table below its own: columns have the same names there, not
 * the same numbers.
 */
static Sync *
sync_below(const Sync *sync, Relation rel)
{
	Sync	   *below = palloc(sizeof(Sync));
	ListCell   *cell;

	*below = *sync;
	below->key_attnum = number_below(sync, sync->key_attnum, rel);
	below->columns = NIL;
	foreach(cell, sync->columns)
	{
		SyncColumn *column = palloc(sizeof(SyncColumn));

		*column = *(SyncColumn *) lfirst(cell);
		column->attnum = number_below(sync, column->attnum, rel);
		below->columns = lappend(below->columns, column);
	}
	return below;
}

/* Fill in what the trigger has to do, in a new context below parent. */
static void
fill_plan(TriggerPlan *plan, TriggerData *trigger, MemoryContext parent)
{
	Relation	rel = trigger->tg_relation;
	MemoryContext old;
	Sync	   *sync;
	const char *problem;

	plan->context = AllocSetContextCreate(parent, "hubspot sync trigger", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(plan->context);
	sync = sync_load(trigger->tg_trigger->tgargs[0], true);
	if (sync != NULL)
		plan->followed = sync->relation;
	if (sync != NULL && follows(sync, rel) && sync_row_refusal(sync) == NULL)
	{
		const Sync *here = sync->relation == plan->relation ? sync : sync_below(sync, rel);

		plan->rows = sync_row_plan(here, RelationGetDescr(rel), &problem);
		plan->sync = plan->rows != NULL ? sync : NULL;
	}
	MemoryContextSwitchTo(old);
}

/*
 * The plan of a trigger.  A stale plan that an outer statement still uses is not freed;
 * this call makes a plan of its own, in the current context.
 */
static TriggerPlan *
find_plan(TriggerData *trigger)
{
	Oid			oid = trigger->tg_trigger->tgoid;
	TriggerPlan made = {
		.trigger = oid,
		.relation = RelationGetRelid(trigger->tg_relation),
		.valid = true
	};
	TriggerPlan *plan;

	if (plans == NULL)
		init_plans();
	definitions = ring_catalog(false)->sync;
	plan = hash_search(plans, &oid, HASH_FIND, NULL);
	if (plan != NULL && plan->valid && plan->relation == made.relation)
		return plan;
	if (plan != NULL && plan->users > 0)
	{
		plan = palloc(sizeof(TriggerPlan));
		*plan = made;
		fill_plan(plan, trigger, CurrentMemoryContext);
		return plan;
	}
	if (plan != NULL)
		forget_plan(plan);
	if (hash_get_num_entries(plans) >= MAX_PLANS)
		forget_unused_plans();

	/*
	 * The entry exists before it is filled, so that an invalidation that arrives meanwhile marks
	 * it as stale. users is 1 so that nobody frees it.
	 */
	plan = hash_search(plans, &oid, HASH_ENTER, NULL);
	*plan = made;
	plan->users = 1;
	PG_TRY();
	{
		fill_plan(plan, trigger, plans_context);
	}
	PG_CATCH();
	{
		plan->users = 0;
		forget_plan(plan);
		PG_RE_THROW();
	}
	PG_END_TRY();
	plan->users = 0;
	return plan;
}

/* ---- a statement's rows --------------------------------------------------------------- */

/* A transition table, with its own read pointer. */
typedef struct Rows
{
	Tuplestorestate *store;
	int			pointer;
	TupleTableSlot *slot;
} Rows;

static void
open_rows(Rows *rows, Tuplestorestate *store, TupleDesc desc)
{
	rows->store = store;
	rows->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	rows->pointer = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(store, rows->pointer);
	tuplestore_rescan(store);
}

/*
 * Select the read pointer for each row: another trigger of the same statement may read
 * the store, too.
 */
static bool
next_row(Rows *rows)
{
	tuplestore_select_read_pointer(rows->store, rows->pointer);
	return tuplestore_gettupleslot(rows->store, true, false, rows->slot);
}

static void
put_all(SyncRows *queue, Rows *now)
{
	while (next_row(now))
	{
		CHECK_FOR_INTERRUPTS();
		(void) sync_rows_queue(queue, now->slot);
	}
}

static void
remove_all(SyncRows *queue, Rows *before)
{
	while (next_row(before))
	{
		CHECK_FOR_INTERRUPTS();
		sync_rows_remove(queue, before->slot);
	}
}

typedef struct Statement
{
	TriggerPlan *plan;
	TriggerData *trigger;
	Rows		before;			/* store NULL: the event has no such table */
	Rows		now;
	SyncRows   *queue;			/* NULL until the first row is queued */
} Statement;

static SyncRows *
queue_of(Statement *statement)
{
	int64		rows = 0;

	if (statement->queue != NULL)
		return statement->queue;
	if (statement->now.store != NULL)
		rows = tuplestore_tuple_count(statement->now.store);
	if (statement->before.store != NULL)
		rows = Max(rows, tuplestore_tuple_count(statement->before.store));
	statement->queue = sync_rows_open(statement->plan->rows, Max(Min(rows, GROUP_ROWS), 1), false);
	return statement->queue;
}

/* Read the table from its beginning again. */
static void
rewind_rows(Rows *rows)
{
	tuplestore_select_read_pointer(rows->store, rows->pointer);
	tuplestore_rescan(rows->store);
}

/*
 * Remove the keys that rows gave up.  All of them before any new row is queued: a key that
 * one row gives up may be the new key of another row of the same statement.
 */
static void
remove_old_keys(Statement *statement)
{
	Rows	   *before = &statement->before;
	Rows	   *now = &statement->now;

	while (next_row(before) && next_row(now))
	{
		CHECK_FOR_INTERRUPTS();
		if (sync_row_is_other(statement->plan->rows, before->slot, now->slot))
			sync_rows_remove(queue_of(statement), before->slot);
	}
	rewind_rows(before);
	rewind_rows(now);
}

/*
 * The executor appends a row's old and new image at the same time, so both tables have
 * the same order.  The counts differ only if a row moved to another partition and a
 * trigger there suppressed it: then all new rows are taken as changed.
 */
static void
queue_updates(Statement *statement)
{
	Rows	   *before = &statement->before;
	Rows	   *now = &statement->now;

	if (tuplestore_tuple_count(before->store) != tuplestore_tuple_count(now->store))
	{
		put_all(queue_of(statement), now);
		return;
	}
	if (statement->plan->sync->deletes != SYNC_DELETES_IGNORE)
		remove_old_keys(statement);
	while (next_row(before) && next_row(now))
	{
		CHECK_FOR_INTERRUPTS();
		if (sync_row_differs(statement->plan->rows, before->slot, now->slot))
			sync_rows_change(queue_of(statement), before->slot, now->slot);
	}
}

/* A table that was emptied, as told in this transaction. */
typedef struct Told
{
	int			sync;
	Oid			table;
	SubTransactionId subtransaction;	/* a later one may know of its end */
} Told;

static List *told = NIL;		/* of this transaction */

/*
 * TRUNCATE of a table fires the triggers of all tables below it, behind its own: of these
 * nothing is told.
 */
static bool
is_told(const Sync *sync, Oid table)
{
	List	   *ancestors = user_tree_ancestors(table);
	ListCell   *cell;

	foreach(cell, told)
	{
		const Told *one = lfirst(cell);

		if (one->sync == sync->id && one->table != table &&
			one->subtransaction == GetCurrentSubTransactionId() &&
			list_member_oid(ancestors, one->table))
			return true;
	}
	return false;
}

static void
note_told(const Sync *sync, Oid table)
{
	Told	   *one = MemoryContextAlloc(TopTransactionContext, sizeof(Told));

	one->sync = sync->id;
	one->table = table;
	one->subtransaction = GetCurrentSubTransactionId();
	transaction_list_append(&told, one);
}

static void
tell_of_truncate(Statement *statement)
{
	const Sync *sync = statement->plan->sync;
	const char *what = sync_deletes_done(sync);

	if (sync->deletes == SYNC_DELETES_IGNORE || is_told(sync, statement->plan->relation))
		return;
	note_told(sync, statement->plan->relation);
	sync_rows_note(queue_of(statement),
				   psprintf("table \"%s\" was emptied by TRUNCATE: "
							"none of its records is %s in HubSpot",
							RelationGetRelationName(statement->trigger->tg_relation), what));
	ereport(WARNING,
			(errmsg("TRUNCATE of \"%s\" is not followed in HubSpot",
					RelationGetRelationName(statement->trigger->tg_relation)),
			 errdetail("None of its records is %s by the sync \"%s\".", what, sync->name),
			 errhint("DELETE instead of TRUNCATE is followed.")));
}

static void
queue_changes(Statement *statement)
{
	TriggerEvent event = statement->trigger->tg_event;

	if (TRIGGER_FIRED_BY_TRUNCATE(event))
		tell_of_truncate(statement);
	else if (statement->before.store != NULL && statement->now.store != NULL)
		queue_updates(statement);
	else if (statement->now.store != NULL && TRIGGER_FIRED_BY_INSERT(event))
		put_all(queue_of(statement), &statement->now);
	else if (statement->before.store != NULL && TRIGGER_FIRED_BY_DELETE(event) &&
			 statement->plan->sync->deletes != SYNC_DELETES_IGNORE)
		remove_all(queue_of(statement), &statement->before);
}

static void
work(TriggerPlan *plan, TriggerData *trigger)
{
	Statement	statement = {.plan = plan, .trigger = trigger};
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	if (trigger->tg_oldtable != NULL)
		open_rows(&statement.before, trigger->tg_oldtable, desc);
	if (trigger->tg_newtable != NULL)
		open_rows(&statement.now, trigger->tg_newtable, desc);
	queue_changes(&statement);
	if (statement.queue != NULL)
		sync_rows_end(statement.queue);
	if (statement.before.slot != NULL)
		ExecDropSingleTupleTableSlot(statement.before.slot);
	if (statement.now.slot != NULL)
		ExecDropSingleTupleTableSlot(statement.now.slot);
}

/* ---- the function ---------------------------------------------------------------------- */

/*
 * Whether the trigger is there for others.  Only one that somebody has enabled for everybody
 * can be: the others are not called.
 */
static bool
is_for_others(const TriggerData *trigger)
{
	bool		is_replica = SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
	char		state = trigger->tg_trigger->tgenabled;

	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		return state != TRIGGER_FIRES_ON_REPLICA && !is_replica;
	return state != TRIGGER_FIRES_ON_ORIGIN && is_replica &&
		!TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event);
}

/* Whether the statement changed no row: then the plan is not needed. */
static bool
is_empty(TriggerData *trigger)
{
	return (trigger->tg_oldtable != NULL || trigger->tg_newtable != NULL) &&
		(trigger->tg_oldtable == NULL || tuplestore_tuple_count(trigger->tg_oldtable) == 0) &&
		(trigger->tg_newtable == NULL || tuplestore_tuple_count(trigger->tg_newtable) == 0);
}

static const TriggerUse use = {
	.function = "hubspot_sync_trigger", .timing = TRIGGER_EVENT_AFTER, .events = TRIGGER_ON_ANY,
	.for_row = true, .for_statement = true,
	.min_args = 1, .max_args = 1,
	.expected = "AFTER a statement or a row, as hubspot_sync() declares it",
	.hint = "Declare the table with hubspot_sync().",
	.args_hint = "Declare the table with hubspot_sync()."
};

Datum
hubspot_sync_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, &use, InvalidOid);
	TriggerPlan *plan;

	if (is_for_others(trigger) || is_empty(trigger))
		PG_RETURN_POINTER(NULL);
	/* What was put off of a row before this statement is queued before it. */
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		sync_applied_flush();
	plan = find_plan(trigger);
	if (plan->sync == NULL)
		PG_RETURN_POINTER(NULL);
	plan->users++;
	PG_TRY();
	{
		if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
			sync_applied_row(plan->rows, trigger);
		else
			work(plan, trigger);
	}
	PG_FINALLY();
	{
		plan->users--;
	}
	PG_END_TRY();
	PG_RETURN_POINTER(NULL);
}
