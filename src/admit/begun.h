/*
 * begun.h
 *		What must not be sent twice is noted on disk before it is sent.
 *
 * HubSpot takes a repeat of some requests for a second one (REPEAT_DOUBLES in
 * request/batch.h).  The ids of their rows are in hubspot.begun from before the
 * request begins until the row has its verdict, or HubSpot has certainly not
 * taken it.  So whatever becomes of the worker or the server, the next worker
 * knows which rows may have arrived: they end as unknown.
 *
 *	begun_want()	the row is about to be sent; it must not be yet
 *	begun_write()	the notes, in a transaction; begun_written() after its commit,
 *					begun_unwritten() when it failed
 *	begun_over()	the row has ended, or was not taken: its note goes with the
 *					verdicts of the same transaction (begun_clear(), begun_cleared())
 */
#ifndef HUBSPOT_BEGUN_H
#define HUBSPOT_BEGUN_H

#include "admit/admit.h"

extern void begun_init(void);

/* What workers before this one have left; in the worker's first transaction. */
extern void begun_start(void);

/* Whether one of those may have sent the row; how it ends then. */
extern bool begun_before(int64 id);
extern const Refusal begun_refusal;

extern void begun_want(Row *row);
extern bool begun_is_wanted(void);
extern void begun_write(void);
extern void begun_written(void);
extern void begun_unwritten(void);

extern void begun_over(Row *row);

/* The same for a row that never came into the window. */
extern void begun_end(int64 id);

extern bool begun_has_over(void);
extern void begun_clear(void);
extern void begun_cleared(void);

#endif							/* HUBSPOT_BEGUN_H */
