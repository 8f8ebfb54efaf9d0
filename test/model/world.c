/*
 * world.c
 *		Sessions whose transactions overlap, and what the worker's snapshots see of them.
 *
 * A call is made by the code that enqueues, in a subtransaction; its rows are
 * taken out of the outbox before that is rolled back, and are put in when the
 * session commits.  Ids come from the real sequence when they are drawn; xids
 * and snapshots are numbers of our own, as the server would give them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/skey.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "cluster/shared.h"
#include "enqueue/enqueue.h"
#include "message/object_type.h"
#include "ring/outbox.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"
#include "ring/snapshot.h"
#include "store/append.h"
#include "model.h"

#define FIRST_XID		UINT64CONST(1000000)
#define MAX_RUNNING		16
#define MAX_TUPLES		512

typedef enum SessionState
{
	SESSION_IDLE,
	SESSION_OPEN,
	SESSION_PREPARED
} SessionState;

typedef struct Session
{
	SessionState state;
	uint64		xid;			/* 0: none yet */
	int			ntuples;
	HeapTuple	tuples[MAX_TUPLES / MAX_SESSIONS];
	Oid			tables[MAX_TUPLES / MAX_SESSIONS];
} Session;

ModelCall	calls[MAX_CALLS];
int			ncalls;

static Session sessions[MAX_SESSIONS];
static int	nsessions;
static int	calls_left;
static int	window_rows;
static Session *calling;		/* whose call runs, NULL: none */
static MemoryContext context;	/* for tuples, of the schedule */

static uint64 next_xid;
static uint64 last_ended;		/* the highest xid that has ended */
static uint64 others[MAX_RUNNING];	/* of transactions that have nothing to do with us */
static int	nothers;

/* Committed within the worker's transaction at hand: lost with it, but for us. */
static HeapTuple within[MAX_TUPLES];
static Oid	within_tables[MAX_TUPLES];
static int	nwithin;

extern FullTransactionId __wrap_GetTopFullTransactionId(void);
extern FullTransactionId __wrap_ReadNextFullTransactionId(void);
extern Snap *__wrap_snapshot_take(void);
extern int64 __real_ring_last_id(Oid sequence);
extern int64 __wrap_ring_last_id(Oid sequence);
extern void *__wrap_company_contact_begin(const char *server, int capacity);
extern void __wrap_company_contact_add(void *pairs, const void *company, const void *contact,
									   int64 outbox_id, bool leaves);
extern void __wrap_company_contact_end(void *pairs);

/* ---- xids and snapshots ------------------------------------------------------------------ */

static void
xid_ends(uint64 xid)
{
	if (xid != 0)
		last_ended = Max(last_ended, xid);
}

FullTransactionId
__wrap_GetTopFullTransactionId(void)
{
	if (calling == NULL)
		return FullTransactionIdFromU64(next_xid);
	if (calling->xid == 0)
		calling->xid = next_xid++;
	return FullTransactionIdFromU64(calling->xid);
}

FullTransactionId
__wrap_ReadNextFullTransactionId(void)
{
	FullTransactionId next = FullTransactionIdFromU64(next_xid);

	schedule_others();
	return next;
}

int
world_window_rows(void)
{
	return window_rows;
}

/* The worker has written something and committed. */
void
world_took_transaction(void)
{
	xid_ends(next_xid++);
}

static int
compare_xids(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

static int
running_xids(uint64 *xids)
{
	int			n = 0;

	for (int i = 0; i < nothers; i++)
		xids[n++] = others[i];
	for (int i = 0; i < nsessions; i++)
		if (sessions[i].xid != 0)
			xids[n++] = sessions[i].xid;
	qsort(xids, n, sizeof(uint64), compare_xids);
	return n;
}

Snap *
__wrap_snapshot_take(void)
{
	uint64		xids[MAX_RUNNING + MAX_SESSIONS];
	int			n = running_xids(xids);
	uint64		xmax = last_ended + 1;
	StringInfoData list;
	const char *separator = "";

	initStringInfo(&list);
	appendStringInfo(&list, UINT64_FORMAT ":" UINT64_FORMAT ":", n > 0 ? Min(xids[0], xmax) : xmax, xmax);
	for (int i = 0; i < n && xids[i] < xmax; i++)
	{
		appendStringInfo(&list, "%s" UINT64_FORMAT, separator, xids[i]);
		separator = ",";
	}
	return snapshot_from_datum(DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(list.data)));
}

int64
__wrap_ring_last_id(Oid sequence)
{
	int64		id = __real_ring_last_id(sequence);

	schedule_others();
	return id;
}

/* Which contacts a company has is told apart from deliveries. */
void *
__wrap_company_contact_begin(const char *server, int capacity)
{
	return &ncalls;
}

void
__wrap_company_contact_add(void *pairs, const void *company, const void *contact,
						   int64 outbox_id, bool leaves)
{
}

