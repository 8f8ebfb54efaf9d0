/*
 * trigger.c
 *		hubspot_trigger(): changed rows of any table become calls.
 *
 * AFTER INSERT or UPDATE, per row, or per statement with a transition table; the latter
 * queues in groups and is preferable.  A new row becomes a flat message of column names
 * and values, or of the columns of a mapping.  USAGE on the SERVER is checked for the
 * owner of the table, so that business users need no grant; in a partition also for the
 * owner of the table on which the trigger was created.  The creator of the trigger needs
 * USAGE, too, see trigger_creator.c.  Invalid rows are recorded and rejected by the
 * worker instead of raised (hubspot.on_invalid): the business transaction goes on.
 *
 * Memory: the plan (arguments, columns) lives as long as the trigger's
 * FmgrInfo; rows in a context reset after each.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/trigger_call.h"
#include "base/guc.h"
#include "enqueue/deadline.h"
#include "enqueue/enqueue.h"
#include "enqueue/row_column.h"
#include "enqueue/trigger_creator.h"
#include "text/value.h"

#define TRIGGER_GROUP_ROWS 500

typedef struct TriggerPlan
{
	Oid			relation;
	Oid			created_on;		/* for a copy in a partition: the table of the original trigger;
								 * InvalidOid: no copy */
	Call		call;
	const char *object;			/* of a record; NULL: the call says it */
	const char *server;			/* NULL: the default */
	int			ncolumns;
	RowColumn  *columns;
	Interval   *deadline;		/* how long a call may wait; NULL: no limit */
	MessageProblem *problem;	/* the mapping does not fit the table, or the deadline is invalid */
	MemoryContext row;			/* reset for each row */
} TriggerPlan;

PG_FUNCTION_INFO_V1(hubspot_trigger);

static void
misuse(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("%s", what),
			 hint ? errhint("%s", hint) : 0));
}

/*
 * Note a fault of the trigger: it makes the rows bad, but does not fail the statement
 * that changes them.
 */
static void
plan_problem(TriggerPlan *plan, int sqlerrcode, char *message, const char *detail, const char *hint)
{
	if (plan->problem != NULL)
		return;
	plan->problem = palloc0(sizeof(MessageProblem));
	plan->problem->sqlerrcode = sqlerrcode;
	plan->problem->message = message;
	plan->problem->detail = detail;
	plan->problem->hint = hint;
}

static void
plan_column(TriggerPlan *plan, Relation rel, const char *trait, Form_pg_attribute attribute)
{
	if (row_column_is_stored(attribute))
		row_column_init(&plan->columns[plan->ncolumns++], trait, attribute);
	else
		plan_problem(plan, ERRCODE_FEATURE_NOT_SUPPORTED,
					 psprintf("column \"%s\" of table \"%s\" is a virtual generated column",
							  NameStr(attribute->attname), RelationGetRelationName(rel)),
					 "A trigger does not see its values.",
					 "Make it STORED, or create the trigger anew with a mapping that "
					 "leaves it out.");
}

static void
plan_all_columns(TriggerPlan *plan, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	plan->columns = palloc0(sizeof(RowColumn) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped)
			plan_column(plan, rel, pstrdup(NameStr(attribute->attname)), attribute);
	}
}

static void
plan_mapped_columns(TriggerPlan *plan, Relation rel, const char *mapping)
{
	Jsonb	   *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(mapping)));
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *trait = "";

	if (!JB_ROOT_IS_OBJECT(jsonb) || JB_ROOT_COUNT(jsonb) == 0)
		misuse("third argument of hubspot_trigger is not a column mapping",
			   "Expected a JSON object of trait and column, such as {\"email\": "
			   "\"mail_address\"}.");
	plan->columns = palloc0(sizeof(RowColumn) * JB_ROOT_COUNT(jsonb));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		Form_pg_attribute attribute;
		char	   *column;

		if (token == WJB_KEY)
			trait = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (value.type != jbvString)
			misuse("column mapping of hubspot_trigger holds something else than column names",
				   NULL);
		column = pnstrdup(value.val.string.val, value.val.string.len);
		attribute = row_find_attribute(RelationGetDescr(rel), column);

		/*
		 * A missing column is no error, because ALTER TABLE may have dropped it: the statements of
		 * business users go on.
		 */
		if (attribute != NULL)
			plan_column(plan, rel, trait, attribute);
		else
			plan_problem(plan, ERRCODE_UNDEFINED_COLUMN,
						 psprintf("column \"%s\" in the mapping of hubspot_trigger does not exist "
								  "in table \"%s\"",
								  column, RelationGetRelationName(rel)),
						 NULL, "Create the trigger anew with a mapping that fits.");
	}
}

