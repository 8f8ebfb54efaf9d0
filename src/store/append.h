/*
 * append.h
 *		INSERT into the extension's own tables, without a plan.
 *
 * The hot path only ever inserts, into tables that this extension made: no
 * default, check, rule or row security of a stranger is to be honoured, so
 * that a direct call of the table access method does what an INSERT would, at
 * a fraction of its cost, and cannot be spoilt by another extension's hooks or
 * by statistics of a table that was empty an hour ago.  Triggers on these
 * tables do not fire.
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

/* Arrays of values and null flags of the next row; all flags start as null. */
extern void append_next(Appender *append, Datum **values, bool **isnull);

/* Accept the row filled in; writes when capacity is reached.  Returns whether it wrote. */
extern bool append_row(Appender *append);
extern void append_flush(Appender *append);

/*
 * Whether an index may already have had an entry like the one of row i of the
 * last write.  Asked for with append_watch_duplicates(), for all indexes that
 * are not unique: no error is raised, no look-up costs extra.
 */
extern void append_watch_duplicates(Appender *append);
extern bool append_may_be_duplicate(const Appender *append, int i);
extern void append_close(Appender *append);

#endif							/* HUBSPOT_APPEND_H */
