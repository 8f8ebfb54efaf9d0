/*
 * waits_for.c
 *		What a row waits for, for hubspot.outbox_status.
 *
 * hubspot.waits_for() is called for each row of the view that is neither done
 * nor under way.  Its first call of a query copies what the worker tells of lanes and
 * of keys that wait; the others look it up there.  The nearest reason is given:
 *
 *	0	a worker, where none runs
 *	1	what the row's key waits for; but where that is an answer about earlier
 *		rows of the key, and the lane waits, too, the lane's: the answer comes
 *		when the lane goes on
 *	2	what the lane waits for: a limit, a token, whoever paused it
 *	3	that the row has not been read, or is left on disk for a while
 *
 * NULL: nothing but its turn, or for less than a second.
 *
 * A key is named to those who may read keys; others are told what kind it is.
 * Memory: the copies, as long as the query.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "account/lane.h"
#include "cluster/shared_lanes.h"
#include "inspect/rights.h"
#include "message/object_type.h"
#include "queue/key.h"

PG_FUNCTION_INFO_V1(hubspot_waits_for);

/* Arguments of the function. */
enum WaitsForArgument
{
	ARG_ID, ARG_SERVER, ARG_OBJECT, ARG_KEY_PROPERTY, ARG_KEY, ARG_BACKFILL
};

typedef struct Told
{
	bool		has_worker;
	bool		with_names;
	LaneReport *lanes;			/* by SERVER and object */
	int			nlanes;
	KeyReport  *by_id;
	KeyReport  *by_hash;
	int			nkeys;
} Told;

static int
compare_lanes(const void *a, const void *b)
{
	const LaneReport *x = a;
	const LaneReport *y = b;

	return x->server != y->server
		? (x->server < y->server ? -1 : 1) : (x->object > y->object) - (x->object < y->object);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = ((const KeyReport *) a)->id;
	int64		y = ((const KeyReport *) b)->id;

	return x < y ? -1 : x > y;
}

static int
compare_hashes(const void *a, const void *b)
{
	const KeyReport *x = a;
	const KeyReport *y = b;

	if (x->key_hash != y->key_hash)
		return x->key_hash < y->key_hash ? -1 : 1;
	return x->server != y->server
		? (x->server < y->server ? -1 : 1) : (x->object > y->object) - (x->object < y->object);
}

static Told *
copy_told(void)
{
	WorkerSlot *slot = hubspot_shared == NULL ? NULL : shared_find_slot(MyDatabaseId);
	Told	   *told = palloc0(sizeof(Told));

	told->with_names = rights_may_read_keys(GetUserId());
	told->has_worker = slot != NULL && pg_atomic_read_u32(&slot->procno) != 0;
	if (told->has_worker)
		told->lanes = shared_lanes_copy_keys(slot, &told->nlanes, &told->by_id, &told->nkeys);
	if (told->lanes == NULL)
		return told;
	told->by_hash = palloc(Max(sizeof(KeyReport) * told->nkeys, 1));
	memcpy(told->by_hash, told->by_id, sizeof(KeyReport) * told->nkeys);
	qsort(told->lanes, told->nlanes, sizeof(LaneReport), compare_lanes);
	qsort(told->by_id, told->nkeys, sizeof(KeyReport), compare_ids);
	qsort(told->by_hash, told->nkeys, sizeof(KeyReport), compare_hashes);
	return told;
}

static Told *
told_of(FmgrInfo *function)
{
	if (function->fn_extra == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(function->fn_mcxt);

		function->fn_extra = copy_told();
		MemoryContextSwitchTo(old);
	}
	return function->fn_extra;
}

/*
 * The oldest row of a key is told by its id; what comes behind it, or is left on disk, by their
 * key.  The key is the caller's word: who may not read keys could learn by guessing whose rows
 * wait.  So the function tells those roles of oldest rows only.
 */
static const KeyReport *
find_key(const Told *told, const KeyReport *wanted)
{
	const KeyReport *found;

	if (told->nkeys == 0)
		return NULL;
	found = wanted->id == 0 ? NULL
		: bsearch(wanted, told->by_id, told->nkeys, sizeof(KeyReport), compare_ids);
	if (found != NULL || !told->with_names)
		return found;
	return bsearch(wanted, told->by_hash, told->nkeys, sizeof(KeyReport), compare_hashes);
}

static char *
lane_words(const LaneReport *lane)
{
	const char *words = lane_waits_for((LaneEvent) lane->event);

	if (words == NULL || lane->until == 0)
		return words == NULL ? NULL : pstrdup(words);
	return psprintf("%s until %s", words,
					timestamptz_to_str(lane->until - lane->until % USECS_PER_SEC));
}

static const char *
words_of(const Told *told, const KeyReport *wanted, bool backfill)
{
	LaneReport	where = {.server = wanted->server, .object = wanted->object};
	const KeyReport *key = find_key(told, wanted);
	const LaneReport *lane = told->nlanes == 0 ? NULL :
	bsearch(&where, told->lanes, told->nlanes, sizeof(LaneReport), compare_lanes);
	const char *words = lane != NULL ? lane_words(lane) : NULL;

	if (!told->has_worker)
		return lane_waits_for(EVENT_STOPPED);
	if (key != NULL && (words == NULL || key->state != KEY_IN_BATCH))
		return key_wait_words(key, told->with_names);
	if (words != NULL)
		return words;
	if (lane == NULL || wanted->id > lane->read_id)
		return "not read yet";
	if (backfill && lane->parked_from != 0 && wanted->id >= lane->parked_from)
		return "its turn in the back-fill";
	return lane->hides_keys ? "not told: too many rows wait for others" : NULL;
}

Datum
hubspot_waits_for(PG_FUNCTION_ARGS)
{
	KeyReport	wanted = {0};
	const char *name;
	const char *property = NULL;
	const char *words;

	if (PG_ARGISNULL(ARG_ID) || PG_ARGISNULL(ARG_SERVER) || PG_ARGISNULL(ARG_OBJECT) ||
		PG_ARGISNULL(ARG_KEY))
		PG_RETURN_NULL();
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_OBJECT));
	if (!object_find_code(name, strlen(name), &wanted.object))
		PG_RETURN_NULL();
	wanted.id = PG_GETARG_INT64(ARG_ID);
	wanted.server = PG_GETARG_OID(ARG_SERVER);
	if (!PG_ARGISNULL(ARG_KEY_PROPERTY))
		property = text_to_cstring(PG_GETARG_TEXT_PP(ARG_KEY_PROPERTY));
	wanted.key_hash = shared_key_hash(property, text_to_cstring(PG_GETARG_TEXT_PP(ARG_KEY)));
	words = words_of(told_of(fcinfo->flinfo), &wanted,
					 !PG_ARGISNULL(ARG_BACKFILL) && PG_GETARG_BOOL(ARG_BACKFILL));
	if (words == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(words));
}
