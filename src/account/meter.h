/*
 * meter.h
 *		How many requests a token may send now.
 *
 * HubSpot counts requests in a rolling window (100 to 250 per 10 s and token)
 * and tells limit and rest in each answer.  A meter remembers when each of
 * our requests was *answered*: HubSpot counted it before that moment, so that
 * a place used again one window later can never fall into the same window,
 * whatever the network did in between.  The price is one round-trip time per window.
 *
 * Requests that HubSpot counts beyond ours come from other clients of the token.  They
 * are kept like ours, by the time when we learnt of them, and leave the window in the
 * same way.  Because others may send at any moment, we leave as many places free as they
 * last took between two answers; none if there are no others.
 *
 * If HubSpot refuses all the same, nothing is sent for a pause, which doubles with each
 * refusal; then one request at a time until one is accepted.  Before HubSpot's first
 * answer, too, only one request is sent.
 *
 * Meters live in shared memory, one per token and kind of limit: two databases with one token share
 * one budget.  There are as many as hubspot.max_tokens asks for.  Who uses one holds it: a meter is
 * given to another token only when nobody holds it, none of its requests is under way, and what it
 * has counted has left the window; each use checks that.  Each is under its own spinlock; all times
 * are microseconds of CLOCK_MONOTONIC, which all processes of a machine share.
 */
#ifndef HUBSPOT_METER_H
#define HUBSPOT_METER_H

#include "cluster/shared.h"
#include "reply/reply.h"

#define METER_WINDOW_MS			10000

/* HubSpot's limits: each kind is counted by itself. */
typedef enum MeterKind
{
	METER_OBJECTS,				/* everything that is not named below */
	METER_SEARCH,
	METER_ASSOCIATIONS,
	METER_FORMS,				/* without a token */
	METER_EVENTS,
	METER_COUNT,
	METER_NONE = METER_COUNT	/* not limited */
} MeterKind;

/*
 * The meter of a token (by its hash) for a kind of request, with one more reference; NULL
 * if none is free.  Forms have no token and share one meter.
 */
extern Meter *meter_hold(uint64 token, MeterKind kind);

/* Give the reference back; answers to requests that are booked may still be reported. */
extern void meter_release(Meter *meter);

/* Whether requests of this kind do not count for the daily limit. */
extern bool meter_is_exempt(MeterKind kind);

/* The noun for the user: "searches", "requests". */
extern const char *meter_noun(MeterKind kind);

/*
 * Take a place for one request. ceiling (0: none) and share come from the account's
 * options; paced: spread the requests over the window, so that a place is free at any
 * time.  Returns 0 if the request may be sent now, or the µs to wait.
 */
extern int64 meter_take(Meter *meter, int ceiling, double share, bool paced, int64 now);

/* Give the place back: the request was not sent. */
extern void meter_cancel(Meter *meter);

/*
 * The request sent at sent_at was answered with anything but 429; the headers may tell
 * HubSpot's count.
 */
extern void meter_answered(Meter *meter, const ReplyHeaders *headers, int64 sent_at, int64 now);

/* Set the limit of associations from the limit of objects, which HubSpot's answers tell. */
extern void meter_set_associations(Meter *associations, Meter *objects);

/* No answer: HubSpot may or may not have counted it. */
extern void meter_lost(Meter *meter, int64 now);

/*
 * HubSpot refused the request sent at sent_at (429). wait_s is the wait that it asked for
 * (0: none), policy the name of the limit.  Returns the µs to wait.
 */
extern int64 meter_refused(Meter *meter, const char *policy, int64 wait_s, int64 sent_at,
						   int64 now);

/* Block the meter for so long: for associations, which have a daily limit of their own. */
extern void meter_block(Meter *meter, int64 wait_us, int64 now);

/*
 * The configuration was reloaded: the daily limit may have been raised, so the next
 * request shall find out.
 */
extern void meter_unblock(Meter *meter);

/*
 * Count a request that was answered so long ago, before this server started. limit:
 * HubSpot's limit then, 0: not known.
 */
extern void meter_remember(Meter *meter, int limit, int window_ms, int64 ago_us, int count,
						   int64 now);

/* Set the daily limit and the rest; -1: not known. */
extern void meter_set_daily(Meter *meter, int64 limit, int64 remaining, bool by_header);
extern void meter_set_reset(Meter *meter, TimestampTz resets_at);

/* For the views: limit, used by us, used by others. */
typedef struct MeterReading
{
	int			limit;			/* 0: not known */
	int			window_ms;
	int			used;
	int			others;
	int			reserve;		/* places left to others */
	int64		blocked_us;		/* 0: not blocked */
	int64		daily_limit;	/* -1: not known */
	int64		daily_remaining;
	bool		daily_told;		/* by headers */
	TimestampTz daily_resets_at;	/* 0: not known */
} MeterReading;

extern void meter_read(Meter *meter, MeterReading *reading, int64 now);

/*
 * For processes that hold no meter: a meter's number (-1 for NULL) and key.
 * meter_read_index() reads it by both; false if it belongs to another token by then.
 */
extern int	meter_index(const Meter *meter, uint64 *key);
extern bool meter_read_index(int index, uint64 key, MeterReading *reading, int64 now);

/* Size and initialization of the shared memory. */
extern Size meter_shared_size(void);
extern void meter_shared_startup(void);

/* At exit: give back what this process holds, and the places of requests that were not answered. */
extern void meter_abandon_all(void);

#endif							/* HUBSPOT_METER_H */
