/*
 * lane.c
 *		The states of a lane, as data.
 *
 * lane_rules[] says for each event: the state that it leads to, for how long, with which
 * words, and what ends the state.  The code below looks things up, and keeps the list of
 * those of whom there is something to be told.  No memory, no lock.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/hubspot.h"
#include "account/lane.h"
#include "base/clock.h"

static const char *const state_names[] =
{
	[LANE_RUN] = "RUN",
	[LANE_CONNECTING] = "CONNECTING",
	[LANE_LIMITED] = "LIMITED",
	[LANE_BACKOFF] = "BACKOFF",
	[LANE_UNREACHABLE] = "UNREACHABLE",
	[LANE_UNREADABLE] = "UNREADABLE",
	[LANE_UNAUTHORIZED] = "UNAUTHORIZED",
	[LANE_FORBIDDEN] = "FORBIDDEN",
	[LANE_DAILY] = "DAILY",
	[LANE_WRONG_HUBLET] = "WRONG_HUBLET",
	[LANE_MIGRATING] = "MIGRATING",
	[LANE_MISDIRECTED] = "MISDIRECTED",
	[LANE_MISCONFIGURED] = "MISCONFIGURED",
	[LANE_PAUSED] = "PAUSED",
	[LANE_HELD] = "HELD",
	[LANE_STOPPED] = "STOPPED",
};

static const char *const scope_names[] =
{
	[SCOPE_LANE] = "lane",
	[SCOPE_ACCOUNT] = "account",
	[SCOPE_DATABASE] = "database",
};

/* In the order of the LEFT_BY_ bits. */
static const char *const exit_names[] =
{"answer", "time", "reload", "ALTER SERVER", "hubspot_resume()", "hubspot_arm()", "start"};

/* Trouble: one request is tried from time to time, and when somebody may have mended something. */
#define TRIED_AGAIN (LEFT_BY_TIME | LEFT_BY_RELOAD | LEFT_BY_ALTER)

