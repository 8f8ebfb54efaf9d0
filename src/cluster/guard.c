/*
 * guard.c
 *		May this very database send?
 *
 * hubspot.installation says where the extension's tables belong: cluster (system
 * identifier), database (oid) and data directory (home.h).  In any other place they are a
 * copy.  This is stored in the table, so that they remain a copy over restarts, failovers
 * and further copies, until hubspot_arm() writes the row again.
 *
 * The only copy that may send is a standby that was promoted while its data was fresh.
 * The sending worker writes a sign of life into the table every few minutes; the latest
 * one that a standby has at its promotion tells how old its data is.
 *
 * hubspot.cluster_guard is a separate condition: if set, it must equal cluster_name.  It
 * changes nothing in the table.
 *
 * Called by the worker, inside a transaction.  Locks: ROW EXCLUSIVE on
 * hubspot.installation; a row that somebody else has locked is left alone
 * until the next time.  Memory: the current context.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/guc.h"
#include "cluster/guard.h"
#include "cluster/home.h"
#include "cluster/shared.h"

#define ALIVE_MAX_US	INT64CONST(300000000)
#define ALIVE_MIN_US	1000000
#define LOOK_SOON_MS	60000
#define LOOK_LATER_MS	3600000 /* hubspot_arm() and a reload make it look at once */
#define ALIVE_PART		12		/* # of signs of life in a failover window */

/* A locked row is not changed: an uncommitted hubspot_arm() is about to write it. */
#define WHERE_FREE		" WHERE ctid IN" \
	" (SELECT i.ctid FROM hubspot.installation i FOR UPDATE SKIP LOCKED)"

typedef struct Installation
{
	uint64		system_identifier;
	Oid			database;
	bool		has_home;
	pg_uuid_t	home;
	TimestampTz alive_at;
	char	   *held_reason;	/* NULL: not held */
} Installation;

/* Run a statement that changes the row; returns whether it did. */
static bool
change(const char *sql, Datum argument, Oid type)
{
	return statement_execute(sql, 1, &type, &argument, NULL, false, 0) == SPI_OK_UPDATE &&
		SPI_processed > 0;
}

static Datum
column(int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, isnull);
}

