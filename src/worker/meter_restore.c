/*
 * meter_restore.c
 *		What the tables know of an account from before this server came up.
 *
 * Shared memory is new after a start of the server, HubSpot's memory is not:
 * it still counts what was sent in the last seconds, perhaps by another server
 * whose standby this was.  So the meters begin with the requests of the log
 * that were answered within the last window, before any worker of this server
 * began.  What was under way at the end is not in the log, nor is what a crash
 * took from its end (asynchronous commits, some tenths of a second): a few places
 * for each connection count as used just now.  The first answers' headers
 * correct the picture.
 *
 * Hub id and time zone are those that HubSpot told last: where the day is
 * used up, account-info does not tell them again.
 *
 * Memory: a list in "hubspot work" from the reading until the token is known.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "queue/accounts.h"
#include "worker/meter_restore.h"
#include "worker/servers.h"

#define UNLOGGED	4			/* requests of a connection that the log may lack */

/* Requests of one kind, answered at about the same time. */
typedef struct Recalled
{
	MeterKind	kind;
	int			limit;			/* of METER_OBJECTS, 0: not known */
	int			window_ms;
	int64		at;				/* µs of the monotonic clock */
	int			count;
} Recalled;

/*
 * $1 are the SERVERs, all at once, for the log is read once; $2 is when the first worker of this
 * server began.
 */
static const char account_sql[] =
"SELECT server, portal_id, time_zone, utc_offset_ms FROM hubspot.account WHERE server = ANY ($1) "
"AND $2 IS NOT NULL";

/* Times to the hundredth of a second; the last 5000 requests are more than any window grants. */
static const char requests_sql[] =
"SELECT q.server, CASE WHEN q.path ~ '/search$' THEN 'search' WHEN q.path ~ "
"'/associations/.*/batch/' THEN 'associations'"
" WHEN q.path ~ '/integration/submit/' THEN 'forms' ELSE 'objects' END, l.burst_limit, "
"l.burst_window_ms,"
" pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - q.ended_at) * "
"100)::pg_catalog.int8 * 10000 AS ago, pg_catalog.count(*)"
" FROM (SELECT r.server, r.path, r.lane, r.started_at + r.duration_ms * interval "
"'1 millisecond' AS ended_at"
" FROM hubspot.request r ORDER BY r.id DESC LIMIT 5000) q"
" LEFT JOIN hubspot.rate_limit l ON l.server = q.server AND l.lane = 'contacts'"
" WHERE q.server = ANY ($1) AND q.ended_at < $2 AND q.lane <> 'events'"
" AND q.ended_at > pg_catalog.clock_timestamp() - coalesce(l.burst_window_ms, "
"10000) * interval '1 millisecond'"
" GROUP BY 1, 2, 3, 4, 5";

static int64
number_at(int row, int column)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
	int64		number = text == NULL ? 0 : strtoi64(text, NULL, 10);

	if (text != NULL)
		pfree(text);
	return number;
}

static void
read_account(Account *account, int row)
{
	char	   *zone = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3);

	account->portal_id = number_at(row, 2);
	strlcpy(account->time_zone, zone != NULL ? zone : "", sizeof(account->time_zone));
	account->utc_offset_ms = (int) number_at(row, 4);
}

static MeterKind
kind_named(const char *name)
{
	return strcmp(name, "search") == 0 ? METER_SEARCH :
		strcmp(name, "associations") == 0 ? METER_ASSOCIATIONS :
		strcmp(name, "forms") == 0 ? METER_FORMS : METER_OBJECTS;
}

static void
read_request_count(Account *account, int row)
{
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);
	Recalled   *recalled = palloc(sizeof(Recalled));
	char	   *name = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2);

	recalled->kind = kind_named(name);
	pfree(name);
	recalled->limit = recalled->kind == METER_OBJECTS ? (int) number_at(row, 3) : 0;
	recalled->window_ms = recalled->kind == METER_OBJECTS ? (int) number_at(row, 4) : 0;
	recalled->at = clock_us() - Max(number_at(row, 5), 0);
	recalled->count = (int) number_at(row, 6);
	account->recalled = lappend(account->recalled, recalled);
	MemoryContextSwitchTo(old);
}

/* The account that a row is of. */
static Account *
account_at(int row)
{
	return accounts_find((Oid) number_at(row, 1));
}

static Datum
server_array(List *servers)
{
	Datum	   *elements = palloc(sizeof(Datum) * list_length(servers));

	for (int i = 0; i < list_length(servers); i++)
		elements[i] = ObjectIdGetDatum(list_nth_oid(servers, i));
	return PointerGetDatum(construct_array(elements, list_length(servers), OIDOID, sizeof(Oid),
										   true, TYPALIGN_INT));
}

void
meter_restore_read(List *servers)
{
	Oid			types[] = {OIDARRAYOID, TIMESTAMPTZOID};
	Datum		values[] = {server_array(servers), TimestampTzGetDatum(shared_workers_began_at())};

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (statement_execute(account_sql, 2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.account");
	for (int row = 0; row < SPI_processed; row++)
		read_account(account_at(row), row);
	if (statement_execute(requests_sql, 2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.request");
	for (int row = 0; row < SPI_processed; row++)
		read_request_count(account_at(row), row);
	PopActiveSnapshot();
	SPI_finish();
}

void
meter_restore_tell_meters(Account *account)
{
	int64		now = clock_us();
	ListCell   *cell;

	if (account->recalled == NIL)
		return;
	foreach(cell, account->recalled)
	{
		Recalled   *recalled = lfirst(cell);

		meter_remember(account->meters[recalled->kind], recalled->limit, recalled->window_ms,
					   now - recalled->at, recalled->count, now);
	}
	meter_remember(account->meters[METER_OBJECTS], 0, 0, 0,
				   UNLOGGED * account->options->max_connections, now);
	list_free_deep(account->recalled);
	account->recalled = NIL;
}
