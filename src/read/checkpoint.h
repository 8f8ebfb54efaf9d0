/*
 * checkpoint.h
 *		Stores up to where every row has its verdict.
 *
 * A checkpoint is a mark (see outbox_reader.c) whose rows all have verdicts.  After
 * a restart the worker reads on from the last one.
 */
#ifndef HUBSPOT_CHECKPOINT_H
#define HUBSPOT_CHECKPOINT_H

#include "ring/snapshot.h"

/* Read the last checkpoint of the table into mark; raises an error when there is none. */
extern void checkpoint_read(Mark *mark);

/* Count a row that was read: a new checkpoint is of use. */
extern void checkpoint_count_row(void);

/* Propose this mark as the next checkpoint: everything up to it has been read. */
extern void checkpoint_propose(const Mark *mark);

/*
 * Whether the proposed checkpoint can be written now: all its rows have verdicts, no
 * reader of an epoch before oldest_epoch is behind it, and the last checkpoint is old
 * enough.
 */
extern bool checkpoint_is_due(int64 now, uint64 oldest_epoch);

/* Whether rows were read that no checkpoint covers yet. */
extern bool checkpoint_is_wanted(void);

/*
 * Write the checkpoint in the transaction of the verdicts; call checkpoint_written()
 * after its commit.
 */
extern void checkpoint_write(void);
extern void checkpoint_written(int64 now);

#endif							/* HUBSPOT_CHECKPOINT_H */
