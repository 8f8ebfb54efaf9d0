/*
 * checkpoint_table.c
 *		The checkpoint, as hubspot.checkpoint has it.
 *
 * Locks: ACCESS SHARE on both halves, given back at once.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "ring/checkpoint_table.h"
#include "ring/ring.h"

static void
take_if_younger(TupleTableSlot *slot, int64 *number, Mark *mark)
{
	bool		isnull;
	int64		id = DatumGetInt64(slot_getattr(slot, CHECKPOINT_ID + 1, &isnull));

	if (mark->snap != NULL && id <= *number)
		return;
	*number = id;
	mark->low = mark->high = DatumGetInt64(slot_getattr(slot, CHECKPOINT_LAST_ID + 1, &isnull));
	mark->next = DatumGetFullTransactionId(slot_getattr(slot, CHECKPOINT_NEXT_XID + 1, &isnull));
	mark_free(mark);
	mark->snap = snapshot_from_datum(slot_getattr(slot, CHECKPOINT_SNAPSHOT + 1, &isnull));
}

int64
checkpoint_find(Mark *mark)
{
	const Catalog *catalog = ring_catalog(false);
	int64		number = 0;

	mark_free(mark);
	for (int i = 0; i < CHECKPOINT_CHILDREN; i++)
	{
		Relation	rel = table_open(catalog->checkpoint[i], AccessShareLock);
		TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL, SO_NONE);
		TupleTableSlot *slot = table_slot_create(rel, NULL);

		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
			take_if_younger(slot, &number, mark);
		table_endscan(scan);
		ExecDropSingleTupleTableSlot(slot);
		table_close(rel, AccessShareLock);
	}
	return number;
}