const LaneRule lane_rules[LANE_EVENT_COUNT] =
{
	/* no trouble */
	[EVENT_SUCCESS] = {"success", LANE_RUN, SCOPE_LANE, false, 0, 0, 0, "", NULL},
	[EVENT_START] = {"start", LANE_CONNECTING, SCOPE_ACCOUNT, false, 0, 0,
		LEFT_BY_ANSWER,
	"asking HubSpot for the account", NULL},
	[EVENT_LEARNING] = {"learning", LANE_CONNECTING, SCOPE_LANE, false, 0, 0,
		LEFT_BY_ANSWER,
	"asking HubSpot for the account's properties", NULL},

	/* Deliveries go on.  hubspot_health() has a row for each, which names what is not told. */
	[EVENT_NOT_TOLD] = {"not told", LANE_RUN, SCOPE_LANE, false, 0, 0,
		LEFT_BY_ANSWER,
		"HubSpot does not tell what rows need, so they go without",
		"grant the scope that hubspot_health() names to the token, in HubSpot, and call "
	"hubspot_refresh_schema()"},

	/* limits */
	[EVENT_METERED] = {"metered", LANE_LIMITED, SCOPE_LANE, false, 0, 0,
		LEFT_BY_TIME,
	"the requests that HubSpot grants per 10 seconds are used up", NULL},
	[EVENT_LIMITED] = {"429", LANE_LIMITED, SCOPE_LANE, true, 10, 10,
		LEFT_BY_TIME,
	"HubSpot refused a request for its short-time limit", NULL},
	[EVENT_DAILY] = {"429 of the day", LANE_DAILY, SCOPE_ACCOUNT, true, 600, 600,
		TRIED_AGAIN,
		"the account's requests of the day are used up",
	"wait for the account's next day; make fewer calls, or buy more of HubSpot"},
	[EVENT_DAILY_SHARE] = {"share of the day", LANE_DAILY, SCOPE_ACCOUNT, true, 600, 600,
		TRIED_AGAIN,
		"our part of the account's requests of the day is used up",
	"wait for the account's next day, or raise the SERVER option daily_limit or quota_share"},

	/*
	 * Trouble that passes by itself.  The first wait is short, because a single record may be the
	 * cause.  The longest wait is the longest delay after an outage; one request per such wait
	 * costs little.
	 */
	[EVENT_LOCKED] = {"423", LANE_BACKOFF, SCOPE_LANE, true, 2, 16,
		TRIED_AGAIN,
		"HubSpot has locked the records for other writes",
	"wait"},
	[EVENT_UNAVAILABLE] = {"5xx", LANE_BACKOFF, SCOPE_LANE, true, 0.1, 4,
		TRIED_AGAIN,
		"HubSpot is not available",
	"wait; see status.hubspot.com"},
	[EVENT_NETWORK] = {"no answer", LANE_UNREACHABLE, SCOPE_LANE, true, 0.1, 4,
		TRIED_AGAIN,
		"no answer from HubSpot",
	"check the network, the proxy and the certificates"},

	/* The request is sent again, because HubSpot may give another answer then. */
	[EVENT_NOT_STORED] = {"not stored", LANE_BACKOFF, SCOPE_LANE, true, 1, 300,
		TRIED_AGAIN,
		"what HubSpot says of the account's properties could not be stored",
	"mend what the reason names; see the server log"},

	/*
	 * HubSpot has carried out the request, and will do so each time: the next try only shows
	 * whether the answer can be read.  The first tries are for an answer that was garbled on its
	 * way.  If five answers in half a minute cannot be read, a person must look; until then one
	 * request in five minutes uses less than a hundredth of the smallest daily limit.
	 */
	[EVENT_UNREADABLE] = {"unreadable answer", LANE_UNREADABLE, SCOPE_LANE, true, 1, 300,
		TRIED_AGAIN,
		"this server cannot read HubSpot's answers",
		"see hubspot.requests and hubspot.libraries(): if a proxy answers in HubSpot's place, "
	"mend that, else update json-c or report it"},
	[EVENT_TOO_LONG] = {"answer too long", LANE_UNREADABLE, SCOPE_LANE, true, 1, 300,
		TRIED_AGAIN,
		"HubSpot's answer is too long",
		"hubspot.requests has its path: if it is that of the properties, delete properties or "
		"options in HubSpot that nobody needs; if a proxy answers in HubSpot's place, mend that; "
	"else report it"},
	[EVENT_MIGRATING] = {"477", LANE_MIGRATING, SCOPE_ACCOUNT, true, 300, 3600,
		TRIED_AGAIN,
		"HubSpot is moving the account to another data centre",
	"wait"},

	/* trouble that a person must mend */
	[EVENT_BAD_OPTION] = {"bad option", LANE_MISCONFIGURED, SCOPE_ACCOUNT, true, 0, 0,
		LEFT_BY_ALTER,
		"an option of the SERVER is not usable",
	"ALTER SERVER ... OPTIONS (DROP or SET the option)"},
	[EVENT_NOT_UNIQUE] = {"key not unique", LANE_MISCONFIGURED, SCOPE_LANE, true, 60, 300,
		TRIED_AGAIN,
		"a property that is not unique in HubSpot cannot be the key",
		"name a property with unique values in the SERVER option; "
	"hubspot_create_property(..., is_unique => true) creates one"},
	[EVENT_NO_KEY] = {"key lacking", LANE_MISCONFIGURED, SCOPE_LANE, true, 60, 300,
		TRIED_AGAIN,
		"HubSpot lacks the property of the key",
		"run the statement that the reason names, or name another property in the SERVER option "
	"id_properties"},
	[EVENT_NO_SECRET] = {"no token", LANE_UNAUTHORIZED, SCOPE_ACCOUNT, true, 60, 60,
		TRIED_AGAIN,
		"no token",
		"put the token into a file in hubspot.secret_directory, and name that in the "
	"SERVER option secret"},
	[EVENT_NO_METER] = {"no meter", LANE_MISCONFIGURED, SCOPE_ACCOUNT, true, 10, 10,
		TRIED_AGAIN,
		"more tokens are in use than hubspot.max_tokens allows",
	"raise hubspot.max_tokens and restart the server, or drop SERVERs that are not needed"},
	[EVENT_UNAUTHORIZED] = {"401", LANE_UNAUTHORIZED, SCOPE_ACCOUNT, true, 60, 60,
		TRIED_AGAIN,
		"HubSpot does not accept the token",
	"put a valid token into the account's file in hubspot.secret_directory"},
	[EVENT_OTHER_HUB] = {"other account", LANE_UNAUTHORIZED, SCOPE_ACCOUNT, true, 60, 60,
		TRIED_AGAIN,
		"the token is of another account",
		"put a token of the right account into the file in hubspot.secret_directory, "
	"or correct the SERVER option portal_id"},
	[EVENT_FORBIDDEN] = {"403", LANE_FORBIDDEN, SCOPE_LANE, true, 300, 300,
		TRIED_AGAIN,
		"the token lacks a scope",
	"grant the named scopes to the token, in HubSpot"},
	[EVENT_BARRED] = {"403 page", LANE_FORBIDDEN, SCOPE_LANE, true, 10, 300,
		TRIED_AGAIN,
		"something before HubSpot's API refuses the requests",
		"the answer is no JSON of HubSpot's: if a proxy or firewall of yours gave it, let this "
		"server through; if it is what stands before HubSpot's API, ask HubSpot's support about "
	"this server's address"},
	[EVENT_WRONG_HUBLET] = {"488", LANE_WRONG_HUBLET, SCOPE_ACCOUNT, true, 300, 300,
		TRIED_AGAIN,
		"the account lives in another data centre",
	"make a new token there, or set the SERVER option base_url"},

	/* The first tries are for a single record that made the address seem wrong: others go first. */
	[EVENT_MISDIRECTED] = {"misdirected", LANE_MISDIRECTED, SCOPE_LANE, true, 5, 300,
		TRIED_AGAIN,
		"the address is not HubSpot's API",
	"check the SERVER options base_url and api_version"},

	[EVENT_NO_TYPE] = {"unknown object", LANE_MISDIRECTED, SCOPE_LANE, true, 60, 300,
		TRIED_AGAIN,
		"the account has no such object",
		"activate it in HubSpot, or make it; where its name or type id was wrong, take the calls "
	"back with hubspot_cancel()"},

	/* requested by a person */
	[EVENT_PAUSED] = {"paused", LANE_PAUSED, SCOPE_LANE, false, 0, 0,
		LEFT_BY_RESUME,
		"the lane is paused",
	"call hubspot_resume() with the SERVER and the lane when it is to go on"},
	[EVENT_ACCOUNT_PAUSED] = {"account paused", LANE_PAUSED, SCOPE_ACCOUNT, false, 0, 0,
		LEFT_BY_RESUME,
		"the account is paused",
	"call hubspot_resume() with the SERVER when it is to go on"},

	/* for the whole database, whatever the lanes' states */
	[EVENT_HELD] = {"held", LANE_HELD, SCOPE_DATABASE, false, 0, 0,
		LEFT_BY_TIME | LEFT_BY_RELOAD | LEFT_BY_ARM,
		"the worker may not send",
		"hubspot_explain_backlog() says what would be sent; if it is to be sent from here, "
	"call hubspot_arm(), or mend what the reason names"},
	[EVENT_STOPPED] = {"no worker", LANE_STOPPED, SCOPE_DATABASE, false, 0, 0,
		LEFT_BY_START,
		"no worker reports this account, see hubspot_health()",
		"see the server log and the view hubspot.workers; "
	"check hubspot.databases and max_worker_processes"},
};

