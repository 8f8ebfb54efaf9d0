/*
 * clock.h
 *		Microseconds of the monotonic clock, for pauses and limits.
 *
 * The same in all processes of a machine, unmoved by changes of the time of
 * day.  Times that users see are TimestampTz.
 */
#ifndef HUBSPOT_CLOCK_H
#define HUBSPOT_CLOCK_H

#include <time.h>

static inline int64
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* µs of the processor that this process has used. */
static inline int64
clock_cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Of two times to wait, each -1 for none of its own, the shorter one. */
static inline int64
clock_sooner(int64 a, int64 b)
{
	return a < 0 ? b : b < 0 ? a : Min(a, b);
}

#endif							/* HUBSPOT_CLOCK_H */
