/*
 * batch_fuzz.c
 *		Rows through the lanes, against a HubSpot that says anything.
 *
 * All of the worker between the outbox and the network runs as in worker.c's
 * turn: batches are built, sent, answered, bisected, followed up, until each row
 * has its verdict.  After each step what the lanes count is counted again; at the
 * end nothing is left of the rows.  See batch_fuzz.h for the input.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/hubspot.h"
#include "admit/begun.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "erase/purge.h"
#include "http/wire.h"
#include "queue/accounts.h"
#include "read/expire.h"
#include "request/schema_sync.h"
#include "wait/await.h"
#include "wait/defer.h"
#include "worker/send.h"
#include "worker/servers.h"
#include "backend.h"
#include "batch_fuzz.h"
#include "fuzz.h"

#define MAX_TURNS	4000
#define MAX_BYTES	(64 * 1024 * 1024)	/* of the worker's memory, whatever came before */
#define LONG_US		(INT64CONST(8) * 86400 * 1000000)	/* after which no pause goes on */

extern void __wrap_schema_store(Oid server, Object part, const char *json);
extern Schema *__real_schema_load(Oid server, MemoryContext parent);
extern Schema *__wrap_schema_load(Oid server, MemoryContext parent);

static int	ncontexts;			/* below "hubspot work", between two inputs */

/* ---- JSON ---------------------------------------------------------------------------- */

static bool
find_member(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return object != NULL && JsonContainerIsObject(object) &&
		getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL;
}

char *
member_text(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	return find_member(object, name, &value) && value.type == jbvString
		? pnstrdup(value.val.string.val, value.val.string.len) : NULL;
}

int
member_number(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	return find_member(object, name, &value) && value.type == jbvNumeric
		? atoi(message_scalar_text(&value)) : 0;
}

bool
member_is_true(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	return find_member(object, name, &value) && value.type == jbvBool && value.val.boolean;
}

JsonbContainer *
member_container(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	return find_member(object, name, &value) && value.type == jbvBinary ? value.val.binary.data : NULL;
}

JsonbContainer *
element(JsonbContainer *array, int i, int *n)
{
	JsonbValue *value;

	*n = array != NULL && JsonContainerIsArray(array) ? JsonContainerSize(array) : 0;
	value = i < *n ? getIthJsonbValueFromContainer(array, i) : NULL;
	return value != NULL && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data)
		? value->val.binary.data : NULL;
}

/* ---- counted again ---------------------------------------------------------------------- */

static int
count_list(dlist_head *list)
{
	dlist_iter	iter;
	int			n = 0;

	dlist_foreach(iter, list)
		n++;
	return n;
}

static int
count_contexts(void)
{
	int			n = 0;

	for (MemoryContext child = WorkerContext->firstchild; child != NULL; child = child->nextchild)
		n++;
	return n;
}

static void
look_at_lane(Lane *lane)
{
	expect(lane->rows == rows_left(lane), "a lane counts its rows");
	expect(lane->keys.nready == count_list(&lane->keys.in[KEY_READY]) + count_list(&lane->keys.in[KEY_READY_BACKFILL]),
		   "a lane counts its ready keys");
	expect(lane->in_flight >= 0 && lane->in_flight <= lane->rows, "no more rows are under way than there are");
	expect(lane->bytes >= 0 && (lane->rows > 0 || lane->bytes == 0), "bytes go with the rows");
	expect(lane->unfinished.at_hand.count == lane->rows + lane->nparked && lane->unfinished.deferred.count == lane->keys.ndeferred,
		   "what is unfinished is the rows that there are");
	expect(lane->transfers >= 0 && lane->transfers <= WIRE_MAX_TRANSFERS, "a lane counts its requests");
}

static void
look_at_everything(void)
{
	int64		nrows = 0;
	int			transfers = 0;

	foreach_account(account)
	{
		transfers += account->transfers;
		foreach_lane_of(lane, account)
		{
			look_at_lane(lane);
			nrows += lane->rows;
		}
	}
	expect(window.nrows == nrows && window.nrows == rows_left(NULL), "the window counts its rows");
	expect(window.nrows == count_list(&window.rows), "the window has its rows");
	expect(transfers == peer_requests(), "accounts count their requests");
	for (int slot = 0; slot < WIRE_MAX_TRANSFERS; slot++)
		rows_look_at_request(slot);
}

