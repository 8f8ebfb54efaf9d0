/*
 * worker_context.h
 *		The memory context of objects that live as long as the worker.
 *
 * For accounts, lanes, keys, readers and marks: the code that allocates one also frees
 * it.  Rows are in a context of their own, see queue.c.
 */
#ifndef HUBSPOT_WORKER_CONTEXT_H
#define HUBSPOT_WORKER_CONTEXT_H

extern MemoryContext WorkerContext;

/* Once, at the start of a worker. */
extern void worker_context_init(void);

#endif							/* HUBSPOT_WORKER_CONTEXT_H */
