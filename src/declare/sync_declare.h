/*
 * sync_declare.h
 *		Steps of hubspot_sync() that its preview takes as well.
 */
#ifndef HUBSPOT_SYNC_DECLARE_H
#define HUBSPOT_SYNC_DECLARE_H

#include "utils/jsonb.h"

#include "sync/sync_source.h"

/* Objects that a sync writes; the first ones of the enum. */
#define SYNC_OBJECTS (OBJECT_IS_EVENT + 1)

/* An error for object, mode, deletes and event that do not go together. */
extern void sync_check_combination(const Sync *sync);

/*
 * Take the source, the columns that a mapping (NULL: all by their names) means, and the key's
 * (NULL: by default) into the definition.  Raises an error for what is missing in them, or may not
 * be read by the current user.
 */
extern void sync_take_source(Sync *sync, const SyncSource *source, Jsonb *mapping, const char *key);

#endif							/* HUBSPOT_SYNC_DECLARE_H */
