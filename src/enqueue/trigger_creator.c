/*
 * trigger_creator.c
 *		The creator of a trigger that queues calls needs USAGE.
 *
 * hubspot_trigger() queues with the USAGE of the table's owner, so that business users
 * need no grant.  So a role that may only create triggers on a table could use the
 * owner's USAGE.  Therefore this role needs USAGE on the SERVER that the trigger names.
 * A trigger that names none may come to mean any SERVER, by hubspot.server or because it
 * is the only one: to create it takes the rights of the table's owner.
 *
 * Called through object_access_hook, in every session that has loaded the library, for
 * each new trigger and for CREATE OR REPLACE.  Rights and names are checked at this
 * moment; only a superuser may name a SERVER that does not exist yet, as when a dump is
 * restored.
 *
 * Triggers of partitions are copies of a trigger that was checked for its own table's
 * owner.  The partition may have another owner, for example a superuser, whose USAGE must
 * not be used.  So a copy queues only if the owner of the original trigger's table has
 * USAGE, too; hubspot_trigger() finds that table with trigger_creator_table().
 *
 * Locks: ACCESS SHARE on pg_trigger.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "enqueue/trigger_creator.h"

#define TRIGGER_SYMBOL	"hubspot_trigger"

static object_access_hook_type prev_object_access = NULL;

/* Whether the function is the extension's, whatever its name is. */
static bool
is_ours(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Datum		source;
	bool		isnull;
	bool		matches;

	if (!HeapTupleIsValid(tuple))
		return false;
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	matches = !isnull && strcmp(TextDatumGetCString(source), TRIGGER_SYMBOL) == 0;
	ReleaseSysCache(tuple);
	return matches &&
		getExtensionOfObject(ProcedureRelationId, function) ==
		get_extension_oid(HUBSPOT_EXTENSION, true);
}

/*
 * The second argument of the trigger; NULL if it is missing or empty.  Arguments are
 * separated by zero bytes.
 */
static char *
server_argument(Relation triggers, HeapTuple tuple)
{
	Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
	bool		isnull;
	Datum		args =
	heap_getattr(tuple, Anum_pg_trigger_tgargs, RelationGetDescr(triggers), &isnull);
	char	   *first;
	char	   *second;

	if (isnull || trigger->tgnargs < 2)
		return NULL;
	first = VARDATA_ANY(DatumGetByteaPP(args));
	second = pstrdup(first + strlen(first) + 1);
	return second[0] != '\0' ? second : NULL;
}

static void
check_named(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (server != NULL)
		account_check_usage(server->serverid, GetUserId());
	else if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" does not exist", name),
				 errdetail("Whoever creates a trigger with hubspot_trigger() needs USAGE "
						   "on its SERVER.")));
}

Oid
trigger_creator_owner(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			owner =
	(HeapTupleIsValid(tuple) ? ((Form_pg_class) GETSTRUCT(tuple))->relowner : InvalidOid);

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return owner;
}

static void
check_default(Oid relation)
{
	Oid			owner = trigger_creator_owner(relation);

	if (!OidIsValid(owner) || has_privs_of_role(GetUserId(), owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to create a trigger that names no server"),
			 errdetail("It would queue for any account that the owner of table \"%s\" may use.",
					   get_rel_name(relation)),
			 errhint("Name a server that you have USAGE on: hubspot_trigger('identify', 'crm').")));
}

/* Scan pg_trigger for a trigger; snapshot NULL: the catalog snapshot. */
static SysScanDesc
scan_trigger(Relation triggers, Oid trigger, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	return systable_beginscan(triggers, TriggerOidIndexId, true, snapshot, 1, &key);
}

Oid
trigger_creator_table(Oid trigger)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	Oid			relation = InvalidOid;

	while (OidIsValid(trigger))
	{
		SysScanDesc scan = scan_trigger(triggers, trigger, NULL);
		HeapTuple	tuple = systable_getnext(scan);

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "could not find tuple for trigger %u", trigger);
		relation = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
		trigger = ((Form_pg_trigger) GETSTRUCT(tuple))->tgparentid;
		systable_endscan(scan);
	}
	table_close(triggers, AccessShareLock);
	return relation;
}

static void
check_trigger(Oid trigger)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);

	/* SnapshotSelf, because this command has just written the row */
	SysScanDesc scan = scan_trigger(triggers, trigger, SnapshotSelf);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!OidIsValid(form->tgparentid) && is_ours(form->tgfoid))
		{
			char	   *server = server_argument(triggers, tuple);

			if (server != NULL)
				check_named(server);
			else
				check_default(form->tgrelid);
		}
	}
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
}

static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access != NULL)
		prev_object_access(access, class, object, sub, arg);
	if (access == OAT_POST_CREATE && class == TriggerRelationId)
		check_trigger(object);
}

void
trigger_creator_init(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = on_object_access;
}
