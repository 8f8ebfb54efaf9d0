/*
 * sync_owner.h
 *		What happens to definitions when roles are dropped: for the hook of ddl.c.
 */
#ifndef HUBSPOT_SYNC_OWNER_H
#define HUBSPOT_SYNC_OWNER_H

#include "nodes/parsenodes.h"

#include "sync/sync.h"

/* A statement about roles that may own definitions of this database. */
typedef struct RoleStatement
{
	NodeTag		kind;			/* DROP ROLE, DROP OWNED, REASSIGN OWNED */
	List	   *roles;			/* oids */
	Oid			heir;			/* of REASSIGN OWNED */
} RoleStatement;

/*
 * Call before the statement runs: whether it is a RoleStatement.  Afterwards the roles
 * may not exist.
 */
extern bool sync_owner_concerns(Node *statement, RoleStatement *about);

/*
 * Call after the statement: REASSIGN OWNED gives the definitions to the new role, DROP
 * OWNED drops them, DROP ROLE raises an error if there are any.
 */
extern void sync_owner_follow(const RoleStatement *about);

#endif							/* HUBSPOT_SYNC_OWNER_H */
