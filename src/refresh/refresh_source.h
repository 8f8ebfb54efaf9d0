/*
 * refresh_source.h
 *		Reads a compared definition's source into plain values.
 */
#ifndef HUBSPOT_REFRESH_SOURCE_H
#define HUBSPOT_REFRESH_SOURCE_H

#include "access/tupdesc.h"
#include "utils/tuplestore.h"

#include "refresh/refresh_filter.h"

/* Columns of the rows. */
enum
{
	SOURCE_KEY = 1,				/* text, as hubspot.member holds it */
	SOURCE_DIGEST,				/* bigint, digest of the value; 0 if there is none */
	SOURCE_VALUE				/* jsonb: of a trait its value, of a sync an object of property ->
								 * value; NULL for an audience */
#define SOURCE_COLUMNS SOURCE_VALUE
};

typedef struct RefreshSource
{
	Tuplestorestate *rows;		/* spills to disk beyond maintenance_work_mem */
	TupleDesc	desc;
	int64		nkept;			/* # of rows in the tuplestore */
	int64		nrows;			/* # of rows with a key that the query returned */
	int64		bad;			/* # of rows without a key or with one that is too long: left out */
	RefreshFilter *filter;		/* the filter that found the other rows unchanged; or NULL */
} RefreshSource;

/*
 * Run the definition's query as its owner and keep its rows, except those that the filter
 * (or NULL) finds unchanged.  Raises the query's errors, and an error if a key comes
 * twice that must be unique.
 */
extern void refresh_read_source(const Sync *sync, RefreshFilter *filter, RefreshSource *source);

/*
 * The statement of refresh_read_source(): it returns the key as text, and the columns that
 * refresh_row_value() makes into the value.
 */
extern char *refresh_statement(const Sync *sync);

/* Raise the error for a key (NULL: not known which) that the source returns more than once. */
pg_noreturn extern void refresh_refuse_double_key(const Sync *sync, const char *key);

/*
 * The column types of the definition's query, found without running it.  Raises the
 * errors of the query, including missing rights of its owner.
 */
extern TupleDesc refresh_describe(Sync *sync);

/* The type of a trait's value. */
extern Oid	refresh_value_type(const Sync *sync);

#endif							/* HUBSPOT_REFRESH_SOURCE_H */
