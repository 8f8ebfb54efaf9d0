/*
 * confirmed.c
 *		The values that HubSpot has confirmed, by record.
 *
 * The unit is HubSpot's record, not our key: two addresses may be one contact, and a
 * write by one of them changes the values of the other.
 *
 * Written in the transaction of the verdicts: a row with a verdict is not processed again
 * after a crash, so the values that it changed must be stored.  A row without a verdict
 * is sent in full, see unchanged.c.
 *
 * Locks: ACCESS SHARE on hubspot.confirmed while reading, ROW EXCLUSIVE while
 * writing.  Memory: a context of its own; values of records are loaded up to
 * a quarter of hubspot.window_memory, records without values are as many as there are keys in
 * the window.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "message/object_type.h"
#include "base/guc.h"
#include "ring/ring_scan.h"
#include "store/append.h"
#include "store/confirmed.h"

#define WRITE_GROUP		100		/* rows handed to the table at once */

/* Columns of hubspot.confirmed, in the order of the script. */
enum ConfirmedColumn
{
	CONFIRMED_AT, CONFIRMED_SERVER, CONFIRMED_OBJECT, CONFIRMED_RECORD_ID, CONFIRMED_PROPERTIES
#define CONFIRMED_COLUMNS (CONFIRMED_PROPERTIES + 1)
};

static MemoryContext context;	/* NULL: nothing was asked yet */
static HTAB *records;
static dlist_head dirty = DLIST_STATIC_INIT(dirty);
static Size loaded_bytes;		/* of pairs */
static bool suspended;
static TimestampTz resumed_at;	/* answers to requests sent before are ignored */

/* ---- in memory ------------------------------------------------------------------------ */