/* In hubspot.outbox_status; "until ..." may follow. */
static const char *const waits[LANE_EVENT_COUNT] =
{
	[EVENT_START] = "HubSpot's answer about the account",
	[EVENT_LEARNING] = "HubSpot's answer about the account's properties",
	[EVENT_METERED] = "HubSpot's limit",
	[EVENT_LIMITED] = "HubSpot's limit",
	[EVENT_DAILY] = "HubSpot's limit of the day",
	[EVENT_DAILY_SHARE] = "our share of HubSpot's limit of the day",
	[EVENT_LOCKED] = "records that HubSpot has locked",
	[EVENT_UNAVAILABLE] = "HubSpot, which is not available",
	[EVENT_NETWORK] = "HubSpot, which does not answer",
	[EVENT_NOT_STORED] = "the account's properties, which could not be stored",
	[EVENT_UNREADABLE] = "answers of HubSpot that can be read",
	[EVENT_TOO_LONG] = "an answer of HubSpot of a bearable length",
	[EVENT_MIGRATING] = "the account's move to another data centre",
	[EVENT_BAD_OPTION] = "a usable option of the SERVER",
	[EVENT_NOT_UNIQUE] = "a key property that is unique in HubSpot",
	[EVENT_NO_KEY] = "a key property that HubSpot has",
	[EVENT_NO_SECRET] = "a token",
	[EVENT_NO_METER] = "hubspot.max_tokens",
	[EVENT_UNAUTHORIZED] = "a valid token",
	[EVENT_OTHER_HUB] = "a token of the account that portal_id names",
	[EVENT_FORBIDDEN] = "a scope of the token",
	[EVENT_BARRED] = "what stands before HubSpot, which refuses this server",
	[EVENT_WRONG_HUBLET] = "a token of the right data centre",
	[EVENT_MISDIRECTED] = "the right address of HubSpot",
	[EVENT_NO_TYPE] = "an object that the account has",
	[EVENT_PAUSED] = "lane paused",
	[EVENT_ACCOUNT_PAUSED] = "account paused",
	[EVENT_HELD] = "a worker",
	[EVENT_STOPPED] = "a worker",
};

