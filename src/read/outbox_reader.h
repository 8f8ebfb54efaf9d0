/*
 * outbox_reader.h
 *		Reading the outbox: what became visible since the last look.
 *
 * See the head of outbox_reader.c for the algorithm and its proof.  All functions
 * that read run inside a short transaction of the caller.
 */
#ifndef HUBSPOT_OUTBOX_READER_H
#define HUBSPOT_OUTBOX_READER_H

#include "queue/queue.h"

/* Begin after the last checkpoint of the table; inside a transaction. */
extern void reader_start(void);

/*
 * Check for new rows, unless there are rows left to read; inside a transaction.  Call it
 * before SERVERs and pauses are read: then everything that was committed before or with a
 * row is known when reader_fetch() reads the row.
 */
extern void reader_look(void);

/*
 * Read a page: new rows enter the window by queue_add().  Inside a transaction.  Returns
 * whether more can be read at once.
 */
extern bool reader_fetch(void);

/*
 * Whether a new snapshot was taken since the last call: its rows may have been
 * committed asynchronously and are not durable yet.
 */
extern bool reader_took_mark(void);

/* Whether a lane has room again for its follower to read. */
extern bool reader_wants_fetch(void);

/* The highest id that the main reader has processed, for the views. */
extern int64 reader_read_id(void);

/* The same for the rows of a lane, which may have a reader of its own. */
extern int64 reader_lane_read_id(const Lane *lane);

/*
 * Whether a checkpoint can be written now, that is, every row of it has a
 * verdict (in the acknowledgements about to be written).
 */
extern bool reader_checkpoint_due(int64 now);

/*
 * Every row up to this id has ended, or waits for who tells its userId, whichever transactions are
 * still open.  May be lower than it need be.
 */
extern int64 reader_ended(void);

/*
 * Whether every row up to this id that was committed at that number of looks has entered the window
 * or has ended.  The number so far is what reader_looks() says.
 */
extern bool reader_has_read(int64 id, uint64 looks);
extern uint64 reader_looks(void);

#endif							/* HUBSPOT_OUTBOX_READER_H */
