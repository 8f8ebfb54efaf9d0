/*
 * sync_row.c
 *		Rows of a sync's table as calls: what a changed, new or gone row means.
 *
 * Called by the triggers of a followed table, in the transaction of whoever
 * changed it, and by the back-fill.  The messages are those that somebody
 * would write by hand, so that all rules of a call hold.
 *
 * A business transaction must not fail on account of a value: those whose
 * conversion may be an error are converted in a subtransaction, which writes
 * nothing and so costs no transaction id; what does not fit into a message is
 * not converted at all.
 *
 * Locks: as enqueue.h.  Memory: see the header; a message in a context that is
 * reset for each row.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "foreign/foreign.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "hubspot.h"
#include "account.h"
#include "enqueue.h"
#include "mapping_name.h"
#include "row_column.h"
#include "sync_row.h"

#define BACKFILL_GROUP_ROWS 500

/* Where a column stands in the message. */
typedef enum Place
{
	PLACE_TOP,					/* beside the traits */
	PLACE_TRAITS,				/* or the properties of an event */
	PLACE_MESSAGE_ID			/* part of it */
} Place;

/* A column of the message; the key's may be there twice. */
typedef struct Member
{
	Place		place;
	bool		is_key;
	RowColumn	column;
} Member;

/* What is compared of two rows. */
typedef struct Compared
{
	AttrNumber	attno;
	bool		by_value;
	int16		len;
} Compared;

struct SyncRowPlan
{
	const Sync *sync;
	Call		call;
	const char *container;		/* of PLACE_TRAITS */
	int			nmembers;
	Member	   *members;
	int			ncompared;		/* the key's first */
	Compared   *compared;
	bool		may_fail;		/* some conversion */
};

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

static const Call call_of_object[OBJECT_COUNT] = {
	[OBJECT_IS_CONTACT] = CALL_IDENTIFY,
	[OBJECT_IS_COMPANY] = CALL_GROUP,
	[OBJECT_IS_ASSOCIATION] = CALL_GROUP,
	[OBJECT_IS_EVENT] = CALL_TRACK,
};

/* Properties of a mapping that stand beside the traits, in messages of an object; and as what. */
static const struct
{
	Object		object;
	const char *property;
	const char *name;
}			top_names[] =
{
	{OBJECT_IS_CONTACT, "userId", "userId"},
	{OBJECT_IS_COMPANY, "groupId", "groupId"},
	{OBJECT_IS_EVENT, "userId", "userId"},
	{OBJECT_IS_EVENT, "email", "email"},
	{OBJECT_IS_EVENT, "timestamp", "timestamp"},
	{OBJECT_IS_ASSOCIATION, "contact", "userId"},
};

/* ---- the plan ---------------------------------------------------------------------- */

/* The attribute of a declared column as it is now, or NULL when it is gone. */
static Form_pg_attribute
present_attribute(TupleDesc desc, const char *name, AttrNumber attnum)
{
	Form_pg_attribute attribute;

	if (attnum == InvalidAttrNumber)
		return row_find_attribute(desc, name);
	if (attnum < 1 || attnum > desc->natts)
		return NULL;
	attribute = TupleDescAttr(desc, attnum - 1);
	return attribute->attisdropped ? NULL : attribute;
}

static void
add_member(SyncRowPlan *plan, Place place, const char *name, Form_pg_attribute attribute, bool is_key)
{
	Member	   *member = &plan->members[plan->nmembers++];

	member->place = place;
	member->is_key = is_key;
	row_column_init(&member->column, name, attribute);
	plan->may_fail |= row_column_may_fail(&member->column);
}

static void
add_compared(SyncRowPlan *plan, Form_pg_attribute attribute)
{
	Compared   *compared = &plan->compared[plan->ncompared];

	for (int i = 0; i < plan->ncompared; i++)
		if (plan->compared[i].attno == attribute->attnum)
			return;
	compared->attno = attribute->attnum;
	compared->by_value = attribute->attbyval;
	compared->len = attribute->attlen;
	plan->ncompared++;
}

static bool
is_name(const char *property, const char *name)
{
	return same_folded_name(property, strlen(property), name, strlen(name));
}

/* The name beside the traits that a property has; NULL: it is one of them. */
static const char *
top_name(const Sync *sync, const CallOptions *options, const char *property)
{
	const char *id_property = sync->object == OBJECT_IS_CONTACT ? options->contact_id_property
	: sync->object == OBJECT_IS_COMPANY ? options->company_id_property : NULL;

	if (id_property != NULL && strcmp(property, id_property) == 0)
		return sync->object == OBJECT_IS_COMPANY ? "groupId" : "userId";
	if (sync->object == OBJECT_IS_ASSOCIATION && is_name(property, "company"))
		return options->company_id_property != NULL ? "groupId" : NULL;
	for (int i = 0; i < lengthof(top_names); i++)
		if (top_names[i].object == sync->object && is_name(property, top_names[i].property))
			return top_names[i].name;
	return NULL;
}

