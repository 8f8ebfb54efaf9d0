/*
 * record_map.c
 *		Maps keys to HubSpot's records.
 *
 * Keys come in random order, so each one touches another page of the index.  So they are
 * collected for longer than verdicts and written in order, many per page.  A checkpoint
 * waits for them.  After a crash, entries since the checkpoint are learnt again from the
 * results, see admit_remember().
 *
 * Locks: ROW EXCLUSIVE on hubspot.record, until the caller's commit.  Memory:
 * one context, reset when the transaction has committed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "message/message.h"
#include "message/object_type.h"
#include "ring/ring.h"
#include "store/append.h"
#include "store/company_contact.h"
#include "store/record_map.h"

#define MAP_ENTRIES		32768	/* # of entries that make a flush */
#define MAP_FULL		(4 * MAP_ENTRIES)
#define MAP_WAIT_US		1000000 /* longest wait of an entry while others come in */
#define MAX_TOLD		16		/* tellings that are kept of one userId, the youngest; more while
								 * there are rows that may need them */
#define MAP_GROUP		200		/* rows handed to the table at once */

/* Columns of hubspot.record, in the order of the script. */
enum RecordColumn
{
	RECORD_KEY_HASH, RECORD_SERVER, RECORD_OBJECT, RECORD_RECORD_ID, RECORD_KEY_PROPERTY,
	RECORD_KEY, RECORD_TOLD_BY
#define RECORD_COLUMNS (RECORD_TOLD_BY + 1)
};

typedef struct MapEntry
{
	int			number;			/* number, in the order of the answers */
	int			previous;		/* number of the entry before it of the same name; -1: none */
	bool		is_new;			/* HubSpot has just created it */
	bool		archived;		/* a contact that belongs to no company any more */
	int64		key_hash;		/* as hashtextextended(key, 0) computes it */
	Oid			server;
	Object		object;
	char	   *key_property;
	char	   *key;
	char	   *record_id;		/* NULL: the record does not exist any more */
	int64		told_by;		/* of a userId: the row that told its address, which is the
								 * record_id; else 0 */
	int64		told_up_to;		/* the highest of these ids, of this entry and those before it */
} MapEntry;

/* What a row told of a userId, in the table or not yet. */
typedef struct Telling
{
	int64		told_by;
	const char *address;
	const MapEntry *entry;		/* NULL: in the table, there */
	ItemPointerData tid;
	bool		goes;			/* is not kept */
} Telling;

/* The position of a key's last entry that is not written. */
typedef struct PlaceEntry
{
	uint64		name;			/* hash of everything that identifies a key */
	int			place;
	char		status;
} PlaceEntry;

#define SH_PREFIX places
#define SH_ELEMENT_TYPE PlaceEntry
#define SH_KEY_TYPE uint64
#define SH_KEY name
#define SH_HASH_KEY(table, key) ((uint32) ((key) ^ ((key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MemoryContext context;
static MapEntry *entries;
static int	nentries,
			entries_size;
static int64 oldest_at;			/* when the first of them came */
static places_hash *by_name;	/* NULL when there are none */
static int64 settled;			/* no row up to this id is still to come */
static RecordMapTold tells;		/* NULL: nobody wants to know */

void
record_map_init(void)
{
	context = AllocSetContextCreate(TopMemoryContext, "hubspot record map", ALLOCSET_DEFAULT_SIZES);
	record_map_written();
}

void
record_map_written(void)
{
	MemoryContextReset(context);
	entries = NULL;
	by_name = NULL;
	nentries = entries_size = 0;
}

/* As hashtextextended(key, 0) computes it. */
static int64
hash_key(const char *key)
{
	return (int64) DatumGetUInt64(hash_any_extended((const unsigned char *) key, strlen(key), 0));
}

static MapEntry *
next_entry(int64 now)
{
	if (nentries == 0)
		oldest_at = now;
	if (nentries == entries_size)
	{
		entries_size = entries_size == 0 ? 256 : entries_size * 2;
		entries = entries == NULL ? MemoryContextAlloc(context, entries_size * sizeof(MapEntry))
			: repalloc(entries, entries_size * sizeof(MapEntry));
	}
	entries[nentries].number = nentries;
	return &entries[nentries++];
}

