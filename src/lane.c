/*
 * lane.c
 *		The states of a lane, as data.
 *
 * Two tables: what each state is called and whether it lets requests go, and
 * which state each event leads to, for how long, with which reason.  The code
 * below them only looks things up.  No memory, no lock.
 */
#include "postgres.h"

#include "hubspot.h"
#include "lane.h"
#include "clock.h"

static const struct
{
	const char *name;
	bool		sends;			/* even while its time runs */
}			lane_states[LANE_STATE_COUNT] =
{
	[LANE_RUN] = {"RUN", true},
	[LANE_CONNECTING] = {"CONNECTING", false},
	[LANE_LIMITED] = {"LIMITED", false},
	[LANE_BACKOFF] = {"BACKOFF", false},
	[LANE_UNREACHABLE] = {"UNREACHABLE", false},
	[LANE_UNAUTHORIZED] = {"UNAUTHORIZED", false},
	[LANE_FORBIDDEN] = {"FORBIDDEN", false},
	[LANE_DAILY] = {"DAILY", false},
	[LANE_WRONG_HUBLET] = {"WRONG_HUBLET", false},
	[LANE_MIGRATING] = {"MIGRATING", false},
	[LANE_MISDIRECTED] = {"MISDIRECTED", false},
	[LANE_MISCONFIGURED] = {"MISCONFIGURED", false},
};

/*
 * wait is the first pause in seconds; where it is below max, it doubles with
 * each event of trouble in a row.  0: no end of its own.
 */
static const struct
{
	LaneState	next;
	bool		of_account;
	int			wait;
	int			max;
	const char *reason;
}			lane_events[] =
{
	/* going well */
	[EVENT_SUCCESS] = {LANE_RUN, false, 0, 0, ""},
	[EVENT_START] = {LANE_CONNECTING, true, 0, 0, "asking HubSpot for the account"},

	/* limits */
	[EVENT_METERED] = {LANE_LIMITED, false, 0, 0, "the requests that HubSpot grants per 10 seconds are used up"},
	[EVENT_LIMITED] = {LANE_LIMITED, false, 10, 10, "HubSpot refused a request for its short-time limit"},
	[EVENT_DAILY] = {LANE_DAILY, true, 600, 600, "the account's requests of the day are used up"},
	[EVENT_DAILY_SHARE] = {LANE_DAILY, true, 600, 600, "our part of the account's requests of the day is used up"},

	/* trouble that passes */
	[EVENT_LOCKED] = {LANE_BACKOFF, false, 2, 16, "HubSpot has locked the records for other writes"},
	[EVENT_UNAVAILABLE] = {LANE_BACKOFF, false, 1, 60, "HubSpot is not available"},
	[EVENT_NETWORK] = {LANE_UNREACHABLE, false, 1, 60, "no answer from HubSpot"},
	[EVENT_MIGRATING] = {LANE_MIGRATING, true, 300, 3600, "HubSpot is moving the account to another data centre"},

	/* trouble that somebody has to mend; tried again now and then */
	[EVENT_BAD_OPTION] = {LANE_MISCONFIGURED, true, 0, 0, "an option of the SERVER is not usable"},
	[EVENT_NO_SECRET] = {LANE_UNAUTHORIZED, true, 60, 60, "no token"},
	[EVENT_UNAUTHORIZED] = {LANE_UNAUTHORIZED, true, 60, 60, "HubSpot does not accept the token"},
	[EVENT_FORBIDDEN] = {LANE_FORBIDDEN, false, 300, 300, "the token lacks a scope"},
	[EVENT_WRONG_HUBLET] = {LANE_WRONG_HUBLET, true, 300, 300, "the account lives in another data centre"},
	[EVENT_MISDIRECTED] = {LANE_MISDIRECTED, false, 300, 300, "the address is not HubSpot's API"},
};

static const char *const family_names[FAMILY_COUNT] = {
	[FAMILY_CONTACTS] = "contacts",
	[FAMILY_COMPANIES] = "companies",
	[FAMILY_ASSOCIATIONS] = "associations",
	[FAMILY_EVENTS] = "events",
	[FAMILY_FORMS] = "forms",
	[FAMILY_SCHEMA] = "schema",
};

void
lane_event(LaneStatus *status, LaneEvent event, const char *detail, int64 wait_s)
{
	int64		wait = lane_events[event].wait;

	if (event == EVENT_SUCCESS || event == EVENT_START)
		status->failures = 0;
	else if (event != EVENT_METERED)
	{
		for (int i = 0; i < status->failures && wait < lane_events[event].max; i++)
			wait *= 2;
		wait = Min(wait, lane_events[event].max);
		status->failures++;
		status->trouble_at = clock_us();
	}
	if (wait_s > 0)
		wait = wait_s;

	status->state = lane_events[event].next;
	status->until = wait > 0 ? clock_us() + wait * 1000000 : 0;
	if (detail != NULL && detail[0] != '\0')
		snprintf(status->reason, sizeof(status->reason), "%s: %s", lane_events[event].reason, detail);
	else
		strlcpy(status->reason, lane_events[event].reason, sizeof(status->reason));
}

bool
lane_event_is_known(const LaneStatus *status, LaneEvent event, int64 sent_at)
{
	return status->failures > 0 && status->state == lane_events[event].next &&
		sent_at < status->trouble_at;
}

LaneEvent
lane_event_of(ReplyClass class)
{
	switch (class)
	{
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
		case REPLY_UNAUTHORIZED:
			return EVENT_UNAUTHORIZED;
		case REPLY_FORBIDDEN:
			return EVENT_FORBIDDEN;
		case REPLY_WRONG_HUBLET:
			return EVENT_WRONG_HUBLET;
		case REPLY_MIGRATING:
			return EVENT_MIGRATING;
		case REPLY_MISDIRECTED:
			return EVENT_MISDIRECTED;
	}
	return EVENT_UNAVAILABLE;
}

bool
lane_event_is_of_account(LaneEvent event)
{
	return lane_events[event].of_account;
}

bool
lane_may_send(const LaneStatus *status, int64 now)
{
	return lane_states[status->state].sends || (status->until != 0 && status->until <= now);
}

const char *
lane_state_name(LaneState state)
{
	return lane_states[state].name;
}

LaneFamily
lane_family_of(Object object)
{
	static const LaneFamily families[OBJECT_COUNT] = {
		[OBJECT_IS_CONTACT] = FAMILY_CONTACTS,
		[OBJECT_IS_COMPANY] = FAMILY_COMPANIES,
		[OBJECT_IS_ASSOCIATION] = FAMILY_ASSOCIATIONS,
		[OBJECT_IS_EVENT] = FAMILY_EVENTS,
		[OBJECT_IS_FORM] = FAMILY_FORMS,
		[OBJECT_IS_SCHEMA] = FAMILY_SCHEMA,
	};

	return families[object];
}

const char *
lane_family_name(LaneFamily family)
{
	return family_names[family];
}
