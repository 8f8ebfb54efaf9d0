/*
 * ring_rotate.c
 *		Giving old generations of the rings back, starting new ones.
 *
 * Called by the worker once a minute, in a transaction of its own.
 *
 * A new generation begins when the current one holds rows older than the
 * retention divided by what the ring can hold: so the ring comes round only
 * after the retention.  The child that it will use must be empty.
 *
 * An old generation is removed by TRUNCATE, which costs nothing per row and does not
 * depend on snapshots of other sessions.  Locks can block it (a dump, a writer that has
 * not committed): lock_timeout is short, and the next minute tries again.  Under the lock
 * no open transaction can have rows in the child.  A checkpoint says that all its rows
 * have verdicts, and this is where the word of it would destroy a row that has none: so
 * the rows of the generation have been looked at before (RotationCheck), and if none lies
 * beyond the checkpoint of that look, every row has a verdict.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "ring/checkpoint_table.h"
#include "ring/outbox.h"
#include "ring/ring.h"
#include "ring/snapshot.h"

/* # of generations with rows, besides the current one. */
#define RING_KEPT	(RING_CHILDREN - 2)

/* The first row of an index scan over a child; false if there is none. */
static bool
first_row(Oid heap_oid, Oid index_oid, ScanKey keys, int nkeys, bool backward, int64 *id,
		  TimestampTz *created_at, FullTransactionId *xid)
{
	Relation	heap = table_open(heap_oid, AccessShareLock);
	Relation	index = index_open(index_oid, AccessShareLock);
	IndexScanDesc scan = index_beginscan(heap, index, GetActiveSnapshot(), NULL, nkeys, 0, SO_NONE);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	bool		found;

	index_rescan(scan, keys, nkeys, NULL, 0);
	found = index_getnext_slot(scan, backward ? BackwardScanDirection : ForwardScanDirection, slot);
	if (found)
	{
		bool		isnull;

		/* Copied before the slot is dropped; all three types are passed by value. */
		*id = DatumGetInt64(slot_getattr(slot, Anum_outbox_id, &isnull));
		*xid = DatumGetFullTransactionId(slot_getattr(slot, Anum_outbox_xid, &isnull));
		*created_at = DatumGetTimestampTz(slot_getattr(slot, Anum_outbox_created_at, &isnull));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(heap, AccessShareLock);
	return found;
}

/* Whether the checkpoint sees every row of the child, which is locked. */
static bool
all_rows_done(const Catalog *catalog, int child, const Snap *checkpoint)
{
	ScanKeyData key;
	int64		id;
	TimestampTz created_at;
	FullTransactionId xid;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_XID8GE,
				FullTransactionIdGetDatum(checkpoint->xmax));
	if (first_row(catalog->outbox[child], catalog->outbox_xid[child], &key, 1, false, &id,
				  &created_at, &xid))
		return false;
	for (int i = 0; i < checkpoint->nxip; i++)
	{
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_XID8EQ,
					FullTransactionIdGetDatum(checkpoint->xip[i]));
		if (first_row(catalog->outbox[child], catalog->outbox_xid[child], &key, 1, false, &id,
					  &created_at, &xid))
			return false;
	}
	return true;
}

/* Oldest or newest row of a child by id. */
static bool
edge_row(const Catalog *catalog, int child, bool newest, int64 *id, TimestampTz *created_at)
{
	FullTransactionId xid;

	return first_row(catalog->outbox[child], catalog->outbox_id[child], NULL, 0, newest,
					 id, created_at, &xid);
}

static bool
older_than(TimestampTz time, int64 minutes)
{
	return GetCurrentTimestamp() - time > minutes * USECS_PER_MINUTE;
}

/* Delete rows about outbox rows that are gone. */
static void
forget_rows(int64 first, int64 last)
{
	static const char *const statements[] = {
		"DELETE FROM hubspot.message_id WHERE id BETWEEN $1 AND $2",
		"DELETE FROM hubspot.repeat WHERE id BETWEEN $1 AND $2",
	};
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(first), Int64GetDatum(last)};

	SPI_connect();
	for (int i = 0; i < lengthof(statements); i++)
		if (statement_execute(statements[i], 2, types, values, NULL, false, 0) != SPI_OK_DELETE)
			elog(ERROR, "could not remove what is known of old rows");
	SPI_finish();
}

static void
empty_child(const Catalog *catalog, int child, int64 id)
{
	ring_truncate(catalog->outbox[child]);
	ring_truncate(catalog->result[child]);
	ring_truncate(catalog->request[child]);
	forget_rows(RING_FIRST(id), RING_FIRST(id) + RING_SPAN - 1);
}

/* Truncate one child of each ring if all its rows have verdicts and are past the retention. */
static void
give_back(const Catalog *catalog, int child, const Snap *checkpoint, RotationCheck covered_by,
		  int64 retention)
{
	int64		id;
	TimestampTz newest;
	const Snap *checked;

	/* the look at all rows is not begun before it can come to a good end */
	if (!edge_row(catalog, child, true, &id, &newest) || !older_than(newest, retention) ||
		!all_rows_done(catalog, child, checkpoint))
		return;
	checked = covered_by(RING_GENERATION(id), false);
	if (checked == NULL)
		return;

	LockRelationOid(catalog->outbox[child], AccessExclusiveLock);
	LockRelationOid(catalog->result[child], AccessExclusiveLock);
	LockRelationOid(catalog->request[child], AccessExclusiveLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (edge_row(catalog, child, true, &id, &newest) && older_than(newest, retention))
	{
		if (all_rows_done(catalog, child, checked))
			empty_child(catalog, child, id);
		else
			(void) covered_by(RING_GENERATION(id), true);
	}
	PopActiveSnapshot();
}

/* Move both sequences to the next generation if the current one is old enough. */
static void
start_generation(const Catalog *catalog, int64 retention)
{
	int64		last = ring_last_id(catalog->outbox_id_seq);
	int64		next = RING_FIRST(last) + RING_SPAN;
	int64		id;
	TimestampTz created_at;

	if (!edge_row(catalog, RING_CHILD(last), false, &id, &created_at) ||
		!older_than(created_at, Max(retention / RING_KEPT, 1)) ||
		edge_row(catalog, RING_CHILD(next), false, &id, &created_at))
		return;
	DirectFunctionCall2(setval_oid, ObjectIdGetDatum(catalog->outbox_id_seq), Int64GetDatum(next));
	DirectFunctionCall2(setval_oid, ObjectIdGetDatum(catalog->request_id_seq), Int64GetDatum(next));
}

void
ring_rotate(RotationCheck covered_by, int64 retention_minutes)
{
	const Catalog *catalog = ring_outbox_catalog();
	Mark		checkpoint = {.snap = NULL};
	int			current = RING_CHILD(ring_last_id(catalog->outbox_id_seq));

	(void) set_config_option("lock_timeout", "100", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) checkpoint_find(&checkpoint);
	for (int child = 0; child < RING_CHILDREN; child++)
		if (child != current && checkpoint.snap != NULL)
			give_back(catalog, child, checkpoint.snap, covered_by, retention_minutes);
	start_generation(catalog, retention_minutes);
	PopActiveSnapshot();
}
