/*
 * waiting.c
 *		hubspot.is_waiting(): whether a row beyond the checkpoint is still to be sent.
 *
 * A sub-select of the verdicts, and one of hubspot.deferred, would have the planner count their
 * cost for each row: some 10,000 of them, and JIT would cost more than the query.
 *
 * A statement asks for one row or for all that wait.  The first ones are looked up by the index;
 * then all ids of that child are read, and kept as long as the statement runs.
 *
 * Locks: ACCESS SHARE on a child of the results and on hubspot.deferred, given back at once.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "inspect/covered.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"

#define LOOK_UPS	100			/* in a table; then all of it is read */
#define MAX_KEPT	1000000		/* ids; what is not kept is looked up */

PG_FUNCTION_INFO_V1(hubspot_is_waiting);

/* A table whose ids are those of rows that do not wait. */
typedef struct Ended
{
	int			look_ups;
	bool		is_kept;		/* all its ids above the checkpoint are in the set */
	bool		is_too_large;
} Ended;

/* In fn_extra: of one statement, so of one snapshot. */
typedef struct Waiting
{
	MemoryContext context;
	HTAB	   *ids;
	int64		covered_to;
	Ended		results[RING_CHILDREN];
	Ended		deferred;
} Waiting;

static Waiting *
begin(FmgrInfo *function)
{
	HASHCTL		control = {.keysize = sizeof(int64), .entrysize = sizeof(int64)};
	Waiting    *waiting = MemoryContextAllocZero(function->fn_mcxt, sizeof(Waiting));

	control.hcxt = waiting->context = function->fn_mcxt;
	waiting->ids = hash_create("hubspot rows that do not wait", 1024, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	waiting->covered_to = covered_to();
	function->fn_extra = waiting;
	return waiting;
}

/* All ids of a table that the checkpoint does not cover; of hubspot.deferred all. */
static void
keep(Waiting *waiting, Ended *ended, RingScan *child, int64 above)
{
	AttrNumber	id_column = child->index->rd_index->indkey.values[0];
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(above));
	index_rescan(child->scan, &key, 1, NULL, 0);
	while (ring_scan_next(child))
	{
		bool		isnull;
		int64		id = DatumGetInt64(slot_getattr(child->slot, id_column, &isnull));

		if (hash_get_num_entries(waiting->ids) >= MAX_KEPT)
		{
			ended->is_too_large = true;
			return;
		}
		(void) hash_search(waiting->ids, &id, HASH_ENTER, NULL);
		CHECK_FOR_INTERRUPTS();
	}
	ended->is_kept = true;
}

static bool
has(Waiting *waiting, Ended *ended, Oid heap, Oid index, int64 id, int64 above)
{
	RingScan	child;
	bool		found;

	if (!ended->is_kept)
	{
		ring_scan_open(&child, heap, index, 1);
		if (!ended->is_too_large && ++ended->look_ups > LOOK_UPS)
			keep(waiting, ended, &child, above);
		found = !ended->is_kept && ring_scan_find(&child, id);
		ring_scan_close(&child);
		if (!ended->is_kept)
			return found;
	}
	return hash_search(waiting->ids, &id, HASH_FIND, NULL) != NULL;
}

Datum
hubspot_is_waiting(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	Waiting    *waiting = fcinfo->flinfo->fn_extra;
	int			child = RING_CHILD(id);
	const Catalog *catalog;

	if (waiting == NULL)
		waiting = begin(fcinfo->flinfo);
	if (id <= waiting->covered_to)
		PG_RETURN_BOOL(false);
	if (waiting->results[child].is_kept && waiting->deferred.is_kept)
		PG_RETURN_BOOL(hash_search(waiting->ids, &id, HASH_FIND, NULL) == NULL);
	catalog = ring_catalog(false);
	PG_RETURN_BOOL(!has(waiting, &waiting->results[child], catalog->result[child],
						catalog->result_id[child], id, waiting->covered_to) &&
				   !has(waiting, &waiting->deferred, catalog->deferred, catalog->deferred_id, id,
						PG_INT64_MIN));
}
