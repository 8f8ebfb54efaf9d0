/*
 * suppress.c
 *		Whom nothing is sent about: hubspot.suppressed, asked when a request is built.
 *
 * Before the worker sends it goes along the heads of the ready keys, as far as requests of
 * this turn will get, and asks the table for each of their rows: by the address and the userId of
 * the key, and those that its message has beside.  Rows of a suppressed contact end here; the
 * others are marked, and batch.c takes no row without the mark.  Requests that are to be sent
 * again are held to the same, and taken apart when one of their rows is not to go.
 *
 * What takes something away is sent all the same: see takes_away[].
 *
 * Locks: ACCESS SHARE on hubspot.suppressed.  Memory: the transaction's.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "consent/subscription.h"
#include "consent/subscription_type.h"
#include "consent/suppress.h"
#include "consent/suppressed_hash.h"
#include "message/pair.h"
#include "queue/accounts.h"
#include "request/batch.h"
#include "ring/ring.h"

#define LOOK_US		5000000		/* a look is good for so long, when nobody announces a change */
#define ROWS_AT_ONCE	5000	/* looked at in one step */

/* Columns of hubspot.suppressed, in the order of the script. */
enum SuppressedColumn
{
	SUPPRESSED_ADDRESS = 1, SUPPRESSED_USER_ID, SUPPRESSED_SERVER, SUPPRESSED_SUBSCRIPTION,
	SUPPRESSED_OBJECTS, SUPPRESSED_SINCE, SUPPRESSED_REASON
};

/* Calls after which HubSpot has less of the contact than before. */
static const bool takes_away[CALL_COUNT] = {
	[CALL_DELETE] = true,
	[CALL_REMOVE_FROM_LIST] = true,
	[CALL_UNGROUP] = true,
	[CALL_DISSOCIATE] = true,
};

/* ---- looks ---------------------------------------------------------------------------- */

static bool in_use = true;		/* the table has pages; not known is as good */
static uint32 seen_changes;		/* announced changes that the present look knows */
static uint32 looks;			/* so far */
static int64 look_began;

void
suppress_poll(void)
{
	in_use = !ring_is_empty(ring_catalog(false)->suppressed);
	if (!in_use)
		window.look = 0;
}

/* Never 0, which rows have that no look has seen. */
static void
begin_look(int64 now)
{
	if (++looks == 0)
		looks = 1;
	window.look = looks;
	look_began = now;
}

/* A paused lane builds no request; a dropped account only ends its rows. */
static bool
builds_now(Lane *lane)
{
	return queue_is_personal(lane) && !lane->account->dropped && !accounts_is_paused(lane) &&
		(lane->keys.nready > 0 || !dlist_is_empty(&lane->again));
}

/*
 * The number of changes is read before the snapshot is taken in which the table is asked: whoever
 * raised it had committed before.
 */
bool
suppress_is_due(WorkerSlot *slot, int64 now)
{
	uint32		changes = pg_atomic_read_u32(&slot->suppressed_changes);

	window.met_unlooked = false;
	if (changes != seen_changes)
	{
		seen_changes = changes;
		in_use = true;
		begin_look(now);
	}
	else if (in_use && (window.look == 0 || now - look_began >= LOOK_US))
		begin_look(now);
	if (window.look == 0)
		return false;
	foreach_lane(lane)
	{
		if (builds_now(lane))
			return true;
	}
	return false;
}

bool
suppress_has_more(void)
{
	return window.met_unlooked;
}

/* ---- the table -------------------------------------------------------------------------- */

typedef struct SuppressedTable
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
} SuppressedTable;

static SuppressedTable by_address;
static SuppressedTable by_user_id;
static TupleTableSlot *found;
static SuppressedHashes *hashes;	/* NULL: no contact that was suppressed has been erased */

static void
open_table(SuppressedTable *table, Oid index)
{
	table->heap = table_open(ring_catalog(false)->suppressed, AccessShareLock);
	table->index = index_open(index, AccessShareLock);
	table->scan =
		index_beginscan(table->heap, table->index, GetActiveSnapshot(), NULL, 1, 0, SO_NONE);
}

static void
close_table(SuppressedTable *table)
{
	index_endscan(table->scan);
	index_close(table->index, AccessShareLock);
	table_close(table->heap, NoLock);
}

static void
open_tables(void)
{
	open_table(&by_address, ring_catalog(false)->suppressed_address);
	open_table(&by_user_id, ring_catalog(false)->suppressed_user_id);
	found = table_slot_create(by_address.heap, NULL);
	hashes = suppressed_hashes_load();
}

static void
close_tables(void)
{
	ExecDropSingleTupleTableSlot(found);
	close_table(&by_user_id);
	close_table(&by_address);
}

/* What is looked for: a contact, in a row of this object. */
typedef struct Sought
{
	const Account *account;
	Object		object;
	const char *subscription;	/* to which it would subscribe him, as the call says it, ... */
	const char *subscription_id;	/* ... and HubSpot's id, if it is known; NULL: to none */
} Sought;

