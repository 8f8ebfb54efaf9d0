/*
 * path.c
 *		Paths of HubSpot's API by version: one table, nothing else.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "account/path.h"

/* The dated versions differ in the date alone. */
#define DATED(before, after) \
	[API_2026_09] = before "2026-09" after, [API_2026_03] = before "2026-03" after

static const char *const paths[PATH_COUNT][API_V3 + 1] =
{
	[PATH_ACCOUNT_INFO] = {
		DATED("/account-info/", "/details"),
		[API_V3] = "/account-info/v3/details",
	},
	[PATH_ACCOUNT_USAGE] = {
		DATED("/account-info/", "/api-usage/daily/private-apps"),
		[API_V3] = "/account-info/v3/api-usage/daily/private-apps",
	},
	[PATH_CONTACTS_UPSERT] = {
		DATED("/crm/objects/", "/contacts/batch/upsert"),
		[API_V3] = "/crm/v3/objects/contacts/batch/upsert",
	},
	[PATH_CONTACTS_UPDATE] = {
		DATED("/crm/objects/", "/contacts/batch/update"),
		[API_V3] = "/crm/v3/objects/contacts/batch/update",
	},
	[PATH_CONTACTS_READ] = {
		DATED("/crm/objects/", "/contacts/batch/read"),
		[API_V3] = "/crm/v3/objects/contacts/batch/read",
	},
	[PATH_CONTACTS_ARCHIVE] = {
		DATED("/crm/objects/", "/contacts/batch/archive"),
		[API_V3] = "/crm/v3/objects/contacts/batch/archive",
	},
	[PATH_CONTACTS_ERASE] = {
		DATED("/crm/objects/", "/contacts/gdpr-delete"),
		[API_V3] = "/crm/v3/objects/contacts/gdpr-delete",
	},
	[PATH_COMPANIES_UPSERT] = {
		DATED("/crm/objects/", "/companies/batch/upsert"),
		[API_V3] = "/crm/v3/objects/companies/batch/upsert",
	},
	[PATH_COMPANIES_UPDATE] = {
		DATED("/crm/objects/", "/companies/batch/update"),
		[API_V3] = "/crm/v3/objects/companies/batch/update",
	},
	[PATH_COMPANIES_CREATE] = {
		DATED("/crm/objects/", "/companies/batch/create"),
		[API_V3] = "/crm/v3/objects/companies/batch/create",
	},
	[PATH_COMPANIES_READ] = {
		DATED("/crm/objects/", "/companies/batch/read"),
		[API_V3] = "/crm/v3/objects/companies/batch/read",
	},
	[PATH_COMPANIES_SEARCH] = {
		DATED("/crm/objects/", "/companies/search"),
		[API_V3] = "/crm/v3/objects/companies/search",
	},
	[PATH_COMPANIES_ARCHIVE] = {
		DATED("/crm/objects/", "/companies/batch/archive"),
		[API_V3] = "/crm/v3/objects/companies/batch/archive",
	},
	[PATH_ASSOCIATE_DEFAULT] = {
		DATED("/crm/associations/", "/contact/company/batch/associate/default"),
		[API_V3] = "/crm/v4/associations/contact/company/batch/associate/default",
	},
	[PATH_ASSOCIATE_TYPED] = {
		DATED("/crm/associations/", "/contact/company/batch/create"),
		[API_V3] = "/crm/v4/associations/contact/company/batch/create",
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
	[PATH_EVENTS_SEND] = {
		DATED("/events/", "/send/batch"),
		[API_V3] = "/events/v3/send/batch",
	},
	[PATH_LISTS] = {
		DATED("/crm/lists/", ""),
		[API_V3] = "/crm/v3/lists",
	},
};

/* What stands behind the option events_path. */
static const char *const event_paths[PATH_COUNT] = {
	[PATH_EVENT_DEFINITIONS] = "event-definitions",
	[PATH_EVENTS_SEND] = "send/batch",
};

const char *
path_of(PathName name, const AccountOptions *options)
{
	static char path[PATH_BYTES];

	if (event_paths[name] == NULL || options->events_path == NULL)
		return paths[name][options->api_version];
	snprintf(path, sizeof(path), "%s%s%s", options->events_path,
			 options->events_path[strlen(options->events_path) - 1] == '/' ? "" : "/",
			 event_paths[name]);
	return path;
}
