/*
 * append.c
 *		INSERT into the extension's own tables, without a plan.
 *
 * Called by enqueueing backends (outbox) and by the worker (result, request,
 * record, checkpoint).  All of a table's indexes are maintained, including
 * those that an administrator added.  Memory is the caller's current context.
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/brin_revmap.h"
#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pg_list.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "base/hubspot.h"
#include "store/append.h"

typedef struct OpenIndex
{
	Relation	rel;
	IndexInfo  *info;			/* of a summary of ranges: NULL until an entry is written */
	bool		is_summary;
} OpenIndex;

struct Appender
{
	Relation	rel;
	OpenIndex  *indexes;
	int			nindexes;
	MemoryContext context;		/* of this struct, the indexes and the slots */
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

/* Refuse an index with expressions, or with functions in the predicate; prepare its predicate. */
static void
prepare_index(Appender *append, OpenIndex *index)
{
	IndexInfo  *info = BuildIndexInfo(index->rel);

	index->info = info;

	/*
	 * An administrator may add indexes.  An expression is the administrator's code, which would
	 * run with the rights of every session that queues, and of the worker.
	 */
	if (info->ii_Expressions != NIL || runs_foreign_code((Node *) info->ii_Predicate, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" on \"%s\" has an expression or a predicate with functions",
						RelationGetRelationName(index->rel), RelationGetRelationName(append->rel)),
				 errhint("Drop this index: the extension's tables take indexes on columns "
						 "only, with a plain predicate.")));
	if (info->ii_Predicate == NIL)
		return;
	info->ii_PredicateState = ExecInitQual(info->ii_Predicate, NULL);
	if (append->predicates == NULL)
		append->predicates = CreateStandaloneExprContext();
}

/*
 * Whether an index has an entry for each range of pages, as far as somebody has made them (see
 * ring_summary.c).  Rows go, as a rule, into a range without one: then there is nothing to do, and
 * the description of the index, which costs more than that look, is not needed.
 */
static bool
is_summary(Relation index)
{
	return index->rd_rel->relam == BRIN_AM_OID && !BrinGetAutoSummarize(index) &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL) &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

static void
open_indexes(Appender *append)
{
	List	   *oids = RelationGetIndexList(append->rel);
	ListCell   *cell;

	append->predicates = NULL;
	append->nindexes = 0;
	append->indexes = palloc(sizeof(OpenIndex) * list_length(oids));
	foreach(cell, oids)
	{
		Relation	rel = index_open(lfirst_oid(cell), RowExclusiveLock);
		OpenIndex  *index = &append->indexes[append->nindexes++];

		index->rel = rel;
		index->info = NULL;
		index->is_summary = is_summary(rel);
		if (!index->is_summary)
			prepare_index(append, index);
	}
	list_free(oids);
}

Appender *
append_open(Oid relation, int capacity)
{
	Appender   *append = palloc(sizeof(Appender));

	append->context = CurrentMemoryContext;
	append->rel = table_open(relation, RowExclusiveLock);
	open_indexes(append);
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

/* Insert a written row into an index.  False if a watched one may have had such an entry. */
static bool
insert_entry(Appender *append, const OpenIndex *index, TupleTableSlot *slot)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (!is_indexed(append, index->info, slot))
		return true;
	FormIndexDatum(index->info, slot, NULL, values, isnull);
	return index_insert(index->rel, values, isnull, &slot->tts_tid, append->rel,
						uniqueness_check(append, index->info), false, index->info);
}

/* Some pages of the table. */
typedef struct Range
{
	BlockNumber first;
	BlockNumber end;			/* the first one behind it */
	bool		has_summary;
} Range;

/* The range of a page, and whether the index has an entry for it. */
static Range
find_range(Relation index, BlockNumber block)
{
	BlockNumber pages;
	BrinRevmap *map = brinRevmapInitialize(index, &pages);
	Range		range = {.first = block - block % pages};
	Buffer		buffer = InvalidBuffer;
	OffsetNumber offset;

	range.end = range.first + pages;
	range.has_summary = brinGetTupleForHeapBlock(map, range.first, &buffer, &offset, NULL,
												 BUFFER_LOCK_SHARE) != NULL;
	if (range.has_summary)
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	brinRevmapTerminate(map);
	return range;
}

/*
 * Add the written rows to the entries of their ranges, where there are such.  The rows are in the
 * table already: who makes an entry after the look at its range sees them there.
 */
static void
summarize_rows(Appender *append, OpenIndex *index)
{
	Range		range = {0};

	if (!index->rel->rd_index->indisready)
		return;
	for (int i = 0; i < append->used; i++)
	{
		TupleTableSlot *slot = append->slots[i];
		BlockNumber block = ItemPointerGetBlockNumber(&slot->tts_tid);

		if (block < range.first || block >= range.end)
			range = find_range(index->rel, block);
		if (!range.has_summary)
			continue;
		if (index->info == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(append->context);

			index->info = BuildIndexInfo(index->rel);
			MemoryContextSwitchTo(old);
		}
		(void) insert_entry(append, index, slot);
	}
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

	if (append->duplicate != NULL)
		memset(append->duplicate, false, sizeof(bool) * append->used);
	for (int i = 0; i < append->nindexes; i++)
	{
		OpenIndex  *index = &append->indexes[i];

		if (index->is_summary)
		{
			summarize_rows(append, index);
			continue;
		}
		for (int row = 0; row < append->used; row++)
			if (!insert_entry(append, index, append->slots[row]) && append->duplicate != NULL)
				append->duplicate[row] = true;
	}
	append->used = 0;
}

/*
 * Close the indexes and keep their locks until the end of the transaction: taking a lock
 * again that is held is much cheaper, and the table's lock stays anyway.
 */
static void
close_indexes(Appender *append)
{
	for (int i = 0; i < append->nindexes; i++)
	{
		OpenIndex  *index = &append->indexes[i];

		/* a BRIN index has buffers pinned */
		if (index->info != NULL)
		{
			index_insert_cleanup(index->rel, index->info);
			pfree(index->info);
		}
		index_close(index->rel, NoLock);
	}
	pfree(append->indexes);
}

void
append_close(Appender *append)
{
	append_flush(append);
	for (int i = 0; i < append->capacity && append->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(append->slots[i]);
	if (append->predicates != NULL)
		FreeExprContext(append->predicates, true);
	close_indexes(append);
	table_close(append->rel, NoLock);
	pfree(append->slots);
	if (append->duplicate != NULL)
		pfree(append->duplicate);
	pfree(append);
}
