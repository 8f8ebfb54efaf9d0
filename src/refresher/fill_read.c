/*
 * fill_read.c
 *		The next rows of a followed table, in the order of one of its columns, or those of some
 *		keys.
 *
 * Called by fill.c and fill_lacking.c, in the transaction that queues the rows.
 *
 * A back-fill must not overwrite a newer value that a live change has queued.  The
 * delivery worker reads outbox rows as they become visible, and by id if they become
 * visible together.  So each change of a table row R that is read here must either be
 * part of the values that we read, or be queued by a transaction that draws its ids, and
 * ends, after our transaction.  Ids alone cannot ensure this: a change that begins after
 * our snapshot may commit, and be sent, before our rows are visible.  Therefore R is
 * locked (like FOR SHARE) from before its outbox id is drawn until our commit:
 *
 *	- Changed and committed before our snapshot: it is what we read.
 *	- Changed between our snapshot and the lock: the lock is refused, as R
 *	  is not the latest version any more, and everything is read once more.
 *	- Under change by a transaction in progress: the lock is not to be had.
 *	  We do not wait for it, but give up the transaction and come again.
 *	- Changed after the lock: that session waits for our commit, a few
 *	  milliseconds, and its trigger draws its ids after that.
 *
 * We never wait for a row, so we are never part of a deadlock.  The lock is taken through
 * the table's access method, not by a statement: FOR SHARE would need the right to
 * UPDATE, which the owner of a definition may not have.
 *
 * Statements run as the definition's owner, because the table may contain functions that
 * this owner has chosen.  Rows with the same value of the column are read together, so
 * that the position, which is a value, skips none of them.  Rows with NULL have no place in that
 * order: if the column is the key they are counted in the end, and another one is that of a primary
 * key, which has none.
 *
 * Locks: ROW SHARE on the table and on the partitions with rows of the chunk, and the row
 * locks.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/hubspot.h"
#include "backend/user_table.h"
#include "refresher/fill.h"
#include "refresher/fill_read.h"
#include "store/act_as.h"

#define ATTEMPTS		3		/* tries if rows change between reading */
#define SYSTEM_COLUMNS	3		/* of the statement, before the table's */

/* ---- the column to read by ------------------------------------------------------- */

AttrNumber
fill_key(const Sync *sync, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			(sync->key_attnum == InvalidAttrNumber
			 ? sync->key_column == NULL ||
			 strcmp(NameStr(attribute->attname), sync->key_column) == 0
			 : attribute->attnum == sync->key_attnum))
			return attribute->attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("table \"%s\" has no column \"%s\" any more", RelationGetRelationName(rel),
					sync->key_column != NULL ? sync->key_column : "1"),
			 errhint("Declare \"%s\" again.", sync->name)));
}

