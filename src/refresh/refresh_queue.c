/*
 * refresh_queue.c
 *		From a difference that a refresh found to rows of the outbox.
 *
 * Called by refresh.c.  The queued messages are the same that a user would write by hand,
 * so that all rules of a call hold: an identify or group message for a property, a track
 * message for an event, the calls of a static list, a deletion.
 *
 * Locks: as enqueue.h.  Memory: messages in the caller's context, groups of
 * rows in the queue's.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "enqueue/enqueue.h"
#include "refresh/lacking.h"
#include "refresh/refresh_queue.h"
#include "text/value.h"

#define GROUP_ROWS	500

struct RefreshQueue
{
	const Sync *sync;
	TimestampTz at;
	bool		backfill;
	bool		by_natural_key; /* the records have no key of their own */
	bool		by_domain;		/* companies have none */
	const char *contact_id_property;	/* or NULL */
	const char *key_property;	/* property that the sync's key column is mapped to, or NULL */
	RowMode		mode;
	MemoryContext context;		/* of what is below */
	LackingColumns *columns;	/* NULL: not looked up */
	Enqueue    *enqueues[CALL_COUNT];	/* NULL: not begun */
	int64		first;			/* id of the first row of the present change; 0: none yet */
};

/* ---- messages --------------------------------------------------------------------- */

/* A value of any kind; NULL: null. */
static void
push_value(JsonbInState *state, const char *name, Jsonb *value)
{
	JsonbValue	pushed = {.type = jbvNull};

	value_push_name(state, name);
	if (value != NULL && JB_ROOT_IS_SCALAR(value))
		(void) JsonbExtractScalar(&value->root, &pushed);
	else if (value != NULL)
	{
		pushed.type = jbvBinary;
		pushed.val.binary.data = &value->root;
		pushed.val.binary.len = VARSIZE(value) - VARHDRSZ;
	}
	pushJsonbValue(state, WJB_VALUE, &pushed);
}

static void
begin_object(JsonbInState *state, const char *name)
{
	if (name != NULL)
		value_push_name(state, name);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
}

static void
end_object(JsonbInState *state)
{
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Copy the members of an object, without reserved names. */
static void
push_members(JsonbInState *state, Jsonb *object, const char *const *reserved, int nreserved)
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		skip = false;

	(void) JsonbIteratorNext(&it, &value, true);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_END_OBJECT)
	{
		if (token == WJB_KEY)
		{
			skip = false;
			for (int i = 0; i < nreserved && !skip; i++)
				skip = strlen(reserved[i]) == value.val.string.len &&
					memcmp(reserved[i], value.val.string.val, value.val.string.len) == 0;
		}
		if (!skip)
			pushJsonbValue(state, token, &value);
	}
}

/* ---- who it is about ----------------------------------------------------------------- */

/* Whether it is about records other than contacts, whose key has but one meaning. */
static bool
is_other_record(const Sync *sync)
{
	Object		object = sync_object(sync);

	return object != OBJECT_IS_CONTACT && object_types[object].is_record;
}

/* The member at the top of the message that holds the key; NULL: the key is one of the traits. */
static const char *
envelope_name(const RefreshQueue *queue, const char *key)
{
	if (is_other_record(queue->sync))
		return queue->by_natural_key ? NULL : object_types[sync_object(queue->sync)].id_member;
	if (queue->key_property != NULL && strcmp(queue->key_property, "email") == 0)
		return NULL;
	if (queue->key_property != NULL && queue->contact_id_property != NULL &&
		strcmp(queue->key_property, queue->contact_id_property) == 0)
		return "userId";
	return strchr(key, '@') != NULL ? NULL : "userId";
}

static const char *
trait_name(const RefreshQueue *queue)
{
	Object		object = sync_object(queue->sync);

	return object_types[object].is_record ? object_types[object].natural_key
		: object_key_property(NULL);
}

/* Add "userId" or "email" with the key to an open object. */
static void
push_flat_key(JsonbInState *state, const RefreshQueue *queue, const char *key)
{
	const char *name = envelope_name(queue, key);

	value_push_pair(state, name != NULL ? name : trait_name(queue), key);
}

/* ---- rows -------------------------------------------------------------------------- */

