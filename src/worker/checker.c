/*
 * checker.c
 *		The worker's own hubspot_check(): once in hubspot.check_interval, and before a
 *		generation is given back.
 *
 * In slices of some milliseconds, each in a transaction of its own, with pauses
 * in between, so that delivery does not notice.  What it finds is written into
 * hubspot.finding at the end of a pass, for hubspot_health().
 *
 * A row that is covered by a checkpoint and has its verdict has it for good: so
 * what was found out of a generation holds for all its rows that this checkpoint
 * covers, and the rotation asks under its lock whether these are all.
 *
 * Memory: the pass under way in a context of its own, what is known of
 * generations in "hubspot work".
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "base/guc.h"
#include "base/worker_context.h"
#include "ring/ring_check.h"
#include "worker/checker.h"

#define SLICE_US		5000	/* of the processor */
#define PACE			19		/* after a slice, so many times as long as it took is for others */
#define FIRST_US		(INT64CONST(600) * 1000000) /* after the start, if the interval is longer */
#define AGAIN_US		(INT64CONST(600) * 1000000) /* until what has failed, or has a fault, is
													 * looked at once more */

/* What is known of a child of the rings. */
typedef struct Known
{
	int64		generation;		/* that was looked at */
	Snap	   *checkpoint;		/* all rows that it covers have verdicts; NULL: not all */
	int64		again_at;		/* then it is looked at again, µs of the monotonic clock */
} Known;

static Known known[RING_CHILDREN];
static uint32 asked;			/* children that the rotation asks for */
static bool has_answer;

static MemoryContext context;	/* of the pass; NULL: none is under way */
static RingCheck *check;
static bool is_written;			/* its findings, when the transaction has committed */
static TimestampTz started_at;
static int64 next_pass;			/* of everything, µs of the monotonic clock */
static int64 next_slice;
static int64 slice_began;		/* on the processor's clock */

static int64
interval_us(void)
{
	return (int64) hubspot_check_interval * 1000000;
}

void
checker_start(int64 now)
{
	next_pass = now + Min(interval_us(), FIRST_US);
	for (int i = 0; i < RING_CHILDREN; i++)
		known[i].generation = -1;
}

int64
checker_wake(int64 now)
{
	if (context != NULL || asked != 0)
		return Max(next_slice - now, 0);
	if (hubspot_check_interval == 0)
		return -1;
	return Max(Max(Min(next_pass, now + interval_us()), next_slice) - now, 0);
}

bool
checker_is_due(int64 now)
{
	/* the interval may have become shorter */
	next_pass = Min(next_pass, now + interval_us());
	return checker_wake(now) == 0;
}

/* ---- findings become rows ------------------------------------------------------------- */

