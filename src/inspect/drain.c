/*
 * drain.c
 *		hubspot_drain(): wait until what is committed has its verdict.
 *
 * Runs in the user's backend.  It looks repeatedly, each time with a new snapshot, and
 * continues at the row without a verdict where the last look ended: all looks together
 * read each row once.  Rows that the checkpoint covers are not read.  Between two looks
 * it holds no lock on the rings, so that they can be rotated; it keeps the snapshot of
 * the calling statement, like any statement.  The tables are read as their owner: EXECUTE
 * decides who may call this.
 *
 * Memory: a context of its own for each look.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "admit/admit.h"
#include "backend/statement.h"
#include "inspect/rights.h"
#include "ring/ring.h"
#include "ring/snapshot.h"
#include "store/act_as.h"

#define FIRST_PAUSE_MS	10		/* between two looks, doubled each time ... */
#define LONGEST_PAUSE_MS	500 /* ... up to this */
#define REASONS_AFTER_US	2000000 /* then report why nothing happens */

PG_FUNCTION_INFO_V1(hubspot_drain);

/* All rows of a child up to here, in the order of xid and id, have verdicts. */
typedef struct Place
{
	FullTransactionId xid;
	int64		id;
} Place;

typedef struct Drain
{
	Oid			server;			/* InvalidOid: all */
	const char *server_name;	/* NULL: all */
	Snap	   *done;			/* the checkpoint: rows that it sees have verdicts */
	Snap	   *wanted;			/* rows that it sees are waited for */
	Place		places[RING_CHILDREN];
	bool		told;			/* the reason was reported */
	MemoryContext memory;		/* reset for each look */
	bool		may_read_texts; /* whether the caller may */
} Drain;

/*
 * Run a query and pass its rows to a function, in a subtransaction that is rolled back: a
 * lock on a child of the rings would block its rotation while we wait.
 */
static void
query(Drain *drain, const char *sql, void (*take) (Drain *drain))
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Oid			type = NAMEOID;
	NameData	name;
	Datum		value = NameGetDatum(&name);
	char		null = drain->server_name == NULL ? 'n' : ' ';

	namestrcpy(&name, drain->server_name != NULL ? drain->server_name : "");
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	if (statement_execute(sql, 1, &type, &value, &null, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look at the state of delivery");
	take(drain);
	SPI_finish();
	PopActiveSnapshot();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static char *
field(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static void
take_checkpoint(Drain *drain)
{
	bool		isnull;
	MemoryContext old;
	Datum		snapshot;

	if (SPI_processed != 1)
		elog(ERROR, "table \"hubspot.checkpoint\" is empty");
	snapshot = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	old = MemoryContextSwitchTo(GetMemoryChunkContext(drain));
	drain->done = snapshot_from_datum(snapshot);
	MemoryContextSwitchTo(old);
}

/* ---- looking ------------------------------------------------------------------------ */

static bool
is_of_server(const Drain *drain, TupleTableSlot *slot)
{
	bool		isnull;

	return drain->server == InvalidOid ||
		drain->server == DatumGetObjectId(slot_getattr(slot, Anum_outbox_server, &isnull));
}

static bool
is_wanted(const Drain *drain, TupleTableSlot *slot, FullTransactionId xid)
{
	return snapshot_sees(drain->wanted, xid) && !snapshot_sees(drain->done, xid) &&
		is_of_server(drain, slot);
}

/* Advance the place over the rows of the scan; false at a row without a verdict. */
static bool
walk(const Drain *drain, Place *place, RingScan *rows, RingScan *results)
{
	while (ring_scan_next(rows))
	{
		bool		isnull;
		FullTransactionId xid =
		DatumGetFullTransactionId(slot_getattr(rows->slot, Anum_outbox_xid, &isnull));
		int64		id = DatumGetInt64(slot_getattr(rows->slot, Anum_outbox_id, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (!FullTransactionIdPrecedes(xid, drain->wanted->xmax))
			break;
		if (is_wanted(drain, rows->slot, xid) && !ring_scan_find(results, id))
			return false;
		place->xid = xid;
		place->id = id;
	}
	return true;
}

/* Look at the rest of the place's transaction first, then at later transactions. */
static bool
child_is_done(const Drain *drain, int child, Place *place)
{
	const Catalog *catalog = ring_outbox_catalog();
	ScanKeyData keys[2];
	RingScan	rows;
	RingScan	results;
	bool		done;

	ring_scan_open(&rows, catalog->outbox[child], catalog->outbox_xid[child], 2);
	ring_scan_open(&results, catalog->result[child], catalog->result_id[child], 1);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ,
				FullTransactionIdGetDatum(place->xid));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(place->id));
	index_rescan(rows.scan, keys, 2, NULL, 0);
	done = walk(drain, place, &rows, &results);
	ring_scan_close(&rows);
	/* Two scans, because the index on (xid, id) has no single range for "after this pair". */
	if (done)
	{
		ring_scan_open(&rows, catalog->outbox[child], catalog->outbox_xid[child], 1);
		ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_XID8GT,
					FullTransactionIdGetDatum(place->xid));
		index_rescan(rows.scan, keys, 1, NULL, 0);
		done = walk(drain, place, &rows, &results);
		ring_scan_close(&rows);
	}
	ring_scan_close(&results);
	return done;
}

/* Whether rows are deferred: they may be behind the checkpoint. */
static bool
has_deferred(const Drain *drain)
{
	const Catalog *catalog = ring_outbox_catalog();
	RingScan	rows;
	bool		found = false;
	bool		isnull;

	ring_scan_open(&rows, catalog->deferred, catalog->deferred_id, 0);
	index_rescan(rows.scan, NULL, 0, NULL, 0);
	while (!found && ring_scan_next(&rows))
		found = snapshot_sees(drain->wanted,
							  DatumGetFullTransactionId(slot_getattr(rows.slot, Anum_outbox_xid,
																	 &isnull))) &&
			is_of_server(drain, rows.slot);
	ring_scan_close(&rows);
	return found;
}

static bool
is_done(Drain *drain)
{
	MemoryContext old = MemoryContextSwitchTo(drain->memory);
	bool		done = true;

	PushActiveSnapshot(GetLatestSnapshot());
	for (int i = 0; done && i < RING_CHILDREN; i++)
		done = child_is_done(drain, i, &drain->places[i]);
	done = done && !has_deferred(drain);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextReset(drain->memory);
	return done;
}

/* ---- whether it can ever end ---------------------------------------------------------- */

/*
 * Refuse rows of our own transaction: the worker cannot see them before the commit, so
 * the wait would never end.
 */
static void
refuse_own_rows(void)
{
	const Catalog *catalog = ring_outbox_catalog();
	FullTransactionId xid = GetTopFullTransactionIdIfAny();
	bool		found = false;

	if (!FullTransactionIdIsValid(xid))
		return;
	CommandCounterIncrement();	/* rows of the calling statement, too */
	PushActiveSnapshot(GetLatestSnapshot());
	for (int i = 0; !found && i < RING_CHILDREN; i++)
	{
		RingScan	rows;
		ScanKeyData key;

		ring_scan_open(&rows, catalog->outbox[i], catalog->outbox_xid[i], 1);
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_XID8EQ, FullTransactionIdGetDatum(xid));
		index_rescan(rows.scan, &key, 1, NULL, 0);
		found = ring_scan_next(&rows);
		ring_scan_close(&rows);
	}
	PopActiveSnapshot();
	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("hubspot_drain cannot wait for calls of its own transaction"),
				 errdetail("They are sent after the transaction has committed."),
				 errhint("Commit first, then call hubspot_drain.")));
}

