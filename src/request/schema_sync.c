/*
 * schema_sync.c
 *		The worker reads the accounts' schemas from HubSpot.
 *
 * Nothing is asked for before a lane needs it.  What was read less than an
 * hour ago, by whatever worker, is not asked for again, unless a row names what
 * is not known (schema_sync_look_again()).  Answers become JSON
 * text, are stored by schema_sync_step() in a transaction, and come back into
 * memory from the tables, so that there is one way in.
 *
 * Memory: a Schema per account and pages of answers in "hubspot work".
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/pg_list.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "queue/accounts.h"
#include "reading/reading.h"
#include "request/creation.h"
#include "request/schema_reply.h"
#include "request/schema_sync.h"
#include "ring/ring.h"
#include "text/value.h"

#define REFRESH_SECONDS	3600
#define LOOK_EVERY_US	(30 * INT64CONST(1000000))	/* after a miss, for all that miss */
#define LOOK_MAX_US		(10 * INT64CONST(1000000))	/* then it goes by what is known */
#define MAX_LISTED		(32 * 1024 * 1024)	/* bytes of all pages of a list */
#define MAX_PAGES		1000	/* the same */
#define MAX_TAIL		(PATH_BYTES - 60)	/* bytes of a path, behind that of all definitions */

/* Which stage may follow which: one thing at a time. */
static const uint8 stages[SCHEMA_STAGE_COUNT] PG_USED_FOR_ASSERTS_ONLY = {
	[SCHEMA_RESTS] = 1 << SCHEMA_IS_LISTED | 1 << SCHEMA_IS_CREATED | 1 << SCHEMA_IS_STORED,
	[SCHEMA_IS_LISTED] = 1 << SCHEMA_RESTS,
	[SCHEMA_IS_CREATED] = 1 << SCHEMA_RESTS,
	[SCHEMA_IS_STORED] = 1 << SCHEMA_RESTS,
};

static bool maps_changed;		/* hubspot.mapping was written */
static Oid	mapping_table;		/* as of the last step */

static void
set_stage(SchemaSync *sync, SchemaStage stage)
{
	Assert((stages[sync->stage] & 1 << stage) != 0);
	sync->stage = stage;
}

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == mapping_table)
		maps_changed = true;
}

void
schema_sync_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/* ---- tables <-> memory ------------------------------------------------------------- */

/* In schema_sync_step(): an answer that is stored, of all that is loaded when part is -1. */
static Account *at_work;
static int	at_part;

/* The part whose answer is to be stored, -1 when there is none. */
static int
answered_part(const Account *account)
{
	foreach_part(part, account, has_schema)
	{
		if (account->sync[part]->stage == SCHEMA_IS_STORED)
			return part;
	}
	return -1;
}

static bool
is_due(const Account *account, int64 now)
{
	if (account->dropped || account->options == NULL)
		return false;
	return answered_part(account) >= 0 ||
		(account->schema_stale && lane_may_send(&account->load_trouble, now));
}

static Account *
next_due(void)
{
	int64		now = clock_us();

	foreach_account(account)
	{
		if (is_due(account, now))
			return account;
	}
	return NULL;
}

bool
schema_sync_is_due(void)
{
	return next_due() != NULL;
}

static void
set_rules(Account *account)
{
	pg_tz	   *zone = pg_tzset(account->options->time_zone);

	foreach_part(part, account, is_record)
	{
		MappingRules *rules = account->rules[part];

		*rules = mapping_rules(account->schema, part,
							   (const char *const *) account->options->id_property, zone);
		/* which lives as long as the rules: options may be replaced before the schema is */
		if (rules->key_property != NULL)
			rules->key_property = MemoryContextStrdup(account->schema->context,
													  rules->key_property);
	}
}

static void
load(Account *account)
{
	Schema	   *schema = schema_load(account->server, CurrentMemoryContext);
	TimestampTz now = GetCurrentTimestamp();

	MemoryContextSetParent(schema->context, WorkerContext);
	if (account->schema != NULL)
		MemoryContextDelete(account->schema->context);
	account->schema = schema;
	set_rules(account);
	foreach_part(part, account, has_schema)
	{
		SchemaSync *sync = account->sync[part];
		TimestampTz refreshed_at = schema_refreshed_at(schema, part);

		if (refreshed_at != 0 && !sync->wanted)
			sync->settled = true;
		if (refreshed_at != 0 &&
			TimestampDifferenceExceeds(refreshed_at, now, REFRESH_SECONDS * 1000))
			sync->wanted = true;
	}
}

