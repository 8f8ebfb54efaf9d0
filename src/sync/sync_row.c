/*
 * sync_row.c
 *		What a row of a sync's table becomes: the plan of its message, and what is compared of two
 *		rows.
 *
 * Called by the triggers of a followed table, in the transaction of whoever
 * changed it, by the back-fill, and by who asks what is wrong.  Raises no error.
 *
 * Locks: none but those of catalog look-ups.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "foreign/foreign.h"
#include "nodes/pg_list.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rls.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "mapping/mapping_name.h"
#include "sync/sync_rights.h"
#include "sync/sync_row_plan.h"

/*
 * Properties of a mapping that are no traits: their names at the top of the message.  A record's
 * id_member is another.
 */
static const struct
{
	Object		object;
	const char *property;
	const char *name;
}			top_names[] =
{
	{OBJECT_IS_EVENT, "userId", "userId"},
	{OBJECT_IS_EVENT, "email", "email"},
	{OBJECT_IS_EVENT, "timestamp", "timestamp"},
	{OBJECT_IS_ASSOCIATION, "contact", "userId"},
};

/* ---- the plan ---------------------------------------------------------------------- */

/* The present attribute of a declared column; NULL if the column was dropped. */
static Form_pg_attribute
present_attribute(TupleDesc desc, const char *name, AttrNumber attnum)
{
	Form_pg_attribute attribute;

	if (attnum == InvalidAttrNumber)
		return row_find_attribute(desc, name);
	if (attnum < 1 || attnum > desc->natts)
		return NULL;
	attribute = TupleDescAttr(desc, attnum - 1);
	return attribute->attisdropped ? NULL : attribute;
}

static void
add_member(SyncRowPlan *plan, Place place, const char *name, Form_pg_attribute attribute,
		   bool is_key)
{
	Member	   *member = &plan->members[plan->nmembers++];

	member->place = place;
	member->is_key = is_key;
	member->compared = -1;
	row_column_init(&member->column, name, attribute);
	if (place == PLACE_TOP || place == PLACE_ASSOCIATIONS)
		row_column_init(&member->end, place == PLACE_TOP ? "from_id" : "to_id", attribute);
}

/* Returns its number among those that are compared. */
static int
add_compared(SyncRowPlan *plan, Form_pg_attribute attribute)
{
	Compared   *compared = &plan->compared[plan->ncompared];

	for (int i = 0; i < plan->ncompared; i++)
		if (plan->compared[i].attno == attribute->attnum)
			return i;
	compared->attno = attribute->attnum;
	compared->by_value = attribute->attbyval;
	compared->len = attribute->attlen;
	return plan->ncompared++;
}

static bool
is_name(const char *property, const char *name)
{
	return same_folded_name(property, strlen(property), name, strlen(name));
}

/* The member at the top of the message that a property becomes; NULL if it is a trait. */
static const char *
top_name(const Sync *sync, const CallOptions *options, const char *property)
{
	const CrmType *type = &object_types[sync->object];
	const char *id_property = object_id_property(options->id_property, sync->object);

	if ((id_property != NULL && strcmp(property, id_property) == 0) ||
		(type->is_record && is_name(property, type->id_member)))
		return type->id_member;
	if (sync->object == OBJECT_IS_ASSOCIATION && is_name(property, "company"))
		return options->id_property[OBJECT_IS_COMPANY] != NULL ? "groupId" : NULL;
	for (int i = 0; i < lengthof(top_names); i++)
		if (top_names[i].object == sync->object && is_name(property, top_names[i].property))
			return top_names[i].name;
	return NULL;
}

bool
sync_row_is_time(const Member *member)
{
	return member->place == PLACE_TOP && strcmp(member->column.name, "timestamp") == 0;
}

static bool
has_top(const SyncRowPlan *plan, const char *name)
{
	for (int i = 0; i < plan->nmembers; i++)
		if (plan->members[i].place == PLACE_TOP && strcmp(plan->members[i].column.name, name) == 0)
			return true;
	return false;
}

