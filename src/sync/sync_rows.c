/*
 * sync_rows.c
 *		Rows of a sync's table as calls: what a changed, new or gone row means.
 *
 * Called by the triggers of a followed table, in the transaction of whoever
 * changed it, and by the back-fill.  The messages are those that somebody
 * would write by hand, so that all rules of a call hold.
 *
 * A business transaction must not fail because of a value.  Values whose conversion can
 * raise an error are converted in a subtransaction, which writes nothing and so uses no
 * transaction id.  Values that do not fit into a message are not converted at all.
 *
 * Locks: as enqueue.h.  Memory: see sync_row.h; a message in a context that is
 * reset for each row.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "base/value.h"
#include "enqueue/enqueue.h"
#include "message/mapping_name.h"
#include "sync/sync_row_plan.h"

#define BACKFILL_GROUP_ROWS 500

struct SyncRows
{
	SyncRowPlan *plan;
	int			capacity;
	bool		backfill;
	Enqueue    *calls;
	Enqueue    *deletions;		/* NULL: not begun */
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

/* The text of the key, as its type prints it. */
static char *
key_text(const RowColumn *column, TupleTableSlot *slot)
{
	Oid			output;
	bool		is_varlena;
	bool		isnull;
	Datum		datum = slot_getattr(slot, column->attno, &isnull);

	getTypeOutputInfo(column->type, &output, &is_varlena);
	return OidOutputFunctionCall(output, datum);
}

static void
push_top(SyncRowPlan *plan, TupleTableSlot *slot, JsonbInState *state)
{
	for (int i = 0; i < plan->nmembers; i++)
	{
		Member	   *member = &plan->members[i];

		if (member->place == PLACE_TOP)
			row_column_push(&member->column, slot, state);
		else if (member->place == PLACE_MESSAGE_ID)
			value_push_pair(state, "messageId",
							psprintf("%s:%s", plan->sync->name, key_text(&member->column, slot)));
	}
	if (plan->sync->object == OBJECT_IS_EVENT)
		value_push_pair(state, "event", plan->sync->event);
}

/* Add the traits; for a cleared record all are null except the key. */
static void
push_traits(SyncRowPlan *plan, TupleTableSlot *slot, bool cleared, JsonbInState *state)
{
	for (int i = 0; i < plan->nmembers; i++)
	{
		Member	   *member = &plan->members[i];

		if (member->place != PLACE_TRAITS)
			continue;
		if (cleared && !member->is_key)
			row_column_push_null(&member->column, state);
		else
			row_column_push(&member->column, slot, state);
	}
}

static Jsonb *
make_message(SyncRowPlan *plan, TupleTableSlot *slot, bool cleared)
{
	JsonbInState state = {0};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_top(plan, slot, &state);
	value_push_name(&state, plan->container);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_traits(plan, slot, cleared, &state);
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return value_end_object(&state);
}

/* A delete call: a flat message that contains only the record's key. */
static Jsonb *
make_deletion(SyncRowPlan *plan, TupleTableSlot *slot)
{
	Object		object = plan->sync->object;
	JsonbInState state = {0};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (object != OBJECT_IS_CONTACT)
		value_push_pair(&state, "object", object_types[object].name);
	for (int i = 0; i < plan->nmembers; i++)
		if (plan->members[i].is_key || is_key_trait(object, plan->members[i].column.name))
			row_column_push(&plan->members[i].column, slot, &state);
	return value_end_object(&state);
}

/* ---- making them without failing ------------------------------------------------------ */

typedef enum Meaning
{
	ROW_IS,
	ROW_IS_CLEARED,
	ROW_IS_DELETED
} Meaning;

static Jsonb *
make(SyncRowPlan *plan, TupleTableSlot *slot, Meaning meaning)
{
	return meaning == ROW_IS_DELETED
		? make_deletion(plan, slot) : make_message(plan, slot, meaning == ROW_IS_CLEARED);
}

