/*
 * result_probe.c
 *		Whether a row of the outbox had its verdict when this process started.
 *
 * Locks: ACCESS SHARE on result children.
 */
#include "postgres.h"

#include "access/genam.h"

#include "base/hubspot.h"
#include "ring/result_probe.h"
#include "ring/ring.h"

static int64 highest_result[RING_CHILDREN]; /* at the start; 0: none */

void
result_probe_start(void)
{
	const Catalog *catalog = ring_catalog(false);

	for (int i = 0; i < RING_CHILDREN; i++)
	{
		RingScan	child;
		bool		isnull;

		ring_scan_open(&child, catalog->result[i], catalog->result_id[i], 0);
		index_rescan(child.scan, NULL, 0, NULL, 0);
		highest_result[i] = index_getnext_slot(child.scan, BackwardScanDirection, child.slot)
			? DatumGetInt64(slot_getattr(child.slot, 1, &isnull)) : 0;
		ring_scan_close(&child);
	}
}

void
result_probe_close(ResultProbe *probe)
{
	if (probe->child >= 0)
		ring_scan_close(&probe->scan);
	probe->child = -1;
}

bool
result_probe_has(ResultProbe *probe, int64 id)
{
	const Catalog *catalog = ring_catalog(false);
	int			child = RING_CHILD(id);

	if (id > highest_result[child])
		return false;
	if (probe->child != child)
	{
		result_probe_close(probe);
		ring_scan_open(&probe->scan, catalog->result[child], catalog->result_id[child], 1);
		probe->child = child;
	}
	return ring_scan_find(&probe->scan, id);
}
