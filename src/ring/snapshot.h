/*
 * snapshot.h
 *		Snapshots that outlive their transaction, and marks.
 */
#ifndef HUBSPOT_SNAPSHOT_H
#define HUBSPOT_SNAPSHOT_H

#include "access/transam.h"

/* The content of a pg_snapshot: a transaction below xmax and not in xip has ended. */
typedef struct Snap
{
	FullTransactionId xmin;
	FullTransactionId xmax;
	int			nxip;
	FullTransactionId xip[FLEXIBLE_ARRAY_MEMBER];	/* ascending */
} Snap;

/* A place in the outbox, see outbox_reader.c; snap is owned by it. */
typedef struct Mark
{
	uint64		epoch;			/* grows with each mark */
	int64		low;
	int64		high;
	FullTransactionId next;
	Snap	   *snap;			/* NULL: no mark */
} Mark;

/* Copy a mark over another, into the context of the worker's work. */
extern void mark_set(Mark *mark, const Mark *value);
extern void mark_free(Mark *mark);

/* The current snapshot of the transaction, palloc'd. */
extern Snap *snapshot_take(void);

/* From and to the SQL type pg_snapshot. */
extern Snap *snapshot_from_datum(Datum datum);
extern Datum snapshot_to_datum(const Snap *snap);

extern Snap *snapshot_copy(const Snap *snap);
extern bool snapshot_equal(const Snap *a, const Snap *b);

/* Whether the transaction had ended when the snapshot was taken. */
extern bool snapshot_sees(const Snap *snap, FullTransactionId xid);

#endif							/* HUBSPOT_SNAPSHOT_H */
