/*
 * id_set.h
 *		A set of ids, each with a time, that knows its lowest one.
 *
 * Made for ids that come and go in nearly ascending order: then adding and
 * removing one costs the same however many there are.  In any other order it
 * costs a search and the move of half a block.
 *
 * Memory: 16 bytes for an id in a full block; blocks that are less than a
 * quarter full are merged, so that it is 64 bytes at most.  A set that is zero
 * is empty; it is filled in the context that the caller names.
 */
#ifndef HUBSPOT_ID_SET_H
#define HUBSPOT_ID_SET_H

#include "datatype/timestamp.h"

typedef struct IdBlock IdBlock;

typedef struct IdSet
{
	IdBlock   **blocks;			/* by id; all but a single one have some */
	int			nblocks;
	int			size;			/* places in blocks */
	int64		count;
} IdSet;

/* False: it is there already, and keeps its time. */
extern bool id_set_add(IdSet *set, MemoryContext context, int64 id, TimestampTz time);

/* False: it was not there. */
extern bool id_set_remove(IdSet *set, int64 id);

/* The lowest id, PG_INT64_MAX: the set is empty; and its time, which is 0 then. */
extern int64 id_set_lowest(const IdSet *set);
extern TimestampTz id_set_lowest_time(const IdSet *set);

#endif							/* HUBSPOT_ID_SET_H */