void
schema_sync_step(void)
{
	at_work = NULL;
	mapping_table = ring_catalog(false)->mapping;
	at_work = next_due();
	if (at_work == NULL)
		return;
	at_part = answered_part(at_work);
	if (at_part < 0)
		load(at_work);
	else
		schema_store(at_work->server, (Object) at_part,
					 at_work->sync[at_part]->json == NULL ? NULL
					 : at_work->sync[at_part]->json->data);
}

static void
forget_pages(SchemaSync *sync)
{
	if (sync->json != NULL)
	{
		pfree(sync->json->data);
		pfree(sync->json);
	}
	if (sync->next_page != NULL)
		pfree(sync->next_page);
	sync->json = NULL;
	sync->next_page = NULL;
	sync->npages = 0;
}

/* What is wrong with the property of a lane's keys; EVENT_SUCCESS: nothing that HubSpot tells. */
static LaneEvent
trouble_of_key(const Lane *lane)
{
	const Account *account = lane->account;
	const CrmType *type = &object_types[lane->family];
	const MappingRules *rules = account->rules[lane->family];
	const Property *property;

	/* a record's id, and what HubSpot keeps unique by itself */
	if (!type->is_record || rules->key_property == NULL || rules->properties == NULL ||
		object_key_is_record_id(rules->key_property) ||
		(type->natural_key != NULL && type->natural_key_is_unique &&
		 strcmp(rules->key_property, type->natural_key) == 0))
		return EVENT_SUCCESS;
	property = schema_property(rules->properties, rules->key_property,
							   strlen(rules->key_property));
	if (property != NULL)
		return property->is_unique ? EVENT_SUCCESS : EVENT_NOT_UNIQUE;
	/* a contact or a company may go by another key: each row is looked at by itself */
	return lane->family < OBJECT_COUNT || account->options->create_properties
		? EVENT_SUCCESS : EVENT_NO_KEY;
}

/* What was wrong with the keys of lanes may have been mended in HubSpot. */
static void
look_at_keys(Account *account)
{
	foreach_lane_of(lane, account)
	{
		if ((lane->status.event == EVENT_NO_KEY || lane->status.event == EVENT_NOT_UNIQUE) &&
			trouble_of_key(lane) == EVENT_SUCCESS)
			lane_reload(&lane->status);
	}
}

void
schema_sync_done(void)
{
	SchemaSync *sync;

	if (at_work == NULL)
		return;
	at_work->schema_stale = at_part >= 0;
	if (at_part < 0)
	{
		lane_event(&at_work->load_trouble, EVENT_SUCCESS, NULL, 0);
		look_at_keys(at_work);
		return;
	}
	sync = at_work->sync[at_part];
	/* what HubSpot has refused before, and refuses still, was told */
	if (sync->json != NULL || sync->trouble.event != EVENT_NOT_TOLD)
		lane_event(&sync->trouble, EVENT_SUCCESS, NULL, 0);
	set_stage(sync, SCHEMA_RESTS);
	sync->looking = false;
	sync->settled = sync->fresh = !sync->outdated;
	sync->wanted = sync->outdated;
	forget_pages(sync);
}

bool
schema_sync_failed(const char *why)
{
	LaneStatus *status;

	if (at_work == NULL)
		return false;
	status = at_part < 0 ? &at_work->load_trouble : &at_work->sync[at_part]->trouble;
	if (at_part >= 0)
	{
		SchemaSync *sync = at_work->sync[at_part];

		/* a transaction that failed at its start has looked at nothing: this is the former one */
		if (sync->stage == SCHEMA_IS_STORED)
			set_stage(sync, SCHEMA_RESTS);
		sync->looking = false;
		sync->wanted = true;
		forget_pages(sync);
	}
	lane_event(status, EVENT_NOT_STORED, why, 0);
	lane_reason_quotes(status);
	return true;
}

/* ---- what is wanted -------------------------------------------------------------------- */

int
schema_sync_part(const Lane *lane)
{
	return object_types[lane->family].has_schema ? (int) lane->family : -1;
}

Lane *
schema_sync_lane(Account *account, Object part)
{
	return account->lanes[part];
}

