/*
 * report_write.c
 *		What was counted of definitions, into the tables.
 *
 * In the transaction that writes the verdicts.  The worker is the only writer of these tables, and
 * no session locks a row of them, for its transaction would hold up the verdicts; so nothing waits
 * here, and a statement may count what the one before has found.
 *
 * Locks: ROW EXCLUSIVE on the tables.  Memory: SPI's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/guc.h"
#include "base/verdict.h"
#include "counts/report_counts.h"
#include "message/object_type.h"

/* ---- parameters ------------------------------------------------------------------------ */

#define MAX_COLUMNS	9

/* Parallel arrays, which a statement unnests. */
typedef struct Columns
{
	int			n;
	int			size;
	int			ncolumns;
	const Oid  *types;			/* of the elements */
	Datum	   *values[MAX_COLUMNS];
	bool	   *isnull[MAX_COLUMNS];
} Columns;

static void
columns_begin(Columns *columns, const Oid *types, int ncolumns)
{
	Assert(ncolumns <= MAX_COLUMNS);
	memset(columns, 0, sizeof(*columns));
	columns->types = types;
	columns->ncolumns = ncolumns;
	columns->size = 64;
	for (int i = 0; i < ncolumns; i++)
	{
		columns->values[i] = palloc(sizeof(Datum) * columns->size);
		columns->isnull[i] = palloc(sizeof(bool) * columns->size);
	}
}

/* The next element of all of them; NULL until it is put. */
static void
columns_next(Columns *columns)
{
	if (columns->n == columns->size)
	{
		columns->size *= 2;
		for (int i = 0; i < columns->ncolumns; i++)
		{
			columns->values[i] = repalloc(columns->values[i], sizeof(Datum) * columns->size);
			columns->isnull[i] = repalloc(columns->isnull[i], sizeof(bool) * columns->size);
		}
	}
	for (int i = 0; i < columns->ncolumns; i++)
	{
		columns->values[i][columns->n] = (Datum) 0;
		columns->isnull[i][columns->n] = true;
	}
	columns->n++;
}

static void
columns_put(Columns *columns, int column, Datum value)
{
	columns->values[column][columns->n - 1] = value;
	columns->isnull[column][columns->n - 1] = false;
}

static void
columns_put_text(Columns *columns, int column, const char *text)
{
	if (text != NULL)
		columns_put(columns, column, CStringGetTextDatum(text));
}

static Datum
columns_array(const Columns *columns, int column)
{
	Oid			type = columns->types[column];
	int			dims[] = {columns->n};
	int			bounds[] = {1};
	bool		is_text = type == TEXTOID;
	bool		is_bool = type == BOOLOID;
	int			len = is_text ? -1 : is_bool ? 1 : type == INT8OID ? 8 : 4;

	return PointerGetDatum(construct_md_array(columns->values[column], columns->isnull[column], 1,
											  dims, bounds, type, len, !is_text && len <= 8,
											  is_bool ? TYPALIGN_CHAR : len == 8 ? TYPALIGN_DOUBLE
											  : TYPALIGN_INT));
}

/* Run a statement over the columns; what it returns is in SPI_tuptable. */
static void
execute(const Columns *columns, SavedStatement *statement)
{
	Oid			types[MAX_COLUMNS];
	Datum		values[MAX_COLUMNS];

	for (int i = 0; i < columns->ncolumns; i++)
	{
		types[i] = columns->types[i] == TEXTOID ? TEXTARRAYOID
			: columns->types[i] == BOOLOID ? BOOLARRAYOID
			: columns->types[i] == INT8OID ? INT8ARRAYOID : INT4ARRAYOID;
		values[i] = columns_array(columns, i);
	}
	if (statement_execute_saved(statement, columns->ncolumns, types, values) < 0)
		elog(ERROR, "could not count what became of the rows of definitions");
}

/* ---- records in trouble ------------------------------------------------------------------ */

enum
{
	END_REPORT, END_OBJECT, END_KEY, END_ID, END_CHANGE, END_BAD, END_CATEGORY, END_LEFT_OUT,
	END_LACKS,
	END_COLUMNS
};

static const Oid end_types[END_COLUMNS] = {
	INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID, BOOLOID, TEXTOID, TEXTOID, TEXTOID
};

