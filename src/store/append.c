/*
 * append.c
 *		INSERT into the extension's own tables, without a plan.
 *
 * Called by enqueueing backends (outbox) and by the worker (result, request,
 * record, checkpoint).  All of a table's indexes are maintained, including
 * those that an administrator added.  Memory is the caller's current context.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "store/append.h"

struct Appender
{
	Relation	rel;
	ResultRelInfo *info;		/* holds the open indexes */
	MemoryContext context;		/* of this struct and the slots */
	int			capacity;
	int			used;			/* # of slots filled and not yet written */
	TupleTableSlot **slots;		/* created when first used */
	bool	   *duplicate;		/* for the last write; NULL: not watched */
	ExprContext *predicates;	/* evaluates index predicates; NULL: there are none */
};

static bool
is_foreign_function(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/*
 * Whether an expression can call a function of a user's: it would run in every call, also
 * as the worker.
 */
static bool
runs_foreign_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_List:
		case T_BoolExpr:
		case T_NullTest:
		case T_OpExpr:
		case T_ScalarArrayOpExpr:
			return check_functions_in_node(node, is_foreign_function, NULL) ||
				expression_tree_walker(node, runs_foreign_code, NULL);
		default:
			return true;
	}
}

/*
 * Refuse indexes with expressions, or with functions in the predicate; prepare the other
 * predicates.
 */
static void
prepare_indexes(Appender *append)
{
	ResultRelInfo *info = append->info;

	append->predicates = NULL;
	for (int i = 0; i < info->ri_NumIndices; i++)
	{
		IndexInfo  *index = info->ri_IndexRelationInfo[i];

		/*
		 * An administrator may add indexes.  An expression is the administrator's code, which
		 * would run with the rights of every session that queues, and of the worker.
		 */
		if (index->ii_Expressions != NIL || runs_foreign_code((Node *) index->ii_Predicate, NULL))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("index \"%s\" on \"%s\" has an expression or a "
							"predicate with functions",
							RelationGetRelationName(info->ri_IndexRelationDescs[i]),
							RelationGetRelationName(append->rel)),
					 errhint("Drop this index: the extension's tables take indexes on columns "
							 "only, with a plain predicate.")));
		if (index->ii_Predicate == NIL)
			continue;
		index->ii_PredicateState = ExecInitQual(index->ii_Predicate, NULL);
		if (append->predicates == NULL)
			append->predicates = CreateStandaloneExprContext();
	}
}

Appender *
append_open(Oid relation, int capacity)
{
	Appender   *append = palloc(sizeof(Appender));

	append->context = CurrentMemoryContext;
	append->rel = table_open(relation, RowExclusiveLock);
	append->info = makeNode(ResultRelInfo);
	append->info->ri_RelationDesc = append->rel;
	ExecOpenIndices(append->info, false);
	prepare_indexes(append);
	append->capacity = capacity;
	append->used = 0;
	append->slots = palloc0(sizeof(TupleTableSlot *) * capacity);
	append->duplicate = NULL;
	return append;
}

void
append_watch_duplicates(Appender *append)
{
	append->duplicate = MemoryContextAllocZero(append->context, sizeof(bool) * append->capacity);
}

bool
append_may_be_duplicate(const Appender *append, int i)
{
	return append->duplicate[i];
}

void
append_next(Appender *append, Datum **values, bool **isnull)
{
	TupleTableSlot *slot = append->slots[append->used];

	if (slot == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(append->context);

		slot = MakeSingleTupleTableSlot(RelationGetDescr(append->rel),
										table_slot_callbacks(append->rel));
		MemoryContextSwitchTo(old);
		append->slots[append->used] = slot;
	}
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	*values = slot->tts_values;
	*isnull = slot->tts_isnull;
}

bool
append_row(Appender *append)
{
	ExecStoreVirtualTuple(append->slots[append->used]);
	append->used++;
	if (append->used < append->capacity)
		return false;
	append_flush(append);
	return true;
}

static IndexUniqueCheck
uniqueness_check(const Appender *append, const IndexInfo *index)
{
	if (index->ii_Unique)
		return UNIQUE_CHECK_YES;
	return append->duplicate != NULL ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_NO;
}

/* Whether a written row satisfies the index's predicate. */
static bool
is_indexed(Appender *append, const IndexInfo *index, TupleTableSlot *slot)
{
	if (!index->ii_ReadyForInserts)
		return false;
	if (index->ii_PredicateState == NULL)
		return true;
	append->predicates->ecxt_scantuple = slot;
	return ExecQualAndReset(index->ii_PredicateState, append->predicates);
}

/*
 * Insert a written row into all indexes of its table.  False if a watched index may have
 * had such an entry.
 */
static bool
index_row(Appender *append, TupleTableSlot *slot)
{
	bool		is_first = true;
	ResultRelInfo *info = append->info;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	for (int i = 0; i < info->ri_NumIndices; i++)
	{
		IndexInfo  *index = info->ri_IndexRelationInfo[i];

		if (!is_indexed(append, index, slot))
			continue;
		FormIndexDatum(index, slot, NULL, values, isnull);
		if (!index_insert(info->ri_IndexRelationDescs[i], values, isnull, &slot->tts_tid,
						  append->rel, uniqueness_check(append, index), false, index) &&
			append->duplicate != NULL)
			is_first = false;
	}
	return is_first;
}

void
append_flush(Appender *append)
{
	CommandId	cid;

	if (append->used == 0)
		return;
	cid = GetCurrentCommandId(true);

	if (append->used == 1)
		table_tuple_insert(append->rel, append->slots[0], cid, 0, NULL);
	else
		table_multi_insert(append->rel, append->slots, append->used, cid, 0, NULL);

	for (int i = 0; i < append->used; i++)
	{
		bool		is_first = index_row(append, append->slots[i]);

		if (append->duplicate != NULL)
			append->duplicate[i] = !is_first;
	}
	append->used = 0;
}

/*
 * Close the indexes and keep their locks until the end of the transaction: taking a lock
 * again that is held is much cheaper, and the table's lock stays anyway.
 */
static void
close_indexes(ResultRelInfo *info)
{
	for (int i = 0; i < info->ri_NumIndices; i++)
	{
		/* a BRIN index has buffers pinned */
		index_insert_cleanup(info->ri_IndexRelationDescs[i], info->ri_IndexRelationInfo[i]);
		index_close(info->ri_IndexRelationDescs[i], NoLock);
	}
}

void
append_close(Appender *append)
{
	append_flush(append);
	for (int i = 0; i < append->capacity && append->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(append->slots[i]);
	if (append->predicates != NULL)
		FreeExprContext(append->predicates, true);
	close_indexes(append->info);
	table_close(append->rel, NoLock);
	pfree(append->slots);
	if (append->duplicate != NULL)
		pfree(append->duplicate);
	pfree(append->info);
	pfree(append);
}
