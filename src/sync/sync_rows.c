/*
 * sync_rows.c
 *		Rows of a sync's table as calls: what a changed, new or gone row means.
 *
 * Called by the triggers of a followed table, in the transaction of whoever
 * changed it, and by the back-fill.  The messages are those that somebody
 * would write by hand, so that all rules of a call hold.
 *
 * A business transaction must not fail because of a value: row_column.h sees to that.  A
 * value that cannot be in a message leaves its row as it is otherwise.
 *
 * Locks: as enqueue.h.  Memory: see sync_row.h; a message in a context that is
 * reset for each row.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "enqueue/enqueue.h"
#include "mapping/mapping_name.h"
#include "sync/sync_row_plan.h"
#include "text/value.h"

#define BACKFILL_GROUP_ROWS 500

struct SyncRows
{
	SyncRowPlan *plan;
	int			capacity;
	bool		backfill;
	int64		keyless;		/* rows that were left out, as they have no key */
	Enqueue    *calls;
	Enqueue    *deletions;		/* NULL: not begun */
	Enqueue    *endings;		/* of associations; NULL: not begun */
	TupleTableSlot *before;		/* of the row that is queued, the same record's; or NULL */
	List	   *chosen;			/* names of the columns to be sent; NIL: all */
	MemoryContext home;
	MemoryContext row;			/* reset for each */
};

/* An association is only its two columns: both must have a value. */
static bool
has_key(const SyncRowPlan *plan, TupleTableSlot *slot)
{
	int			needed = plan->sync->object == OBJECT_IS_ASSOCIATION ? plan->ncompared : 1;

	for (int i = 0; i < needed; i++)
	{
		bool		isnull;
		Datum		key = slot_getattr(slot, plan->compared[i].attno, &isnull);

		if (isnull || (plan->compared[i].len == -1 && toast_raw_datum_size(key) <= VARHDRSZ))
			return false;
	}
	return true;
}

/* ---- messages ---------------------------------------------------------------------- */

/* A message while it is made. */
typedef struct Draft
{
	SyncRowPlan *plan;
	List	   *chosen;			/* as in SyncRows */
	TupleTableSlot *slot;
	TupleTableSlot *before;		/* as in SyncRows */
	RowRoom		room;
	JsonbInState state;
	char	   *problem;		/* why the row has no key; NULL: it has one */
} Draft;

static void
push_column(Draft *draft, RowColumn *column)
{
	row_column_push(column, draft->slot, &draft->room, &draft->state);
}

/* The value of an event's time; jbvNull when there is none. */
static JsonbValue
time_of(Draft *draft)
{
	JsonbValue	at = {.type = jbvNull};

	for (int i = 0; i < draft->plan->nmembers; i++)
	{
		Member	   *member = &draft->plan->members[i];
		RowRoom		room = draft->room;
		Jsonb	   *value;

		if (!sync_row_is_time(member))
			continue;
		value = row_column_value(&member->column, draft->slot, &room);
		if (value != NULL && JB_ROOT_IS_SCALAR(value))
			(void) JsonbExtractScalar(&value->root, &at);
	}
	return at;
}

static void
push_message_id(Draft *draft, const RowColumn *column)
{
	char	   *why;
	char	   *key = row_column_text(column, draft->slot, &why);
	JsonbValue	at = time_of(draft);

	if (key != NULL)
		value_push_pair(&draft->state, "messageId",
						sync_message_id(draft->plan->sync, key, &at));
	else
		draft->problem = psprintf("the key of a row of \"%s\" cannot be read: %s",
								  draft->plan->sync->source, why);
}

static void
push_top(Draft *draft)
{
	SyncRowPlan *plan = draft->plan;

	for (int i = 0; i < plan->nmembers; i++)
	{
		Member	   *member = &plan->members[i];

		if (member->place == PLACE_TOP)
			push_column(draft, &member->column);
		else if (member->place == PLACE_MESSAGE_ID)
			push_message_id(draft, &member->column);
	}
	if (plan->sync->object == OBJECT_IS_EVENT)
		value_push_pair(&draft->state, "event", plan->sync->event);
	if (plan->call == CALL_RECORD)
		value_push_pair(&draft->state, "object", object_types[plan->sync->object].name);
}

static bool
is_chosen(const Draft *draft, const Member *member)
{
	ListCell   *cell;

	foreach(cell, draft->chosen)
		if (strcmp(lfirst(cell), member->column.name) == 0)
		return true;
	return member->is_key || draft->chosen == NIL;
}

