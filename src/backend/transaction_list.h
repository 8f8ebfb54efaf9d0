/*
 * transaction_list.h
 *		Lists that end with the transaction.
 */
#ifndef HUBSPOT_TRANSACTION_LIST_H
#define HUBSPOT_TRANSACTION_LIST_H

#include "nodes/pg_list.h"

/* Append to a static list, which is NIL again when the transaction has ended. */
extern void transaction_list_append(List **list, void *pointer);
extern void transaction_list_append_oid(List **list, Oid oid);

/* What was appended to it, in the caller's context; the list is NIL then. */
extern List *transaction_list_take(List **list);

#endif							/* HUBSPOT_TRANSACTION_LIST_H */