static void
run(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	if (statement_execute(sql, nargs, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not write what a check has found");
}

static void
write_finding(const Finding *finding)
{
	Oid			types[] = {TEXTOID, INT8OID, TEXTOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(finding_what(finding)), Int64GetDatum(finding_id(finding)),
		CStringGetTextDatum(finding_detail(finding)),
		CStringGetTextDatum(finding_remedy(finding))
	};

	run("INSERT INTO hubspot.finding (what, id, detail, remedy, found_at)"
		" VALUES ($1, nullif($2, 0), $3, $4, pg_catalog.now())", 4, types, values, NULL);
}

/* Of a check of some generations, what was found of others stays. */
static void
forget_findings(void)
{
	if (check->children == CHECK_ALL_CHILDREN)
		run("DELETE FROM hubspot.finding", 0, NULL, NULL, NULL);
	for (int i = 0; i < RING_CHILDREN && check->children != CHECK_ALL_CHILDREN; i++)
	{
		Oid			types[] = {INT8OID, INT8OID};
		Datum		values[] = {
			Int64GetDatum(check->generation[i] * RING_SPAN),
			Int64GetDatum((check->generation[i] + 1) * RING_SPAN - 1)
		};

		if (check->generation[i] >= 0)
			run("DELETE FROM hubspot.finding WHERE id BETWEEN $1 AND $2", 2, types, values, NULL);
	}
}

static void
write_end(void)
{
	Oid			types[] = {TIMESTAMPTZOID, INT8OID, INT8OID};
	Datum		values[] = {
		TimestampTzGetDatum(started_at), Int64GetDatum(check->rows),
		Int64GetDatum(check->nfindings)
	};

	SPI_connect();
	forget_findings();
	for (int i = 0; i < Min(check->nfindings, CHECK_MAX_FINDINGS); i++)
		write_finding(&check->findings[i]);
	if (check->children == CHECK_ALL_CHILDREN)
	{
		run("DELETE FROM hubspot.last_check", 0, NULL, NULL, NULL);
		run("INSERT INTO hubspot.last_check (started_at, finished_at, rows, findings)"
			" VALUES ($1, pg_catalog.now(), $2, $3)", 3, types, values, NULL);
	}
	SPI_finish();
}

/* ---- a pass ------------------------------------------------------------------------------ */

static void
begin_pass(void)
{
	bool		is_whole = asked == 0;

	context = AllocSetContextCreate(WorkerContext, "hubspot check", ALLOCSET_DEFAULT_SIZES);
	check = MemoryContextAlloc(context, sizeof(RingCheck));
	ring_check_begin(check, is_whole ? CHECK_ALL_CHILDREN : asked);
	is_written = false;
	started_at = GetCurrentTimestamp();
}

void
checker_step(void)
{
	slice_began = clock_cpu_us();
	if (context == NULL)
		begin_pass();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (check->stage != CHECK_ENDED)
		(void) ring_check_step(check, context, slice_began + SLICE_US);
	else
	{
		write_end();
		is_written = true;
	}
	PopActiveSnapshot();
}

static void
learn(int child, int64 now)
{
	Known	   *entry = &known[child];
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);

	if (entry->checkpoint != NULL)
		pfree(entry->checkpoint);
	entry->checkpoint = NULL;
	entry->generation = check->generation[child];
	entry->again_at = now + AGAIN_US;
	if (check->checkpoint != NULL && !ring_check_lacks_verdict(check, entry->generation))
		entry->checkpoint = snapshot_copy(check->checkpoint);
	MemoryContextSwitchTo(old);
}

static void
tell(void)
{
	if (check->nfindings > 0)
		ereport(WARNING,
				(errmsg("hubspot_check() has found " INT64_FORMAT " things; the first, \"%s\": %s",
						check->nfindings, finding_what(&check->findings[0]),
						finding_detail(&check->findings[0])),
				 errhint("hubspot_health() says what to do.")));
}

static void
end_pass(void)
{
	MemoryContextDelete(context);
	context = NULL;
	check = NULL;
}

void
checker_done(void)
{
	int64		now = clock_us();

	next_slice = now + PACE * (clock_cpu_us() - slice_began);
	if (!is_written)
		return;
	for (int i = 0; i < RING_CHILDREN; i++)
		if ((check->children & (1U << i)) != 0)
			learn(i, now);
	has_answer = (asked & check->children) != 0;
	asked &= ~check->children;
	if (check->children == CHECK_ALL_CHILDREN)
		next_pass = now + interval_us();
	tell();
	end_pass();
}

void
checker_failed(void)
{
	next_slice = clock_us() + AGAIN_US;
	if (context != NULL)
		end_pass();
}

/* ---- for the rotation ---------------------------------------------------------------------- */

const Snap *
checker_covers(int64 generation, bool anew)
{
	int			child = (int) (generation % RING_CHILDREN);
	const Known *entry = &known[child];

	if (entry->generation == generation && entry->checkpoint != NULL && !anew)
		return entry->checkpoint;
	if (entry->generation != generation || anew || clock_us() >= entry->again_at)
		asked |= 1U << child;
	return NULL;
}

bool
checker_has_answer(void)
{
	bool		answer = has_answer;

	has_answer = false;
	return answer;
}
