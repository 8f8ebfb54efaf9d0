/*
 * refresh_source.h
 *		What a compared definition's source returns now, as plain values.
 */
#ifndef HUBSPOT_REFRESH_SOURCE_H
#define HUBSPOT_REFRESH_SOURCE_H

#include "access/tupdesc.h"
#include "utils/tuplestore.h"

#include "sync.h"

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
	int64		nrows;
	int64		bad;			/* rows left out, as their key is null or empty */
} RefreshSource;

/*
 * Run the definition's query as its owner and keep what it returns.  Raises what the query raises.
 */
extern void refresh_read_source(const Sync *sync, RefreshSource *source);

/*
 * The types of the columns of the definition's query, found without running
 * it.  Raises what is wrong with the query.
 */
extern TupleDesc refresh_describe(const Sync *sync);

/* The type of a trait's value. */
extern Oid	refresh_value_type(const Sync *sync);

#endif							/* HUBSPOT_REFRESH_SOURCE_H */