static void
look_at_end(const Account *account)
{
	foreach_lane_of(lane, account)
	{
		for (int j = 0; j < KEY_STATE_COUNT; j++)
			expect(dlist_is_empty(&lane->keys.in[j]), "no key is left behind");
		expect(count_list(&lane->keys.behind) + count_list(&lane->keys.shown) + count_list(&lane->again) +
			   lane->keys.nready + lane->keys.naway + lane->keys.ndeferred == 0, "nothing of a key is left behind");
		expect(lane->in_flight == 0 && lane->transfers == 0, "nothing is under way");
	}
	expect(window.nrows == 0 && window.bytes == 0, "the window is empty");
	expect(count_contexts() == ncontexts, "each batch gives its memory back");
	expect(MemoryContextMemAllocated(WorkerContext, true) + MemoryContextMemAllocated(window.memory, true) < MAX_BYTES,
		   "memory does not grow");
}

/* ---- turns -------------------------------------------------------------------------------- */

/* What HubSpot tells of the account's properties changes nothing here, but is new. */
void
__wrap_schema_store(Oid server, Object part, const char *json)
{
}

Schema *
__wrap_schema_load(Oid server, MemoryContext parent)
{
	Schema	   *schema = __real_schema_load(server, parent);

	for (int part = 0; part < schema->nparts; part++)
		schema->parts[part].refreshed_at = GetCurrentTimestamp();
	return schema;
}

static int64
sooner(int64 a, int64 b)
{
	return a < 0 ? b : b < 0 ? a : Min(a, b);
}

/* The steps of worker.c's turn that touch rows; µs until the next makes sense, -1: not by itself. */
static int64
one_turn(void)
{
	int64		wait_us;

	if (schema_sync_is_due())
	{
		schema_sync_step();
		schema_sync_done();
	}
	if (await_needs_copies())
		defer_written();		/* into no table */
	if (await_has_look_ups())
	{
		await_step();
		await_done();
	}
	if (purge_is_due())
	{
		purge_step();
		purge_done();
	}
	wait_us = expire_overdue(clock_us());
	wait_us = sooner(wait_us, await_wake(clock_us()));
	wait_us = sooner(wait_us, defer_wake(clock_us()));
	wait_us = sooner(wait_us, send_what_may(false));
	if (send_awaits_notes())
	{
		begun_written();		/* into no table */
		send_noted(true);
	}
	look_at_everything();
	return await_has_look_ups() || schema_sync_is_due() || purge_is_due() ? 0 : wait_us;
}

static bool
is_done(void)
{
	return rows_left(NULL) == 0 && peer_requests() == 0 && !purge_is_due() && !schema_sync_is_due();
}

/* Until every row has its verdict. */
static void
take_turns(void)
{
	for (int turn = 0; !is_done(); turn++)
	{
		int64		wait_us = one_turn();

		expect(turn < MAX_TURNS, "every row ends some time");
		if (peer_answer())
		{
			(void) send_collect();
			look_at_everything();
			ack_written();
			begun_cleared();
		}
		else if (wait_us != 0 && peer_requests() == 0)
		{
			/* some waits are of a day, looked at each second */
			peer_advance(Max(wait_us < 0 ? 1000000 : wait_us, (int64) turn * 20000));
			if (wait_us < 0)
				servers_reload();	/* as an operator would */
		}
	}
}

/* Trouble and its memory end with the input. */
static void
forget(Account *account)
{
	peer_advance(LONG_US);
	account->dropped = false;
	account->forms_public = false;
	lane_event(&account->status, EVENT_SUCCESS, NULL, 0);
	foreach_lane_of(lane, account)
		lane_event(&lane->status, EVENT_SUCCESS, NULL, 0);
	record_map_written();
	defer_written();
	ack_written();
}

static Account *
account_at(int number)
{
	int			n = number < 0 ? 0 : number % 3;

	foreach_account(account)
	{
		if (n-- == 0)
			return account;
	}
	return NULL;
}

static void
run(Jsonb *input)
{
	Account    *account = account_at(member_number(&input->root, "account"));

	peer_begin(account, member_container(&input->root, "answers"));
	rows_admit(account, member_container(&input->root, "rows"));
	take_turns();
	look_at_end(account);
	forget(account);
}

/* As worker.c's start(); then the accounts prove their tokens. */
static void
start(void)
{
	MemoryContext old = CurrentMemoryContext;

	queue_init();
	ack_init();
	begun_init();
	defer_init();
	record_map_init();
	servers_init();
	schema_sync_init();
	servers_load_accounts();
	peer_begin(account_at(0), NULL);
	for (int turn = 0; turn < 20; turn++)
	{
		(void) one_turn();
		while (peer_answer())
			(void) send_collect();
	}
	for (int i = 0; i < 3; i++)
	{
		expect(account_at(i)->status.state == LANE_RUN, "the account runs");
		foreach_lane_of(lane, account_at(i))
			(void) schema_sync_is_settled(lane);
	}
	(void) one_turn();
	MemoryContextSwitchTo(old);
	ncontexts = count_contexts();
}

const BackendTarget batch_target = {.name = "batch", .start = start, .run = run};