void
__wrap_company_contact_end(void *pairs)
{
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Take what the call has written: the rows of the outbox with ids above "after". */
static void
take_rows(Session *session, ModelCall *call, int64 after)
{
	const Catalog *catalog = ring_outbox_catalog();
	int			child = RING_CHILD(after + 1);
	ScanKeyData key;
	RingScan	scan;
	bool		isnull;

	PushActiveSnapshot(GetTransactionSnapshot());
	ring_scan_open(&scan, catalog->outbox[child], catalog->outbox_id[child], 1);
	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	index_rescan(scan.scan, &key, 1, NULL, 0);
	while (ring_scan_next(&scan))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		int64		id = DatumGetInt64(slot_getattr(scan.slot, Anum_outbox_id, &isnull));

		if (session->ntuples < lengthof(session->tuples))
		{
			session->tuples[session->ntuples] = ExecCopySlotHeapTuple(scan.slot);
			session->tables[session->ntuples++] = catalog->outbox[child];
		}
		if (call->nrows < lengthof(call->row))
		{
			/* a further type has another number in the next life */
			call->object[call->nrows] =
				Min(object_of_text(DatumGetTextPP(slot_getattr(scan.slot, Anum_outbox_object, &isnull))),
					OBJECT_IS_RECORD);
			call->row[call->nrows++] = id;
		}
		MemoryContextSwitchTo(old);
	}
	ring_scan_close(&scan);
	PopActiveSnapshot();
}

static void
put_row(HeapTuple tuple, Oid table)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Appender   *append;
	Datum	   *values;
	bool	   *isnull;
	Relation	rel;

	BeginInternalSubTransaction(NULL);
	rel = RelationIdGetRelation(table);
	append = append_open(table, 1);
	append_next(append, &values, &isnull);
	heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
	append_row(append);
	append_close(append);
	RelationClose(rel);
	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
}

void
world_worker_begins(void)
{
	nwithin = 0;
}

void
world_worker_aborts(void)
{
	for (int i = 0; i < nwithin; i++)
		put_row(within[i], within_tables[i]);
	nwithin = 0;
}

/* ---- calls ------------------------------------------------------------------------------------ */

static int64
enqueue_call(Enqueue *enqueue, const ModelCall *call, const char *message)
{
	Jsonb	   *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(message)));
	Work		work = {.object = OBJECT_IS_SCHEMA, .message = jsonb};

	if (call->kind != KIND_CREATE)
		return enqueue_message(enqueue, jsonb);
	work.key.key = psprintf("contact extra%d", call->extra);
	return enqueue_work(enqueue, &work);
}

static void
make_call(Session *session)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ModelCall  *call = &calls[ncalls];
	Enqueue    *enqueue;
	Interval	deadline = {0};
	char	   *message;
	int64		after;
	int			before = session->ntuples;

	call_choose(call);
	ncalls++;
	calls_left--;
	call->session = session - sessions;
	BeginInternalSubTransaction(NULL);
	message = call_message(call);
	after = __real_ring_last_id(ring_catalog(false)->outbox_id_seq);
	calling = session;
	enqueue = enqueue_begin(call_words[call->kind], SOURCE_FUNCTION, NULL, GetUserId(), 1);
	deadline.time = (1 + pick(20)) * USECS_PER_SEC;
	enqueue_set_terms(enqueue, call->has_deadline ? &deadline : NULL, chance(80));
	call->id = enqueue_call(enqueue, call, message);
	enqueue_end(enqueue);
	calling = NULL;
	call->xid = session->xid;
	CommandCounterIncrement();
	take_rows(session, call, after);
	say("session %d calls %s as " INT64_FORMAT " (xid " UINT64_FORMAT "): %s", call->session,
		call_names[call_words[call->kind]], call->id, session->xid, message);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
	if (session->state == SESSION_OPEN && chance(80))
	{
		say("... and rolls it back to a savepoint");
		call->rolled_back = true;
		session->ntuples = before;
	}
}

/* ---- transactions ---------------------------------------------------------------------------------- */

static void
end_transaction(Session *session, bool commits)
{
	say("session %d %s%s", (int) (session - sessions), commits ? "commits" : "rolls back",
		session->state == SESSION_PREPARED ? " what it prepared" : "");
	for (int i = 0; commits && i < session->ntuples; i++)
	{
		put_row(session->tuples[i], session->tables[i]);
		if (process_in_transaction())
		{
			within[nwithin] = session->tuples[i];
			within_tables[nwithin++] = session->tables[i];
		}
	}
	moment++;
	for (int i = 0; i < ncalls; i++)
	{
		ModelCall  *call = &calls[i];

		if (call->session != session - sessions || call->rolled_back || call->committed != 0)
			continue;
		if (commits)
			call->committed = moment;
		else
			call->rolled_back = true;
	}
	xid_ends(session->xid);
	if (commits && session->ntuples > 0 && session->state != SESSION_PREPARED)
		pg_atomic_write_u32(&hubspot_shared->slots[0].wake, 1);
	session->state = SESSION_IDLE;
	session->xid = 0;
	session->ntuples = 0;
}

