/*
 * schedule.c
 *		Finds what is due: refreshes by their schedule, open back-fills, what was lacking.
 *
 * Called by the worker (schedule_next) and by the refresher, inside their
 * transactions.  Locks: ACCESS SHARE on hubspot.sync, ROW EXCLUSIVE on
 * hubspot.sync_state where it is written.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "cluster/shared.h"
#include "refresher/schedule.h"
#include "refresh/lacking.h"

/* When a compared definition is due; one that was never refreshed is due at once. */
#define NEXT_AT "coalesce(s.next_at, CASE WHEN y.every IS NOT NULL THEN y.defined_at END)"

/*
 * What a refresher is stuck in, and all else of the same owner, waits for the end
 * of that process ($1: definitions, $2: owners): so no owner has two of them.
 */
#define DOES_NOT_WAIT(y) \
	" AND (" y ".id = ANY ($1) OR coalesce(" y ".owner_oid, " \
	"(SELECT r.oid FROM pg_roles r WHERE r.rolname = " y ".owner)) = ANY ($2)) IS NOT TRUE"

/* Whether a definition's rows have ever lacked what HubSpot has told since it was looked at. */
#define MAY_HAVE_LACKED \
	"EXISTS (SELECT FROM hubspot.sync_property sp" \
	" JOIN pg_foreign_server f ON f.srvname = y.server" \
	" JOIN hubspot.property p ON p.server = f.oid AND p.object = sp.object" \
	"  AND p.name = sp.property" \
	" WHERE sp.report = y.report AND sp.code = ANY ('{unknown_property,invalid_option," \
	"unknown_owner,unknown_pipeline,unknown_stage}')" \
	" AND p.changed_id > s.lacked_id)"

/* While a back-fill is under way what is lacking waits for its end. */
#define MAY_SEND_LACKING \
	"y.held IS NULL AND (s.fill_started_at IS NULL OR s.fill_finished_at IS NOT NULL)"

/* A back-fill is due at once, and so is what was lacking. */
static const char next_sql[] =
"SELECT min(least(CASE WHEN NOT y.follows THEN " NEXT_AT
" WHEN $3 AND s.fill_finished_at IS NULL THEN s.fill_started_at END,"
" CASE WHEN $3 AND " MAY_SEND_LACKING " AND " MAY_HAVE_LACKED " THEN clock_timestamp()"
"  WHEN $3 AND " MAY_SEND_LACKING " THEN s.lacked_again_at END))"
" FROM hubspot.sync y JOIN hubspot.sync_state s ON s.sync = y.id"
" WHERE y.held IS NULL" DOES_NOT_WAIT("y");

/* Asked for each second, also where nothing is due for days. */
static SavedStatement next_statement = {.sql = next_sql};

/*
 * Rows that were on their way when HubSpot told may end without it after their records were looked
 * at: what has ended since (lacked_at) is looked at a minute later.  A state that is locked is the
 * next look's.
 */
static const char *const lacking_sql =
"WITH ready AS (SELECT s.sync, y.follows, y.report, x.at,"
"  (SELECT max(p.changed_id) FROM hubspot.property p JOIN pg_foreign_server f ON f.oid = p.server"
"   WHERE f.srvname = y.server) AS up_to,"
"  EXISTS (SELECT FROM hubspot.sync_trouble t, pg_foreign_server f"
"   WHERE t.report = y.report AND f.srvname = y.server AND t.lacks <> '{}' AND "
LACKED_IS_THERE("f.oid", " AND (p.changed_id > s.lacked_id OR t.at > s.lacked_at)") ") AS lacked"
" FROM hubspot.sync y JOIN hubspot.sync_state s ON s.sync = y.id"
" CROSS JOIN (SELECT clock_timestamp() AS at) x"
" WHERE " MAY_SEND_LACKING " AND (s.lacked_again_at <= x.at OR " MAY_HAVE_LACKED ")"
" FOR UPDATE OF s SKIP LOCKED)"
" UPDATE hubspot.sync_state s SET lacked_id = greatest(s.lacked_id, r.up_to),"
" lacked_at = CASE WHEN r.lacked THEN r.at ELSE s.lacked_at END,"
" lacked_again_at = CASE WHEN r.lacked THEN r.at + interval '1 minute' END,"
" next_at = CASE WHEN r.lacked AND NOT r.follows THEN r.at ELSE s.next_at END,"
" fill_lacking = CASE WHEN r.lacked AND r.follows THEN true ELSE s.fill_lacking END,"
" fill_started_at = CASE WHEN r.lacked AND r.follows THEN r.at ELSE s.fill_started_at END,"
" fill_finished_at = CASE WHEN r.lacked AND r.follows THEN NULL ELSE s.fill_finished_at END,"
" fill_position = CASE WHEN r.lacked AND r.follows THEN NULL ELSE s.fill_position END,"
" fill_rows = CASE WHEN r.lacked AND r.follows THEN 0 ELSE s.fill_rows END,"
" fill_total = CASE WHEN r.lacked AND r.follows"
"  THEN (SELECT c.troubled FROM hubspot.sync_count c WHERE c.report = r.report)"
"  ELSE s.fill_total END"
" FROM ready r WHERE r.sync = s.sync";

