/*
 * shared.c
 *		Shared memory: who works for which database, and what it tells.
 *
 * Called by sessions (wake-up at commit, holds), by the launcher and by
 * workers.  The contract of the memory stands in shared.h; every function
 * here copes with hubspot_shared being NULL, as it is when the library is
 * not preloaded.
 *
 * A session registers one transaction callback for its life, at first use.  The callback
 * runs when the commit can no longer be undone; an error there would be a PANIC.  So it
 * allocates nothing and raises nothing.  It takes control->lock only to give back a hold,
 * which only some DDL takes.
 *
 * Locks: control->lock for moments; inside it a slot's lanes lock, at the worker's end, and
 * slot->mutex, never the other way round.  No I/O under any of them.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "base/hubspot.h"
#include "cluster/shared.h"

#define TRANCHE "hubspot"

StaticAssertDecl(sizeof(WorkerOrder) <= BGW_EXTRALEN, "an order must fit into bgw_extra");

SharedControl *hubspot_shared = NULL;

static const SharedPart *other_part = NULL;

/* The tranche: control->lock, and one per slot. */
static LWLockPadded *locks = NULL;

const char *const shared_worker_states[] = {
	"none", "starting", "probing", "running", "held", "stopped", "absent"
};

static shmem_startup_hook_type prev_shmem_startup_hook = NULL;
static shmem_request_hook_type prev_shmem_request_hook = NULL;

/* Requests of this transaction; see at_transaction_end(). */
static bool callback_registered = false;
static bool wake_wanted = false;
static bool syncs_changed = false;
static bool suppressed_changed = false;
static uint32 look_wanted = 0;
static bool holding = false;

/* The slot of this session's database when it was last looked up. */
static int	cached_slot = -1;
static bool launcher_told = false;

/* A worker's own slot, and the last error it logged. */
static WorkerSlot *my_slot = NULL;
static int	my_generation;
static char last_error[SHARED_TEXT];
static emit_log_hook_type prev_emit_log_hook = NULL;

/*
 * Setting up
 */

static void
on_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedControl)) + other_part->size());
	RequestNamedLWLockTranche(TRANCHE, 1 + SHARED_MAX_WORKERS);
}

static void
initialize_control(SharedControl *control)
{
	memset(control, 0, sizeof(*control));
	control->lock = &locks[0].lock;
	pg_atomic_init_u32(&control->launcher_procno, 0);
	pg_atomic_init_u32(&control->look_at, 0);
	control->workers_ended_at = GetCurrentTimestamp();

	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &control->slots[i];

		pg_atomic_init_u32(&slot->database, InvalidOid);
		pg_atomic_init_u32(&slot->procno, 0);
		pg_atomic_init_u32(&slot->wake, 0);
		pg_atomic_init_u32(&slot->syncs_changed, 0);
		pg_atomic_init_u32(&slot->suppressed_changes, 0);
		pg_atomic_init_u32(&slot->place_changed, 0);
		pg_atomic_init_u64(&slot->schema_wanted, 0);
		pg_atomic_init_u32(&slot->reading_wanted, 0);
		pg_atomic_init_u32(&slot->refresher.procno, 0);
		slot->refresher.working = -1;
		SpinLockInit(&slot->mutex);
		slot->lanes = DSM_HANDLE_INVALID;
	}
}

/* Also runs after a crash, on new shared memory. */
static void
on_shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	hubspot_shared = ShmemInitStruct("hubspot", sizeof(SharedControl), &found);
	locks = GetNamedLWLockTranche(TRANCHE);
	if (!found)
		initialize_control(hubspot_shared);
	other_part->startup();
	LWLockRelease(AddinShmemInitLock);
}

void
shared_init(const SharedPart *other)
{
	other_part = other;
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = on_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = on_shmem_startup;
}

/*
 * Finding and waking.  Nothing from here to at_transaction_end() may allocate
 * or raise an error.
 */

static WorkerSlot *
slot_of_database(Oid database)
{
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		if (pg_atomic_read_u32(&hubspot_shared->slots[i].database) == database)
			return &hubspot_shared->slots[i];
	}
	return NULL;
}

LWLock *
shared_lanes_lock(const WorkerSlot *slot)
{
	return &locks[1 + (slot - hubspot_shared->slots)].lock;
}

WorkerSlot *
shared_find_slot(Oid database)
{
	if (hubspot_shared == NULL || !OidIsValid(database))
		return NULL;
	return slot_of_database(database);
}

