/*
 * command.c
 *		What hubspot_cancel() and hubspot_retry() ask of the worker.
 *
 * A command to cancel is carried out at three places: at once for rows in the window, for
 * deferred rows as soon as the table has all of them (defer_lags()), and for each row that
 * enters the window, until all rows that the command can mean have been read.  Rows in a
 * request, and rows that HubSpot may have processed, are not cancelled.
 *
 * Locks: ACCESS SHARE, and ROW EXCLUSIVE for the removal, on hubspot.command.
 * Memory: a context for each command, below "hubspot work".
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "admit/admit.h"
#include "admit/cancel.h"
#include "backend/statement.h"
#include "base/worker_context.h"
#include "read/command.h"
#include "read/outbox_reader.h"
#include "request/batch.h"
#include "ring/ring.h"
#include "wait/defer.h"

static int64 last_command;		/* commands up to this number have been read */
static List *to_deferred;		/* commands (of Command) not yet carried out for deferred rows */
static List *done;				/* those to be removed from the table */

/* ---- rows that are there ---------------------------------------------------------- */

static bool
means_row(const Row *row, const void *command)
{
	const Lane *lane = row->key->lane;
	Subject		subject = {
		.id = row->id, .server = lane->account->server,
		.call = ring_catalog(false)->call[row->call],
		.object = object_types[lane->family].name, .key = row->key->key,
		.backfill = row->backfill
	};

	return !row_was_sent(row) && cancel_means(command, &subject);
}

static void
cancel_rows(const Command *command)
{
	dlist_mutable_iter iter;

	batch_dissolve(means_row, command);
	dlist_foreach_modify(iter, &window.rows)
	{
		Row		   *row = dlist_container(Row, order, iter.cur);

		if (row->state == ROW_WAITS && means_row(row, command))
			batch_end_waiting(row, cancel_refusal.verdict, cancel_refusal.category,
							  cancel_refusal.message);
	}
}

/*
 * Carry out a command for a row of hubspot.deferred, which has all columns that a command
 * can name.
 */
static void
carry_out_for_deferred(const Command *command, const DeferredRow *row)
{
	Subject		subject = {
		.id = row->id, .server = row->server, .call = row->call, .object = row->object,
		.key = row->text,
		.backfill = row->backfill
	};
	WorkKey    *key = cancel_means(command, &subject) ? defer_key(row) : NULL;

	if (key != NULL && command->cancels)
		defer_end_row(key, row->id, cancel_refusal.verdict, cancel_refusal.category,
					  cancel_refusal.message);
	else if (key != NULL)
		defer_recall(key);
}

/* ---- the table ------------------------------------------------------------------------- */

/* Columns of the query below. */
enum CommandColumn
{
	COMMAND_ID = 1, COMMAND_CANCELS, COMMAND_LAST_ID, COMMAND_IDS, COMMAND_SERVER, COMMAND_CALL,
	COMMAND_OBJECT,
	COMMAND_KEY, COMMAND_BACKFILL
};

static Datum
column(int row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static Oid
oid_column(int row, int number)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

static char *
text_column(int row, int number)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number);
}

static void
read_ids(Command *command, ArrayType *array)
{
	Datum	   *elements;
	int			count;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements,
					  NULL, &count);
	command->ids = MemoryContextAlloc(command->context, sizeof(int64) * Max(count, 1));
	command->nids = count;
	for (int i = 0; i < count; i++)
		command->ids[i] = DatumGetInt64(elements[i]);
	qsort(command->ids, count, sizeof(int64), ring_compare_ids);
}

