/*
 * preview_source.h
 *		What a sync's source is: a description made before anything is declared.
 */
#ifndef HUBSPOT_PREVIEW_SOURCE_H
#define HUBSPOT_PREVIEW_SOURCE_H

#include "sync/sync_source.h"

/*
 * A JSON object about the source of a definition that is not saved: "what" in words;
 * "follows", whether triggers will follow it; "rows", which is exact if "exact" is true;
 * "columns", an array of {n, column, trait, type, label} with the type's oid and name;
 * "sample", the first 3 rows as {key, traits}.  Reads the source like a refresh, as the
 * definition's owner. palloc'd.
 */
extern char *preview_describe_source(const Sync *sync, const SyncSource *source);

#endif							/* HUBSPOT_PREVIEW_SOURCE_H */
