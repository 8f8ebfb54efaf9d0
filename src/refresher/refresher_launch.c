/*
 * refresher_launch.c
 *		The worker's part: a refresher runs when there is something for it.
 *
 * The worker asks hubspot.sync_state at its start, when a transaction says that
 * a definition changed, and every few seconds in a transaction that it runs
 * anyway; what it learns is when something is due next.  While a refresher works
 * it asks nothing.
 *
 * A refresher that goes on STUCK_MS after it was told to end (refresher_limit.c) is
 * stuck, in a C function that looks for no interrupts, perhaps of a parallel
 * worker.  It is put aside, and another one is started beside it.  What it works
 * on, and all else of the same owner, is not due while it lives (schedule.c), so
 * that each owner has one such process at most.  There is a maximum of them, in a
 * database and in the cluster; then all wait for the one that works, as
 * hubspot_health() says.
 *
 * A refresher that ends by an error, or before it could attach, is started
 * again after 1, 2, 4 .. 60 s.  Where PostgreSQL has no process left, the same,
 * with one message an hour and a row in hubspot_health().
 *
 * Memory: the handle of the process, in TopMemoryContext.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "cluster/crash_guard.h"
#include "refresher/refresher.h"
#include "refresher/schedule.h"

#define LOOK_US			5000000
#define HEALTHY_US		INT64CONST(60000000)
#define LONGEST_PAUSE_S 60
#define TELL_US			INT64CONST(3600000000)
#define STUCK_MS		2000

static BackgroundWorkerHandle *handle;	/* NULL: none was started, it was put aside, or its end was
										 * judged */
static bool too_many_stuck = true;	/* so it is told; at the start perhaps by the worker before */
static bool had_stuck = false;	/* since one was put aside; they may have ended */
static TimestampTz due = DT_NOEND;	/* when something is to be done */
static int64 next_look;			/* µs of the monotonic clock, as all below */
static int64 started_at;
static int64 not_before;		/* after failures */
static int	failures;			/* in a row */
static int64 told_at;			/* that there is no process left; 0: never */
static char database[NAMEDATALEN];

void
refresher_look(WorkerSlot *slot, int64 now)
{
	char	   *name;

	if (handle != NULL || (pg_atomic_read_u32(&slot->syncs_changed) == 0 && now < next_look))
		return;
	pg_atomic_write_u32(&slot->syncs_changed, 0);
	next_look = now + LOOK_US;
	due = schedule_next(true);
	/* once: the worker leaves before its database is renamed */
	name = database[0] == '\0' ? get_database_name(MyDatabaseId) : NULL;
	if (name != NULL)
		strlcpy(database, name, sizeof(database));
}

/* Not before a while, longer each time. */
static void
back_off(int64 now)
{
	int			seconds = failures < 6 ? 1 << failures : LONGEST_PAUSE_S;

	failures++;
	not_before = now + (int64) Min(seconds, LONGEST_PAUSE_S) * 1000000;
}

static bool
register_refresher(WorkerSlot *slot)
{
	BackgroundWorker worker;
	WorkerOrder order;
	MemoryContext old;
	bool		registered;

	order.slot = slot - hubspot_shared->slots;
	order.generation = slot->generation;
	order.database = MyDatabaseId;
	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "hubspot refresher for database %s",
			 database);
	strlcpy(worker.bgw_type, "hubspot refresher", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_library_name, "hubspot", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "hubspot_refresher_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &order, sizeof(order));

	/* The handle outlives the transaction or turn in which it is made. */
	old = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(old);
	return registered;
}

static void
start_refresher(WorkerSlot *slot, int64 now)
{
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	slot->refresher.ended_well = false; /* until it says otherwise */
	LWLockRelease(hubspot_shared->lock);
	if (register_refresher(slot))
	{
		started_at = now;
		shared_set_refresher_problem(slot, NULL);
		return;
	}
	handle = NULL;
	back_off(now);
	shared_set_refresher_problem(slot,
								 "no background worker slot is free, "
								 "max_worker_processes is too low");
	if (told_at == 0 || now - told_at > TELL_US)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots for the hubspot refresher "
						"of database \"%s\"", database),
				 errdetail("Scheduled refreshes and back-fills wait; "
						   "the start is tried again without further messages."),
				 errhint("You might need to increase max_worker_processes.")));
	told_at = now;
}

/* What has become of the one that was started. */
static void
judge_end(WorkerSlot *slot, int64 now)
{
	pid_t		pid;
	bool		ended_well;

	if (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
		return;
	pfree(handle);
	handle = NULL;
	due = DT_NOEND;				/* it is asked for anew */
	next_look = 0;
	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	ended_well = slot->refresher.ended_well;
	LWLockRelease(hubspot_shared->lock);
	if (ended_well || now - started_at > HEALTHY_US)
		failures = 0;
	if (!ended_well)
		back_off(now);
}

static void
tell_too_many_stuck(WorkerSlot *slot, bool are)
{
	if (are == too_many_stuck)
		return;
	too_many_stuck = are;
	shared_set_refresher_problem(slot, are ? "too many refreshers are stuck, "
								 "no more are started beside them" : NULL);
}

/* Also one that an earlier worker has started. */
static void
put_aside_stuck(WorkerSlot *slot, int64 now)
{
	int			pid = 0;

	if (shared_refresher_stuck_in(slot, STUCK_MS, now) == 0)
		pid = shared_put_refresher_aside(slot);
	tell_too_many_stuck(slot, pid < 0);
	if (pid <= 0)
		return;
	had_stuck = true;
	if (handle != NULL)
		pfree(handle);
	handle = NULL;
	due = GetCurrentTimestamp();	/* the others have waited long enough */
	ereport(WARNING,
			(errmsg("hubspot refresher with PID %d does not end although it was told to", pid),
			 errdetail("The query that it runs looks for no interrupts.  "
					   "Another refresher is started beside it."),
			 errhint("hubspot_health() in database \"%s\" names the definition, and what helps.",
					 database)));
}

/* Of several that ran at a time the last one may not have known that it was. */
static void
clear_guard(WorkerSlot *slot)
{
	if (!had_stuck || handle != NULL || shared_refreshers_running(slot) != 0)
		return;
	had_stuck = false;
	crash_guard_forget("refresher");
}

void
refresher_tend(WorkerSlot *slot, int64 now)
{
	if (handle != NULL)
		judge_end(slot, now);
	put_aside_stuck(slot, now);
	clear_guard(slot);
	if (handle == NULL && due <= GetCurrentTimestamp() && now >= not_before)
		start_refresher(slot, now);
}

int64
refresher_wake(WorkerSlot *slot, int64 now)
{
	if (handle != NULL && !too_many_stuck)
		return shared_refresher_stuck_in(slot, STUCK_MS, now);
	if (handle != NULL || due == DT_NOEND)
		return -1;				/* its end wakes the worker */
	return Max((int64) TimestampDifferenceMilliseconds(GetCurrentTimestamp(), due) * 1000,
			   Max(not_before - now, 0));
}
