/*
 * launcher.c
 *		One process that decides when a database gets a worker.
 *
 * The launcher decides *when*, the worker decides *whether*: only a process in the
 * database can see the extension.  The launcher knows the list of databases, starts a
 * worker in each that hubspot.databases includes, and keeps it running.  It never raises
 * an error on purpose.  If it ends, the postmaster starts it again after 5 s, and the new
 * launcher takes over the running workers.
 *
 * States of a slot.  Left of an arrow who moves it:
 *
 *	NONE      launcher -> STARTING	a database wants its first look
 *	STARTING  worker   -> PROBING	it has attached
 *			  launcher -> STOPPED	it ended without attaching
 *			  session  -> STOPPED	turned away by a hold
 *	PROBING   worker   -> RUNNING or HELD, found the extension
 *			  worker   -> ABSENT	found none
 *	RUNNING	  worker   -> HELD, ABSENT
 *	any of these, when the process ends -> STOPPED, but ABSENT and HELD stay
 *	HELD	  launcher -> STARTING	to look again: after a time that the worker
 *									has told, at a reload, when hubspot_arm() says so
 *			  launcher -> NONE		another database needs the slot
 *	STOPPED   launcher -> STARTING	wanted, not on hold, back-off is over
 *			  launcher -> NONE		the database is gone or not to be served
 *	(to NONE only when no refresher of the database is left, see shared_refresher.c)
 *	ABSENT    launcher -> NONE		remembered as absent; a later word from
 *									CREATE EXTENSION makes it look again
 *
 * Workers start one at a time: the next one when the last one knows whether its database
 * has the extension.  So a cluster with many databases is not flooded with new processes.
 * Only a worker can find out whether its database may send; if it may not, the worker
 * ends before the next one starts.  So only databases that may send keep a process.  If
 * slots are short, databases that are known to be held are looked at last.  A worker that
 * ends without having been asked to is started again after 1, 2, 4 ..  60 s; a healthy
 * minute resets the count.
 *
 * Memory: launcher_context holds handles and the list of databases; the rest
 * lives for one transaction.  Locks: control->lock for moments, never while a
 * transaction is open or a worker is being registered.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "cluster/databases.h"
#include "cluster/home.h"
#include "cluster/shared.h"

/* The process's main function; the postmaster finds it by name. */
extern PGDLLEXPORT void hubspot_launcher_main(Datum arg);

#define RESCAN_MS		60000	/* look at the list of databases */
#define WATCH_MS		1000	/* while a hold or a start is pending */
#define PROBE_MS		5000	/* longest wait for one worker's look before the next one starts */
#define ATTACH_MS		10000	/* for a worker that an earlier launcher started */
#define HEALTHY_MS		60000
#define BACKOFF_MAX_MS	60000

static MemoryContext launcher_context;
static BackgroundWorkerHandle *handles[SHARED_MAX_WORKERS];
static TimestampTz next_rescan = 0;
static int	last_started = 0;
static TimestampTz exhaustion_logged_at = 0;	/* at most once an hour */
static bool slots_full = false; /* more databases have the extension than slots */
static bool fullness_logged = false;

static int
slot_index(WorkerSlot *slot)
{
	return slot - hubspot_shared->slots;
}

static Oid
slot_database(WorkerSlot *slot)
{
	return pg_atomic_read_u32(&slot->database);
}

/* Requests of other processes */

/*
 * Databases that are held may no longer be: settings have changed, or the data directory
 * is known.
 */
static void
look_at_held(void)
{
	databases_look_at_held();
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		if (hubspot_shared->slots[i].state == WORKER_HELD)
			hubspot_shared->slots[i].not_before = 0;
	}
	LWLockRelease(hubspot_shared->lock);
}

/* Settle the data directory before a worker needs it; try again if that failed. */
static void
settle_home(void)
{
	Home		before;
	Home		after;

	home_read(&before);
	home_settle();
	home_read(&after);
	if (after.origin != before.origin)
		look_at_held();
}