/* Add the traits; for a cleared record all are null except the key. */
static void
push_traits(Draft *draft, bool cleared)
{
	SyncRowPlan *plan = draft->plan;

	for (int i = 0; i < plan->nmembers; i++)
	{
		Member	   *member = &plan->members[i];

		if (member->place != PLACE_TRAITS || !is_chosen(draft, member))
			continue;
		if (cleared && !member->is_key)
			row_column_push_null(&member->column, &draft->state);
		else
			push_column(draft, &member->column);
	}
}

/* NULL or empty: it names no record. */
static bool
names_nothing(const Member *member, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, member->column.attno, &isnull);

	return isnull || (member->column.is_varlena && toast_raw_datum_size(value) <= VARHDRSZ);
}

/*
 * Whether the row need not say what a column tells: it was there before, and said the same.  What
 * HubSpot creates only with an association may have to be created by any row.
 */
static bool
is_told(const Draft *draft, const Member *member)
{
	const SyncRowPlan *plan = draft->plan;

	return draft->before != NULL && !object_types[plan->sync->object].born_associated &&
		!sync_row_association_differs(plan, member, draft->before, draft->slot);
}

static void
push_associations(Draft *draft)
{
	SyncRowPlan *plan = draft->plan;
	bool		is_open = false;

	for (int i = 0; i < plan->nmembers && draft->chosen == NIL; i++)
	{
		Member	   *member = &plan->members[i];

		if (member->place != PLACE_ASSOCIATIONS || names_nothing(member, draft->slot) ||
			is_told(draft, member))
			continue;
		if (!is_open)
		{
			value_push_name(&draft->state, "associations");
			pushJsonbValue(&draft->state, WJB_BEGIN_ARRAY, NULL);
			is_open = true;
		}
		pushJsonbValue(&draft->state, WJB_BEGIN_OBJECT, NULL);
		value_push_pair(&draft->state, "object", member->object);
		push_column(draft, &member->column);
		pushJsonbValue(&draft->state, WJB_END_OBJECT, NULL);
	}
	if (is_open)
		pushJsonbValue(&draft->state, WJB_END_ARRAY, NULL);
}

static void
push_message(Draft *draft, bool cleared)
{
	push_top(draft);
	value_push_name(&draft->state, draft->plan->container);
	pushJsonbValue(&draft->state, WJB_BEGIN_OBJECT, NULL);
	push_traits(draft, cleared);
	pushJsonbValue(&draft->state, WJB_END_OBJECT, NULL);
	if (!cleared)
		push_associations(draft);
}

/* A delete call: a flat message that contains only the record's key. */
static void
push_deletion(Draft *draft)
{
	SyncRowPlan *plan = draft->plan;
	Object		object = plan->sync->object;

	if (object != OBJECT_IS_CONTACT)
		value_push_pair(&draft->state, "object", object_types[object].name);
	for (int i = 0; i < plan->nmembers; i++)
		if (plan->members[i].is_key || is_key_trait(object, plan->members[i].column.name))
			push_column(draft, &plan->members[i].column);
}

typedef enum Meaning
{
	ROW_IS,
	ROW_IS_CLEARED,
	ROW_IS_DELETED
} Meaning;

/* The message of a row; *problem, or NULL, is why it is a bad one. */
static Jsonb *
make_message(const SyncRows *queue, TupleTableSlot *slot, Meaning meaning, char **problem)
{
	Draft		draft = {
		.plan = queue->plan, .chosen = queue->chosen, .slot = slot, .before = queue->before,
		.room = row_room()
	};
	Jsonb	   *message;

	pushJsonbValue(&draft.state, WJB_BEGIN_OBJECT, NULL);
	if (meaning == ROW_IS_DELETED)
		push_deletion(&draft);
	else
		push_message(&draft, meaning == ROW_IS_CLEARED);
	message = value_end_object(&draft.state);
	*problem = draft.problem;
	return message;
}

/* ---- queueing ---------------------------------------------------------------------- */

/* What the rows of a definition have in common. */
typedef struct Terms
{
	RowMode		mode;
	Interval   *deadline;		/* or NULL */
	int			report;			/* number that they are counted under */
} Terms;

static Terms
sync_terms(const Sync *sync)
{
	Terms		terms = {sync_row_modes[sync->mode], sync->deadline, sync->report};

	return terms;
}