static void
plan_deadline(TriggerPlan *plan, const char *text)
{
	MessageProblem problem;

	plan->deadline = palloc(sizeof(Interval));
	if (deadline_read_interval(text, plan->deadline, &problem) || plan->problem != NULL)
		return;
	plan->problem = palloc(sizeof(MessageProblem));
	*plan->problem = problem;
}

/* "identify", or "record deal": a call about records of any type names theirs behind it. */
static void
plan_call(TriggerPlan *plan, const char *text)
{
	const char *record = call_names[CALL_RECORD];
	const char *behind = text + strlen(record);

	if (strncmp(text, record, strlen(record)) != 0 || (*behind != ' ' && *behind != '\0'))
	{
		plan->call = enqueue_call_by_name(text);
		return;
	}
	if (*behind == '\0' || behind[1] == '\0')
		misuse("hubspot_trigger is to queue records, and is not told of which object",
			   "Name it behind the call, as in hubspot_trigger('record deal').");
	plan->call = CALL_RECORD;
	plan->object = pstrdup(behind + 1);
}

static TriggerPlan *
make_plan(TriggerData *trigger, MemoryContext home)
{
	MemoryContext old = MemoryContextSwitchTo(home);
	TriggerPlan *plan = palloc0(sizeof(TriggerPlan));
	int			nargs = trigger->tg_trigger->tgnargs;
	char	  **args = trigger->tg_trigger->tgargs;

	plan->relation = RelationGetRelid(trigger->tg_relation);
	if (trigger->tg_trigger->tgisclone)
		plan->created_on = trigger_creator_table(trigger->tg_trigger->tgoid);
	plan_call(plan, args[0]);
	plan->server = nargs >= 2 && args[1][0] != '\0' ? pstrdup(args[1]) : NULL;
	if (nargs >= 3 && args[2][0] != '\0')
		plan_mapped_columns(plan, trigger->tg_relation, args[2]);
	else
		plan_all_columns(plan, trigger->tg_relation);
	if (nargs == 4)
		plan_deadline(plan, args[3]);
	plan->row = AllocSetContextCreate(home, "hubspot_trigger row", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old);
	return plan;
}

/* The message of a row: a flat object of traits. */
static Jsonb *
row_message(TriggerPlan *plan, TupleTableSlot *slot)
{
	JsonbInState state = {0};
	RowRoom		room = row_room();

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < plan->ncolumns; i++)
		row_column_push(&plan->columns[i], slot, &room, &state);
	/* behind a column of that name, so that it wins */
	if (plan->object != NULL)
		value_push_pair(&state, "object", plan->object);
	return value_end_object(&state);
}

static void
enqueue_row(TriggerPlan *plan, Enqueue *enqueue, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(plan->row);
	Jsonb	   *message = row_message(plan, slot);

	if (plan->problem != NULL)
		(void) enqueue_problem(enqueue, message, plan->problem);
	else
		(void) enqueue_message(enqueue, message);
	MemoryContextSwitchTo(old);
}

/* Queue all rows of the transition table, with a read pointer of our own. */
static void
enqueue_transition_table(TriggerPlan *plan, Enqueue *enqueue, TriggerData *trigger)
{
	Tuplestorestate *rows = trigger->tg_newtable;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(trigger->tg_relation),
													&TTSOpsMinimalTuple);
	int			pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);

	tuplestore_select_read_pointer(rows, pointer);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		enqueue_row(plan, enqueue, slot);
		MemoryContextReset(plan->row);
		tuplestore_select_read_pointer(rows, pointer);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static const TriggerUse use = {
	.function = "hubspot_trigger", .timing = TRIGGER_EVENT_AFTER,
	.events = TRIGGER_ON_INSERT | TRIGGER_ON_UPDATE,
	.for_row = true, .for_statement = true,
	.min_args = 1, .max_args = 4,
	.expected = "AFTER INSERT or UPDATE",
	.hint = "A row that goes away has no call of its own.",
	.args_hint =
	"The arguments are: call ('record' with the object behind it), server ('' for the default), "
	"column mapping ('' for all columns), deadline."
};

