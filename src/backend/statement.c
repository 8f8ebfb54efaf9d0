/*
 * statement.c
 *		The one place where the extension's own SQL is run.
 *
 * The owner of a database can create operators, functions, casts and types, and change
 * the settings that sessions start with.  Statements that we run as the extension's
 * owner, or when a superuser reads a view, must not be affected.  So no other file calls
 * SPI_execute() or its relatives for our statements; make lint checks that.
 *
 * Called between SPI_connect() and SPI_finish(), inside a transaction.  The settings are
 * restored when the statement ends, also by an error, like those of a function's SET
 * clause.  A portal is analysed and planned when it is opened, and does not need them
 * afterwards.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/guc.h"

#include "backend/settings.h"
#include "backend/statement.h"

int
statement_execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls,
				  bool read_only, long count)
{
	int			level = NewGUCNestLevel();
	int			result;

	settings_pin_for_statement();
	result = SPI_execute_with_args(sql, nargs, types, values, nulls, read_only, count);
	AtEOXact_GUC(false, level);
	return result;
}

int
statement_execute_chunk(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls,
						bool read_only)
{
	int			level = NewGUCNestLevel();
	int			result;

	settings_pin_for_chunk();
	result = SPI_execute_with_args(sql, nargs, types, values, nulls, read_only, 0);
	AtEOXact_GUC(false, level);
	return result;
}

/*
 * The settings are pinned for each run, not for the first alone: whatever a plan depends on may
 * have changed, and then it is made anew.
 */
int
statement_execute_saved(SavedStatement *statement, int nargs, Oid *types, Datum *values)
{
	int			level = NewGUCNestLevel();
	int			result;

	if (statement->is_chunk)
		settings_pin_for_chunk();
	else
		settings_pin_for_statement();
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan =
		SPI_prepare_cursor(statement->sql, nargs, types, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not plan a statement of the extension");
		statement->plan = plan;
	}
	result = SPI_execute_plan(statement->plan, values, NULL, false, 0);
	AtEOXact_GUC(false, level);
	return result;
}

Datum
statement_ids(const int64 *ids, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(elements, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

int
statement_execute_extended(const char *sql, const SPIExecuteOptions *options)
{
	int			level = NewGUCNestLevel();
	int			result;

	settings_pin_for_statement();
	result = SPI_execute_extended(sql, options);
	AtEOXact_GUC(false, level);
	return result;
}

Portal
statement_open(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls,
			   bool read_only, int cursor_options)
{
	int			level = NewGUCNestLevel();
	Portal		portal;

	settings_pin_for_statement();
	portal = SPI_cursor_open_with_args(NULL, sql, nargs, types, values, nulls, read_only,
									   cursor_options);
	AtEOXact_GUC(false, level);
	return portal;
}