/* Wake a process by its number.  A stale number wakes the wrong process, which does no harm. */
static void
wake_process(pg_atomic_uint32 *procno)
{
	uint32		number = pg_atomic_read_u32(procno);

	if (number > 0 && number <= ProcGlobal->allProcCount)
		SetLatch(&GetPGProcByNumber(number - 1)->procLatch);
}

/* A message that covers both requests. */
static uint32
merge_looks(uint32 told, uint32 more)
{
	if (told == 0 || told == SHARED_LOOK_LIST || told == more)
		return more;
	if (more == SHARED_LOOK_LIST)
		return told;
	return SHARED_LOOK_ALL;
}

void
shared_tell_launcher(uint32 look_at)
{
	uint32		told;

	if (hubspot_shared == NULL)
		return;
	told = pg_atomic_read_u32(&hubspot_shared->look_at);
	while (!pg_atomic_compare_exchange_u32(&hubspot_shared->look_at, &told,
										   merge_looks(told, look_at)))
		;
	wake_process(&hubspot_shared->launcher_procno);
}

static WorkerSlot *
my_database_slot(void)
{
	WorkerSlot *slot;

	if (cached_slot >= 0)
	{
		slot = &hubspot_shared->slots[cached_slot];
		if (pg_atomic_read_u32(&slot->database) == MyDatabaseId)
			return slot;
	}
	slot = slot_of_database(MyDatabaseId);
	cached_slot = slot ? slot - hubspot_shared->slots : -1;
	return slot;
}

/*
 * Rows are queued, but no worker is known: perhaps the launcher was not told of the
 * extension, as after COMMIT PREPARED of its creation.  It is told once per session only,
 * because the database may be left out on purpose.
 */
static void
wake_worker(void)
{
	WorkerSlot *slot = my_database_slot();

	if (slot == NULL)
	{
		if (!launcher_told)
			shared_tell_launcher(MyDatabaseId);
		launcher_told = true;
	}
	else
	{
		if (syncs_changed)
		{
			pg_atomic_write_u32(&slot->syncs_changed, 1);
			wake_process(&slot->refresher.procno);
		}
		if (suppressed_changed)
			pg_atomic_fetch_add_u32(&slot->suppressed_changes, 1);
		if (look_wanted != 0)
			pg_atomic_write_u32(&slot->place_changed, 1);
		if (pg_atomic_exchange_u32(&slot->wake, 1) == 0)
			wake_process(&slot->procno);
	}
}

static void
release_holds(void)
{
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		if (hubspot_shared->on_hold_by[i] == MyProcPid)
		{
			hubspot_shared->on_hold[i] = InvalidOid;
			hubspot_shared->on_hold_by[i] = 0;
		}
	}
	LWLockRelease(hubspot_shared->lock);
	holding = false;
	shared_tell_launcher(SHARED_LOOK_LIST);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;

	if (holding)
		release_holds();
	if (event == XACT_EVENT_COMMIT && wake_wanted)
		wake_worker();
	if (event == XACT_EVENT_COMMIT && look_wanted != 0)
		shared_tell_launcher(look_wanted);
	wake_wanted = syncs_changed = suppressed_changed = false;
	look_wanted = 0;
}

/*
 * What a session asks for
 */

static bool
watch_transaction(void)
{
	if (hubspot_shared == NULL)
		return false;
	if (!callback_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		callback_registered = true;
	}
	return true;
}

void
shared_wake_at_commit(void)
{
	if (!wake_wanted)
		wake_wanted = watch_transaction();
}

void
shared_look_at_syncs_at_commit(void)
{
	shared_wake_at_commit();
	syncs_changed = wake_wanted;
}

void
shared_suppressed_at_commit(void)
{
	shared_wake_at_commit();
	suppressed_changed = wake_wanted;
}

void
shared_launch_at_commit(void)
{
	if (watch_transaction())
		look_wanted = merge_looks(look_wanted, MyDatabaseId);
}

void
shared_rescan_at_commit(void)
{
	if (watch_transaction())
		look_wanted = merge_looks(look_wanted, SHARED_LOOK_LIST);
}

bool
shared_want_schema(Oid server, uint32 part)
{
	WorkerSlot *slot = hubspot_shared == NULL ? NULL : my_database_slot();

	if (slot == NULL || pg_atomic_read_u32(&slot->procno) == 0)
		return false;
	pg_atomic_write_u64(&slot->schema_wanted, (uint64) server << 32 | part);
	wake_process(&slot->procno);
	return true;
}

