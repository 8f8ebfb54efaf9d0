/*
 * lane.h
 *		The states of a lane, as data.
 *
 * A lane is a pair of account and family of endpoints.  Systemic trouble changes the
 * state of the lane and of no row; trouble of the whole account changes the account's
 * state, which overrules the states of its lanes. lane_rules[] lists everything that can
 * happen: hubspot.lane_states() returns it, hubspot.status and hubspot_health() show its
 * words, and the worker uses its numbers.
 */
#ifndef HUBSPOT_LANE_H
#define HUBSPOT_LANE_H

#include "lib/ilist.h"

#include "message/object_type.h"
#include "reply/reply.h"

/* There is a lane for each object, whose number it has. */
typedef Object LaneFamily;

#define FAMILY_CONTACTS		OBJECT_IS_CONTACT
#define FAMILY_COMPANIES	OBJECT_IS_COMPANY
#define FAMILY_ASSOCIATIONS OBJECT_IS_ASSOCIATION
#define FAMILY_EVENTS		OBJECT_IS_EVENT
#define FAMILY_FORMS		OBJECT_IS_FORM
#define FAMILY_SCHEMA		OBJECT_IS_SCHEMA
#define FAMILY_LISTS		OBJECT_IS_LIST
#define FAMILY_CONSENT		OBJECT_IS_CONSENT
#define FAMILY_PAIRS		OBJECT_IS_PAIR

typedef enum LaneState
{
	LANE_RUN,
	LANE_CONNECTING,
	LANE_LIMITED,
	LANE_BACKOFF,
	LANE_UNREACHABLE,
	LANE_UNREADABLE,
	LANE_UNAUTHORIZED,
	LANE_FORBIDDEN,
	LANE_DAILY,
	LANE_WRONG_HUBLET,
	LANE_MIGRATING,
	LANE_MISDIRECTED,
	LANE_MISCONFIGURED,
	LANE_PAUSED,
	LANE_HELD,
	LANE_STOPPED
} LaneState;

/* What can happen to a lane. */
typedef enum LaneEvent
{
	EVENT_SUCCESS,				/* HubSpot answered about records */
	EVENT_START,				/* a new account, token or option */
	EVENT_LEARNING,				/* the account's properties are not known yet */
	EVENT_NOT_TOLD,				/* HubSpot refuses to tell what rows need: they do without */
	EVENT_METERED,				/* our own meter says wait */
	EVENT_LIMITED,				/* 429 of a short window */
	EVENT_DAILY,				/* 429 of the day, or none left of it */
	EVENT_DAILY_SHARE,			/* the part of the day that the SERVER's options grant is used */
	EVENT_LOCKED,				/* 423 */
	EVENT_UNAVAILABLE,			/* 5xx, 408 */
	EVENT_NETWORK,				/* no answer: DNS, TCP, TLS, timeout */
	EVENT_NOT_STORED,			/* our tables refuse what HubSpot has sent */
	EVENT_UNREADABLE,			/* 2xx that we cannot read */
	EVENT_TOO_LONG,				/* an answer beyond WIRE_MAX_BODY */
	EVENT_MIGRATING,			/* 477 */
	EVENT_BAD_OPTION,			/* an option of the SERVER is not usable */
	EVENT_NOT_UNIQUE,			/* the property of the account's ids cannot identify a record */
	EVENT_NO_KEY,				/* HubSpot lacks that property */
	EVENT_NO_SECRET,			/* the token file cannot be read */
	EVENT_NO_METER,				/* too many tokens are in use */
	EVENT_UNAUTHORIZED,			/* 401 */
	EVENT_OTHER_HUB,			/* the token is not of the account that the SERVER names */
	EVENT_FORBIDDEN,			/* 403 */
	EVENT_BARRED,				/* 403 that is no answer of HubSpot's API */
	EVENT_WRONG_HUBLET,			/* 488 */
	EVENT_MISDIRECTED,			/* 3xx, 405, a path that does not exist */
	EVENT_NO_TYPE,				/* the account has no such object */
	EVENT_PAUSED,				/* hubspot_pause() of this lane */
	EVENT_ACCOUNT_PAUSED,		/* hubspot_pause() of the account */
	EVENT_HELD,					/* the worker may not send; shown by the view */
	EVENT_STOPPED				/* there is no worker; shown by the view */
#define LANE_EVENT_COUNT (EVENT_STOPPED + 1)
} LaneEvent;

/* What an event changes. */
typedef enum LaneScope
{
	SCOPE_LANE,					/* the lane whose request met it; the account when that asked for
								 * itself */
	SCOPE_ACCOUNT,
	SCOPE_DATABASE
} LaneScope;