static bool
is_btree(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	bool		is_one;

	if (!HeapTupleIsValid(tuple))
		return false;
	is_one = ((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;
	ReleaseSysCache(tuple);
	return is_one;
}

/*
 * The leading column of a btree index on all rows; 0 if the index cannot be used.  Reads
 * only the catalog: the relation cache would evaluate constant expressions of the index,
 * which are functions of the table's owner.
 */
static AttrNumber
leading_column(Oid oid, bool *is_primary)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	AttrNumber	column = 0;
	Form_pg_index index;

	*is_primary = false;
	if (!HeapTupleIsValid(tuple))
		return 0;
	index = (Form_pg_index) GETSTRUCT(tuple);
	if (index->indisvalid && is_btree(oid) && heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
	{
		column = index->indkey.values[0];
		*is_primary = index->indisprimary;
	}
	ReleaseSysCache(tuple);
	return column;
}

FillOrder
fill_choose_order(const Sync *sync, Relation rel)
{
	FillOrder	order = {fill_key(sync, rel), false};
	AttrNumber	primary = 0;
	ListCell   *cell;
	Identity	before;

	sync_act_as_owner(sync, &before);
	foreach(cell, RelationGetIndexList(rel))
	{
		bool		is_primary;
		AttrNumber	column = leading_column(lfirst_oid(cell), &is_primary);

		if (column == order.attnum)
			order.is_indexed = true;
		else if (column > 0 && is_primary)
			primary = column;
	}
	act_back(&before);

	/*
	 * Any indexed column gives the same rows.  Without an index each chunk would read and sort the
	 * whole table.
	 */
	if (!order.is_indexed && primary > 0)
	{
		order.attnum = primary;
		order.is_indexed = true;
	}
	return order;
}

int64
fill_estimate(Relation rel)
{
	double		rows = 0;
	ListCell   *cell;

	foreach(cell, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
	{
		Relation	part = table_open(lfirst_oid(cell), NoLock);

		if (user_table_has_storage(part))
		{
			BlockNumber pages;
			double		tuples;
			double		all_visible;

			table_relation_estimate_size(part, NULL, &pages, &tuples, &all_visible);
			rows += tuples;
		}
		table_close(part, NoLock);
	}
	return (int64) rows;
}

/* ---- statements --------------------------------------------------------------------- */

typedef struct Statement
{
	const char *table;			/* item of the FROM clause, with the alias t */
	const char *column;			/* the column to read by */
	const char *type;			/* its type */
	const char *greater;		/* its operators, qualified */
	const char *not_greater;
	const char *equal;
} Statement;

static const char *
operator_text(const TypeCacheEntry *type, int strategy)
{
	Oid			oid =
	get_opfamily_member(type->btree_opf, type->btree_opintype, type->btree_opintype, strategy);
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
	Form_pg_operator operator;
	const char *text;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", oid);
	operator = (Form_pg_operator) GETSTRUCT(tuple);
	text = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(operator->oprnamespace)),
					NameStr(operator->oprname));
	ReleaseSysCache(tuple);
	return text;
}

/* A qualified column of t. */
static const char *
column_name(Relation rel, AttrNumber attnum)
{
	return psprintf("t.%s",
					quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel),
														   attnum - 1)->attname)));
}

static Statement
make_statement(const Sync *sync, Relation rel, AttrNumber order)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), order - 1);
	TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_BTREE_OPFAMILY);
	Statement	statement;

	if (!OidIsValid(type->btree_opf))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("table \"%s\" cannot be read by its column \"%s\"",
						RelationGetRelationName(rel), NameStr(attribute->attname)),
				 errdetail("Values of type %s have no order.",
						   format_type_be(attribute->atttypid))));

	/*
	 * Children are followed as partitions are.  Where one is a foreign table, whose rows cannot be
	 * locked, none of their rows are read, and hubspot.syncs says so.
	 */
	statement.table =
		psprintf("%s%s AS t",
				 OidIsValid(user_table_foreign_partition(RelationGetRelid(rel))) ? "ONLY " : "",
				 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
											RelationGetRelationName(rel)));
	statement.column = column_name(rel, order);
	/* with the typmod: plain "character" means length 1 */
	statement.type =
		format_type_extended(attribute->atttypid, -1,
							 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	statement.greater = operator_text(type, BTGreaterStrategyNumber);
	statement.not_greater = operator_text(type, BTLessEqualStrategyNumber);
	statement.equal = operator_text(type, BTEqualStrategyNumber);
	return statement;
}

static void
append_range(StringInfo sql, const Statement *statement, bool has_start, bool has_end)
{
	appendStringInfo(sql, " FROM %s WHERE %s IS NOT NULL", statement->table, statement->column);
	if (has_start)
		appendStringInfo(sql, " AND %s %s CAST($1 AS %s)", statement->column, statement->greater,
						 statement->type);
	if (has_end)
		appendStringInfo(sql, " AND %s %s CAST($2 AS %s)", statement->column,
						 statement->not_greater, statement->type);
}

static void
run(const char *sql, const char *start, const char *end, int most)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {
		start != NULL ? CStringGetTextDatum(start) : (Datum) 0,
		end != NULL ? CStringGetTextDatum(end) : (Datum) 0
	};
	char		nulls[] = {start != NULL ? ' ' : 'n', end != NULL ? ' ' : 'n'};

	if (SPI_execute_with_args(sql, lengthof(types), types, values, nulls, false, most) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read a followed table");
}

/* The column's value in the last row of the chunk; NULL if there are fewer rows. */
static char *
read_end(const Statement *statement, const char *start)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT CAST(%s AS pg_catalog.text)", statement->column);
	append_range(&sql, statement, start != NULL, false);
	appendStringInfo(&sql, " ORDER BY %s LIMIT 1 OFFSET %d", statement->column, FILL_CHUNK - 1);
	run(sql.data, start, NULL, 1);
	return SPI_processed == 1
		? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL;
}

