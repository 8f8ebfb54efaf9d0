/*
 * sync_rights.c
 *		What a role may not read of a followed relation.
 *
 * A trigger sees every row of its table, whatever the definition's owner may read.  So
 * the rights that a SELECT would need are checked here: at the declaration, and again for
 * each statement that changes the table.  Data whose right was revoked is not sent.
 * Raises no error.
 *
 * Locks: none but those of catalog look-ups.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "catalog/pg_namespace.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "base/hubspot.h"
#include "sync/sync_rights.h"

/* Check one column by its number, or by its name if the definition has no number. */
static bool
may_read_column(Oid relation, const char *name, AttrNumber attnum, Oid role)
{
	bool		is_missing = false;

	if (attnum == InvalidAttrNumber && name != NULL)
		attnum = get_attnum(relation, name);
	return attnum == InvalidAttrNumber ||
		pg_attribute_aclcheck_ext(relation, attnum, role, ACL_SELECT, &is_missing) == ACLCHECK_OK ||
		is_missing;
}

static bool
may_read_columns(const Sync *sync, Oid role)
{
	ListCell   *cell;

	if (!may_read_column(sync->relation, sync->key_column, sync->key_attnum, role))
		return false;
	foreach(cell, sync->columns)
	{
		const SyncColumn *column = lfirst(cell);

		if (!may_read_column(sync->relation, column->column, column->attnum, role))
			return false;
	}
	return true;
}

bool
sync_rights_deny(const Sync *sync, Oid role, SyncDenial *denial)
{
	Oid			schema = get_rel_namespace(sync->relation);
	bool		is_missing = false;

	if (!OidIsValid(schema))
		return false;
	if (object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) != ACLCHECK_OK)
	{
		denial->kind = OBJECT_SCHEMA;
		denial->name = get_namespace_name(schema);
		return true;
	}
	if (pg_class_aclcheck_ext(sync->relation, role, ACL_SELECT, &is_missing) == ACLCHECK_OK ||
		is_missing ||
		may_read_columns(sync, role))
		return false;
	denial->kind = get_relkind_objtype(get_rel_relkind(sync->relation));
	denial->name = get_rel_name(sync->relation);
	return true;
}
