/*
 * path.c
 *		Paths of HubSpot's API by version: one table, nothing else.
 */
#include "postgres.h"

#include "hubspot.h"
#include "path.h"

/* The dated versions differ in the date alone. */
#define DATED(before, after) \
	[API_2026_09] = before "2026-09" after, [API_2026_03] = before "2026-03" after

static const char *const paths[PATH_COUNT][API_V3 + 1] =
{
	[PATH_ACCOUNT_INFO] = {
		DATED("/account-info/", "/details"),
		[API_V3] = "/account-info/v3/details",
	},
	[PATH_CONTACTS_UPSERT] = {
		DATED("/crm/objects/", "/contacts/batch/upsert"),
		[API_V3] = "/crm/v3/objects/contacts/batch/upsert",
	},
	[PATH_CONTACT_PROPERTIES] = {
		DATED("/crm/properties/", "/contacts"),
		[API_V3] = "/crm/v3/properties/contacts",
	},
	[PATH_CONTACT_PROPERTIES_CREATE] = {
		DATED("/crm/properties/", "/contacts/batch/create"),
		[API_V3] = "/crm/v3/properties/contacts/batch/create",
	},
	[PATH_COMPANY_PROPERTIES] = {
		DATED("/crm/properties/", "/companies"),
		[API_V3] = "/crm/v3/properties/companies",
	},
	[PATH_COMPANY_PROPERTIES_CREATE] = {
		DATED("/crm/properties/", "/companies/batch/create"),
		[API_V3] = "/crm/v3/properties/companies/batch/create",
	},
	[PATH_EVENT_DEFINITIONS] = {
		DATED("/events/", "/event-definitions"),
		[API_V3] = "/events/v3/event-definitions",
	},
};

const char *
path_of(PathName name, ApiVersion version)
{
	return paths[name][version];
}
