/*
 * report.c
 *		The workers' reports as SQL functions.
 *
 * Each function copies what it needs from shared memory under the slot's spinlock, and
 * returns rows from the copy.  Without the library preloaded there are no rows.  The
 * table of lane states is here, too; it is the same everywhere.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "account/lane.h"
#include "account/meter.h"
#include "base/clock.h"
#include "cluster/shared.h"
#include "cluster/shared_lanes.h"
#include "inspect/rights.h"

PG_FUNCTION_INFO_V1(hubspot_lane_states);
PG_FUNCTION_INFO_V1(hubspot_lane_report);
PG_FUNCTION_INFO_V1(hubspot_flight_report);
PG_FUNCTION_INFO_V1(hubspot_is_preloaded);
PG_FUNCTION_INFO_V1(hubspot_worker_report);
PG_FUNCTION_INFO_V1(hubspot_fill_report);
PG_FUNCTION_INFO_V1(hubspot_stuck_report);
PG_FUNCTION_INFO_V1(hubspot_meter_report);
PG_FUNCTION_INFO_V1(hubspot_launch);

static Datum
interval_of(double seconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) (seconds * USECS_PER_SEC);
	return IntervalPGetDatum(interval);
}

/* The words of a set of LEFT_BY_ bits, as text[]. */
static Datum
exits_of(int left_by)
{
	Datum		words[sizeof(int) * BITS_PER_BYTE];
	int			count = 0;

	for (int i = 0; lane_exit_name(i) != NULL; i++)
		if ((left_by & (1 << i)) != 0)
			words[count++] = CStringGetTextDatum(lane_exit_name(i));
	return PointerGetDatum(construct_array(words, count, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
hubspot_lane_states(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < LANE_EVENT_COUNT; i++)
	{
		const LaneRule *rule = &lane_rules[i];
		Datum		values[] = {
			CStringGetTextDatum(lane_state_name(rule->next)), CStringGetTextDatum(rule->event),
			CStringGetTextDatum(lane_scope_name(rule->scope)), BoolGetDatum(rule->is_failure),
			interval_of(rule->wait), interval_of(rule->longest), exits_of(rule->left_by),
			CStringGetTextDatum(rule->reason),
			CStringGetTextDatum(rule->remedy != NULL ? rule->remedy : "")
		};
		bool		nulls[lengthof(values)] = {
			[4] = rule->wait == 0,[5] = rule->wait == 0,[7] = rule->reason[0] == '\0',
			[8] = rule->remedy == NULL
		};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The slot of this database while a worker runs in it. */
static WorkerSlot *
my_running_slot(void)
{
	WorkerSlot *slot = hubspot_shared == NULL ? NULL : shared_find_slot(MyDatabaseId);

	return slot != NULL && pg_atomic_read_u32(&slot->procno) != 0 ? slot : NULL;
}

/* The lanes of this database's worker, palloc'd. */
static LaneReport *
copy_lanes(int *count)
{
	WorkerSlot *slot = my_running_slot();

	*count = 0;
	return slot == NULL ? NULL : shared_lanes_copy(slot, count);
}

static void
put_time(Datum *values, bool *nulls, int column, TimestampTz time)
{
	values[column] = TimestampTzGetDatum(time);
	nulls[column] = time == 0;
}

Datum
hubspot_lane_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count;
	LaneReport *lanes;
	bool		may_read_texts;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	lanes = copy_lanes(&count);

	/* Only if there are lanes: otherwise the look-up would be in vain. */
	may_read_texts = count > 0 && rights_may_read_texts(GetUserId());
	for (int i = 0; i < count; i++)
	{
		LaneReport *lane = &lanes[i];
		const LaneRule *rule = &lane_rules[lane->event];
		Datum		values[14];
		bool		nulls[14] = {0};

		values[0] = ObjectIdGetDatum(lane->server);
		values[1] = CStringGetTextDatum(object_code_lane(lane->object));
		values[2] = CStringGetTextDatum(lane_state_name(rule->next));
		if (!may_read_texts)
			lane->reason[lane->own] = '\0';
		values[3] = CStringGetTextDatum(lane->reason);
		nulls[3] = lane->reason[0] == '\0';
		put_time(values, nulls, 4, lane->until);
		values[5] = Int64GetDatum(lane->waiting);
		values[6] = Int64GetDatum(lane->in_flight);
		put_time(values, nulls, 7, lane->oldest);
		values[8] = Int64GetDatum(lane->delivered);
		values[9] = Float8GetDatum(lane->rate);
		values[10] = CStringGetTextDatum(rule->event);
		values[11] = Int64GetDatum(lane->deferred);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
hubspot_flight_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	WorkerSlot *slot = my_running_slot();
	FlightReport *flight = palloc(sizeof(FlightReport));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; slot != NULL && i < SHARED_MAX_TRANSFERS; i++)
	{
		SpinLockAcquire(&slot->mutex);
		flight->nids = slot->flights[i].nids;
		memcpy(flight->ids, slot->flights[i].ids, sizeof(int64) * flight->nids);
		SpinLockRelease(&slot->mutex);
		for (int j = 0; j < flight->nids; j++)
		{
			Datum		value = Int64GetDatum(flight->ids[j]);
			bool		null = false;

			tuplestore_putvalues(result->setResult, result->setDesc, &value, &null);
		}
	}
	return (Datum) 0;
}

/* One worker's row; false when the slot is free. */
static bool
describe_worker(WorkerSlot *slot, Datum *values, bool *nulls)
{
	char		problem[SHARED_TEXT];
	char		refresher_problem[SHARED_TEXT];
	RefresherTask task = {0};
	WorkerState state;
	int			working;

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	state = slot->state;
	values[0] = ObjectIdGetDatum(pg_atomic_read_u32(&slot->database));
	values[6] = Int32GetDatum(slot->failures);
	working = slot->refresher.working;
	nulls[12] = working < 0;
	if (working >= 0)
		values[12] = Int32GetDatum(slot->refresher.places[working].pid);
	values[17] = Int32GetDatum(shared_count_stuck(slot));
	LWLockRelease(hubspot_shared->lock);
	if (state == WORKER_NONE)
		return false;

	/* Only assignments and copies under the spinlock: text datums are allocated after it. */
	SpinLockAcquire(&slot->mutex);
	values[1] = Int32GetDatum(pg_atomic_read_u32(&slot->procno) != 0 ? slot->pid : 0);
	strlcpy(problem, slot->problem, sizeof(problem));
	put_time(values, nulls, 4, slot->started_at);
	put_time(values, nulls, 5, slot->last_turn_at);
	values[7] = Int64GetDatum(slot->window_rows);
	values[8] = Int64GetDatum(slot->window_bytes);
	values[9] = Int64GetDatum(slot->read_id);
	values[10] = Int64GetDatum(slot->requests);
	values[11] = Int64GetDatum(slot->rows_done);
	if (working >= 0)
		task = slot->refresher.places[working].task;
	strlcpy(refresher_problem, slot->refresher.problem, sizeof(refresher_problem));
	SpinLockRelease(&slot->mutex);
	values[13] = CStringGetTextDatum(refresher_problem);
	nulls[13] = refresher_problem[0] == '\0';
	values[14] = Int32GetDatum(task.sync);
	nulls[14] = task.sync == 0;
	put_time(values, nulls, 15, task.since);
	nulls[15] |= task.sync == 0;
	put_time(values, nulls, 16, task.until);
	nulls[16] |= task.sync == 0;
	values[2] = CStringGetTextDatum(shared_worker_states[state]);
	values[3] = CStringGetTextDatum(problem);
	return true;
}

/* Asked of the library: the setting may name it in several ways. */
Datum
hubspot_is_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(hubspot_shared != NULL);
}

Datum
hubspot_worker_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; hubspot_shared != NULL && i < SHARED_MAX_WORKERS; i++)
	{
		Datum		values[18];
		bool		nulls[18] = {0};

		if (describe_worker(&hubspot_shared->slots[i], values, nulls))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Refreshers of this database that are stuck. */
Datum
hubspot_stuck_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	StuckRefresher stuck[SHARED_MAX_REFRESHERS];
	int			count = shared_stuck_refreshers(MyDatabaseId, stuck);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < count; i++)
	{
		Datum		values[5] = {
			Int32GetDatum(stuck[i].task.sync), ObjectIdGetDatum(stuck[i].task.owner),
			Int32GetDatum(stuck[i].pid)
		};
		bool		nulls[5] = {0};

		if (stuck[i].task.sync == 0)
			continue;			/* it has come back, and is about to end */
		put_time(values, nulls, 3, stuck[i].task.since);
		put_time(values, nulls, 4, stuck[i].task.until);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Back-fills under way in this database. */
Datum
hubspot_fill_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	WorkerSlot *slot = my_running_slot();
	FillReport	fills[SHARED_MAX_FILLS];
	int			count = 0;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (slot != NULL)
	{
		/*
		 * Copied first: tuplestore_putvalues() may raise an error, which must not happen under a
		 * spinlock.
		 */
		SpinLockAcquire(&slot->mutex);
		count = slot->refresher.nfills;
		memcpy(fills, slot->refresher.fills, sizeof(fills));
		SpinLockRelease(&slot->mutex);
	}
	for (int i = 0; i < count; i++)
	{
		Datum		values[] =
		{Int32GetDatum(fills[i].sync), Int32GetDatum(fills[i].unfinished),
		BoolGetDatum(fills[i].waits)};
		bool		nulls[lengthof(values)] = {0};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Meters besides the ordinary one, with columns limit, used, blocked until. */
static const MeterKind reported_kinds[] = {METER_SEARCH, METER_ASSOCIATIONS, METER_FORMS};

#define METER_COLUMNS	(10 + 3 * lengthof(reported_kinds))

static void
put_blocked(Datum *values, bool *nulls, int column, const MeterReading *reading)
{
	put_time(values, nulls, column,
			 reading->blocked_us == 0 ? 0 : GetCurrentTimestamp() + reading->blocked_us);
}

/* Read the account's meter of a kind; false if the meter belongs to another token now. */
static bool
read_meter(const LaneReport *lane, MeterKind kind, MeterReading *reading)
{
	return meter_read_index(lane->meters[kind], lane->meter_keys[kind], reading, clock_us());
}

static void
put_meter(Datum *values, bool *nulls, int column, const LaneReport *lane, MeterKind kind)
{
	MeterReading reading;

	if (!read_meter(lane, kind, &reading))
	{
		nulls[column] = nulls[column + 1] = nulls[column + 2] = true;
		return;
	}
	values[column] = Int32GetDatum(reading.limit);
	values[column + 1] = Int32GetDatum(reading.used);
	put_blocked(values, nulls, column + 2, &reading);
}

Datum
hubspot_meter_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			count;
	LaneReport *lanes;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	lanes = copy_lanes(&count);
	for (int i = 0; i < count; i++)
	{
		MeterReading reading;
		Datum		values[METER_COLUMNS];
		bool		nulls[METER_COLUMNS] = {0};

		/* the lanes of an account share its meters, and this one is always reported */
		if (lanes[i].object != FAMILY_CONTACTS || !read_meter(&lanes[i], METER_OBJECTS, &reading))
			continue;
		values[0] = ObjectIdGetDatum(lanes[i].server);
		values[1] = Int32GetDatum(reading.limit);
		nulls[1] = reading.limit == 0;
		values[2] = Int32GetDatum(reading.used);
		values[3] = Int32GetDatum(reading.others);
		values[4] = Int64GetDatum(reading.daily_limit);
		nulls[4] = reading.daily_limit < 0;
		values[5] = Int64GetDatum(reading.daily_remaining);
		nulls[5] = reading.daily_remaining < 0;
		values[6] = Int32GetDatum(reading.window_ms);
		values[7] = Int32GetDatum(reading.reserve);
		put_blocked(values, nulls, 8, &reading);
		put_time(values, nulls, 9, reading.daily_resets_at);
		for (int j = 0; j < lengthof(reported_kinds); j++)
			put_meter(values, nulls, 10 + 3 * j, &lanes[i], reported_kinds[j]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Make the launcher, and a worker that is held, look at this database. */
Datum
hubspot_launch(PG_FUNCTION_ARGS)
{
	shared_launch_at_commit();
	shared_wake_at_commit();
	PG_RETURN_VOID();
}
