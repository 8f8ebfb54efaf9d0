/*
 * shared_refresher.c
 *		Shared memory: the refresher of a database.
 *
 * At most one refresher runs for a slot.  It belongs to the worker that ordered
 * it, and leaves when that has ended or may not send any more.  The contract
 * of the memory stands in shared.h.
 *
 * Locks: control->lock for moments; slot->mutex inside it.  No I/O under either.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"

#include "base/hubspot.h"
#include "cluster/shared.h"

/* before_shmem_exit, as detach() */
static void
detach_refresher(int code, Datum arg)
{
	WorkerSlot *slot = &hubspot_shared->slots[DatumGetInt32(arg)];

	LWLockReleaseAll();
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	if (slot->refresher.pid == MyProcPid)
	{
		pg_atomic_write_u32(&slot->refresher.procno, 0);
		slot->refresher.pid = 0;
		slot->refresher.ended_well = code == 0 || slot->stop_wanted || slot->refresher.task.overran;
		SpinLockAcquire(&slot->mutex);
		slot->refresher.nfills = 0;
		if (code == 0 || slot->stop_wanted)
			slot->refresher.task.sync = 0;	/* nobody is to blame */
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(hubspot_shared->lock);
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
		!slot->stop_wanted && slot->refresher.pid == 0;
	if (mine)
	{
		slot->refresher.pid = MyProcPid;
		pg_atomic_write_u32(&slot->refresher.procno, MyProcNumber + 1);
	}
	LWLockRelease(hubspot_shared->lock);
	return mine ? slot : NULL;
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

void
shared_set_refresher_problem(WorkerSlot *slot, const char *problem)
{
	char		text[SHARED_TEXT];

	shared_copy_text(text, problem ? problem : "");
	SpinLockAcquire(&slot->mutex);
	memcpy(slot->refresher.problem, text, SHARED_TEXT);
	SpinLockRelease(&slot->mutex);
}

void
shared_set_task(WorkerSlot *slot, int sync, bool is_fill)
{
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&slot->mutex);
	slot->refresher.task.sync = sync;
	slot->refresher.task.is_fill = is_fill;
	slot->refresher.task.overran = false;
	slot->refresher.task.since = now;
	slot->refresher.task.until = 0;
	SpinLockRelease(&slot->mutex);
}

void
shared_set_task_until(WorkerSlot *slot, TimestampTz until)
{
	SpinLockAcquire(&slot->mutex);
	slot->refresher.task.until = until;
	SpinLockRelease(&slot->mutex);
}

RefresherTask
shared_take_lost_task(WorkerSlot *slot)
{
	RefresherTask task;

	SpinLockAcquire(&slot->mutex);
	task = slot->refresher.task;
	slot->refresher.task.sync = 0;
	slot->refresher.task.overran = false;
	SpinLockRelease(&slot->mutex);
	return task;
}

/*
 * Without the spinlock, which whoever was interrupted may hold: nobody but this process writes it.
 */
void
shared_task_overruns(WorkerSlot *slot)
{
	slot->refresher.task.overran = true;
}