/* Add the mapped columns to the plan; returns whether one of them identifies the record. */
static bool
add_mapped(SyncRowPlan *plan, const CallOptions *options, TupleDesc desc, Form_pg_attribute key,
		   StringInfo gone)
{
	bool		names_key = false;
	ListCell   *cell;

	foreach(cell, plan->sync->columns)
	{
		const SyncColumn *column = lfirst(cell);
		Form_pg_attribute attribute = present_attribute(desc, column->column, column->attnum);
		const char *top = top_name(plan->sync, options, column->property);
		bool		is_key = attribute == key;

		/* A dropped column is reported and left out: the others still arrive. */
		if (attribute == NULL)
		{
			appendStringInfo(gone, "%s\"%s\"", gone->len > 0 ? ", " : "", column->column);
			continue;
		}

		if (column->association != NULL)
		{
			add_member(plan, PLACE_ASSOCIATIONS, "id", attribute, false);
			plan->members[plan->nmembers - 1].object = column->association;
			plan->members[plan->nmembers - 1].compared = add_compared(plan, attribute);
			continue;
		}

		/* An association's message names its company by the trait website. */
		if (top == NULL)
			add_member(plan, PLACE_TRAITS,
					   plan->sync->object == OBJECT_IS_ASSOCIATION ? "website" : column->property,
					   attribute, is_key);
		else if (!has_top(plan, top))
			add_member(plan, PLACE_TOP, top, attribute, is_key);
		if (plan->sync->object != OBJECT_IS_EVENT ||
			(top != NULL && strcmp(top, "timestamp") == 0))
			(void) add_compared(plan, attribute);
		names_key |= is_key && (top != NULL || is_key_trait(plan->sync->object, column->property));
	}
	return names_key;
}

/*
 * Add the key's column, which need not be mapped, or may be mapped to a property that is
 * no key in HubSpot.
 */
static void
add_key(SyncRowPlan *plan, const CallOptions *options, Form_pg_attribute key)
{
	Object		object = plan->sync->object;
	const CrmType *type = &object_types[object];

	if (object == OBJECT_IS_EVENT)
		add_member(plan, PLACE_MESSAGE_ID, "messageId", key, true);
	else if (account_goes_by_natural_key(options, object))
		add_member(plan, PLACE_TRAITS, type->natural_key, key, true);
	else if (type->is_record && !has_top(plan, type->id_member))
		add_member(plan, PLACE_TOP, type->id_member, key, true);
}

SyncRowPlan *
sync_row_plan(const Sync *sync, TupleDesc desc, const char **problem)
{
	SyncRowPlan *plan = palloc0(sizeof(SyncRowPlan));
	Form_pg_attribute key = present_attribute(desc, sync->key_column, sync->key_attnum);
	int			room = list_length(sync->columns) + 1;
	ForeignServer *server = GetForeignServerByName(sync->server, true);
	const CallOptions *options;
	StringInfoData gone;

	*problem = NULL;
	if (server == NULL)
		*problem = psprintf("the server \"%s\" does not exist any more", sync->server);
	else if (key == NULL)
		*problem = psprintf("the key's column \"%s\" does not exist any more", sync->key_column);
	if (server == NULL || key == NULL)
		return NULL;

	initStringInfo(&gone);
	options = account_call_options(server->serverid);
	plan->sync = sync;
	plan->call = object_types[sync->object].call;
	plan->container = sync->object == OBJECT_IS_EVENT || plan->call == CALL_RECORD
		? "properties" : "traits";
	plan->members = palloc0(sizeof(Member) * room);
	plan->compared = palloc0(sizeof(Compared) * room);
	/* First, so that sync_row_key_differs() finds the key at a fixed place. */
	(void) add_compared(plan, key);

	/*
	 * An event needs the key in any case: its messageId is made from the key, so that a row that
	 * is queued twice counts once.
	 */
	if (!add_mapped(plan, options, desc, key, &gone) || sync->object == OBJECT_IS_EVENT)
		add_key(plan, options, key);
	if (gone.len > 0)
		*problem = psprintf("mapped columns do not exist any more: %s", gone.data);
	return plan;
}

