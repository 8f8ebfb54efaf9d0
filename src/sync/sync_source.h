/*
 * sync_source.h
 *		The source of a sync when it is declared: a relation or a query, and its columns.
 */
#ifndef HUBSPOT_SYNC_SOURCE_H
#define HUBSPOT_SYNC_SOURCE_H

#include "access/tupdesc.h"

#include "sync/sync.h"

typedef struct SyncSource
{
	Oid			relation;		/* InvalidOid: a query */
	bool		can_follow;		/* a table: statement triggers can have transition tables */
	const char *text;			/* as in hubspot.sync: a qualified name, or the query */
	TupleDesc	desc;			/* its columns */
} SyncSource;

/* The query without surrounding white space and a final semicolon. */
extern char *sync_source_bare_query(const char *query);

/*
 * Analyse a source as the current user, with the session's search_path.  Text that begins
 * with SELECT, WITH, VALUES or TABLE is a query, which is analysed and not run; any other
 * text is the name of a relation.  Raises an error for anything else.  Takes ACCESS SHARE
 * on the relation.
 */
extern void sync_source_look(const char *text, SyncSource *source);

/* Raise an error unless the role may read the mapped columns and the key of the source relation. */
extern void sync_source_check_rights(const Sync *sync, Oid role);

/*
 * Raise an error if policies hide rows of a table to be followed from the role that
 * declares: the triggers would see these rows all the same.
 */
extern void sync_source_check_row_security(const Sync *sync);

/* The attribute of this name; raises an error that lists the columns if there is none. */
extern Form_pg_attribute sync_source_column(const SyncSource *source, const char *name);

/* Whether the column is unique, alone or together with the table's partition key. */
extern bool sync_source_is_unique(const SyncSource *source, AttrNumber attnum);

/* The column of the table's primary key; NULL if there is no key or it has several columns. */
extern const char *sync_source_primary_key(const SyncSource *source);

#endif							/* HUBSPOT_SYNC_SOURCE_H */
