/*
 * enqueue.c
 *		The SQL calls: from a message to a row of the outbox.
 *
 * Runs in the user's backend and transaction, with the user's rights: what
 * decides is USAGE on the SERVER; the rows are written by append.c, which asks
 * for no right on the tables.  Locks: ROW EXCLUSIVE on one child of the
 * outbox, until the end of the transaction.  Memory: the caller's context; a
 * group of rows lives in a context of its own, reset when it was written.
 *
 * The transaction gets its xid before the row gets its id.  window.c relies
 * on this order: whoever has a younger xid has a higher id.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/sequence.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "hubspot.h"
#include "account.h"
#include "append.h"
#include "enqueue.h"
#include "shared.h"

#define ENQUEUE_GROUP_ROWS	500
#define ENQUEUE_GROUP_BYTES	(256 * 1024)

/* Columns of hubspot.outbox, in the order of the script. */
enum OutboxColumn
{
	OUTBOX_ID, OUTBOX_XID, OUTBOX_CREATED_AT, OUTBOX_SERVER, OUTBOX_CALL, OUTBOX_OBJECT,
	OUTBOX_SOURCE, OUTBOX_PARENT, OUTBOX_DEADLINE, OUTBOX_BACKFILL, OUTBOX_REPLAY_OF, OUTBOX_CALLED_AT,
	OUTBOX_KEY_PROPERTY, OUTBOX_KEY, OUTBOX_PROBLEM, OUTBOX_MESSAGE
};

struct Enqueue
{
	Call		call;
	Source		source;
	Oid			server;
	CallOptions options;		/* of the account; texts in home */
	bool		record_problems;	/* else they are raised */
	const Catalog *catalog;
	FullTransactionId xid;
	Appender   *append;			/* of the child in use, NULL before the first row */
	int			child;
	int			capacity;
	MemoryContext home;			/* for the Appender */
	MemoryContext rows;			/* for rows not yet written; home when capacity is 1 */
	Size		bytes;			/* in rows */
};

PG_FUNCTION_INFO_V1(hubspot_identify);
PG_FUNCTION_INFO_V1(hubspot_track);
PG_FUNCTION_INFO_V1(hubspot_group);
PG_FUNCTION_INFO_V1(hubspot_page);
PG_FUNCTION_INFO_V1(hubspot_form);
PG_FUNCTION_INFO_V1(hubspot_delete);
PG_FUNCTION_INFO_V1(hubspot_enqueue);
PG_FUNCTION_INFO_V1(hubspot_next_outbox_id);

/* Calls that carry a message, and what the row of a call writes in HubSpot. */
static const struct
{
	bool		has_message;
	Object		object;
}			calls[CALL_COUNT] =
{
	[CALL_IDENTIFY] = {true, OBJECT_IS_CONTACT},
	[CALL_TRACK] = {true, OBJECT_IS_EVENT},
	[CALL_GROUP] = {true, OBJECT_IS_COMPANY},
	[CALL_PAGE] = {true, OBJECT_IS_EVENT},
	[CALL_FORM] = {true, OBJECT_IS_FORM},
	[CALL_DELETE] = {true, OBJECT_IS_CONTACT},
};

Call
enqueue_call_by_name(const char *name)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < CALL_COUNT; i++)
	{
		if (!calls[i].has_message)
			continue;
		if (strcmp(name, ring_call_names[i]) == 0)
			return (Call) i;
		appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", ring_call_names[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown call \"%s\"", name),
			 errhint("Valid calls are: %s.", valid.data)));
}

void
enqueue_raise(const MessageProblem *problem)
{
	ereport(ERROR,
			(errcode(problem->sqlerrcode),
			 errmsg("%s", problem->message),
			 problem->detail ? errdetail("%s", problem->detail) : 0,
			 problem->hint ? errhint("%s", problem->hint) : 0));
}

/* The cache of the options may be emptied while messages are queued. */
static void
keep_properties(CallOptions *options)
{
	if (options->contact_id_property != NULL)
		options->contact_id_property = pstrdup(options->contact_id_property);
	if (options->company_id_property != NULL)
		options->company_id_property = pstrdup(options->company_id_property);
}

