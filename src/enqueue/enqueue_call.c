/*
 * enqueue_call.c
 *		The calls as SQL functions.
 *
 * Runs in the user's backend and transaction, with the user's rights; see
 * enqueue.c.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "cluster/shared.h"
#include "enqueue/enqueue.h"
#include "ring/ring.h"
#include "text/value.h"

#define ENQUEUE_GROUP_ROWS	500

PG_FUNCTION_INFO_V1(hubspot_identify);
PG_FUNCTION_INFO_V1(hubspot_track);
PG_FUNCTION_INFO_V1(hubspot_group);
PG_FUNCTION_INFO_V1(hubspot_ungroup);
PG_FUNCTION_INFO_V1(hubspot_page);
PG_FUNCTION_INFO_V1(hubspot_form);
PG_FUNCTION_INFO_V1(hubspot_delete);
PG_FUNCTION_INFO_V1(hubspot_add_to_list);
PG_FUNCTION_INFO_V1(hubspot_remove_from_list);
PG_FUNCTION_INFO_V1(hubspot_subscription);
PG_FUNCTION_INFO_V1(hubspot_record);
PG_FUNCTION_INFO_V1(hubspot_associate);
PG_FUNCTION_INFO_V1(hubspot_dissociate);
PG_FUNCTION_INFO_V1(hubspot_enqueue);
PG_FUNCTION_INFO_V1(hubspot_next_outbox_id);

/* The arguments server, deadline and backfill, which follow each other from argument n on. */
typedef struct Terms
{
	const char *server;
	const Interval *deadline;
	bool		backfill;
} Terms;

static Terms
terms_argument(FunctionCallInfo fcinfo, int n)
{
	Terms		terms = {0};

	if (!PG_ARGISNULL(n))
		terms.server = NameStr(*PG_GETARG_NAME(n));
	if (!PG_ARGISNULL(n + 1))
		terms.deadline = PG_GETARG_INTERVAL_P(n + 1);
	terms.backfill = !PG_ARGISNULL(n + 2) && PG_GETARG_BOOL(n + 2);
	return terms;
}

static Enqueue *
begin_call(Call call, const Terms *terms, int capacity)
{
	Enqueue    *enqueue =
	enqueue_begin(call, SOURCE_FUNCTION, terms->server, GetUserId(), capacity);

	enqueue_set_terms(enqueue, terms->deadline, terms->backfill);
	return enqueue;
}

static int64
queue_message(Call call, Jsonb *message, const Terms *terms)
{
	Enqueue    *enqueue = begin_call(call, terms, 1);
	int64		id = enqueue_message(enqueue, message);

	enqueue_end(enqueue);
	return id;
}

static int64
queue_call(Call call, FunctionCallInfo fcinfo)
{
	Terms		terms = terms_argument(fcinfo, 1);

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("message must not be null")));
	return queue_message(call, PG_GETARG_JSONB_P(0), &terms);
}

/*
 * Queue a change of a list's members.  The list's name becomes a member of the message,
 * so that the row contains the whole call.
 */
static int64
queue_member(Call call, FunctionCallInfo fcinfo)
{
	Terms		terms = terms_argument(fcinfo, 2);
	Jsonb	   *message;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("list and message must not be null")));
	message = PG_GETARG_JSONB_P(1);
	if (JB_ROOT_IS_OBJECT(message))
		message = message_set_text(message, MESSAGE_LIST, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	return queue_message(call, message, &terms);
}

Datum
hubspot_identify(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_IDENTIFY, fcinfo));
}

Datum
hubspot_track(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_TRACK, fcinfo));
}

Datum
hubspot_group(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_GROUP, fcinfo));
}

Datum
hubspot_ungroup(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_UNGROUP, fcinfo));
}

Datum
hubspot_page(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_PAGE, fcinfo));
}

Datum
hubspot_form(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_FORM, fcinfo));
}

Datum
hubspot_delete(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_DELETE, fcinfo));
}

Datum
hubspot_add_to_list(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_member(CALL_ADD_TO_LIST, fcinfo));
}

Datum
hubspot_remove_from_list(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_member(CALL_REMOVE_FROM_LIST, fcinfo));
}

Datum
hubspot_subscription(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_call(CALL_SUBSCRIPTION, fcinfo));
}

/* The object becomes a member of the message, as the list does. */
Datum
hubspot_record(PG_FUNCTION_ARGS)
{
	Terms		terms = terms_argument(fcinfo, 2);
	Jsonb	   *message;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("object and message must not be null")));
	message = PG_GETARG_JSONB_P(1);
	if (JB_ROOT_IS_OBJECT(message))
		message = message_set_text(message, "object", text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_INT64(queue_message(CALL_RECORD, message, &terms));
}

