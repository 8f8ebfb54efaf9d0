/*
 * limits.h
 *	  HubSpot's limits: rolling windows, the daily pool, their headers.
 *
 * A window is truly rolling: it remembers the arrival of each request that
 * was served.  A refused request is not remembered.
 */
#ifndef SIMULATOR_LIMITS_H
#define SIMULATOR_LIMITS_H

#include "http.h"

typedef enum Meter
{
	METER_NONE,
	METER_STANDARD,				/* burst per token and daily per account */
	METER_SEARCH,				/* per second and account, and daily */
	METER_ASSOCIATIONS,			/* own window per token, own daily pool */
	METER_EVENTS,				/* per second; neither burst nor daily */
	METER_FORMS					/* public submissions */
} Meter;

/* Counts the request, or returns the policy that refuses it. */
extern const char *limits_take(Request *request, Meter meter);

/* Adds the rate headers that such a reply carries. */
extern void limits_headers(Request *request, Meter meter);

/* When the daily pool is filled again: midnight of the account's zone. */
extern int64_t limits_daily_reset_ms(void);

/* Seconds east of UTC in the account's zone, now. */
extern int	limits_utc_offset(void);

/* The most requests that one token had in any burst window. */
extern uint64_t limits_max_burst(void);

/* The zone was changed: the next midnight is another one. */
extern void limits_zone_changed(void);

extern void limits_reset(void);

#endif
