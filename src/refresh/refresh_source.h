/*
 * refresh_source.h
 *		What a compared definition's source returns now, as plain values.
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
	SOURCE_DIGEST,				/* bigint, of the value; 0 without one */
	SOURCE_VALUE				/* jsonb: of a trait its value, of a sync an object of property ->
								 * value; NULL for an audience */
#define SOURCE_COLUMNS SOURCE_VALUE
};

typedef struct RefreshSource
{
	Tuplestorestate *rows;		/* spills to disk beyond maintenance_work_mem */
	TupleDesc	desc;
	int64		nkept;			/* in the tuplestore */
	int64		nrows;			/* with a key, that the query returned */
	int64		bad;			/* without one, or with one that is too long: left out */
	RefreshFilter *filter;		/* that knew the others to be the same as before; NULL: none */
} RefreshSource;

/*
 * Run the definition's query as its owner and keep what it returns, but for
 * what the filter (or NULL) knows.  Raises what the query raises, and an error
 * when a key comes twice that may not.
 */
extern void refresh_read_source(const Sync *sync, RefreshFilter *filter, RefreshSource *source);

/* The statement that this runs, as the definition's owner: key as text, value as jsonb. */
extern char *refresh_statement(const Sync *sync);

/* The error for a key (NULL: not known which) that the source has more than once. */
pg_noreturn extern void refresh_refuse_double_key(const Sync *sync, const char *key);

/*
 * The types of the columns of the definition's query, found without running
 * it.  Raises what is wrong with the query, rights that its owner lacks
 * included.
 */
extern TupleDesc refresh_describe(Sync *sync);

/* The type of a trait's value. */
extern Oid	refresh_value_type(const Sync *sync);

#endif							/* HUBSPOT_REFRESH_SOURCE_H */
