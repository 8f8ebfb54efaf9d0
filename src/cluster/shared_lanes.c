/*
 * shared_lanes.c
 *		The lanes that a worker reports, and keys that wait, in a dynamic segment of its own.
 *
 * The segment begins with room for SHARED_MAX_KEYS keys, and goes on with the lanes.
 *
 * The slot holds the segment's handle, a number.  A reader reads the handle and attaches
 * the segment under the slot's lanes lock, so that the worker cannot replace it in
 * between; and the worker removes the handle before the segment ends.  The lock is held
 * for one copy.
 *
 * If there is no room for a segment (a container's /dev/shm is small), fewer lanes are
 * reported: ending the worker would deliver nothing at all.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "cluster/shared_lanes.h"

#define FIRST_CAPACITY	64		/* lanes */
#define RETRY_US		INT64CONST(5000000) /* when there was no room */

/* The worker's segment, and the number of lanes that fit. */
static dsm_segment *segment = NULL;
static int	capacity = 0;

static int64 not_before = 0;	/* time of the next try, 0: the last one succeeded */

/* ---- the worker's side ------------------------------------------------------------ */

#define LANES_OFFSET	MAXALIGN(sizeof(KeyReport) * SHARED_MAX_KEYS)

/*
 * Create a segment; NULL on failure.  A resource owner of its own releases what a failure
 * leaves.
 */
static dsm_segment *
create_segment(Size size)
{
	ResourceOwner before = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(NULL, "hubspot lanes");
	MemoryContext context = CurrentMemoryContext;
	dsm_segment *volatile created = NULL;

	CurrentResourceOwner = owner;
	PG_TRY();
	{
		created = dsm_create(size, 0);
		/* The segment must outlive this resource owner: it lives as long as the worker. */
		dsm_pin_mapping(created);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		LWLockReleaseAll();
		MemoryContextSwitchTo(context);
		created = NULL;
		/* Logged once, not at every retry. */
		if (not_before == 0)
			EmitErrorReport();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	CurrentResourceOwner = before;
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, created != NULL, true);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, created != NULL, true);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, created != NULL, true);
	ResourceOwnerDelete(owner);
	return created;
}

/* Replace the segment by a larger one, if there is room. */
static void
grow(WorkerSlot *slot, int count)
{
	dsm_segment *larger;
	dsm_segment *outgrown = segment;
	int			wanted = Max(capacity, FIRST_CAPACITY);

	while (wanted < count)
		wanted *= 2;
	larger = create_segment(LANES_OFFSET + sizeof(LaneReport) * wanted);
	not_before = larger == NULL ? clock_us() + RETRY_US : 0;
	if (larger == NULL)
		return;
	LWLockAcquire(shared_lanes_lock(slot), LW_EXCLUSIVE);
	segment = larger;
	capacity = wanted;
	slot->lanes = dsm_segment_handle(segment);
	slot->nlanes = slot->nkeys = 0;
	LWLockRelease(shared_lanes_lock(slot));
	if (outgrown != NULL)
		dsm_detach(outgrown);
}

bool
shared_lanes_report(WorkerSlot *slot, const LaneReport *lanes, int count,
					const KeyReport *keys, int nkeys)
{
	int			told;

	if ((segment == NULL || count > capacity) && clock_us() >= not_before)
		grow(slot, count);
	told = Min(count, capacity);
	LWLockAcquire(shared_lanes_lock(slot), LW_EXCLUSIVE);
	if (told > 0)
		memcpy((char *) dsm_segment_address(segment) + LANES_OFFSET, lanes,
			   sizeof(LaneReport) * told);
	slot->nlanes = told;
	slot->nkeys = segment == NULL ? 0 : nkeys;
	if (slot->nkeys > 0)
		memcpy(dsm_segment_address(segment), keys, sizeof(KeyReport) * nkeys);
	LWLockRelease(shared_lanes_lock(slot));
	return told == count;
}

/* ---- a session's side ------------------------------------------------------------- */

LaneReport *
shared_lanes_copy(WorkerSlot *slot, int *count)
{
	return shared_lanes_copy_keys(slot, count, NULL, NULL);
}

LaneReport *
shared_lanes_copy_keys(WorkerSlot *slot, int *count, KeyReport **keys, int *nkeys)
{
	LaneReport *copy = NULL;
	dsm_segment *theirs = NULL;

	*count = 0;
	LWLockAcquire(shared_lanes_lock(slot), LW_SHARED);
	if (slot->lanes != DSM_HANDLE_INVALID)
		theirs = dsm_attach(slot->lanes);
	if (theirs != NULL)
	{
		char	   *address = dsm_segment_address(theirs);

		*count = slot->nlanes;
		copy = palloc(Max(sizeof(LaneReport) * *count, 1));
		memcpy(copy, address + LANES_OFFSET, sizeof(LaneReport) * *count);
		if (keys != NULL)
		{
			*nkeys = slot->nkeys;
			*keys = palloc(Max(sizeof(KeyReport) * *nkeys, 1));
			memcpy(*keys, address, sizeof(KeyReport) * *nkeys);
		}
		dsm_detach(theirs);
	}
	LWLockRelease(shared_lanes_lock(slot));
	return copy;
}
