/*
 * user_table.h
 *		Relations that a user chose, where we go below SQL.
 *
 * What stands behind a name, an oid or a row's tableoid is the user's choice: it
 * may have no table access method at all, and table_*() does not ask.  So
 * whoever calls table_*() on such a relation opens it here.
 */
#ifndef HUBSPOT_USER_TABLE_H
#define HUBSPOT_USER_TABLE_H

#include "utils/rel.h"

/* Whether table_*() works on it. */
extern bool user_table_has_storage(Relation rel);

/* Opened and locked; an error when it has no storage of its own. */
extern Relation user_table_open(Oid relation, LOCKMODE mode);

/*
 * The first foreign table among a table's partitions or children of any level, InvalidOid: none.
 * Takes no lock.
 */
extern Oid	user_table_foreign_partition(Oid relation);

#endif							/* HUBSPOT_USER_TABLE_H */
