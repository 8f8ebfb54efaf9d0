/*
 * lane.h
 *		The states of a lane, as data.
 *
 * A lane is (account, family of endpoints).  Systemic trouble moves the lane
 * and touches no row; what concerns the whole account moves the account's own
 * status, which overrules its lanes'.  The words and reasons users read in
 * hubspot.status stand in the two tables of lane.c and nowhere else.
 */
#ifndef HUBSPOT_LANE_H
#define HUBSPOT_LANE_H

#include "reply.h"
#include "ring.h"

typedef enum LaneFamily
{
	FAMILY_CONTACTS,
	FAMILY_COMPANIES,
	FAMILY_ASSOCIATIONS,
	FAMILY_EVENTS,
	FAMILY_FORMS,
	FAMILY_SCHEMA
#define FAMILY_COUNT (FAMILY_SCHEMA + 1)
} LaneFamily;

typedef enum LaneState
{
	LANE_RUN,
	LANE_CONNECTING,
	LANE_LIMITED,
	LANE_BACKOFF,
	LANE_UNREACHABLE,
	LANE_UNAUTHORIZED,
	LANE_FORBIDDEN,
	LANE_DAILY,
	LANE_WRONG_HUBLET,
	LANE_MIGRATING,
	LANE_MISDIRECTED,
	LANE_MISCONFIGURED
#define LANE_STATE_COUNT (LANE_MISCONFIGURED + 1)
} LaneState;

/* What can happen to a lane. */
typedef enum LaneEvent
{
	EVENT_SUCCESS,				/* HubSpot answered about records */
	EVENT_START,				/* a new account, token or option */
	EVENT_METERED,				/* our own meter says wait */
	EVENT_LIMITED,				/* 429 of a short window */
	EVENT_DAILY,				/* 429 of the day, or none left of it */
	EVENT_DAILY_SHARE,			/* the part of the day that the SERVER's options grant is used */
	EVENT_LOCKED,				/* 423 */
	EVENT_UNAVAILABLE,			/* 5xx, 408, an unreadable answer */
	EVENT_NETWORK,				/* no answer: DNS, TCP, TLS, timeout */
	EVENT_BAD_OPTION,			/* an option of the SERVER is not usable */
	EVENT_NO_SECRET,			/* the token file cannot be read */
	EVENT_UNAUTHORIZED,			/* 401 */
	EVENT_FORBIDDEN,			/* 403 */
	EVENT_WRONG_HUBLET,			/* 488 */
	EVENT_MIGRATING,			/* 477 */
	EVENT_MISDIRECTED			/* 3xx, 405, a path that does not exist */
} LaneEvent;

typedef struct LaneStatus
{
	LaneState	state;
	int			failures;		/* events of trouble in a row */
	int64		until;			/* µs of the monotonic clock; 0: no end of its own */
	int64		trouble_at;		/* when the last event of trouble came, same clock */
	char		reason[256];	/* for the user; "" in RUN */
} LaneStatus;

/*
 * Apply an event.  detail (may be NULL) completes the reason; wait_s > 0 is a
 * time that HubSpot asked for and wins over the table's.
 */
extern void lane_event(LaneStatus *status, LaneEvent event, const char *detail, int64 wait_s);

/*
 * Whether an event tells nothing new: the request was sent before the trouble
 * began that the status is in.  One bad moment counts once, however many
 * requests it hits.
 */
extern bool lane_event_is_known(const LaneStatus *status, LaneEvent event, int64 sent_at);

/* Which event an answer's class is; EVENT_SUCCESS for RECORDS and REFUSED. */
extern LaneEvent lane_event_of(ReplyClass class);

/* Whether the event concerns the whole account rather than one family. */
extern bool lane_event_is_of_account(LaneEvent event);

/* Whether a status lets a request go now; a wait that is over counts as none. */
extern bool lane_may_send(const LaneStatus *status, int64 now);

extern const char *lane_state_name(LaneState state);
extern const char *lane_family_name(LaneFamily family);

/* The family whose lane carries rows of an object. */
extern LaneFamily lane_family_of(Object object);

#endif							/* HUBSPOT_LANE_H */