static uint64
hash_name(const MapEntry *entry)
{
	const char *property = entry->key_property;
	uint64		hash = hash_combine64(entry->key_hash, entry->server);

	hash = hash_combine64(hash, entry->object);
	return hash_combine64(hash, hash_bytes((const unsigned char *) property, strlen(property)));
}

static MapEntry *
add_hashed(int64 key_hash, Oid server, Object object, const char *key_property, const char *key,
		   const char *record_id, bool is_new, int64 now)
{
	MapEntry   *entry = next_entry(now);
	PlaceEntry *place;
	bool		found;

	entry->key_hash = key_hash;
	entry->is_new = is_new;
	entry->archived = false;
	entry->server = server;
	entry->object = object;
	entry->key_property = MemoryContextStrdup(context, key_property);
	entry->key = MemoryContextStrdup(context, key);
	entry->record_id = record_id != NULL ? MemoryContextStrdup(context, record_id) : NULL;
	entry->told_by = entry->told_up_to = 0;
	if (by_name == NULL)
		by_name = places_create(context, 512, NULL);
	place = places_insert(by_name, hash_name(entry), &found);
	entry->previous = found ? place->place : -1;
	place->place = entry->number;
	return entry;
}

static MapEntry *
add_entry(Oid server, Object object, const char *key_property, const char *key,
		  const char *record_id, bool is_new, int64 now)
{
	return add_hashed(hash_key(key), server, object, key_property, key, record_id, is_new, now);
}

void
record_map_add(Oid server, Object object, const char *key_property, const char *key,
			   const char *record_id, bool is_new, int64 now)
{
	(void) add_entry(server, object, key_property, key, record_id, is_new, now);
	if (tells != NULL)
		tells(server, object, key_property, key);
}

void
record_map_tells(RecordMapTold told)
{
	tells = told;
}

void
record_map_remove(Oid server, Object object, const char *key_property, const char *key, int64 now)
{
	(void) add_entry(server, object, key_property, key, NULL, false, now);
}

void
record_map_archive(Oid server, const char *key_property, const char *key, int64 now)
{
	add_entry(server, OBJECT_IS_CONTACT, key_property, key, NULL, false, now)->archived = true;
}

bool
record_map_is_full(void)
{
	return nentries >= MAP_FULL;
}

bool
record_map_is_due(int64 now, bool idle)
{
	return nentries > 0 && (idle || nentries >= MAP_ENTRIES || now - oldest_at >= MAP_WAIT_US);
}

bool
record_map_is_empty(void)
{
	return nentries == 0;
}

typedef struct RecordTable
{
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	Appender   *append;
	const Catalog *catalog;
	int			ngroup;			/* # of rows given to the appender */
	const MapEntry *group[MAP_GROUP];
} RecordTable;

/* Whether a text column of the row at hand has this value. */
static bool
column_is(TupleTableSlot *slot, int column, const char *value)
{
	bool		isnull;
	text	   *there = DatumGetTextPP(slot_getattr(slot, column + 1, &isnull));

	return VARSIZE_ANY_EXHDR(there) == strlen(value) &&
		memcmp(VARDATA_ANY(there), value, strlen(value)) == 0;
}

/* The next row of the key that is searched; it stays in the slot until the next search. */
static bool
next_record(RecordTable *table, const MapEntry *record)
{
	bool		isnull;

	while (index_getnext_slot(table->scan, ForwardScanDirection, table->slot))
		if (column_is(table->slot, RECORD_KEY, record->key) &&
			column_is(table->slot, RECORD_KEY_PROPERTY, record->key_property) &&
			DatumGetObjectId(slot_getattr(table->slot, RECORD_SERVER + 1, &isnull)) ==
			record->server &&
			column_is(table->slot, RECORD_OBJECT, object_types[record->object].name))
			return true;
	return false;
}

static bool
find_record(RecordTable *table, const MapEntry *record)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(record->key_hash));
	index_rescan(table->scan, &key, 1, NULL, 0);
	return next_record(table, record);
}

