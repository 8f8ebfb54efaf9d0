/*
 * alert.c
 *		What begins or ends to be wrong: into the log, and to who listens on the channel "hubspot".
 *
 * alert_look() writes the log at once and keeps the notifications, alert_step() hands them to
 * NOTIFY.  That can fail: its queue is full when a session that listens is idle in a transaction
 * for very long.  Then they are kept for a while; delivery goes on.
 *
 * Memory: WorkerContext.  Locks: that of those who notify, during the commit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "nodes/pg_list.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "account/lane.h"
#include "alert/alert.h"
#include "base/clock.h"
#include "base/guc.h"
#include "base/verdict.h"
#include "base/worker_context.h"
#include "counts/statistics.h"
#include "queue/accounts.h"

#define CHANNEL			"hubspot"
#define MAX_PENDING		1000
#define RETRY_US		60000000
#define LOCK_TIMEOUT_MS "100"

static List *pending = NIL;		/* texts */
static int	ntaken;				/* by the step at hand, from the first on */
static int64 not_before;

/* ---- a notification ---------------------------------------------------------------------- */

static void
put_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, ", \"%s\": ", name);
	if (value != NULL)
		escape_json(json, value);
	else
		appendStringInfoString(json, "null");
}

static void
put_flag(StringInfo json, const char *name, bool value)
{
	appendStringInfo(json, ", \"%s\": %s", name, value ? "true" : "false");
}

static void
begin_json(StringInfo json, const char *kind)
{
	char		at[MAXDATELEN + 1];

	initStringInfo(json);
	(void) JsonEncodeDateTime(at, TimestampTzGetDatum(GetCurrentTimestamp()), TIMESTAMPTZOID,
							  NULL);
	appendStringInfo(json, "{\"kind\": \"%s\", \"at\": \"%s\"", kind, at);
}

/* The oldest goes when there are too many, but not from under the step. */
static void
send_json(StringInfo json)
{
	MemoryContext old;

	appendStringInfoChar(json, '}');
	if (!hubspot_notify)
		return;
	old = MemoryContextSwitchTo(WorkerContext);
	if (list_length(pending) >= MAX_PENDING)
	{
		pfree(linitial(pending));
		pending = list_delete_first(pending);
	}
	pending = lappend(pending, pstrdup(json->data));
	MemoryContextSwitchTo(old);
	pfree(json->data);
}

/* ---- news ---------------------------------------------------------------------------------- */

void
alert_start(void)
{
	StringInfoData json;

	begin_json(&json, "start");
	send_json(&json);
}

/*
 * What HubSpot says is in hubspot.status, for who may read it: it may quote a record, and the log
 * is no place for that.
 */
static void
log_lane(const LaneStatus *status, const LaneRule *now, const LaneRule *was)
{
	const char *lane = status->lane != NULL ? psprintf(", lane %s", status->lane) : "";

	/* The words of the status are those of its last event, which may be none that is told. */
	const char *reason = status->event == status->news
	? pnstrdup(status->reason, status->own) : now->reason;

	if (now->remedy != NULL && now->next == LANE_RUN)
		ereport(LOG,
				(errmsg("HubSpot account \"%s\"%s: %s", status->account, lane, reason)));
	else if (now->remedy != NULL)
		ereport(LOG,
				(errmsg("HubSpot account \"%s\"%s is in state %s: %s", status->account, lane,
						lane_state_name(now->next), reason)));
	else if (was->next == LANE_RUN)
		ereport(LOG,
				(errmsg("HubSpot account \"%s\"%s: it is over that %s", status->account, lane,
						was->reason)));
	else
		ereport(LOG,
				(errmsg("HubSpot account \"%s\"%s is not in state %s any more",
						status->account, lane, lane_state_name(was->next))));
}

