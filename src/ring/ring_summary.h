/*
 * ring_summary.h
 *		Summaries of the rings' block ranges, for searches by time and by key.
 */
#ifndef HUBSPOT_RING_SUMMARY_H
#define HUBSPOT_RING_SUMMARY_H

/*
 * Whether a step is due; rows: a number that changes when rows have come.  A step runs in a
 * transaction of its own, with no snapshot; then done says whether it was committed.
 */
extern bool ring_summary_is_due(int64 now, int64 rows);
extern void ring_summary_step(void);
extern void ring_summary_done(bool committed);

/* µs until the next step of a look that is under way, -1: there is none. */
extern int64 ring_summary_wake(int64 now);

#endif							/* HUBSPOT_RING_SUMMARY_H */