/* Two records and a label, as the members of a message. */
static Jsonb *
pair_arguments(FunctionCallInfo fcinfo)
{
	static const char *const names[] =
	{"from_object", "from_id", "to_object", "to_id", "label"};
	JsonbInState state = {0};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(names); i++)
		if (!PG_ARGISNULL(i))
			value_push_pair(&state, names[i], text_to_cstring(PG_GETARG_TEXT_PP(i)));
		else if (strcmp(names[i], "label") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", names[i])));
	return value_end_object(&state);
}

static int64
queue_pair(Call call, FunctionCallInfo fcinfo)
{
	Terms		terms = terms_argument(fcinfo, 5);

	return queue_message(call, pair_arguments(fcinfo), &terms);
}

Datum
hubspot_associate(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_pair(CALL_ASSOCIATE, fcinfo));
}

Datum
hubspot_dissociate(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(queue_pair(CALL_DISSOCIATE, fcinfo));
}

/* The ids of the rows, in the order of the messages. */
typedef struct QueuedArray
{
	int64	   *ids;			/* 0: not queued */
	int			count;
} QueuedArray;

/*
 * Queue all elements, in the current context.  call NULL: the one that each message's own type
 * names; messages of types that HubSpot has no use for are left out, which is told.
 */
static QueuedArray *
enqueue_array(const Call *call, ArrayType *messages, const Terms *terms)
{
	QueuedArray *queued = palloc0(sizeof(QueuedArray));
	int			left_out = 0;
	Datum	   *elements;
	bool	   *nulls;
	Enqueue    *enqueue;
	MemoryContext scratch;
	MemoryContext old;

	deconstruct_array(messages, JSONBOID, -1, false, TYPALIGN_INT, &elements, &nulls,
					  &queued->count);
	queued->ids = palloc0(sizeof(int64) * Max(queued->count, 1));
	if (queued->count == 0)
		return queued;

	enqueue = begin_call(call != NULL ? *call : CALL_IDENTIFY, terms, ENQUEUE_GROUP_ROWS);

	/*
	 * A message is checked in a context that is reset, so that an array of a million messages
	 * takes the memory of one group.
	 */
	scratch =
		AllocSetContextCreate(CurrentMemoryContext, "hubspot message", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	for (int i = 0; i < queued->count; i++)
	{
		Jsonb	   *message;
		Call		own;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("message %d of the array must not be null", i + 1)));
		message = DatumGetJsonbP(elements[i]);
		if (call == NULL && !enqueue_call_of_type(message, i + 1, &own))
			left_out++;
		else
		{
			if (call == NULL)
				enqueue_set_call(enqueue, own);
			queued->ids[i] = enqueue_message(enqueue, message);
		}
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	enqueue_end(enqueue);
	if (left_out > 0)
		ereport(NOTICE,
				(errmsg_plural("%d message of a type that HubSpot has no use for was left out",
							   "%d messages of types that HubSpot has no use for were left out",
							   left_out, left_out)));
	return queued;
}

Datum
hubspot_enqueue(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	QueuedArray *queued;

	if (SRF_IS_FIRSTCALL())
	{
		Terms		terms = terms_argument(fcinfo, 2);
		MemoryContext old;
		Call		call;

		if (PG_ARGISNULL(1))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("messages must not be null")));
		context = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (!PG_ARGISNULL(0))
			call = enqueue_call_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));

		/*
		 * Everything is queued at the first call, so that LIMIT or a cursor cannot leave half of
		 * the array unqueued.
		 */
		context->user_fctx = enqueue_array(PG_ARGISNULL(0) ? NULL : &call,
										   PG_GETARG_ARRAYTYPE_P(1), &terms);
		MemoryContextSwitchTo(old);
	}

	context = SRF_PERCALL_SETUP();
	queued = context->user_fctx;
	if (context->call_cntr < queued->count)
	{
		/* first: SRF_RETURN_NEXT() increments call_cntr before it evaluates its argument */
		int64		id = queued->ids[context->call_cntr];

		if (id == 0)
			SRF_RETURN_NEXT_NULL(context);
		SRF_RETURN_NEXT(context, Int64GetDatum(id));
	}
	SRF_RETURN_DONE(context);
}

/* Default of the id column, for rows inserted with SQL. */
Datum
hubspot_next_outbox_id(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("queueing a HubSpot call");
	PreventCommandIfParallelMode("queueing a HubSpot call");
	PreventCommandDuringRecovery("queueing a HubSpot call");
	(void) GetTopFullTransactionId();
	shared_wake_at_commit();
	PG_RETURN_INT64(nextval_internal(ring_catalog(false)->outbox_id_seq, false));
}
