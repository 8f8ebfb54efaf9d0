/*
 * accounts.c
 *		The accounts that a worker knows, and what is common to their lanes.
 *
 * An Account appears when its SERVER does and stays for the life of the
 * worker: rows may still wait for a dropped one, to be cancelled.  What an
 * account is made of, and what becomes of it, is servers.c's.
 *
 * Memory: WorkerContext.
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "base/hubspot.h"
#include "base/worker_context.h"
#include "queue/accounts.h"
#include "queue/queue.h"

dlist_head	accounts = DLIST_STATIC_INIT(accounts);

/* The same, by SERVER: a row of the outbox names it. */
typedef struct AccountEntry
{
	Oid			server;			/* the key, first */
	Account    *account;
} AccountEntry;

static HTAB *by_server = NULL;
static const AccountsWork *work;

void
accounts_init(const AccountsWork *of_lanes)
{
	HASHCTL		control =
	{.keysize = sizeof(Oid), .entrysize = sizeof(AccountEntry), .hcxt = WorkerContext};

	by_server =
		hash_create("hubspot accounts", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	work = of_lanes;
}

Account *
accounts_find(Oid server)
{
	AccountEntry *entry = by_server == NULL
	? NULL : hash_search(by_server, &server, HASH_FIND, NULL);

	return entry == NULL ? NULL : entry->account;
}

/* ---- lanes --------------------------------------------------------------------------- */

static void *
grown(void *pointers, int before, int size)
{
	void	  **array = pointers == NULL
	? MemoryContextAlloc(WorkerContext, size * sizeof(void *))
	: repalloc(pointers, size * sizeof(void *));

	memset(array + before, 0, (size - before) * sizeof(void *));
	return array;
}

static void
make_room(Account *account, int size)
{
	account->lanes = grown(account->lanes, account->nobjects, size);
	account->sync = grown(account->sync, account->nobjects, size);
	account->rules = grown(account->rules, account->nobjects, size);
	account->nobjects = size;
}

/* A lane has what its requests met, and what a person has stopped; the third is of a schema. */
static Lane *
make_lane(Account *account, Object object, const FamilyWork *family)
{
	Lane	   *lane = MemoryContextAllocZero(WorkerContext, sizeof(Lane));
	SchemaSync *sync = MemoryContextAllocZero(WorkerContext, sizeof(SchemaSync));
	const char *name = lane_family_name(object);

	lane->account = account;
	lane->family = object;
	lane->work = family;
	key_init_lane(&lane->keys);
	dlist_init(&lane->again);
	lane_init(&lane->status, account->name, name);
	lane_init(&lane->pause, account->name, name);
	lane_init(&sync->trouble, account->name, name);
	account->rules[object] = MemoryContextAllocZero(WorkerContext, sizeof(MappingRules));
	account->sync[object] = sync;
	account->lanes[object] = lane;
	return lane;
}

Lane *
accounts_open_lane(Account *account, int object)
{
	Lane	   *lane;

	if (object < 0 || object == OBJECT_MAX)
		return NULL;
	lane = accounts_lane(account, object);
	if (lane != NULL || work->of_records == NULL)
		return lane;
	if (object >= account->nobjects)
		make_room(account, object + 8);
	lane = make_lane(account, (Object) object, object_types[object].born_associated != NULL
					 ? work->of_born : work->of_records);
	/* what the tables know of its properties is read before anything is sent */
	account->schema_stale = true;
	work->opened(lane);
	return lane;
}

Account *
accounts_add(Oid server)
{
	Account    *account = MemoryContextAllocZero(WorkerContext, sizeof(Account));

	account->server = server;
	make_room(account, OBJECT_COUNT);
	for (int i = 0; i < OBJECT_COUNT; i++)
		(void) make_lane(account, (Object) i, work->fixed[i]);
	lane_init(&account->status, account->name, NULL);
	lane_init(&account->pause, account->name, NULL);
	lane_init(&account->load_trouble, account->name, lane_family_name(FAMILY_SCHEMA));
	lane_event(&account->status, EVENT_START, NULL, 0);
	account->to_recall = true;
	dlist_push_tail(&accounts, &account->node);
	((AccountEntry *) hash_search(by_server, &server, HASH_ENTER, NULL))->account = account;
	return account;
}

void
accounts_leave(Account *account)
{
	lane_leave(&account->status);
	lane_leave(&account->pause);
	lane_leave(&account->load_trouble);
	foreach_lane_of(lane, account)
	{
		lane_leave(&lane->status);
		lane_leave(&lane->pause);
		lane_leave(&account->sync[lane->family]->trouble);
	}
}

bool
accounts_is_paused(const Lane *lane)
{
	return lane->account->pause.state != LANE_RUN || lane->pause.state != LANE_RUN;
}
