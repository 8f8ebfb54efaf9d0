/*
 * sync_owner.c
 *		Who owns a definition, and what becomes of it when roles go.
 *
 * A definition belongs to a role by oid, like a table.  PostgreSQL does not know this
 * dependency, because a definition is no catalog object.  So the hook of ddl.c refuses
 * DROP ROLE and follows REASSIGN OWNED and DROP OWNED, for the definitions of the
 * database where the statement runs.  Definitions in other databases lose their owner and
 * do nothing until hubspot_alter_owner(): a later role of the same name has another oid.
 *
 * A superuser's definition reads as pg_read_all_data, and so do the functions in the
 * views that it reads.  Therefore a definition that passes from another role to a
 * superuser is held until the superuser confirms it with hubspot_resync().
 *
 * In the user's transaction.  Locks: those of sync_replaced(); ROW EXCLUSIVE on
 * hubspot.sync, and those of sync_drop().  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "cluster/shared.h"
#include "refresh/refresh_source.h"
#include "declare/sync_owner.h"
#include "sync/sync_source.h"

PG_FUNCTION_INFO_V1(hubspot_alter_owner);

/* ---- hubspot_alter_owner() ------------------------------------------------------------ */

static void
set_owner(Sync *sync, Oid role)
{
	bool		gains_rights = superuser_arg(role) && !superuser_arg(sync->role);

	sync->role = role;
	sync->owner = GetUserNameFromId(role, false);
	if (!gains_rights || sync->held != NULL)
		return;
	sync->row_security = false; /* the new reader's policies may differ from those at the
								 * declaration */
	sync->held = "it was given to a superuser, with whose right to read all tables it would run: "
		"look at what it reads, and at the functions of views and tables there";
	ereport(NOTICE,
			(errmsg("%s \"%s\" is held, since its new owner \"%s\" is a superuser",
					sync_kind_names[sync->kind], sync->name, sync->owner),
			 errdetail("It would read as \"pg_read_all_data\", and so would the functions of the "
					   "views and tables that it reads."),
			 errhint("Look at them; then hubspot_resync(%s) lets it go on.",
					 quote_literal_cstr(sync->name))));
}

static void
write_owner(const Sync *sync)
{
	Oid			types[] = {INT4OID, TEXTOID, OIDOID, BOOLOID, TEXTOID};
	Datum		values[] = {
		Int32GetDatum(sync->id), CStringGetTextDatum(sync->owner), ObjectIdGetDatum(sync->role),
		BoolGetDatum(sync->row_security),
		sync->held != NULL ? CStringGetTextDatum(sync->held) : (Datum) 0
	};
	char		nulls[] = {' ', ' ', ' ', ' ', sync->held != NULL ? ' ' : 'n'};

	(void) sync_execute("UPDATE hubspot.sync SET owner = $2::name, owner_oid = $3, "
						"row_security = $4, held = COALESCE(held, $5) WHERE id = $1",
						lengthof(types), types, values, nulls, NULL, NULL);
	shared_look_at_syncs_at_commit();
}

/*
 * Check that the new owner could have declared it.  For a definition that is held the
 * source is not checked: it may not exist.
 */
static void
check_new_owner(Sync *sync)
{
	account_check_usage(account_resolve(sync->server), sync->role);
	if (sync->held != NULL)
		return;
	if (!sync->follows)
		(void) refresh_describe(sync);
	else
	{
		sync_source_check_rights(sync, sync->role);
		sync_source_check_row_security(sync);
	}
}

/*
 * The rules of ALTER ...  OWNER TO: the owner may give it to a role that he can SET ROLE
 * to, a superuser to any role; the new owner must be able to declare it.
 */
Datum
hubspot_alter_owner(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			role = get_role_oid(NameStr(*PG_GETARG_NAME(1)), false);
	Sync	   *sync = sync_replaced(name, sync_load(name, false)->kind);

	if (sync == NULL)
		sync = sync_load(name, false);	/* the definition was dropped while we waited for its lock:
										 * raises the error */
	check_can_set_role(GetUserId(), role);
	set_owner(sync, role);
	check_new_owner(sync);
	write_owner(sync);
	PG_RETURN_VOID();
}

