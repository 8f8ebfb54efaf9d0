/*
 * guc.c
 *		The settings: one table of them, and the hooks that check them.
 *
 * Defined by _PG_init() of hubspot.c.  Every setting is checked when it is
 * set; nothing is found wrong later.  None holds a secret: a setting is
 * written to the log when it is reloaded.
 */
#include "postgres.h"

#include <limits.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "base/url.h"

bool		hubspot_enabled = true;
char	   *hubspot_databases = NULL;
char	   *hubspot_secret_directory = NULL;
char	   *hubspot_server = NULL;
bool		hubspot_server_by_user = false;
int			hubspot_on_invalid = ON_INVALID_AUTO;
int			hubspot_max_message_size = 1024 * 1024;
int			hubspot_window_rows = 50000;
int			hubspot_window_memory = 64 * 1024;
bool		hubspot_dedup_message_id = false;
int			hubspot_timeout = 120 * 1000;
int			hubspot_connect_timeout = 10 * 1000;
int			hubspot_retention = 7 * 24 * 60;
int			hubspot_check_interval = 60 * 60;
char	   *hubspot_ca_file = NULL;
char	   *hubspot_proxy = NULL;
bool		hubspot_ack_synchronous_commit = false;
bool		hubspot_notify = true;
char	   *hubspot_cluster_guard = NULL;
int			hubspot_failover_window = 60 * 60;
int			hubspot_max_tokens = 1024;
int			hubspot_max_refresh_timeout = 10 * 60 * 1000;
double		hubspot_sync_tolerance = 0.01;

static const struct config_enum_entry on_invalid_words[] = {
	{"auto", ON_INVALID_AUTO, false},
	{"error", ON_INVALID_ERROR, false},
	{"record", ON_INVALID_RECORD, false},
	{NULL, 0, false}
};

/*
 * The names in a list of databases, or NIL with *valid = false.  Names are
 * taken as they are; those with a comma or a space stand in double quotes.
 * The list points into *buffer, the caller's copy.
 */
static List *
split_databases(const char *setting, char **buffer, bool *valid)
{
	List	   *names = NIL;

	*buffer = pstrdup(setting);
	*valid = SplitGUCList(*buffer, ',', &names);
	return names;
}

bool
hubspot_serves_database(const char *name)
{
	char	   *buffer;
	bool		valid;
	bool		found = false;
	List	   *names = split_databases(hubspot_databases, &buffer, &valid);
	ListCell   *cell;

	foreach(cell, names)
	{
		const char *entry = (const char *) lfirst(cell);

		if (strcmp(entry, "*") == 0 || strcmp(entry, name) == 0)
			found = true;
	}
	list_free(names);
	pfree(buffer);
	return found;
}

static bool
check_databases(char **value, void **extra, GucSource source)
{
	char	   *buffer;
	bool		valid;
	List	   *names = split_databases(*value, &buffer, &valid);
	ListCell   *cell;

	if (!valid)
		GUC_check_errdetail("A list of database names separated by commas is expected, "
							"or \"*\" for all.");
	foreach(cell, names)
	{
		const char *name = (const char *) lfirst(cell);

		if (strcmp(name, "*") == 0 && list_length(names) > 1)
		{
			GUC_check_errdetail("\"*\" means all databases and must stand alone.");
			valid = false;
		}
		else if (strlen(name) >= NAMEDATALEN)
		{
			GUC_check_errdetail("The database name \"%s\" is too long.", name);
			valid = false;
		}
	}
	list_free(names);
	pfree(buffer);
	return valid;
}

/* A path of the server's file system, or empty. */
static bool
check_absolute_path(char **value, void **extra, GucSource source)
{
	const char *path = *value;

	if (path[0] == '\0')
		return true;
	if (!is_absolute_path(path))
	{
		GUC_check_errdetail("An absolute path is expected.");
		return false;
	}
	if (strlen(path) >= MAXPGPATH)
	{
		GUC_check_errdetail("The path must be shorter than %d bytes.", MAXPGPATH);
		return false;
	}
	return true;
}

static bool
check_proxy(char **value, void **extra, GucSource source)
{
	const char *problem = (*value)[0] == '\0' ? NULL : url_problem(*value, URL_PROXY);

	if (problem == NULL)
		return true;
	GUC_check_errdetail("%s", problem);
	return false;
}

