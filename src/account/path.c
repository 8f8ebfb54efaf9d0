/*
 * path.c
 *		Paths of HubSpot's API by version: one table, nothing else.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "account/path.h"

/* A path is the base of the version, the plural of the object where it names one, and the tail. */
typedef struct Path
{
	const char *base[API_V3 + 1];
	const char *tail;
	bool		names_type;
	bool		is_of_events;	/* the option events_path takes the place of the base */
} Path;

/* The dated versions differ in the date alone. */
#define BASE(before, after, v3) \
	{[API_2026_09] = before "2026-09" after, [API_2026_03] = before "2026-03" after, [API_V3] = v3}

#define ACCOUNT_INFO	BASE("/account-info/", "", "/account-info/v3")
#define OBJECTS			BASE("/crm/objects/", "/", "/crm/v3/objects/")
#define PROPERTIES		BASE("/crm/properties/", "/", "/crm/v3/properties/")
#define ASSOCIATIONS	BASE("/crm/associations/", "/", "/crm/v4/associations/")
#define EVENTS			BASE("/events/", "/", "/events/v3/")
#define LISTS			BASE("/crm/lists/", "", "/crm/v3/lists")

static const Path paths[PATH_COUNT] =
{
	[PATH_ACCOUNT_INFO] = {ACCOUNT_INFO, "/details"},
	[PATH_ACCOUNT_USAGE] = {ACCOUNT_INFO, "/api-usage/daily/private-apps"},
	[PATH_UPSERT] = {OBJECTS, "/batch/upsert", true},
	[PATH_UPDATE] = {OBJECTS, "/batch/update", true},
	[PATH_CREATE] = {OBJECTS, "/batch/create", true},
	[PATH_READ] = {OBJECTS, "/batch/read", true},
	[PATH_SEARCH] = {OBJECTS, "/search", true},
	[PATH_ARCHIVE] = {OBJECTS, "/batch/archive", true},
	[PATH_ERASE] = {OBJECTS, "/gdpr-delete", true},
	[PATH_PROPERTIES] = {PROPERTIES, "", true},
	[PATH_PROPERTIES_CREATE] = {PROPERTIES, "/batch/create", true},
	[PATH_ASSOCIATE_DEFAULT] = {ASSOCIATIONS, "contact/company/batch/associate/default"},
	[PATH_ASSOCIATE_TYPED] = {ASSOCIATIONS, "contact/company/batch/create"},
	[PATH_EVENT_DEFINITIONS] = {EVENTS, "event-definitions", .is_of_events = true},
	[PATH_EVENTS_SEND] = {EVENTS, "send/batch", .is_of_events = true},
	[PATH_LISTS] = {LISTS, ""},
};

const char *
path_of(PathName name, const CrmType *type, const AccountOptions *options)
{
	static char text[PATH_BYTES];
	const Path *path = &paths[name];
	const char *events_path = path->is_of_events ? options->events_path : NULL;

	Assert(!path->names_type || (type != NULL && type->is_record));
	if (events_path != NULL)
		snprintf(text, sizeof(text), "%s%s%s", events_path,
				 events_path[strlen(events_path) - 1] == '/' ? "" : "/",
				 path->tail);
	else
		snprintf(text, sizeof(text), "%s%s%s", path->base[options->api_version], path->names_type
				 ? type->plural : "",
				 path->tail);
	return text;
}
