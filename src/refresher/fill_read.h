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
	bool		is_indexed;		/* false: each chunk reads the whole table */
} FillOrder;

/* The key if an index begins with it, else the first column of the primary key, else the key. */
extern FillOrder fill_choose_order(const Sync *sync, Relation rel);

/* The number of the key's column; an error if the table has it no more. */
extern AttrNumber fill_key(const Sync *sync, Relation rel);

/* The number of rows, estimated from the table's size. */
extern int64 fill_estimate(Relation rel);

/*
 * Called for each row, as the definition's owner; the slot has the shape of the table's rows.
 * value: that of the column that the table is read by, as text.
 */
typedef void (*FillFunction) (TupleTableSlot *slot, Datum value, void *arg);

typedef enum FillOutcome
{
	FILL_READ,					/* rows were read and are locked until the end of the transaction */
	FILL_FINISHED,				/* the same, and no rows are left */
	FILL_CONTESTED,				/* another session changes a row of the chunk: no row was handed
								 * over */
	FILL_TOO_MANY				/* nor here: the keys have more rows than fit into a transaction */
} FillOutcome;

/*
 * Read the rows after a position (NULL: from the beginning) and call the function for
 * each: FILL_CHUNK rows, or more if the last ones have equal values of the column.
 * Advances *position.  *nulls is set with FILL_FINISHED: how many rows have no value of the column.
 */
extern FillOutcome fill_read(const Sync *sync, Relation rel, AttrNumber order, char **position,
							 FillFunction function, void *arg, int64 *nulls);

/*
 * Read the rows with these keys (an array of text) and call the function for each; keys that no row
 * has are passed over.  Returns FILL_READ, FILL_CONTESTED or FILL_TOO_MANY; that of one key is an
 * error.
 */
extern FillOutcome fill_read_keys(const Sync *sync, Relation rel, Datum keys,
								  FillFunction function, void *arg);

#endif							/* HUBSPOT_FILL_READ_H */
