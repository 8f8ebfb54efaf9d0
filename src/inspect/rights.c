/*
 * rights.c
 *		Who sees texts that may quote customers' data.
 *
 * HubSpot's messages quote addresses, and the error of a query quotes the value that it
 * met.  One right decides about all such texts, wherever they are shown: SELECT on the
 * column "message" of hubspot.failures.  Other roles see our own words and a category.
 * Another right decides whether waits_for names the keys of other rows: SELECT on the
 * column "key" of hubspot.outbox_status.  docs/security.md has the table.
 *
 * Inside a transaction; look-ups in the catalogs.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "inspect/rights.h"

PG_FUNCTION_INFO_V1(hubspot_may_read_texts);

static bool
may_read(Oid role, const char *name, const char *column)
{
	Oid			view = get_relname_relid(name, get_namespace_oid("hubspot", false));

	return OidIsValid(view) &&
		(pg_class_aclcheck(view, role, ACL_SELECT) == ACLCHECK_OK ||
		 pg_attribute_aclcheck(view, get_attnum(view, column), role, ACL_SELECT) == ACLCHECK_OK);
}

bool
rights_may_read_texts(Oid role)
{
	return may_read(role, "failures", "message");
}

bool
rights_may_read_keys(Oid role)
{
	return may_read(role, "outbox_status", "key");
}

Datum
hubspot_may_read_texts(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(rights_may_read_texts(GetUserId()));
}
