/*
 * sync_source.c
 *		The source of a sync when it is declared: a relation or a query, and its columns.
 *
 * Called by the functions that declare, with the rights and the search_path
 * of who declares.
 *
 * Locks: ACCESS SHARE on the relation, until the end of the transaction.
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_partitioned_table.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "base/hubspot.h"
#include "enqueue/row_column.h"
#include "sync/sync_rights.h"
#include "sync/sync_source.h"

/* ---- a relation ---------------------------------------------------------------------- */

static const struct
{
	char		relkind;
	bool		can_follow;
}			relkinds[] =
{
	{RELKIND_RELATION, true},
	{RELKIND_PARTITIONED_TABLE, true},
	{RELKIND_FOREIGN_TABLE, false},
	{RELKIND_VIEW, false},
	{RELKIND_MATVIEW, false},
};

static bool
is_followed_kind(Relation rel)
{
	for (int i = 0; i < lengthof(relkinds); i++)
		if (relkinds[i].relkind == rel->rd_rel->relkind)
			return relkinds[i].can_follow;
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a table or view", RelationGetRelationName(rel))));
}

static void
check_relation(Relation rel)
{
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a temporary table", RelationGetRelationName(rel)),
				 errdetail("No other session sees it.")));
	if (rel->rd_rel->relispartition)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a partition", RelationGetRelationName(rel)),
				 errdetail("A statement that names the partitioned table fires no statement "
						   "trigger of a partition."),
				 errhint("Declare the partitioned table.")));
}

static void
look_at_relation(const char *text, SyncSource *source)
{
	List	   *parts;
	RangeVar   *name;
	Relation	rel;

	if (!SplitIdentifierString(pstrdup(text), '.', &parts) || parts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the source is neither a query nor a name"),
				 errhint("Expected a SELECT, or the name of a table or view.")));
	name = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(text)));

	source->relation = RangeVarGetRelid(name, AccessShareLock, false);
	rel = relation_open(source->relation, NoLock);
	source->can_follow = is_followed_kind(rel);
	check_relation(rel);
	source->text =
		quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
								   RelationGetRelationName(rel));
	source->desc = CreateTupleDescCopy(RelationGetDescr(rel));
	for (int i = 0; i < source->desc->natts; i++)	/* CreateTupleDescCopy() does not copy
													 * attgenerated */
		TupleDescAttr(source->desc, i)->attgenerated =
			TupleDescAttr(RelationGetDescr(rel), i)->attgenerated;
	relation_close(rel, NoLock);
}

void
sync_source_check_rights(const Sync *sync, Oid role)
{
	SyncDenial	denial;

	if (OidIsValid(sync->relation) && sync_rights_deny(sync, role, &denial))
		aclcheck_error(ACLCHECK_NO_PRIV, denial.kind, denial.name);
}

void
sync_source_check_row_security(const Sync *sync)
{
	if (check_enable_rls(sync->relation, sync_reader(sync), true) != RLS_ENABLED)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("row security hides rows of table \"%s\" from role \"%s\"",
					get_rel_name(sync->relation),
					GetUserNameFromId(sync_reader(sync), false)),
			 superuser_arg(sync->role)
			 ? errdetail("What a superuser declares is read with the rights of pg_read_all_data, "
						 "which policies apply to.") : 0,
			 errhint("Declare \"%s\" as the owner of the table or as a role that has BYPASSRLS%s.",
					 sync->name,
					 superuser_arg(sync->role)
					 ? "" : ", or compare what the role sees: declare a view, "
					 "or SELECT * FROM the table, with every")));
}

/*
 * Whether the index is on attnum and columns of the partition key only. partitioned: the
 * table's row of pg_partitioned_table, or NULL.  The relation cache is not used, because
 * it evaluates expressions of the partition key, which are functions of the table's
 * owner, as the role that declares.
 */
static bool
is_unique_on(HeapTuple partitioned, Form_pg_index index, AttrNumber attnum)
{
	Form_pg_partitioned_table partition =
	(HeapTupleIsValid(partitioned) ? (Form_pg_partitioned_table) GETSTRUCT(partitioned) : NULL);
	bool		found = false;

	for (int i = 0; i < index->indnkeyatts; i++)
	{
		bool		is_other = index->indkey.values[i] != attnum;

		found |= !is_other;
		for (int j = 0; is_other && partition != NULL && j < partition->partnatts; j++)
			is_other = partition->partattrs.values[j] != index->indkey.values[i];
		if (is_other)
			return false;
	}
	return found;
}

