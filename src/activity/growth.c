/*
 * growth.c
 *		With create_events: what HubSpot's definitions lack is created before the events are sent.
 *
 * A row that finds no definition, or one without a property of its own, stops the lane; what all
 * others that wait have is created with it, so that a definition has the properties of all of them,
 * of types that fit all of them, and the lane stops once.  Each creation is tried once; what
 * HubSpot refuses holds up no event, which goes without.
 *
 * Called by batch.c, through events.c, in the batch's memory context.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/hubspot.h"
#include "activity/event.h"
#include "activity/schema_lane.h"
#include "cluster/suspect.h"
#include "crm/unknown.h"
#include "queue/accounts.h"
#include "request/creation.h"
#include "request/schema_sync.h"

#define MAX_ROWS	5000		/* looked through at once */
#define MAX_WISHES	500			/* as many definitions as HubSpot has */

/* What is to be there of an event. */
typedef struct Wish
{
	const EventDefinition *event;	/* NULL: there is none */
	const char *name;			/* that it would be given */
	char	   *wanted;			/* as the first call says it */
	List	   *properties;		/* UnknownProperty that it lacks */
} Wish;

typedef struct Growth
{
	Account    *account;
	const PropertySet *none;
	List	   *wishes;
	int			nrows;			/* looked at */
	MemoryContext context;		/* of all this */
	MemoryContext scratch;		/* of a row */
} Growth;

static Wish *
wish_of(Growth *growth, const EventDefinition *event, const char *wanted, int len)
{
	const char *name = event != NULL ? event->full_name : schema_event_name(wanted, len);
	Wish	   *wish;
	ListCell   *cell;

	foreach(cell, growth->wishes)
	{
		wish = lfirst(cell);
		if (wish->event == event && strcmp(wish->name, name) == 0)
			return wish;
	}
	if (list_length(growth->wishes) >= MAX_WISHES)
		return NULL;
	wish = palloc0(sizeof(Wish));
	wish->event = event;
	wish->name = pstrdup(name);
	wish->wanted = pnstrdup(wanted, len);
	growth->wishes = lappend(growth->wishes, wish);
	return wish;
}

static void
look_at_message(Growth *growth, const Row *row, const MessageParts *parts)
{
	Account    *account = growth->account;
	EventSource source = {
		.call = row->call, .parts = parts, .key_property = row->key->property, .key = row->key->key,
		.record_id = "", .portal_id = account->portal_id, .id = row->identity,
		.called_at = row->called_at
	};
	MappingRules rules = *account->rules[OBJECT_IS_CONTACT];
	int			len;
	const char *wanted = event_wanted(&source, account->options, &len);
	const EventDefinition *alike[2];
	const EventDefinition *event = schema_event(account->schema, wanted, len, alike);
	bool		by_record;
	List	   *lacks;
	Wish	   *wish;
	ListCell   *cell;

	/* of a name that may mean two definitions the row is rejected: a third one would help nobody */
	if (event == NULL && alike[0] != NULL)
		return;
	/* nor is one made of other objects' events */
	if (event == NULL && event_object(&source, &by_record) != OBJECT_IS_CONTACT)
		return;
	rules.object = OBJECT_IS_EVENT;
	rules.properties = event != NULL ? event->properties : growth->none;
	lacks = event_lacks(&source, &rules);
	if (event != NULL && lacks == NIL)
		return;
	MemoryContextSwitchTo(growth->context);
	wish = wish_of(growth, event, wanted, len);
	if (wish != NULL)
		foreach(cell, lacks)
			wish->properties = event_unite(wish->properties, lfirst(cell));
}

/*
 * A row that raises an error, or at which a worker has died, is told as such when its turn comes;
 * the row at hand has nothing to do with that.
 */