#define ENDINGS \
	"(SELECT DISTINCT ON (x.report, x.object, x.key) x.report," \
	" x.object AS object, x.key COLLATE \"C\" AS key, x.id, x.change, x.bad," \
	" x.category, x.left_out, x.lacks," \
	" count(*) FILTER (WHERE x.bad) OVER (PARTITION BY x.report, x.object, x.key) AS rows" \
	" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)," \
	"  unnest($7), unnest($8), unnest($9))" \
	"  AS x(report, object, key, id, change, bad, category, left_out, lacks)" \
	" ORDER BY x.report, x.object, x.key, x.id DESC)"

/*
 * A row that is older than what is known of its record says nothing.  Rows without a key are not of
 * one record: all of them are counted in one place.
 */
static const char end_trouble_sql[] =
"WITH gone AS (DELETE FROM hubspot.sync_trouble t USING " ENDINGS " n"
" WHERE t.report = n.report AND t.object = n.object AND t.key = n.key AND t.outbox_id <= n.id"
" AND n.key <> ''"
" RETURNING t.report)"
" SELECT g.report, - count(*) FROM gone g GROUP BY g.report";

static SavedStatement end_trouble_statement = {.is_chunk = true, .sql = end_trouble_sql};

static const char begin_trouble_sql[] =
"WITH come AS (INSERT INTO hubspot.sync_trouble AS t"
" (report, object, key, outbox_id, change_id, category, left_out, lacks, at, rows)"
" SELECT n.report, n.object, n.key, n.id, n.change, n.category,"
" coalesce(string_to_array(n.left_out, E'\\n'), '{}'),"
" coalesce(string_to_array(n.lacks, E'\\n'), '{}'), clock_timestamp(),"
" CASE n.key WHEN '' THEN n.rows ELSE 1 END"
" FROM " ENDINGS " n WHERE n.bad"
" ON CONFLICT (report, object, key) DO UPDATE SET outbox_id = excluded.outbox_id,"
" change_id = excluded.change_id, category = excluded.category, at = excluded.at,"
" rows = t.rows + excluded.rows WHERE t.key = ''"
" RETURNING t.report, t.xmax = 0 AS is_new)"
" SELECT c.report, count(*) FILTER (WHERE c.is_new) FROM come c GROUP BY c.report";

static SavedStatement begin_trouble_statement = {.is_chunk = true, .sql = begin_trouble_sql};

static Report *
changed_report(int id)
{
	slist_iter	iter;

	slist_foreach(iter, &report_changed)
	{
		Report	   *report = slist_container(Report, node, iter.cur);

		if (report->id == id)
			return report;
	}
	elog(ERROR, "report %d was not counted", id);
}

/* What a statement has returned: a report, and how many of its records came, or went. */
static void
add_troubled(void)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

		changed_report(DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull)))->more +=
			DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
	}
}

static void
write_endings(void)
{
	Columns		columns;
	bool		any_bad = false;

	if (report_nendings == 0)
		return;
	columns_begin(&columns, end_types, END_COLUMNS);
	for (int i = 0; i < report_nendings; i++)
	{
		const Ending *ending = &report_endings[i];

		columns_next(&columns);
		columns_put(&columns, END_REPORT, Int32GetDatum(ending->report));
		columns_put_text(&columns, END_OBJECT, object_types[ending->object].name);
		columns_put_text(&columns, END_KEY, ending->key);
		columns_put(&columns, END_ID, Int64GetDatum(ending->id));
		columns_put(&columns, END_CHANGE, Int64GetDatum(ending->change));
		columns_put(&columns, END_BAD, BoolGetDatum(ending->bad));
		columns_put_text(&columns, END_CATEGORY, ending->category);
		columns_put_text(&columns, END_LEFT_OUT, ending->left_out);
		columns_put_text(&columns, END_LACKS, ending->lacks);
		any_bad = any_bad || ending->bad;
	}
	/* a record that is in trouble again comes back with what is wrong by now */
	execute(&columns, &end_trouble_statement);
	add_troubled();
	if (!any_bad)
		return;
	execute(&columns, &begin_trouble_statement);
	add_troubled();
}

/* ---- counts ----------------------------------------------------------------------------- */

/* Of outcomes and properties: report, object, two texts, three numbers. */
static const Oid number_types[] = {INT4OID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID};

