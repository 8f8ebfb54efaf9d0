/*
 * type_bound.h
 *		How many types of records the rows of an account may name.
 */
#ifndef HUBSPOT_TYPE_BOUND_H
#define HUBSPOT_TYPE_BOUND_H

#include "executor/tuptable.h"

#include "queue/account_state.h"

#define TYPES_OF_ACCOUNT	200

/*
 * Whether the types that a row of the outbox names are among them; those that are new are counted.
 * To be asked before anything makes an object of a word of the row.
 */
extern bool type_bound_admits(Account *account, TupleTableSlot *slot);

#endif							/* HUBSPOT_TYPE_BOUND_H */
