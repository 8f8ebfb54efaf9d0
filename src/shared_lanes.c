/*
 * shared_lanes.c
 *		The lanes that a worker reports, in a dynamic segment of its own.
 *
 * The slot holds the segment's handle, a number.  It is read, and the segment
 * attached, under the slot's lanes lock, so that the worker cannot replace it in
 * between; and the worker withdraws it before the segment goes.  The lock is held for
 * one copy.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/resowner.h"

#include "hubspot.h"
#include "shared_lanes.h"

#define FIRST_CAPACITY	64		/* lanes */

/* The worker's segment, and how many lanes it has room for. */
static dsm_segment *segment = NULL;
static int	capacity = 0;

/* A larger segment in the place of this one; the caller has the lock. */
static void
grow(WorkerSlot *slot, int count)
{
	ResourceOwner owner = CurrentResourceOwner;
	dsm_segment *larger;
	int			wanted = Max(capacity, FIRST_CAPACITY);

	while (wanted < count)
		wanted *= 2;
	CurrentResourceOwner = NULL;	/* it outlives any transaction */
	larger = dsm_create(sizeof(LaneReport) * wanted, 0);
	CurrentResourceOwner = owner;
	if (segment != NULL)
		dsm_detach(segment);
	segment = larger;
	capacity = wanted;
	slot->lanes = dsm_segment_handle(segment);
}

void
shared_lanes_report(WorkerSlot *slot, const LaneReport *lanes, int count)
{
	LWLockAcquire(shared_lanes_lock(slot), LW_EXCLUSIVE);
	if (segment == NULL || count > capacity)
		grow(slot, count);
	if (count > 0)
		memcpy(dsm_segment_address(segment), lanes, sizeof(LaneReport) * count);
	slot->nlanes = count;
	LWLockRelease(shared_lanes_lock(slot));
}

void
shared_lanes_withdraw(WorkerSlot *slot)
{
	LWLockAcquire(shared_lanes_lock(slot), LW_EXCLUSIVE);
	slot->lanes = DSM_HANDLE_INVALID;
	slot->nlanes = 0;
	LWLockRelease(shared_lanes_lock(slot));
}

LaneReport *
shared_lanes_copy(WorkerSlot *slot, int *count)
{
	LaneReport *copy = NULL;
	dsm_segment *theirs = NULL;

	*count = 0;
	LWLockAcquire(shared_lanes_lock(slot), LW_SHARED);
	if (slot->lanes != DSM_HANDLE_INVALID)
		theirs = dsm_attach(slot->lanes);
	if (theirs != NULL)
	{
		*count = slot->nlanes;
		copy = palloc(Max(sizeof(LaneReport) * *count, 1));
		memcpy(copy, dsm_segment_address(theirs), sizeof(LaneReport) * *count);
		dsm_detach(theirs);
	}
	LWLockRelease(shared_lanes_lock(slot));
	return copy;
}