static void
make_table(void)
{
	HASHCTL		control = {.keysize = sizeof(ConfirmedName), .entrysize = sizeof(Confirmed)};

	context = AllocSetContextCreate(TopMemoryContext, "hubspot confirmed", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = context;
	records =
		hash_create("hubspot confirmed", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static ConfirmedName
name_of(Oid server, Object object, const char *record_id)
{
	ConfirmedName name;

	memset(&name, 0, sizeof(name)); /* clear the padding: names are compared as bytes */
	name.server = server;
	name.object = object;
	strlcpy(name.record_id, record_id, sizeof(name.record_id));
	return name;
}

/* Find the record in memory, or create it. */
static Confirmed *
find_or_make(Oid server, Object object, const char *record_id)
{
	ConfirmedName name = name_of(server, object, record_id);
	Confirmed  *confirmed;
	bool		found;

	if (context == NULL)
		make_table();
	confirmed = hash_search(records, &name, HASH_ENTER, &found);
	if (!found)
		memset((char *) confirmed + sizeof(name), 0, sizeof(*confirmed) - sizeof(name));
	return confirmed;
}

static void
clear_pairs(Confirmed *confirmed)
{
	if (confirmed->pairs != NULL)
		pfree(confirmed->pairs);
	loaded_bytes -= confirmed->size * sizeof(ConfirmedPair);
	confirmed->pairs = NULL;
	confirmed->npairs = confirmed->size = 0;
}

static void
drop_if_idle(Confirmed *confirmed)
{
	if (confirmed->users > 0 || confirmed->dirty)
		return;
	clear_pairs(confirmed);
	(void) hash_search(records, &confirmed->name, HASH_REMOVE, NULL);
}

static void
mark_dirty(Confirmed *confirmed)
{
	if (!confirmed->dirty)
		dlist_push_tail(&dirty, &confirmed->node);
	confirmed->dirty = true;
}

static ConfirmedPair *
find_pair(const Confirmed *confirmed, uint32 name)
{
	for (int i = 0; i < confirmed->npairs; i++)
		if (confirmed->pairs[i].name == name)
			return &confirmed->pairs[i];
	return NULL;
}

static void
make_room(Confirmed *confirmed)
{
	int			size = Min(Max(confirmed->size * 2, 8), CONFIRMED_MAX_PAIRS);

	confirmed->pairs = confirmed->pairs == NULL
		? MemoryContextAlloc(context, size * sizeof(ConfirmedPair))
		: repalloc(confirmed->pairs, size * sizeof(ConfirmedPair));
	loaded_bytes += (size - confirmed->size) * sizeof(ConfirmedPair);
	confirmed->size = size;
}

/* Add a value; an existing one stays unless replace is set. */
static void
add_pair(Confirmed *confirmed, const ConfirmedPair *pair, bool replace)
{
	ConfirmedPair *there = find_pair(confirmed, pair->name);

	if (there != NULL && !replace)
		return;
	if (there == NULL && confirmed->npairs == CONFIRMED_MAX_PAIRS)
		return;
	if (there == NULL && confirmed->npairs == confirmed->size)
		make_room(confirmed);
	if (there == NULL)
		there = &confirmed->pairs[confirmed->npairs++];
	*there = *pair;
}

static void
forget(Confirmed *confirmed)
{
	clear_pairs(confirmed);
	confirmed->known = false;
	confirmed->loaded = true;	/* complete: nothing is known of the record */
	confirmed->at = GetCurrentTimestamp();
	mark_dirty(confirmed);
}

void
confirmed_forget(Oid server, Object object, const char *record_id)
{
	forget(find_or_make(server, object, record_id));
}

void
confirmed_share(Confirmed *confirmed)
{
	confirmed->users++;
}

void
confirmed_close(Confirmed *confirmed)
{
	confirmed->users--;
	drop_if_idle(confirmed);
}

bool
confirmed_has(const Confirmed *confirmed, const ConfirmedPair *pair, TimestampTz since)
{
	const ConfirmedPair *there = find_pair(confirmed, pair->name);

	return confirmed->loaded && !suspended && there != NULL && pair->value != 0 &&
		there->value == pair->value &&
		(int64) there->at * USECS_PER_SEC > since;
}

bool
confirmed_exists(const Confirmed *confirmed, TimestampTz since)
{
	return confirmed->loaded && !suspended && confirmed->known && confirmed->at > since;
}

Confirmed *
confirmed_learn(Oid server, Object object, const char *record_id, const ConfirmedPair *pairs,
				int npairs,
				TimestampTz sent_at, bool is_new)
{
	Confirmed  *confirmed = find_or_make(server, object, record_id);

	if (confirmed->at > sent_at || resumed_at > sent_at)
	{
		forget(confirmed);
		return confirmed;
	}
	if (is_new)
		confirmed->loaded = true;
	if (confirmed->at == 0)
		confirmed->since = sent_at;
	for (int i = 0; i < npairs; i++)
		add_pair(confirmed, &pairs[i], true);
	confirmed->known = true;
	confirmed->at = GetCurrentTimestamp();
	mark_dirty(confirmed);
	return confirmed;
}

/* A record is loaded again with its next write. */
void
confirmed_unload(Oid server)
{
	HASH_SEQ_STATUS status;
	Confirmed  *confirmed;

	if (context == NULL)
		return;
	hash_seq_init(&status, records);
	while ((confirmed = hash_seq_search(&status)) != NULL)
	{
		if (OidIsValid(server) && confirmed->name.server != server)
			continue;
		clear_pairs(confirmed);
		confirmed->loaded = false;
		confirmed->at = confirmed->since = GetCurrentTimestamp();
	}
}

void
confirmed_suspend(void)
{
	suspended = true;
}

void
confirmed_resume(void)
{
	suspended = false;
	resumed_at = GetCurrentTimestamp();
	confirmed_unload(InvalidOid);
}

/* ---- from the table ----------------------------------------------------------------------- */

/* The table during look-ups; opened when the first of them needs it. */
static RingScan looked_into;
static bool is_looking;

static void
open_scan(RingScan *scan)
{
	const Catalog *catalog = ring_catalog(false);

	ring_scan_open(scan, catalog->confirmed, catalog->confirmed_record, 2);
}

void
confirmed_begin_reading(void)
{
	is_looking = false;
}

void
confirmed_end_reading(void)
{
	if (is_looking)
		ring_scan_close(&looked_into);
	is_looking = false;
}

/* The row of a record, in the scan's slot. */
static bool
find_row(RingScan *scan, const ConfirmedName *name)
{
	ScanKeyData keys[2];
	bool		isnull;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(name->server));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name->record_id));
	index_rescan(scan->scan, keys, 2, NULL, 0);
	while (ring_scan_next(scan))
		if (object_of_text(DatumGetTextPP(slot_getattr(scan->slot, CONFIRMED_OBJECT + 1,
													   &isnull))) == (int) name->object)
			return true;
	return false;
}

