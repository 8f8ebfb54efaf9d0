/*
 * checkpoint_table.c
 *		The checkpoint, as hubspot.checkpoint has it.
 *
 * Locks: ACCESS SHARE on both halves, given back at once.
 */
#include "postgres.h"

#include "access/genam.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "ring/checkpoint_table.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"

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
		RingScan	half;

		ring_scan_open(&half, catalog->checkpoint[i], catalog->checkpoint_id[i], 0);
		index_rescan(half.scan, NULL, 0, NULL, 0);
		if (index_getnext_slot(half.scan, BackwardScanDirection, half.slot))
			take_if_younger(half.slot, &number, mark);
		ring_scan_close(&half);
	}
	return number;
}