static const char outcome_sql[] =
"INSERT INTO hubspot.sync_outcome AS o"
" (report, object, verdict, category, rows, warned, example_id, last_at)"
" SELECT n.report, n.object, n.verdict::hubspot.verdict, n.category, n.rows,"
" n.warned, n.example, clock_timestamp()"
" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6),"
"  unnest($7)) AS n(report, object, verdict, category, rows, warned, example)"
" ON CONFLICT (report, object, verdict, category) DO UPDATE SET rows = o.rows + excluded.rows,"
" warned = o.warned + excluded.warned, example_id = excluded.example_id,"
" last_at = excluded.last_at";

static SavedStatement outcome_statement = {.is_chunk = true, .sql = outcome_sql};

static const char property_sql[] =
"INSERT INTO hubspot.sync_property AS p"
" (report, object, property, code, rows, delivered, example_id, last_at)"
" SELECT n.report, n.object, n.property, n.code, n.rows, n.delivered, n.example,"
" clock_timestamp()"
" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6),"
"  unnest($7)) AS n(report, object, property, code, rows, delivered, example)"
" ON CONFLICT (report, object, property, code) DO UPDATE SET rows = p.rows + excluded.rows,"
" delivered = p.delivered + excluded.delivered, example_id = excluded.example_id,"
" last_at = excluded.last_at";

static SavedStatement property_statement = {.is_chunk = true, .sql = property_sql};

/* The last rows are in two stretches: when the younger one is long enough it becomes the older. */
static const Oid count_types[] = {INT4OID, INT8OID, INT8OID, INT8OID};

static const char count_sql[] =
"INSERT INTO hubspot.sync_count AS c (report, rows, recent, recent_bad, troubled, last_at)"
" SELECT n.report, n.rows, n.rows, n.bad, n.troubled, clock_timestamp()"
" FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4)) AS n(report, rows, bad, troubled)"
" ON CONFLICT (report) DO UPDATE SET rows = c.rows + excluded.rows,"
" before = CASE WHEN c.recent >= 1000 THEN c.recent ELSE c.before END,"
" before_bad = CASE WHEN c.recent >= 1000 THEN c.recent_bad ELSE c.before_bad END,"
" recent = CASE WHEN c.recent >= 1000 THEN 0 ELSE c.recent END + excluded.recent,"
" recent_bad = CASE WHEN c.recent >= 1000 THEN 0 ELSE c.recent_bad END + excluded.recent_bad,"
" troubled = c.troubled + excluded.troubled, last_at = excluded.last_at"
" RETURNING report, troubled";

static SavedStatement count_statement = {.is_chunk = true, .sql = count_sql};

static void
put_count(Columns *columns, int report, Object object, const char *name, const char *reason,
		  const int64 *numbers)
{
	columns_next(columns);
	columns_put(columns, 0, Int32GetDatum(report));
	columns_put_text(columns, 1, object_types[object].name);
	columns_put_text(columns, 2, name);
	columns_put_text(columns, 3, reason);
	for (int i = 0; i < 3; i++)
		columns_put(columns, 4 + i, Int64GetDatum(numbers[i]));
}

static void
put_outcomes(Columns *columns, Report *report)
{
	slist_iter	iter;

	slist_foreach(iter, &report->outcomes)
	{
		const OutcomeCount *count = slist_container(OutcomeCount, node, iter.cur);
		int64		numbers[] = {count->rows, count->warned, count->example};

		if (count->rows > 0)
			put_count(columns, report->id, count->object, verdict_rules[count->verdict].word,
					  count->category, numbers);
	}
}

static void
put_properties(Columns *columns, Report *report)
{
	slist_iter	iter;

	slist_foreach(iter, &report->properties)
	{
		const PropertyCount *count = slist_container(PropertyCount, node, iter.cur);
		int64		numbers[] = {count->rows, count->delivered, count->example};

		if (count->rows > 0)
			put_count(columns, report->id, count->object, count->property, count->code, numbers);
	}
}

static void
take_troubled(void)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

		changed_report(DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull)))->will_be =
			DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
	}
}

static void
write_counts(void)
{
	Columns		outcomes;
	Columns		properties;
	Columns		counts;
	slist_iter	iter;

	columns_begin(&outcomes, number_types, lengthof(number_types));
	columns_begin(&properties, number_types, lengthof(number_types));
	columns_begin(&counts, count_types, lengthof(count_types));
	slist_foreach(iter, &report_changed)
	{
		Report	   *report = slist_container(Report, node, iter.cur);

		put_outcomes(&outcomes, report);
		put_properties(&properties, report);
		columns_next(&counts);
		columns_put(&counts, 0, Int32GetDatum(report->id));
		columns_put(&counts, 1, Int64GetDatum(report->rows));
		columns_put(&counts, 2, Int64GetDatum(report->bad));
		columns_put(&counts, 3, Int64GetDatum(report->more));
	}
	/* the last one tells how many records are in trouble, which the others have changed */
	execute(&outcomes, &outcome_statement);
	if (properties.n > 0)
		execute(&properties, &property_statement);
	execute(&counts, &count_statement);
	take_troubled();
}

