/*
 * ring_check.c
 *		Do the tables keep what they promise to each other?
 *
 * See ring_check.h.  Row and verdict are merged by their indexes on id, a
 * child at a time, so that the cost is that of reading both once.
 *
 * Locks: ACCESS SHARE on the tables, given back at the end of each slice; of a
 * child's tables before any of them is read, the outbox first, as the rotation
 * takes them: it empties them together.
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/verdict.h"
#include "message/message.h"
#include "ring/checkpoint_table.h"
#include "ring/outbox.h"
#include "ring/ring_check.h"
#include "ring/ring_scan.h"

#define LOOK_AT_CLOCK	64		/* rows between two looks */

/* Columns of hubspot.record that tell one entry from another. */
enum RecordAttribute
{
	AT_KEY_HASH = 1, AT_SERVER, AT_OBJECT, AT_KEY_PROPERTY = 5, AT_KEY
};

static void
add_finding(RingCheck *check, FindingKind kind, int64 id)
{
	if (check->nfindings < CHECK_MAX_FINDINGS)
	{
		check->findings[check->nfindings].kind = kind;
		check->findings[check->nfindings].id = id;
	}
	check->nfindings++;
}

static bool
must_stop(RingCheck *check, int64 until)
{
	CHECK_FOR_INTERRUPTS();
	return ++check->rows % LOOK_AT_CLOCK == 0 && clock_cpu_us() > until;
}

static int64
slot_id(const RingScan *scan)
{
	bool		isnull;

	return DatumGetInt64(slot_getattr(scan->slot, 1, &isnull));
}

static void
scan_above(RingScan *scan, int64 position)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(position));
	index_rescan(scan->scan, &key, 1, NULL, 0);
}

static bool
has_row(Oid heap, Oid index, int64 id)
{
	RingScan	scan;
	bool		found;

	ring_scan_open(&scan, heap, index, 1);
	found = ring_scan_find(&scan, id);
	ring_scan_close(&scan);
	return found;
}

/* The first or the last id of a table; 0: it is empty. */
static int64
edge_id(Oid heap, Oid index, ScanDirection direction)
{
	RingScan	scan;
	int64		id = 0;

	ring_scan_open(&scan, heap, index, 0);
	index_rescan(scan.scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan.scan, direction, scan.slot))
		id = slot_id(&scan);
	ring_scan_close(&scan);
	return id;
}

/* ---- the checkpoint ----------------------------------------------------------------- */

static void
look_at_checkpoint(RingCheck *check, MemoryContext context)
{
	Mark		mark = {.snap = NULL};
	int64		number = checkpoint_find(&mark);
	MemoryContext old;

	if (mark.snap == NULL)
		return;
	/* which only grows, and is read after it */
	if (FullTransactionIdPrecedes(ReadNextFullTransactionId(), mark.snap->xmax))
		add_finding(check, FOUND_CHECKPOINT, number);
	check->highest = mark.low;
	old = MemoryContextSwitchTo(context);
	check->checkpoint = snapshot_copy(mark.snap);
	MemoryContextSwitchTo(old);
	mark_free(&mark);
}

/* ---- rows and their verdicts ---------------------------------------------------------- */

/*
 * Which generation the child holds, and whether it may.  The caller has its lock: as long as it
 * is there, no younger generation can have begun in its place.
 */
static void
begin_child(RingCheck *check, const Catalog *catalog)
{
	Oid			heap = catalog->outbox[check->child];
	Oid			index = catalog->outbox_id[check->child];
	int64		lowest = edge_id(heap, index, ForwardScanDirection);
	int64		highest = edge_id(heap, index, BackwardScanDirection);
	int64		present = RING_GENERATION(ring_last_id(catalog->outbox_id_seq));

	check->begun = true;
	check->highest = Max(check->highest, highest);
	check->generation[check->child] = highest == 0 ? -1 : RING_GENERATION(highest);
	check->position = highest == 0 ? 0 : RING_FIRST(highest) - 1;
	if (highest == 0)
		return;
	if (RING_GENERATION(lowest) != RING_GENERATION(highest) ||
		RING_GENERATION(lowest) + RING_CHILDREN <= present)
		add_finding(check, FOUND_OUTSIDE, lowest);
}

static bool
is_covered(const RingCheck *check, const RingScan *outbox)
{
	bool		isnull;

	return check->checkpoint != NULL &&
		snapshot_sees(check->checkpoint,
					  DatumGetFullTransactionId(slot_getattr(outbox->slot, Anum_outbox_xid,
															 &isnull)));
}

