/*
 * append.h
 *		INSERT into the extension's own tables, without a plan.
 *
 * The hot path only inserts, into tables of this extension: there are no defaults,
 * checks, rules or row security of others to respect.  So a direct call of the table
 * access method has the same result as an INSERT at a fraction of the cost.  Neither
 * hooks of other extensions nor statistics of a table that was empty an hour ago can slow
 * it down.  Triggers on these tables do not fire.
 */
#ifndef HUBSPOT_APPEND_H
#define HUBSPOT_APPEND_H

#include "executor/tuptable.h"

typedef struct Appender Appender;

/*
 * Open a table for appending; up to capacity rows are written at once (one WAL
 * record per page).  Takes ROW EXCLUSIVE, kept until the end of the
 * transaction.  Memory comes from the current context, which must live until
 * append_close(); so must what the rows point to, until append_flush().
 */
extern Appender *append_open(Oid relation, int capacity);

/* Get the arrays of values and null flags for the next row; all flags start as null. */
extern void append_next(Appender *append, Datum **values, bool **isnull);

/* Accept the row; writes all rows if capacity is reached.  Returns whether it wrote. */
extern bool append_row(Appender *append);
extern void append_flush(Appender *append);

/*
 * Whether an index may have had an entry equal to that of row i of the last write.
 * append_watch_duplicates() switches this on for all indexes that are not unique: it
 * raises no error and costs no extra look-up.
 */
extern void append_watch_duplicates(Appender *append);
extern bool append_may_be_duplicate(const Appender *append, int i);
extern void append_close(Appender *append);

#endif							/* HUBSPOT_APPEND_H */