static void
session_step(Session *session)
{
	switch (session->state)
	{
		case SESSION_IDLE:
			if (calls_left == 0)
				break;
			session->state = SESSION_OPEN;
			make_call(session);
			if (pick(2) == 0)
				end_transaction(session, true);
			break;
		case SESSION_OPEN:
			if (calls_left > 0 && session->ntuples < lengthof(session->tuples) - 4 && pick(2) == 1)
				make_call(session);
			else if (chance(60))
			{
				say("session %d prepares its transaction", (int) (session - sessions));
				session->state = SESSION_PREPARED;
			}
			else
				end_transaction(session, !chance(120));
			break;
		case SESSION_PREPARED:
			end_transaction(session, !chance(120));
			break;
	}
}

/* Transactions of others: they take xids, and run for a while. */
static void
others_step(void)
{
	if (nothers > 0 && pick(2) == 0)
	{
		int			which = pick(nothers);

		xid_ends(others[which]);
		others[which] = others[--nothers];
	}
	else if (nothers < MAX_RUNNING)
		others[nothers++] = next_xid++;
}

/* ---- orders ----------------------------------------------------------------------------------- */

/* A statement of a session that is committed at once. */
static void
run_statement(const char *sql)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	say("somebody runs: %s", sql);
	BeginInternalSubTransaction(NULL);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	(void) statement_execute(sql, 0, NULL, NULL, NULL, false, 0);
	SPI_finish();
	PopActiveSnapshot();
	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
	pg_atomic_write_u32(&hubspot_shared->slots[0].wake, 1);
}

void
world_order(void)
{
	static const char *const lanes[] =
	{"contacts", "companies", "associations", "events", "forms", "deals", CAR_TYPE, "pairs"};
	const char *lane = lanes[pick(lengthof(lanes))];
	ModelCall  *call = ncalls > 0 ? &calls[pick(ncalls)] : NULL;

	switch (pick(5))
	{
		case 4:
			run_statement("SELECT public.hubspot_retry(id) FROM hubspot.deferred ORDER BY id LIMIT 1");
			break;
		case 0:
			run_statement(psprintf("SELECT public.hubspot_resume('crm', '%s')", lane));
			break;
		case 1:
			run_statement(psprintf("SELECT public.hubspot_pause('crm', '%s')", lane));
			break;
		case 2:
			if (call == NULL || call->committed == 0)
				break;
			for (int i = 0; i < ncalls; i++)
				calls[i].cancelled |= &calls[i] == call;
			run_statement(psprintf("SELECT public.hubspot_cancel(" INT64_FORMAT ")", call->id));
			break;
		case 3:
			if (call == NULL || call->contact < 0)
				break;
			/* those that name it by a userId have its key, too, once that is known */
			for (int i = 0; i < ncalls; i++)
				calls[i].cancelled |= calls[i].contact == call->contact || calls[i].user >= 0 ||
					call_names_contact(&calls[i], call->contact);
			run_statement(psprintf("SELECT public.hubspot_cancel(key => 'c%d@example.com')", call->contact));
			break;
	}
}

void
world_resume(void)
{
	run_statement("DELETE FROM hubspot.pause");
}

static bool
has_work(void)
{
	if (calls_left > 0)
		return true;
	for (int i = 0; i < nsessions; i++)
		if (sessions[i].state != SESSION_IDLE)
			return true;
	return false;
}

bool
world_step(void)
{
	if (!has_work())
		return false;
	moment++;
	if (chance(100))
		others_step();
	else
	{
		Session    *session = &sessions[pick(nsessions)];

		if (session->state == SESSION_IDLE && calls_left == 0)
			for (session = sessions; session->state == SESSION_IDLE; session++)
				;
		session_step(session);
	}
	return true;
}

/* Calls of each kind, in one transaction. */
void
world_prepare(void)
{
	calls_left = 60;
	window_rows = 50000;
	calls_prepare();
	sessions[0].state = SESSION_OPEN;
	while (calls_left > 0)
		make_call(&sessions[0]);
	end_transaction(&sessions[0], true);
}

void
world_finish(void)
{
	for (int i = 0; i < nsessions; i++)
		if (sessions[i].state != SESSION_IDLE)
			end_transaction(&sessions[i], true);
	for (int i = 0; i < nothers; i++)
		xid_ends(others[i]);
	nothers = 0;
}

void
world_crash(void)
{
	for (int i = 0; i < nsessions; i++)
		if (sessions[i].state == SESSION_OPEN)
			end_transaction(&sessions[i], false);
	for (int i = 0; i < nothers; i++)
		xid_ends(others[i]);
	nothers = 0;
}

void
world_begin(void)
{
	const Catalog *catalog;

	context = CurrentMemoryContext;
	memset(sessions, 0, sizeof(sessions));
	ncalls = 0;
	nothers = 0;
	nwithin = 0;
	calling = NULL;
	next_xid = FIRST_XID;
	last_ended = FIRST_XID - 1;
	calls_left = calls_begin(&window_rows);
	nsessions = 1 + pick(MAX_SESSIONS);
	catalog = ring_catalog(false);
	DirectFunctionCall3(setval3_oid, ObjectIdGetDatum(catalog->outbox_id_seq), Int64GetDatum(1), BoolGetDatum(false));
	DirectFunctionCall3(setval3_oid, ObjectIdGetDatum(catalog->request_id_seq), Int64GetDatum(1), BoolGetDatum(false));
}
