/*
 * unfinished.c
 *		Rows of a lane that were read and have not ended, by id, wherever they are.
 *
 * A page of the outbox that failed is read again: a row that is there already is
 * no fault here, nor one that has gone.
 */
#include "postgres.h"

#include "base/worker_context.h"
#include "queue/unfinished.h"

void
unfinished_read(Unfinished *unfinished, int64 id, TimestampTz created_at)
{
	if (unfinished->deferred.count > 0)
		(void) id_set_remove(&unfinished->deferred, id);
	(void) id_set_add(&unfinished->at_hand, WorkerContext, id, created_at);
}

void
unfinished_defer(Unfinished *unfinished, int64 id)
{
	(void) id_set_remove(&unfinished->at_hand, id);
	(void) id_set_add(&unfinished->deferred, WorkerContext, id, 0);
}

void
unfinished_end(Unfinished *unfinished, int64 id)
{
	if (!id_set_remove(&unfinished->at_hand, id))
		(void) id_set_remove(&unfinished->deferred, id);
}

int64
unfinished_oldest(const Unfinished *unfinished)
{
	return Min(id_set_lowest(&unfinished->at_hand), id_set_lowest(&unfinished->deferred));
}

TimestampTz
unfinished_since(const Unfinished *unfinished)
{
	return id_set_lowest_time(&unfinished->at_hand);
}
