/*
 * rate_test.c
 *		src/base/rate.c: what it says of loads of all kinds, against what is true.
 *
 * The clock is the test's.  A load is told in steps of a tenth of a second, as the
 * worker publishes.
 */
#include "postgres.h"

#include <math.h>

#include "base/rate.h"
#include "check.h"

#define STEP_US 100000

static Rate rate;
static int64 now;
static double done;

static void
begin(void)
{
	memset(&rate, 0, sizeof(rate));
	now = 12345678;
	done = 0;
}

/* So many seconds at so many rows per second. */
static void
go(double seconds, double per_second, bool has_work)
{
	for (int i = 0; i < seconds * 10 + 0.5; i++)
	{
		now += STEP_US;
		done += per_second / 10;
		rate_note(&rate, (int64) done, has_work, now);
	}
}

/* Nothing happens, and nobody looks. */
static void
sleep_for(double seconds)
{
	now += (int64) (seconds * 1e6);
}

static bool
within(double wanted, double share)
{
	return fabs(rate.per_second - wanted) <= wanted * share;
}

static void
tell(bool good, const char *what)
{
	char		line[200];

	snprintf(line, sizeof(line), "%s: %.3f", what, rate.per_second);
	check(good, line);
}

int
main(void)
{
	begin();
	go(0.1, 0, false);
	sleep_for(3600);
	go(0.5, 30000, true);
	tell(within(30000, 0.3), "half a second after an hour without work");
	go(0.5, 30000, true);
	tell(within(30000, 0.15), "a second after it");

	begin();
	for (int i = 0; i < 60; i++)
	{
		go(0.1, 10, true);
		go(1.9, 0, false);
	}
	tell(within(0.5, 0.7), "a row every two seconds");
	go(0.6, 100000, true);
	tell(within(100000, 0.3), "a load behind a trickle");

	go(20, 1900, true);
	tell(within(1900, 0.05), "a load that has become slower");
	go(3, 0, true);
	tell(rate.per_second > 0 && rate.per_second < 1900 * 0.5, "one that stands still");
	go(60, 0, true);
	tell(rate.per_second == 0, "for a minute");

	begin();
	go(2, 1000, true);
	sleep_for(600);
	rate_note(&rate, (int64) done, false, now);
	tell(rate.per_second == 0, "ten minutes without a look");

	begin();
	go(0.1, 0, false);
	go(1, 0, true);
	tell(rate.per_second == 0, "nothing is known before the first answer");
	go(1, 500, true);
	tell(within(250, 0.3), "the wait for the first answer is part of the load");
	return check_end();
}
