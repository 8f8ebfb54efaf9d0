/*
 * shared_refresher.c
 *		Shared memory: the refreshers of a database.
 *
 * At most one refresher works for a slot.  It belongs to the worker that ordered
 * it, and leaves when that has ended or may not send any more.  The contract
 * of the memory stands in shared.h.
 *
 * Each process has a place of its own.  One that does not end although it was told to is put aside
 * by the worker: it keeps its place, and another one works in another.  When it ends it frees the
 * place by itself; what it worked on stays there, to be noted.
 *
 * Locks: control->lock for moments; slot->mutex inside it.  No I/O under either.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "cluster/shared.h"

/* Of max_worker_processes, as many may be stuck: others need them, too. */
#define STUCK_OF_ALL(processes)	Max((processes) / 4, 1)

static int	my_place = -1;

static RefresherTask *
my_task(WorkerSlot *slot)
{
	return &slot->refresher.places[my_place].task;
}

/* ---- the process ------------------------------------------------------------------ */

/* Called by before_shmem_exit(), like detach(). */
static void
detach_refresher(int code, Datum arg)
{
	WorkerSlot *slot = &hubspot_shared->slots[DatumGetInt32(arg)];
	RefresherReport *refresher = &slot->refresher;

	LWLockReleaseAll();
	if (my_place < 0)
		return;
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	if (code == 0 || (slot->stop_wanted && !my_task(slot)->overran))
		my_task(slot)->sync = 0;	/* it ended in order, so the task is not to blame */
	if (refresher->working == my_place)
		refresher->nfills = 0;
	SpinLockRelease(&slot->mutex);
	if (refresher->working == my_place)
	{
		pg_atomic_write_u32(&refresher->procno, 0);
		refresher->working = -1;
		refresher->ended_well = code == 0 || slot->stop_wanted || my_task(slot)->overran;
	}
	refresher->places[my_place].pid = 0;
	LWLockRelease(hubspot_shared->lock);
	pg_atomic_write_u32(&slot->syncs_changed, 1);	/* what waited for it is due */
}

/* The caller has control->lock exclusively, and none works. */
static bool
take_place(WorkerSlot *slot)
{
	RefresherReport *refresher = &slot->refresher;

	for (int i = 0; i < SHARED_MAX_REFRESHERS; i++)
	{
		if (refresher->places[i].pid != 0)
			continue;
		refresher->places[i].pid = MyProcPid;
		refresher->working = my_place = i;
		pg_atomic_write_u32(&refresher->procno, MyProcNumber + 1);
		return true;
	}
	return false;
}

WorkerSlot *
shared_attach_refresher(const WorkerOrder *order)
{
	WorkerSlot *slot;
	bool		mine;

	if (hubspot_shared == NULL || order->slot < 0 || order->slot >= SHARED_MAX_WORKERS)
		return NULL;
	slot = &hubspot_shared->slots[order->slot];
	before_shmem_exit(detach_refresher, Int32GetDatum(order->slot));

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	mine = slot->generation == order->generation && slot->state == WORKER_RUNNING &&
		!slot->stop_wanted && slot->refresher.working < 0 && take_place(slot);
	LWLockRelease(hubspot_shared->lock);
	return mine ? slot : NULL;
}

int
shared_refresher_place(void)
{
	return my_place;
}

static uint32
running(const WorkerSlot *slot)
{
	uint32		places = 0;

	for (int i = 0; i < SHARED_MAX_REFRESHERS; i++)
		if (slot->refresher.places[i].pid != 0)
			places |= 1U << i;
	return places;
}

uint32
shared_refreshers_running(WorkerSlot *slot)
{
	uint32		places;

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	places = running(slot);
	LWLockRelease(hubspot_shared->lock);
	return places;
}

bool
shared_refresher_leaves(WorkerSlot *slot)
{
	uint32		places;

	LWLockReleaseAll();			/* as detach_refresher(): an error may have brought us here */
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	shared_unlimit_task(slot);
	places = running(slot);
	LWLockRelease(hubspot_shared->lock);
	return places == 1U << my_place;
}

bool
shared_refresher_may_run(WorkerSlot *slot, int generation)
{
	bool		may;

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	may = slot->generation == generation && slot->state == WORKER_RUNNING && !slot->stop_wanted;
	LWLockRelease(hubspot_shared->lock);
	return may;
}

/* ---- its task --------------------------------------------------------------------- */

void
shared_set_task(WorkerSlot *slot, int sync, bool is_fill)
{
	RefresherTask task = {.sync = sync, .is_fill = is_fill, .since = GetCurrentTimestamp()};

	SpinLockAcquire(&slot->mutex);
	*my_task(slot) = task;
	SpinLockRelease(&slot->mutex);
}