/* Lanes whose rows wait for a person or for another day. */
static const char *const reasons =
"SELECT pg_catalog.format('%s, lane %s: %s', s.server, s.lane, s.state), "
"s.reason FROM hubspot.status s"
" WHERE s.state NOT IN ('RUN', 'CONNECTING', 'LIMITED', 'BACKOFF', 'UNREACHABLE', 'MIGRATING')"
" AND s.waiting + s.in_flight + s.deferred > 0 AND ($1 IS NULL OR s.server = $1)";

static void
tell_reasons(Drain *drain)
{
	drain->told = SPI_processed > 0;
	for (int i = 0; i < SPI_processed; i++)
	{
		char	   *reason = field(i, 2);

		ereport(WARNING,
				(errmsg("hubspot_drain waits for account %s", field(i, 1)),
				 reason != NULL && reason[0] != '\0' && drain->may_read_texts
				 ? errdetail_internal("%s", reason) : 0,
				 errhint("See hubspot_health().")));
	}
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* When the wait ends; DT_NOEND without a timeout. */
static TimestampTz
end_of(FunctionCallInfo fcinfo)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end;

	if (PG_ARGISNULL(0))
		return DT_NOEND;
	end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												  TimestampTzGetDatum(now), PG_GETARG_DATUM(0)));
	if (end < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return end;
}

static void
pause_for(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 WaitEventExtensionNew("HubspotDrain"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static bool
wait_until_done(Drain *drain, TimestampTz end)
{
	TimestampTz tell_at = GetCurrentTimestamp() + REASONS_AFTER_US;
	long		ms = FIRST_PAUSE_MS;

	while (!is_done(drain))
	{
		TimestampTz now = GetCurrentTimestamp();

		if (now >= end)
			return false;
		if (now >= tell_at)
		{
			query(drain, reasons, tell_reasons);
			tell_at = drain->told ? DT_NOEND : now + REASONS_AFTER_US;
		}
		pause_for(end - now < ms * 1000 ? (end - now) / 1000 + 1 : ms);
		ms = Min(ms * 2, LONGEST_PAUSE_MS);
	}
	return true;
}

Datum
hubspot_drain(PG_FUNCTION_ARGS)
{
	Drain	   *drain = palloc0(sizeof(Drain));
	TimestampTz end = end_of(fcinfo);
	Identity	before;
	bool		done;

	if (!PG_ARGISNULL(1))
	{
		drain->server_name = NameStr(*PG_GETARG_NAME(1));
		drain->server = account_resolve(drain->server_name);
	}
	refuse_own_rows();
	/* Before act_as_extension(): the caller's rights decide what the message shows. */
	drain->may_read_texts = rights_may_read_texts(GetUserId());
	act_as_extension(&before);
	drain->memory =
		AllocSetContextCreate(CurrentMemoryContext, "hubspot_drain", ALLOCSET_SMALL_SIZES);
	PushActiveSnapshot(GetLatestSnapshot());

	/*
	 * Before the checkpoint is read: each row that is committed now is either waited for or
	 * covered by that checkpoint.
	 */
	drain->wanted = snapshot_take();
	PopActiveSnapshot();
	query(drain, "SELECT c.snapshot FROM hubspot.last_checkpoint c", take_checkpoint);
	for (int i = 0; i < RING_CHILDREN; i++)
		drain->places[i].xid = drain->done->xmin;
	done = wait_until_done(drain, end);
	act_back(&before);
	PG_RETURN_BOOL(done);
}