Enqueue *
enqueue_begin(Call call, Source source, const char *server, Oid role, int capacity)
{
	Enqueue    *enqueue = palloc0(sizeof(Enqueue));

	PreventCommandIfReadOnly("queueing a HubSpot call");
	PreventCommandIfParallelMode("queueing a HubSpot call");
	PreventCommandDuringRecovery("queueing a HubSpot call");

	enqueue->call = call;
	enqueue->source = source;
	enqueue->server = account_resolve(server);
	account_check_usage(enqueue->server, role);
	enqueue->options = *account_call_options(enqueue->server);
	keep_properties(&enqueue->options);
	enqueue->record_problems = hubspot_on_invalid == ON_INVALID_RECORD ||
		(hubspot_on_invalid == ON_INVALID_AUTO && source != SOURCE_FUNCTION);
	enqueue->catalog = ring_catalog(false);
	enqueue->xid = GetTopFullTransactionId();
	enqueue->child = -1;
	enqueue->capacity = capacity;
	enqueue->home = CurrentMemoryContext;
	enqueue->rows = capacity == 1 ? enqueue->home :
		AllocSetContextCreate(enqueue->home, "hubspot rows to queue", ALLOCSET_DEFAULT_SIZES);
	return enqueue;
}

/* Have the child of this id open. */
static void
open_child(Enqueue *enqueue, int64 id)
{
	MemoryContext old;

	if (enqueue->child == RING_CHILD(id))
		return;
	old = MemoryContextSwitchTo(enqueue->home);
	if (enqueue->append != NULL)
		append_close(enqueue->append);
	enqueue->child = RING_CHILD(id);
	enqueue->append = append_open(enqueue->catalog->outbox[enqueue->child], enqueue->capacity);
	MemoryContextSwitchTo(old);
}

/* In a group, rows outlive the message that they were made of: keep a copy. */
static Jsonb *
keep_message(Enqueue *enqueue, Jsonb *message)
{
	Size		size = VARSIZE(message);

	if (enqueue->capacity == 1)
		return message;
	enqueue->bytes += size;
	return memcpy(palloc(size), message, size);
}

