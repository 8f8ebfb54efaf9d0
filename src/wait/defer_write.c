/*
 * defer_write.c
 *		Changes of hubspot.deferred and hubspot.dead, on their way into the tables.
 *
 * Copies are made by SQL from the outbox, where a row still is when it fails
 * for the first time, in the transaction that writes verdicts.  If that fails,
 * everything is still here and is written later.
 *
 * Memory: changes not yet written in a context of their own.  Locks: ROW
 * EXCLUSIVE on hubspot.deferred and hubspot.dead until the caller's commit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "ring/outbox.h"
#include "store/ack.h"
#include "text/encoding.h"
#include "wait/defer.h"
#include "wait/defer_write.h"

#define CHANGE_WAIT_US	200000	/* longest wait of a change while others come in */

static MemoryContext context;	/* of the changes */
static List *changes;			/* of Change */
static int	ncopies;			/* of them, those that make or change a copy */
static int64 oldest_at;			/* when the first of them was noted */

void
defer_init(void)
{
	context = AllocSetContextCreate(TopMemoryContext, "hubspot deferrals", ALLOCSET_SMALL_SIZES);
}

Change *
defer_change(ChangeKind kind, int64 id)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Change	   *change = palloc0(sizeof(Change));

	change->kind = kind;
	change->id = id;
	if (changes == NIL)
		oldest_at = clock_us();
	changes = lappend(changes, change);
	ncopies += kind == CHANGE_WAIT;
	MemoryContextSwitchTo(old);
	return change;
}

char *
defer_text(const char *text)
{
	return encoding_bounded(context, text, ACK_MAX_MESSAGE);
}

/* ---- the table ------------------------------------------------------------------------ */

bool
defer_has_changes(void)
{
	return changes != NIL;
}

bool
defer_is_due(int64 now, bool idle, int64 *wait_us)
{
	*wait_us = changes == NIL ? -1 : Max(oldest_at + CHANGE_WAIT_US - now, 0);
	return changes != NIL && (idle || *wait_us == 0);
}

bool
defer_lags(void)
{
	return ncopies > 0;
}

/* The changes of some kinds, column by column. */
enum ChangeParameter
{
	CHANGED_ID, CHANGED_ATTEMPT, CHANGED_LOST, CHANGED_STATUS, CHANGED_WAIT, CHANGED_REQUEST,
	CHANGED_CATEGORY, CHANGED_MESSAGE, CHANGED_FAILED_AT
#define CHANGE_PARAMETERS (CHANGED_FAILED_AT + 1)
};

typedef struct ChangeArrays
{
	int			n;
	Datum	   *values[CHANGE_PARAMETERS];
	bool	   *nulls[CHANGE_PARAMETERS];
} ChangeArrays;

