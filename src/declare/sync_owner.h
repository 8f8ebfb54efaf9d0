/*
 * sync_owner.h
 *		What becomes of definitions when roles go: for the hook of ddl.c.
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

/* Before the statement runs: whether it is one.  Afterwards the roles may be gone. */
extern bool sync_owner_concerns(Node *statement, RoleStatement *about);

/*
 * After it has run: REASSIGN OWNED gives the definitions to the new role, DROP
 * OWNED drops them, DROP ROLE is an error when there are any.
 */
extern void sync_owner_follow(const RoleStatement *about);

#endif							/* HUBSPOT_SYNC_OWNER_H */
