/*
 * fill.c
 *		The back-fill: rows that were in a table before it was followed.
 *
 * One transaction per chunk: read and lock rows (fill_read.c explains the locks), queue
 * them as a back-fill, store the position.  So a crash neither loses nor repeats a row.
 * Rows without a key are left out, and counted.
 *
 * Called by the refresher, inside its transactions.  Locks: that of the
 * definition's state (sync_lock()), and those of fill_read.c; none is waited
 * for longer than lock_timeout.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "base/clock.h"
#include "refresher/fill.h"
#include "refresher/fill_read.h"
#include "refresher/refresher_limit.h"
#include "sync/sync_row.h"

#define TELL_US			10000000	/* a row was locked for so long: say so */

/* How far a back-fill is: the fill_ columns of hubspot.sync_state. */
typedef struct Progress
{
	MemoryContext context;		/* of position */
	bool		is_open;
	bool		is_lacking;		/* see fill_lacking.c; then the position is its own */
	AttrNumber	order;			/* number of the column that the position is a value of; 0: at the
								 * beginning */
	char	   *position;
} Progress;

/* Parse a position: the number of the column, "=", the value. */
static void
read_position(Progress *progress, const char *text)
{
	const char *value = text != NULL ? strchr(text, '=') : NULL;

	if (value == NULL)
		return;
	progress->order = atoi(text);
	progress->position = MemoryContextStrdup(progress->context, value + 1);
}

static void
take_progress(void *arg)
{
	Progress   *progress = arg;

	bool		isnull;
	char	   *text;

	progress->is_open = SPI_processed == 1;
	if (!progress->is_open)
		return;
	text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	progress->is_lacking =
		DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	if (!progress->is_lacking)
		read_position(progress, text);
	else if (text != NULL)
		progress->position = MemoryContextStrdup(progress->context, text);
}

static Progress
read_progress(const Sync *sync)
{
	Progress	progress = {.context = CurrentMemoryContext};
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(sync->id);

	(void) sync_execute("SELECT fill_position, fill_lacking FROM hubspot.sync_state"
						" WHERE sync = $1 AND "
						"fill_started_at IS NOT NULL AND fill_finished_at IS NULL",
						1, &type, &value, NULL, take_progress, &progress);
	return progress;
}

#define NO_INDEX "no index leads with the key, so that each chunk of the back-fill reads " \
	"the whole table: CREATE INDEX ON "

/*
 * Store the position; at the beginning also the estimated number of rows, and why reading
 * is slow.
 */
static void
write_progress(const Sync *sync, Relation rel, bool begins, FillOrder order, const char *position,
			   bool finished, int64 rows)
{
	Oid			types[] = {INT4OID, TEXTOID, BOOLOID, INT8OID, INT8OID, TEXTOID};
	char		nulls[] =
	{' ', position != NULL ? ' ' : 'n', ' ', ' ', begins ? ' ' : 'n',
	order.is_indexed || finished ? 'n' : ' '};
	Datum		values[lengthof(types)] = {Int32GetDatum(sync->id)};

	if (position != NULL)
		values[1] = CStringGetTextDatum(psprintf("%d=%s", order.attnum, position));
	values[2] = BoolGetDatum(finished);
	values[3] = Int64GetDatum(rows);

	if (begins)
		values[4] = Int64GetDatum(fill_estimate(rel));
	if (nulls[5] == ' ')
	{
		char	   *schema = get_namespace_name(RelationGetNamespace(rel));
		const char *table = quote_qualified_identifier(schema, RelationGetRelationName(rel));
		Form_pg_attribute key = TupleDescAttr(RelationGetDescr(rel), order.attnum - 1);

		values[5] = CStringGetTextDatum(psprintf(NO_INDEX "%s (%s)", table,
												 quote_identifier(NameStr(key->attname))));
	}

	/*
	 * In the transaction that queued the rows: position and rows are committed together. A problem
	 * of another kind than NO_INDEX is not ours to remove.
	 */
	(void) sync_execute("UPDATE hubspot.sync_state SET fill_position = $2, "
						"fill_finished_at = CASE WHEN $3 THEN clock_timestamp() END,"
						" fill_rows = CASE WHEN $5 IS NULL THEN coalesce(fill_rows, 0) ELSE 0 END"
						" + $4, fill_total = coalesce($5, fill_total),"
						" failures = 0, failed_at = NULL, error = NULL, ran_at = clock_timestamp(),"
						" problem = CASE WHEN $6 IS NOT NULL THEN $6"
						" WHEN starts_with(problem, '" NO_INDEX "') THEN NULL ELSE problem END"
						" WHERE sync = $1",
						lengthof(types), types, values, nulls, NULL, NULL);
}

/* Receives the rows of fill_read(). */
typedef struct Rows
{
	SyncRows   *rows;
	int64		count;
} Rows;

static void
queue_row(TupleTableSlot *slot, Datum value, void *arg)
{
	Rows	   *rows = arg;
	int64		id = sync_rows_queue(rows->rows, slot);

	if (id != 0)
		fill_add(id);
	rows->count++;
}

/* Another session changes a row of this chunk: try again soon, and report it if that goes on. */
static void
wait_for_row(Relation rel)
{
	if (fill_contested(clock_us()) > TELL_US)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the back-fill waits for a transaction that has locked rows "
						"of table \"%s\"", RelationGetRelationName(rel)),
				 errhint("pg_stat_activity and pg_prepared_xacts show old transactions.")));
}

static void
fill_table(const Sync *sync, Relation rel, const Progress *progress)
{
	Rows		rows = {sync_rows_begin(sync, rel), 0};
	FillOrder	order = fill_choose_order(sync, rel);
	char	   *position;
	bool		begins;
	FillOutcome outcome;
	int64		nulls = 0;

	/*
	 * After an index was created or dropped the column may be another one: a position in the old
	 * order means nothing, so the back-fill begins again.
	 */
	position = progress->order == order.attnum ? progress->position : NULL;
	begins = position == NULL;
	outcome = fill_read(sync, rel, order.attnum, &position, queue_row, &rows, &nulls);
	sync_rows_pass_over(rows.rows, nulls);
	sync_rows_end(rows.rows);
	if (outcome == FILL_CONTESTED)
		wait_for_row(rel);
	else
		write_progress(sync, rel, begins, order, position, outcome == FILL_FINISHED, rows.count);
}

void
fill_step(const ScheduleItem *item)
{
	Sync	   *sync = sync_load_by_id(item->sync, true);
	Progress	progress;
	Relation	rel;

	if (sync == NULL || sync->held != NULL || !sync->follows)
		return;
	if (!sync_lock(sync, false))
	{
		(void) fill_contested(clock_us());
		return;
	}
	progress = read_progress(sync);
	if (!progress.is_open)
		return;					/* it was finished since the list of tasks was read */

	/*
	 * Before the table is read, like in refresh_run(): an owner who may no longer queue must not
	 * keep others waiting.
	 */
	account_check_usage(account_resolve(sync->server), sync_need_owner(sync));
	refresher_limit(sync);
	rel = try_relation_open(sync->relation, RowShareLock);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" does not exist any more", sync->source),
				 errhint("hubspot_resync(%s) looks it up anew.", quote_literal_cstr(sync->name))));
	if (!progress.is_lacking)
		fill_table(sync, rel, &progress);
	else if (!fill_lacking(sync, rel, progress.position))
		wait_for_row(rel);
	relation_close(rel, NoLock);
	refresher_unlimit();
}