static void
set_terms(Enqueue *enqueue, Terms terms, bool backfill)
{
	enqueue_set_terms(enqueue, terms.deadline, backfill);
	enqueue_set_mode(enqueue, terms.mode);
	enqueue_set_report(enqueue, terms.report);
}

static Enqueue *
begin(SyncRows *queue, Call call)
{
	const Sync *sync = queue->plan->sync;
	MemoryContext old = MemoryContextSwitchTo(queue->home);
	Enqueue    *enqueue =
	enqueue_begin(call, SOURCE_SYNC, sync->server, sync_need_owner(sync), queue->capacity);

	set_terms(enqueue, sync_terms(sync), queue->backfill);
	MemoryContextSwitchTo(old);
	return enqueue;
}

SyncRows *
sync_rows_open(SyncRowPlan *plan, int capacity, bool backfill)
{
	SyncRows   *queue = palloc0(sizeof(SyncRows));

	queue->plan = plan;
	queue->capacity = capacity;
	queue->backfill = backfill;
	queue->home = CurrentMemoryContext;
	queue->row = AllocSetContextCreate(queue->home, "hubspot sync row", ALLOCSET_DEFAULT_SIZES);
	queue->calls = begin(queue, plan->call);
	return queue;
}

SyncRows *
sync_rows_begin(const Sync *sync, Relation rel)
{
	const char *problem = sync_row_refusal(sync);
	SyncRowPlan *plan =
	(problem == NULL ? sync_row_plan(sync, RelationGetDescr(rel), &problem) : NULL);

	if (plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sync \"%s\" cannot queue rows: %s", sync->name, problem)));
	return sync_rows_open(plan, BACKFILL_GROUP_ROWS, true);
}

static int64
queue_row(SyncRows *queue, Enqueue *enqueue, TupleTableSlot *slot, Meaning meaning)
{
	SyncRowPlan *plan = queue->plan;
	MemoryContext old;
	MessageProblem problem = {.sqlerrcode = ERRCODE_INVALID_PARAMETER_VALUE};
	Jsonb	   *message;
	char	   *why;
	int64		id;

	if (!has_key(plan, slot))
	{
		/* what is taken away of such a row was never there */
		queue->keyless += meaning == ROW_IS;
		return 0;
	}
	old = MemoryContextSwitchTo(queue->row);
	message = make_message(queue, slot, meaning, &why);
	problem.message = why;
	if (why != NULL)
		id = enqueue_problem(enqueue, message, &problem);
	else if (plan->sync->object == OBJECT_IS_ASSOCIATION && enqueue == queue->calls)
		id = enqueue_membership(enqueue, message);
	else
		id = enqueue_message(enqueue, message);
	MemoryContextSwitchTo(old);
	MemoryContextReset(queue->row);
	return id;
}

void
sync_rows_choose(SyncRows *queue, List *names)
{
	RowMode		mode = sync_row_modes[queue->plan->sync->mode];

	queue->chosen = names;
	enqueue_set_mode(queue->calls, names != NIL && mode == MODE_CREATE ? MODE_UPDATE : mode);
}

Datum
sync_rows_key_path(const SyncRows *queue)
{
	const SyncRowPlan *plan = queue->plan;
	Datum		path[2];
	int			n = 0;

	for (int i = 0; i < plan->nmembers; i++)
	{
		const Member *member = &plan->members[i];

		if (!member->is_key || n > 0)
			continue;
		if (member->place == PLACE_TRAITS)
			path[n++] = CStringGetTextDatum(plan->container);
		path[n++] = CStringGetTextDatum(member->column.name);
	}
	return PointerGetDatum(construct_array(path, n, TEXTOID, -1, false, TYPALIGN_INT));
}

int64
sync_rows_queue(SyncRows *queue, TupleTableSlot *slot)
{
	return queue_row(queue, queue->calls, slot, ROW_IS);
}

/* ---- associations that are no more ------------------------------------------------------ */

/* The message that ends the one which a column of this row says; NULL: it says none. */
static Jsonb *
make_ending(SyncRowPlan *plan, Member *member, TupleTableSlot *slot)
{
	const CrmType *type = &object_types[plan->sync->object];
	Draft		draft = {.plan = plan, .slot = slot, .room = row_room()};

	if (member->place != PLACE_ASSOCIATIONS || names_nothing(member, slot))
		return NULL;

	/* HubSpot deletes a lead with its primary association, whatever others it has */
	if (type->born_associated)
		return NULL;
	pushJsonbValue(&draft.state, WJB_BEGIN_OBJECT, NULL);
	value_push_pair(&draft.state, "from_object", type->name);
	for (int i = 0; i < plan->nmembers; i++)
		if (plan->members[i].place == PLACE_TOP &&
			strcmp(plan->members[i].column.name, type->id_member) == 0)
			push_column(&draft, &plan->members[i].end);
	value_push_pair(&draft.state, "to_object", member->object);
	push_column(&draft, &member->end);
	return value_end_object(&draft.state);
}

