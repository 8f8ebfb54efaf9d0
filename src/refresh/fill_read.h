/*
 * fill_read.h
 *		The next rows of a followed table, in the order of one of its columns.
 */
#ifndef HUBSPOT_FILL_READ_H
#define HUBSPOT_FILL_READ_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "sync/sync.h"

/* The column that a table is read by. */
typedef struct FillOrder
{
	AttrNumber	attnum;
	bool		is_indexed;		/* else each chunk reads the whole table */
} FillOrder;

/*
 * The key when an index leads with it, else the primary key's first column,
 * else the key.
 */
extern FillOrder fill_choose_order(const Sync *sync, Relation rel);

/* How many rows the table has, as far as its size tells. */
extern int64 fill_estimate(Relation rel);

/* What is done with a row, as the definition's owner: the slot is as the table's rows are. */
typedef void (*FillFunction) (TupleTableSlot *slot, void *arg);

typedef enum FillOutcome
{
	FILL_READ,					/* and locked until the end of the transaction */
	FILL_FINISHED,				/* the same, and there are no further rows */
	FILL_CONTESTED				/* some row is being changed: nothing is to be made of what was
								 * read */
} FillOutcome;

/*
 * Hand the rows behind a position (NULL: all) to the function, FILL_CHUNK or,
 * for the sake of those with an equal value of the column, some more; *position
 * becomes that behind them.
 */
extern FillOutcome fill_read(const Sync *sync, Relation rel, AttrNumber order, char **position,
							 FillFunction function, void *arg);

#endif							/* HUBSPOT_FILL_READ_H */