/* When the refresher last worked for this owner. */
#define SERVED_AT "max(s.ran_at) OVER (PARTITION BY y.owner_oid)"

static const char *const due_sql =
"SELECT d.id, d.name, 0::int8 FROM (SELECT y.id, y.name, y.owner, y.owner_oid, y.held, "
"y.follows, " NEXT_AT
" AS at, " SERVED_AT " AS served_at"
" FROM hubspot.sync y JOIN hubspot.sync_state s ON s.sync = y.id) d"
" WHERE d.held IS NULL AND NOT d.follows AND d.at <= clock_timestamp()" DOES_NOT_WAIT("d")
" ORDER BY d.served_at NULLS FIRST, d.at, d.id";

static const char *const fills_sql =
"SELECT d.id, d.name, coalesce(greatest(extract(epoch FROM d.failed_at - clock_timestamp()) + "
"least(2 ^ least(d.failures - 1, 20), 300), 0) * 1000, 0)::int8"
" FROM (SELECT y.id, y.name, y.owner, y.owner_oid, y.held, y.follows, "
"s.fill_started_at, s.fill_finished_at, "
"s.failed_at, s.failures, " SERVED_AT " AS served_at"
" FROM hubspot.sync y JOIN hubspot.sync_state s ON s.sync = y.id) d"
" WHERE d.held IS NULL AND d.follows AND d.fill_started_at IS NOT NULL AND "
"d.fill_finished_at IS NULL" DOES_NOT_WAIT("d")
" AND NOT EXISTS (SELECT FROM hubspot.fills_waiting() w WHERE w.sync = d.id)"
" ORDER BY d.served_at NULLS FIRST, d.fill_started_at, d.id";

static const char *const succeeded_sql =
"UPDATE hubspot.sync_state s SET error = NULL, failed_at = NULL, failures = 0, "
"ran_at = clock_timestamp(), next_at ="
" CASE WHEN s.next_at + y.every > clock_timestamp() THEN s.next_at + y.every ELSE $2 + y.every END"
" FROM hubspot.sync y WHERE y.id = s.sync AND s.sync = $1";

/*
 * A definition without "every" is refreshed once, on request: it is tried again until it
 * succeeds.
 */
static const char *const failed_sql =
"UPDATE hubspot.sync_state s SET error = $2, error_code = $4, failed_at = clock_timestamp(), "
"ran_at = clock_timestamp(),"
" failures = s.failures + 1,"
" next_at = CASE WHEN $3 THEN s.next_at ELSE clock_timestamp() +"
" least(coalesce(y.every, '1 minute') * 2 ^ least(s.failures, 20), greatest(y.every, '1 hour')) END"
" FROM hubspot.sync y, (SELECT x.error, x.failures FROM hubspot.sync_state x WHERE x.sync = "
"$1 FOR UPDATE) old"
" WHERE y.id = s.sync AND s.sync = $1"
" RETURNING old.failures > 0 AND old.error = $2";

static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static void
take_time(void *arg)
{
	bool		isnull;
	Datum		time = column(0, 1, &isnull);

	*(TimestampTz *) arg = isnull ? DT_NOEND : DatumGetTimestampTz(time);
}