/* Merge rows and verdicts of a child's generation by id; true at its end. */
static bool
merge_child(RingCheck *check, const Catalog *catalog, RingScan *outbox, RingScan *results,
			int64 until)
{
	int64		end = RING_FIRST(check->position + 1) + RING_SPAN;
	int64		row = 0;
	int64		verdict = 0;

	scan_above(outbox, check->position);
	scan_above(results, check->position);
	row = ring_scan_next(outbox) ? slot_id(outbox) : end;
	verdict = ring_scan_next(results) ? slot_id(results) : end;
	while (Min(row, verdict) < end)
	{
		int64		id = Min(row, verdict);
		int			verdicts = 0;

		for (; verdict == id; verdicts++)
			verdict = ring_scan_next(results) ? slot_id(results) : end;
		/* the row's slot is looked at before the scan goes on */
		if (verdicts > 1)
			add_finding(check, FOUND_TWO_VERDICTS, id);
		if (row != id)
			add_finding(check, FOUND_NO_ROW, id);
		else
		{
			if (verdicts == 0 && is_covered(check, outbox) &&
				!has_row(catalog->deferred, catalog->deferred_id, id))
				add_finding(check, FOUND_NO_VERDICT, id);
			row = ring_scan_next(outbox) ? slot_id(outbox) : end;
		}
		check->position = id;
		if (must_stop(check, until))
			return false;
	}
	return true;
}

static bool
look_at_child(RingCheck *check, const Catalog *catalog, int64 until)
{
	RingScan	outbox;
	RingScan	results;
	bool		ended = true;

	ring_scan_open(&outbox, catalog->outbox[check->child], catalog->outbox_id[check->child], 1);
	ring_scan_open(&results, catalog->result[check->child], catalog->result_id[check->child], 1);
	if (!check->begun)
		begin_child(check, catalog);
	/* verdicts of rows that were deferred outlive the rows */
	if (check->generation[check->child] >= 0)
		ended = merge_child(check, catalog, &outbox, &results, until);
	ring_scan_close(&results);
	ring_scan_close(&outbox);
	return ended;
}

/* They are read after the rows, and only grow. */
static void
look_at_sequences(RingCheck *check, const Catalog *catalog)
{
	int64		highest = 0;

	for (int i = 0; i < RING_CHILDREN; i++)
		highest = Max(highest, edge_id(catalog->request[i], catalog->request_id[i],
									   BackwardScanDirection));
	if (check->highest > ring_last_id(catalog->outbox_id_seq))
		add_finding(check, FOUND_SEQUENCE, check->highest);
	if (highest > ring_last_id(catalog->request_id_seq))
		add_finding(check, FOUND_REQUEST_SEQUENCE, highest);
}

/* ---- copies --------------------------------------------------------------------------- */

/* What the verdict of a row with a copy may be: none of a deferred one, dead of a dead one. */
static void
judge_copy(RingCheck *check, const Catalog *catalog, int64 id, bool is_dead)
{
	int			child = RING_CHILD(id);
	RingScan	results;

	ring_scan_open(&results, catalog->result[child], catalog->result_id[child], 1);
	if (ring_scan_find(&results, id))
	{
		bool		isnull;
		Oid			verdict = DatumGetObjectId(slot_getattr(results.slot, Anum_result_verdict,
															&isnull));

		if (!is_dead)
			add_finding(check, FOUND_COPY_AND_VERDICT, id);
		else if (verdict != catalog->verdict[VERDICT_DEAD] &&
				 verdict != catalog->verdict[VERDICT_COALESCED])
			add_finding(check, FOUND_DEAD_BY_HALF, id);
	}
	ring_scan_close(&results);
}

static bool
look_at_copies(RingCheck *check, const Catalog *catalog, bool is_dead, int64 until)
{
	RingScan	copies;
	bool		more;

	ring_scan_open(&copies, is_dead ? catalog->dead : catalog->deferred,
				   is_dead ? catalog->dead_id : catalog->deferred_id, 1);
	scan_above(&copies, check->position);
	while ((more = ring_scan_next(&copies)))
	{
		int64		id = slot_id(&copies);

		judge_copy(check, catalog, id, is_dead);
		check->position = id;
		if (must_stop(check, until))
			break;
	}
	ring_scan_close(&copies);
	return !more;
}

/* ---- the record map --------------------------------------------------------------------- */

typedef struct RecordName
{
	Oid			server;
	char	   *object;
	char	   *property;
	char	   *key;
} RecordName;

static RecordName *
read_name(const RingScan *records)
{
	RecordName *name = palloc(sizeof(RecordName));
	bool		isnull;

	name->server = DatumGetObjectId(slot_getattr(records->slot, AT_SERVER, &isnull));
	name->object = TextDatumGetCString(slot_getattr(records->slot, AT_OBJECT, &isnull));
	name->property = TextDatumGetCString(slot_getattr(records->slot, AT_KEY_PROPERTY, &isnull));
	name->key = TextDatumGetCString(slot_getattr(records->slot, AT_KEY, &isnull));
	return name;
}

