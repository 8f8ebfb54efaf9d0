/*
 * path.c
 *		Paths of HubSpot's API by version: one table, nothing else.
 */
#include "postgres.h"

#include "hubspot.h"
#include "path.h"

static const char *const paths[][API_V3 + 1] =
{
	[PATH_ACCOUNT_INFO] = {
		[API_2026_09] = "/account-info/2026-09/details",
		[API_2026_03] = "/account-info/2026-03/details",
		[API_V3] = "/account-info/v3/details",
	},
	[PATH_CONTACTS_UPSERT] = {
		[API_2026_09] = "/crm/objects/2026-09/contacts/batch/upsert",
		[API_2026_03] = "/crm/objects/2026-03/contacts/batch/upsert",
		[API_V3] = "/crm/v3/objects/contacts/batch/upsert",
	},
};

const char *
path_of(PathName name, ApiVersion version)
{
	return paths[name][version];
}