/*
 * How long a call may wait: that which writes a record, as an audience's does, as long as it takes.
 */
static const Interval *
deadline_of(const Sync *sync, Call call)
{
	return object_types[sync_object(sync)].is_record && object_types[sync_object(sync)].call == call
		? NULL : sync->deadline;
}

/* The queue for a call, prepared for the rows of the present change. */
static Enqueue *
queue_for(RefreshQueue *queue, Call call)
{
	if (queue->enqueues[call] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(queue->context);

		queue->enqueues[call] = enqueue_begin(call, SOURCE_SYNC, queue->sync->server,
											  sync_need_owner(queue->sync), GROUP_ROWS);
		enqueue_set_terms(queue->enqueues[call], deadline_of(queue->sync, call), queue->backfill);
		enqueue_set_report(queue->enqueues[call], queue->sync->report);
		MemoryContextSwitchTo(old);
	}
	enqueue_set_mode(queue->enqueues[call], queue->mode);
	enqueue_set_parent(queue->enqueues[call], queue->first);
	return queue->enqueues[call];
}

static void
queue_message(RefreshQueue *queue, Call call, JsonbInState *state)
{
	int64		id = enqueue_message(queue_for(queue, call), value_end_object(state));

	if (queue->first == 0)
		queue->first = id;
}

/* Queue a record with one property, or with the members of an object. */
static void
queue_record(RefreshQueue *queue, const char *key, const char *property, Jsonb *value)
{
	JsonbInState state = {0};
	const char *name = envelope_name(queue, key);
	const CrmType *type = &object_types[sync_object(queue->sync)];

	begin_object(&state, NULL);
	if (name != NULL)
		value_push_pair(&state, name, key);
	if (type->call == CALL_RECORD)
		value_push_pair(&state, "object", type->name);
	begin_object(&state, type->call == CALL_RECORD ? "properties" : "traits");
	if (property != NULL)
		push_value(&state, property, value);
	else
		push_members(&state, value, &type->id_member, type->call == CALL_RECORD ? 1 : 0);
	if (name == NULL)
		value_push_pair(&state, trait_name(queue), key);
	end_object(&state);
	queue_message(queue, object_types[sync_object(queue->sync)].call, &state);
}

static void
queue_membership(RefreshQueue *queue, const char *key, bool member)
{
	JsonbValue	value = {.type = jbvBool};

	value.val.boolean = member;
	queue_record(queue, key, queue->sync->property, JsonbValueToJsonb(&value));
}

/*
 * Queue an event.  Its messageId is derived from the definition, the key and the time of
 * the refresh, so that HubSpot counts one event however often the same change is queued.
 */
static void
queue_event(RefreshQueue *queue, const char *key, bool entered)
{
	JsonbInState state = {0};
	const char *name = envelope_name(queue, key);
	const char *event = entered ? "Audience Entered" : "Audience Exited";

	begin_object(&state, NULL);
	value_push_pair(&state, "event", event);
	value_push_pair(&state, "messageId",
					psprintf("%s:%s:%s:" INT64_FORMAT, queue->sync->name, key, event,
							 (int64) queue->at));
	if (name != NULL)
		value_push_pair(&state, name, key);
	begin_object(&state, "properties");
	if (name == NULL)
		value_push_pair(&state, trait_name(queue), key);
	value_push_pair(&state, "audience_key", queue->sync->property);
	value_push_pair(&state, "audience_name", queue->sync->name);
	end_object(&state);
	queue_message(queue, CALL_TRACK, &state);
}

static void
queue_list(RefreshQueue *queue, const char *key, bool member)
{
	JsonbInState state = {0};

	begin_object(&state, NULL);
	value_push_pair(&state, "list", queue->sync->list);
	if (is_other_record(queue->sync))
		value_push_pair(&state, "object", object_types[sync_object(queue->sync)].name);
	push_flat_key(&state, queue, key);
	queue_message(queue, member ? CALL_ADD_TO_LIST : CALL_REMOVE_FROM_LIST, &state);
}

static void
queue_deletion(RefreshQueue *queue, const char *key)
{
	JsonbInState state = {0};

	begin_object(&state, NULL);
	if (is_other_record(queue->sync))
		value_push_pair(&state, "object", object_types[sync_object(queue->sync)].name);
	push_flat_key(&state, queue, key);
	queue_message(queue, CALL_DELETE, &state);
}