static void
read_databases(void)
{
	settle_home();
	databases_read();
	MemoryContextSwitchTo(launcher_context);
	next_rescan = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RESCAN_MS);
}

/* Take the message that sessions left since the last turn. */
static void
take_message(void)
{
	uint32		look_at = pg_atomic_exchange_u32(&hubspot_shared->look_at, 0);

	if (look_at != 0)
	{
		read_databases();
		databases_look_again(look_at);
	}
}

/* Lift holds of sessions that are gone: they did not end their transactions. */
static bool
lift_stale_holds(void)
{
	bool		any = false;

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		int			pid = hubspot_shared->on_hold_by[i];

		if (pid != 0 && BackendPidGetProc(pid) == NULL)
			hubspot_shared->on_hold_by[i] = 0;
		else if (pid != 0)
			any = true;
	}
	LWLockRelease(hubspot_shared->lock);
	return any;
}

/*
 * Moving slots between states.  The functions from here to tend_slots() are called with
 * control->lock held exclusively.
 */

static void
say(WorkerSlot *slot, const char *problem)
{
	SpinLockAcquire(&slot->mutex);
	shared_copy_text(slot->problem, problem);
	SpinLockRelease(&slot->mutex);
}

static void
move_to(WorkerSlot *slot, WorkerState state, TimestampTz now)
{
	slot->state = state;
	slot->changed_at = now;
}

static bool
is_wanted(WorkerSlot *slot)
{
	return hubspot_enabled && databases_find(slot_database(slot)) != NULL &&
		!shared_is_on_hold(slot_database(slot));
}

/* Whether the process is gone and the postmaster has freed its place. */
static bool
has_ended(WorkerSlot *slot)
{
	BackgroundWorkerHandle *handle = handles[slot_index(slot)];
	pid_t		pid;

	return pg_atomic_read_u32(&slot->procno) == 0 &&
		(handle == NULL || GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED);
}

/* Nor is there a refresher, which may be stuck in a query: the slot can be another database's. */
static bool
has_left(WorkerSlot *slot)
{
	return has_ended(slot) && !shared_has_refreshers(slot);
}

static bool
is_due(WorkerSlot *slot, WorkerState state, TimestampTz now)
{
	return slot->state == state && is_wanted(slot) && slot->not_before <= now &&
		(state != WORKER_HELD || has_ended(slot));
}

/* Whether the slot's worker has not reported on the extension yet, or is about to end. */
static bool
is_on_its_way(WorkerSlot *slot, TimestampTz now)
{
	bool		moves = slot->state == WORKER_STARTING || slot->state == WORKER_PROBING ||
	((slot->state == WORKER_HELD || slot->state == WORKER_ABSENT) && !has_ended(slot));

	return moves && !TimestampDifferenceExceeds(slot->changed_at, now, PROBE_MS);
}

/* Whether the worker has lived (until then) long enough for earlier failures not to count. */
static bool
is_healthy(WorkerSlot *slot, TimestampTz until)
{
	return TimestampDifferenceExceeds(slot->started_at, until, HEALTHY_MS);
}

static bool
failed_to_attach(WorkerSlot *slot, TimestampTz now)
{
	BackgroundWorkerHandle *handle = handles[slot_index(slot)];
	pid_t		pid;

	if (handle == NULL)
		return TimestampDifferenceExceeds(slot->changed_at, now, ATTACH_MS);
	return GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED;
}

static void
forget_handle(WorkerSlot *slot)
{
	BackgroundWorkerHandle **handle = &handles[slot_index(slot)];

	if (*handle != NULL)
		pfree(*handle);
	*handle = NULL;
}