/* Whether a property is a key by itself, among the traits. */
static bool
is_key_trait(const Sync *sync, const char *property)
{
	return sync->object == OBJECT_IS_CONTACT ? is_name(property, "email") : is_name(property, "domain") || is_name(property, "website");
}

static bool
has_top(const SyncRowPlan *plan, const char *name)
{
	for (int i = 0; i < plan->nmembers; i++)
		if (plan->members[i].place == PLACE_TOP && strcmp(plan->members[i].column.name, name) == 0)
			return true;
	return false;
}

/* The mapped columns; returns whether one of them tells whose record it is. */
static bool
add_mapped(SyncRowPlan *plan, const CallOptions *options, TupleDesc desc, Form_pg_attribute key, StringInfo gone)
{
	bool		names_key = false;
	ListCell   *cell;

	foreach(cell, plan->sync->columns)
	{
		const SyncColumn *column = lfirst(cell);
		Form_pg_attribute attribute = present_attribute(desc, column->column, column->attnum);
		const char *top = top_name(plan->sync, options, column->property);
		bool		is_key = attribute == key;

		if (attribute == NULL)
		{
			appendStringInfo(gone, "%s\"%s\"", gone->len > 0 ? ", " : "", column->column);
			continue;
		}
		if (top == NULL)
			add_member(plan, PLACE_TRAITS,
					   plan->sync->object == OBJECT_IS_ASSOCIATION ? "website" : column->property, attribute, is_key);
		else if (!has_top(plan, top))
			add_member(plan, PLACE_TOP, top, attribute, is_key);
		add_compared(plan, attribute);
		names_key |= is_key && (top != NULL || is_key_trait(plan->sync, column->property));
	}
	return names_key;
}

/* The key's column, which need not be mapped, or may be to a property that is no key in HubSpot. */
static void
add_key(SyncRowPlan *plan, const CallOptions *options, Form_pg_attribute key)
{
	switch (plan->sync->object)
	{
		case OBJECT_IS_EVENT:
			add_member(plan, PLACE_MESSAGE_ID, "messageId", key, true);
			break;
		case OBJECT_IS_CONTACT:
			if (!has_top(plan, "userId"))
				add_member(plan, PLACE_TOP, "userId", key, true);
			break;
		case OBJECT_IS_COMPANY:
			if (options->company_id_property == NULL)
				add_member(plan, PLACE_TRAITS, "domain", key, true);
			else if (!has_top(plan, "groupId"))
				add_member(plan, PLACE_TOP, "groupId", key, true);
			break;
		default:
			break;
	}
}

SyncRowPlan *
sync_row_plan(const Sync *sync, TupleDesc desc, const char **problem)
{
	SyncRowPlan *plan = palloc0(sizeof(SyncRowPlan));
	Form_pg_attribute key = present_attribute(desc, sync->key_column, sync->key_attnum);
	int			room = list_length(sync->columns) + 1;
	ForeignServer *server = GetForeignServerByName(sync->server, true);
	const CallOptions *options;
	StringInfoData gone;

	*problem = NULL;
	if (server == NULL)
		*problem = psprintf("the server \"%s\" does not exist any more", sync->server);
	else if (key == NULL)
		*problem = psprintf("the key's column \"%s\" does not exist any more", sync->key_column);
	if (server == NULL || key == NULL)
		return NULL;

	initStringInfo(&gone);
	options = account_call_options(server->serverid);
	plan->sync = sync;
	plan->call = call_of_object[sync->object];
	plan->container = sync->object == OBJECT_IS_EVENT ? "properties" : "traits";
	plan->members = palloc0(sizeof(Member) * room);
	plan->compared = palloc0(sizeof(Compared) * room);
	add_compared(plan, key);
	if (!add_mapped(plan, options, desc, key, &gone) || sync->object == OBJECT_IS_EVENT)
		add_key(plan, options, key);
	if (gone.len > 0)
		*problem = psprintf("mapped columns do not exist any more: %s", gone.data);
	return plan;
}

const char *
sync_row_refusal(const Sync *sync)
{
	ForeignServer *server = GetForeignServerByName(sync->server, true);
	Oid			owner = get_role_oid(sync->owner, true);

	if (server == NULL)
		return psprintf("the server \"%s\" does not exist any more", sync->server);
	if (!OidIsValid(owner))
		return psprintf("its owner, the role \"%s\", does not exist any more", sync->owner);
	if (hubspot_server_aclcheck(server->serverid, owner, ACL_USAGE) != ACLCHECK_OK)
		return psprintf("its owner, the role \"%s\", has no USAGE on the server \"%s\" any more", sync->owner, sync->server);
	return NULL;
}

/* ---- comparing --------------------------------------------------------------------- */

