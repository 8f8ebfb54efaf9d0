/*
 * look_up.c
 *		What another row of a ring says, for hubspot.failures.
 *
 * A sub-select of a ring would be planned for each of its children in each branch of the
 * view, and its cost would start JIT.  The child is told by the id.
 *
 * Locks: ACCESS SHARE on one child, given back at once.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/hubspot.h"
#include "base/verdict.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"

#define Anum_request_correlation_id 13

PG_FUNCTION_INFO_V1(hubspot_has_failed);
PG_FUNCTION_INFO_V1(hubspot_correlation_of);

Datum
hubspot_has_failed(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	const Catalog *catalog = ring_catalog(false);
	bool		failed = false;
	bool		isnull;
	RingScan	child;

	if (id < 0)
		PG_RETURN_BOOL(false);
	ring_scan_open(&child, catalog->result[RING_CHILD(id)], catalog->result_id[RING_CHILD(id)],
				   1);
	if (ring_scan_find(&child, id))
	{
		Datum		label = slot_getattr(child.slot, Anum_result_verdict, &isnull);
		int			verdict = ring_enum_position(catalog->verdict, VERDICT_COUNT,
												 DatumGetObjectId(label));

		failed = (verdict_rules[verdict].flags & VERDICT_IS_FAILURE) != 0;
	}
	ring_scan_close(&child);
	PG_RETURN_BOOL(failed);
}

Datum
hubspot_correlation_of(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	const Catalog *catalog = ring_catalog(false);
	text	   *correlation = NULL;
	bool		isnull = true;
	RingScan	child;

	if (id < 0)
		PG_RETURN_NULL();
	ring_scan_open(&child, catalog->request[RING_CHILD(id)],
				   catalog->request_id[RING_CHILD(id)], 1);
	if (ring_scan_find(&child, id))
	{
		Datum		value = slot_getattr(child.slot, Anum_request_correlation_id, &isnull);

		if (!isnull)
			correlation = DatumGetTextPCopy(value);
	}
	ring_scan_close(&child);
	if (correlation == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(correlation);
}