/* ---- what a difference means, by kind ---------------------------------------------------- */

static void
add_audience(RefreshQueue *queue, const RefreshDifference *difference)
{
	/* Only a property can be lacking. */
	int			outputs = difference->lacked ? SYNC_OUTPUT_PROPERTY : queue->sync->outputs;
	bool		member = difference->change != REFRESH_EXITED;

	if (outputs & SYNC_OUTPUT_PROPERTY)
		queue_membership(queue, difference->key, member);
	if (outputs & SYNC_OUTPUT_LIST)
		queue_list(queue, difference->key, member);

	/* If HubSpot never got the event of entering, the event of leaving is not sent either. */
	if (outputs & SYNC_OUTPUT_EVENT &&
		(difference->repeats ? difference->event_again : member || !difference->event_failed))
		queue_event(queue, difference->key, member);
}

static void
add_trait(RefreshQueue *queue, const RefreshDifference *difference)
{
	if (difference->change != REFRESH_EXITED)
		queue_record(queue, difference->key, queue->sync->property, difference->value);
	else if (!queue->sync->keeps_missing)
		queue_record(queue, difference->key, queue->sync->property, NULL);
}

/* Queue null for all mapped properties except the key. */
static void
queue_cleared(RefreshQueue *queue, const char *key)
{
	JsonbInState state = {0};
	ListCell   *cell;

	begin_object(&state, NULL);
	foreach(cell, queue->sync->columns)
	{
		SyncColumn *column = lfirst(cell);

		if (strcmp(column->column, queue->sync->key_column) != 0)
			push_value(&state, column->property, NULL);
	}
	queue_record(queue, key, NULL, value_end_object(&state));
}

/*
 * Queue the properties that were left out, without the others.  The record is there, so that it is
 * not to be created.
 */
static void
queue_left_out(RefreshQueue *queue, const RefreshDifference *difference)
{
	const Sync *sync = queue->sync;
	JsonbInState state = {0};
	List	   *names;
	ListCell   *cell;

	if (queue->columns == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(queue->context);

		queue->columns = lacking_columns(sync);
		MemoryContextSwitchTo(old);
	}
	names = lacking_choose(queue->columns, difference->left_out);
	begin_object(&state, NULL);
	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		JsonbValue	value;

		if (getKeyJsonValueFromContainer(&difference->value->root, name, strlen(name),
										 &value) == NULL)
			continue;
		value_push_name(&state, name);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	queue->mode = sync->mode == SYNC_CREATE ? MODE_UPDATE : sync_row_modes[sync->mode];
	queue_record(queue, difference->key, NULL,
				 names == NIL ? difference->value : value_end_object(&state));
	queue->mode = sync_row_modes[sync->mode];
}

static void
queue_source_event(RefreshQueue *queue, const RefreshDifference *difference)
{
	static const char *const reserved[] = {"userId", "timestamp"};
	JsonbInState state = {0};
	JsonbValue	found;

	begin_object(&state, NULL);
	value_push_pair(&state, "event", queue->sync->event);
	if (getKeyJsonValueFromContainer(&difference->value->root, "timestamp", strlen("timestamp"),
									 &found) == NULL)
		found.type = jbvNull;
	value_push_pair(&state, "messageId", sync_message_id(queue->sync, difference->key, &found));
	for (int i = 0; i < lengthof(reserved); i++)
		if (getKeyJsonValueFromContainer(&difference->value->root, reserved[i], strlen(reserved[i]),
										 &found) != NULL)
		{
			value_push_name(&state, reserved[i]);
			pushJsonbValue(&state, WJB_VALUE, &found);
		}
	begin_object(&state, "properties");
	push_members(&state, difference->value, reserved, lengthof(reserved));
	end_object(&state);
	queue_message(queue, CALL_TRACK, &state);
}

/*
 * Queue that a contact belongs to a company, or does not any more: columns "contact" and "company"
 * of a value.
 */