int64
enqueue_work(Enqueue *enqueue, const Work *work)
{
	int64		id = work->id != 0 ? work->id : nextval_internal(enqueue->catalog->outbox_id_seq, false);
	MemoryContext old;
	Datum	   *values;
	bool	   *isnull;
	bool		written;

	open_child(enqueue, id);
	old = MemoryContextSwitchTo(enqueue->rows);
	append_next(enqueue->append, &values, &isnull);

#define PUT(column, datum) \
	do { values[column] = (datum); isnull[column] = false; } while (0)

	PUT(OUTBOX_ID, Int64GetDatum(id));
	PUT(OUTBOX_XID, FullTransactionIdGetDatum(enqueue->xid));
	PUT(OUTBOX_CREATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	PUT(OUTBOX_SERVER, ObjectIdGetDatum(enqueue->server));
	PUT(OUTBOX_CALL, ObjectIdGetDatum(enqueue->catalog->call[enqueue->call]));
	PUT(OUTBOX_OBJECT, ObjectIdGetDatum(enqueue->catalog->object[work->object]));
	PUT(OUTBOX_SOURCE, ObjectIdGetDatum(enqueue->catalog->source[enqueue->source]));
	if (work->parent != 0)
		PUT(OUTBOX_PARENT, Int64GetDatum(work->parent));
	if (work->key.property != NULL)
		PUT(OUTBOX_KEY_PROPERTY, CStringGetTextDatum(work->key.property));
	PUT(OUTBOX_KEY, CStringGetTextDatum(work->key.key != NULL ? work->key.key : ""));
	if (work->problem != NULL)
		PUT(OUTBOX_PROBLEM, CStringGetTextDatum(work->problem));
	if (work->message != NULL)
		PUT(OUTBOX_MESSAGE, JsonbPGetDatum(keep_message(enqueue, work->message)));
#undef PUT

	written = append_row(enqueue->append);
	if (!written && enqueue->bytes > ENQUEUE_GROUP_BYTES)
	{
		append_flush(enqueue->append);
		written = true;
	}
	MemoryContextSwitchTo(old);
	if (written && enqueue->rows != enqueue->home)
	{
		MemoryContextReset(enqueue->rows);
		enqueue->bytes = 0;
	}
	shared_wake_at_commit();
	return id;
}

int64
enqueue_problem(Enqueue *enqueue, Jsonb *message, const MessageProblem *problem)
{
	Work		work = {.message = message};

	work.object = calls[enqueue->call].object;
	if (!enqueue->record_problems)
		enqueue_raise(problem);
	work.problem = problem->detail ? psprintf("%s (%s)", problem->message, problem->detail)
		: problem->message;
	return enqueue_work(enqueue, &work);
}

/* The key of a call's own row, or why it has none. */
static bool
find_key(const Enqueue *enqueue, const MessageParts *parts, MessageKey *key, MessageProblem *problem)
{
	const CallOptions *options = &enqueue->options;

	switch (enqueue->call)
	{
		case CALL_TRACK:
		case CALL_PAGE:
			return message_event_key(enqueue->call, parts, options->contact_id_property, key, problem);
		case CALL_GROUP:
			return message_company_key(parts, options->company_id_property, key, problem);
		case CALL_FORM:
			return message_form_key(parts, key, problem);
		case CALL_DELETE:
			return message_known_contact_key(enqueue->call, parts, options->contact_id_property, key, problem);
		default:
			return message_contact_key(enqueue->call, parts, options->contact_id_property, key, problem);
	}
}

/* The contact of a group call, if it names one. */
static bool
find_member(const Enqueue *enqueue, const MessageParts *parts, MessageKey *key, MessageProblem *problem)
{
	key->key = NULL;
	return enqueue->call != CALL_GROUP || !message_names_contact(enqueue->call, parts) ||
		message_known_contact_key(enqueue->call, parts, enqueue->options.contact_id_property, key, problem);
}

/* A contact belongs to a company: {"property": .., "company": ..}. */
static void
enqueue_association(Enqueue *enqueue, const MessageKey *contact, const MessageKey *company, int64 parent)
{
	Work		work = {.object = OBJECT_IS_ASSOCIATION, .parent = parent, .key = *contact};

	work.message = message_make_association(company);
	(void) enqueue_work(enqueue, &work);
}

/* A company among the traits of a contact is queued as if by a group call; see contacts.c for one that cannot be. */
static void
enqueue_company(Enqueue *enqueue, Jsonb *message, const MessageParts *parts, const MessageKey *contact, int64 parent)
{
	Work		work = {.object = OBJECT_IS_COMPANY, .parent = parent, .message = message};
	const char *why;

	if (!enqueue->options.associate_company_trait ||
		!message_contact_company(enqueue->call, parts, enqueue->options.company_id_property, &work.key, &why))
		return;
	(void) enqueue_work(enqueue, &work);
	enqueue_association(enqueue, contact, &work.key, parent);
}

/* The contact's part of a track or group call goes out as an identify would. */
static void
enqueue_contact(Enqueue *enqueue, Jsonb *message, const MessageParts *parts, const MessageKey *contact, int64 parent)
{
	Work		work = {.object = OBJECT_IS_CONTACT, .parent = parent, .key = *contact, .message = message};

	(void) enqueue_work(enqueue, &work);
	enqueue_company(enqueue, message, parts, contact, parent);
}

/* The rows that a call makes beside its own. */
static void
enqueue_children(Enqueue *enqueue, Jsonb *message, const MessageParts *parts, const Work *work, const MessageKey *member)
{
	MessageKey	contact;
	MessageProblem problem;

	if (enqueue->call == CALL_IDENTIFY)
		enqueue_company(enqueue, message, parts, &work->key, work->id);
	else if (enqueue->call == CALL_TRACK && !enqueue->options.legacy_events && message_has_traits(parts->context_traits) &&
			 message_known_contact_key(enqueue->call, parts, enqueue->options.contact_id_property, &contact, &problem))
		enqueue_contact(enqueue, message, parts, &contact, work->id);
	else if (enqueue->call == CALL_GROUP && member->key != NULL)
	{
		if (message_has_traits(parts->context_traits))
			enqueue_contact(enqueue, message, parts, member, work->id);
		enqueue_association(enqueue, member, &work->key, work->id);
	}
}

/* Draw the id; with hubspot.dedup_message_id an earlier row of the same messageId is returned instead. */
static int64
earlier_row(Enqueue *enqueue, const MessageParts *parts, Work *work)
{
	work->id = nextval_internal(enqueue->catalog->outbox_id_seq, false);
	if (!hubspot_dedup_message_id || parts->message_id.type == jbvNull)
		return 0;
	return dedup_message_id(enqueue->server, message_id(parts), work->id);
}

int64
enqueue_message(Enqueue *enqueue, Jsonb *message)
{
	MessageParts parts;
	MessageProblem problem;
	Work		work = {.object = calls[enqueue->call].object, .message = message};
	MessageKey	member;
	int64		earlier;

	if (VARSIZE_ANY_EXHDR(message) > hubspot_max_message_size)
	{
		problem.sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		problem.message = psprintf("message of %zu bytes exceeds hubspot.max_message_size",
								   (size_t) VARSIZE_ANY_EXHDR(message));
		problem.detail = psprintf("The limit is %d bytes.", hubspot_max_message_size);
		problem.hint = NULL;
		return enqueue_problem(enqueue, NULL, &problem);
	}
	if (!message_read(message, &parts, &problem) || !message_check_envelope(&parts, &problem) ||
		!find_key(enqueue, &parts, &work.key, &problem) || !find_member(enqueue, &parts, &member, &problem))
		return enqueue_problem(enqueue, message, &problem);
	earlier = earlier_row(enqueue, &parts, &work);
	if (earlier != 0)
		return earlier;
	(void) enqueue_work(enqueue, &work);
	enqueue_children(enqueue, message, &parts, &work, &member);
	return work.id;
}

void
enqueue_end(Enqueue *enqueue)
{
	if (enqueue->append != NULL)
		append_close(enqueue->append);
	if (enqueue->rows != enqueue->home)
		MemoryContextDelete(enqueue->rows);
	pfree(enqueue);
}

static int64
queue_call(Call call, FunctionCallInfo fcinfo)
{
	Enqueue    *enqueue;
	int64		id;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("message must not be null")));
	enqueue = enqueue_begin(call, SOURCE_FUNCTION,
							PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1)),
							GetUserId(), 1);
	id = enqueue_message(enqueue, PG_GETARG_JSONB_P(0));
	enqueue_end(enqueue);
	return id;
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

