/*
 * refresher.c
 *		A process beside the worker: refreshes on schedule, back-fills.
 *
 * At most one per database works, started by the worker (refresher_launch.c) when
 * something is due.  Each turn runs at most one refresh and gives each open
 * back-fill the chance to read its next rows; every refresh and every chunk is
 * a transaction of its own.  It ends when nothing has been due for IDLE_US.
 *
 * An error of a definition is written to its row of hubspot.sync_state, which
 * also says when it is tried again, and concerns no other definition.  Any other
 * error ends the process; the worker starts it again after a pause.
 *
 * A query has a timeout; one that goes on all the same ends the process
 * (refresher_limit.c).  Where even that has no effect the process is stuck, and
 * another one works beside it: nothing here may depend on being the only one but
 * what shared_refresher.c and the lock of a definition's state see to.  Owners take
 * turns, see schedule.h.
 *
 * SIGTERM ends it as soon as it looks for interrupts, as most queries do all the
 * time: what that transaction has queued is gone with it.  Between two transactions
 * no lock and no snapshot is held.  DROP DATABASE and the like ask it to leave, see
 * ddl.c.
 *
 * Memory: turn_context, reset each turn; tasks_context for the list of what
 * is to be done, read again each second, or when a transaction says so.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/hubspot.h"
#include "backend/settings.h"
#include "backend/transaction.h"
#include "base/clock.h"
#include "cluster/crash_guard.h"
#include "cluster/suspect.h"
#include "refresh/refresh.h"
#include "refresher/fill.h"
#include "refresher/refresher.h"
#include "refresher/refresher_limit.h"
#include "refresher/schedule.h"
#include "ring/ring.h"

/* The process: found by its name in this library. */
extern PGDLLEXPORT void hubspot_refresher_main(Datum arg);

StaticAssertDecl(SUSPECT_PLACES >= SHARED_MAX_REFRESHERS,
				 "each refresher that may run names what it works on");

#define LOOK_US			1000000
#define SLOW_US			500000	/* a chunk takes a few ms */
#define IDLE_US			10000000
/*
 * An owner can lock a table of his own for as long as he likes, and the others wait
 * for the refresher meanwhile.  A migration's locks are shorter, and what fails
 * is tried again.  A back-fill waits as our own statements do, for 1 s.
 */
#define QUERY_LOCK_TIMEOUT_MS	"5000"

#define BUSY_US			1000000 /* until the next try, when somebody else refreshes it */
#define PAUSE_US		5000000 /* after an error that could not be written down */

static WorkerSlot *slot;
static WorkerOrder order;
static Oid	extension;			/* when we started */

static MemoryContext turn_context;
static MemoryContext tasks_context;
static List *due = NIL;			/* of ScheduleItem, in tasks_context, as fills */
static List *fills = NIL;
static TimestampTz next_due = DT_NOEND;
static int64 next_look = 0;		/* µs of the monotonic clock, as all below */
static int64 last_task = 0;
static int64 pause_until = 0;

/* ---- transactions ------------------------------------------------------------- */

static void
begin_transaction(const char *activity)
{
	const Catalog *catalog;

	transaction_begin(activity);
	PushActiveSnapshot(GetTransactionSnapshot());
	catalog = ring_catalog(true);
	if (catalog == NULL || (OidIsValid(extension) && catalog->extension != extension))
	{
		AbortOutOfAnyTransaction();
		proc_exit(0);			/* dropped, perhaps created again: there is another worker then */
	}
	extension = catalog->extension;
}

static void
commit_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(turn_context);
}

static void
end_transaction(void)
{
	commit_transaction();
	transaction_over();
}