static void
check_usage(const TriggerData *trigger, Oid server, Oid table, Oid role)
{
	const char *name;

	if (!OidIsValid(role))
		elog(ERROR, "cache lookup failed for relation %u", table);
	if (object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE) == ACLCHECK_OK)
		return;
	name = GetForeignServer(server)->servername;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for foreign server %s", name),
			 errdetail("Trigger \"%s\" on table \"%s\" queues with the rights of the owner of "
					   "table \"%s\", role \"%s\".",
					   trigger->tg_trigger->tgname, RelationGetRelationName(trigger->tg_relation),
					   get_rel_name(table), GetUserNameFromId(role, true)),
			 errhint("GRANT USAGE ON FOREIGN SERVER %s TO %s.", quote_identifier(name),
					 quote_identifier(GetUserNameFromId(role, true)))));
}

/*
 * Whoever changes the table learns whose right is missing: neither the SERVER nor that role is in
 * the statement.
 */
static void
check_account(const TriggerPlan *plan, const TriggerData *trigger)
{
	Relation	relation = trigger->tg_relation;
	Oid			server;

	if (plan->server != NULL && !OidIsValid(get_foreign_server_oid(plan->server, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" does not exist", plan->server),
				 errdetail("Trigger \"%s\" on table \"%s\" names it, and queues with the rights of "
						   "the table's owner, role \"%s\".",
						   trigger->tg_trigger->tgname, RelationGetRelationName(relation),
						   GetUserNameFromId(relation->rd_rel->relowner, true)),
				 errhint("ALTER SERVER ... RENAME leaves triggers as they are: create this one "
						 "anew, with the present name.")));
	server = account_resolve(plan->server);
	check_usage(trigger, server, RelationGetRelid(relation), relation->rd_rel->relowner);
	if (OidIsValid(plan->created_on))
		check_usage(trigger, server, plan->created_on, trigger_creator_owner(plan->created_on));
}

Datum
hubspot_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, &use, InvalidOid);
	TriggerPlan *plan;
	Enqueue    *enqueue;
	bool		per_row = TRIGGER_FIRED_FOR_ROW(trigger->tg_event);

	if (!per_row && trigger->tg_newtable == NULL)
		misuse("hubspot_trigger FOR EACH STATEMENT needs a transition table",
			   "Add REFERENCING NEW TABLE AS changed to CREATE TRIGGER.");

	plan = fcinfo->flinfo->fn_extra;
	if (plan == NULL || plan->relation != RelationGetRelid(trigger->tg_relation))
		fcinfo->flinfo->fn_extra = plan = make_plan(trigger, fcinfo->flinfo->fn_mcxt);

	/*
	 * The table owner's USAGE is meant for the SERVER that the owner or the administrator chose.
	 * If the user chose the SERVER by SET, the user needs USAGE.
	 */
	if (plan->server == NULL && hubspot_server_by_user)
		account_check_usage(account_resolve(NULL), GetUserId());
	check_account(plan, trigger);
	MemoryContextReset(plan->row);
	enqueue = enqueue_begin(plan->call, SOURCE_TRIGGER, plan->server,
							trigger->tg_relation->rd_rel->relowner,
							per_row ? 1 : TRIGGER_GROUP_ROWS);
	enqueue_set_terms(enqueue, plan->deadline, false);
	if (!per_row)
		enqueue_transition_table(plan, enqueue, trigger);
	else
		enqueue_row(plan, enqueue, TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)
					? trigger->tg_newslot : trigger->tg_trigslot);
	enqueue_end(enqueue);
	return PointerGetDatum(NULL);
}