/* now: NULL, the record has none any more. */
static void
end_associations(SyncRows *queue, TupleTableSlot *before, TupleTableSlot *now)
{
	SyncRowPlan *plan = queue->plan;

	for (int i = 0; i < plan->nmembers; i++)
	{
		Member	   *member = &plan->members[i];
		MemoryContext old;
		Jsonb	   *message;

		if (now != NULL && member->place == PLACE_ASSOCIATIONS &&
			!sync_row_association_differs(plan, member, before, now))
			continue;
		old = MemoryContextSwitchTo(queue->row);
		message = make_ending(plan, member, before);
		if (message != NULL && queue->endings == NULL)
			queue->endings = begin(queue, CALL_DISSOCIATE);
		if (message != NULL)
			(void) enqueue_message(queue->endings, message);
		MemoryContextSwitchTo(old);
		MemoryContextReset(queue->row);
	}
}

void
sync_rows_change(SyncRows *queue, TupleTableSlot *before, TupleTableSlot *now)
{
	bool		is_same = !sync_row_key_differs(queue->plan, before, now);

	if (is_same && has_key(queue->plan, now))
		end_associations(queue, before, now);
	queue->before = is_same ? before : NULL;
	(void) sync_rows_queue(queue, now);
	queue->before = NULL;
}

/* What a removed row means, and by which call: by what the definition says of deletes. */
static const struct
{
	Meaning		meaning;
	bool		has_call;		/* of its own; else that of the rows */
	Call		call;
}			removals[] =
{
	[SYNC_DELETES_IGNORE] = {ROW_IS, false, 0},
	[SYNC_DELETES_CLEAR] = {ROW_IS_CLEARED, false, 0},
	[SYNC_DELETES_ARCHIVE] = {ROW_IS_DELETED, true, CALL_DELETE},
	[SYNC_DELETES_REMOVE] = {ROW_IS, true, CALL_UNGROUP},
};

void
sync_rows_remove(SyncRows *queue, TupleTableSlot *slot)
{
	SyncDeletes deletes = queue->plan->sync->deletes;

	if (deletes == SYNC_DELETES_IGNORE)
		return;
	if (removals[deletes].has_call && queue->deletions == NULL)
		queue->deletions = begin(queue, removals[deletes].call);
	(void) queue_row(queue, removals[deletes].has_call ? queue->deletions : queue->calls, slot,
					 removals[deletes].meaning);
	/* the associations of an archived record go with it */
	if (deletes == SYNC_DELETES_CLEAR && has_key(queue->plan, slot))
		end_associations(queue, slot, NULL);
}

void
sync_rows_note(SyncRows *queue, const char *text)
{
	MessageProblem problem = {.sqlerrcode = ERRCODE_WARNING, .message = text};

	(void) enqueue_problem(queue->calls, NULL, &problem);
}

/* The report of the definition says how many there were; the worker adds it up. */
static void
note_keyless(const SyncRows *queue)
{
	Oid			types[] = {INT4OID, INT8OID};
	Datum		values[] = {
		Int32GetDatum(queue->plan->sync->report), Int64GetDatum(queue->keyless)
	};

	if (queue->keyless > 0)
		(void) sync_execute("INSERT INTO hubspot.sync_keyless (report, rows, at)"
							" VALUES ($1, $2, clock_timestamp())",
							lengthof(types), types, values, NULL, NULL, NULL);
}

void
sync_rows_pass_over(SyncRows *queue, int64 count)
{
	queue->keyless += count;
}

void
sync_rows_end(SyncRows *queue)
{
	note_keyless(queue);
	enqueue_end(queue->calls);
	if (queue->deletions != NULL)
		enqueue_end(queue->deletions);
	if (queue->endings != NULL)
		enqueue_end(queue->endings);
	MemoryContextDelete(queue->row);
	pfree(queue);
}

/* ---- a removal that is put off --------------------------------------------------------- */