/* False if there is no row. */
static bool
read_installation(Installation *row)
{
	bool		isnull;
	Datum		home;

	if (statement_execute("SELECT system_identifier, database, home, alive_at, "
						  "CASE WHEN held_at IS NOT NULL THEN coalesce(held_reason, '') END"
						  " FROM hubspot.installation ORDER BY armed_at DESC LIMIT 1", 0, NULL,
						  NULL, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.installation");
	if (SPI_processed == 0)
		return false;
	row->system_identifier = (uint64) DatumGetInt64(column(1, &isnull));
	row->database = DatumGetObjectId(column(2, &isnull));
	home = column(3, &isnull);
	row->has_home = !isnull;
	if (row->has_home)
		row->home = *DatumGetUUIDP(home);
	row->alive_at = DatumGetTimestampTz(column(4, &isnull));
	row->held_reason = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5);
	return true;
}

/*
 * Whether the data was fresh when this server was promoted; allows for the difference of
 * two machines' clocks.
 */
static bool
is_failover(const Home *home, TimestampTz alive_at)
{
	int64		age = home->promoted_at - alive_at;
	int64		window = (int64) hubspot_failover_window * USECS_PER_SEC;

	return home->promoted_at != 0 && hubspot_failover_window > 0 && age <= window && age >= -window;
}

/* Why a database that does not belong here is a copy. */
static char *
describe_copy(const Home *home, TimestampTz alive_at)
{
	switch (home->origin)
	{
		case HOME_UNSETTLED:
			break;

			/*
			 * No file means a copy as well as a lost file: both are held, because sending twice
			 * cannot be undone.
			 */
		case HOME_NEW:
			return pstrdup("the file \"" HOME_FILE
						   "\" was missing in the data directory when the server started: "
						   "this is a copy without it, it was removed, "
						   "or a restore was begun here");
		case HOME_COPIED:
			return pstrdup("the data directory is a copy: its file \"" HOME_FILE
						   "\" is not the one that was written");
		case HOME_RESTORED:
			return pstrdup("the data directory was restored from a backup (the server was started "
						   "with recovery.signal)");
		case HOME_FROM_BACKUP:
			return pstrdup("the data directory is a base backup (the server was "
						   "started with backup_label)");
		case HOME_CHANGED:
			return pstrdup("the server was restored or promoted while the library hubspot "
						   "was not preloaded");
		case HOME_PROMOTED:
			return psprintf("this server was promoted at %s with data of another time: "
							"the primary's last sign of life in it is of %s (see "
							"hubspot.failover_window)",
							pstrdup(timestamptz_to_str(home->promoted_at)),
							pstrdup(timestamptz_to_str(alive_at)));
	}
	return pstrdup("the data directory is another one");
}

/* Why the tables do not belong here; NULL: they do. */
static char *
find_difference(const Installation *row, const Home *home)
{
	if (row->database != MyDatabaseId)
		return pstrdup("this database is a copy of another one, made from a template");
	if (row->system_identifier != GetSystemIdentifier())
		return pstrdup("this database came from another cluster (pg_upgrade, "
					   "or another system identifier)");
	if (row->has_home && memcmp(&row->home, &home->id, UUID_LEN) != 0 &&
		!is_failover(home, row->alive_at))
		return describe_copy(home, row->alive_at);
	return NULL;
}

/* Store this place as the home: for the first worker after hubspot_arm() or after a failover. */
static char *
move_in(const Home *home)
{
	if (change("UPDATE hubspot.installation SET home = $1, alive_at = clock_timestamp()" WHERE_FREE,
			   UUIDPGetDatum(&home->id), UUIDOID))
		return NULL;
	return pstrdup("hubspot.installation is being changed");
}

/* Compare the table with the data directory; inside SPI, the result is in SPI's memory. */
static char *
check_place(bool *may_pass)
{
	Installation row;
	Home		home;
	char	   *difference;

	if (!read_installation(&row))
		return pstrdup("hubspot.installation is empty: call hubspot_arm()");
	/* First: a copy stays a copy, even if its data directory looks right now. */
	if (row.held_reason != NULL)
		return row.held_reason;
	home_read(&home);

	/*
	 * From here on a reason may go away without hubspot_arm(): the launcher may settle the
	 * directory, or another session may release the row.
	 */
	*may_pass = true;
	if (home.origin == HOME_UNSETTLED)
		return pstrdup(home.problem[0] != '\0'
					   ? home.problem : "the launcher has not looked at the data directory yet");

	difference = find_difference(&row, &home);
	if (difference != NULL)
		*may_pass =
			!change("UPDATE hubspot.installation SET held_at = clock_timestamp(), "
					"held_reason = $1" WHERE_FREE,
					CStringGetTextDatum(difference), TEXTOID);
	else if (!row.has_home || memcmp(&row.home, &home.id, UUID_LEN) != 0)
		return move_in(&home);
	return difference;
}

static char told[SHARED_TEXT];

void
guard_start(const char *already_told)
{
	strlcpy(told, already_told, sizeof(told));
}

/* Log the problem, each reason once. */
static void
tell(const char *problem)
{
	if (problem != NULL && strncmp(told, problem, sizeof(told) - 1) != 0)
		ereport(LOG,
				(errmsg("nothing is sent to HubSpot from database \"%s\"",
						get_database_name(MyDatabaseId)),
				 errdetail("The worker is held: %s.", problem),
				 errhint("See hubspot_health().")));
	strlcpy(told, problem != NULL ? problem : "", sizeof(told));
}

char *
guard_problem(int *look_ms)
{
	MemoryContext context = CurrentMemoryContext;
	const char *cluster = GetConfigOption("cluster_name", true, false);
	char	   *problem;
	bool		may_pass = false;	/* by itself */

	if (hubspot_cluster_guard[0] != '\0' &&
		strcmp(hubspot_cluster_guard, cluster ? cluster : "") != 0)
		problem = psprintf("hubspot.cluster_guard is \"%s\", but cluster_name is \"%s\"",
						   hubspot_cluster_guard, cluster ? cluster : "");
	else
	{
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		problem = check_place(&may_pass);
		if (problem != NULL)
			problem = MemoryContextStrdup(context, problem);
		PopActiveSnapshot();
		SPI_finish();
	}
	*look_ms = may_pass ? LOOK_SOON_MS : LOOK_LATER_MS;
	tell(problem);
	return problem;
}

void
guard_tell_alive(void)
{
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) change("UPDATE hubspot.installation SET alive_at = $1" WHERE_FREE,
				  TimestampTzGetDatum(GetCurrentTimestamp()), TIMESTAMPTZOID);
	PopActiveSnapshot();
	SPI_finish();
}

int64
guard_alive_us(void)
{
	int64		part = (int64) hubspot_failover_window * USECS_PER_SEC / ALIVE_PART;

	return part == 0 ? ALIVE_MAX_US : Max(Min(part, ALIVE_MAX_US), ALIVE_MIN_US);
}
