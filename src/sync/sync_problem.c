/*
 * sync_problem.c
 *		hubspot.sync_problem(): what keeps a definition from working as declared.
 *
 * The answer is found in the catalogs each time: statements that drop a table or a column
 * or revoke a right never fail because of a definition.  For the views and
 * hubspot_health().
 *
 * Locks: ACCESS SHARE on the source, which is not waited for.  Memory: the
 * caller's context.
 */
#include "postgres.h"

#include "access/relation.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "backend/user_table.h"
#include "backend/user_tree.h"
#include "sync/sync_follow.h"
#include "sync/sync_row.h"

PG_FUNCTION_INFO_V1(hubspot_sync_problem);

static const char *
problem_of_columns(const Sync *sync, Relation rel)
{
	const char *problem;

	(void) sync_row_plan(sync, RelationGetDescr(rel), &problem);
	return problem;
}

const char *
sync_follow_unseen(Oid relation)
{
	Oid			foreign = user_table_foreign_partition(relation);
	List	   *ancestors = user_tree_ancestors(relation);

	if (OidIsValid(foreign))
		return psprintf("its %s \"%s\" is a foreign table, whose changes cannot be followed: "
						"detach it, or declare a query",
						get_rel_relispartition(foreign) ? "partition" : "child",
						get_rel_name(foreign));
	if (list_length(ancestors) > 1)
		return psprintf("its table is below table \"%s\", and statements that name that one "
						"are not followed: declare that one, or a query",
						get_rel_name(llast_oid(ancestors)));
	return NULL;
}

/* The problem of a source that is a relation. */
static const char *
problem_of_relation(const Sync *sync)
{
	Relation	rel;
	const char *problem = NULL;

	if (get_rel_name(sync->relation) == NULL)
		return psprintf("its source %s does not exist any more", sync->source);
	if (!ConditionalLockRelationOid(sync->relation, AccessShareLock))
		return NULL;			/* somebody alters it now: no answer this time */
	rel = try_relation_open(sync->relation, NoLock);
	if (rel != NULL)
	{
		if (sync->kind == SYNC_IS_SYNC)
			problem = problem_of_columns(sync, rel);
		if (problem == NULL && sync->follows)
			problem = sync_follow_unseen(sync->relation);
		if (problem == NULL && sync->follows)
			problem = sync_follow_problem(sync);
		relation_close(rel, NoLock);
	}
	UnlockRelationOid(sync->relation, AccessShareLock);
	return problem;
}

Datum
hubspot_sync_problem(PG_FUNCTION_ARGS)
{
	Sync	   *sync = sync_load_by_id(PG_GETARG_INT32(0), true);
	const char *problem;

	if (sync == NULL || sync->held != NULL)
		PG_RETURN_NULL();
	problem = sync_row_refusal(sync);
	if (problem == NULL && OidIsValid(sync->relation))
		problem = problem_of_relation(sync);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