/* Add the row's values to the record; values that were learnt since win. */
static void
merge_row(Confirmed *confirmed, TupleTableSlot *slot)
{
	bool		isnull;
	TimestampTz at = DatumGetTimestampTz(slot_getattr(slot, CONFIRMED_AT + 1, &isnull));
	bytea	   *properties = DatumGetByteaPP(slot_getattr(slot, CONFIRMED_PROPERTIES + 1, &isnull));
	int			npairs = VARSIZE_ANY_EXHDR(properties) / sizeof(ConfirmedPair);

	/*
	 * The table's values were confirmed after the write that we learnt from was sent: the order of
	 * the two writes in HubSpot is unknown, so neither is trusted.
	 */
	if (confirmed->at != 0 && at > confirmed->since)
	{
		forget(confirmed);
		return;
	}
	for (int i = 0; i < npairs; i++)
	{
		ConfirmedPair pair;

		memcpy(&pair, VARDATA_ANY(properties) + i * sizeof(pair), sizeof(pair));
		add_pair(confirmed, &pair, false);
	}
	if (confirmed->at == 0)
	{
		confirmed->known = true;
		confirmed->at = at;
	}
}

static void
load(Confirmed *confirmed)
{
	if (!is_looking)
		open_scan(&looked_into);
	is_looking = true;
	if (find_row(&looked_into, &confirmed->name))
		merge_row(confirmed, looked_into.slot);
	confirmed->loaded = true;
}

Confirmed *
confirmed_open(Oid server, Object object, const char *record_id)
{
	Confirmed  *confirmed = find_or_make(server, object, record_id);

	confirmed->users++;
	if (!confirmed->loaded && loaded_bytes < (Size) hubspot_window_memory * 1024 / 4)
		load(confirmed);
	return confirmed;
}

void
confirmed_read(Oid server, Object object, const char *record_id, Confirmed *confirmed)
{
	RingScan	scan;
	bool		isnull;

	memset(confirmed, 0, sizeof(*confirmed));
	confirmed->name = name_of(server, object, record_id);
	confirmed->loaded = true;
	open_scan(&scan);
	if (find_row(&scan, &confirmed->name))
	{
		bytea	   *properties =
		DatumGetByteaPCopy(slot_getattr(scan.slot, CONFIRMED_PROPERTIES + 1, &isnull));

		confirmed->at = DatumGetTimestampTz(slot_getattr(scan.slot, CONFIRMED_AT + 1, &isnull));
		confirmed->known = true;
		confirmed->npairs = (VARSIZE(properties) - VARHDRSZ) / sizeof(ConfirmedPair);
		confirmed->pairs = palloc(confirmed->npairs * sizeof(ConfirmedPair) + 1);
		memcpy(confirmed->pairs, VARDATA(properties), confirmed->npairs * sizeof(ConfirmedPair));
	}
	ring_scan_close(&scan);
}

/* ---- into the table ------------------------------------------------------------------------- */

static Datum
pairs_datum(const Confirmed *confirmed)
{
	Size		size = confirmed->npairs * sizeof(ConfirmedPair);
	bytea	   *properties = palloc(VARHDRSZ + size);

	SET_VARSIZE(properties, VARHDRSZ + size);
	if (size > 0)
		memcpy(VARDATA(properties), confirmed->pairs, size);
	return PointerGetDatum(properties);
}

