/*
 * preview_source.c
 *		What a declared source is: a description made before anything is declared.
 *
 * Called by the preview functions, as the user who asks: a table is read, and
 * a query is run, with his rights and his search_path.  What comes out are
 * plain values, over which the rest is done as the extension's owner.
 *
 * Locks: those of the query.  Memory: the caller's context; of the source's
 * rows only the sample is kept.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "hubspot.h"
#include "preview_source.h"
#include "value.h"

#define SAMPLE_ROWS		3
#define COUNTED_ROWS	10000	/* up to here rows are counted, beyond that estimated */

/* ---- table, view or query ------------------------------------------------------------ */

static const struct
{
	char		relkind;
	const char *word;
	bool		is_table;		/* can have statement triggers with transition tables */
}			relkinds[] =
{
	{RELKIND_RELATION, "table", true},
	{RELKIND_PARTITIONED_TABLE, "partitioned table", true},
	{RELKIND_FOREIGN_TABLE, "foreign table", false},
	{RELKIND_VIEW, "view", false},
	{RELKIND_MATVIEW, "materialized view", false},
};

/* The relation that a text names; InvalidOid when the text is no name, and so a query. */
static Oid
find_relation(const char *source)
{
	List	   *names;

	if (!SplitIdentifierString(pstrdup(source), '.', &names) || names == NIL)
		return InvalidOid;
	for (int i = 0; i < list_length(names); i++)
		list_nth_cell(names, i)->ptr_value = makeString(list_nth(names, i));
	return RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, false);
}

static void
append_member(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
	value_append_string(json, text, strlen(text));
}

/* What the relation is, and the column of its primary key. */
static void
describe_relation(StringInfo json, Oid oid, const char *name)
{
	Relation	rel = relation_open(oid, AccessShareLock);
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	int			attnum;
	int			kind = 0;

	while (kind < lengthof(relkinds) && relkinds[kind].relkind != rel->rd_rel->relkind)
		kind++;
	if (kind == lengthof(relkinds))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table or view", RelationGetRelationName(rel))));
	append_member(json, "what", psprintf("%s %s", relkinds[kind].word, name));
	appendStringInfo(json, ",\"is_table\":%s", relkinds[kind].is_table ? "true" : "false");
	if (bms_get_singleton_member(key, &attnum))
		append_member(json, "key", get_attname(oid, attnum + FirstLowInvalidHeapAttributeNumber, false));
	relation_close(rel, AccessShareLock);
}

/* A query without the semicolon and white space that it may end with. */
static char *
sub_query(const char *query)
{
	size_t		len = strlen(query);

	while (len > 0 && (isspace((unsigned char) query[len - 1]) || query[len - 1] == ';'))
		len--;
	return psprintf("(%.*s\n)", (int) len, query);
}

/* ---- columns and rows ------------------------------------------------------------------ */

static void
describe_columns(StringInfo json, TupleDesc desc)
{
	bool		first = true;

	appendStringInfoString(json, ",\"columns\":[");
	for (int i = 0; i < desc->natts - 1; i++)	/* the last one is the row as a whole */
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		appendStringInfo(json, "%s{\"type\":%u", first ? "" : ",", getBaseType(attribute->atttypid));
		append_member(json, "name", NameStr(attribute->attname));
		append_member(json, "label", format_type_with_typemod(attribute->atttypid, attribute->atttypmod));
		appendStringInfoChar(json, '}');
		first = false;
	}
	appendStringInfoChar(json, ']');
}

static void
append_sample(StringInfo json)
{
	appendStringInfoString(json, ",\"sample\":[");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		row = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, SPI_tuptable->tupdesc->natts, &isnull);
		Jsonb	   *object = DatumGetJsonbP(row);

		if (i > 0)
			appendStringInfoChar(json, ',');
		(void) JsonbToCString(json, &object->root, VARSIZE(object));
	}
	appendStringInfoChar(json, ']');
}

/* A few rows, and how many there are: counted as far as that is quick, else as planned. */
static void
describe_rows(StringInfo json, const char *from)
{
	char	   *sql = psprintf("SELECT q.*, pg_catalog.to_jsonb(q.*) FROM %s q", from);
	Portal		portal;
	double		rows;
	bool		exact;

	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true, 0);
	describe_columns(json, portal->tupDesc);
	SPI_cursor_fetch(portal, true, SAMPLE_ROWS);
	rows = SPI_processed;
	append_sample(json);
	SPI_cursor_move(portal, true, COUNTED_ROWS);
	rows += SPI_processed;
	exact = rows <= COUNTED_ROWS;
	if (!exact)
		rows = Max(rows, PortalGetPrimaryStmt(portal)->planTree->plan_rows);
	SPI_cursor_close(portal);
	appendStringInfo(json, ",\"rows\":%.0f,\"exact\":%s", rows, exact ? "true" : "false");
	SPI_finish();
}

char *
preview_describe_source(const char *source)
{
	StringInfoData json;
	Oid			relation = find_relation(source);
	char	   *from;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	if (OidIsValid(relation))
	{
		from = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation));
		describe_relation(&json, relation, from);
	}
	else
	{
		from = sub_query(source);
		append_member(&json, "what", "query");
		appendStringInfoString(&json, ",\"is_table\":false");
	}
	describe_rows(&json, from);
	appendStringInfoChar(&json, '}');
	return json.data;
}
