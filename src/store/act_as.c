/*
 * act_as.c
 *		On whose behalf the next statements run.
 *
 * Locks, memory: none.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/hubspot.h"
#include "ring/ring.h"
#include "store/act_as.h"

void
act_as(Oid role, int flags, const char *search_path, Identity *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	before->guc_level = NewGUCNestLevel();
	SetUserIdAndSecContext(role, before->context | flags);
	(void) set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
act_as_extension(Identity *before)
{
	act_as(ring_tables_owner(), SECURITY_LOCAL_USERID_CHANGE, "pg_catalog, pg_temp", before);
}

void
act_back(const Identity *before)
{
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->user, before->context);
}
