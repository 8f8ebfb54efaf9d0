/*
 * sync_rename.c
 *		Definitions follow the names of their sources and owners.
 *
 * At run time a definition knows its table, columns and owner by oid and number.  A dump
 * does not keep these; there the names count.  So the names are stored again by the
 * transaction that renames something.
 *
 * Called by the ProcessUtility hook (ddl.c), in any session.  Locks: ROW
 * EXCLUSIVE on hubspot.sync, and rows of the renamed table's definitions.
 * Memory: the statement's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"

#include "base/hubspot.h"
#include "sync/sync.h"

static const char *const rename_sql =
"UPDATE hubspot.sync s SET source = n.source, key_column = n.key_column, columns = n.columns, "
"owner = n.owner FROM ("
"SELECT d.id, CASE WHEN c.oid IS NULL THEN d.source ELSE pg_catalog.format('%I.%I', p.nspname, "
"c.relname) END AS source,"
" coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = d.owner_oid), d.owner) AS owner,"
" coalesce(k.attname::text, d.key_column) AS key_column,"
" (SELECT jsonb_agg(CASE WHEN a.attname IS NULL THEN e.it ELSE e.it || "
"jsonb_build_object('column', a.attname) END ORDER BY e.n)"
" FROM jsonb_array_elements(d.columns) WITH ORDINALITY e(it, n) LEFT JOIN pg_attribute a"
" ON a.attrelid = d.relation AND a.attnum = (e.it->>'attnum')::int AND NOT "
"a.attisdropped) AS columns"
" FROM hubspot.sync d LEFT JOIN pg_class c ON c.oid = d.relation LEFT JOIN pg_namespace p ON p.oid "
"= c.relnamespace"
" LEFT JOIN pg_attribute k ON k.attrelid = d.relation AND k.attnum = d.key_attnum AND NOT "
"k.attisdropped"
" WHERE d.held IS NULL) n"
" WHERE n.id = s.id AND (s.source, s.key_column, s.columns, s.owner) IS DISTINCT FROM (n.source, "
"n.key_column, n.columns, n.owner)";

void
sync_follow_names(void)
{
	/*
	 * With one snapshot for the whole transaction, updating a definition that another session has
	 * changed would fail, and the user's ALTER with it.
	 */
	if (!OidIsValid(get_extension_oid(HUBSPOT_EXTENSION, true)) || IsolationUsesXactSnapshot())
		return;
	CommandCounterIncrement();
	(void) sync_execute(rename_sql, 0, NULL, NULL, NULL, NULL, NULL);
}
