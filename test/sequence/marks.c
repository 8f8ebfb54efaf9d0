/*
 * marks.c
 *		SQL functions that read a sequence again and again, as the worker does and as a SELECT does.
 *
 * Linked with src/ring/ring_id.c; see the file "run" and test/t/046_sequence.pl.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "ring/ring.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(marks);
PG_FUNCTION_INFO_V1(unlocked_marks);

/* As any scan of a table reads it: the lock on the buffer is gone when the columns are looked at. */
static int64
unlocked_last_id(Oid sequence)
{
	Relation	rel = table_open(sequence, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, SnapshotAny, 0, NULL, SO_NONE);
	int64		last = 0;
	bool		isnull;

	if (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		last = DatumGetInt64(slot_getattr(slot, SEQ_COL_LASTVAL, &isnull));
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return last;
}

/* How many of so many values were lower than the one before: a sequence never goes back. */
static int64
count_torn(Oid sequence, int64 times, int64 (*read) (Oid sequence))
{
	int64		torn = 0;
	int64		last = 0;

	for (int64 i = 0; i < times; i++)
	{
		int64		value = read(sequence);

		torn += value < last;
		last = value;
		CHECK_FOR_INTERRUPTS();
	}
	return torn;
}

Datum
marks(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(count_torn(PG_GETARG_OID(0), PG_GETARG_INT64(1), ring_last_id));
}

Datum
unlocked_marks(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(count_torn(PG_GETARG_OID(0), PG_GETARG_INT64(1), unlocked_last_id));
}
