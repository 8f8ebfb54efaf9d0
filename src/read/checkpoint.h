/*
 * checkpoint.h
 *		Up to where every row has its verdict, as the table remembers it.
 *
 * A checkpoint is a mark (see outbox_reader.c) whose rows all have verdicts.  After
 * a restart the worker reads on from the last one.
 */
#ifndef HUBSPOT_CHECKPOINT_H
#define HUBSPOT_CHECKPOINT_H

#include "store/snapshot.h"

/* Read the last checkpoint of the table into mark; raises an error when there is none. */
extern void checkpoint_read(Mark *mark);

/* A row was read: a checkpoint will be of use. */
extern void checkpoint_count_row(void);

/* Everything up to this mark has been read: it may be the next checkpoint. */
extern void checkpoint_propose(const Mark *mark);

/*
 * Whether the proposed one can be written now: there is one, its rows have
 * verdicts, no reader from before oldest_epoch is behind it, and the last one
 * was not just now.
 */
extern bool checkpoint_is_due(int64 now, uint64 oldest_epoch);

/* Whether rows were read that no checkpoint covers yet. */
extern bool checkpoint_is_wanted(void);

/* Write it, in the transaction that writes the acknowledgements; then, committed, say so. */
extern void checkpoint_write(void);
extern void checkpoint_written(int64 now);

/* The last checkpoint as a pg_snapshot, in the current memory context. */
extern Datum checkpoint_snapshot(void);

#endif							/* HUBSPOT_CHECKPOINT_H */
