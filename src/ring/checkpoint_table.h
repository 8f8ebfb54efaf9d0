/*
 * checkpoint_table.h
 *		The checkpoint, as hubspot.checkpoint has it.
 */
#ifndef HUBSPOT_CHECKPOINT_TABLE_H
#define HUBSPOT_CHECKPOINT_TABLE_H

#include "ring/snapshot.h"

/* Columns of hubspot.checkpoint, in the order of the script. */
enum CheckpointColumn
{
	CHECKPOINT_ID, CHECKPOINT_WRITTEN_AT, CHECKPOINT_LAST_ID, CHECKPOINT_SNAPSHOT,
	CHECKPOINT_NEXT_XID
};

/*
 * The checkpoint with the highest number that the active snapshot sees, and its number; 0 and no
 * snap: there is none.  The snap is palloc'd; a snap in the mark before is freed.
 */
extern int64 checkpoint_find(Mark *mark);

#endif							/* HUBSPOT_CHECKPOINT_TABLE_H */
