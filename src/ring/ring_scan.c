/*
 * ring_scan.c
 *		One child of a ring, read by one of its indexes.
 *
 * Without the executor: the worker reads the same few indexes all day.  Locks:
 * ACCESS SHARE, given back at once; the caller's transactions are short.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "ring/ring_scan.h"

void
ring_scan_open(RingScan *child, Oid heap, Oid index, int nkeys)
{
	child->heap = table_open(heap, AccessShareLock);
	child->index = index_open(index, AccessShareLock);
	child->scan =
		index_beginscan(child->heap, child->index, GetActiveSnapshot(), NULL, nkeys, 0, SO_NONE);
	child->slot = table_slot_create(child->heap, NULL);
}

bool
ring_scan_find(RingScan *child, int64 id)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	index_rescan(child->scan, &key, 1, NULL, 0);
	return ring_scan_next(child);
}

bool
ring_scan_next(RingScan *child)
{
	return index_getnext_slot(child->scan, ForwardScanDirection, child->slot);
}

void
ring_scan_close(RingScan *child)
{
	index_endscan(child->scan);
	ExecDropSingleTupleTableSlot(child->slot);
	index_close(child->index, AccessShareLock);
	table_close(child->heap, AccessShareLock);
}