void
report_write(void)
{
	slist_iter	iter;

	if (slist_is_empty(&report_changed))
		return;
	/* an earlier transaction may have failed behind this */
	slist_foreach(iter, &report_changed)
		slist_container(Report, node, iter.cur)->more = 0;
	SPI_connect();
	write_endings();
	write_counts();
	SPI_finish();
}

/* ---- from time to time ------------------------------------------------------------------- */

/*
 * Rows that are still on their way when a definition is dropped, or declared with other columns,
 * are counted under its old number: so this is done again and again.  Records in trouble may be
 * many: they are found by the numbers that have a count, and not by looking at each.
 */
static const char *const forget_sql[] = {
	"DELETE FROM hubspot.sync_trouble t USING hubspot.sync_count c WHERE c.report = t.report"
	" AND NOT EXISTS (SELECT FROM hubspot.sync d WHERE d.report = c.report)",
	"DELETE FROM hubspot.sync_outcome o WHERE NOT EXISTS"
	" (SELECT FROM hubspot.sync d WHERE d.report = o.report)",
	"DELETE FROM hubspot.sync_property p WHERE NOT EXISTS"
	" (SELECT FROM hubspot.sync d WHERE d.report = p.report)",
	"DELETE FROM hubspot.sync_count c WHERE NOT EXISTS"
	" (SELECT FROM hubspot.sync d WHERE d.report = c.report)",
};

/* An event that was lost stays lost: it is trouble as long as its verdict is kept. */
static const char *const forget_events_sql =
"WITH gone AS (DELETE FROM hubspot.sync_trouble t"
" WHERE t.object = 'event' AND t.at < clock_timestamp() - make_interval(mins => $1)"
" RETURNING t.report)"
" UPDATE hubspot.sync_count c SET troubled = c.troubled - g.n"
" FROM (SELECT gone.report, count(*) AS n FROM gone GROUP BY gone.report) g"
" WHERE g.report = c.report";

/*
 * A row without a key tells of rows that were not seen: a TRUNCATE, a partition that came with
 * rows. No later row of its record makes that good, but a back-fill that began afterwards, as by
 * hubspot_resync().
 */
static const char *const forget_filled_sql =
"WITH gone AS (DELETE FROM hubspot.sync_trouble t USING hubspot.sync d, hubspot.sync_state s"
" WHERE t.key = '' AND d.report = t.report AND s.sync = d.id AND d.follows"
" AND s.fill_started_at > t.at AND s.fill_finished_at IS NOT NULL"
" RETURNING t.report)"
" UPDATE hubspot.sync_count c SET troubled = c.troubled - g.n"
" FROM (SELECT gone.report, count(*) AS n FROM gone GROUP BY gone.report) g"
" WHERE g.report = c.report";

static const char *const add_keyless_sql =
"WITH gone AS (DELETE FROM hubspot.sync_keyless k RETURNING k.report, k.rows, k.at)"
" INSERT INTO hubspot.sync_count AS c (report, keyless, keyless_at)"
" SELECT g.report, sum(g.rows), max(g.at) FROM gone g GROUP BY g.report"
" ON CONFLICT (report) DO UPDATE SET keyless = c.keyless + excluded.keyless,"
" keyless_at = excluded.keyless_at";

static void
run(const char *sql, int nargs, Oid *types, Datum *values)
{
	if (statement_execute_chunk(sql, nargs, types, values, NULL, false) < 0)
		elog(ERROR, "could not tidy up what is counted of definitions");
}

void
report_tidy(void)
{
	Oid			type = INT4OID;
	Datum		retention = Int32GetDatum(hubspot_retention);

	SPI_connect();
	run(add_keyless_sql, 0, NULL, NULL);
	for (int i = 0; i < lengthof(forget_sql); i++)
		run(forget_sql[i], 0, NULL, NULL);
	run(forget_events_sql, 1, &type, &retention);
	run(forget_filled_sql, 0, NULL, NULL);
	SPI_finish();
}