/* Write down what has failed; when that fails as well, nothing is tried for a while. */
static void
note_failure(const ScheduleItem *item, bool is_fill, const ErrorData *error)
{
	PG_TRY();
	{
		begin_transaction("noting a failure");
		schedule_failed(item, is_fill, error);
		commit_transaction();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		pause_until = clock_us() + PAUSE_US;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(turn_context);
	transaction_over();
}

/*
 * What a query has locked for its session would stay locked for as long as this
 * process runs, which its owner cannot unlock.
 */
static void
release_advisory_locks(void)
{
	LockReleaseAll(USER_LOCKMETHOD, true);
}

/* Run a definition's task in a transaction of its own; false when it failed. */
static bool
run_task(void (*task) (const ScheduleItem *item), const ScheduleItem *item, bool is_fill)
{
	ErrorData  *volatile error = NULL;
	volatile Suspect outer = suspect_begin(is_fill ? SUSPECT_FILL : SUSPECT_REFRESH, item->sync);

	PG_TRY();
	{
		begin_transaction(psprintf(is_fill ? "back-fill of \"%s\"" : "refresh of \"%s\"",
								   item->name));
		shared_set_task(slot, item->sync, is_fill);
		task(item);
		refresher_unlimit();
		CHECK_FOR_INTERRUPTS(); /* what was told to end is not committed after all */
		commit_transaction();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(turn_context);
		error = CopyErrorData();
		AbortOutOfAnyTransaction(); /* the limit goes on: it may wait for a parallel worker */
		FlushErrorState();
		refresher_unlimit();
		QueryCancelPending = false; /* a second one would end the noting of the first */
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	release_advisory_locks();
	suspect_end(outer);
	MemoryContextSwitchTo(turn_context);
	transaction_over();
	if (ProcDiePending)
		CHECK_FOR_INTERRUPTS(); /* told to end: it is the next refresher that says why */
	if (error != NULL)
		note_failure(item, is_fill, error);
	shared_set_task(slot, 0, false);
	if (ProcDiePending)
		proc_exit(0);			/* before another task */
	return error == NULL;
}

static const char *
lost_message(const RefresherTask *lost)
{
	if (lost->stuck)
		return "the query went on after its process was told to end: it calls something that "
			"looks for no interrupts, as xpath() or a foreign table may";
	if (lost->overran)
		return "the query went on after it was canceled at its timeout, and the process was ended";
	return "the process was ended by an administrator while the query ran";
}

static void
note_lost_task(const RefresherTask *lost)
{
	ScheduleItem item = {.sync = lost->sync};
	ErrorData	error = {0};
	Sync	   *sync;

	begin_transaction("looking for what was not done");
	sync = sync_load_by_id(lost->sync, true);
	item.name = sync != NULL ? MemoryContextStrdup(turn_context, sync->name) : NULL;
	end_transaction();
	if (item.name == NULL)
		return;					/* dropped meanwhile */
	error.sqlerrcode = lost->overran ? ERRCODE_QUERY_CANCELED : ERRCODE_ADMIN_SHUTDOWN;
	error.message = unconstify(char *, lost_message(lost));
	note_failure(&item, lost->is_fill, &error);
}

/* Another refresher was ended while it worked on a definition. */
static void
note_lost_tasks(void)
{
	RefresherTask lost;

	while ((lost = shared_take_lost_task(slot)).sync != 0)
		note_lost_task(&lost);
}

/* ---- tasks ---------------------------------------------------------------------- */

static void
look(int64 now)
{
	MemoryContext old;

	if (pg_atomic_exchange_u32(&slot->syncs_changed, 0) == 0 && now < next_look &&
		(due != NIL || next_due > GetCurrentTimestamp()))
		return;
	next_look = now + LOOK_US;
	MemoryContextReset(tasks_context);
	begin_transaction("looking for what is due");
	old = MemoryContextSwitchTo(tasks_context);
	schedule_lacking();
	due = schedule_due();
	fills = schedule_fills();
	next_due = schedule_next(false);
	MemoryContextSwitchTo(old);
	end_transaction();
}

/* The definition may have been dropped, or declared anew, since the list was read. */
static void
refresh_step(const ScheduleItem *item)
{
	TimestampTz began = GetCurrentTimestamp();
	Sync	   *sync = sync_load_by_id(item->sync, true);
	RefreshCounts counts;

	if (sync == NULL || sync->held != NULL || sync->follows)
		return;
	if (!sync_lock(sync, false))
	{
		next_look = clock_us() + BUSY_US;
		return;
	}
	(void) set_config_option("lock_timeout", QUERY_LOCK_TIMEOUT_MS, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	refresher_limit(sync);
	refresh_run(sync, false, &counts);
	refresher_unlimit();
	schedule_succeeded(sync, began);
}

static void
run_refresh(void)
{
	const ScheduleItem *item;

	if (due == NIL)
		return;
	item = linitial(due);
	due = list_delete_first(due);
	next_due = DT_NOEND;
	next_look = 0;				/* it has another time now */
	(void) run_task(refresh_step, item, false);
	last_task = clock_us();
}

/*
 * Back-fills take turns: each reads one chunk, and another one is the first
 * each time.  After one that was slow a refresh comes first, and the list is read
 * again, in which another owner's are the first.  Returns after how many µs to
 * come again, or -1.
 */
static int64
run_fills(int64 now)
{
	static int	first = 0;
	int64		wait = -1;
	int			count = list_length(fills);

	first++;
	for (int i = 0; i < count; i++)
	{
		const ScheduleItem *item = list_nth(fills, (first + i) % count);
		int64		until = fill_ready_at(item->sync, now);

		if (until <= now)
		{
			int64		began = clock_us();

			fill_ran(item->sync, run_task(fill_step, item, true), clock_us());
			if (clock_us() - began > SLOW_US)
			{
				/* The list is read again, in another order: begin with its first entry. */
				first = -1;
				next_look = 0;
				last_task = clock_us();
				return 0;
			}
			until = fill_ready_at(item->sync, clock_us());
		}
		wait = wait < 0 ? Max(until - now, 0) : Min(wait, Max(until - now, 0));
		last_task = clock_us();
	}
	return wait;
}

/* Which of the rows queued have a verdict by now. */
static void
count_verdicts(int64 now)
{
	if (!fill_wants_look(now))
		return;
	begin_transaction("looking for verdicts");
	fill_look(now);
	end_transaction();
}

/* ---- the process ------------------------------------------------------------------ */

static void
serve_signals(void)
{
	if (ProcDiePending)
		proc_exit(0);
	QueryCancelPending = false; /* there is none */
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		settings_pin_commit();
	}
}

static void
sleep_for(int64 us)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (us + 999) / 1000, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/*
 * One turn; returns how long to sleep.  Nobody tells when HubSpot has taken
 * rows, so that an open back-fill is asked about ten times a second: fast
 * enough for HubSpot's limit, and a handful of index look-ups each.
 */
static int64
one_turn(void)
{
	int64		now = clock_us();
	int64		wait;

	MemoryContextReset(turn_context);
	if (now < pause_until)
		return pause_until - now;
	note_lost_tasks();
	look(now);
	run_refresh();
	fill_keep(fills);
	count_verdicts(clock_us());
	wait = run_fills(clock_us());
	fill_report(slot);
	if (due != NIL)
		return 0;
	if (wait < 0 || wait > LOOK_US)
		wait = LOOK_US;
	if (next_due != DT_NOEND)
		wait = Min(wait,
				   (int64) TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next_due) * 1000);
	return next_look == 0 ? 0 : wait;
}

/* Nothing to do, and nothing soon. */
static bool
is_idle(void)
{
	return due == NIL && fills == NIL && clock_us() - last_task > IDLE_US &&
		(next_due == DT_NOEND ||
		 TimestampDifferenceExceeds(GetCurrentTimestamp(), next_due, IDLE_US / 1000));
}

/*
 * After several crashes of the server in a row, wait before doing anything that may cause one more.
 */
static void
wait_after_crashes(int crashes)
{
	char		problem[SHARED_TEXT];
	int64		until =
	crash_guard_wait("the hubspot refresher", crashes, problem, sizeof(problem));

	while (clock_us() < until && shared_refresher_may_run(slot, order.generation))
	{
		serve_signals();
		sleep_for(Min(until - clock_us(), LOOK_US));
	}
}

/* What the refreshers before this one died of, twice. */
static void
hold_suspects(SuspectKind kind)
{
	int64		id;

	while (suspect_next_held(kind, &id))
	{
		begin_transaction("holding what ended the refresher");
		schedule_hold(id,
					  kind == SUSPECT_FILL
					  ? SUSPECT_REASON("its back-fill") : SUSPECT_REASON("its refresh"));
		end_transaction();
		suspect_forget(kind, id);
	}
}

/*
 * The files of the guards are of all refreshers of the database: the last one removes them.  The
 * transaction has ended before, which may wait for a parallel worker that is stuck.
 */
static void
at_exit(int code, Datum arg)
{
	bool		is_last = shared_refresher_leaves(slot);

	if (is_last)
		crash_guard_clear();
	suspect_stop(!is_last);
}

static void
start(void)
{
	uint32		others;

	shared_read_order(&order);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	slot = shared_attach_refresher(&order);
	if (slot == NULL)
		proc_exit(0);
	before_shmem_exit(at_exit, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);
	settings_pin_for_queries();

	turn_context =
		AllocSetContextCreate(TopMemoryContext, "hubspot refresher turn", ALLOCSET_DEFAULT_SIZES);
	tasks_context =
		AllocSetContextCreate(TopMemoryContext, "hubspot refresher tasks", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(turn_context);
	others = shared_refreshers_running(slot) & ~(1U << shared_refresher_place());
	suspect_start("refresher", shared_refresher_place(), others);
	/* Before any task runs: the refreshers before this one died at these. */
	hold_suspects(SUSPECT_REFRESH);
	hold_suspects(SUSPECT_FILL);
	wait_after_crashes(crash_guard_start("refresher", others != 0));
	last_task = clock_us();
	refresher_limit_init(slot);
	begin_transaction("looking for unfinished back-fills");
	fill_start();
	end_transaction();
}

void
hubspot_refresher_main(Datum arg)
{
	start();
	while (shared_refresher_may_run(slot, order.generation))
	{
		int64		wait;

		serve_signals();
		wait = one_turn();
		if (is_idle())
			break;
		if (wait > 0)
			sleep_for(wait);
	}
	proc_exit(0);
}
