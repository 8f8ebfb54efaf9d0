/*
 * company_contact.c
 *		Which contacts belong to which company, and since when: hubspot.company_contact.
 *
 * Written by enqueue.c in the user's backend and transaction.  Each call that puts a contact into a
 * company, or takes it out, appends a row; of the rows of a pair the one with the highest
 * outbox_id counts, as HubSpot gets the calls in this order.  So no session needs to see what
 * another one has not committed, and none waits for another.  The pairs of a group of calls are
 * looked for in the order of the index and written together, without a plan; the caller needs no
 * right on the table.  Only the worker deletes rows: what newer rows of the pair have replaced,
 * company_contact_trim() removes.
 *
 * Locks: ACCESS SHARE on the table and its index, ROW EXCLUSIVE on the table, until the end of the
 * transaction.  Memory: a context of its own, of the size of one group.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "ring/ring.h"
#include "store/append.h"
#include "store/company_contact.h"

/* Columns of hubspot.company_contact, in the order of the script. */
enum PairColumn
{
	PAIR_HASH, PAIR_OUTBOX_ID, PAIR_CALLED_AT, PAIR_SINCE, PAIR_UNTIL, PAIR_SERVER, PAIR_COMPANY,
	PAIR_CONTACT_PROPERTY, PAIR_CONTACT
#define PAIR_COLUMNS (PAIR_CONTACT + 1)
};

typedef struct Pair
{
	int64		hash;
	int64		outbox_id;		/* of the call's row */
	TimestampTz called_at;
	TimestampTz since;			/* 0: not known */
	bool		leaves;
	const char *company;
	const char *contact_property;	/* or NULL */
	const char *contact;
} Pair;

struct CompanyContacts
{
	MemoryContext context;		/* of this struct */
	MemoryContext texts;		/* of the pairs not written yet */
	const char *server;			/* its name */
	int			capacity;
	int			count;
	Pair		pairs[FLEXIBLE_ARRAY_MEMBER];
};

CompanyContacts *
company_contact_begin(const char *server, int capacity)
{
	CompanyContacts *pairs = palloc(offsetof(CompanyContacts, pairs) + sizeof(Pair) * capacity);

	pairs->context = CurrentMemoryContext;
	pairs->texts =
		AllocSetContextCreate(pairs->context, "hubspot contacts of companies",
							  ALLOCSET_SMALL_SIZES);
	pairs->server = server;
	pairs->capacity = capacity;
	pairs->count = 0;
	return pairs;
}

static uint32
hash_text(const char *text)
{
	return hash_bytes((const unsigned char *) text, strlen(text));
}

/*
 * The contact's hash comes first, so that all pairs of a contact stand side by side in the index.
 */
static int64
hash_pair(const CompanyContacts *pairs, const Pair *pair)
{
	uint32		rest = hash_combine(hash_text(pairs->server), hash_text(pair->company));

	if (pair->contact_property != NULL)
		rest = hash_combine(rest, hash_text(pair->contact_property));
	return (int64) ((uint64) hash_text(pair->contact) << 32 | rest);
}

static int
compare_texts(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int
compare_pairs(const void *a, const void *b)
{
	const Pair *x = a;
	const Pair *y = b;
	int			order = (x->hash > y->hash) - (x->hash < y->hash);

	if (order == 0)
		order = strcmp(x->contact, y->contact);
	if (order == 0)
		order = strcmp(x->company, y->company);
	if (order == 0)
		order = compare_texts(x->contact_property, y->contact_property);
	return order;
}

/* Pairs, and the calls about one pair in their order. */
static int
compare_calls(const void *a, const void *b)
{
	const Pair *x = a;
	const Pair *y = b;
	int			order = compare_pairs(a, b);

	return order != 0 ? order : (x->outbox_id > y->outbox_id) - (x->outbox_id < y->outbox_id);
}

/* Whether a text column of the present row has this value; NULL equals NULL. */
static bool
column_is(TupleTableSlot *slot, int column, const char *value)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, column + 1, &isnull);
	text	   *there;

	if (isnull || value == NULL)
		return isnull && value == NULL;
	there = DatumGetTextPP(datum);
	return VARSIZE_ANY_EXHDR(there) == strlen(value) &&
		memcmp(VARDATA_ANY(there), value, strlen(value)) == 0;
}

static int64
column_int64(TupleTableSlot *slot, int column)
{
	bool		isnull;

	/* A timestamptz is passed as an int8. */
	return DatumGetInt64(slot_getattr(slot, column + 1, &isnull));
}

static bool
column_is_null(TupleTableSlot *slot, int column)
{
	return slot_attisnull(slot, column + 1);
}

