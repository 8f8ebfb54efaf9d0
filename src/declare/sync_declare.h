/*
 * sync_declare.h
 *		Steps of hubspot_sync() that its preview shares.
 */
#ifndef HUBSPOT_SYNC_DECLARE_H
#define HUBSPOT_SYNC_DECLARE_H

#include "utils/jsonb.h"

#include "sync/sync_source.h"

/* Raise an error if object, mode, deletes and event do not fit together. */
extern void sync_check_combination(const Sync *sync);

/*
 * Store the source, the mapped columns (mapping NULL: all columns, by their names) and
 * the key's column (key NULL: the default) in the definition.  Raises an error if a
 * column is missing or the current user may not read it.
 */
extern void sync_take_source(Sync *sync, const SyncSource *source, Jsonb *mapping, const char *key);

/*
 * Find the columns whose name in the mapping is an object's: they hold keys of records that this
 * one is associated with.  Raises an error for those that cannot be followed so.
 */
extern void sync_find_associations(const Sync *sync);

#endif							/* HUBSPOT_SYNC_DECLARE_H */