/* The first two parameters. */
static void
put_waiting(Oid *types, Datum *values)
{
	StuckRefresher stuck[SHARED_MAX_REFRESHERS];
	int			count = shared_stuck_refreshers(MyDatabaseId, stuck);
	Datum		syncs[SHARED_MAX_REFRESHERS];
	Datum		owners[SHARED_MAX_REFRESHERS];

	for (int i = 0; i < count; i++)
	{
		syncs[i] = Int32GetDatum(stuck[i].task.sync);
		owners[i] = ObjectIdGetDatum(stuck[i].task.owner);
	}
	types[0] = INT4ARRAYOID;
	types[1] = OIDARRAYOID;
	values[0] = PointerGetDatum(construct_array(syncs, count, INT4OID, sizeof(int32), true,
												TYPALIGN_INT));
	values[1] = PointerGetDatum(construct_array(owners, count, OIDOID, sizeof(Oid), true,
												TYPALIGN_INT));
}

TimestampTz
schedule_next(bool with_fills)
{
	Oid			types[3] = {0, 0, BOOLOID};
	Datum		values[3] = {0, 0, BoolGetDatum(with_fills)};
	TimestampTz next;

	put_waiting(types, values);
	(void) sync_execute_saved(&next_statement, lengthof(types), types, values, take_time, &next);
	return next;
}

typedef struct Items
{
	List	   *list;
	MemoryContext context;
} Items;

static void
take_items(void *arg)
{
	Items	   *items = arg;
	MemoryContext old = MemoryContextSwitchTo(items->context);

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		ScheduleItem *item = palloc(sizeof(ScheduleItem));
		bool		isnull;

		item->sync = DatumGetInt32(column(i, 1, &isnull));
		item->name = TextDatumGetCString(column(i, 2, &isnull));
		item->wait_ms = DatumGetInt64(column(i, 3, &isnull));
		items->list = lappend(items->list, item);
	}
	MemoryContextSwitchTo(old);
}

static List *
read_items(const char *sql)
{
	Items		items = {NIL, CurrentMemoryContext};
	Oid			types[2];
	Datum		values[2];

	put_waiting(types, values);
	(void) sync_execute(sql, lengthof(types), types, values, NULL, take_items, &items);
	return items.list;
}

void
schedule_lacking(void)
{
	(void) sync_execute(lacking_sql, 0, NULL, NULL, NULL, NULL, NULL);
}

List *
schedule_due(void)
{
	return read_items(due_sql);
}

List *
schedule_fills(void)
{
	return read_items(fills_sql);
}

void
schedule_succeeded(const Sync *sync, TimestampTz began)
{
	Oid			types[] = {INT4OID, TIMESTAMPTZOID};
	Datum		values[] = {Int32GetDatum(sync->id), TimestampTzGetDatum(began)};

	(void) sync_execute(succeeded_sql, lengthof(types), types, values, NULL, NULL, NULL);
}

static void
take_known(void *arg)
{
	bool		isnull;

	*(bool *) arg = SPI_processed == 0 || DatumGetBool(column(0, 1, &isnull));
}

/*
 * The log does not contain the text of an error that a user's query raised, because the
 * text may quote data that the query read.
 */
void
schedule_failed(const ScheduleItem *item, bool is_fill, const ErrorData *error)
{
	Oid			types[] = {INT4OID, TEXTOID, BOOLOID, TEXTOID};
	Datum		values[] = {
		Int32GetDatum(item->sync), CStringGetTextDatum(error->message), BoolGetDatum(is_fill),
		CStringGetTextDatum(unpack_sql_state(error->sqlerrcode))
	};
	bool		is_known;		/* false: it was dropped meanwhile */

	(void) sync_execute(failed_sql, lengthof(types), types, values, NULL, take_known, &is_known);
	if (!is_known)
		ereport(WARNING,
				(errmsg(is_fill
						? "back-fill of \"%s\" failed with SQLSTATE %s"
						: "refresh of \"%s\" failed with SQLSTATE %s",
						item->name, unpack_sql_state(error->sqlerrcode)),
				 errhint("The view hubspot.syncs has the error, and says when it is tried again. "
						 " The message is not repeated.")));
}

void
schedule_hold(int sync, const char *reason)
{
	Oid			types[] = {INT4OID, TEXTOID};
	Datum		values[] = {Int32GetDatum(sync), CStringGetTextDatum(reason)};

	(void) sync_execute("UPDATE hubspot.sync SET held = $2 WHERE id OPERATOR(pg_catalog.=) "
						"$1 AND held IS NULL",
						lengthof(types), types, values, NULL, NULL, NULL);
	ereport(WARNING,
			(errmsg("definition %d is held: %s", sync, reason),
			 errhint("hubspot_health() names it; hubspot_resync() lets it go on.")));
}
