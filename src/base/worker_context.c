/*
 * worker_context.c
 *		The memory context of objects that live as long as the worker.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/hubspot.h"
#include "base/worker_context.h"

MemoryContext WorkerContext = NULL;

void
worker_context_init(void)
{
	WorkerContext = AllocSetContextCreate(TopMemoryContext, "hubspot work", ALLOCSET_DEFAULT_SIZES);
}