/* Store reason and detail, cut after a whole character if they are too long. */
static void
set_reason(LaneStatus *status, const char *reason, const char *detail)
{
	int			len;

	if (detail != NULL && detail[0] != '\0')
		snprintf(status->reason, sizeof(status->reason), "%s: %s", reason, detail);
	else
		strlcpy(status->reason, reason, sizeof(status->reason));
	len = strlen(status->reason);
	status->reason[pg_mbcliplen(status->reason, len, sizeof(status->reason) - 1)] = '\0';
	status->own = strlen(status->reason);
}

/* ---- what is to be told ------------------------------------------------------------ */

#define QUIET_US	1000000		/* of one place */

static dlist_head untold = DLIST_STATIC_INIT(untold);

void
lane_init(LaneStatus *status, const char *account, const char *lane)
{
	status->account = account;
	status->lane = lane;
}

static void
take_from_untold(LaneStatus *status)
{
	if (status->is_untold)
		dlist_delete(&status->untold);
	status->is_untold = false;
}

void
lane_leave(LaneStatus *status)
{
	take_from_untold(status);
	status->news = status->told = EVENT_SUCCESS;
}

/*
 * Events without a remedy are no trouble, nor do they end one: that our meter lets nothing go, or
 * that the account is asked, does not say that it is over.
 */
static void
note_news(LaneStatus *status, LaneEvent event)
{
	if (event != EVENT_SUCCESS && lane_rules[event].remedy == NULL)
		return;
	status->news = event;
	take_from_untold(status);
	if (status->news == status->told)
		return;
	dlist_push_tail(&untold, &status->untold);
	status->is_untold = true;
}

const LaneStatus *
lane_next_news(int64 now, LaneEvent *before, int64 *wait_us)
{
	dlist_iter	iter;

	*wait_us = -1;
	dlist_foreach(iter, &untold)
	{
		LaneStatus *status = dlist_container(LaneStatus, untold, iter.cur);
		int64		wait = status->told_at == 0 ? 0 : status->told_at + QUIET_US - now;

		if (wait > 0)
		{
			*wait_us = clock_sooner(*wait_us, wait);
			continue;
		}
		take_from_untold(status);
		*before = status->told;
		status->told = status->news;
		status->told_at = now;
		return status;
	}
	return NULL;
}