const LaneStatus *
schema_sync_trouble(const Lane *lane)
{
	const Account *account = lane->account;

	if (account->load_trouble.state != LANE_RUN &&
		(lane->family == FAMILY_SCHEMA || schema_sync_part(lane) >= 0))
		return &account->load_trouble;
	foreach_part(part, account, has_schema)
	{
		const SchemaSync *sync = account->sync[part];

		if (sync->trouble.state != LANE_RUN &&
			lane->family == (sync->settled ? FAMILY_SCHEMA : part))
			return &sync->trouble;
	}
	return NULL;
}

void
schema_sync_reload(Account *account)
{
	lane_reload(&account->load_trouble);
	foreach_part(part, account, has_schema)
	{
		lane_reload(&account->sync[part]->trouble);
	}
}

/* Maps are read again; an hour has gone by. */
static void
look_around(Account *account)
{
	TimestampTz now = GetCurrentTimestamp();

	if (maps_changed)
	{
		maps_changed = false;
		foreach_account(other)
			other->schema_stale = true;
	}
	if (account->schema == NULL)
		return;
	foreach_part(part, account, has_schema)
	{
		if (account->sync[part]->settled &&
			TimestampDifferenceExceeds(schema_refreshed_at(account->schema, part), now,
									   REFRESH_SECONDS * 1000))
			account->sync[part]->wanted = true;
	}
}

/* That HubSpot refuses is no trouble of the part; it is told when rows need what it refuses. */
static void
tell_refusal(Account *account, Object part)
{
	LaneStatus *trouble = &account->sync[part]->trouble;

	if (trouble->state == LANE_RUN && trouble->event != EVENT_NOT_TOLD &&
		!schema_is_known(account->schema, part))
		lane_event(trouble, EVENT_NOT_TOLD, !object_types[part].is_record ? "definitions of events"
				   : psprintf("properties of %s", object_types[part].plural), 0);
}

bool
schema_sync_is_settled(Lane *lane)
{
	Account    *account = lane->account;
	int			part = schema_sync_part(lane);

	look_around(account);
	if (part < 0)
		return true;
	if (!account->sync[part]->settled && account->schema != NULL)
		account->sync[part]->wanted = true;
	if (!account->sync[part]->settled || account->schema == NULL || account->schema_stale)
		return false;
	tell_refusal(account, part);
	return schema_sync_looks_for(lane, clock_us()) == 0;
}

/* ---- what is not known may be younger than what was read --------------------------- */

/* For how long a part's rows wait for what a miss has asked for; 0: they do not. */
static int64
looks_for(const SchemaSync *sync, int64 now)
{
	if (!sync->looking || now < sync->looked_at)
		return 0;
	return Max(sync->looked_at + LOOK_MAX_US - now, 0);
}

/* Whether HubSpot tells this part, so that what is not there is not there. */
static bool
is_told(const Account *account, Object part)
{
	const Schema *schema = account->schema;

	return schema != NULL && (object_types[part].is_record
							  ? schema_properties(schema, part) != NULL : schema->events_known);
}

bool
schema_sync_may_look(const Account *account, Object part)
{
	const SchemaSync *sync = account->sync[part];
	int64		now = clock_us();

	if (looks_for(sync, now) > 0)
		return true;
	/* where it cannot be read now, that would only hold up the lane */
	return is_told(account, part) && sync->settled && account->status.state == LANE_RUN &&
		sync->trouble.state == LANE_RUN && account->load_trouble.state == LANE_RUN &&
		(sync->looked_at == 0 || now - sync->looked_at >= LOOK_EVERY_US || now < sync->looked_at);
}

bool
schema_sync_look_again(Account *account, Object part)
{
	SchemaSync *sync = account->sync[part];

	int64		now = clock_us();

	if (!schema_sync_may_look(account, part))
		return false;
	if (looks_for(sync, now) == 0)
	{
		sync->looked_at = now;
		sync->looking = sync->wanted = true;
	}
	return true;
}

int64
schema_sync_looks_for(const Lane *lane, int64 now)
{
	int			part = schema_sync_part(lane);

	return part < 0 ? 0 : looks_for(lane->account->sync[part], now);
}

const char *
schema_sync_key_trouble(Lane *lane, LaneEvent *event)
{
	const CrmType *type = &object_types[lane->family];
	const char *property = lane->account->rules[lane->family]->key_property;

	*event = trouble_of_key(lane);
	if (*event == EVENT_SUCCESS)
		return NULL;
	lane->account->sync[lane->family]->wanted = true;
	return *event == EVENT_NOT_UNIQUE ? psprintf("%s '%s'", type->id_option, property)
		: psprintf("SELECT hubspot_create_property('%s', '%s', 'string', is_unique => true, "
				   "server => '%s')", type->name, property, lane->account->name);
}