/* Whether the definition sends this column. */
static bool
is_wanted(const Sync *sync, AttrNumber attnum)
{
	ListCell   *cell;

	foreach(cell, sync->columns)
		if (((const SyncColumn *) lfirst(cell))->attnum == attnum)
		return true;
	return sync->columns == NIL;
}

/* Table and ctid, position, and the table's columns, with NULL for those that are not needed. */
static void
append_list(StringInfo sql, const Sync *sync, Relation rel, const Statement *statement)
{
	TupleDesc	desc = RelationGetDescr(rel);
	AttrNumber	key = fill_key(sync, rel);

	appendStringInfo(sql, "SELECT t.tableoid, t.ctid, CAST(%s AS pg_catalog.text)",
					 statement->column);

	/*
	 * A column for each attribute, so that the result has the shape of the table's rows. Dropped
	 * and unneeded ones are NULL: the owner may lack the right to read them.
	 */
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped && (i + 1 == key || is_wanted(sync, i + 1)))
			appendStringInfo(sql, ", %s", column_name(rel, i + 1));
		else
			appendStringInfoString(sql, ", NULL");
	}
}

/* Equal values cannot be split between chunks, and must fit into memory. */
static void
refuse_too_many(Relation rel, const Statement *statement)
{
	if (SPI_processed > FILL_GROUP)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d rows of table \"%s\" have the same value of column %s",
						FILL_GROUP, RelationGetRelationName(rel), statement->column),
				 errhint("A back-fill reads such rows together.  Add a primary key, "
						 "or an index on the key.")));
}

/* Read the rows of a chunk. */
static void
read_rows(const Sync *sync, Relation rel, const Statement *statement, const char *start,
		  const char *end)
{
	StringInfoData sql;

	initStringInfo(&sql);
	append_list(&sql, sync, rel, statement);
	append_range(&sql, statement, start != NULL, end != NULL);
	appendStringInfo(&sql, " ORDER BY %s", statement->column);
	run(sql.data, start, end, FILL_GROUP + 1);
	refuse_too_many(rel, statement);
}

/* False: there are too many of them. */
static bool
read_keys(const Sync *sync, Relation rel, const Statement *statement, Datum keys)
{
	Oid			type = TEXTARRAYOID;
	StringInfoData sql;

	initStringInfo(&sql);
	append_list(&sql, sync, rel, statement);
	appendStringInfo(&sql, " FROM %s WHERE %s %s ANY (CAST($1 AS %s[]))", statement->table,
					 statement->column, statement->equal, statement->type);
	if (SPI_execute_with_args(sql.data, 1, &type, &keys, NULL, false, FILL_GROUP + 1) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read a followed table");
	if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(keys)), ARR_DIMS(DatumGetArrayTypeP(keys))) == 1)
		refuse_too_many(rel, statement);
	return SPI_processed <= FILL_GROUP;
}

/* ---- locks ------------------------------------------------------------------------------ */

/* The table or partition of the last locked row. */
typedef struct Locker
{
	Relation	rel;			/* NULL: none yet */
	TupleTableSlot *slot;
} Locker;

static void
unlock_table(Locker *locker)
{
	if (locker->rel == NULL)
		return;
	ExecDropSingleTupleTableSlot(locker->slot);
	table_close(locker->rel, NoLock);
	locker->rel = NULL;
}

/* Lock the version of the row that was read; false if it was changed or is being changed. */
static bool
lock_row(Locker *locker, Oid table, ItemPointer tid)
{
	TM_FailureData failure;

	if (locker->rel == NULL || RelationGetRelid(locker->rel) != table)
	{
		unlock_table(locker);
		locker->rel = user_table_open(table, RowShareLock);
		locker->slot = table_slot_create(locker->rel, NULL);
	}
	return table_tuple_lock(locker->rel, tid, GetActiveSnapshot(), locker->slot,
							GetCurrentCommandId(false),
							LockTupleShare, LockWaitSkip, 0, &failure) == TM_Ok;
}

static bool
lock_rows(void)
{
	Locker		locker = {NULL, NULL};
	bool		all = true;

	for (uint64 i = 0; all && i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		table = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		Datum		tid = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull);

		all = lock_row(&locker, DatumGetObjectId(table), (ItemPointer) DatumGetPointer(tid));
	}
	unlock_table(&locker);
	return all;
}

