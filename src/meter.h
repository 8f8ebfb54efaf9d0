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
 * Meters live in shared memory, one per token and kind of limit: two databases with one token
 * share one budget.  Each is under its own spinlock; all times are microseconds
 * of CLOCK_MONOTONIC, which all processes of a machine share.
 */
#ifndef HUBSPOT_METER_H
#define HUBSPOT_METER_H

#include "reply.h"
#include "shared.h"

#define METER_WINDOW_MS			10000

/* HubSpot's limits: each kind is counted by itself. */
typedef enum MeterKind
{
	METER_OBJECTS,				/* all that is not named below */
	METER_SEARCH,
	METER_ASSOCIATIONS,
	METER_COUNT,
	METER_NONE = METER_COUNT	/* not limited */
} MeterKind;

/*
 * The meter of a token (by its hash) for a kind of requests; the longest
 * unused one makes room.
 */
extern Meter *meter_find(uint64 token, MeterKind kind);

/*
 * Ask to send one request; ceiling (0: none) and share come from the
 * account's options.  Returns 0 and books it, or the µs to wait.
 */
extern int64 meter_take(Meter *meter, int ceiling, double share, int64 now);

/* The request was not sent after all. */
extern void meter_cancel(Meter *meter);

/* The request was answered; headers tell what HubSpot counts. */
extern void meter_answered(Meter *meter, const ReplyHeaders *headers, int64 now);

/* The limit of associations goes with that of the rest, which HubSpot's answers tell. */
extern void meter_set_associations(Meter *associations, const Meter *objects);

/* No answer: HubSpot may or may not have counted it. */
extern void meter_lost(Meter *meter, int64 now);

/* HubSpot refused (429): nothing is left for wait_s seconds; 0: for a window.  Returns the seconds. */
extern int64 meter_block(Meter *meter, int64 wait_s, int64 now);

/* For the views: limit, used by us, used by others. */
typedef struct MeterReading
{
	int			limit;
	int			used;
	int			others;
	int64		daily_limit;	/* -1: not known */
	int64		daily_remaining;
} MeterReading;

extern void meter_read(Meter *meter, MeterReading *reading, int64 now);

/* Give back what this process had booked and not seen answered; at exit. */
extern void meter_abandon_all(void);

#endif							/* HUBSPOT_METER_H */