/* ---- events ------------------------------------------------------------------------- */

/* What the table says, but for the time. */
static void
enter(LaneStatus *status, LaneEvent event, const char *detail)
{
	status->event = event;
	status->state = lane_rules[event].next;
	set_reason(status, lane_rules[event].reason, detail);
}

LaneStatus
lane_shown(LaneEvent event, const char *detail)
{
	LaneStatus	status = {0};

	enter(&status, event, detail);
	return status;
}

void
lane_event(LaneStatus *status, LaneEvent event, const char *detail, int64 wait_s)
{
	const LaneRule *rule = &lane_rules[event];
	double		wait = rule->wait;

	if (event == EVENT_SUCCESS || event == EVENT_START)
		status->failures = 0;
	else if (rule->is_failure)
	{
		for (int i = 0; i < status->failures && wait < rule->longest; i++)
			wait *= 2;
		wait = Min(wait, rule->longest);
		status->failures++;
		status->trouble_at = clock_us();
	}
	if (wait_s > 0)
		wait = wait_s;

	Assert(status->account != NULL);
	enter(status, event, detail);
	status->until = wait > 0 ? clock_us() + (int64) (wait * 1000000) : 0;
	note_news(status, event);
}

void
lane_reason_quotes(LaneStatus *status)
{
	status->own = Min(status->own, (int) strlen(lane_rules[status->event].reason));
}

void
lane_reload(LaneStatus *status)
{
	if ((lane_rules[status->event].left_by & LEFT_BY_RELOAD) == 0)
		return;
	status->failures = 1;
	status->until = clock_us();
}

bool
lane_event_is_known(const LaneStatus *status, LaneEvent event, int64 sent_at)
{
	return status->failures > 0 && status->state == lane_rules[event].next &&
		sent_at < status->trouble_at;
}

LaneEvent
lane_event_of(ReplyClass class)
{
	switch (class)
	{
			/* A refusal is about records; the lane works. */
		case REPLY_RECORDS:
		case REPLY_REFUSED:
			return EVENT_SUCCESS;
		case REPLY_LIMITED:
			return EVENT_LIMITED;
		case REPLY_DAILY:
			return EVENT_DAILY;
		case REPLY_LOCKED:
			return EVENT_LOCKED;
		case REPLY_UNAVAILABLE:
			return EVENT_UNAVAILABLE;
		case REPLY_UNREADABLE:
			return EVENT_UNREADABLE;
		case REPLY_UNAUTHORIZED:
			return EVENT_UNAUTHORIZED;
		case REPLY_FORBIDDEN:
			return EVENT_FORBIDDEN;
		case REPLY_WRONG_HUBLET:
			return EVENT_WRONG_HUBLET;
		case REPLY_MIGRATING:
			return EVENT_MIGRATING;
		case REPLY_MISDIRECTED:
		case REPLY_NOT_FOUND:
			return EVENT_MISDIRECTED;
		case REPLY_NO_TYPE:
			return EVENT_NO_TYPE;
	}
	return EVENT_UNAVAILABLE;
}

bool
lane_event_is_of_account(LaneEvent event)
{
	return lane_rules[event].scope == SCOPE_ACCOUNT;
}

bool
lane_may_send(const LaneStatus *status, int64 now)
{
	return status->state == LANE_RUN || (status->until != 0 && status->until <= now);
}

const char *
lane_waits_for(LaneEvent event)
{
	return waits[event];
}

const char *
lane_state_name(LaneState state)
{
	return state_names[state];
}

const char *
lane_scope_name(LaneScope scope)
{
	return scope_names[scope];
}

const char *
lane_exit_name(int n)
{
	return n < lengthof(exit_names) ? exit_names[n] : NULL;
}

const char *
lane_family_name(LaneFamily family)
{
	return object_types[family].plural;
}

int
lane_find_family(const char *name)
{
	return object_of_lane(name);
}