static void
free_slot(WorkerSlot *slot, TimestampTz now)
{
	forget_handle(slot);
	pg_atomic_write_u32(&slot->database, InvalidOid);
	pg_atomic_write_u32(&slot->wake, 0);
	slot->failures = 0;
	slot->not_before = 0;
	slot->was_held = false;
	shared_forget_refreshers(slot);
	say(slot, "");
	move_to(slot, WORKER_NONE, now);
}

/* Delay the next start, longer each time. */
static void
back_off(WorkerSlot *slot, TimestampTz now)
{
	int			ms = BACKOFF_MAX_MS;

	slot->failures++;
	if (slot->failures < 7)
		ms = 1000 << (slot->failures - 1);
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	slot->not_before = TimestampTzPlusMilliseconds(now, ms);
}

static void
judge_end(WorkerSlot *slot, TimestampTz now)
{
	char		problem[SHARED_TEXT];

	slot->just_ended = false;
	forget_handle(slot);
	if (slot->stop_wanted)
	{
		slot->not_before = 0;
		return;
	}
	if (is_healthy(slot, slot->changed_at))
		slot->failures = 0;
	back_off(slot, now);
	snprintf(problem, sizeof(problem),
			 "the worker ended with an error, %d times in a row, and is started again at %s",
			 slot->failures, timestamptz_to_str(slot->not_before));
	say(slot, problem);
}

static void
tend_starting(WorkerSlot *slot, TimestampTz now)
{
	if (!is_wanted(slot))
	{
		if (handles[slot_index(slot)] != NULL)
			TerminateBackgroundWorker(handles[slot_index(slot)]);
		(void) shared_stop_worker(slot);
	}
	else if (failed_to_attach(slot, now))
	{
		slot->generation++;
		forget_handle(slot);
		say(slot, "the worker ended before it could attach, see the server log");
		move_to(slot, WORKER_STOPPED, now);
		back_off(slot, now);
	}
}

static void
tend_running(WorkerSlot *slot, TimestampTz now)
{
	if (is_healthy(slot, now))
		slot->failures = 0;
	if (!is_wanted(slot) && !slot->stop_wanted)
		(void) shared_stop_worker(slot);
}

/*
 * A held slot.  A worker that waits after crashes still has a process, and is tended like
 * a running one.
 */
static void
tend_held(WorkerSlot *slot, TimestampTz now)
{
	Database   *database = databases_find(slot_database(slot));

	if (pg_atomic_read_u32(&slot->procno) != 0)
	{
		tend_running(slot, now);
		return;
	}
	if (!has_ended(slot))
		return;
	slot->just_ended = false;
	forget_handle(slot);
	if (database == NULL && has_left(slot))
		free_slot(slot, now);
	else if (database == NULL || !is_wanted(slot))
	{
		slot->not_before = 0;
		move_to(slot, WORKER_STOPPED, now);
	}
	else if (database->look_again)
		slot->not_before = 0;
}

static void
tend_stopped(WorkerSlot *slot, TimestampTz now)
{
	if (slot->just_ended)
		judge_end(slot, now);
	if (databases_find(slot_database(slot)) == NULL && !shared_has_refreshers(slot))
		free_slot(slot, now);
	else if (!hubspot_enabled)
		say(slot, "hubspot.enabled is off");
	else if (shared_is_on_hold(slot_database(slot)))
		say(slot, "stopped for a statement that needs the database for itself");
}

static void
tend_absent(WorkerSlot *slot, TimestampTz now)
{
	Database   *database = databases_find(slot_database(slot));

	if (!has_left(slot))
		return;
	slot->just_ended = false;
	if (database != NULL)
	{
		database->absent = !database->look_again;
		database->look_again = false;
	}
	free_slot(slot, now);
}

