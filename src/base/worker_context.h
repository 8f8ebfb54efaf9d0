/*
 * worker_context.h
 *		Where a worker keeps what lives as long as the process.
 *
 * Accounts, lanes, keys, readers, marks: whoever makes such a thing also knows
 * when to free it.  Rows are in a context of their own, see queue.c.
 */
#ifndef HUBSPOT_WORKER_CONTEXT_H
#define HUBSPOT_WORKER_CONTEXT_H

extern MemoryContext WorkerContext;

/* Once, at the start of a worker. */
extern void worker_context_init(void);

#endif							/* HUBSPOT_WORKER_CONTEXT_H */