/* The key's record has changed: HubSpot merged records, which is rare. */
static void
change_record(RecordTable *table, const MapEntry *record)
{
	bool		free_tuple;
	HeapTuple	old = ExecFetchSlotHeapTuple(table->slot, false, &free_tuple);
	Datum		values[RECORD_COLUMNS] = {0};
	bool		isnull[RECORD_COLUMNS] = {0};
	bool		replace[RECORD_COLUMNS] = {0};

	values[RECORD_RECORD_ID] = CStringGetTextDatum(record->record_id);
	replace[RECORD_RECORD_ID] = true;
	CatalogTupleUpdate(table->heap, &old->t_self,
					   heap_modify_tuple(old, RelationGetDescr(table->heap), values, isnull,
										 replace));
	if (free_tuple)
		heap_freetuple(old);
}

static void
delete_record(RecordTable *table, const MapEntry *record)
{
	for (bool found = find_record(table, record); found; found = next_record(table, record))
		simple_heap_delete(table->heap, &table->slot->tts_tid);
}

/*
 * The rows just written are usually new to the index.  If one may not be new, HubSpot has
 * deleted the record that the key had before, and so does the map.  Of a userId there may be
 * several.
 */
static void
settle(RecordTable *table)
{
	for (int i = 0; i < table->ngroup; i++)
		if (table->group[i]->told_by == 0 && append_may_be_duplicate(table->append, i))
			delete_record(table, table->group[i]);
	table->ngroup = 0;
}

static void
append_record(RecordTable *table, const MapEntry *record)
{
	Datum	   *values;
	bool	   *isnull;

	append_next(table->append, &values, &isnull);
	values[RECORD_KEY_HASH] = Int64GetDatum(record->key_hash);
	values[RECORD_SERVER] = ObjectIdGetDatum(record->server);
	values[RECORD_OBJECT] = object_datum(record->object);
	values[RECORD_RECORD_ID] = CStringGetTextDatum(record->record_id);
	values[RECORD_KEY_PROPERTY] = CStringGetTextDatum(record->key_property);
	values[RECORD_KEY] = CStringGetTextDatum(record->key);
	values[RECORD_TOLD_BY] = Int64GetDatum(record->told_by);
	memset(isnull, false, RECORD_COLUMNS * sizeof(bool));
	isnull[RECORD_TOLD_BY] = record->told_by == 0;
	table->group[table->ngroup++] = record;
	if (append_row(table->append))
		settle(table);
}

/* Which of the tellings of a userId counts for a row. */
typedef struct Told
{
	int64		before;			/* the row's id */
	int64		told_by;		/* of the best so far; 0: none */
	char	   *address;
} Told;

static bool
is_better(const Told *told, int64 told_by)
{
	if (told->told_by == 0)
		return true;
	return told_by < told->before ? told->told_by >= told->before || told_by > told->told_by
		: told->told_by >= told->before && told_by < told->told_by;
}

static int64
told_by_of(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		told_by = slot_getattr(slot, RECORD_TOLD_BY + 1, &isnull);

	return isnull ? 0 : DatumGetInt64(told_by);
}

/* Look at what the table has of the userId. */
static void
find_told(RecordTable *table, const MapEntry *wanted, Told *told)
{
	bool		isnull;

	for (bool found = find_record(table, wanted); found; found = next_record(table, wanted))
	{
		int64		told_by = told_by_of(table->slot);

		if (!is_better(told, told_by))
			continue;
		told->told_by = told_by;
		told->address =
			TextDatumGetCString(slot_getattr(table->slot, RECORD_RECORD_ID + 1, &isnull));
	}
}

/* ---- what was told of a userId, written ------------------------------------------------- */

/* By the row that told; what the table has of a row stays. */
static int
compare_tellings(const void *a, const void *b)
{
	const Telling *x = a;
	const Telling *y = b;

	if (x->told_by != y->told_by)
		return x->told_by < y->told_by ? -1 : 1;
	return (x->entry != NULL) - (y->entry != NULL);
}