static void
tend_slots(TimestampTz now)
{
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);

	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &hubspot_shared->slots[i];

		switch (slot->state)
		{
				/* Nothing to do: start_next_worker() takes it when a database needs one. */
			case WORKER_NONE:
				break;
			case WORKER_STARTING:
				tend_starting(slot, now);
				break;
			case WORKER_PROBING:
			case WORKER_RUNNING:
				tend_running(slot, now);
				break;
			case WORKER_HELD:
				tend_held(slot, now);
				break;
			case WORKER_STOPPED:
				tend_stopped(slot, now);
				break;
			case WORKER_ABSENT:
				tend_absent(slot, now);
				break;
		}
	}
	LWLockRelease(hubspot_shared->lock);
}

/*
 * Starting
 */

/* A free slot; else the slot of a held database, which is then looked at only on request. */
static WorkerSlot *
find_free_slot(TimestampTz now)
{
	WorkerSlot *held = NULL;
	Database   *database;

	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &hubspot_shared->slots[i];

		if (slot->state == WORKER_NONE)
			return slot;
		if (slot->state == WORKER_HELD && has_left(slot))
			held = slot;
	}
	if (held == NULL)
		return NULL;
	database = databases_find(slot_database(held));
	if (database != NULL)
		database->held = true;
	free_slot(held, now);
	return held;
}

/* The next slot in this state that is due, beginning after the slot that was started last. */
static WorkerSlot *
find_due_slot(WorkerState state, TimestampTz now)
{
	for (int i = 1; i <= SHARED_MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &hubspot_shared->slots[(last_started + i) % SHARED_MAX_WORKERS];

		if (is_due(slot, state, now))
			return slot;
	}
	return NULL;
}

/* The slot whose worker starts next, or NULL; control->lock is held. */
static WorkerSlot *
choose_slot(TimestampTz now)
{
	WorkerSlot *slot;
	Database   *database;

	/* One start at a time, see the head of this file. */
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		if (is_on_its_way(&hubspot_shared->slots[i], now))
			return NULL;
	}

	/*
	 * In this order: databases that have the extension, databases nobody has looked at, and last
	 * those that were held and most likely still are.
	 */
	slot = find_due_slot(WORKER_STOPPED, now);
	if (slot != NULL || !hubspot_enabled)
		return slot;
	database = databases_find_unserved();
	if (database == NULL)
	{
		slots_full = false;
		return find_due_slot(WORKER_HELD, now);
	}
	slot = find_free_slot(now);
	slots_full = slot == NULL;
	if (slot == NULL)
		return NULL;
	pg_atomic_write_u32(&slot->database, database->oid);
	return slot;
}

static bool
register_worker(WorkerSlot *slot, Database *database)
{
	BackgroundWorker worker;
	WorkerOrder order;

	order.slot = slot_index(slot);
	order.generation = slot->generation;
	order.database = database->oid;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "hubspot worker for database %s", database->name);
	strlcpy(worker.bgw_type, "hubspot worker", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_library_name, "hubspot", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "hubspot_worker_main",
			sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(order.slot);
	memcpy(worker.bgw_extra, &order, sizeof(order));
	return RegisterDynamicBackgroundWorker(&worker, &handles[order.slot]);
}

/* Note that PostgreSQL has no free background worker slot. */
static void
report_exhaustion(WorkerSlot *slot, int generation, const char *name)
{
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	if (slot->generation != generation || slot->state != WORKER_STARTING)
		;						/* turned away meanwhile */
	else if (slot->was_held)
	{
		/*
		 * It is most likely still held, so its users miss nothing: its own reason stays in place.
		 */
		move_to(slot, WORKER_HELD, now);
		back_off(slot, now);
	}
	else
	{
		say(slot, "no background worker slot is free, max_worker_processes is too low");
		move_to(slot, WORKER_STOPPED, now);
		back_off(slot, now);
	}
	LWLockRelease(hubspot_shared->lock);

	if (TimestampDifferenceExceeds(exhaustion_logged_at, now, 3600 * 1000))
	{
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots for the hubspot worker of database \"%s\"",
						name),
				 errdetail("Its rows wait; the start is tried again without further messages."),
				 errhint("You might need to increase max_worker_processes.")));
		exhaustion_logged_at = now;
	}
}