/* ---- statements about roles ------------------------------------------------------------ */

bool
sync_owner_concerns(Node *statement, RoleStatement *about)
{
	ListCell   *cell;
	List	   *specs;

	about->kind = nodeTag(statement);
	about->roles = NIL;
	about->heir = InvalidOid;
	switch (about->kind)
	{
		case T_DropRoleStmt:
			specs = ((DropRoleStmt *) statement)->roles;
			break;
		case T_DropOwnedStmt:
			specs = ((DropOwnedStmt *) statement)->roles;
			break;
		case T_ReassignOwnedStmt:
			specs = ((ReassignOwnedStmt *) statement)->roles;

			/* missing_ok: PostgreSQL itself reports a role that does not exist. */
			about->heir = get_rolespec_oid(((ReassignOwnedStmt *) statement)->newrole, true);
			break;
		default:
			return false;
	}
	if (!OidIsValid(get_extension_oid(HUBSPOT_EXTENSION, true)))
		return false;
	foreach(cell, specs)
	{
		RoleSpec   *spec = lfirst(cell);
		Oid			role =
		(spec->roletype == ROLESPEC_PUBLIC ? InvalidOid : get_rolespec_oid(spec, true));

		if (OidIsValid(role))
			about->roles = lappend_oid(about->roles, role);
	}
	return about->roles != NIL;
}

static Datum
roles_array(const List *roles)
{
	Datum	   *oids = palloc(sizeof(Datum) * list_length(roles));

	for (int i = 0; i < list_length(roles); i++)
		oids[i] = ObjectIdGetDatum(list_nth_oid(roles, i));
	return PointerGetDatum(construct_array(oids, list_length(roles), OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

typedef struct Ids
{
	List	   *list;
	MemoryContext context;
} Ids;

static void
take_ids(void *arg)
{
	Ids		   *ids = arg;
	MemoryContext old = MemoryContextSwitchTo(ids->context);
	bool		isnull;

	for (uint64 i = 0; i < SPI_processed; i++)
		ids->list =
			lappend_int(ids->list,
						DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1,
													&isnull)));
	MemoryContextSwitchTo(old);
}

/* The ids of the definitions that these roles own. */
static List *
owned_by(const List *roles)
{
	Oid			type = OIDARRAYOID;
	Datum		value = roles_array(roles);
	Ids			ids = {NIL, CurrentMemoryContext};

	(void) sync_execute("SELECT id FROM hubspot.sync WHERE owner_oid = ANY ($1) ORDER BY name", 1,
						&type, &value, NULL,
						take_ids, &ids);
	return ids.list;
}

static void
refuse_drop(const List *owned)
{
	const Sync *sync = sync_load_by_id(linitial_int(owned), false);

	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("role \"%s\" cannot be dropped because some objects depend on it", sync->owner),
			 errdetail_plural("It is the owner of %s \"%s\".",
							  "It is the owner of %s \"%s\" and others.", list_length(owned),
							  sync_kind_names[sync->kind], sync->name),
			 errhint("Use hubspot_alter_owner() or REASSIGN OWNED to give them to another role, "
					 "hubspot_drop_sync() to drop them.")));
}

void
sync_owner_follow(const RoleStatement *about)
{
	List	   *owned;
	ListCell   *cell;

	CommandCounterIncrement();
	/* DROP OWNED may have dropped the extension with all definitions. */
	if (!OidIsValid(get_extension_oid(HUBSPOT_EXTENSION, true)))
		return;
	owned = owned_by(about->roles);

	/* The role is dropped already; the error rolls the statement back. */
	if (owned != NIL && about->kind == T_DropRoleStmt)
		refuse_drop(owned);
	foreach(cell, owned)
	{
		Sync	   *sync = sync_load_by_id(lfirst_int(cell), true);

		if (sync == NULL)
			continue;
		if (about->kind == T_DropOwnedStmt)
			sync_drop(sync);
		else if (OidIsValid(about->heir))
		{
			set_owner(sync, about->heir);
			sync->row_security = false;
			write_owner(sync);
		}
	}
}