void
shared_limit_task(WorkerSlot *slot, int ms, Oid owner)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) ms);
	int64		until_us = clock_us() + (int64) ms * 1000;

	SpinLockAcquire(&slot->mutex);
	my_task(slot)->owner = owner;
	my_task(slot)->until = until;
	my_task(slot)->until_us = until_us;
	SpinLockRelease(&slot->mutex);
}

void
shared_unlimit_task(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	my_task(slot)->until = 0;
	my_task(slot)->until_us = 0;
	SpinLockRelease(&slot->mutex);
}

RefresherTask
shared_take_lost_task(WorkerSlot *slot)
{
	RefresherTask lost = {0};

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	SpinLockAcquire(&slot->mutex);
	for (int i = 0; lost.sync == 0 && i < SHARED_MAX_REFRESHERS; i++)
	{
		RefresherPlace *place = &slot->refresher.places[i];

		/* between two tasks, so that what stands in our own place is another's */
		if (place->task.sync == 0 || (place->pid != 0 && i != my_place))
			continue;
		lost = place->task;
		place->task.sync = 0;
	}
	SpinLockRelease(&slot->mutex);
	LWLockRelease(hubspot_shared->lock);
	return lost;
}

/*
 * Without the spinlock, which the interrupted code may hold: other processes write the
 * same value here.
 */
void
shared_task_overruns(WorkerSlot *slot)
{
	my_task(slot)->overran = true;
}

/* ---- the worker ------------------------------------------------------------------- */

void
shared_set_refresher_problem(WorkerSlot *slot, const char *problem)
{
	char		text[SHARED_TEXT];

	shared_copy_text(text, problem ? problem : "");
	SpinLockAcquire(&slot->mutex);
	memcpy(slot->refresher.problem, text, SHARED_TEXT);
	SpinLockRelease(&slot->mutex);
}

int64
shared_refresher_stuck_in(WorkerSlot *slot, int ms, int64 now)
{
	int64		until_us = 0;

	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	if (slot->refresher.working >= 0)
	{
		SpinLockAcquire(&slot->mutex);
		until_us = slot->refresher.places[slot->refresher.working].task.until_us;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(hubspot_shared->lock);
	return until_us == 0 ? -1 : Max(until_us + (int64) ms * 1000 - now, 0);
}

int
shared_count_stuck(const WorkerSlot *slot)
{
	int			count = 0;

	for (int i = 0; i < SHARED_MAX_REFRESHERS; i++)
		count += slot->refresher.places[i].pid != 0 && i != slot->refresher.working;
	return count;
}

static bool
may_be_one_more(const WorkerSlot *slot)
{
	int			everywhere = 0;

	for (int i = 0; i < SHARED_MAX_WORKERS; i++)
		everywhere += shared_count_stuck(&hubspot_shared->slots[i]);
	return shared_count_stuck(slot) < SHARED_MAX_REFRESHERS - 1 &&
		everywhere < STUCK_OF_ALL(max_worker_processes);
}

/* The caller has control->lock exclusively; 0: it has come back meanwhile. */
static int
put_aside(WorkerSlot *slot)
{
	RefresherReport *refresher = &slot->refresher;
	RefresherPlace *place = &refresher->places[refresher->working];
	bool		is_limited;

	SpinLockAcquire(&slot->mutex);
	is_limited = place->task.until_us != 0;
	if (is_limited)
	{
		place->task.overran = place->task.stuck = true;
		refresher->nfills = 0;
	}
	SpinLockRelease(&slot->mutex);
	if (!is_limited)
		return 0;
	refresher->working = -1;
	pg_atomic_write_u32(&refresher->procno, 0);
	(void) kill(place->pid, SIGTERM);
	return place->pid;
}

int
shared_put_refresher_aside(WorkerSlot *slot)
{
	int			pid = 0;

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	if (slot->refresher.working >= 0)
		pid = may_be_one_more(slot) ? put_aside(slot) : -1;
	LWLockRelease(hubspot_shared->lock);
	return pid;
}

int
shared_stuck_refreshers(Oid database, StuckRefresher *stuck)
{
	WorkerSlot *slot = shared_find_slot(database);
	int			count = 0;

	if (slot == NULL)
		return 0;
	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	for (int i = 0; i < SHARED_MAX_REFRESHERS; i++)
	{
		if (slot->refresher.places[i].pid == 0 || i == slot->refresher.working)
			continue;
		stuck[count].pid = slot->refresher.places[i].pid;
		SpinLockAcquire(&slot->mutex);
		stuck[count++].task = slot->refresher.places[i].task;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(hubspot_shared->lock);
	return count;
}

/* ---- the launcher ----------------------------------------------------------------- */

bool
shared_has_refreshers(const WorkerSlot *slot)
{
	return running(slot) != 0;
}

void
shared_forget_refreshers(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	for (int i = 0; i < SHARED_MAX_REFRESHERS; i++)
		slot->refresher.places[i].task.sync = 0;
	slot->refresher.problem[0] = '\0';
	SpinLockRelease(&slot->mutex);
}
