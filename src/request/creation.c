/*
 * creation.c
 *		What an account's schema is to be given by itself: what is to come, and what was tried.
 *
 * Called by schema_sync.c, and by the families that want something created.
 */
#include "postgres.h"

#include "nodes/pg_list.h"

#include "base/hubspot.h"
#include "base/worker_context.h"
#include "request/creation.h"
#include "text/encoding.h"
#include "text/value.h"

#define MAX_TO_COME		100		/* as many properties of records as a request takes */
#define MAX_TRIED		2000	/* names, until the next refresh */
#define MAX_REFUSAL		300		/* bytes of HubSpot's words on one of them */

typedef struct Tried
{
	const char *name;
	const char *refusal;		/* HubSpot's words; NULL: none are known */
} Tried;

static Tried *
find_tried(const SchemaSync *sync, const char *name)
{
	ListCell   *cell;

	foreach(cell, sync->tried)
		if (strcmp(((Tried *) lfirst(cell))->name, name) == 0)
		return lfirst(cell);
	return NULL;
}

static Tried *
add_tried(SchemaSync *sync, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);
	Tried	   *tried = palloc0(sizeof(Tried));

	tried->name = pstrdup(name);
	sync->tried = lappend(sync->tried, tried);
	MemoryContextSwitchTo(old);
	return tried;
}

/* Of HubSpot's words not much is kept, for there may be many. */
static void
set_refusal(Tried *tried, const char *why)
{
	if (tried->refusal == NULL)
		tried->refusal = encoding_bounded(WorkerContext, why, MAX_REFUSAL);
}

static const char *
keep(const char *text)
{
	return text != NULL ? MemoryContextStrdup(WorkerContext, text) : NULL;
}

static void
lose(const char *text)
{
	if (text != NULL)
		pfree(unconstify(char *, text));
}

/* Names of HubSpot's have no blank. */
char *
creation_property(const EventDefinition *event, const char *property)
{
	return psprintf("%s %s", event->full_name, property);
}

bool
creation_is_to_come(const SchemaSync *sync, const char *name)
{
	ListCell   *cell;

	foreach(cell, sync->to_create)
		if (strcmp(((Creation *) lfirst(cell))->name, name) == 0)
		return true;
	return false;
}

bool
creation_is_tried(const SchemaSync *sync, const char *name)
{
	/* beyond the bound nothing is tried, and nobody waits for it */
	return find_tried(sync, name) != NULL || list_length(sync->tried) >= MAX_TRIED;
}

bool
creation_add(SchemaSync *sync, const Creation *creation, bool *is_new)
{
	MemoryContext old;
	Creation   *copy;

	*is_new = false;
	if (find_tried(sync, creation->name) != NULL)
		return false;
	if (list_length(sync->to_create) >= MAX_TO_COME)
		return true;
	if (list_length(sync->tried) >= MAX_TRIED)
		return false;
	old = MemoryContextSwitchTo(WorkerContext);
	copy = palloc(sizeof(Creation));
	copy->name = keep(creation->name);
	copy->property.name = keep(creation->property.name);
	copy->property.type = keep(creation->property.type);
	copy->property.is_key = creation->property.is_key;
	copy->tail = keep(creation->tail);
	copy->body = keep(creation->body);
	sync->to_create = lappend(sync->to_create, copy);
	MemoryContextSwitchTo(old);
	(void) add_tried(sync, creation->name);
	*is_new = true;
	return true;
}

void
creation_refuse(SchemaSync *sync, const char *name, const char *why)
{
	if (find_tried(sync, name) == NULL && list_length(sync->tried) < MAX_TRIED)
		set_refusal(add_tried(sync, name), why);
}

const char *
creation_refusal(const SchemaSync *sync, const char *name)
{
	const Tried *tried = find_tried(sync, name);

	return tried != NULL ? tried->refusal : NULL;
}

void
creation_forget(SchemaSync *sync)
{
	ListCell   *cell;

	foreach(cell, sync->tried)
	{
		lose(((Tried *) lfirst(cell))->name);
		lose(((Tried *) lfirst(cell))->refusal);
	}
	list_free_deep(sync->tried);
	sync->tried = NIL;
}

/* ---- requests and answers --------------------------------------------------------------- */

static void
append_property(StringInfo body, const char *group, const UnknownProperty *property)
{
	appendStringInfoString(body, "{\"name\":");
	value_append_string(body, property->name, strlen(property->name));
	appendStringInfoString(body, ",\"label\":");
	value_append_string(body, property->name, strlen(property->name));
	appendStringInfo(body, ",\"type\":\"%s\",\"fieldType\":\"%s\"", property->type,
					 schema_field_type(property->type));
	/* without one HubSpot refuses, and its words are kept */
	if (group != NULL)
	{
		appendStringInfoString(body, ",\"groupName\":");
		value_append_string(body, group, strlen(group));
	}
	if (strcmp(property->type, "bool") == 0)
		appendStringInfo(body, ",\"options\":[%s]", schema_bool_options);
	if (property->is_key)
		appendStringInfoString(body, ",\"hasUniqueValue\":true,\"hidden\":true");
	appendStringInfoChar(body, '}');
}

const char *
creation_tail(const SchemaSync *sync)
{
	return ((const Creation *) linitial(sync->to_create))->tail;
}

char *
creation_body(const SchemaSync *sync, Object part, const char *group)
{
	StringInfoData body;
	ListCell   *cell;

	if (!object_types[part].is_record)
		return pstrdup(((const Creation *) linitial(sync->to_create))->body);
	initStringInfo(&body);
	appendStringInfoString(&body, "{\"inputs\":[");
	foreach(cell, sync->to_create)
	{
		if (cell != list_head(sync->to_create))
			appendStringInfoChar(&body, ',');
		append_property(&body, group, &((const Creation *) lfirst(cell))->property);
	}
	appendStringInfoString(&body, "]}");
	return body.data;
}

/* What is there, the list that is read next tells; why it is not, this answer alone. */
static void
end_first(SchemaSync *sync, bool refused, const char *why)
{
	Creation   *creation = linitial(sync->to_create);
	Tried	   *tried = find_tried(sync, creation->name);

	if (refused && tried != NULL)
		set_refusal(tried, why);
	sync->to_create = list_delete_first(sync->to_create);
	lose(creation->name);
	lose(creation->property.name);
	lose(creation->property.type);
	lose(creation->tail);
	lose(creation->body);
	pfree(creation);
}

void
creation_tried(SchemaSync *sync, Object part, const Reply *reply)
{
	const ReplyError *error = reply->nerrors > 0 ? &reply->errors[0] : &reply->error;
	const char *why = error->message != NULL ? error->message : reply->message;
	bool		exists = reply->status == 409 ||
	(error->category != NULL && strcmp(error->category, "OBJECT_ALREADY_EXISTS") == 0);
	bool		carried_out = reply->class == REPLY_RECORDS || reply->class == REPLY_UNREADABLE;

	/* where the right or the path is missing, it is for all */
	bool		all = object_types[part].is_record || reply->class == REPLY_FORBIDDEN ||
	reply->class == REPLY_MISDIRECTED;

	do
		end_first(sync, !exists && !carried_out, why);
	while (all && sync->to_create != NIL);
}
