/*
 * fill_ahead.c
 *		How far each back-fill is ahead of HubSpot.
 *
 * This file keeps, for each open back-fill, the ids of the rows that it has queued and
 * that have no verdict yet.  A row that is deferred for a fault of its own counts as
 * done: it may take days.  At the bound no further rows are read.  So rows that HubSpot
 * does not take stay in the user's table, and an outage fills no table of ours.
 *
 * Ids are looked up in hubspot.result by its index, the oldest first, and only until
 * STREAK ids in a row have no verdict; once a second all of them.  While no verdict
 * comes, the look-ups become rarer, down to one in 2 s.
 *
 * Memory: TopMemoryContext; at most FILL_AHEAD + FILL_GROUP ids of a back-fill,
 * FILL_AHEAD_ALL + FILL_GROUP in all.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "refresher/fill.h"
#include "ring/result_probe.h"
#include "ring/ring.h"

#define LOOK_US			100000
#define LONGEST_LOOK_US 2000000
#define LOOK_AT_ALL_US	1000000
#define STREAK			200
#define PAUSE_US		1000000 /* pause after a failure; doubles with each further one */
#define LONGEST_PAUSE_S 300
#define CONTESTED_US	100000	/* until the next try if another session changes a row */

typedef struct Fill
{
	int			sync;			/* id of the definition; 0: rows of back-fills that have ended, or
								 * of an earlier refresher */
	int64	   *ids;			/* in the order of queueing */
	int			count;
	int			room;
	int			failures;		/* in a row */
	int64		not_before;
	int64		contested_since;	/* since when rows are locked by others; 0: they are not */
	int			added;			/* # of ids of the current transaction, at the end of ids */
} Fill;

static List *fills = NIL;		/* of Fill; the first one has sync 0 */
static Fill *current = NULL;	/* the one that fill_step() works on */
static int64 next_look = 0;
static int64 next_look_at_all = 0;
static int64 look_us = LOOK_US;

/* ---- the list --------------------------------------------------------------------- */

