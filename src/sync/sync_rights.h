/*
 * sync_rights.h
 *		What a role may not read of a followed relation.
 */
#ifndef HUBSPOT_SYNC_RIGHTS_H
#define HUBSPOT_SYNC_RIGHTS_H

#include "nodes/parsenodes.h"

#include "sync/sync.h"

/*
 * What the role may not read; the missing right is USAGE for a schema, SELECT for
 * everything else.
 */
typedef struct SyncDenial
{
	ObjectType	kind;
	const char *name;
} SyncDenial;

/*
 * Whether the role cannot SELECT the columns that the definition sends.  Columns and
 * tables that do not exist any more count as readable.
 */
extern bool sync_rights_deny(const Sync *sync, Oid role, SyncDenial *denial);

#endif							/* HUBSPOT_SYNC_RIGHTS_H */