/* Since when the table has the contact in the company; 0: it does not. */
static TimestampTz
find_since(const CompanyContacts *pairs, const Pair *pair, IndexScanDesc scan, TupleTableSlot *slot)
{
	TimestampTz since = 0;
	int64		newest = -1;
	TimestampTz newest_at = 0;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(pair->hash));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		int64		outbox_id = column_int64(slot, PAIR_OUTBOX_ID);
		TimestampTz called_at = column_int64(slot, PAIR_CALLED_AT);

		/*
		 * The pair's state at this row: what later rows wrote does not count, and of the earlier
		 * ones the last does. A hash may be that of another pair, so all its parts are compared.
		 */
		if (outbox_id > pair->outbox_id || outbox_id < newest ||
			(outbox_id == newest && called_at <= newest_at) ||
			!column_is(slot, PAIR_CONTACT, pair->contact) ||
			!column_is(slot, PAIR_COMPANY, pair->company) ||
			!column_is(slot, PAIR_CONTACT_PROPERTY, pair->contact_property) ||
			!column_is(slot, PAIR_SERVER, pairs->server))
			continue;
		newest = outbox_id;
		newest_at = called_at;
		since = column_is_null(slot, PAIR_UNTIL) && !column_is_null(slot, PAIR_SINCE)
			? column_int64(slot, PAIR_SINCE) : 0;
	}
	return since;
}

static void
append_pair(const CompanyContacts *pairs, const Pair *pair, Appender *append)
{
	Datum	   *values;
	bool	   *isnull;

	append_next(append, &values, &isnull);
	memset(isnull, false, sizeof(bool) * PAIR_COLUMNS);
	values[PAIR_HASH] = Int64GetDatum(pair->hash);
	values[PAIR_OUTBOX_ID] = Int64GetDatum(pair->outbox_id);
	values[PAIR_CALLED_AT] = TimestampTzGetDatum(pair->called_at);
	values[PAIR_SINCE] = TimestampTzGetDatum(pair->since);
	isnull[PAIR_SINCE] = pair->since == 0;
	values[PAIR_UNTIL] = TimestampTzGetDatum(pair->called_at);
	isnull[PAIR_UNTIL] = !pair->leaves;
	values[PAIR_SERVER] = CStringGetTextDatum(pairs->server);
	values[PAIR_COMPANY] = CStringGetTextDatum(pair->company);
	if (pair->contact_property != NULL)
		values[PAIR_CONTACT_PROPERTY] = CStringGetTextDatum(pair->contact_property);
	else
		isnull[PAIR_CONTACT_PROPERTY] = true;
	values[PAIR_CONTACT] = CStringGetTextDatum(pair->contact);
	(void) append_row(append);
}

/*
 * Of the calls about one pair the last one says what is so.  Move these to the front, with the time
 * from which on they hold; returns their number.
 */
static int
choose_last(CompanyContacts *pairs, const Catalog *catalog)
{
	/* sees what this transaction has written, but not what others have not committed */
	Relation	heap = table_open(catalog->company_contact, AccessShareLock);
	Relation	index = index_open(catalog->company_contact_pair_hash, AccessShareLock);
	IndexScanDesc scan = index_beginscan(heap, index, SnapshotSelf, NULL, 1, 0, SO_NONE);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	int			chosen = 0;
	TimestampTz since = 0;

	for (int i = 0; i < pairs->count; i++)
	{
		Pair	   *pair = &pairs->pairs[i];

		/* The table is asked for the first call of a pair; the others follow from that one. */
		if (i == 0 || compare_pairs(pair, &pairs->pairs[i - 1]) != 0)
			since = find_since(pairs, pair, scan, slot);
		if (since == 0 && !pair->leaves)
			since = pair->called_at;
		pair->since = since;
		if (pair->leaves)
			since = 0;
		if (i + 1 == pairs->count || compare_pairs(pair, &pairs->pairs[i + 1]) != 0)
			pairs->pairs[chosen++] = *pair;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return chosen;
}

static void
write_pairs(CompanyContacts *pairs)
{
	const Catalog *catalog = ring_catalog(false);
	MemoryContext old = MemoryContextSwitchTo(pairs->texts);
	Appender   *append;
	int			chosen;

	qsort(pairs->pairs, pairs->count, sizeof(Pair), compare_calls);
	chosen = choose_last(pairs, catalog);
	append = append_open(catalog->company_contact, chosen);
	for (int i = 0; i < chosen; i++)
		append_pair(pairs, &pairs->pairs[i], append);
	append_close(append);
	MemoryContextSwitchTo(old);
	MemoryContextReset(pairs->texts);
	pairs->count = 0;
}

void
company_contact_add(CompanyContacts *pairs, const MessageKey *company, const MessageKey *contact,
					int64 outbox_id, bool leaves)
{
	Pair	   *pair = &pairs->pairs[pairs->count];
	MemoryContext old = MemoryContextSwitchTo(pairs->texts);

	pair->company = pstrdup(company->key);
	pair->contact_property = contact->property != NULL ? pstrdup(contact->property) : NULL;
	pair->contact = pstrdup(contact->key);
	MemoryContextSwitchTo(old);
	pair->hash = hash_pair(pairs, pair);
	pair->outbox_id = outbox_id;
	pair->called_at = GetCurrentTimestamp();
	pair->leaves = leaves;
	pairs->count++;
	if (pairs->count == pairs->capacity)
		write_pairs(pairs);
}

void
company_contact_end(CompanyContacts *pairs)
{
	if (pairs->count > 0)
		write_pairs(pairs);
	MemoryContextDelete(pairs->texts);
	pfree(pairs);
}

/* ---- a contact is gone ---------------------------------------------------------------- */

void
company_contact_remove(const char *server, const char *contact)
{
	const Catalog *catalog = ring_catalog(false);
	Relation	heap = table_open(catalog->company_contact, RowExclusiveLock);
	Relation	index = index_open(catalog->company_contact_pair_hash, AccessShareLock);
	IndexScanDesc scan = index_beginscan(heap, index, SnapshotSelf, NULL, 2, 0, SO_NONE);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	uint64		first = (uint64) hash_text(contact) << 32;
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum((int64) first));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum((int64) (first | PG_UINT32_MAX)));
	index_rescan(scan, keys, 2, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
		if (column_is(slot, PAIR_CONTACT, contact) && column_is(slot, PAIR_SERVER, server))
			simple_heap_delete(heap, &slot->tts_tid);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(heap, NoLock);
}

