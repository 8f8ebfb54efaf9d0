/*
 * subscription_type.c
 *		Types of subscriptions by name and id: hubspot.subscription_type.
 *
 * Locks: ACCESS SHARE on the table.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "consent/subscription_type.h"
#include "ring/ring.h"

#define LIST_MAX	20			/* named to people */

/* Columns of hubspot.subscription_type, in the order of the script. */
enum TypeColumn
{
	TYPE_SERVER = 1, TYPE_SUBSCRIPTION_ID, TYPE_NAME, TYPE_PURPOSE, TYPE_CHANNEL, TYPE_IS_ACTIVE
};

typedef struct TypeScan
{
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	Oid			server;
} TypeScan;

/* What the row at hand says. */
typedef struct Type
{
	char	   *id;
	char	   *name;
	bool		is_active;
} Type;

static void
begin(TypeScan *scan, Oid server)
{
	scan->rel = table_open(ring_catalog(false)->subscription_type, AccessShareLock);
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->scan = table_beginscan(scan->rel, GetActiveSnapshot(), 0, NULL, SO_NONE);
	scan->server = server;
}

/* The next type of the account. */
static bool
next(TypeScan *scan, Type *type)
{
	bool		isnull;

	while (table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
	{
		if (DatumGetObjectId(slot_getattr(scan->slot, TYPE_SERVER, &isnull)) != scan->server)
			continue;
		type->id = TextDatumGetCString(slot_getattr(scan->slot, TYPE_SUBSCRIPTION_ID, &isnull));
		type->name = TextDatumGetCString(slot_getattr(scan->slot, TYPE_NAME, &isnull));
		type->is_active = DatumGetBool(slot_getattr(scan->slot, TYPE_IS_ACTIVE, &isnull));
		return true;
	}
	return false;
}

static void
end(TypeScan *scan)
{
	table_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	table_close(scan->rel, AccessShareLock);
}

char *
subscription_type_find(Oid server, const char *name)
{
	TypeScan	scan;
	Type		type;
	Type		best = {NULL};

	begin(&scan, server);
	while (next(&scan, &type))
		if (pg_strcasecmp(type.name, name) == 0 &&
			(best.id == NULL || (type.is_active && !best.is_active)))
			best = type;
	end(&scan);
	return best.id;
}

bool
subscription_type_is(Oid server, const char *id, const char *name)
{
	TypeScan	scan;
	Type		type;
	bool		result = false;

	begin(&scan, server);
	while (!result && next(&scan, &type))
		result = strcmp(type.id, id) == 0 && pg_strcasecmp(type.name, name) == 0;
	end(&scan);
	return result;
}

char *
subscription_type_list(Oid server)
{
	TypeScan	scan;
	Type		type;
	StringInfoData list;
	int			count = 0;

	initStringInfo(&list);
	begin(&scan, server);
	while (next(&scan, &type))
		if (type.is_active && ++count <= LIST_MAX)
			appendStringInfo(&list, "%s%s (%s)", count > 1 ? ", " : "", type.name, type.id);
	end(&scan);
	if (count > LIST_MAX)
		appendStringInfo(&list, " and %d more", count - LIST_MAX);
	return list.data;
}
