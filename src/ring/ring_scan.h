/*
 * ring_scan.h
 *		One child of a ring, read by one of its indexes.
 */
#ifndef HUBSPOT_RING_SCAN_H
#define HUBSPOT_RING_SCAN_H

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

typedef struct RingScan
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} RingScan;

/*
 * Open a child with the active snapshot, in the current transaction and memory context;
 * index_rescan() must be called before reading.  Takes ACCESS SHARE on both relations.
 */
extern void ring_scan_open(RingScan *child, Oid heap, Oid index, int nkeys);

/*
 * Find the row of this id in child->slot, by an index that begins with id (nkeys: 1);
 * false if there is none.
 */
extern bool ring_scan_find(RingScan *child, int64 id);

/* The next row in child->slot, ascending; false at the end. */
extern bool ring_scan_next(RingScan *child);

extern void ring_scan_close(RingScan *child);

#endif							/* HUBSPOT_RING_SCAN_H */
