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
 * What HubSpot counts beyond ours is of other clients of the token.  It is
 * kept like ours, by the time when we learnt of it, and leaves the window the
 * same way.  As others may send at any moment, as many places are left free as
 * they were last seen to take between two answers; none while nobody else is there.
 *
 * Where HubSpot refuses all the same, nothing is sent for a moment, which
 * doubles with each refusal, then one request at a time until one is taken.
 * One goes first as well before HubSpot has ever answered.
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
#include "http/reply.h"

#define METER_WINDOW_MS			10000

/* HubSpot's limits: each kind is counted by itself. */
typedef enum MeterKind
{
	METER_OBJECTS,				/* all that is not named below */
	METER_SEARCH,
	METER_ASSOCIATIONS,
	METER_FORMS,				/* without a token */
	METER_EVENTS,
	METER_COUNT,
	METER_NONE = METER_COUNT	/* not limited */
} MeterKind;

/*
 * The meter of a token (by its hash) for a kind of requests, with one more
 * reference; NULL when none is free.  Forms without a token have one for all.
 */
extern Meter *meter_hold(uint64 token, MeterKind kind);

/* Give the reference back; requests that are booked may still be told of. */
extern void meter_release(Meter *meter);

/* Whether requests of this kind do not count for the day. */
extern bool meter_is_exempt(MeterKind kind);

/* What is counted, for the user: "searches", "requests". */
extern const char *meter_noun(MeterKind kind);

/*
 * Ask to send one request; ceiling (0: none) and share come from the
 * account's options; paced: the requests of a window are spread over it, so
 * that a place comes free at any time.  Returns 0 and books it, or the µs to wait.
 */
extern int64 meter_take(Meter *meter, int ceiling, double share, bool paced, int64 now);

/* The request was not sent after all. */
extern void meter_cancel(Meter *meter);

/*
 * The request that was sent then was answered, but not with 429; headers tell what HubSpot counts.
 */
extern void meter_answered(Meter *meter, const ReplyHeaders *headers, int64 sent_at, int64 now);

/* The limit of associations goes with that of the rest, which HubSpot's answers tell. */
extern void meter_set_associations(Meter *associations, Meter *objects);

/* No answer: HubSpot may or may not have counted it. */
extern void meter_lost(Meter *meter, int64 now);

/*
 * HubSpot refused the request that was sent then (429).  wait_s is what it
 * asked for, 0: nothing; policy what it called the limit.  Returns the µs to wait.
 */
extern int64 meter_refused(Meter *meter, const char *policy, int64 wait_s, int64 sent_at,
						   int64 now);

/* Nothing is left for so long; of associations, whose day is their own. */
extern void meter_block(Meter *meter, int64 wait_us, int64 now);

/* Somebody reloads: perhaps the day has been made longer, so the next request shall find out. */
extern void meter_unblock(Meter *meter);

/*
 * A request was answered before this server came up: so long ago. limit: what HubSpot granted, 0:
 * not known.
 */
extern void meter_remember(Meter *meter, int limit, int window_ms, int64 ago_us, int count,
						   int64 now);

/* What is known of the day; -1 where an answer does not tell. */
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
 * For those who hold none: the number of a meter (-1 of NULL) and its key, by which it is
 * read later; false when it is another token's by then.
 */
extern int	meter_index(const Meter *meter, uint64 *key);
extern bool meter_read_index(int index, uint64 key, MeterReading *reading, int64 now);

/* The memory, asked for and set up with the rest of the shared memory. */
extern Size meter_shared_size(void);
extern void meter_shared_startup(void);

/* Give back what this process holds, and had booked and not seen answered; at exit. */
extern void meter_abandon_all(void);

#endif							/* HUBSPOT_METER_H */