void
schema_sync_want(Account *account, Object part)
{
	if (account->schema != NULL && !account->sync[part]->settled)
		account->sync[part]->wanted = true;
}

void
schema_sync_refresh(Account *account, Object part)
{
	SchemaSync *sync = account->sync[part];

	/* an answer that is under way, or pages of it, may not have what has just come to be */
	sync->outdated = sync->stage == SCHEMA_IS_LISTED || sync->stage == SCHEMA_IS_STORED ||
		sync->json != NULL;
	sync->settled = false;
	sync->wanted = true;
}

void
schema_sync_again(Account *account)
{
	foreach_part(part, account, has_schema)
	{
		if (account->sync[part]->settled)
			schema_sync_refresh(account, part);
	}
}

void
schema_sync_refresh_all(Account *account)
{
	foreach_part(part, account, has_schema)
	{
		SchemaSync *sync = account->sync[part];

		schema_sync_refresh(account, part);
		lane_reload(&sync->trouble);
		sync->fresh = false;
		if (sync->to_create == NIL)
			creation_forget(sync);
	}
}

void
schema_sync_restart(Account *account)
{
	lane_event(&account->load_trouble, EVENT_SUCCESS, NULL, 0);
	foreach_part(part, account, has_schema)
	{
		SchemaSync *sync = account->sync[part];

		lane_event(&sync->trouble, EVENT_SUCCESS, NULL, 0);
		if (account->schema != NULL && sync->settled &&
			(object_types[part].is_record ? schema_properties(account->schema, part) == NULL
			 : !account->schema->events_known))
			sync->wanted = true;
	}
}

bool
schema_sync_is_fresh(const Account *account)
{
	foreach_part(part, account, has_schema)
	{
		if (!account->sync[part]->fresh)
			return false;
	}
	return true;
}

/* ---- what is created ------------------------------------------------------------------ */

bool
schema_sync_was_tried(const Account *account, Object part, const char *name)
{
	const SchemaSync *sync = account->sync[part];

	return !creation_is_to_come(sync, name) && !sync->wanted && sync->stage == SCHEMA_RESTS &&
		creation_is_tried(sync, name);
}

/* Then it is created before the part is read again, and its lane goes on. */
static bool
create(Account *account, Object part, const Creation *creation)
{
	bool		is_new;
	bool		comes = creation_add(account->sync[part], creation, &is_new);

	if (is_new)
		schema_sync_refresh(account, part);
	return comes;
}

bool
schema_sync_create(Account *account, Object part, const UnknownProperty *property)
{
	Creation	creation = {.name = property->name, .property = *property};

	return create(account, part, &creation);
}

bool
schema_sync_create_event(Account *account, const char *name, const char *body)
{
	Creation	creation = {.name = name, .tail = "", .body = body};

	return create(account, OBJECT_IS_EVENT, &creation);
}

bool
schema_sync_add_property(Account *account, const EventDefinition *event, const char *property,
						 const char *body)
{
	StringInfoData tail;
	Creation	creation = {.name = creation_property(event, property), .body = body};

	initStringInfo(&tail);
	appendStringInfoChar(&tail, '/');
	value_append_encoded(&tail, event->full_name, strlen(event->full_name));
	appendStringInfoString(&tail, "/property");
	creation.tail = tail.data;
	return tail.len <= MAX_TAIL && create(account, OBJECT_IS_EVENT, &creation);
}

/* ---- requests and answers ------------------------------------------------------------------ */

/* Properties of records all at once; those of events, and events, one by one. */
static void
create_request(Account *account, Object part, SchemaRequest *request)
{
	const SchemaSync *sync = account->sync[part];

	request->method = "POST";
	request->path = object_types[part].is_record
		? pstrdup(accounts_path(account, PATH_PROPERTIES_CREATE, &object_types[part]))
		: psprintf("%s%s", accounts_path(account, PATH_EVENT_DEFINITIONS, NULL),
				   creation_tail(sync));
	request->body = creation_body(sync, part, object_types[part].is_record
								  ? schema_property_group(account->schema, part) : NULL);
}

