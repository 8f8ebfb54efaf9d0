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
	const char *text;			/* as hubspot.sync holds it: a qualified name, or the query */
	TupleDesc	desc;			/* its columns */
} SyncSource;

/* The query without white space around it and the semicolon that it may end with. */
extern char *sync_source_bare_query(const char *query);

/*
 * Look at a source as the current user, with his search_path: a text that begins with
 * SELECT, WITH, VALUES or TABLE is a query, which is analysed and not run; any
 * other is the name of a relation.  Raises an error for what cannot be one.
 * Takes ACCESS SHARE on the relation.
 */
extern void sync_source_look(const char *text, SyncSource *source);

/*
 * An error unless the role may read the columns, and the key's, of the relation that is the source.
 */
extern void sync_source_check_rights(const Sync *sync, Oid role);

/*
 * An error when policies hide rows of a table that is to be followed from who
 * reads it: its triggers would see them all the same.
 */
extern void sync_source_check_row_security(const Sync *sync);

/* The attribute of this name; an error that lists those there are. */
extern Form_pg_attribute sync_source_column(const SyncSource *source, const char *name);

/* Whether a table's column has one row per value, but for its partition key. */
extern bool sync_source_is_unique(const SyncSource *source, AttrNumber attnum);

/* The column of a table's primary key, NULL when it is none or several. */
extern const char *sync_source_primary_key(const SyncSource *source);

#endif							/* HUBSPOT_SYNC_SOURCE_H */
