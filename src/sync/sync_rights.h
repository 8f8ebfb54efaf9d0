/*
 * sync_rights.h
 *		What a role may not read of a followed relation.
 */
#ifndef HUBSPOT_SYNC_RIGHTS_H
#define HUBSPOT_SYNC_RIGHTS_H

#include "nodes/parsenodes.h"

#include "sync/sync.h"

/* What is in the way; the right is USAGE on a schema, SELECT on all else. */
typedef struct SyncDenial
{
	ObjectType	kind;
	const char *name;
} SyncDenial;

/*
 * Whether the role could not read the columns that the definition sends, by a SELECT of
 * its own.  What does not exist any more is not in the way.
 */
extern bool sync_rights_deny(const Sync *sync, Oid role, SyncDenial *denial);

#endif							/* HUBSPOT_SYNC_RIGHTS_H */
