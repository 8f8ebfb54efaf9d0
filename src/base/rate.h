/*
 * rate.h
 *		How fast something goes, and has gone lately.
 *
 * A moving average over seconds.  But what has begun with a pause behind it is
 * not as slow as the pause: while work is at hand, its first seconds count
 * alone, so that "how long will the rest take" is right from the start.
 */
#ifndef HUBSPOT_RATE_H
#define HUBSPOT_RATE_H

/* A rate that is zero has not begun. */
typedef struct Rate
{
	double		per_second;
	int64		at;				/* when it was last computed, µs of the monotonic clock */
	int64		done;			/* what had been done then */
	int64		load_at;		/* since when work has been at hand, 0: there was none */
	int64		load_done;		/* what had been done then */
} Rate;

/* How much has been done so far; has_work: some is left.  To be told a few times a second. */
extern void rate_note(Rate *rate, int64 done, bool has_work, int64 now);

#endif							/* HUBSPOT_RATE_H */
