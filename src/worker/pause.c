/*
 * pause.c
 *		A person stops a lane or an account, and lets it go on.
 *
 * hubspot_pause() and hubspot_resume() write hubspot.pause, in the caller's
 * transaction, and wake the worker at its commit as a queued row does.  The
 * worker reads the table with every look at the outbox and at its start, so
 * that a pause holds over restarts, crashes and failover, and is seen
 * whatever way the row came.  What is under way ends; nothing new begins.
 *
 * Locks: ACCESS SHARE on hubspot.pause in the worker.  Memory: what is read
 * stays until the next look; what is shown of it is in Account and Lane.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/worker_context.h"
#include "cluster/shared.h"
#include "cluster/suspect.h"
#include "queue/accounts.h"
#include "ring/ring.h"
#include "worker/pause.h"
#include "worker/servers.h"

#define WHOLE_ACCOUNT ""		/* hubspot.pause.lane */

/* Columns of hubspot.pause, in the order of the script. */
enum
{
	AT_SERVER = 1,
	AT_LANE,
	AT_PAUSED_BY,
	AT_PAUSED_AT,
	AT_REASON
};

PG_FUNCTION_INFO_V1(hubspot_pause);
PG_FUNCTION_INFO_V1(hubspot_resume);

/* ---- sessions -------------------------------------------------------------------- */

static const char *
names_of_lanes(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < OBJECT_COUNT; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", lane_family_name((LaneFamily) i));
	return names.data;
}

static Datum
lane_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *lane = PG_ARGISNULL(n) ? WHOLE_ACCOUNT : text_to_cstring(PG_GETARG_TEXT_PP(n));

	if (!PG_ARGISNULL(n) && lane_find_family(lane) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown lane \"%s\"", lane),
				 errhint("Valid lanes are: %s.", names_of_lanes())));
	return CStringGetTextDatum(lane);
}

/*
 * Run one statement about hubspot.pause: $1 is the SERVER, $2 the lane, $3 the
 * reason.  Returns the rows it was about.
 */
static uint64
execute(const char *sql, int expected, const Datum *values, const char *nulls)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};

	if (statement_execute(sql, lengthof(types), types, (Datum *) values, nulls, false, 0) !=
		expected)
		elog(ERROR, "could not write or read hubspot.pause");
	return SPI_processed;
}

/* The order must outlive a crash even where commits are asynchronous. */
static void
tell_worker(void)
{
	ForceSyncCommit();
	shared_wake_at_commit();
}

Datum
hubspot_pause(PG_FUNCTION_ARGS)
{
	const char *server = PG_ARGISNULL(0) ? NULL : NameStr(*PG_GETARG_NAME(0));
	Datum		values[] = {
		ObjectIdGetDatum(account_resolve(server)), lane_argument(fcinfo, 1),
		PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2)
	};
	const char *nulls = PG_ARGISNULL(2) ? "  n" : "   ";

	PreventCommandIfReadOnly("hubspot_pause()");
	SPI_connect();
	(void) execute("DELETE FROM hubspot.pause p"
				   " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_server s WHERE "
				   "s.oid = p.server)",
				   SPI_OK_DELETE, values, nulls);
	(void) execute("INSERT INTO hubspot.pause (server, lane, paused_by, paused_at, reason)"
				   " VALUES ($1, $2, session_user, pg_catalog.clock_timestamp(), $3)"
				   " ON CONFLICT (server, lane) DO UPDATE SET paused_by = excluded.paused_by,"
				   " paused_at = excluded.paused_at, reason = excluded.reason",
				   SPI_OK_INSERT, values, nulls);
	SPI_finish();
	tell_worker();
	PG_RETURN_VOID();
}

/* What else keeps the lane, or lanes of the account, from going on. */
static void
tell_what_is_left(const Datum *values, const char *nulls)
{
	char	   *server;
	char	   *lanes;

	(void) execute("SELECT s.srvname, pg_catalog.string_agg(p.lane, ', ' ORDER BY p.lane)"
				   " FROM hubspot.pause p JOIN pg_catalog.pg_foreign_server s ON s.oid = p.server"
				   " WHERE p.server = $1 AND (p.lane = '') <> ($2 = '') GROUP BY s.srvname",
				   SPI_OK_SELECT, values, nulls);
	if (SPI_processed == 0)
		return;
	server = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	lanes = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	if (strcmp(lanes, WHOLE_ACCOUNT) == 0)
		ereport(NOTICE,
				(errmsg("account \"%s\" is still paused as a whole", server)));
	else
		ereport(NOTICE,
				(errmsg("lanes of account \"%s\" are still paused: %s", server, lanes)));
}

