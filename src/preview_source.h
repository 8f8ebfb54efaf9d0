/*
 * preview_source.h
 *		What a declared source is: a description made before anything is declared.
 */
#ifndef HUBSPOT_PREVIEW_SOURCE_H
#define HUBSPOT_PREVIEW_SOURCE_H

/*
 * A JSON object about a table, view or query: "what" in words; "is_table",
 * whether triggers could follow it; "rows", exact where "exact" is true;
 * "columns", an array of {name, type, label}, the type's oid and its name;
 * "key", the column of the primary key if that is one column; "sample", up to 3
 * rows as objects.  Reads the source with the caller's rights and search_path.
 * palloc'd.
 */
extern char *preview_describe_source(const char *source);

#endif							/* HUBSPOT_PREVIEW_SOURCE_H */