/* All that was told of a userId, by the entries and in the table, sorted. */
static Telling *
gather_tellings(RecordTable *table, const MapEntry *const *told, int ntold, int *n)
{
	int			size = ntold + MAX_TOLD;
	Telling    *tellings = palloc0(sizeof(Telling) * size);
	bool		isnull;

	for (*n = 0; *n < ntold; (*n)++)
	{
		tellings[*n].told_by = told[*n]->told_by;
		tellings[*n].address = told[*n]->record_id;
		tellings[*n].entry = told[*n];
	}

	/* The table's as well: what is told again may be dropped only beside all that was told. */
	for (bool found = find_record(table, told[0]); found; found = next_record(table, told[0]))
	{
		Telling    *telling;

		if (*n == size)
			tellings = repalloc(tellings, sizeof(Telling) * (size *= 2));
		telling = &tellings[(*n)++];
		telling->told_by = told_by_of(table->slot);
		telling->address =
			TextDatumGetCString(slot_getattr(table->slot, RECORD_RECORD_ID + 1, &isnull));
		telling->entry = NULL;
		telling->tid = table->slot->tts_tid;
		telling->goes = false;
	}
	qsort(tellings, *n, sizeof(Telling), compare_tellings);
	return tellings;
}

/*
 * Of a userId that is told very often: of one contact, told by row after row, the first and the
 * last stay; then the youngest do, and what counts for rows that may yet ask.  These stand behind
 * the last one that has ended.
 */
static void
bound_tellings(Telling *tellings, int n, const MapEntry *of, const RecordMapRows *rows)
{
	const Telling *before = NULL;
	int			left = 0;
	int64		ended;

	for (int i = 0; i < n; i++)
		left += !tellings[i].goes;
	for (int i = 0; i < n && left > MAX_TOLD; i++)
	{
		int			next = i + 1;

		if (tellings[i].goes)
			continue;
		while (next < n && tellings[next].goes)
			next++;

		/*
		 * Between two of the same contact a third says nothing that a row after the first does not
		 * know.
		 */
		if (before != NULL && next < n && strcmp(before->address, tellings[i].address) == 0 &&
			strcmp(tellings[next].address, tellings[i].address) == 0)
		{
			tellings[i].goes = true;
			left--;
		}
		else
			before = &tellings[i];
	}
	if (left <= MAX_TOLD)
		return;
	ended = rows->await_user_id(of->server, of->key) ? 0 : rows->ended;
	before = NULL;
	for (int i = 0; i < n && left > MAX_TOLD; i++)
		if (!tellings[i].goes)
		{
			Telling    *telling = &tellings[i];

			/* another one takes its place for all rows behind that */
			if (telling->told_by > ended)
				break;
			if (before != NULL)
			{
				unconstify(Telling *, before)->goes = true;
				left--;
			}
			before = telling;
		}
}

/*
 * A row has told again what was told before it, as most do: that need not be kept, but for rows
 * between the two that are still to come and may tell something else.
 */
static void
choose_tellings(Telling *tellings, int n, const MapEntry *of, const RecordMapRows *rows)
{
	const Telling *before = NULL;

	for (int i = 0; i < n; i++)
	{
		if (before != NULL && (before->told_by == tellings[i].told_by ||
							   (tellings[i].told_by <= settled &&
								strcmp(before->address, tellings[i].address) == 0)))
			tellings[i].goes = true;
		else
			before = &tellings[i];
	}
	bound_tellings(tellings, n, of, rows);
}

/* What rows have told of one userId. */
static void
write_told(RecordTable *table, const MapEntry *const *told, int ntold, const RecordMapRows *rows)
{
	int			n;
	Telling    *tellings = gather_tellings(table, told, ntold, &n);

	choose_tellings(tellings, n, told[0], rows);
	for (int i = 0; i < n; i++)
	{
		if (tellings[i].entry == NULL && tellings[i].goes)
			simple_heap_delete(table->heap, &tellings[i].tid);
		else if (tellings[i].entry != NULL && !tellings[i].goes)
			append_record(table, tellings[i].entry);
	}
	pfree(tellings);
}

/* A record that HubSpot has just created needs no look-up. */
static void
write_record(RecordTable *table, const MapEntry *record)
{
	if (record->record_id == NULL)
		delete_record(table, record);
	else if (record->is_new || !find_record(table, record))
		append_record(table, record);
	else if (!column_is(table->slot, RECORD_RECORD_ID, record->record_id))
		change_record(table, record);
}