static void
report_fullness(void)
{
	if (slots_full && !fullness_logged)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("hubspot serves at most %d databases at once", SHARED_MAX_WORKERS),
				 errdetail("Rows queued in further databases wait."),
				 errhint("Name the databases to be served in hubspot.databases.")));
	fullness_logged = slots_full;
}

/* Start the next worker.  False if no process was free for it: then try the next one. */
static bool
start_next_worker(TimestampTz now)
{
	WorkerSlot *slot;
	Database   *database = NULL;
	int			generation = 0;

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	slot = choose_slot(now);
	if (slot != NULL)
	{
		database = databases_find(slot_database(slot));
		database->look_again = false;
		generation = ++slot->generation;
		if (slot->stop_wanted)
			say(slot, "");		/* the reason for stopping it is over */
		slot->stop_wanted = slot->just_ended = false;
		move_to(slot, WORKER_STARTING, now);
		last_started = slot_index(slot);
	}
	LWLockRelease(hubspot_shared->lock);

	if (slot == NULL)
	{
		report_fullness();
		return true;
	}
	forget_handle(slot);
	if (!register_worker(slot, database))
	{
		report_exhaustion(slot, generation, database->name);
		return false;
	}
	return true;
}

/*
 * The loop
 */

static void
sooner(TimestampTz *when, TimestampTz other)
{
	if (other < *when)
		*when = other;
}

/* How long to sleep: until something must be done without a wake-up. */
static long
sleep_ms(bool watching)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz when = next_rescan;
	bool		starting = false;

	if (watching)
		sooner(&when, TimestampTzPlusMilliseconds(now, WATCH_MS));

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &hubspot_shared->slots[i];

		if (is_on_its_way(slot, now))
			starting = true;
		else if (slot->state == WORKER_STARTING)
			sooner(&when, TimestampTzPlusMilliseconds(now, WATCH_MS));
		else if ((slot->state == WORKER_STOPPED || slot->state == WORKER_HELD) && is_wanted(slot))
			sooner(&when, slot->not_before);
	}
	LWLockRelease(hubspot_shared->lock);

	/* Other starts wait for this one, whose next step wakes us. */
	if (starting)
		return WATCH_MS;
	return Max(TimestampDifferenceMilliseconds(now, when), 1);
}

static void
leave(int code, Datum arg)
{
	LWLockReleaseAll();
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	if (hubspot_shared->launcher_pid == MyProcPid)
	{
		pg_atomic_write_u32(&hubspot_shared->launcher_procno, 0);
		hubspot_shared->launcher_pid = 0;
	}
	LWLockRelease(hubspot_shared->lock);
}

static void
enter(void)
{
	launcher_context = AllocSetContextCreate(TopMemoryContext, "hubspot launcher",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(launcher_context);
	databases_init();

	before_shmem_exit(leave, (Datum) 0);
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	hubspot_shared->launcher_pid = MyProcPid;
	pg_atomic_write_u32(&hubspot_shared->launcher_procno, MyProcNumber + 1);
	LWLockRelease(hubspot_shared->lock);
}

/* Handle signals. */
static void
serve_signals(void)
{
	if (ProcDiePending)
		proc_exit(1);			/* 1 makes the postmaster start it again */
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		next_rescan = 0;
		look_at_held();
	}
}

void
hubspot_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	enter();

	for (;;)
	{
		bool		watching;

		serve_signals();
		take_message();
		if (next_rescan <= GetCurrentTimestamp())
			read_databases();
		watching = lift_stale_holds();
		/* Before new starts: slots of workers that have ended are free then. */
		tend_slots(GetCurrentTimestamp());
		/* Outside control->lock, so that nobody waits while the postmaster is told. */
		while (!start_next_worker(GetCurrentTimestamp()))
			;

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 sleep_ms(watching), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