/*
 * Rows of a foreign table cannot be locked, and no trigger with transition tables sees
 * their changes.
 */
static void
refuse_foreign_partition(Relation rel)
{
	Oid			partition = user_table_foreign_partition(RelationGetRelid(rel));

	if (OidIsValid(partition) && rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("partition \"%s\" of table \"%s\" is a foreign table",
						get_rel_name(partition), RelationGetRelationName(rel)),
				 errdetail("Its rows cannot be locked, nor its changes followed."),
				 errhint("Detach it, or declare a query, which is compared.")));
}

/* ---- a chunk ------------------------------------------------------------------------------ */

static void
hand_over(Relation rel, FillFunction function, void *arg)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	int			natts = RelationGetDescr(rel)->natts;
	SPITupleTable *rows = SPI_tuptable; /* the function may run statements, which replace
										 * SPI_tuptable */
	uint64		count = SPI_processed;
	Datum	   *values = palloc(sizeof(Datum) * (natts + SYSTEM_COLUMNS));
	bool	   *nulls = palloc(sizeof(bool) * (natts + SYSTEM_COLUMNS));

	for (uint64 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, nulls);
		ExecClearTuple(slot);
		memcpy(slot->tts_values, values + SYSTEM_COLUMNS, sizeof(Datum) * natts);
		memcpy(slot->tts_isnull, nulls + SYSTEM_COLUMNS, sizeof(bool) * natts);
		ExecStoreVirtualTuple(slot);
		function(slot, values[SYSTEM_COLUMNS - 1], arg);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* Rows that the order has not: an index knows them, and without one each chunk has read all. */
static int64
count_nulls(const Statement *statement, Relation rel, AttrNumber order)
{
	StringInfoData sql;
	bool		isnull;

	if (TupleDescAttr(RelationGetDescr(rel), order - 1)->attnotnull)
		return 0;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.count(*) FROM %s WHERE %s IS NULL", statement->table,
					 statement->column);
	run(sql.data, NULL, NULL, 1);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

FillOutcome
fill_read(const Sync *sync, Relation rel, AttrNumber order, char **position, FillFunction function,
		  void *arg, int64 *nulls)
{
	MemoryContext context = CurrentMemoryContext;
	FillOutcome outcome = FILL_CONTESTED;
	Identity	before;

	LockRelationOid(RelationGetRelid(rel), RowShareLock);
	refuse_foreign_partition(rel);
	sync_act_as_owner(sync, &before);
	SPI_connect();

	/*
	 * Each attempt takes a new snapshot.  Locks of a failed attempt stay until the end of the
	 * transaction, which is harmless.
	 */
	for (int i = 0; i < ATTEMPTS && outcome == FILL_CONTESTED; i++)
	{
		Statement	statement = make_statement(sync, rel, order);
		char	   *end = read_end(&statement, *position);

		read_rows(sync, rel, &statement, *position, end);
		if (!lock_rows())
			continue;

		/*
		 * A chunk without an end was the rest of the table.  It keeps its position, because the
		 * back-fill is over.
		 */
		outcome = end != NULL ? FILL_READ : FILL_FINISHED;
		if (end != NULL)
			*position = MemoryContextStrdup(context, end);
		hand_over(rel, function, arg);
		if (end == NULL)
			*nulls = count_nulls(&statement, rel, order);
	}
	SPI_finish();
	act_back(&before);
	return outcome;
}

FillOutcome
fill_read_keys(const Sync *sync, Relation rel, Datum keys, FillFunction function, void *arg)
{
	FillOutcome outcome = FILL_CONTESTED;
	Identity	before;

	LockRelationOid(RelationGetRelid(rel), RowShareLock);
	refuse_foreign_partition(rel);
	sync_act_as_owner(sync, &before);
	SPI_connect();
	for (int i = 0; i < ATTEMPTS && outcome == FILL_CONTESTED; i++)
	{
		Statement	statement = make_statement(sync, rel, fill_key(sync, rel));

		if (!read_keys(sync, rel, &statement, keys))
			outcome = FILL_TOO_MANY;
		else if (lock_rows())
			outcome = FILL_READ;
		if (outcome != FILL_READ)
			continue;
		hand_over(rel, function, arg);
	}
	SPI_finish();
	act_back(&before);
	return outcome;
}
