/*
 * sync_argument.c
 *		Arguments that the declaring functions have in common.
 *
 * Pure, but for look-ups in the catalogs.  Memory: the caller's context.
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/namespace.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "account/account.h"
#include "facts/objects.h"
#include "sync/sync_argument.h"

#define MAX_NAME	200			/* bytes; notifications have all of it, and a limit */

/* Seconds; bounded so that the time of the next refresh is a valid timestamp. */
#define MAX_EVERY	(10 * 366.0 * SECS_PER_DAY)
#define MAX_DEADLINE (366.0 * SECS_PER_DAY) /* as of a call */

char *
sync_text_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	char	   *argument = PG_ARGISNULL(n) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(n));

	if (argument[0] == '\0')
		ereport(ERROR,
				(errcode(PG_ARGISNULL(n)
						 ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be %s", what, PG_ARGISNULL(n) ? "null" : "empty")));
	return argument;
}

char *
sync_name_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *name = sync_text_argument(fcinfo, n, "name");

	if (strlen(name) > MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name must not have more than %d bytes", MAX_NAME)));
	return name;
}

int
sync_word_argument(FunctionCallInfo fcinfo, int n, const char *what, const char *const *words,
				   int count)
{
	char	   *word;
	StringInfoData valid;

	if (PG_ARGISNULL(n))
		return 0;
	word = text_to_cstring(PG_GETARG_TEXT_PP(n));
	initStringInfo(&valid);
	for (int i = 0; i < count; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return i;
		appendStringInfo(&valid, "%s%s", i > 0 ? ", " : "", words[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown %s \"%s\"", what, word),
			 errhint("Valid values are: %s.", valid.data)));
}

SyncMissing
sync_missing_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return SYNC_MISSING_LEFT_OUT;
	return PG_GETARG_BOOL(n) ? SYNC_MISSING_CREATED : SYNC_MISSING_REFUSED;
}

/*
 * By its word, or by any name that the SERVER's account has for it.  Words of ours that cannot be
 * synced are no names of the account's.
 */
Object
sync_object_argument(FunctionCallInfo fcinfo, int n, int server)
{
	char	   *word;
	int			object;

	if (PG_ARGISNULL(n))
		return OBJECT_IS_CONTACT;
	word = text_to_cstring(PG_GETARG_TEXT_PP(n));
	object = object_of_name(word, strlen(word));
	if (object < 0)
	{
		const char *name = objects_resolve(account_resolve(PG_ARGISNULL(server) ? NULL
														   : NameStr(*PG_GETARG_NAME(server))),
										   word);

		object = object_of_name(name, strlen(name));
	}
	if (object == OBJECT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("this session has met too many types of records"),
				 errdetail("The limit is %d; a new session begins anew.", OBJECT_MAX)));
	if (object < 0 || !object_types[object].can_be_synced)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown object \"%s\"", word),
				 errhint("Valid values are: %s, and those of hubspot.record_types().",
						 object_names_where(can_be_synced))));
	return (Object) object;
}

/* Months count 30 days.  PostgreSQL 17's infinite intervals give a number beyond all bounds. */
static double
interval_seconds(const Interval *interval)
{
	return (interval->month * (double) DAYS_PER_MONTH + interval->day) * SECS_PER_DAY +
		interval->time / (double) USECS_PER_SEC;
}

/* Milliseconds, at most INT_MAX. */
static int
interval_ms(const Interval *interval)
{
	double		ms = interval_seconds(interval) * 1000.0;

	return ms >= INT_MAX ? INT_MAX : ms <= INT_MIN ? INT_MIN : (int) ms;
}

void
sync_schedule_arguments(FunctionCallInfo fcinfo, Sync *sync, int every, int timeout, int max_shrink)
{
	if (!PG_ARGISNULL(every))
	{
		sync->every = PG_GETARG_INTERVAL_P(every);
		if (interval_seconds(sync->every) < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("every must be at least one second")));
		if (interval_seconds(sync->every) > MAX_EVERY)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("every must be at most ten years")));
	}
	if (PG_ARGISNULL(timeout) || PG_ARGISNULL(max_shrink))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(timeout) ? "timeout" : "max_shrink")));
	sync->timeout_ms = interval_ms(PG_GETARG_INTERVAL_P(timeout));
	if (sync->timeout_ms <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must be greater than zero")));
	/* Not an error: the same script must be able to declare on a server with a lower limit. */
	if (sync->timeout_ms > hubspot_max_refresh_timeout)
	{
		sync->timeout_ms = hubspot_max_refresh_timeout;
		ereport(NOTICE,
				(errmsg("timeout is cut to %g seconds, which hubspot.max_refresh_timeout allows",
						sync->timeout_ms / 1000.0)));
	}
	sync->max_shrink = PG_GETARG_FLOAT4(max_shrink);
	if (!(sync->max_shrink >= 0 && sync->max_shrink <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_shrink must be between 0 and 1"),
				 errdetail("It is the share of its records that may leave the source "
						   "in one refresh.")));
}

void
sync_deadline_argument(FunctionCallInfo fcinfo, int n, Sync *sync, bool is_meant,
					   const char *for_whom)
{
	double		seconds;

	if (PG_ARGISNULL(n))
		return;
	sync->deadline = PG_GETARG_INTERVAL_P(n);
	seconds = interval_seconds(sync->deadline);
	if (!is_meant)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("deadline is for %s only", for_whom),
				 errdetail("What a record is to be is worth sending whenever it can be sent."),
				 errhint("Leave it out.")));
	if (seconds < 1 || seconds > MAX_DEADLINE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("deadline must be between a second and a year")));
}

/* The schemas of the session's search_path now: "$user" may mean another schema later. */
static char *
present_search_path(void)
{
	List	   *schemas = fetch_search_path(false);
	ListCell   *cell;
	StringInfoData path;

	initStringInfo(&path);
	foreach(cell, schemas)
	{
		char	   *name = get_namespace_name(lfirst_oid(cell));

		if (name != NULL && !isTempNamespace(lfirst_oid(cell)))
			appendStringInfo(&path, "%s, ", quote_identifier(name));
	}
	list_free(schemas);
	appendStringInfoString(&path, "pg_temp");
	return path.data;
}

void
sync_set_owner(Sync *sync, const char *server)
{
	Oid			oid = account_resolve(server);

	account_check_usage(oid, GetUserId());
	sync->role = GetUserId();
	sync->owner = GetUserNameFromId(sync->role, false);
	sync->server = GetForeignServer(oid)->servername;
	sync->search_path = present_search_path();
}
