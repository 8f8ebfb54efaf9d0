/*
 * guard.c
 *		May this very database send?
 *
 * CREATE EXTENSION leaves a mark: the cluster's system identifier and the
 * database's oid.  A database made from a template, or a dump restored by
 * copying tables, does not match it.  A physical copy has the same system identifier: only
 * its configuration can tell it apart, which is what hubspot.cluster_guard is
 * for: when set, it must equal cluster_name.  Marks and rules: docs/operations.md.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "hubspot.h"
#include "guard.h"

/* Whether a mark in hubspot.installation is of this cluster and database. */
static bool
is_marked(void)
{
	Oid			oid = get_relname_relid("installation", get_namespace_oid(HUBSPOT_SCHEMA, false));
	Relation	rel = table_open(oid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan;
	bool		marked = false;

	PushActiveSnapshot(GetTransactionSnapshot());
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;

		if ((uint64) DatumGetInt64(slot_getattr(slot, 1, &isnull)) == GetSystemIdentifier() &&
			DatumGetObjectId(slot_getattr(slot, 2, &isnull)) == MyDatabaseId)
			marked = true;
	}
	table_endscan(scan);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return marked;
}

char *
guard_problem(void)
{
	const char *cluster = GetConfigOption("cluster_name", true, false);

	if (hubspot_cluster_guard[0] != '\0' && strcmp(hubspot_cluster_guard, cluster ? cluster : "") != 0)
		return psprintf("hubspot.cluster_guard is \"%s\", but cluster_name is \"%s\"",
						hubspot_cluster_guard, cluster ? cluster : "");
	if (!is_marked())
		return pstrdup("this database is a copy of the one that may send: call hubspot_arm() if it is to send from now on");
	return NULL;
}