static void
list_request(Account *account, Object part, SchemaRequest *request)
{
	const char *path = accounts_path(account, object_types[part].is_record ? PATH_PROPERTIES
									 : PATH_EVENT_DEFINITIONS, &object_types[part]);
	const char *page = account->sync[part]->next_page;

	request->method = "GET";
	request->body = NULL;
	if (object_types[part].is_record)
		request->path = pstrdup(path);
	else
		request->path = psprintf("%s?includeProperties=true&limit=100%s%s", path,
								 page != NULL ? "&after=" : "", page != NULL ? page : "");
}

/* Whether it is still to be learnt in which group of HubSpot's new properties go. */
static bool
awaits_group(Account *account, Object part)
{
	return object_types[part].is_record && schema_property_group(account->schema, part) == NULL &&
		!reading_use(account->lanes[part], READING_OBJECTS, "");
}

bool
schema_sync_next(Account *account, int64 now, SchemaRequest *request)
{
	foreach_part(part, account, has_schema)
	{
		SchemaSync *sync = account->sync[part];
		Lane	   *lane = schema_sync_lane(account, part);

		if (!sync->wanted || sync->stage != SCHEMA_RESTS || account->schema == NULL ||
			accounts_is_paused(lane) || !lane_may_send(&lane->status, now) ||
			!lane_may_send(&sync->trouble, now) ||
			(sync->to_create != NIL && awaits_group(account, part)))
			continue;
		request->part = part;

		/* What is to be created goes first, so that the list that is read after it shows it. */
		if (sync->to_create != NIL)
			create_request(account, part, request);
		else
			list_request(account, part, request);
		return true;
	}
	return false;
}

void
schema_sync_asking(Account *account, Object part)
{
	SchemaSync *sync = account->sync[part];

	if (sync->to_create == NIL && sync->json == NULL)
		sync->outdated = false;
	set_stage(sync, sync->to_create != NIL ? SCHEMA_IS_CREATED : SCHEMA_IS_LISTED);
}

/* HubSpot does not tell. */
static void
take_refusal(SchemaSync *sync)
{
	forget_pages(sync);
	set_stage(sync, SCHEMA_IS_STORED);
	sync->wanted = false;
}

/* A page of a list; the last one completes the answer.  A list without an end tells nothing. */
static void
take_page(SchemaSync *sync, Object part, const Reply *reply)
{
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);
	const char *next = reply_next_page(reply);

	if (sync->json == NULL)
	{
		sync->json = makeStringInfo();
		appendStringInfoChar(sync->json, '[');
	}
	if (!object_types[part].is_record)
		schema_reply_events(sync->json, reply);
	else
		schema_reply_properties(sync->json, reply);
	if (sync->next_page != NULL)
		pfree(sync->next_page);
	/* without a cursor that can be asked for, the list ends here */
	sync->next_page = value_encoded_cursor(next);
	if (sync->json->len > MAX_LISTED || ++sync->npages > MAX_PAGES)
		take_refusal(sync);
	else if (sync->next_page == NULL)
	{
		appendStringInfoChar(sync->json, ']');
		set_stage(sync, SCHEMA_IS_STORED);
		sync->wanted = false;
	}
	MemoryContextSwitchTo(old);
}

bool
schema_sync_at_other_path(Account *account, const char *path, bool answered, const Reply *reply)
{
	if (answered && reply->class == REPLY_RECORDS)
		path_is_right(&account->path_forms, PATH_EVENT_DEFINITIONS);
	return answered && reply->class == REPLY_NOT_FOUND &&
		path_try_other(&account->path_forms, PATH_EVENT_DEFINITIONS, account->options, path);
}

bool
schema_sync_unreadable(Account *account, Object part, const char *why)
{
	SchemaSync *sync = account->sync[part];

	if (sync->stage == SCHEMA_IS_CREATED)
		return true;
	sync->looking = false;
	lane_event(&sync->trouble, EVENT_UNREADABLE,
			   psprintf("%s properties: %s", object_types[part].name, why), 0);
	lane_reason_quotes(&sync->trouble);
	return false;
}

void
schema_sync_answered(Account *account, Object part, const Reply *reply, bool useful)
{
	SchemaSync *sync = account->sync[part];

	bool		created = sync->stage == SCHEMA_IS_CREATED;

	set_stage(sync, SCHEMA_RESTS);
	if (!useful)
		return;
	if (created)
		creation_tried(sync, part, reply);
	else if (reply->class == REPLY_RECORDS)
		take_page(sync, part, reply);
	else
		take_refusal(sync);
}
