/*
 * check.c
 *		hubspot_check(): do the tables keep what they promise to each other?
 *
 * Everything with the snapshot of the query, in one go.  The worker does the
 * same in slices (worker/checker.c).
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "ring/ring_check.h"

PG_FUNCTION_INFO_V1(hubspot_check);

Datum
hubspot_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RingCheck  *check = palloc(sizeof(RingCheck));

	InitMaterializedSRF(fcinfo, 0);
	/* no slice ends before its table: one snapshot for all */
	ring_check_begin(check, CHECK_ALL_CHILDREN);
	while (ring_check_step(check, CurrentMemoryContext, PG_INT64_MAX))
		continue;
	for (int i = 0; i < Min(check->nfindings, CHECK_MAX_FINDINGS); i++)
	{
		const Finding *finding = &check->findings[i];
		int64		id = finding_id(finding);
		Datum		values[] = {
			CStringGetTextDatum(finding_what(finding)), Int64GetDatum(id),
			CStringGetTextDatum(finding_detail(finding)),
			CStringGetTextDatum(finding_remedy(finding))
		};
		bool		nulls[lengthof(values)] = {[1] = id == 0};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	if (check->nfindings > CHECK_MAX_FINDINGS)
		ereport(NOTICE,
				(errmsg("hubspot_check() has found " INT64_FORMAT " things, and shows %d",
						check->nfindings, CHECK_MAX_FINDINGS)));
	return (Datum) 0;
}
