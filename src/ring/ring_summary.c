/*
 * ring_summary.c
 *		Summaries of the rings' block ranges, for searches by time and by key.
 *
 * The rings have BRIN indexes: rows lie in the order of time, and an entry for a range of
 * pages costs next to nothing, where a b-tree would cost a tenth of all WAL.  PostgreSQL
 * makes the entries when it vacuums, which these tables do not need, or asks autovacuum
 * for each range, which forgets what a bulk asks for.  So the worker makes them.
 *
 * While a table grows, only of ranges that are behind its end: an entry that is there is
 * written anew with each row that comes into its range.  Sessions that fill pages of the
 * outbox at the same time may be some way apart.  A scan reads the pages that have none.
 *
 * In slices of some milliseconds, with pauses in between.  A table that is locked by
 * somebody, as by ANALYZE, is left for the next look.
 *
 * Locks: SHARE UPDATE EXCLUSIVE on one child, until the caller's commit; the worker never
 * waits for it.
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "ring/ring.h"
#include "ring/ring_summary.h"

#define LOOK_US		1000000		/* between two looks at tables that grow */
#define SLICE_US	5000		/* of the processor */
#define PACE		9			/* after a slice, so many times as long as it took is for others */
#define BEHIND_OUTBOX	128		/* pages at the end of a table that grows without an entry */
#define BEHIND_OTHERS	8		/* ... that the worker alone writes */

/* How far a child's ranges have entries. */
typedef struct Place
{
	Oid			file;			/* TRUNCATE gives it another one, ring_truncate() only empties it */
	BlockNumber next;
} Place;

static Place outboxes[RING_CHILDREN];
static Place results[RING_CHILDREN];
static Place requests[RING_CHILDREN];
static int64 summarized;		/* rows when the last look began */
static bool is_under_way;		/* a look that a slice has interrupted */
static int64 next_step;			/* µs of the monotonic clock */
static int64 slice_began;		/* on the processor's clock */
static bool is_cut;				/* the slice has ended before the look */

static bool
is_over(void)
{
	return clock_cpu_us() - slice_began >= SLICE_US;
}

/* The ranges from the place up to a page, as long as the slice lasts. */
static void
summarize(Oid index_oid, BlockNumber range, BlockNumber end, Place *place)
{
	while (place->next + range <= end)
	{
		if (is_over())
		{
			is_cut = true;
			return;
		}
		DirectFunctionCall2(brin_summarize_range, ObjectIdGetDatum(index_oid),
							Int64GetDatum(place->next));
		place->next += range;
	}
}

static BlockNumber
pages_per_range(Oid index_oid)
{
	Relation	index = index_open(index_oid, AccessShareLock);
	BlockNumber range = BrinGetPagesPerRange(index);

	index_close(index, AccessShareLock);
	return range;
}

static void
look_at(Oid heap_oid, Oid index_oid, BlockNumber behind, Place *place)
{
	Relation	heap;
	BlockNumber end;
	BlockNumber range;

	if (!ConditionalLockRelationOid(heap_oid, AccessShareLock))
		return;
	heap = table_open(heap_oid, NoLock);
	end = RelationGetNumberOfBlocks(heap);
	if (place->file != heap->rd_rel->relfilenode || end == 0)
	{
		place->file = heap->rd_rel->relfilenode;
		place->next = 0;
	}
	end -= Min(behind, end);
	if (end > place->next)
	{
		range = pages_per_range(index_oid);
		/* of a child that grows no more, also the last pages, which are less than a range */
		if (behind == 0)
			end = (end + range - 1) / range * range;
		if (place->next + range <= end &&
			ConditionalLockRelationOid(heap_oid, ShareUpdateExclusiveLock))
			summarize(index_oid, range, end, place);
	}
	table_close(heap, AccessShareLock);
}

bool
ring_summary_is_due(int64 now, int64 rows)
{
	if (now < next_step || (!is_under_way && rows == summarized))
		return false;
	if (!is_under_way)
		summarized = rows;
	return true;
}

void
ring_summary_step(void)
{
	const Catalog *catalog = ring_catalog(false);
	int			outbox_grows = RING_CHILD(ring_last_id(catalog->outbox_id_seq));
	int			request_grows = RING_CHILD(ring_last_id(catalog->request_id_seq));

	slice_began = clock_cpu_us();
	is_cut = false;
	for (int i = 0; i < RING_CHILDREN && !is_cut; i++)
	{
		look_at(catalog->outbox[i], catalog->outbox_key[i],
				i == outbox_grows ? BEHIND_OUTBOX : 0, &outboxes[i]);
		look_at(catalog->result[i], catalog->result_finished_at[i],
				i == outbox_grows ? BEHIND_OTHERS : 0, &results[i]);
		look_at(catalog->request[i], catalog->request_started_at[i],
				i == request_grows ? BEHIND_OTHERS : 0, &requests[i]);
	}
}

void
ring_summary_done(bool committed)
{
	is_under_way = committed && is_cut;
	next_step = clock_us() +
		(is_under_way ? PACE * (clock_cpu_us() - slice_began) : LOOK_US);
}

int64
ring_summary_wake(int64 now)
{
	return is_under_way ? Max(next_step - now, 0) : -1;
}
