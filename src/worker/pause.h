/*
 * pause.h
 *		A person stops a lane or an account: the worker's side.
 */
#ifndef HUBSPOT_PAUSE_H
#define HUBSPOT_PAUSE_H

#include "request/batch.h"

/*
 * Read hubspot.pause and set the accounts' and lanes' pauses as it says;
 * inside a transaction, with every look at the outbox.  An empty table costs a
 * look at its size.
 */
extern void pause_load(void);

/* A lane that has just come to be: what the last look has found holds for it, too. */
extern void pause_apply(Lane *lane);

/* Pause the lane of an answer, see suspect.h; inside a transaction. */
extern void pause_suspect(int64 answer);

#endif							/* HUBSPOT_PAUSE_H */