static void
queue_association(RefreshQueue *queue, const Jsonb *pair, bool leaves)
{
	JsonbInState state = {0};
	JsonbValue	contact;
	JsonbValue	company;

	if (pair == NULL ||
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &pair->root), "contact", 7,
									 &contact) == NULL ||
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &pair->root), "company", 7,
									 &company) == NULL)
		return;
	begin_object(&state, NULL);
	value_push_name(&state, "userId");
	pushJsonbValue(&state, WJB_VALUE, &contact);

	/*
	 * Without an id property of companies the account knows a company by its domain, which a
	 * message carries among the traits.
	 */
	if (!queue->by_domain)
	{
		value_push_name(&state, "groupId");
		pushJsonbValue(&state, WJB_VALUE, &company);
	}
	begin_object(&state, "traits");
	if (queue->by_domain)
	{
		value_push_name(&state, "domain");
		pushJsonbValue(&state, WJB_VALUE, &company);
	}
	end_object(&state);
	if (leaves)
		queue_message(queue, CALL_UNGROUP, &state);
	else
		queue->first = enqueue_membership(queue_for(queue, CALL_GROUP), value_end_object(&state));
}

static void
add_sync(RefreshQueue *queue, const RefreshDifference *difference)
{
	const Sync *sync = queue->sync;

	if (sync->object == OBJECT_IS_EVENT && difference->change != REFRESH_EXITED)
		queue_source_event(queue, difference);
	else if (sync->object == OBJECT_IS_ASSOCIATION && difference->change != REFRESH_EXITED)
		queue_association(queue, difference->value, false);
	else if (sync->deletes == SYNC_DELETES_REMOVE)
		queue_association(queue, difference->noted, true);
	else if (sync->object == OBJECT_IS_EVENT || sync->object == OBJECT_IS_ASSOCIATION)
		return;
	else if (difference->lacked && difference->left_out != (Datum) 0)
		queue_left_out(queue, difference);
	else if (difference->change != REFRESH_EXITED)
		queue_record(queue, difference->key, NULL, difference->value);
	else if (sync->mode == SYNC_MIRROR || sync->deletes == SYNC_DELETES_ARCHIVE)
		queue_deletion(queue, difference->key);
	else if (sync->deletes == SYNC_DELETES_CLEAR)
		queue_cleared(queue, difference->key);
}

static void (*const add_by_kind[SYNC_KINDS]) (RefreshQueue *queue,
											  const RefreshDifference *difference) =
{
	[SYNC_IS_SYNC] = add_sync,
		[SYNC_IS_AUDIENCE] = add_audience,
		[SYNC_IS_TRAIT] = add_trait,
};

/* ---- the queue ---------------------------------------------------------------------- */

static const char *
find_key_property(const Sync *sync)
{
	ListCell   *cell;

	foreach(cell, sync->columns)
	{
		SyncColumn *column = lfirst(cell);

		if (strcmp(column->column, sync->key_column) == 0)
			return column->property;
	}
	return NULL;
}

RefreshQueue *
refresh_queue_begin(const Sync *sync, TimestampTz at, bool backfill)
{
	RefreshQueue *queue = palloc0(sizeof(RefreshQueue));
	const CallOptions *options = account_call_options(account_resolve(sync->server));

	queue->sync = sync;
	queue->at = at;
	queue->backfill = backfill;
	queue->by_domain = account_goes_by_natural_key(options, OBJECT_IS_COMPANY);
	queue->by_natural_key = account_goes_by_natural_key(options, sync_object(sync));
	if (options->id_property[OBJECT_IS_CONTACT] != NULL)
		queue->contact_id_property = pstrdup(options->id_property[OBJECT_IS_CONTACT]);
	queue->mode = sync_row_modes[sync->mode];
	queue->key_property = find_key_property(sync);
	queue->context =
		AllocSetContextCreate(CurrentMemoryContext, "hubspot refresh queue",
							  ALLOCSET_DEFAULT_SIZES);
	return queue;
}

int64
refresh_queue_add(RefreshQueue *queue, const RefreshDifference *difference)
{
	queue->first = 0;
	add_by_kind[queue->sync->kind] (queue, difference);
	return queue->first;
}

void
refresh_queue_end(RefreshQueue *queue)
{
	for (int i = 0; i < CALL_COUNT; i++)
		if (queue->enqueues[i] != NULL)
			enqueue_end(queue->enqueues[i]);
	MemoryContextDelete(queue->context);
	pfree(queue);
}