static Command *
read_command(int row)
{
	MemoryContext context =
	AllocSetContextCreate(WorkerContext, "hubspot command", ALLOCSET_SMALL_SIZES);
	Command    *command = MemoryContextAllocZero(context, sizeof(Command));
	bool		isnull;
	Datum		value;
	char	   *object = text_column(row, COMMAND_OBJECT);
	char	   *key = text_column(row, COMMAND_KEY);

	command->context = context;
	command->looks = reader_looks();
	command->id = DatumGetInt64(column(row, COMMAND_ID, &isnull));
	command->cancels = DatumGetBool(column(row, COMMAND_CANCELS, &isnull));
	command->last_id = DatumGetInt64(column(row, COMMAND_LAST_ID, &isnull));
	value = column(row, COMMAND_IDS, &isnull);
	if (!isnull)
		read_ids(command, DatumGetArrayTypeP(value));
	command->server = oid_column(row, COMMAND_SERVER);
	command->call = oid_column(row, COMMAND_CALL);
	command->object = object == NULL ? NULL : MemoryContextStrdup(context, object);
	command->key = key == NULL ? NULL : MemoryContextStrdup(context, key);
	value = column(row, COMMAND_BACKFILL, &isnull);
	command->backfill = isnull ? -1 : DatumGetBool(value);
	return command;
}

static void
remember(List **list, Command *command)
{
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);

	*list = lappend(*list, command);
	MemoryContextSwitchTo(old);
}

static void
read_commands(void)
{
	Oid			type = INT8OID;
	Datum		value = Int64GetDatum(last_command);

	if (statement_execute("SELECT id, cancels, last_id, ids, server, call, object, key, "
						  "backfill FROM hubspot.command"
						  " WHERE id > $1 ORDER BY id", 1, &type, &value, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.command");
	for (int i = 0; i < SPI_processed; i++)
	{
		Command    *command = read_command(i);

		CHECK_FOR_INTERRUPTS();
		if (command->cancels)
		{
			cancel_rows(command);
			remember(&cancel_commands, command);
		}
		remember(&to_deferred, command);

		/*
		 * One by one: if an error ends the transaction, the commands that were carried out are not
		 * repeated.
		 */
		last_command = command->id;
	}
}

/* A row that was deferred this moment has no copy yet, and would not be found. */
static void
look_at_deferred(void)
{
	List	   *deferred;
	ListCell   *cell;

	if (to_deferred == NIL || defer_lags())
		return;
	/* Read once, for all commands of this look. */
	deferred = defer_rows();
	while (to_deferred != NIL)
	{
		Command    *command = linitial(to_deferred);

		CHECK_FOR_INTERRUPTS();
		foreach(cell, deferred)
			carry_out_for_deferred(command, lfirst(cell));
		to_deferred = list_delete_first(to_deferred);
		if (!command->cancels)
			remember(&done, command);
	}
}

void
command_look(void)
{
	/* No query while the table has no pages, as it is almost always. */
	if (ring_is_empty(ring_catalog(false)->command))
		return;
	SPI_connect();
	read_commands();
	look_at_deferred();
	SPI_finish();
}

bool
command_wants_look(void)
{
	return to_deferred != NIL && !defer_lags();
}

bool
command_is_done(void)
{
	ListCell   *cell;

	foreach(cell, cancel_commands)
	{
		Command    *command = lfirst(cell);

		if (!reader_has_read(command->last_id, command->looks) ||
			list_member_ptr(to_deferred, command))
			continue;
		cancel_commands = foreach_delete_current(cancel_commands, cell);
		remember(&done, command);
	}
	return done != NIL;
}

void
command_write(void)
{
	Oid			type = INT8ARRAYOID;
	int64	   *ids = palloc(sizeof(int64) * list_length(done));
	Datum		array;
	int			n = 0;
	ListCell   *cell;

	foreach(cell, done)
		ids[n++] = ((Command *) lfirst(cell))->id;
	array = statement_ids(ids, n);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (statement_execute("DELETE FROM hubspot.command WHERE id = ANY ($1)", 1, &type, &array, NULL,
						  false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not remove what hubspot_cancel() or hubspot_retry() has asked for");
	SPI_finish();
	PopActiveSnapshot();
}

void
command_written(void)
{
	ListCell   *cell;

	foreach(cell, done)
		MemoryContextDelete(((Command *) lfirst(cell))->context);
	list_free(done);
	done = NIL;
}