static void
look_at(Growth *growth, const Row *row)
{
	MessageParts parts;
	MessageProblem problem;
	volatile Suspect outer;

	if ((row->call != CALL_TRACK && row->call != CALL_PAGE) || growth->nrows >= MAX_ROWS ||
		suspect_is_held(SUSPECT_ROW, row->id))
		return;
	growth->nrows++;
	outer = suspect_begin(SUSPECT_ROW, row->id);
	MemoryContextSwitchTo(growth->scratch);
	PG_TRY();
	{
		if (message_read(row->message, &parts, &problem))
			look_at_message(growth, row, &parts);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(growth->scratch);
		if (geterrcode() == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	suspect_end(outer);
	MemoryContextSwitchTo(growth->context);
	MemoryContextReset(growth->scratch);
}

/* The input's own rows first, then the others in the order of their reading. */
static void
look_around(Growth *growth, const Input *input)
{
	const Lane *lane = input->key->lane;
	dlist_iter	iter;

	for (int i = 0; i < input->nrows; i++)
		look_at(growth, input->rows[i]);
	dlist_foreach(iter, &window.rows)
	{
		const Row  *row = dlist_container(Row, order, iter.cur);

		if (growth->nrows >= MAX_ROWS)
			break;
		if (row->key->lane == lane)
			look_at(growth, row);
	}
}

/* Whether something of it is created, that was not tried before. */
static bool
fulfil(Account *account, const Wish *wish)
{
	bool		begun = false;
	int			room;
	ListCell   *cell;

	if (wish->event == NULL)
		return schema_sync_create_event(account, wish->name,
										event_definition_body(wish->wanted, strlen(wish->wanted),
															  wish->properties));
	room = SCHEMA_MAX_EVENT_PROPERTIES - wish->event->nown;
	foreach(cell, wish->properties)
	{
		const UnknownProperty *property = lfirst(cell);

		/* refused once and for all, so that no later row waits for it */
		if (room <= 0)
			creation_refuse(account->sync[OBJECT_IS_EVENT],
							creation_property(wish->event, property->name),
							psprintf("the event has %d properties, as many as HubSpot takes",
									 wish->event->nown));
		else if (schema_sync_add_property(account, wish->event, property->name,
										  event_property_body(property)))
		{
			begun = true;
			room--;
		}
	}
	return begun;
}

bool
growth_is_wanted(const Account *account, const EventDefinition *event, const Mapping *mapping)
{
	for (int i = 0; i < mapping->nunknown; i++)
		if (event_may_have(mapping->unknown[i].name) &&
			!creation_is_tried(account->sync[OBJECT_IS_EVENT],
							   creation_property(event, mapping->unknown[i].name)))
			return true;
	return false;
}

bool
growth_begin(Input *input)
{
	MemoryContext old = CurrentMemoryContext;
	Growth		growth = {.account = input->key->lane->account};
	bool		begun = false;
	ListCell   *cell;

	growth.context = AllocSetContextCreate(old, "hubspot growth", ALLOCSET_DEFAULT_SIZES);
	growth.scratch = AllocSetContextCreate(growth.context, "hubspot growth row",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(growth.context);
	growth.none = schema_no_properties();
	look_around(&growth, input);
	foreach(cell, growth.wishes)
		begun |= fulfil(growth.account, lfirst(cell));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(growth.context);
	return begun;
}

/* ---- what is left out ------------------------------------------------------------------ */

void
growth_note_lacks(const Row *row, const EventDefinition *event, const Mapping *mapping)
{
	const Account *account = row->key->lane->account;

	for (int i = 0; i < mapping->nunknown; i++)
		unknown_note_property(account->server, event->name, &mapping->unknown[i],
							  creation_refusal(account->sync[OBJECT_IS_EVENT],
											   creation_property(event,
																 mapping->unknown[i].name)),
							  row->id);
}

void
growth_note_event(const Row *row, const EventSource *source, const char *name, const char *refusal)
{
	const Account *account = row->key->lane->account;
	MappingRules rules = *account->rules[OBJECT_IS_CONTACT];
	int			len;
	const char *wanted = event_wanted(source, account->options, &len);
	ListCell   *cell;

	unknown_note_event(account->server, name, pnstrdup(wanted, len), refusal, row->id);
	rules.object = OBJECT_IS_EVENT;
	rules.properties = schema_no_properties();
	foreach(cell, event_lacks(source, &rules))
		unknown_note_property(account->server, name, lfirst(cell), NULL, row->id);
}