static int
compare_keys(const MapEntry *x, const MapEntry *y)
{
	int			order = x->key_hash < y->key_hash ? -1 : x->key_hash > y->key_hash;

	if (order == 0)
		order = strcmp(x->key, y->key);
	if (order == 0)
		order = strcmp(x->key_property, y->key_property);
	if (order == 0)
		order = x->server < y->server ? -1 : x->server > y->server;
	if (order == 0)
		order = (int) x->object - (int) y->object;
	return order;
}

static int
compare_entries(const void *a, const void *b)
{
	const MapEntry *x = *(const MapEntry *const *) a;
	const MapEntry *y = *(const MapEntry *const *) b;
	int			order = compare_keys(x, y);

	return order != 0 ? order : x->number - y->number;
}

static void
open_table(RecordTable *table, LOCKMODE mode)
{
	table->catalog = ring_catalog(false);
	table->ngroup = 0;
	table->heap = table_open(table->catalog->record, mode);
	table->index = index_open(table->catalog->record_key_hash, AccessShareLock);
	table->scan =
		index_beginscan(table->heap, table->index, GetActiveSnapshot(), NULL, 1, 0, SO_NONE);
	table->slot = table_slot_create(table->heap, NULL);
}

static void
close_table(RecordTable *table)
{
	index_endscan(table->scan);
	ExecDropSingleTupleTableSlot(table->slot);
	index_close(table->index, AccessShareLock);
	table_close(table->heap, NoLock);
}

/* The table during look-ups; opened when the first of them needs it. */
static RecordTable looked_into;
static bool is_looking;
static MemoryContext looks_in;	/* of record_map_open(): a look-up's may end before the next */

void
record_map_open(void)
{
	is_looking = false;
	looks_in = CurrentMemoryContext;
}

void
record_map_close(void)
{
	if (is_looking)
		close_table(&looked_into);
	is_looking = false;
}

/* An entry to be looked for. */
static MapEntry
name_of(Oid server, Object object, const char *key_property, const char *key)
{
	MapEntry	wanted = {.key_hash = hash_key(key), .server = server, .object = object,
	.key_property = unconstify(char *, key_property), .key = unconstify(char *, key)};

	return wanted;
}

/* The last unwritten entry of this name, or NULL. */
static const MapEntry *
find_entry(const MapEntry *wanted)
{
	PlaceEntry *place = by_name == NULL ? NULL : places_lookup(by_name, hash_name(wanted));
	const MapEntry *entry = place == NULL ? NULL : &entries[place->place];

	return entry != NULL && compare_keys(entry, wanted) == 0 ? entry : NULL;
}

void
record_map_tell(Oid server, const char *user_id, const char *address, int64 told_by, int64 now)
{
	MapEntry	wanted = name_of(server, OBJECT_IS_CONTACT, MESSAGE_USER_ID, user_id);
	const MapEntry *last = find_entry(&wanted);

	MapEntry   *entry;
	int64		told_up_to = last == NULL ? 0 : last->told_up_to;

	if (last != NULL && last->told_by == told_by && strcmp(last->record_id, address) == 0)
		return;
	entry = add_hashed(wanted.key_hash, server, OBJECT_IS_CONTACT, MESSAGE_USER_ID, user_id,
					   address, false, now);
	entry->told_by = told_by;
	entry->told_up_to = Max(told_up_to, told_by);
	if (tells != NULL)
		tells(server, OBJECT_IS_CONTACT, MESSAGE_USER_ID, user_id);
}

void
record_map_settle(int64 id)
{
	settled = id;
}

static void
look_into_table(void)
{
	MemoryContext old = MemoryContextSwitchTo(looks_in);

	if (!is_looking)
		open_table(&looked_into, AccessShareLock);
	is_looking = true;
	MemoryContextSwitchTo(old);
}

