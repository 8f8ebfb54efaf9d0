/*
 * user_table.c
 *		Relations that a user chose, where we go below SQL.
 *
 * Called by who declares and back-fills.  Locks: what the caller asks for.
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "utils/lsyscache.h"

#include "base/hubspot.h"
#include "backend/user_table.h"

bool
user_table_has_storage(Relation rel)
{
	return (rel->rd_rel->relkind == RELKIND_RELATION || rel->rd_rel->relkind == RELKIND_MATVIEW) &&
		rel->rd_tableam != NULL;
}

Relation
user_table_open(Oid relation, LOCKMODE mode)
{
	Relation	rel = table_open(relation, mode);

	if (!user_table_has_storage(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" has no rows of its own that could be locked",
						RelationGetRelationName(rel)),
				 errdetail("It is a foreign table, a view, or the like.")));
	return rel;
}

Oid
user_table_foreign_partition(Oid relation)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relation, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE)
		return lfirst_oid(cell);
	return InvalidOid;
}