bool
shared_take_wanted_schema(WorkerSlot *slot, Oid *server, uint32 *part)
{
	uint64		wanted = pg_atomic_exchange_u64(&slot->schema_wanted, 0);

	*server = (Oid) (wanted >> 32);
	*part = (uint32) (wanted & PG_UINT32_MAX);
	return wanted != 0;
}

bool
shared_want_reading(const ReadingWish *wish)
{
	WorkerSlot *slot = hubspot_shared == NULL ? NULL : my_database_slot();

	if (slot == NULL || pg_atomic_read_u32(&slot->procno) == 0)
		return false;
	SpinLockAcquire(&slot->mutex);
	slot->wish = *wish;
	SpinLockRelease(&slot->mutex);
	pg_atomic_write_u32(&slot->reading_wanted, 1);
	wake_process(&slot->procno);
	return true;
}

bool
shared_take_wanted_reading(WorkerSlot *slot, ReadingWish *wish)
{
	if (pg_atomic_read_u32(&slot->reading_wanted) == 0)
		return false;
	pg_atomic_write_u32(&slot->reading_wanted, 0);
	SpinLockAcquire(&slot->mutex);
	*wish = slot->wish;
	SpinLockRelease(&slot->mutex);
	return true;
}

/* If no place is free, the worker is stopped all the same, and may come back too early. */
static void
enter_hold(Oid database)
{
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		if (hubspot_shared->on_hold_by[i] == 0)
		{
			hubspot_shared->on_hold[i] = database;
			hubspot_shared->on_hold_by[i] = MyProcPid;
			return;
		}
	}
}

int
shared_hold_database(Oid database, int *pids)
{
	WorkerSlot *slot;
	int			count = 0;

	if (!watch_transaction())
		return 0;

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	holding = true;
	enter_hold(database);
	slot = slot_of_database(database);
	if (slot != NULL)
	{
		int			pid = shared_stop_worker(slot);

		if (pid != 0)
			pids[count++] = pid;
		for (int i = 0; i < SHARED_MAX_REFRESHERS; i++)
			if (slot->refresher.places[i].pid != 0)
				pids[count++] = slot->refresher.places[i].pid;
	}
	LWLockRelease(hubspot_shared->lock);
	return count;
}

bool
shared_is_on_hold(Oid database)
{
	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
	{
		if (hubspot_shared->on_hold_by[i] != 0 &&
			hubspot_shared->on_hold[i] == database)
			return true;
	}
	return false;
}

int
shared_stop_worker(WorkerSlot *slot)
{
	uint32		number = pg_atomic_read_u32(&slot->procno);

	if (slot->state == WORKER_STARTING)
	{
		slot->generation++;
		slot->state = WORKER_STOPPED;
		slot->changed_at = GetCurrentTimestamp();
	}
	slot->stop_wanted = true;
	for (int i = 0; i < SHARED_MAX_REFRESHERS; i++)
		if (slot->refresher.places[i].pid != 0)
			(void) kill(slot->refresher.places[i].pid, SIGTERM);
	if (number == 0)
		return 0;

	/* The worker detaches under the lock that we hold, so the pid is still its own. */
	Assert(GetPGProcByNumber(number - 1)->pid == slot->pid);
	(void) kill(slot->pid, SIGTERM);
	return slot->pid;
}

/*
 * What a worker does
 */

void
shared_copy_text(char *to, const char *from)
{
	int			i;

	for (i = 0; from[i] != '\0' && i < SHARED_TEXT - 1; i++)
		to[i] = (from[i] >= ' ' && from[i] < 127) ? from[i] : '?';
	to[i] = '\0';
}

/* Remember why this process is about to end. */
static void
note_error(ErrorData *error)
{
	if (error->elevel >= ERROR && error->message != NULL)
		shared_copy_text(last_error, error->message);
	if (prev_emit_log_hook)
		prev_emit_log_hook(error);
}

static void
explain_end(WorkerSlot *slot, int code)
{
	char		text[SHARED_TEXT] = "";

	if (slot->stop_wanted)
		;						/* no problem to report: somebody asked for it */
	else if (code == 0)
		return;					/* the worker has stored the reason itself */
	else if (last_error[0] != '\0')
		strlcpy(text, last_error, sizeof(text));
	else
		snprintf(text, sizeof(text), "worker ended with exit code %d, see the server log", code);

	SpinLockAcquire(&slot->mutex);
	memcpy(slot->problem, text, SHARED_TEXT);
	SpinLockRelease(&slot->mutex);
}

