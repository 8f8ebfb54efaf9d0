/*
 * forget.c
 *		What hubspot_forget_confirmed() asks for, and what nobody may use any more.
 *
 * From the moment that an order is seen nothing counts as confirmed, until all that it means has
 * left the table: a stretch in each transaction, so that the worker goes on delivering meanwhile.
 * What is known of an account leaves in the same way when its option skip_unchanged is off, for
 * then changes are not taken down, and when its SERVER is dropped.
 *
 * Locks: ROW EXCLUSIVE on hubspot.confirmed and hubspot.forgotten.  Memory: none that stays.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "queue/accounts.h"
#include "queue/known.h"
#include "ring/ring.h"
#include "store/confirmed.h"
#include "worker/forget.h"

#define ROWS_AT_ONCE	50000	/* taken out of the table in a transaction */

static bool ordered;			/* there are orders */
static bool finished;			/* by the step that is about to commit */

static bool
anybody_skips(void)
{
	foreach_account(account)
	{
		if (known_is_kept(account))
			return true;
	}
	return false;
}

static bool
has_orders(void)
{
	Relation	rel = table_open(ring_catalog(false)->forgotten, AccessShareLock);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL, SO_NONE);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return found;
}

void
forget_look(void)
{
	if (ordered || !anybody_skips() || ring_is_empty(ring_catalog(false)->forgotten))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	ordered = has_orders();
	PopActiveSnapshot();
	if (ordered)
		confirmed_suspend();
}

bool
forget_is_due(void)
{
	if (ordered)
		return true;
	foreach_account(account)
	{
		if (account->sheds_confirmed)
			return true;
	}
	return false;
}

/* ---- the tables ----------------------------------------------------------------------- */

/* Run a statement with one array as its parameter; returns how many rows it took. */
static uint64
execute(const char *sql, Oid element_type, Datum array)
{
	Oid			type = get_array_type(element_type);

	if (statement_execute(sql, 1, &type, &array, NULL, false, 0) < 0)
		elog(ERROR, "could not forget confirmed values");
	return SPI_processed;
}

/* Accounts whose values nobody may use any more. */
static Datum
shed_servers(void)
{
	Datum	   *elements = palloc(sizeof(Datum));
	int			count = 0;

	foreach_account(account)
	{
		if (!account->sheds_confirmed)
			continue;
		elements = repalloc(elements, sizeof(Datum) * (count + 1));
		elements[count++] = ObjectIdGetDatum(account->server);
	}
	return PointerGetDatum(construct_array(elements, count, OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

static uint64
forget_servers(void)
{
	Datum		servers = shed_servers();

	if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(servers)),
					   ARR_DIMS(DatumGetArrayTypeP(servers))) == 0)
		return 0;
	return execute("DELETE FROM hubspot.confirmed WHERE ctid = ANY (ARRAY("
				   "SELECT c.ctid FROM hubspot.confirmed c WHERE c.server = ANY ($1) LIMIT "
				   CppAsString2(ROWS_AT_ONCE) "))",
				   OIDOID, servers);
}

/* Orders that name a key are carried out as a whole, others in stretches. */
static uint64
obey(Datum orders)
{
	(void) execute("DELETE FROM hubspot.confirmed c USING hubspot.forgotten f, "
				   "hubspot.records_of_key(f.key) r"
				   " WHERE f.id = ANY ($1) AND f.key IS NOT NULL"
				   " AND c.record_id = r.record_id AND c.server = r.server AND c.object = r.object"
				   " AND (f.server IS NULL OR f.server = c.server) AND (f.object IS NULL OR "
				   "f.object = c.object)",
				   INT8OID, orders);
	return execute("DELETE FROM hubspot.confirmed WHERE ctid = ANY (ARRAY("
				   "SELECT c.ctid FROM hubspot.confirmed c WHERE EXISTS (SELECT FROM "
				   "hubspot.forgotten f"
				   " WHERE f.id = ANY ($1) AND f.key IS NULL AND (f.server IS NULL OR "
				   "f.server = c.server)"
				   " AND (f.object IS NULL OR f.object = c.object)) LIMIT "
				   CppAsString2(ROWS_AT_ONCE) "))",
				   INT8OID, orders);
}

/*
 * The ids of the orders there are; 0: there is none.  They are looked at by id, for others may come
 * meanwhile.
 */
static Datum
order_ids(void)
{
	bool		isnull;
	Datum		ids;

	if (statement_execute("SELECT pg_catalog.array_agg(id) FROM hubspot.forgotten", 0, NULL, NULL,
						  NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.forgotten");
	ids = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? (Datum) 0 : ids;
}

void
forget_step(void)
{
	Datum		orders;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	orders = order_ids();
	finished = ring_is_empty(ring_catalog(false)->confirmed) ||
		(forget_servers() < ROWS_AT_ONCE && (orders == (Datum) 0 || obey(orders) < ROWS_AT_ONCE));
	if (finished && orders != (Datum) 0)
		(void) execute("DELETE FROM hubspot.forgotten WHERE id = ANY ($1)", INT8OID, orders);
	SPI_finish();
	PopActiveSnapshot();
}

void
forget_done(void)
{
	if (!finished)
		return;
	foreach_account(account)
	{
		if (account->sheds_confirmed)
			confirmed_unload(account->server);
		account->sheds_confirmed = false;
	}
	if (ordered)
		confirmed_resume();
	ordered = false;
}
