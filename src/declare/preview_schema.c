/*
 * preview_schema.c
 *		Before a preview: what HubSpot has not told yet is asked for.
 *
 * Called by the previews, in the user's session.  The session asks no network: the worker is told
 * through shared memory (a row of the outbox would be seen at commit only), reads the schema in the
 * background, and stores it in its own transaction, which the session looks for.
 *
 * Locks: between two looks none.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "cluster/shared.h"
#include "declare/preview_schema.h"
#include "store/act_as.h"

#define LOOK_MS		50
#define WAIT_MS		5000

/* Also a transaction that sees the past only, as in REPEATABLE READ, sees this. */
static bool
finds(const char *sql, Oid server, Object part, Datum names)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTARRAYOID};
	Datum		values[] = {
		ObjectIdGetDatum(server), CStringGetTextDatum(object_types[part].name), names
	};
	int			nargs = names == (Datum) 0 ? 2 : 3;
	Identity	before;
	bool		found;

	act_as_extension(&before);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	if (statement_execute(sql, nargs, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look at the schema of a HubSpot account");
	found = SPI_processed > 0;
	SPI_finish();
	PopActiveSnapshot();
	act_back(&before);
	return found;
}

static bool
is_read(Oid server, Object part)
{
	return finds("SELECT FROM hubspot.schema WHERE server = $1 AND part = $2", server, part, 0);
}

static void
sleep_a_look(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
					 WaitEventExtensionNew("HubspotSchema"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
await(Oid server, Object part, TimestampTz start)
{
	if (!object_types[part].has_schema)
		return;
	while (!is_read(server, part) && shared_want_schema(server, object_code(part)) &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), WAIT_MS))
		sleep_a_look();
}

void
preview_await_schema(Oid server, Object part)
{
	await(server, part, GetCurrentTimestamp());
}

void
preview_await_creations(Oid server, Object part, List *names)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(names) + 1));
	TimestampTz start = GetCurrentTimestamp();
	Datum		array;
	ListCell   *cell;

	/* what this transaction itself has queued is not seen before its commit */
	if (!object_types[part].has_schema || TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	foreach(cell, names)
		values[foreach_current_index(cell)] = CStringGetTextDatum(lfirst(cell));
	array = PointerGetDatum(construct_array(values, list_length(names), TEXTOID, -1, false,
											TYPALIGN_INT));
	while (finds("SELECT FROM pg_catalog.unnest($3) n WHERE hubspot.is_being_created($1, $2,"
				 " CASE $2 WHEN 'event' THEN hubspot.event_name(n) ELSE n END)", server, part,
				 array) &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), WAIT_MS))
		sleep_a_look();
}

void
preview_await_schemas(Oid server, const Object *parts, int count)
{
	TimestampTz start = GetCurrentTimestamp();

	for (int i = 0; i < count; i++)
		await(server, parts[i], start);
}
