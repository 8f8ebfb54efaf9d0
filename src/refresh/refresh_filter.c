/*
 * refresh_filter.c
 *		Finds the keys without a difference while the source is read.
 *
 * Created and used by refresh_source.c; refresh_compare.c reads the members that are
 * left, in the same transaction under the lock of the definition.
 *
 * A key is represented by a 64-bit hash with a new seed for each refresh.  The
 * probability that a new key collides with one of a million members is 1 in 10^13, and
 * the next refresh does not repeat the collision.
 *
 * Runs as the extension's owner.  Locks: ACCESS SHARE on hubspot.member.
 * Memory: one table, at most maintenance_work_mem, in the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "nodes/params.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/itemptr.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "refresh/refresh_filter.h"
#include "store/act_as.h"

typedef struct Entry
{
	uint64		hash;			/* of the key */
	int64		digest;
	ItemPointerData tid;
	bool		used;
	bool		open:1;			/* its last change has no verdict or failed: always compare */
	bool		met:1;			/* a row of the source had the key */
	bool		same:1;			/* ... with the same value */
} Entry;

struct RefreshFilter
{
	uint64		seed;
	uint64		mask;			/* # of places, a power of two, minus 1 */
	int64		room;			/* # of entries that fit */
	int64		nentries;		/* # of entries; more than room if they did not fit */
	Entry	   *entries;
};

/* Members whose last change failed, or went without what HubSpot lacked, are always compared. */
static const char *const members_sql =
"SELECT m.ctid, m.key, m.digest,"
" NOT m.present OR m.failed IS NOT NULL OR m.outbox_id IN (SELECT f.id FROM "
"hubspot.failed_sync_rows f) OR m.outbox_id IN (SELECT t.change_id FROM hubspot.sync_trouble t"
" WHERE t.report OPERATOR(pg_catalog.=) $2 AND t.lacks OPERATOR(pg_catalog.<>) '{}')"
" FROM hubspot.member m WHERE m.sync OPERATOR(pg_catalog.=) $1";

/* The place of a hash, or the free place for it. */
static Entry *
place_of(const RefreshFilter *filter, uint64 hash)
{
	uint64		i = hash & filter->mask;

	while (filter->entries[i].used && filter->entries[i].hash != hash)
		i = (i + 1) & filter->mask;
	return &filter->entries[i];
}

static uint64
hash_of(const RefreshFilter *filter, const char *key, int len)
{
	return hash_bytes_extended((const unsigned char *) key, len, filter->seed);
}

/* ---- filling ------------------------------------------------------------------------ */

typedef struct MemberReceiver
{
	DestReceiver receiver;
	RefreshFilter *filter;
} MemberReceiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_end(DestReceiver *self)
{
}

static bool
receive_member(TupleTableSlot *slot, DestReceiver *self)
{
	RefreshFilter *filter = ((MemberReceiver *) self)->filter;
	text	   *key;
	Entry	   *entry;

	slot_getallattrs(slot);
	key = DatumGetTextPP(slot->tts_values[1]);
	if (filter->nentries++ >= filter->room)
		return false;
	entry = place_of(filter, hash_of(filter, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)));
	entry->hash = hash_of(filter, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	entry->digest = DatumGetInt64(slot->tts_values[2]);
	entry->tid = *(ItemPointer) DatumGetPointer(slot->tts_values[0]);
	entry->used = true;
	entry->open = DatumGetBool(slot->tts_values[3]);
	entry->met = entry->same = false;
	if ((Pointer) key != DatumGetPointer(slot->tts_values[1]))
		pfree(key);
	return true;
}

static void
fill(RefreshFilter *filter, const Sync *sync)
{
	MemberReceiver receiver = {
		.receiver = {receive_member, receiver_startup, receiver_end, receiver_end, DestTuplestore},
		.filter = filter
	};
	SPIExecuteOptions options = {.must_return_tuples = true, .dest = &receiver.receiver};
	Identity	before;

	act_as_extension(&before);
	SPI_connect();
	options.params = makeParamList(2);
	for (int i = 0; i < 2; i++)
	{
		options.params->params[i].value = Int32GetDatum(i == 0 ? sync->id : sync->report);
		options.params->params[i].isnull = false;
		options.params->params[i].pflags = PARAM_FLAG_CONST;
		options.params->params[i].ptype = INT4OID;
	}
	if (statement_execute_extended(members_sql, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.member");
	SPI_finish();
	act_back(&before);
}

RefreshFilter *
refresh_filter_make(const Sync *sync, int64 members)
{
	uint64		places = pg_nextpower2_64(Max(members, 8) * 3 / 2);
	RefreshFilter *filter;

	if (places * sizeof(Entry) > (uint64) maintenance_work_mem * 1024)
		return NULL;
	filter = palloc(sizeof(RefreshFilter));
	filter->seed = pg_prng_uint64(&pg_global_prng_state);
	filter->mask = places - 1;
	filter->room = (int64) (places / 4 * 3);
	filter->nentries = 0;
	filter->entries =
		MemoryContextAllocExtended(CurrentMemoryContext, places * sizeof(Entry),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	fill(filter, sync);
	if (filter->nentries <= filter->room)
		return filter;
	pfree(filter->entries);
	return NULL;
}

/* ---- asking ------------------------------------------------------------------------- */

FilterAnswer
refresh_filter_test(RefreshFilter *filter, const char *key, int len, int64 digest)
{
	Entry	   *entry = place_of(filter, hash_of(filter, key, len));

	if (!entry->used)
		return FILTER_OTHER;
	if (entry->met)
		return FILTER_TWICE;
	entry->met = true;
	entry->same = !entry->open && entry->digest == digest;
	return entry->same ? FILTER_SAME : FILTER_OTHER;
}

Datum
refresh_filter_rest(const RefreshFilter *filter)
{
	int64		n = 0;
	Datum	   *tids;

	for (uint64 i = 0; i <= filter->mask; i++)
		n += filter->entries[i].used && !filter->entries[i].same;
	tids = MemoryContextAllocExtended(CurrentMemoryContext, Max(n, 1) * sizeof(Datum),
									  MCXT_ALLOC_HUGE);
	n = 0;
	for (uint64 i = 0; i <= filter->mask; i++)
		if (filter->entries[i].used && !filter->entries[i].same)
			tids[n++] = PointerGetDatum(&filter->entries[i].tid);
	return PointerGetDatum(construct_array(tids, n, TIDOID, sizeof(ItemPointerData), false,
										   TYPALIGN_SHORT));
}
