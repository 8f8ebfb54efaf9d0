/*
 * transaction_list.c
 *		Lists that end with the transaction.
 *
 * What a hook notes while a statement runs must not outlive the transaction, however that ends.
 * The lists are in TopTransactionContext, and its end empties them.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/hubspot.h"
#include "backend/transaction_list.h"

static void
forget(void *arg)
{
	*(List **) arg = NIL;
}

/* In TopTransactionContext. */
static void
will_forget(List **list)
{
	MemoryContextCallback *callback;

	if (*list != NIL)
		return;
	callback = palloc0(sizeof(MemoryContextCallback));
	callback->func = forget;
	callback->arg = list;
	MemoryContextRegisterResetCallback(TopTransactionContext, callback);
}

void
transaction_list_append(List **list, void *pointer)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	will_forget(list);
	*list = lappend(*list, pointer);
	MemoryContextSwitchTo(old);
}

void
transaction_list_append_oid(List **list, Oid oid)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	will_forget(list);
	*list = list_append_unique_oid(*list, oid);
	MemoryContextSwitchTo(old);
}

List *
transaction_list_take(List **list)
{
	List	   *taken = list_copy(*list);

	*list = NIL;
	return taken;
}