const char *
sync_row_refusal(const Sync *sync)
{
	ForeignServer *server = GetForeignServerByName(sync->server, true);
	Oid			owner = sync_owner_role(sync);
	SyncDenial	denial;

	/*
	 * In the order in which an owner can mend it: without account and owner the rights mean
	 * nothing.
	 */
	if (server == NULL)
		return psprintf("the server \"%s\" does not exist any more", sync->server);
	if (!OidIsValid(owner))
		return psprintf("its owner, the role \"%s\", does not exist any more: "
						"hubspot_alter_owner() gives it to another", sync->owner);
	if (object_aclcheck(ForeignServerRelationId, server->serverid, owner, ACL_USAGE) != ACLCHECK_OK)
		return psprintf("its owner, the role \"%s\", has no USAGE on the server \"%s\" any more",
						sync->owner, sync->server);
	if (sync->follows && sync_rights_deny(sync, owner, &denial))
		return psprintf("its owner, the role \"%s\", has no %s on the %s \"%s\" any more",
						sync->owner,
						denial.kind == OBJECT_SCHEMA ? "USAGE" : "SELECT",
						denial.kind == OBJECT_SCHEMA ? "schema" : "table", denial.name);

	/*
	 * Only followed tables: a query runs as its owner and reads no row that policies hide, but
	 * triggers see all rows.
	 */
	if (sync->follows && !superuser_arg(owner) &&
		check_enable_rls(sync->relation, owner, true) == RLS_ENABLED)
		return psprintf("row security of its table hides rows from its owner, the role \"%s\"",
						sync->owner);
	return NULL;
}

/* ---- comparing --------------------------------------------------------------------- */

/*
 * Compare without detoasting if the stored bytes are equal, as they mostly are if a value
 * did not change.
 */
static bool
same_value(const Compared *compared, Datum a, Datum b)
{
	if (compared->by_value)
		return a == b;
	if (compared->len == -1 && VARSIZE_ANY(DatumGetPointer(a)) == VARSIZE_ANY(DatumGetPointer(b)) &&
		memcmp(DatumGetPointer(a), DatumGetPointer(b), VARSIZE_ANY(DatumGetPointer(a))) == 0)
		return true;
	return datum_image_eq(a, b, false, compared->len);
}

static bool
differs_in(const Compared *compared, TupleTableSlot *before, TupleTableSlot *now)
{
	bool		was_null;
	bool		is_null;
	Datum		a = slot_getattr(before, compared->attno, &was_null);
	Datum		b = slot_getattr(now, compared->attno, &is_null);

	return was_null != is_null || (!is_null && !same_value(compared, a, b));
}

/* Whether an event's row is another occurrence: it has another time, and has one. */
static bool
happens_again(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now)
{
	bool		isnull = true;

	for (int i = 0; i < plan->nmembers; i++)
		if (sync_row_is_time(&plan->members[i]))
			(void) slot_getattr(now, plan->members[i].column.attno, &isnull);
	return !isnull && differs_in(&plan->compared[plan->ncompared - 1], before, now);
}

bool
sync_row_differs(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now)
{
	if (plan->sync->object == OBJECT_IS_EVENT)
		return happens_again(plan, before, now);
	for (int i = 0; i < plan->ncompared; i++)
		if (differs_in(&plan->compared[i], before, now))
			return true;
	return false;
}

bool
sync_row_association_differs(const SyncRowPlan *plan, const Member *member, TupleTableSlot *before,
							 TupleTableSlot *now)
{
	return differs_in(&plan->compared[member->compared], before, now);
}

bool
sync_row_key_differs(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now)
{
	return differs_in(&plan->compared[0], before, now);
}

bool
sync_row_is_other(const SyncRowPlan *plan, TupleTableSlot *before, TupleTableSlot *now)
{
	return plan->sync->object == OBJECT_IS_ASSOCIATION
		? sync_row_differs(plan, before, now) : sync_row_key_differs(plan, before, now);
}