Datum
hubspot_resume(PG_FUNCTION_ARGS)
{
	const char *server = PG_ARGISNULL(0) ? NULL : NameStr(*PG_GETARG_NAME(0));
	Datum		values[] =
	{ObjectIdGetDatum(account_resolve(server)), lane_argument(fcinfo, 1), (Datum) 0};
	const char *nulls = "  n";	/* also where $3 is not used: parameters are copied for parallel
								 * workers */
	bool		was_paused;

	PreventCommandIfReadOnly("hubspot_resume()");
	SPI_connect();
	was_paused = execute("DELETE FROM hubspot.pause WHERE server = $1 AND lane = $2",
						 SPI_OK_DELETE, values, nulls) > 0;
	tell_what_is_left(values, nulls);
	SPI_finish();
	tell_worker();
	PG_RETURN_BOOL(was_paused);
}

void
pause_suspect(int64 answer)
{
	const char *lane = object_code_lane((uint32) answer);
	Datum		values[] = {
		ObjectIdGetDatum((Oid) (answer >> 32)),
		CStringGetTextDatum(lane != NULL ? lane : WHOLE_ACCOUNT),
		CStringGetTextDatum(SUSPECT_REASON("an answer of HubSpot"))
	};

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) execute("INSERT INTO hubspot.pause (server, lane, paused_by, paused_at, reason)"
				   " SELECT $1, $2, 'hubspot worker', pg_catalog.clock_timestamp(), $3"
				   " WHERE EXISTS (SELECT FROM pg_catalog.pg_foreign_server s WHERE s.oid "
				   "OPERATOR(pg_catalog.=) $1)"
				   " ON CONFLICT (server, lane) DO NOTHING",
				   SPI_OK_INSERT, values, NULL);
	PopActiveSnapshot();
	SPI_finish();
}

/* ---- the worker ------------------------------------------------------------------ */

typedef struct Order
{
	Oid			server;
	char	   *lane;			/* WHOLE_ACCOUNT: all of them */
	char	   *detail;			/* who, since when, why */
} Order;

static List *paused;			/* orders, as of the last look ... */
static MemoryContext paused_context;	/* ... and their memory, NULL: there are none */

static Order *
read_order(TupleTableSlot *slot)
{
	Order	   *order = palloc(sizeof(Order));
	bool		isnull;
	Datum		reason;

	order->server = DatumGetObjectId(slot_getattr(slot, AT_SERVER, &isnull));
	order->lane = TextDatumGetCString(slot_getattr(slot, AT_LANE, &isnull));
	order->detail =
		psprintf("by %s since %s",
				 NameStr(*DatumGetName(slot_getattr(slot, AT_PAUSED_BY, &isnull))),
				 timestamptz_to_str(DatumGetTimestampTz(slot_getattr(slot, AT_PAUSED_AT,
																	 &isnull))));
	reason = slot_getattr(slot, AT_REASON, &isnull);
	if (!isnull)
		order->detail = psprintf("%s: %s", order->detail, TextDatumGetCString(reason));
	return order;
}

static List *
read_orders(void)
{
	Relation	rel = table_open(ring_catalog(false)->pause, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan;
	List	   *orders = NIL;

	PushActiveSnapshot(GetTransactionSnapshot());
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL, SO_NONE);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		orders = lappend(orders, read_order(slot));
	table_endscan(scan);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return orders;
}

static const Order *
find_order(List *orders, Oid server, const char *lane)
{
	ListCell   *cell;

	foreach(cell, orders)
	{
		const Order *order = lfirst(cell);

		if (order->server == server && strcmp(order->lane, lane) == 0)
			return order;
	}
	return NULL;
}

/* lane is NULL for the account's own pause. */
static void
apply(Account *account, const Lane *lane, LaneStatus *pause, List *orders)
{
	const Order *order = find_order(orders, account->server,
									lane != NULL ? lane_family_name(lane->family) : WHOLE_ACCOUNT);
	LaneEvent	event = order == NULL ? EVENT_SUCCESS
	: lane != NULL ? EVENT_PAUSED : EVENT_ACCOUNT_PAUSED;
	const char *detail = order != NULL ? order->detail : NULL;

	if (strcmp(lane_shown(event, detail).reason, pause->reason) == 0)
		return;
	lane_event(pause, event, detail, 0);
	account->limits_changed = true;
}

/* In memory that the next look replaces; NIL: nobody is paused. */
static List *
look(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hubspot pauses",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	List	   *orders = read_orders();

	MemoryContextSwitchTo(old);
	if (paused_context != NULL)
		MemoryContextDelete(paused_context);
	paused_context = NULL;
	if (orders == NIL)
		MemoryContextDelete(context);
	else
	{
		MemoryContextSetParent(context, WorkerContext);
		paused_context = context;
	}
	return orders;
}

void
pause_load(void)
{
	bool		were_paused = paused != NIL;

	paused = look();
	if (paused == NIL && !were_paused)
		return;
	foreach_account(account)
	{
		apply(account, NULL, &account->pause, paused);
		foreach_lane_of(lane, account)
			apply(account, lane, &lane->pause, paused);
	}
}

void
pause_apply(Lane *lane)
{
	apply(lane->account, lane, &lane->pause, paused);
}