/* Note whether the session's user set it: see hubspot_server_by_user. */
static bool
check_server(char **value, void **extra, GucSource source)
{
	bool	   *by_user;

	if (strlen(*value) >= NAMEDATALEN)
	{
		GUC_check_errdetail("The name of a server has at most %d bytes.", NAMEDATALEN - 1);
		return false;
	}
	by_user = hubspot_guc_malloc(LOG, sizeof(bool));
	if (by_user == NULL)
		return false;
	*by_user = source > PGC_S_DATABASE;
	*extra = by_user;
	return true;
}

static void
assign_server(const char *value, void *extra)
{
	hubspot_server_by_user = extra != NULL && *(bool *) extra;
}

static void
define_queue_settings(void)
{
	DefineCustomStringVariable("hubspot.server",
							   "Sets the HubSpot account that calls are queued for.",
							   "The name of a SERVER of the foreign-data wrapper hubspot.  "
							   "It is used by calls that name no server.  "
							   "Empty means the only SERVER there is; with several, "
							   "a call without a name is an error.",
							   &hubspot_server, "", PGC_USERSET, 0,
							   check_server, assign_server, NULL);
	DefineCustomEnumVariable("hubspot.on_invalid",
							 "Sets what a message that cannot be queued does.",
							 "\"error\" raises an error and so aborts the statement; "
							 "\"record\" stores the row as rejected with its reason; "
							 "\"auto\" raises an error when called from SQL and records when "
							 "queued by a trigger.",
							 &hubspot_on_invalid, ON_INVALID_AUTO, on_invalid_words,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hubspot.max_message_size",
							"Sets the maximum size of one message, in bytes.",
							"A larger message is invalid; hubspot.on_invalid decides "
							"what happens then.",
							&hubspot_max_message_size, 1024 * 1024, 1024, 16 * 1024 * 1024,
							PGC_SUSET, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomBoolVariable("hubspot.dedup_message_id",
							 "Ignores a message whose messageId was queued before.",
							 "Looking for the earlier message makes each call that carries a "
							 "messageId slower.",
							 &hubspot_dedup_message_id, false, PGC_USERSET, 0,
							 NULL, NULL, NULL);
}

static void
define_delivery_settings(void)
{
	/*
	 * PGC_SIGHUP: the worker serves all roles of its database, so no session and no database owner
	 * may set these.
	 */
	DefineCustomBoolVariable("hubspot.enabled",
							 "Delivers queued rows to HubSpot.",
							 "When off, workers stop and rows stay in the queue; "
							 "calls are still accepted.",
							 &hubspot_enabled, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("hubspot.databases",
							   "Lists the databases that are delivered from.",
							   "Names separated by commas, compared exactly; "
							   "\"*\" means every database that has the extension, "
							   "empty means none.  "
							   "Rows queued in another database wait there.",
							   &hubspot_databases, "*", PGC_SIGHUP, GUC_LIST_INPUT,
							   check_databases, NULL, NULL);
	DefineCustomIntVariable("hubspot.window_rows",
							"Sets how many waiting rows a worker holds in memory.",
							"The rest of the backlog stays on disk.  "
							"More rows let more calls for one record be merged.",
							&hubspot_window_rows, 50000, 100, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hubspot.window_memory",
							"Sets how much memory a worker uses for waiting rows, in kilobytes.",
							"Whichever of this and hubspot.window_rows is reached first ends the "
							"reading of further rows.",
							&hubspot_window_memory, 64 * 1024, 1024, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("hubspot.retention",
							"Sets how long finished rows and their verdicts are kept, in minutes.",
							"Older rows are removed a generation at a time, "
							"and only when all rows of the generation have a verdict.",
							&hubspot_retention, 7 * 24 * 60, 1, 10 * 366 * 24 * 60,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	DefineCustomIntVariable("hubspot.check_interval",
							"Sets how often the worker checks its tables, in seconds.",
							"As hubspot_check() does; hubspot_health() shows what is found. "
							"0 leaves it to hubspot_check() and to what is removed, "
							"which is checked before.",
							&hubspot_check_interval, 60 * 60, 0, 7 * 24 * 60 * 60,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomBoolVariable("hubspot.notify",
							 "Sends a notification when something begins or ends to be wrong.",
							 "On the channel \"hubspot\" of each database, as JSON.  "
							 "The server log says it in any case.",
							 &hubspot_notify, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("hubspot.ack_synchronous_commit",
							 "Waits for the disk when verdicts are written.",
							 "When off, a crash may lose the verdicts of the last moments, "
							 "and those rows are sent once more.",
							 &hubspot_ack_synchronous_commit, false, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("hubspot.failover_window",
							"Sets how long a primary may have been silent when a standby is "
							"promoted that goes on sending, in seconds.",
							"A standby whose data is older is taken for a stale copy and held "
							"until hubspot_arm() is called.  "
							"0 means that no promoted standby sends before that.",
							&hubspot_failover_window, 60 * 60, 0, 30 * 24 * 60 * 60,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("hubspot.max_refresh_timeout",
							"Sets the longest timeout of a definition's query, in milliseconds.",
							"One refresh or chunk of a back-fill runs at a time in a database, "
							"so this is how long one definition can keep others waiting.  "
							"A longer timeout is cut to it, when it is declared and when "
							"the query runs.",
							&hubspot_max_refresh_timeout, 10 * 60 * 1000, 100, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomRealVariable("hubspot.sync_tolerance",
							 "Sets the share of a definition's last rows that may fail "
							 "before hubspot_health() says so.",
							 "Rows that went without one of their columns count, too.",
							 &hubspot_sync_tolerance, 0.01, 0, 1,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("hubspot.cluster_guard",
							   "Names the cluster that may deliver.",
							   "When set, workers deliver only where cluster_name has this value "
							   "and are held elsewhere, "
							   "so that a copy of the data directory does not send.",
							   &hubspot_cluster_guard, "", PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
}

static void
define_network_settings(void)
{
	/*
	 * GUC_SUPERUSER_ONLY hides paths and the proxy from roles that may not know the server's
	 * files.
	 */
	DefineCustomStringVariable("hubspot.secret_directory",
							   "Sets the directory that holds the access tokens, "
							   "one file per account.",
							   "An absolute path.  The option \"secret\" of a SERVER names a file "
							   "in it, which must belong to the operating system user "
							   "of the server and be unreadable for others.  "
							   "Without it nothing can be delivered.",
							   &hubspot_secret_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_absolute_path, NULL, NULL);
	DefineCustomIntVariable("hubspot.timeout",
							"Sets how long one request may take, in milliseconds.",
							"Counted from the start of the request.  "
							"The default is longer than the 100 seconds HubSpot allows itself, "
							"because a request that was given up may have been carried out, "
							"and is sent again.",
							&hubspot_timeout, 120 * 1000, 1000, 10 * 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("hubspot.connect_timeout",
							"Sets how long connecting to HubSpot may take, in milliseconds.",
							"Includes the look-up of the name, the proxy and TLS.  "
							"After it the request fails, and is tried again later.",
							&hubspot_connect_timeout, 10 * 1000, 100, 2 * 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("hubspot.ca_file",
							   "Sets a file with the certification authorities that are trusted.",
							   "An absolute path of a file in PEM format; "
							   "empty means those of the operating system.",
							   &hubspot_ca_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_absolute_path, NULL, NULL);
	DefineCustomStringVariable("hubspot.proxy",
							   "Sets the proxy through which HubSpot is reached.",
							   "A URL without user name and password, "
							   "as http://proxy.example.com:3128; empty means none.",
							   &hubspot_proxy, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_proxy, NULL, NULL);
}

static void
define_memory_settings(void)
{
	DefineCustomIntVariable("hubspot.max_tokens",
							"Sets how many access tokens may be in use at once, "
							"in all databases together.",
							"Shared memory holds some 21 kB for the limits of each.  "
							"An account whose token finds no place waits, "
							"and says so in hubspot.status.",
							&hubspot_max_tokens, 1024, 1, 50000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

void
guc_define(void)
{
	define_queue_settings();
	define_delivery_settings();
	define_network_settings();
	if (process_shared_preload_libraries_in_progress)
		define_memory_settings();
	MarkGUCPrefixReserved("hubspot");
}