/* Values that were not changed mostly have the same bytes where they stand, toasted or not. */
static bool
same_value(const Compared *compared, Datum a, Datum b)
{
	if (compared->by_value)
		return a == b;
	if (compared->len == -1 && VARSIZE_ANY(DatumGetPointer(a)) == VARSIZE_ANY(DatumGetPointer(b)) &&
		memcmp(DatumGetPointer(a), DatumGetPointer(b), VARSIZE_ANY(DatumGetPointer(a))) == 0)
		return true;
	return datum_image_eq(a, b, false, compared->len);
}

static bool
differs_in(const Compared *compared, TupleTableSlot *before, TupleTableSlot *now)
{
	bool		was_null;
	bool		is_null;
	Datum		a = slot_getattr(before, compared->attno, &was_null);
	Datum		b = slot_getattr(now, compared->attno, &is_null);

	return was_null != is_null || (!is_null && !same_value(compared, a, b));
}

bool
sync_row_differs(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now)
{
	for (int i = 0; i < plan->ncompared; i++)
		if (differs_in(&plan->compared[i], before, now))
			return true;
	return false;
}

bool
sync_row_key_differs(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now)
{
	return differs_in(&plan->compared[0], before, now);
}

/* An association needs both of its columns, which is all that it has. */
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

#define PUSH_NAME(state, name) row_push_text(state, WJB_KEY, name, strlen(name))

static void
push_pair(JsonbParseState **state, const char *name, const char *text)
{
	PUSH_NAME(state, name);
	row_push_text(state, WJB_VALUE, text, strlen(text));
}

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
push_top(SyncRowPlan *plan, TupleTableSlot *slot, JsonbParseState **state)
{
	for (int i = 0; i < plan->nmembers; i++)
	{
		Member	   *member = &plan->members[i];

		if (member->place == PLACE_TOP)
			row_column_push(&member->column, slot, state);
		else if (member->place == PLACE_MESSAGE_ID)
			push_pair(state, "messageId", psprintf("%s:%s", plan->sync->name, key_text(&member->column, slot)));
	}
	if (plan->sync->object == OBJECT_IS_EVENT)
		push_pair(state, "event", plan->sync->event);
}

/* The traits; of a cleared record all but the key are null. */
static void
push_traits(SyncRowPlan *plan, TupleTableSlot *slot, bool cleared, JsonbParseState **state)
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
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_top(plan, slot, &state);
	PUSH_NAME(&state, plan->container);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_traits(plan, slot, cleared, &state);
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A delete call: a flat message with what names the record. */
static Jsonb *
make_deletion(SyncRowPlan *plan, TupleTableSlot *slot)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (plan->sync->object == OBJECT_IS_COMPANY)
		push_pair(&state, "object", "company");
	for (int i = 0; i < plan->nmembers; i++)
		if (plan->members[i].is_key || is_key_trait(plan->sync, plan->members[i].column.name))
			row_column_push(&plan->members[i].column, slot, &state);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
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
	return meaning == ROW_IS_DELETED ? make_deletion(plan, slot) : make_message(plan, slot, meaning == ROW_IS_CLEARED);
}

/* NULL, with the error's text in problem, when a value cannot be converted. */
static Jsonb *
make_in_subtransaction(SyncRowPlan *plan, TupleTableSlot *slot, Meaning meaning, MessageProblem *problem)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Jsonb	   *volatile message = NULL;

	BeginInternalSubTransaction(NULL);
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
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		problem->sqlerrcode = error->sqlerrcode;
		problem->message = psprintf("a row of \"%s\" cannot be converted: %s", plan->sync->source, error->message);
		problem->detail = problem->hint = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return message;
}

/* Whether the values are too large for a message, before any of them is touched. */
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
			size += toast_raw_datum_size(datum);
	}
	if (size <= hubspot_max_message_size)
		return false;
	problem->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	problem->message = psprintf("a row of \"%s\" has %zu bytes, which exceeds hubspot.max_message_size", plan->sync->source, size);
	problem->detail = psprintf("The limit is %d bytes.", hubspot_max_message_size);
	problem->hint = NULL;
	return true;
}

/* ---- queueing ---------------------------------------------------------------------- */

static Enqueue *
begin(SyncRows *queue, Call call)
{
	static const RowMode modes[SYNC_MODES] = {
		[SYNC_UPDATE] = MODE_UPDATE,
		[SYNC_CREATE] = MODE_CREATE,
	};
	const Sync *sync = queue->plan->sync;
	MemoryContext old = MemoryContextSwitchTo(queue->home);
	Enqueue    *enqueue = enqueue_begin(call, SOURCE_SYNC, sync->server, get_role_oid(sync->owner, false), queue->capacity);

	enqueue_set_terms(enqueue, NULL, queue->backfill);
	enqueue_set_mode(enqueue, modes[sync->mode]);
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
	SyncRowPlan *plan = problem == NULL ? sync_row_plan(sync, RelationGetDescr(rel), &problem) : NULL;

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
		message = plan->may_fail ? make_in_subtransaction(plan, slot, meaning, &problem) : make(plan, slot, meaning);
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