char *
record_map_find_told(Oid server, const char *user_id, int64 before, int64 *told_by)
{
	MapEntry	wanted = name_of(server, OBJECT_IS_CONTACT, MESSAGE_USER_ID, user_id);
	Told		told = {.before = before};
	const MapEntry *entry = find_entry(&wanted);

	/* rows tell in the order of their ids, as a rule: then the first look is the last */
	for (; entry != NULL && (told.told_by == 0 || told.told_by >= before ||
							 told.told_by < entry->told_up_to);
		 entry = entry->previous < 0 ? NULL : &entries[entry->previous])
		if (compare_keys(entry, &wanted) == 0 && is_better(&told, entry->told_by))
		{
			told.told_by = entry->told_by;
			told.address = entry->record_id;
		}
	look_into_table();
	find_told(&looked_into, &wanted, &told);
	if (told_by != NULL)
		*told_by = told.told_by;
	return told.told_by == 0 ? NULL : pstrdup(told.address);
}

char *
record_map_find(Oid server, Object object, const char *key_property, const char *key)
{
	MapEntry	wanted = name_of(server, object, key_property, key);
	const MapEntry *entry = find_entry(&wanted);
	bool		isnull;

	if (entry != NULL)
		return entry->record_id != NULL ? pstrdup(entry->record_id) : NULL;
	look_into_table();
	/* a key that is a record's id names the record, unless HubSpot has given that another id */
	if (!find_record(&looked_into, &wanted))
		return object_key_is_record_id(key_property) ? pstrdup(key) : NULL;
	return TextDatumGetCString(slot_getattr(looked_into.slot, RECORD_RECORD_ID + 1, &isnull));
}

char *
record_map_look_up(Oid server, Object object, const char *key_property, const char *key)
{
	char	   *id;

	record_map_open();
	if (strcmp(key_property, MESSAGE_USER_ID) != 0)
		id = record_map_find(server, object, key_property, key);
	else
	{
		id = record_map_find_told(server, key, PG_INT64_MAX, NULL);
		if (id != NULL)
			id = record_map_find(server, object, "email", id);
	}
	record_map_close();
	return id;
}

/* Contacts that were archived, and not created again since, leave their companies. */
static void
write_archived(const MapEntry *const *sorted)
{
	ArrayBuildState *servers = NULL;
	ArrayBuildState *keys = NULL;

	if (ring_is_empty(ring_catalog(false)->company_contact))
		return;
	for (int i = 0; i < nentries; i++)
		if (sorted[i]->archived &&
			(i + 1 == nentries || compare_keys(sorted[i], sorted[i + 1]) != 0))
		{
			servers =
				accumArrayResult(servers, ObjectIdGetDatum(sorted[i]->server), false, OIDOID,
								 CurrentMemoryContext);
			keys = accumArrayResult(keys, CStringGetTextDatum(sorted[i]->key), false, TEXTOID,
									CurrentMemoryContext);
		}
	if (keys != NULL)
		company_contact_remove_all(makeArrayResult(servers, CurrentMemoryContext),
								   makeArrayResult(keys, CurrentMemoryContext));
}

void
record_map_write(const RecordMapRows *rows)
{
	RecordTable table;
	const MapEntry **sorted;

	if (nentries == 0)
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	sorted = palloc(sizeof(MapEntry *) * nentries);
	for (int i = 0; i < nentries; i++)
		sorted[i] = &entries[i];
	qsort(sorted, nentries, sizeof(MapEntry *), compare_entries);
	open_table(&table, RowExclusiveLock);
	table.append = append_open(table.catalog->record, MAP_GROUP);
	append_watch_duplicates(table.append);

	/*
	 * The sort is by key, then by order of the answers: the last answer about a key counts; of
	 * what rows told of a userId, each.
	 */
	for (int first = 0, next; first < nentries; first = next)
	{
		for (next = first + 1; next < nentries; next++)
			if (compare_keys(sorted[first], sorted[next]) != 0)
				break;
		if (sorted[first]->told_by != 0)
			write_told(&table, &sorted[first], next - first, rows);
		else
			write_record(&table, sorted[next - 1]);
	}

	append_flush(table.append);
	settle(&table);
	append_close(table.append);
	close_table(&table);
	write_archived(sorted);
	PopActiveSnapshot();
	pfree(sorted);
}