/* A SERVER that is gone, or was misspelt, lets nobody through. */
static bool
is_other_account(const char *name, const Account *account)
{
	if (strcmp(name, account->name) == 0)
		return false;
	foreach_account(other)
	{
		if (!other->dropped && strcmp(name, other->name) == 0)
			return true;
	}
	return false;
}

static bool
has_object(Datum objects, Object object)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(objects), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i] &&
			strcmp(TextDatumGetCString(elements[i]), object_types[object].name) == 0)
			return true;
	return false;
}

/*
 * An entry for one type of subscription keeps off that one alone.  A name that nobody knows yet
 * keeps off nothing but itself: rows wait until HubSpot has told the names.
 */
static bool
is_subscription(const char *entry, const Sought *sought)
{
	return sought->subscription != NULL &&
		(pg_strcasecmp(entry, sought->subscription) == 0 ||
		 (sought->subscription_id != NULL &&
		  (strcmp(entry, sought->subscription_id) == 0 ||
		   subscription_type_is(sought->account->server, sought->subscription_id, entry))));
}

/* Whether the row in the slot means what is sought. */
static bool
is_meant(const Sought *sought)
{
	bool		isnull;
	Datum		value;

	value = slot_getattr(found, SUPPRESSED_SERVER, &isnull);
	if (!isnull && is_other_account(NameStr(*DatumGetName(value)), sought->account))
		return false;
	value = slot_getattr(found, SUPPRESSED_SUBSCRIPTION, &isnull);
	if (!isnull)
		return is_subscription(TextDatumGetCString(value), sought);
	value = slot_getattr(found, SUPPRESSED_OBJECTS, &isnull);
	return isnull || has_object(value, sought->object);
}

/* What the row's verdict says. */
static const char *
describe(void)
{
	bool		isnull;
	Datum		since = slot_getattr(found, SUPPRESSED_SINCE, &isnull);
	const char *words =
	psprintf("the contact is in hubspot.suppressed, since %s",
			 timestamptz_to_str(DatumGetTimestampTz(since)));
	Datum		reason = slot_getattr(found, SUPPRESSED_REASON, &isnull);

	return isnull ? words : psprintf("%s: %s", words, TextDatumGetCString(reason));
}

static const char *
find(SuppressedTable *table, const char *text, const Sought *sought)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(text));
	index_rescan(table->scan, &key, 1, NULL, 0);
	while (index_getnext_slot(table->scan, ForwardScanDirection, found))
		if (is_meant(sought))
			return describe();
	return NULL;
}

/* The same for one that may have been erased since. */
static const char *
find_person(SuppressedTable *table, const char *text, const Sought *sought)
{
	const char *why = find(table, text, sought);

	for (int i = 0; why == NULL && i < suppressed_hashes_count(hashes); i++)
		why = find(table, suppressed_hash(hashes, i, text), sought);
	return why;
}

/* ---- rows --------------------------------------------------------------------------------- */

/* An opt-out goes; to what a subscribing row would subscribe. */
static bool
is_subscribing(const Row *row, const MessageParts *parts, Sought *sought)
{
	MessageConsent consent;
	MessageProblem problem;

	if (!message_consent(parts, &consent, &problem) || !consent.subscribed)
		return false;
	sought->subscription = consent.subscription;
	sought->subscription_id = subscription_id(row, &consent);
	return true;
}

/* Whether a row is about a contact, and leaves more of him in HubSpot. */
static bool
is_concerned(const Row *row, const MessageParts *parts, Sought *sought)
{
	bool		by_record;

	if (row->call == CALL_SUBSCRIPTION)
		return is_subscribing(row, parts, sought);
	return !takes_away[row->call] &&
		message_object_of_key(row->key->property, &by_record) == OBJECT_IS_CONTACT &&
		(row->key->lane->family != OBJECT_IS_LIST ||
		 message_object(parts->root) == OBJECT_IS_CONTACT);
}

/* A contact that a pair names.  Of one that is named by HubSpot's record id nothing is known. */
static const char *
objection_to_end(const PairEnd *end, const Sought *sought)
{
	if (end->object != OBJECT_IS_CONTACT)
		return NULL;
	if (end->property == NULL)
		return find_person(&by_address, end->key, sought);
	return object_key_is_record_id(end->property) &&
		!object_key_is_record_id(sought->account->options->id_property[OBJECT_IS_CONTACT])
		? NULL : find_person(&by_user_id, end->key, sought);
}

/* The addresses that userIds have turned out to be: each ends a line of what is held. */
static const char *
objection_to_told(const Row *row, const Sought *sought)
{
	const char *why = NULL;

	for (const char *line = row->held; why == NULL && line != NULL && *line != '\0';)
	{
		size_t		len = strcspn(line, "\n");
		char	   *text = pnstrdup(line, len);
		const char *blank = strrchr(text, ' ');
		const char *address = blank != NULL ? blank + 1 : text;

		if (*address != '\0')
			why = find_person(&by_address, address, sought);
		line += len + (line[len] == '\n');
	}
	return why;
}

