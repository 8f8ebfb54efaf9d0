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

void
accounts_init(void)
{
	HASHCTL		control =
	{.keysize = sizeof(Oid), .entrysize = sizeof(AccountEntry), .hcxt = WorkerContext};

	by_server =
		hash_create("hubspot accounts", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

Account *
accounts_find(Oid server)
{
	AccountEntry *entry = by_server == NULL
	? NULL : hash_search(by_server, &server, HASH_FIND, NULL);

	return entry == NULL ? NULL : entry->account;
}

/* Of the account itself, of its lanes, of the parts of its schema. */
LaneStatus *
accounts_status(Account *account, int i, const char **lane)
{
	LaneStatus *const own[] = {&account->status, &account->pause, &account->load_trouble};
	int			family = (i - lengthof(own)) / 3;

	StaticAssertStmt(ACCOUNT_STATUSES == lengthof(own) + 3 * FAMILY_COUNT,
					 "each lane has three, and a part of the schema has the number of a lane");
	if (i < lengthof(own))
	{
		*lane = own[i] == &account->load_trouble ? lane_family_name(FAMILY_SCHEMA) : NULL;
		return own[i];
	}

	/* A lane has what its requests met, and what a person has stopped; the third is of a part. */
	*lane = lane_family_name((LaneFamily) family);
	switch ((i - lengthof(own)) % 3)
	{
		case 0:
			return &account->lanes[family].status;
		case 1:
			return &account->lanes[family].pause;
		default:
			return &account->sync[family].trouble;
	}
}

Account *
accounts_add(Oid server, const FamilyWork *const *families)
{
	Account    *account = MemoryContextAllocZero(WorkerContext, sizeof(Account));

	account->server = server;
	for (int i = 0; i < FAMILY_COUNT; i++)
	{
		account->lanes[i].account = account;
		account->lanes[i].family = (Object) i;
		account->lanes[i].work = families[i];
		key_init_lane(&account->lanes[i].keys);
		dlist_init(&account->lanes[i].again);
	}
	for (int i = 0; i < ACCOUNT_STATUSES; i++)
	{
		const char *lane;
		LaneStatus *status = accounts_status(account, i, &lane);

		lane_init(status, account->name, lane);
	}
	lane_event(&account->status, EVENT_START, NULL, 0);
	account->to_recall = true;
	dlist_push_tail(&accounts, &account->node);
	((AccountEntry *) hash_search(by_server, &server, HASH_ENTER, NULL))->account = account;
	return account;
}

bool
accounts_is_paused(const Lane *lane)
{
	return lane->account->pause.state != LANE_RUN || lane->pause.state != LANE_RUN;
}