static void
tell_lane(const LaneStatus *status, LaneEvent before)
{
	const LaneRule *now = &lane_rules[status->news];
	const LaneRule *was = &lane_rules[before];
	bool		is_wrong = now->remedy != NULL;
	StringInfoData json;

	log_lane(status, now, was);
	begin_json(&json, "lane");
	put_member(&json, "account", status->account);
	put_member(&json, "lane", status->lane);
	put_flag(&json, "wrong", is_wrong);
	put_member(&json, "state", lane_state_name(now->next));
	put_member(&json, "event", is_wrong ? now->event : NULL);
	put_member(&json, "before", was->remedy != NULL ? was->event : NULL);
	put_member(&json, "reason", is_wrong ? now->reason : NULL);
	put_member(&json, "remedy", now->remedy);
	send_json(&json);
}

static void
tell_failure(const FirstFailure *failure)
{
	StringInfoData json;
	const Account *owner = accounts_find(failure->server);
	const char *account;

	if (owner == NULL || owner->dropped)
		return;
	account = owner->name;
	ereport(LOG,
			(errmsg("HubSpot account \"%s\", lane %s: for the first time a row of the call %s is "
					"%s%s%s", account, failure->lane, failure->call, failure->verdict,
					failure->category[0] != '\0' ? " with the category " : "",
					failure->category)));
	begin_json(&json, "failure");
	put_member(&json, "account", account);
	put_member(&json, "lane", failure->lane);
	put_member(&json, "call", failure->call);
	put_member(&json, "verdict", failure->verdict);
	put_member(&json, "category", failure->category[0] != '\0' ? failure->category : NULL);
	send_json(&json);
}

void
alert_definition(const DefinitionNews *news)
{
	StringInfoData json;

	if (news->is_wrong)
		ereport(LOG,
				(errmsg("HubSpot %s \"%s\" is in state \"%s\", and hubspot.syncs says why",
						news->kind, news->name, news->state)));
	else if (news->was_wrong)
		ereport(LOG,
				(errmsg("HubSpot %s \"%s\" is well again, in state \"%s\"", news->kind,
						news->name, news->state)));
	begin_json(&json, "definition");
	put_member(&json, "name", news->name);
	put_member(&json, "type", news->kind);
	put_flag(&json, "wrong", news->is_wrong);
	put_member(&json, "state", news->state);
	put_member(&json, "before", news->before);
	send_json(&json);
}

void
alert_definition_failure(const char *name, const char *kind, const char *verdict,
						 const char *category)
{
	StringInfoData json;

	ereport(LOG,
			(errmsg("HubSpot %s \"%s\": for the first time a row is %s%s%s", kind, name, verdict,
					category != NULL ? " with the category " : "",
					category != NULL ? category : "")));
	begin_json(&json, "failure");
	put_member(&json, "name", name);
	put_member(&json, "type", kind);
	put_member(&json, "verdict", verdict);
	put_member(&json, "category", category);
	send_json(&json);
}

void
alert_worker(const char *problem)
{
	StringInfoData json;

	if (problem != NULL)
		ereport(LOG, (errmsg("HubSpot worker: %s", problem)));
	else
		ereport(LOG, (errmsg("HubSpot worker: what failed again and again goes well again")));
	begin_json(&json, "worker");
	put_flag(&json, "wrong", problem != NULL);
	put_member(&json, "reason", problem);
	send_json(&json);
}

int64
alert_look(int64 now)
{
	const LaneStatus *status;
	LaneEvent	before;
	FirstFailure failure;
	int64		wait_us;

	while ((status = lane_next_news(now, &before, &wait_us)) != NULL)
		tell_lane(status, before);
	while (statistics_take_first(&failure))
		tell_failure(&failure);
	return pending == NIL ? wait_us : clock_sooner(wait_us, Max(not_before - now, 0));
}

/* ---- NOTIFY --------------------------------------------------------------------------------- */

bool
alert_is_due(int64 now)
{
	return pending != NIL && now >= not_before;
}

void
alert_step(void)
{
	ListCell   *cell;

	/* All who notify take one lock when they commit, also one whose standby does not answer. */
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT_MS, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	foreach(cell, pending)
		Async_Notify(CHANNEL, lfirst(cell));
	ntaken = list_length(pending);
}

void
alert_done(void)
{
	while (ntaken-- > 0)
	{
		pfree(linitial(pending));
		pending = list_delete_first(pending);
	}
	ntaken = 0;
}

void
alert_failed(int64 now)
{
	not_before = now + RETRY_US;
}