static const char *
objection_to_pair(const Row *row, const Sought *sought)
{
	PairMessage pair;
	const char *why;

	if (takes_away[row->call] || !message_read_pair(row->message, &pair))
		return NULL;
	why = objection_to_end(&pair.from, sought);
	if (why == NULL)
		why = objection_to_end(&pair.to, sought);
	return why != NULL ? why : objection_to_told(row, sought);
}

/* A record that is created with its associations; one that is there gets them as pairs. */
static const char *
objection_to_birth(const Row *row, const Sought *sought)
{
	BirthEnd	ends[BIRTH_MAX];
	const char *why = NULL;
	int			nends;

	if (!row_was(row, ONCE_ABSENT) || !JB_ROOT_IS_OBJECT(row->message))
		return NULL;
	nends = message_birth_ends(&row->message->root, &object_types[row->key->lane->family],
							   (const char *const *) sought->account->options->id_property, ends);
	for (int i = 0; i < nends && why == NULL; i++)
		why = objection_to_end(&ends[i].end, sought);
	return why != NULL ? why : objection_to_told(row, sought);
}

/* Why a row is not to go; NULL: it may. */
static const char *
objection(const Row *row)
{
	const WorkKey *key = row->key;
	Sought		sought = {.account = key->lane->account, .object = key->lane->family};
	MessageParts parts;
	MessageProblem problem;
	const char *why;
	char	   *text;

	if (object_types[key->lane->family].names_contacts)
		return objection_to_pair(row, &sought);
	if (object_types[key->lane->family].born_associated != NULL)
		return objection_to_birth(row, &sought);
	/* a message that cannot be read is refused when it is taken */
	if (!message_read(row->message, &parts, &problem) || !is_concerned(row, &parts, &sought))
		return NULL;
	why = find_person(key->property == NULL ? &by_address : &by_user_id, key->key, &sought);
	if (why != NULL)
		return why;
	text = message_email(row->call, &parts);
	if (text != NULL && (key->property != NULL || strcmp(text, key->key) != 0))
		why = find_person(&by_address, text, &sought);
	if (why != NULL)
		return why;
	text = message_user_id(&parts);
	if (text != NULL && (key->property == NULL || strcmp(text, key->key) != 0))
		why = find_person(&by_user_id, text, &sought);
	return why;
}

static bool
is_to_stop(const Row *row, const void *arg)
{
	if (row->looked_at == window.look || !queue_is_personal(row->key->lane))
		return false;
	if (objection(row) != NULL)
		return true;
	unconstify(Row *, row)->looked_at = window.look;
	return false;
}

/* Requests that are to be sent again, of all lanes: those with such a row are taken apart. */
static void
look_at_requests(void)
{
	bool		any = false;

	foreach_lane(lane)
	{
		dlist_iter	iter;

		dlist_foreach(iter, &lane->again)
			any = any || dlist_container(Batch, node, iter.cur)->looked_at != window.look;
	}
	if (!any)
		return;
	batch_dissolve(is_to_stop, NULL);
	foreach_lane(lane)
	{
		dlist_iter	iter;

		dlist_foreach(iter, &lane->again)
			dlist_container(Batch, node, iter.cur)->looked_at = window.look;
	}
}

typedef struct Stopped
{
	Row		   *row;
	const char *why;
} Stopped;

static void
look_at_key(WorkKey *key, int *budget, List **stopped)
{
	dlist_iter	iter;

	dlist_foreach(iter, &key->rows.waiting)
	{
		Row		   *row = dlist_container(Row, node, iter.cur);
		const char *why;

		/* also for those that were looked at: of what waits, a turn sends no more anyway */
		if ((*budget)-- <= 0)
			return;
		if (row->looked_at == window.look)
			continue;
		why = objection(row);
		if (why == NULL)
			row->looked_at = window.look;
		else
		{
			Stopped    *one = palloc(sizeof(Stopped));

			*one = (Stopped)
			{
				row, why
			};
			*stopped = lappend(*stopped, one);
		}
	}
}

static void
look_at_lane(Lane *lane, int *budget, List **stopped)
{
	for (int i = KEY_READY; i <= KEY_READY_BACKFILL; i++)
	{
		dlist_iter	iter;

		dlist_foreach(iter, &lane->keys.in[i])
		{
			if (*budget <= 0)
				return;
			look_at_key(dlist_container(WorkKey, stand.node, iter.cur), budget, stopped);
		}
	}
}

/* An earlier worker, or this one, may have sent the row, and heard nothing. */
static void
stop(const Stopped *stopped)
{
	const char *why = stopped->why;

	if (row_may_have_arrived(stopped->row))
		why = psprintf("%s; an earlier request of this row may have reached HubSpot", why);
	batch_end_waiting(stopped->row, VERDICT_CANCELLED, "suppressed", why);
}

void
suppress_step(void)
{
	List	   *stopped = NIL;
	ListCell   *cell;

	suppress_poll();
	if (window.look == 0)
		return;
	open_tables();
	look_at_requests();
	foreach_lane(lane)
	{
		int			budget = ROWS_AT_ONCE;

		if (builds_now(lane))
			look_at_lane(lane, &budget, &stopped);
	}
	close_tables();
	foreach(cell, stopped)
		stop(lfirst(cell));
}