bool
sync_source_is_unique(const SyncSource *source, AttrNumber attnum)
{
	Relation	rel = relation_open(source->relation, NoLock);
	HeapTuple	partitioned = SearchSysCache1(PARTRELID, ObjectIdGetDatum(source->relation));
	bool		is_unique = false;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);

		/*
		 * A partial index or one on an expression says nothing about all rows. heap_attisnull()
		 * reads no expression, where the relation cache would evaluate it as the role that
		 * declares.
		 */
		is_unique |= index->indisunique && index->indisvalid &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
			is_unique_on(partitioned, index, attnum);
		ReleaseSysCache(tuple);
	}
	if (HeapTupleIsValid(partitioned))
		ReleaseSysCache(partitioned);
	relation_close(rel, NoLock);
	return is_unique;
}

const char *
sync_source_primary_key(const SyncSource *source)
{
	Relation	rel;
	int			attnum;
	bool		is_one;

	if (!source->can_follow)
		return NULL;
	rel = relation_open(source->relation, NoLock);
	is_one = bms_get_singleton_member(RelationGetIndexAttrBitmap(rel,
																 INDEX_ATTR_BITMAP_PRIMARY_KEY),
									  &attnum);
	relation_close(rel, NoLock);
	return is_one
		? get_attname(source->relation, attnum + FirstLowInvalidHeapAttributeNumber, false) : NULL;
}

/* ---- a query ------------------------------------------------------------------------- */

static const char *const query_words[] = {"select", "with", "values", "table"};

/* The first word of the text, after white space, comments and parentheses. */
static const char *
first_word(const char *text)
{
	for (;;)
	{
		if (isspace((unsigned char) *text) || *text == '(')
			text++;
		else if (text[0] == '-' && text[1] == '-')
			text += strcspn(text, "\n");
		else if (text[0] == '/' && text[1] == '*' && strstr(text + 2, "*/") != NULL)
			text = strstr(text + 2, "*/") + 2;
		else
			return text;
	}
}

static bool
is_query(const char *text)
{
	const char *word = first_word(text);
	size_t		len = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	for (int i = 0; i < lengthof(query_words); i++)
		if (len == strlen(query_words[i]) && pg_strncasecmp(word, query_words[i], len) == 0 &&
			word[len] != '.' && word[len] != '_' && !isdigit((unsigned char) word[len]))
			return true;
	return false;
}

char *
sync_source_bare_query(const char *query)
{
	size_t		len;

	while (isspace((unsigned char) *query))
		query++;
	len = strlen(query);
	while (len > 0 && (isspace((unsigned char) query[len - 1]) || query[len - 1] == ';'))
		len--;
	return pnstrdup(query, len);
}

/* As a sub-query the text can only be a statement that reads. */
static void
look_at_query(const char *text, SyncSource *source)
{
	char	   *query = sync_source_bare_query(text);
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan;
	List	   *statements;
	TupleDesc	desc;

	SPI_connect();

	/*
	 * The newline ends a comment that the query may end with, so that it cannot hide our closing
	 * parenthesis.
	 */
	plan = SPI_prepare(psprintf("SELECT * FROM (%s\n) q", query), 0, NULL);
	statements = plan != NULL ? SPI_plan_get_plan_sources(plan) : NIL;
	/* More than one statement means that the text closed our parenthesis itself. */
	desc = list_length(statements) == 1
		? ((CachedPlanSource *) linitial(statements))->resultDesc : NULL;
	if (desc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the source is not one query"),
				 errhint("Expected a SELECT, or the name of a table or view.")));
	MemoryContextSwitchTo(context);
	source->desc = CreateTupleDescCopy(desc);
	SPI_finish();
	source->relation = InvalidOid;
	source->can_follow = false;
	source->text = query;
}

void
sync_source_look(const char *text, SyncSource *source)
{
	if (is_query(text))
		look_at_query(text, source);
	else
		look_at_relation(text, source);
}

/* ---- columns ------------------------------------------------------------------------- */

static char *
column_names(TupleDesc desc)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 NameStr(TupleDescAttr(desc, i)->attname));
	return names.data;
}

static bool
is_twice(TupleDesc desc, Form_pg_attribute attribute)
{
	for (int i = attribute->attnum; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), NameStr(attribute->attname)) == 0)
			return true;
	return false;
}

Form_pg_attribute
sync_source_column(const SyncSource *source, const char *name)
{
	Form_pg_attribute attribute = row_find_attribute(source->desc, name);

	if (attribute == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of the source does not exist", name),
				 errhint("Its columns are: %s.", column_names(source->desc))));
	if (!OidIsValid(source->relation) && is_twice(source->desc, attribute))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("the query returns column \"%s\" more than once", name)));
	if (source->can_follow && !row_column_is_stored(attribute))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of the source is a virtual generated column", name),
				 errdetail("A trigger does not see its values."),
				 errhint("Declare a view of the table, or map the columns that it is made of.")));
	return attribute;
}