static void
put_text(ChangeArrays *arrays, int column, const char *text)
{
	arrays->nulls[column][arrays->n] = text == NULL;
	arrays->values[column][arrays->n] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
collect(ChangeArrays *arrays, ChangeKind kind)
{
	ListCell   *cell;

	arrays->n = 0;
	for (int i = 0; i < CHANGE_PARAMETERS; i++)
	{
		arrays->values[i] = palloc(sizeof(Datum) * list_length(changes));
		arrays->nulls[i] = palloc0(sizeof(bool) * list_length(changes));
	}
	foreach(cell, changes)
	{
		const Change *change = lfirst(cell);

		if (change->kind != kind)
			continue;
		arrays->values[CHANGED_ID][arrays->n] = Int64GetDatum(change->id);
		arrays->values[CHANGED_ATTEMPT][arrays->n] = Int32GetDatum(change->attempt);
		arrays->values[CHANGED_LOST][arrays->n] = BoolGetDatum(change->lost);
		arrays->values[CHANGED_STATUS][arrays->n] = Int32GetDatum(change->status);
		arrays->values[CHANGED_WAIT][arrays->n] = Int64GetDatum(change->wait_s);
		arrays->nulls[CHANGED_REQUEST][arrays->n] = change->request == NULL;

		/* The request's id is drawn when the log is written, which the caller has done. */
		arrays->values[CHANGED_REQUEST][arrays->n] =
			Int64GetDatum(change->request == NULL ? 0 : change->request->id);
		put_text(arrays, CHANGED_CATEGORY, change->category);
		put_text(arrays, CHANGED_MESSAGE, change->message);
		arrays->values[CHANGED_FAILED_AT][arrays->n] = TimestampTzGetDatum(change->failed_at);
		arrays->n++;
	}
}

/* Run a statement whose parameters are the arrays, the first nparameters of them. */
static void
execute(const ChangeArrays *arrays, int nparameters, const char *sql)
{
	static const struct
	{
		Oid			element;
		Oid			array;
		int16		len;
		bool		by_value;
		char		align;
	}			columns[CHANGE_PARAMETERS] =
	{
		[CHANGED_ID] = {INT8OID, INT8ARRAYOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE},
		[CHANGED_ATTEMPT] = {INT4OID, INT4ARRAYOID, 4, true, TYPALIGN_INT},
		[CHANGED_LOST] = {BOOLOID, BOOLARRAYOID, 1, true, TYPALIGN_CHAR},
		[CHANGED_STATUS] = {INT4OID, INT4ARRAYOID, 4, true, TYPALIGN_INT},
		[CHANGED_WAIT] = {INT8OID, INT8ARRAYOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE},
		[CHANGED_REQUEST] = {INT8OID, INT8ARRAYOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE},
		[CHANGED_CATEGORY] = {TEXTOID, TEXTARRAYOID, -1, false, TYPALIGN_INT},
		[CHANGED_MESSAGE] = {TEXTOID, TEXTARRAYOID, -1, false, TYPALIGN_INT},
		[CHANGED_FAILED_AT] = {TIMESTAMPTZOID, TIMESTAMPTZARRAYOID, 8, FLOAT8PASSBYVAL,
		TYPALIGN_DOUBLE},
	};
	Oid			types[CHANGE_PARAMETERS];
	Datum		values[CHANGE_PARAMETERS];
	int			lower_bound = 1;
	int			n = arrays->n;

	if (n == 0)
		return;
	for (int i = 0; i < nparameters; i++)
	{
		types[i] = columns[i].array;
		values[i] =
			PointerGetDatum(construct_md_array(arrays->values[i], arrays->nulls[i], 1, &n,
											   &lower_bound,
											   columns[i].element, columns[i].len,
											   columns[i].by_value, columns[i].align));
	}
	/* One statement for all rows of a kind: a failed batch may defer hundreds. */
	if (statement_execute(sql, nparameters, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not write hubspot.deferred");
}

#define CHANGED \
	"unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)" \
	" AS d(id, attempt, lost, status, wait_s, request_id, category, message, failed_at)"
#define FAULT_COLUMNS \
	"attempt, lost, next_try_at, http_status, category, last_error, request_id, failed_at"
#define FAULT_OF_CHANGE \
	"d.attempt, d.lost, d.failed_at + d.wait_s * interval '1 second', nullif(d.status, 0)," \
	" d.category, d.message, d.request_id, d.failed_at"

/* A row that waits again is there; one that waits for the first time is copied from the outbox. */
static const char *const write_waiting[] = {
	"UPDATE hubspot.deferred r SET (" FAULT_COLUMNS ") = (SELECT " FAULT_OF_CHANGE
	") FROM " CHANGED " WHERE r.id = d.id",
	"INSERT INTO hubspot.deferred (" OUTBOX_COLUMN_NAMES ", " FAULT_COLUMNS ")"
	" SELECT o.*, " FAULT_OF_CHANGE " FROM " CHANGED " JOIN hubspot.outbox o ON o.id = d.id"
	" WHERE NOT EXISTS (SELECT FROM hubspot.deferred r WHERE r.id = d.id)",
};

static const char *const write_dead[] = {
	"INSERT INTO hubspot.dead (" OUTBOX_COLUMN_NAMES
	", attempt, http_status, category, last_error, request_id, failed_at)"
	" SELECT o.*, d.attempt, nullif(d.status, 0), d.category, d.message, d.request_id, d.failed_at"
	" FROM " CHANGED " JOIN LATERAL (SELECT " OUTBOX_COLUMN_NAMES
	" FROM hubspot.deferred r WHERE r.id = d.id UNION ALL"
	" SELECT " OUTBOX_COLUMN_NAMES " FROM hubspot.outbox x WHERE x.id = d.id LIMIT 1) o ON true",
	"DELETE FROM hubspot.deferred r USING " CHANGED " WHERE r.id = d.id",
};

void
defer_write(void)
{
	ChangeArrays arrays;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	collect(&arrays, CHANGE_WAIT);
	for (int i = 0; i < lengthof(write_waiting); i++)
		execute(&arrays, CHANGE_PARAMETERS, write_waiting[i]);
	collect(&arrays, CHANGE_DEAD);
	for (int i = 0; i < lengthof(write_dead); i++)
		execute(&arrays, CHANGE_PARAMETERS, write_dead[i]);
	collect(&arrays, CHANGE_ENDED);
	execute(&arrays, 1, "DELETE FROM hubspot.deferred WHERE id = ANY ($1)");
	SPI_finish();
	PopActiveSnapshot();
}

void
defer_written(void)
{
	MemoryContextReset(context);
	changes = NIL;
	ncopies = 0;
}