/* What ends a state, one bit each. */
#define LEFT_BY_ANSWER	(1 << 0)	/* of the request that is under way */
#define LEFT_BY_TIME	(1 << 1)	/* one request is tried when the wait is over */
#define LEFT_BY_RELOAD	(1 << 2)	/* the configuration is reloaded */
#define LEFT_BY_ALTER	(1 << 3)	/* ALTER SERVER: the account starts again */
#define LEFT_BY_RESUME	(1 << 4)	/* hubspot_resume() */
#define LEFT_BY_ARM		(1 << 5)	/* hubspot_arm() */
#define LEFT_BY_START	(1 << 6)	/* a worker starts */

/* A row of lane_rules[]: what an event does. */
typedef struct LaneRule
{
	const char *event;			/* its word */
	LaneState	next;
	LaneScope	scope;
	bool		is_failure;		/* the next wait is longer; one request goes first */
	double		wait;			/* seconds; below longest it doubles with each failure in a row; 0:
								 * no end of its own */
	double		longest;
	int			left_by;
	const char *reason;			/* for the user, completed by a detail */
	const char *remedy;			/* what a person can do; NULL: nothing is wrong */
} LaneRule;

extern const LaneRule lane_rules[LANE_EVENT_COUNT];

/*
 * Written by lane.c alone.  Each one has a place, and lane.c notes when something begins or ends
 * to be wrong there: so no state changes in silence.
 */
typedef struct LaneStatus
{
	const char *account;		/* the place: name of the SERVER, in memory that stays ... */
	const char *lane;			/* ... and of the lane, NULL: all of it */
	LaneEvent	event;			/* the last event that counted ... */
	LaneState	state;			/* ... where it led */
	int			failures;		/* events of trouble in a row */
	int64		until;			/* µs of the monotonic clock; 0: no end by itself */
	int64		trouble_at;		/* when the last event of trouble came, same clock */
	char		reason[256];	/* for the user, in the database's encoding; "" in RUN */
	int			own;			/* # of bytes that are our own words; the rest may quote data */
	LaneEvent	news;			/* what is wrong now; EVENT_SUCCESS: nothing */
	LaneEvent	told;			/* what somebody was told last */
	int64		told_at;		/* when, same clock; 0: never */
	bool		is_untold;		/* both differ: in the list of those */
	dlist_node	untold;
} LaneStatus;

/* Its place, once and before anything else; and when the account goes, so that nothing is told. */
extern void lane_init(LaneStatus *status, const char *account, const char *lane);
extern void lane_leave(LaneStatus *status);

/*
 * What is to be told: the next status whose trouble began, ended or became another one, and what
 * was wrong before.  NULL: nothing may be told now; *wait_us: how long until then, -1: nothing is
 * to be.  Of a place one thing is told in a second, the last one.
 */
extern const LaneStatus *lane_next_news(int64 now, LaneEvent *before, int64 *wait_us);

/* A status without a place, to be shown and no more. */
extern LaneStatus lane_shown(LaneEvent event, const char *detail);

/*
 * Apply an event. detail (or NULL) completes the reason. wait_s > 0 is the wait that
 * HubSpot asked for; it overrules the table.
 */
extern void lane_event(LaneStatus *status, LaneEvent event, const char *detail, int64 wait_s);

/* Mark the detail as HubSpot's own words, which not everybody may read. */
extern void lane_reason_quotes(LaneStatus *status);

/* The configuration was reloaded: if that ends the state, one request is tried now. */
extern void lane_reload(LaneStatus *status);

/*
 * Whether an event is no news: its request was sent before the present trouble began.  So
 * one moment of trouble counts once, however many requests it hits.
 */
extern bool lane_event_is_known(const LaneStatus *status, LaneEvent event, int64 sent_at);

/* The event for the class of an answer; EVENT_SUCCESS for RECORDS and REFUSED. */
extern LaneEvent lane_event_of(ReplyClass class);

/* Whether the event concerns the whole account rather than one family. */
extern bool lane_event_is_of_account(LaneEvent event);

/* Whether a status allows a request now; a wait that is over does. */
extern bool lane_may_send(const LaneStatus *status, int64 now);

/* What a row waits for when a lane is as the event has left it, in short; NULL: nothing. */
extern const char *lane_waits_for(LaneEvent event);

extern const char *lane_state_name(LaneState state);
extern const char *lane_scope_name(LaneScope scope);

/* The word of the n-th LEFT_BY_ bit; NULL after the last. */
extern const char *lane_exit_name(int n);

extern const char *lane_family_name(LaneFamily family);

/* The family of that name; as object_of_lane(). */
extern int	lane_find_family(const char *name);

#endif							/* HUBSPOT_LANE_H */