/* Several of a userId are told apart by other means. */
static bool
is_same(const RecordName *a, const RecordName *b)
{
	return a->server == b->server && strcmp(a->object, b->object) == 0 &&
		strcmp(a->property, b->property) == 0 && strcmp(a->key, b->key) == 0 &&
		strcmp(a->property, MESSAGE_USER_ID) != 0;
}

static bool
name_is_in(const List *names, const RecordName *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (is_same(lfirst(cell), name))
		return true;
	return false;
}

static int64
hash_of(const RecordName *name)
{
	return DatumGetInt64(DirectFunctionCall2Coll(hashtextextended, C_COLLATION_OID,
												 CStringGetTextDatum(name->key),
												 Int64GetDatum(0)));
}

/* Entries of one hash come together, and a slice ends between two hashes. */
static bool
look_at_records(RingCheck *check, const Catalog *catalog, int64 until)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext group = AllocSetContextCreate(old, "hubspot check", ALLOCSET_SMALL_SIZES);
	List	   *names = NIL;
	int64		hash = check->position;
	bool		stop = false;
	bool		more;
	RingScan	records;
	ScanKeyData key;

	ring_scan_open(&records, catalog->record, catalog->record_key_hash, 1);
	ScanKeyInit(&key, 1, check->begun ? BTGreaterStrategyNumber : BTGreaterEqualStrategyNumber,
				check->begun ? F_INT8GT : F_INT8GE,
				Int64GetDatum(check->begun ? check->position : PG_INT64_MIN));
	index_rescan(records.scan, &key, 1, NULL, 0);
	while ((more = ring_scan_next(&records)))
	{
		RecordName *name;

		if (slot_id(&records) != hash || !check->begun)
		{
			if (stop)
				break;
			hash = check->position = slot_id(&records);
			check->begun = true;
			names = NIL;
			MemoryContextReset(group);
		}
		MemoryContextSwitchTo(group);
		name = read_name(&records);
		if (hash_of(name) != hash)
			add_finding(check, FOUND_KEY_HASH, hash);
		if (name_is_in(names, name))
			add_finding(check, FOUND_KEY_TWICE, hash);
		names = lappend(names, name);
		MemoryContextSwitchTo(old);
		stop = must_stop(check, until) || stop;
	}
	ring_scan_close(&records);
	MemoryContextDelete(group);
	return !more;
}

/* ---- all of it ----------------------------------------------------------------------------- */

void
ring_check_begin(RingCheck *check, uint32 children)
{
	memset(check, 0, sizeof(RingCheck));
	check->children = children;
	for (int i = 0; i < RING_CHILDREN; i++)
		check->generation[i] = -1;
}

static void
next_stage(RingCheck *check, CheckStage stage)
{
	check->stage = stage;
	check->begun = false;
	check->position = 0;
}

static void
next_child(RingCheck *check)
{
	while (check->child < RING_CHILDREN && (check->children & (1U << check->child)) == 0)
		check->child++;
	if (check->child < RING_CHILDREN)
		next_stage(check, CHECK_RINGS);
	else
		next_stage(check,
				   check->children == CHECK_ALL_CHILDREN ? CHECK_SEQUENCES : CHECK_ENDED);
}

bool
ring_check_step(RingCheck *check, MemoryContext context, int64 until)
{
	const Catalog *catalog = ring_outbox_catalog();

	/* A stage that says that it has not come to its end has used up the time. */
	while (check->stage != CHECK_ENDED)
	{
		switch (check->stage)
		{
			case CHECK_CHECKPOINT:
				look_at_checkpoint(check, context);
				next_child(check);
				break;
			case CHECK_RINGS:
				if (!look_at_child(check, catalog, until))
					return true;
				check->child++;
				next_child(check);
				break;
			case CHECK_SEQUENCES:
				look_at_sequences(check, catalog);
				next_stage(check, CHECK_DEFERRED);
				break;
			case CHECK_DEFERRED:
				if (!look_at_copies(check, catalog, false, until))
					return true;
				next_stage(check, CHECK_DEAD);
				break;
			case CHECK_DEAD:
				if (!look_at_copies(check, catalog, true, until))
					return true;
				next_stage(check, CHECK_RECORDS);
				break;
			case CHECK_RECORDS:
				if (!look_at_records(check, catalog, until))
					return true;
				next_stage(check, CHECK_ENDED);
				break;
			case CHECK_ENDED:
				break;
		}
	}
	return false;
}

bool
ring_check_lacks_verdict(const RingCheck *check, int64 generation)
{
	/* what there is no room for may be one of them */
	if (check->nfindings > CHECK_MAX_FINDINGS)
		return true;
	for (int i = 0; i < check->nfindings; i++)
	{
		const Finding *finding = &check->findings[i];

		if ((finding->kind == FOUND_NO_VERDICT || finding->kind == FOUND_OUTSIDE) &&
			RING_CHILD(finding->id) == (int) (generation % RING_CHILDREN))
			return true;
	}
	return false;
}
