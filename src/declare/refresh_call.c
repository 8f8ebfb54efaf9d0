/*
 * refresh_call.c
 *		SQL functions that refresh: hubspot_refresh() and its preview.
 *
 * Only the owner of the definition may call them.  The query runs with the owner's
 * rights, even if a superuser calls.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "refresh/refresh.h"
#include "ring/ring.h"
#include "sync/sync_argument.h"

PG_FUNCTION_INFO_V1(hubspot_refresh);
PG_FUNCTION_INFO_V1(hubspot_refresh_preview);

static Sync *
own_definition(FunctionCallInfo fcinfo)
{
	Sync	   *sync = sync_load(sync_text_argument(fcinfo, 0, "name"), false);

	sync_check_owner(sync);
	return sync;
}

Datum
hubspot_refresh(PG_FUNCTION_ARGS)
{
	Sync	   *sync = own_definition(fcinfo);
	RefreshCounts counts;
	TupleDesc	desc;
	Datum		values[5];
	bool		isnull[5] = {false};

	PreventCommandIfReadOnly("hubspot_refresh()");
	PreventCommandDuringRecovery("hubspot_refresh()");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	refresh_run(sync, !PG_ARGISNULL(1) && PG_GETARG_BOOL(1), &counts);
	values[0] = Int64GetDatum(counts.source_rows);
	values[1] = Int64GetDatum(counts.entered);
	values[2] = Int64GetDatum(counts.changed);
	values[3] = Int64GetDatum(counts.exited);
	values[4] = Int64GetDatum(counts.bad);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, isnull)));
}

typedef struct Preview
{
	ReturnSetInfo *result;
	int64		left;			/* # of rows that may still be returned */
} Preview;

static bool
show(const RefreshDifference *difference, void *arg)
{
	Preview    *preview = arg;
	Datum		values[3];
	bool		isnull[3] = {false};

	if (difference->change >= REFRESH_FAILED)
		return true;
	if (preview->left-- <= 0)
		return false;
	values[0] = CStringGetTextDatum(refresh_change_names[difference->change]);
	values[1] = CStringGetTextDatum(difference->key);
	isnull[2] = difference->value == NULL;
	values[2] = isnull[2] ? (Datum) 0 : JsonbPGetDatum(difference->value);
	tuplestore_putvalues(preview->result->setResult, preview->result->setDesc, values, isnull);
	return true;
}

/*
 * Which contacts belong to a company is data that other roles queued.  The definition's
 * owner may send them to an audience, but may see them only with SELECT on
 * hubspot.company_contact.
 */
static void
check_members_are_shown(const Sync *sync)
{
	if (sync->level != SYNC_LEVEL_ACCOUNT_USERS ||
		ring_may_read(ring_catalog(false)->company_contact))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for the members of %s \"%s\"", sync_kind_names[sync->kind],
					sync->name),
			 errdetail("Its level is account_users, and who belongs to a company is not shown to "
					   "everybody who may queue."),
			 errhint("hubspot_refresh() needs no more rights and returns how many there are; "
					 "GRANT SELECT ON hubspot.company_contact lets a role see who.")));
}

Datum
hubspot_refresh_preview(PG_FUNCTION_ARGS)
{
	Sync	   *sync = own_definition(fcinfo);
	Preview		preview =
	{.result = (ReturnSetInfo *) fcinfo->resultinfo,
	.left = PG_ARGISNULL(1) ? PG_INT64_MAX : PG_GETARG_INT64(1)};

	check_members_are_shown(sync);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	refresh_look(sync, show, &preview);
	PG_RETURN_NULL();
}
