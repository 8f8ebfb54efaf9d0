/*
 * statistics.h
 *		How many rows ended how, how many requests were answered how.
 *
 * The worker's; see the room's README.
 */
#ifndef HUBSPOT_STATISTICS_H
#define HUBSPOT_STATISTICS_H

#include "base/words.h"

/* A row that has its verdict. */
typedef struct CountedRow
{
	Oid			server;
	Object		object;
	Call		call;
	Verdict		verdict;
	const char *category;		/* NULL: none */
	int			attempts;
} CountedRow;

/* Rows of an account that failed in a way in which none of it had failed before. */
typedef struct FirstFailure
{
	Oid			server;
	const char *lane;			/* these live as long as the worker */
	const char *call;
	const char *verdict;
	const char *category;		/* "": none */
} FirstFailure;

/* A request that is over. */
typedef struct CountedRequest
{
	Oid			server;
	const char *lane;
	int			status;			/* 0: no answer */
	int			records;
	int64		bytes_sent;
	int64		bytes_received;
	double		seconds;
} CountedRequest;

/* Once per worker, in a transaction: go on from what the tables hold. */
extern void statistics_load(void);

/*
 * A transaction that writes verdicts: it begins, counts, and writes the counters; then it has
 * committed, or the next one begins anew.  statistics_write() may leave that to a later one.
 */
extern void statistics_begin(void);
extern void statistics_row(const CountedRow *row);
extern void statistics_request(const CountedRequest *request);
extern void statistics_write(bool is_last);
extern void statistics_written(void);

/* Take one of those that were written since; false: there is none. */
extern bool statistics_take_first(FirstFailure *failure);

/* Whether counters of transactions that have committed are still to be written; and may be now. */
extern bool statistics_is_unsaved(void);
extern bool statistics_is_due(int64 now, int64 *wait_us);

#endif							/* HUBSPOT_STATISTICS_H */