/* Queue all elements; returns their ids in the current context. */
static int64 *
enqueue_array(Call call, ArrayType *messages, const char *server, int *count)
{
	Datum	   *elements;
	bool	   *nulls;
	int64	   *ids;
	Enqueue    *enqueue;
	MemoryContext scratch;
	MemoryContext old;

	deconstruct_array(messages, JSONBOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	ids = palloc(sizeof(int64) * Max(*count, 1));
	if (*count == 0)
		return ids;

	enqueue = enqueue_begin(call, SOURCE_FUNCTION, server, GetUserId(), ENQUEUE_GROUP_ROWS);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "hubspot message", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("message %d of the array must not be null", i + 1)));
		ids[i] = enqueue_message(enqueue, DatumGetJsonbP(elements[i]));
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	enqueue_end(enqueue);
	return ids;
}

Datum
hubspot_enqueue(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		int			count;

		if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("call and messages must not be null")));
		context = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		context->user_fctx = enqueue_array(enqueue_call_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0))),
										   PG_GETARG_ARRAYTYPE_P(1),
										   PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2)),
										   &count);
		context->max_calls = count;
		MemoryContextSwitchTo(old);
	}

	context = SRF_PERCALL_SETUP();
	if (context->call_cntr < context->max_calls)
	{
		int64		id = ((int64 *) context->user_fctx)[context->call_cntr];

		SRF_RETURN_NEXT(context, Int64GetDatum(id));	/* which counts before it looks */
	}
	SRF_RETURN_DONE(context);
}

/* Column default, for rows that an administrator inserts by hand. */
Datum
hubspot_next_outbox_id(PG_FUNCTION_ARGS)
{
	(void) GetTopFullTransactionId();
	PG_RETURN_INT64(nextval_internal(ring_catalog(false)->outbox_id_seq, false));
}
