/*
 * fill_lacking.c
 *		The back-fill of what HubSpot lacked: a property, or an option, that it has by now.
 *
 * Of a followed table: the records in hubspot.sync_trouble that went without it are read again from
 * the table by their keys, as rows are now, and sent with the columns that were left out, or whole
 * if they did not arrive at all.  A record whose row has gone is passed over.  Like every back-fill
 * it has a transaction for each chunk, and the locks that fill_read.c explains.
 *
 * Called by fill.c, in its transaction.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "refresher/fill.h"
#include "refresher/fill_read.h"
#include "refresh/lacking.h"
#include "sync/sync_row.h"

/* A record that lacked something. */
typedef struct Lacker
{
	char	   *value;			/* of the key's column, as text */
	List	   *names;			/* columns to be sent; NIL: all */
} Lacker;

typedef struct Chunk
{
	MemoryContext context;
	int			nread;			/* # of records, also of those without a value */
	char	   *position;		/* key of the last one */
	int			nlackers;
	Lacker	   *lackers;		/* ordered by value */
	LackingColumns *columns;
	SyncRows   *rows;
	int64		queued;
} Chunk;

/* ---- records -------------------------------------------------------------------------- */

/*
 * $1 sync.report, $2 its object, $3 the SERVER's oid, $4 the position, $5 how many, $6 the key's
 * path in a message, $7 whether the record's key may stand for the column's value.
 *
 * A userId's record may be known by an address, and an address be spelled another way in the table:
 * the message has the value as the table has it.
 */
static const char *const lackers_sql =
"SELECT t.key, coalesce((SELECT o.message #>> $6 FROM hubspot.outbox o"
"  WHERE o.id = t.outbox_id LIMIT 1),"
" CASE WHEN $7 THEN t.key END), CASE WHEN t.category IS NULL THEN t.left_out END"
" FROM hubspot.sync_trouble t"
" WHERE t.report = $1 AND t.object = $2 AND ($4 IS NULL OR t.key > $4)"
" AND " LACKED_IS_THERE("$3", "")
" ORDER BY t.key LIMIT $5";

static int
compare_lackers(const void *a, const void *b)
{
	return strcmp(((const Lacker *) a)->value, ((const Lacker *) b)->value);
}

static void
take_lackers(void *arg)
{
	Chunk	   *chunk = arg;
	MemoryContext old = MemoryContextSwitchTo(chunk->context);

	chunk->nread = SPI_processed;
	chunk->nlackers = 0;
	chunk->lackers = palloc(sizeof(Lacker) * (chunk->nread + 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		char	   *value = SPI_getvalue(tuple, desc, 2);
		Lacker	   *lacker = &chunk->lackers[chunk->nlackers];
		bool		isnull;
		Datum		left_out = SPI_getbinval(tuple, desc, 3, &isnull);

		chunk->position = pstrdup(SPI_getvalue(tuple, desc, 1));
		if (value == NULL)
			continue;
		lacker->value = pstrdup(value);
		lacker->names = isnull ? NIL : lacking_choose(chunk->columns, left_out);
		chunk->nlackers++;
	}
	MemoryContextSwitchTo(old);
	qsort(chunk->lackers, chunk->nlackers, sizeof(Lacker), compare_lackers);
}

static bool
is_text(Relation rel, AttrNumber attnum)
{
	Oid			type = getBaseType(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid);

	return TypeCategory(type) == TYPCATEGORY_STRING;
}

static void
read_lackers(const Sync *sync, Relation rel, const char *position, int most, Chunk *chunk)
{
	Oid			types[] = {INT4OID, TEXTOID, OIDOID, TEXTOID, INT4OID, TEXTARRAYOID, BOOLOID};
	Datum		values[lengthof(types)] = {Int32GetDatum(sync->report)};
	char		nulls[] = "       ";

	values[1] = CStringGetTextDatum(object_types[sync->object].name);
	values[2] = ObjectIdGetDatum(account_resolve(sync->server));
	if (position != NULL)
		values[3] = CStringGetTextDatum(position);
	else
		nulls[3] = 'n';
	values[4] = Int32GetDatum(most);
	values[5] = sync_rows_key_path(chunk->rows);
	values[6] = BoolGetDatum(is_text(rel, fill_key(sync, rel)));
	(void) sync_execute(lackers_sql, lengthof(types), types, values, nulls, take_lackers, chunk);
}

static Datum
values_of(const Chunk *chunk)
{
	Datum	   *values = palloc(sizeof(Datum) * (chunk->nlackers + 1));

	for (int i = 0; i < chunk->nlackers; i++)
		values[i] = CStringGetTextDatum(chunk->lackers[i].value);
	return PointerGetDatum(construct_array(values, chunk->nlackers, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* A value may be spelled another way than in the message, as 1.0 for 1: then the row goes whole. */
static void
queue_row(TupleTableSlot *slot, Datum value, void *arg)
{
	Chunk	   *chunk = arg;
	Lacker		wanted = {TextDatumGetCString(value), NIL};
	const Lacker *found = bsearch(&wanted, chunk->lackers, chunk->nlackers, sizeof(Lacker),
								  compare_lackers);
	int64		id;

	sync_rows_choose(chunk->rows, found == NULL ? NIL : found->names);
	id = sync_rows_queue(chunk->rows, slot);
	if (id == 0)
		return;
	fill_add(id);
	chunk->queued++;
}

static void
write_progress(const Sync *sync, const Chunk *chunk, bool finished)
{
	Oid			types[] = {INT4OID, TEXTOID, BOOLOID, INT8OID};
	Datum		values[lengthof(types)] = {Int32GetDatum(sync->id)};
	char		nulls[] = "    ";

	if (chunk->position != NULL)
		values[1] = CStringGetTextDatum(chunk->position);
	else
		nulls[1] = 'n';
	values[2] = BoolGetDatum(finished);
	values[3] = Int64GetDatum(chunk->queued);
	(void) sync_execute("UPDATE hubspot.sync_state SET fill_position = $2,"
						" fill_finished_at = CASE WHEN $3 THEN clock_timestamp() END,"
						" fill_rows = coalesce(fill_rows, 0) + $4,"
						" failures = 0, failed_at = NULL, error = NULL, ran_at = clock_timestamp()"
						" WHERE sync = $1",
						lengthof(types), types, values, nulls, NULL, NULL);
}

bool
fill_lacking(const Sync *sync, Relation rel, const char *position)
{
	Chunk		chunk = {.context = CurrentMemoryContext, .rows = sync_rows_begin(sync, rel)};
	FillOrder	order = fill_choose_order(sync, rel);
	bool		by_index = order.is_indexed && order.attnum == fill_key(sync, rel);
	int			most = by_index ? FILL_CHUNK : FILL_GROUP;
	FillOutcome outcome = FILL_READ;

	chunk.columns = lacking_columns(sync);
	for (;;)
	{
		read_lackers(sync, rel, position, most, &chunk);
		if (chunk.nlackers > 0)
			outcome = fill_read_keys(sync, rel, values_of(&chunk), queue_row, &chunk);
		if (outcome != FILL_TOO_MANY)
			break;
		/* a key need not be unique: fewer of them have fewer rows */
		most = Max(chunk.nread / 2, 1);
		outcome = FILL_READ;
	}
	sync_rows_end(chunk.rows);
	if (outcome != FILL_CONTESTED)
		write_progress(sync, &chunk, chunk.nread < most);
	return outcome != FILL_CONTESTED;
}
