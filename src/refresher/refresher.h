/*
 * refresher.h
 *		A process beside the worker: refreshes on schedule, back-fills.
 *
 * A user's query may take minutes and hold its snapshot as long, which the
 * worker must not.  So the worker starts a process of its own for such work
 * when some is due; that ends when there has been none for a while.
 *
 *	refresher_look()	is something due, and when?		worker, in a transaction
 *	refresher_tend()	start one, judge the end of one	worker, outside
 *	refresher_wake()	when to be called again			worker
 *
 * The process itself is hubspot_refresher_main(), see refresher.c.
 */
#ifndef HUBSPOT_REFRESHER_H
#define HUBSPOT_REFRESHER_H

#include "cluster/shared.h"

/*
 * Inside a transaction with an active snapshot: learn when something is due,
 * unless that is known, or was looked up within the last seconds and nobody
 * has changed a definition since.
 */
extern void refresher_look(WorkerSlot *slot, int64 now);

/*
 * Outside a transaction: see to it that a refresher works when something is due,
 * beside one that is stuck if need be.
 */
extern void refresher_tend(WorkerSlot *slot, int64 now);

/* After how many µs refresher_tend() wants to be called, or -1. */
extern int64 refresher_wake(WorkerSlot *slot, int64 now);

#endif							/* HUBSPOT_REFRESHER_H */