/* Reads the whole record map: the map's index is by userId, and here the address is given. */
static const char *const all_keys =
"SELECT s.srvname::pg_catalog.text, g.key FROM ("
" SELECT a.server, a.key FROM ROWS FROM (unnest($1), unnest($2)) a(server, key)"
" UNION SELECT r.server, r.key FROM ROWS FROM (unnest($1), unnest($2)) a(server, key)"
" JOIN hubspot.record r ON r.server = a.server AND r.record_id = a.key"
" WHERE r.object = 'contact' AND r.key_property = 'userId'"
" AND NOT EXISTS (SELECT FROM hubspot.record y WHERE y.key_hash = r.key_hash AND y.key = r.key"
" AND y.server = r.server AND y.object = r.object AND y.key_property = r.key_property"
" AND y.told_by > r.told_by)) g"
" JOIN pg_catalog.pg_foreign_server s ON s.oid = g.server";

void
company_contact_remove_all(Datum servers, Datum contacts)
{
	Oid			types[] = {OIDARRAYOID, TEXTARRAYOID};
	Datum		values[] = {servers, contacts};

	SPI_connect();
	if (statement_execute(all_keys, lengthof(types), types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.record");
	for (uint64 i = 0; i < SPI_processed; i++)
		company_contact_remove(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1),
							   SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2));
	SPI_finish();
}

/* ---- what newer rows have replaced -------------------------------------------------------- */

#define TRIM_BLOCKS	512			/* of the table, at a time */

static const char *const trim_sql =
"DELETE FROM hubspot.company_contact o WHERE o.ctid >= $1 AND o.ctid < $2 AND o.until IS NULL"
" AND EXISTS (SELECT FROM hubspot.company_contact n WHERE n.pair_hash = o.pair_hash"
"  AND n.contact = o.contact AND n.company = o.company AND n.server = o.server"
"  AND n.contact_property IS NOT DISTINCT FROM o.contact_property"
"  AND (n.outbox_id, n.called_at) > (o.outbox_id, o.called_at))";

static bool has_grown = true;	/* since the trimming began */
static BlockNumber next_block = InvalidBlockNumber; /* Invalid: not begun */

void
company_contact_grew(void)
{
	has_grown = true;
}

/* Block numbers as the range of ctids that they are. */
static Datum
first_of_block(BlockNumber block)
{
	ItemPointer tid = palloc(sizeof(ItemPointerData));

	ItemPointerSet(tid, block, 0);
	return PointerGetDatum(tid);
}

void
company_contact_trim(void)
{
	Oid			types[] = {TIDOID, TIDOID};
	Datum		values[2];
	Relation	heap;
	BlockNumber nblocks;

	if (next_block == InvalidBlockNumber && !has_grown)
		return;
	heap = table_open(ring_catalog(false)->company_contact, AccessShareLock);
	nblocks = RelationGetNumberOfBlocks(heap);
	table_close(heap, NoLock);
	if (next_block == InvalidBlockNumber)
	{
		/* What comes from now on is looked at the next time. */
		next_block = 0;
		has_grown = false;
	}
	values[0] = first_of_block(next_block);
	values[1] = first_of_block(next_block + TRIM_BLOCKS);
	SPI_connect();
	if (statement_execute_chunk(trim_sql, lengthof(types), types, values, NULL, false) !=
		SPI_OK_DELETE)
		elog(ERROR, "could not trim hubspot.company_contact");
	SPI_finish();
	next_block = next_block + TRIM_BLOCKS < nblocks ? next_block + TRIM_BLOCKS : InvalidBlockNumber;
}
