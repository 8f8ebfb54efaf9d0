/*
 * reading_report.c
 *		hubspot.readings(): readings[] as a table.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "facts/readings.h"

PG_FUNCTION_INFO_V1(hubspot_readings);

/* The columns, in the order of the function's declaration. */
typedef enum ReadingColumn
{
	COL_READING,
	COL_READS,
	COL_MAX_AGE,
	COL_SCOPES,
	COL_REMEDY
#define READING_COLUMNS (COL_REMEDY + 1)
} ReadingColumn;

static Datum
seconds(int count)
{
	Interval   *span = palloc0(sizeof(Interval));

	span->time = count * USECS_PER_SEC;
	return IntervalPGetDatum(span);
}

Datum
hubspot_readings(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < READING_COUNT; i++)
	{
		const Reading *reading = &readings[i];
		Datum		values[READING_COLUMNS];
		bool		nulls[READING_COLUMNS] = {false};

		values[COL_READING] = CStringGetTextDatum(reading->name);
		values[COL_READS] = CStringGetTextDatum(reading->noun);
		values[COL_MAX_AGE] = seconds(reading->max_age);
		values[COL_SCOPES] = CStringGetTextDatum(reading->scopes);
		values[COL_REMEDY] = CStringGetTextDatum(reading->remedy);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