static Fill *
find(int sync)
{
	MemoryContext old;
	Fill	   *fill;
	ListCell   *cell;

	foreach(cell, fills)
	{
		fill = lfirst(cell);
		if (fill->sync == sync)
			return fill;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	fill = palloc0(sizeof(Fill));
	fill->sync = sync;
	fill->room = FILL_AHEAD + FILL_CHUNK;
	fill->ids = palloc(sizeof(int64) * fill->room);
	fills = lappend(fills, fill);
	MemoryContextSwitchTo(old);
	return fill;
}

static void
add(Fill *fill, int64 id)
{
	if (fill->count == fill->room)
		fill->ids = repalloc(fill->ids, sizeof(int64) * (fill->room *= 2));
	fill->ids[fill->count++] = id;
}

static bool
is_listed(const List *items, int sync)
{
	ListCell   *cell;

	foreach(cell, items)
		if (((const ScheduleItem *) lfirst(cell))->sync == sync)
		return true;
	return false;
}

void
fill_keep(const List *items)
{
	Fill	   *others = find(0);
	ListCell   *cell;

	foreach(cell, items)
	{
		const ScheduleItem *item = lfirst(cell);
		int			known = list_length(fills);
		Fill	   *fill = find(item->sync);

		/* The back-fill failed in an earlier refresher: it continues that pause. */
		if (list_length(fills) > known && item->wait_ms > 0)
			fill->not_before = clock_us() + item->wait_ms * 1000;
	}
	foreach(cell, fills)
	{
		Fill	   *fill = lfirst(cell);

		if (fill == others || is_listed(items, fill->sync))
			continue;
		for (int i = 0; i < fill->count; i++)
			add(others, fill->ids[i]);
		fills = foreach_delete_current(fills, cell);
		pfree(fill->ids);
		pfree(fill);
	}
}

void
fill_start(void)
{
	Fill	   *others = find(0);

	SPI_connect();
	if (statement_execute("SELECT b.id FROM hubspot.outbox_status b"
						  " WHERE b.state IN ('waiting', 'in_flight') AND b.backfill AND b.source "
						  "= 'sync' ORDER BY b.id", 0, NULL, NULL, NULL,
						  true, FILL_AHEAD_ALL) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.outbox_status");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		add(others,
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
	}
	SPI_finish();
}

/* ---- bounds --------------------------------------------------------------------- */

/* The bound of each back-fill: an equal share of the bound of all. */
static int
share(void)
{
	int			open = list_length(fills) - 1;

	return Max(Min(FILL_AHEAD, FILL_AHEAD_ALL / Max(open, 1)), FILL_CHUNK);
}

static bool
has_room(const Fill *fill)
{
	int			all = 0;
	ListCell   *cell;

	foreach(cell, fills)
		all += ((Fill *) lfirst(cell))->count;
	/* An earlier refresher's rows cannot be assigned to a definition: they count for each. */
	return fill->count + find(0)->count + FILL_CHUNK <= share() &&
		all + FILL_CHUNK <= FILL_AHEAD_ALL;
}

int64
fill_ready_at(int sync, int64 now)
{
	Fill	   *fill = find(sync);

	current = fill;
	if (fill->not_before > now)
		return fill->not_before;
	return has_room(fill) ? now : Max(next_look, now + 1000);
}

void
fill_add(int64 id)
{
	add(current, id);
	current->added++;
}

int64
fill_contested(int64 now)
{
	if (current->contested_since == 0)
		current->contested_since = now;
	current->not_before = now + CONTESTED_US;
	return now - current->contested_since;
}

void
fill_ran(int sync, bool done, int64 now)
{
	Fill	   *fill = find(sync);

	if (!done)
	{
		fill->count -= fill->added;
		fill->not_before =
			now + Min(PAUSE_US << Min(fill->failures, 10), LONGEST_PAUSE_S * INT64CONST(1000000));
		fill->failures++;
	}
	else if (fill->added > 0)
	{
		fill->failures = 0;
		fill->contested_since = 0;
	}
	fill->added = 0;
}

/* ---- verdicts ---------------------------------------------------------------------- */

/* Drop the ids that have a verdict; returns how many. */
static int
drop_done(Fill *fill, bool all, ResultProbe *probe, RingScan *deferred)
{
	int			kept = 0;
	int			streak = 0;
	int			i;

	for (i = 0; i < fill->count && (all || streak < STREAK); i++)
	{
		if (result_probe_has(probe, fill->ids[i]) ||
			(deferred != NULL && ring_scan_find(deferred, fill->ids[i])))
			streak = 0;
		else
		{
			fill->ids[kept++] = fill->ids[i];
			streak++;
		}
	}
	memmove(fill->ids + kept, fill->ids + i, sizeof(int64) * (fill->count - i));
	fill->count -= i - kept;
	return i - kept;
}

bool
fill_wants_look(int64 now)
{
	ListCell   *cell;

	if (now < next_look)
		return false;
	foreach(cell, fills)
		if (((Fill *) lfirst(cell))->count > 0)
		return true;
	return false;
}

void
fill_look(int64 now)
{
	const Catalog *catalog = ring_catalog(false);
	bool		all = now >= next_look_at_all;
	bool		look_at_deferred = !ring_is_empty(catalog->deferred);
	ResultProbe probe = {.child = -1};
	RingScan	deferred;
	int			gone = 0;
	ListCell   *cell;

	result_probe_start();
	if (look_at_deferred)
		ring_scan_open(&deferred, catalog->deferred, catalog->deferred_id, 1);
	foreach(cell, fills)
		gone += drop_done(lfirst(cell), all, &probe, look_at_deferred ? &deferred : NULL);
	if (look_at_deferred)
		ring_scan_close(&deferred);
	result_probe_close(&probe);

	look_us = gone > 0 ? LOOK_US : Min(look_us * 2, LONGEST_LOOK_US);
	next_look = now + look_us;
	if (all)
		next_look_at_all = now + LOOK_AT_ALL_US;
}

void
fill_report(WorkerSlot *slot)
{
	FillReport	reports[SHARED_MAX_FILLS];
	int			count = 0;
	ListCell   *cell;

	foreach(cell, fills)
	{
		const Fill *fill = lfirst(cell);

		if (fill->sync == 0 || count == SHARED_MAX_FILLS)
			continue;
		reports[count].sync = fill->sync;
		reports[count].waits = !has_room(fill);
		reports[count++].unfinished = fill->count;
	}
	SpinLockAcquire(&slot->mutex);
	slot->refresher.nfills = count;
	memcpy(slot->refresher.fills, reports, sizeof(FillReport) * count);
	SpinLockRelease(&slot->mutex);
}