/* Remove the worker's lanes report (shared_lanes.c) with the worker. */
static void
withdraw_lanes(WorkerSlot *slot)
{
	LWLockAcquire(shared_lanes_lock(slot), LW_EXCLUSIVE);
	slot->lanes = DSM_HANDLE_INVALID;
	slot->nlanes = 0;
	LWLockRelease(shared_lanes_lock(slot));
}

/* before_shmem_exit: whatever ends this process, the slot is given back once. */
static void
detach(int code, Datum arg)
{
	WorkerSlot *slot = my_slot;

	if (slot == NULL)
		return;
	my_slot = NULL;

	/* The process may exit by an error while it holds control->lock, which it takes again here. */
	LWLockReleaseAll();
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	if (slot->generation == my_generation && slot->pid == MyProcPid)
	{
		withdraw_lanes(slot);
		pg_atomic_write_u32(&slot->procno, 0);
		explain_end(slot, code);
		slot->pid = 0;
		slot->just_ended = true;
		slot->changed_at = GetCurrentTimestamp();
		if (slot->state == WORKER_HELD && code == 0 && !slot->stop_wanted)
			;					/* it keeps its state and reason, and has sent nothing */
		else
		{
			if (slot->state != WORKER_ABSENT)
				slot->state = WORKER_STOPPED;
			hubspot_shared->workers_ended_at = slot->changed_at;
		}
	}
	LWLockRelease(hubspot_shared->lock);
	wake_process(&hubspot_shared->launcher_procno);
}

void
shared_read_order(WorkerOrder *order)
{
	memcpy(order, MyBgworkerEntry->bgw_extra, sizeof(*order));
}

TimestampTz
shared_workers_ended_at(void)
{
	TimestampTz at;

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	at = hubspot_shared->workers_ended_at;
	LWLockRelease(hubspot_shared->lock);
	return at;
}

TimestampTz
shared_workers_began_at(void)
{
	TimestampTz at;

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	at = hubspot_shared->workers_began_at;
	LWLockRelease(hubspot_shared->lock);
	return at;
}

static void
reset_report(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->pid = MyProcPid;
	slot->started_at = slot->last_turn_at = slot->changed_at;
	slot->window_rows = slot->window_bytes = slot->read_id = 0;
	slot->requests = slot->rows_done = 0;
	for (int i = 0; i < SHARED_MAX_TRANSFERS; i++)
		slot->flights[i].nids = 0;
	SpinLockRelease(&slot->mutex);
}

WorkerSlot *
shared_attach(int index, int generation)
{
	WorkerSlot *slot;
	bool		mine;

	if (hubspot_shared == NULL || index < 0 || index >= SHARED_MAX_WORKERS)
		return NULL;
	slot = &hubspot_shared->slots[index];
	/* Before the slot is taken, so that no exit can leave it taken. */
	before_shmem_exit(detach, (Datum) 0);

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);

	/*
	 * A higher generation means that the launcher gave up this start, or that a hold withdrew it:
	 * somebody may already copy the database.
	 */
	mine = slot->generation == generation && slot->state == WORKER_STARTING;
	if (mine)
	{
		my_slot = slot;
		my_generation = generation;
		slot->state = WORKER_PROBING;
		slot->changed_at = GetCurrentTimestamp();
		if (hubspot_shared->workers_began_at == 0)
			hubspot_shared->workers_began_at = slot->changed_at;
		reset_report(slot);
		pg_atomic_write_u32(&slot->procno, MyProcNumber + 1);
	}
	LWLockRelease(hubspot_shared->lock);

	if (!mine)
		return NULL;
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = note_error;
	wake_process(&hubspot_shared->launcher_procno);
	return slot;
}

void
shared_set_state(WorkerSlot *slot, WorkerState state, const char *problem)
{
	char		text[SHARED_TEXT];
	bool		changed;

	shared_copy_text(text, problem ? problem : "");
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	changed = slot->state != state;
	if (changed)
		slot->changed_at = GetCurrentTimestamp();
	slot->state = state;
	if (state == WORKER_RUNNING)
		slot->was_held = false;
	SpinLockAcquire(&slot->mutex);
	memcpy(slot->problem, text, SHARED_TEXT);
	SpinLockRelease(&slot->mutex);
	LWLockRelease(hubspot_shared->lock);

	if (changed)
		wake_process(&hubspot_shared->launcher_procno);
}

void
shared_set_held(WorkerSlot *slot, const char *problem, int look_ms)
{
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	slot->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), look_ms);
	slot->failures = 0;
	slot->was_held = true;
	LWLockRelease(hubspot_shared->lock);
	shared_set_state(slot, WORKER_HELD, problem);
}
