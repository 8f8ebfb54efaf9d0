/*
 * user_tree.h
 *		Inheritance trees of tables that a user chose: a table, its partitions or children of any
 *		level.
 */
#ifndef HUBSPOT_USER_TREE_H
#define HUBSPOT_USER_TREE_H

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

/*
 * The table and all below it that triggers can follow, each locked: no foreign table, whose
 * changes no trigger collects, and no temporary one, which only its own session sees.
 */
extern List *user_tree_tables(Oid root, LOCKMODE mode);

/* The table and all above it. */
extern List *user_tree_ancestors(Oid table);

/* Whether the table is root, or below it. */
extern bool user_tree_is_in(Oid table, Oid root);

/*
 * Tables that this transaction has put under another table, or taken away from one, since this
 * was last asked.
 */
extern List *user_tree_take_moved(void);

extern void user_tree_init(void);

#endif							/* HUBSPOT_USER_TREE_H */
