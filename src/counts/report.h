/*
 * report.h
 *		What became of the rows of each definition, column by column.
 *
 * The worker's.  Counted in memory as rows end, and written in the transaction
 * that writes their verdicts: what is counted has a verdict, and the other way
 * round, also after a crash.
 */
#ifndef HUBSPOT_REPORT_H
#define HUBSPOT_REPORT_H

#include "utils/jsonb.h"

#include "base/words.h"

/* A row that ends, as far as its definition's report goes by it. */
typedef struct ReportedRow
{
	int			report;			/* hubspot.sync.report; 0: it is of no definition */
	Object		object;
	int64		change;			/* row that hubspot.member names for it */
	const char *key;
	const Jsonb *message;		/* NULL: not known */
} ReportedRow;

/* How it ended. */
typedef struct ReportedEnd
{
	int64		id;
	Verdict		verdict;		/* of a coalesced row, the one that it shares */
	const char *category;		/* or NULL */
	const char *warnings;		/* JSON, or NULL */
} ReportedEnd;

/* Count a row that has ended.  Keeps nothing of what it is given. */
extern void report_row(const ReportedRow *row, const ReportedEnd *end);

/* Write what was counted, inside a transaction; forget that, when it has been committed. */
extern void report_write(void);
extern void report_written(void);

/*
 * What belongs to no definition any more, and what sessions have written down for the worker to
 * add; from time to time, in a transaction.
 */
extern void report_tidy(void);

#endif							/* HUBSPOT_REPORT_H */
