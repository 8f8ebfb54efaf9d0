/*
 * unfinished.h
 *		Rows of a lane that were read and have not ended, by id, wherever they are.
 *
 * A call may need what an older one will tell: the contact of a userId, the
 * record of a company.  Then it goes when no older row of that lane is
 * unfinished.  Rows are read, parked, deferred, recalled and sent in other
 * orders than that of their ids, so that no list of theirs tells which is the
 * oldest: this does.  A row comes in when it is read, changes sides when its
 * copy in hubspot.deferred takes its place, or it takes the copy's, and leaves
 * with its verdict.
 *
 * Memory: "hubspot work", 16 bytes for a row in the usual case (see id_set.h).
 */
#ifndef HUBSPOT_UNFINISHED_H
#define HUBSPOT_UNFINISHED_H

#include "base/id_set.h"

typedef struct Unfinished
{
	IdSet		at_hand;		/* in the window, in a request, parked */
	IdSet		deferred;		/* in hubspot.deferred and nowhere else */
} Unfinished;

/* A row is in the window or parked; it may have been before. */
extern void unfinished_read(Unfinished *unfinished, int64 id, TimestampTz created_at);

/* A row is in hubspot.deferred alone. */
extern void unfinished_defer(Unfinished *unfinished, int64 id);

/* A row has its verdict. */
extern void unfinished_end(Unfinished *unfinished, int64 id);

/* The lowest id; PG_INT64_MAX: all have ended. */
extern int64 unfinished_oldest(const Unfinished *unfinished);

/* When the oldest of those at hand was queued; 0: none is. */
extern TimestampTz unfinished_since(const Unfinished *unfinished);

#endif							/* HUBSPOT_UNFINISHED_H */
