/*
 * user_tree.c
 *		Inheritance trees of tables that a user chose.
 *
 * Whatever puts a table under another one, or takes it away (CREATE TABLE .. PARTITION OF,
 * ATTACH, DETACH, INHERIT, the splitting and merging of partitions), writes pg_inherits, and
 * tells object_access_hook both tables.  So nobody has to know the statements, nor to look
 * their names up a second time.
 *
 * Locks: ACCESS SHARE on pg_inherits, and what the caller asks for.  Memory: the caller's
 * context.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "base/hubspot.h"
#include "backend/transaction_list.h"
#include "backend/user_tree.h"

static object_access_hook_type prev_object_access = NULL;
static List *moved = NIL;		/* of this transaction */

static bool
can_be_followed(Oid table)
{
	return get_rel_relkind(table) != RELKIND_FOREIGN_TABLE &&
		get_rel_persistence(table) != RELPERSISTENCE_TEMP;
}

List *
user_tree_tables(Oid root, LOCKMODE mode)
{
	List	   *tables = NIL;
	ListCell   *cell;

	foreach(cell, find_all_inheritors(root, mode, NULL))
	{
		if (can_be_followed(lfirst_oid(cell)))
			tables = lappend_oid(tables, lfirst_oid(cell));
	}
	return tables;
}

static List *
add_parents(List *tables, Oid table, Relation inherits)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);

		if (!form->inhdetachpending)
			tables = list_append_unique_oid(tables, form->inhparent);
	}
	systable_endscan(scan);
	return tables;
}

List *
user_tree_ancestors(Oid table)
{
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	List	   *tables = list_make1_oid(table);

	for (int i = 0; i < list_length(tables); i++)
		tables = add_parents(tables, list_nth_oid(tables, i), inherits);
	table_close(inherits, AccessShareLock);
	return tables;
}

bool
user_tree_is_in(Oid table, Oid root)
{
	return table == root || list_member_oid(user_tree_ancestors(table), root);
}

/* ---- what has moved -------------------------------------------------------------------- */

static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access != NULL)
		prev_object_access(access, class, object, sub, arg);
	if (access == OAT_POST_ALTER && class == InheritsRelationId)
		transaction_list_append_oid(&moved, object);
}

List *
user_tree_take_moved(void)
{
	return transaction_list_take(&moved);
}

void
user_tree_init(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = on_object_access;
}