static void
change_row(Relation table, TupleTableSlot *slot, const Confirmed *confirmed)
{
	bool		free_tuple;
	HeapTuple	old = ExecFetchSlotHeapTuple(slot, false, &free_tuple);
	Datum		values[CONFIRMED_COLUMNS] = {0};
	bool		isnull[CONFIRMED_COLUMNS] = {0};
	bool		replace[CONFIRMED_COLUMNS] = {0};

	values[CONFIRMED_AT] = TimestampTzGetDatum(confirmed->at);
	values[CONFIRMED_PROPERTIES] = pairs_datum(confirmed);
	replace[CONFIRMED_AT] = replace[CONFIRMED_PROPERTIES] = true;
	CatalogTupleUpdate(table, &old->t_self,
					   heap_modify_tuple(old, RelationGetDescr(table), values, isnull, replace));
	if (free_tuple)
		heap_freetuple(old);
}

static void
append_confirmed(Appender *append, const Confirmed *confirmed)
{
	Datum	   *values;
	bool	   *isnull;

	append_next(append, &values, &isnull);
	values[CONFIRMED_AT] = TimestampTzGetDatum(confirmed->at);
	values[CONFIRMED_SERVER] = ObjectIdGetDatum(confirmed->name.server);
	values[CONFIRMED_OBJECT] = object_datum(confirmed->name.object);
	values[CONFIRMED_RECORD_ID] = CStringGetTextDatum(confirmed->name.record_id);
	values[CONFIRMED_PROPERTIES] = pairs_datum(confirmed);
	memset(isnull, false, CONFIRMED_COLUMNS * sizeof(bool));
	(void) append_row(append);
}

static void
write_one(Relation table, RingScan *scan, Appender *append, Confirmed *confirmed)
{
	bool		found = find_row(scan, &confirmed->name);

	if (found && !confirmed->loaded)
		merge_row(confirmed, scan->slot);
	confirmed->loaded = true;
	if (found && confirmed->known)
		change_row(table, scan->slot, confirmed);
	else if (found)
		simple_heap_delete(table, &scan->slot->tts_tid);
	else if (confirmed->known)
		append_confirmed(append, confirmed);
}

static int
compare_names(const void *a, const void *b)
{
	const Confirmed *x = *(Confirmed *const *) a;
	const Confirmed *y = *(Confirmed *const *) b;

	if (x->name.server != y->name.server)
		return x->name.server < y->name.server ? -1 : 1;
	return strcmp(x->name.record_id, y->name.record_id);
}

void
confirmed_write(void)
{
	Confirmed **sorted;
	int			count = 0;
	dlist_iter	iter;
	Relation	table;
	Appender   *append;
	RingScan	scan;

	if (dlist_is_empty(&dirty))
		return;
	dlist_foreach(iter, &dirty)
		count++;
	sorted = palloc(sizeof(Confirmed *) * count);
	count = 0;
	dlist_foreach(iter, &dirty)
		sorted[count++] = dlist_container(Confirmed, node, iter.cur);
	/* In the index's order: many records share a page of the index. */
	qsort(sorted, count, sizeof(Confirmed *), compare_names);

	PushActiveSnapshot(GetTransactionSnapshot());
	table = table_open(ring_catalog(false)->confirmed, RowExclusiveLock);
	append = append_open(RelationGetRelid(table), WRITE_GROUP);
	open_scan(&scan);
	for (int i = 0; i < count; i++)
		write_one(table, &scan, append, sorted[i]);
	ring_scan_close(&scan);
	append_close(append);
	table_close(table, NoLock);
	PopActiveSnapshot();
	pfree(sorted);
}

void
confirmed_written(void)
{
	while (!dlist_is_empty(&dirty))
	{
		Confirmed  *confirmed = dlist_container(Confirmed, node, dlist_pop_head_node(&dirty));

		confirmed->dirty = false;
		drop_if_idle(confirmed);
	}
}
