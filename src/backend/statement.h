/*
 * statement.h
 *		The extension's own SQL, run by sessions, the worker and the refresher.
 */
#ifndef HUBSPOT_STATEMENT_H
#define HUBSPOT_STATEMENT_H

#include "executor/spi.h"

/*
 * As SPI_execute_with_args(), SPI_execute_extended() and SPI_cursor_open_with_args(), for
 * statements that we wrote: names mean what stands in pg_catalog and texts are read as they were
 * written, whatever the session, the role or the database has set.  Users' queries go through SPI
 * itself, inside sync_act_as_owner().
 */
extern int	statement_execute(const char *sql, int nargs, Oid *types, Datum *values,
							  const char *nulls, bool read_only, long count);

/*
 * The same for a part of a large table: the plan uses an index or blocks, whatever the
 * statistics are.
 */
extern int	statement_execute_chunk(const char *sql, int nargs, Oid *types, Datum *values,
									const char *nulls, bool read_only);

/*
 * A statement that a background process runs again and again: it is planned once, whatever the
 * values of its parameters are, and anew when a table that it reads has changed.  The plan stays
 * as long as the process.
 */
typedef struct SavedStatement
{
	const char *sql;
	bool		is_chunk;		/* planned as by statement_execute_chunk() */
	SPIPlanPtr	plan;			/* NULL until it is run */
} SavedStatement;

extern int	statement_execute_saved(SavedStatement *statement, int nargs, Oid *types,
									Datum *values);

/* Ids as an argument of a statement, a bigint[]; palloc'd. */
extern Datum statement_ids(const int64 *ids, int count);

extern int	statement_execute_extended(const char *sql, const SPIExecuteOptions *options);
extern Portal statement_open(const char *sql, int nargs, Oid *types, Datum *values,
							 const char *nulls, bool read_only,
							 int cursor_options);

#endif							/* HUBSPOT_STATEMENT_H */