/* NULL if a value cannot be converted; the error's text is in problem. */
static Jsonb *
make_in_subtransaction(SyncRowPlan *plan, TupleTableSlot *slot, Meaning meaning,
					   MessageProblem *problem)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Jsonb	   *volatile message = NULL;

	BeginInternalSubTransaction(NULL);
	/* The message must survive the subtransaction, whose memory context is current now. */
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		message = make(plan, slot, meaning);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		/* A cancel or a shutdown must end the user's statement: it says nothing about the value. */
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		problem->sqlerrcode = error->sqlerrcode;
		problem->message =
			psprintf("a row of \"%s\" cannot be converted: %s", plan->sync->source, error->message);
		problem->detail = problem->hint = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return message;
}

/* Whether the values are too large for a message; does not detoast them. */
static bool
is_too_large(SyncRowPlan *plan, TupleTableSlot *slot, MessageProblem *problem)
{
	Size		size = 0;

	for (int i = 0; i < plan->nmembers; i++)
	{
		bool		isnull;
		Datum		datum;

		if (!plan->members[i].column.is_varlena)
			continue;
		datum = slot_getattr(slot, plan->members[i].column.attno, &isnull);
		if (!isnull)

			/*
			 * The raw size is in the toast pointer.  To detoast first would allocate up to 1 GB
			 * per value in the user's transaction.
			 */
			size += toast_raw_datum_size(datum);
	}
	if (size <= hubspot_max_message_size)
		return false;
	problem->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	problem->message =
		psprintf("a row of \"%s\" has %zu bytes, which exceeds hubspot.max_message_size",
				 plan->sync->source, size);
	problem->detail = psprintf("The limit is %d bytes.", hubspot_max_message_size);
	problem->hint = NULL;
	return true;
}

/* ---- queueing ---------------------------------------------------------------------- */

static Enqueue *
begin(SyncRows *queue, Call call)
{
	const Sync *sync = queue->plan->sync;
	MemoryContext old = MemoryContextSwitchTo(queue->home);
	Enqueue    *enqueue =
	enqueue_begin(call, SOURCE_SYNC, sync->server, sync_need_owner(sync), queue->capacity);

	enqueue_set_terms(enqueue, NULL, queue->backfill);
	enqueue_set_mode(enqueue, sync_row_modes[sync->mode]);
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
	MessageProblem problem;
	Jsonb	   *message = NULL;
	int64		id;

	if (!has_key(plan, slot))
		return 0;
	old = MemoryContextSwitchTo(queue->row);
	if (!is_too_large(plan, slot, &problem))
		message = plan->may_fail
			? make_in_subtransaction(plan, slot, meaning, &problem) : make(plan, slot, meaning);
	if (message == NULL)
		id = enqueue_problem(enqueue, NULL, &problem);
	else if (plan->sync->object == OBJECT_IS_ASSOCIATION)
		id = enqueue_membership(enqueue, message);
	else
		id = enqueue_message(enqueue, message);
	MemoryContextSwitchTo(old);
	MemoryContextReset(queue->row);
	return id;
}

int64
sync_rows_queue(SyncRows *queue, TupleTableSlot *slot)
{
	return queue_row(queue, queue->calls, slot, ROW_IS);
}

void
sync_rows_remove(SyncRows *queue, TupleTableSlot *slot)
{
	switch (queue->plan->sync->deletes)
	{
		case SYNC_DELETES_IGNORE:
			break;
		case SYNC_DELETES_CLEAR:
			(void) queue_row(queue, queue->calls, slot, ROW_IS_CLEARED);
			break;
		case SYNC_DELETES_ARCHIVE:
			if (queue->deletions == NULL)
				queue->deletions = begin(queue, CALL_DELETE);
			(void) queue_row(queue, queue->deletions, slot, ROW_IS_DELETED);
			break;
	}
}

void
sync_rows_note(SyncRows *queue, const char *text)
{
	MessageProblem problem = {.sqlerrcode = ERRCODE_WARNING, .message = text};

	(void) enqueue_problem(queue->calls, NULL, &problem);
}

void
sync_rows_end(SyncRows *queue)
{
	enqueue_end(queue->calls);
	if (queue->deletions != NULL)
		enqueue_end(queue->deletions);
	MemoryContextDelete(queue->row);
	pfree(queue);
}