struct SyncRemoval
{
	int			sync;
	bool		removes;		/* false: what goes is left alone, by what the definition says */
	Call		call;
	Terms		terms;
	char	   *server;
	Oid			owner;
	Jsonb	   *message;
	char	   *problem;		/* why the message is a bad one, or NULL */
	List	   *endings;		/* Jsonb: messages that end the row's associations */
	bool		ends;			/* they are queued with the removal */
};

static List *
make_endings(SyncRowPlan *plan, TupleTableSlot *slot)
{
	List	   *endings = NIL;

	for (int i = 0; i < plan->nmembers; i++)
	{
		Jsonb	   *message = make_ending(plan, &plan->members[i], slot);

		if (message != NULL)
			endings = lappend(endings, message);
	}
	return endings;
}

SyncRemoval *
sync_rows_removal(SyncRowPlan *plan, TupleTableSlot *slot)
{
	SyncRows	all_columns = {.plan = plan};
	const Sync *sync = plan->sync;
	SyncDeletes deletes = sync->deletes;
	SyncRemoval *removal;

	if (!sync_rows_leave_something(plan) || !has_key(plan, slot))
		return NULL;
	removal = palloc0(sizeof(SyncRemoval));
	removal->sync = sync->id;
	removal->removes = deletes != SYNC_DELETES_IGNORE;
	removal->ends = deletes == SYNC_DELETES_CLEAR;
	removal->call = removals[deletes].has_call ? removals[deletes].call : plan->call;
	removal->terms = sync_terms(sync);
	removal->server = pstrdup(sync->server);
	removal->owner = sync_need_owner(sync);
	if (sync->deadline != NULL)
		removal->terms.deadline =
			memcpy(palloc(sizeof(Interval)), sync->deadline, sizeof(Interval));

	/*
	 * Where it is queued nothing of the user's may run: his output functions do here.  One that is
	 * not queued is compared all the same: its message says which record it is.
	 */
	removal->message = make_message(&all_columns, slot,
									removal->removes ? removals[deletes].meaning : ROW_IS_DELETED,
									&removal->problem);
	removal->endings = make_endings(plan, slot);
	return removal;
}

bool
sync_rows_leave_something(const SyncRowPlan *plan)
{
	return plan->sync->deletes != SYNC_DELETES_IGNORE || sync_is_associated(plan->sync);
}

bool
sync_rows_is_removal_of(const SyncRemoval *removal, const Sync *sync)
{
	return removal->sync == sync->id;
}

static bool
is_same_message(const Jsonb *a, const Jsonb *b)
{
	return compareJsonbContainers(unconstify(JsonbContainer *, &a->root),
								  unconstify(JsonbContainer *, &b->root)) == 0;
}

static bool
has_ending(const SyncRemoval *removal, const Jsonb *message)
{
	ListCell   *cell;

	foreach(cell, removal->endings)
		if (is_same_message(lfirst(cell), message))
		return true;
	return false;
}

/* but: what this row says is not ended; or NULL */
static void
queue_endings(const SyncRemoval *removal, const SyncRemoval *but)
{
	Enqueue    *enqueue =
	enqueue_begin(CALL_DISSOCIATE, SOURCE_SYNC, removal->server, removal->owner, 1);
	ListCell   *cell;

	set_terms(enqueue, removal->terms, false);
	foreach(cell, removal->endings)
		if (but == NULL || !has_ending(but, lfirst(cell)))
		(void) enqueue_message(enqueue, lfirst(cell));
	enqueue_end(enqueue);
}

static void
queue_removed(const SyncRemoval *removal)
{
	Enqueue    *enqueue =
	enqueue_begin(removal->call, SOURCE_SYNC, removal->server, removal->owner, 1);
	MessageProblem problem = {
		.sqlerrcode = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = removal->problem
	};

	set_terms(enqueue, removal->terms, false);
	if (removal->problem != NULL)
		(void) enqueue_problem(enqueue, removal->message, &problem);
	else
		(void) enqueue_message(enqueue, removal->message);
	enqueue_end(enqueue);
}

void
sync_rows_queue_removal(const SyncRemoval *removal)
{
	if (removal->removes)
		queue_removed(removal);
	if (removal->ends && removal->endings != NIL)
		queue_endings(removal, NULL);
}

bool
sync_rows_has_moved(const SyncRemoval *removal, const SyncRemoval *here)
{
	if (removal->sync != here->sync || !is_same_message(removal->message, here->message))
		return false;
	if (removal->endings != NIL)
		queue_endings(removal, here);
	return true;
}
