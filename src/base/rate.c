/*
 * rate.c
 *		How fast something goes, and has gone lately.
 *
 * Called by the worker while it publishes.  No memory, no lock, no catalog.
 */
#include "postgres.h"

#include <math.h>

#include "base/rate.h"

#define WINDOW_US	1000000		/* the average is over seconds ... */
#define WEIGHT		0.3			/* ... in which the last one has this weight */
#define FIRST_US	200000		/* of a load: from here on there is a rate ... */
#define ALONE_US	4000000		/* ... and up to here it is that of the load alone */
#define LEAST		0.01

/* What was done since the last time was done evenly; it counts as many seconds as it took. */
static void
average(Rate *rate, int64 done, int64 now)
{
	double		seconds = (now - rate->at) / 1e6;
	double		last = (done - rate->done) / seconds;

	if (rate->per_second == 0)
		rate->per_second = last;
	else
		rate->per_second = last + (rate->per_second - last) * pow(1 - WEIGHT, seconds);
	if (rate->per_second < LEAST)
		rate->per_second = 0;
}

void
rate_note(Rate *rate, int64 done, bool has_work, int64 now)
{
	int64		load_us;

	if (rate->at == 0)
	{
		rate->at = now;
		rate->done = done;
	}
	if (!has_work)
		rate->load_at = 0;
	else if (rate->load_at == 0)
	{
		rate->load_at = now;
		rate->load_done = done;
	}

	/* before the first answer nothing is known but what was before */
	load_us = has_work ? now - rate->load_at : 0;
	if (load_us >= FIRST_US && load_us < ALONE_US && done > rate->load_done)
		rate->per_second = (done - rate->load_done) * 1e6 / load_us;
	else if (now - rate->at >= WINDOW_US)
		average(rate, done, now);
	else
		return;
	rate->at = now;
	rate->done = done;
}
