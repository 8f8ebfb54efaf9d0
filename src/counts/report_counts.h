/*
 * report_counts.h
 *		Counts that are not written yet; private to report.c and report_write.c.
 */
#ifndef HUBSPOT_REPORT_COUNTS_H
#define HUBSPOT_REPORT_COUNTS_H

#include "lib/ilist.h"

#include "counts/report.h"

#define REPORT_FOLDED	104		/* bytes; names of properties have 100 at most */

/* Rows of a definition that ended in one way. */
typedef struct OutcomeCount
{
	Object		object;
	Verdict		verdict;
	const char *category;		/* "": none */
	int64		rows;
	int64		warned;			/* that arrived with a warning */
	int64		example;		/* the last of them */
	slist_node	node;
} OutcomeCount;

/* Of a property: rows that have a value of it, or for which it was left out for one reason. */
typedef struct PropertyCount
{
	Object		object;
	const char *property;
	const char *code;			/* "": rows with a value; else the reason */
	int64		rows;
	int64		delivered;
	int64		example;
	slist_node	node;
	char		folded[REPORT_FOLDED];	/* for comparing with the names of warnings */
} PropertyCount;

/* Messages with the same members have their counts at hand. */
typedef struct Shape
{
	Object		object;
	int			n;
	int			keys_len;
	JEntry	   *entries;		/* of the names */
	char	   *keys;			/* their bytes */
	PropertyCount **counts;
} Shape;

#define REPORT_SHAPES	8

typedef struct Report
{
	int			id;				/* hash key */
	int64		rows;
	int64		bad;			/* in trouble: see Ending */
	int64		troubled;		/* records in hubspot.sync_trouble; -1: not known */
	int64		will_be;		/* ... when the transaction has committed */
	int64		more;			/* ... and what it adds */
	slist_head	outcomes;
	slist_head	properties;
	int			nproperties;
	int			noutcomes;
	int			nshapes;
	int			next_shape;		/* the one that makes room */
	Shape		shapes[REPORT_SHAPES];
	bool		changed;
	slist_node	node;			/* among those that have changed */
} Report;

/*
 * The last row of a record: whether it has come to HubSpot whole.  Noted of a record that is in
 * trouble, or may have been.
 */
typedef struct Ending
{
	int			report;
	Object		object;
	int64		id;
	int64		change;
	bool		bad;
	const char *key;
	const char *category;		/* of a row that did not arrive; NULL: it did */
	const char *left_out;		/* properties, with line breaks between them; NULL: none */
	const char *lacks;			/* the same of those that HubSpot lacks, or lacks an option of */
} Ending;

extern slist_head report_changed;
extern int	report_nendings;
extern Ending *report_endings;

#endif							/* HUBSPOT_REPORT_COUNTS_H */
