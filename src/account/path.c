/*
 * path.c
 *		Paths of HubSpot's API by version: one table, and which of two forms is used.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "account/path.h"

/*
 * A path is the base of its family in the version that is spoken, the object where it names one,
 * and the tail.
 */
typedef struct PathBase
{
	const char *of_version[API_V3 + 1];
	ApiFamily	family;
} PathBase;

typedef struct Path
{
	const PathBase *base;
	const char *tail;
	bool		names_type;
} Path;

/* The dated versions differ in the date alone. */
#define DATED(before, after, v3) \
	{[API_2026_09] = before "2026-09" after, [API_2026_03] = before "2026-03" after, [API_V3] = v3}

static const PathBase account_info =
{DATED("/account-info/", "", "/account-info/v3"), API_FAMILY_OTHER};
static const PathBase objects =
{DATED("/crm/objects/", "/", "/crm/v3/objects/"), API_FAMILY_OBJECTS};
static const PathBase properties =
{DATED("/crm/properties/", "/", "/crm/v3/properties/"), API_FAMILY_OBJECTS};
static const PathBase object_schemas =
{DATED("/crm-object-schemas/", "/schemas", "/crm-object-schemas/v3/schemas"), API_FAMILY_OBJECTS};
static const PathBase owners = {DATED("/crm/owners/", "", "/crm/v3/owners"), API_FAMILY_OBJECTS};
static const PathBase pipelines =
{DATED("/crm/pipelines/", "/", "/crm/v3/pipelines/"), API_FAMILY_OBJECTS};
static const PathBase associations =
{DATED("/crm/associations/", "/", "/crm/v4/associations/"), API_FAMILY_ASSOCIATIONS};
static const PathBase lists =
{DATED("/crm/lists/", "", "/crm/v3/lists"), API_FAMILY_LISTS};
static const PathBase consent =
{DATED("/communication-preferences/", "", "/communication-preferences/v3"), API_FAMILY_CONSENT};

/* Read in the later form, whatever is written: v3 has another. */
static const PathBase subscription_types =
{DATED("/communication-preferences/", "/definitions", "/communication-preferences/v4/definitions"),
API_FAMILY_CONSENT};
static const PathBase events =
{DATED("/events/", "/", "/events/v3/"), API_FAMILY_EVENTS};

/* The second form of the paths of events: HubSpot's sources name either. */
static const PathBase other_events =
{DATED("/events/custom/", "/", NULL), API_FAMILY_EVENTS};

static const Path paths[PATH_COUNT] =
{
	[PATH_ACCOUNT_INFO] = {&account_info, "/details"},
	[PATH_ACCOUNT_USAGE] = {&account_info, "/api-usage/daily/private-apps"},
	[PATH_UPSERT] = {&objects, "/batch/upsert", true},
	[PATH_UPDATE] = {&objects, "/batch/update", true},
	[PATH_CREATE] = {&objects, "/batch/create", true},
	[PATH_READ] = {&objects, "/batch/read", true},
	[PATH_SEARCH] = {&objects, "/search", true},
	[PATH_ARCHIVE] = {&objects, "/batch/archive", true},
	[PATH_ERASE] = {&objects, "/gdpr-delete", true},
	[PATH_PROPERTIES] = {&properties, "", true},
	[PATH_PROPERTIES_CREATE] = {&properties, "/batch/create", true},
	[PATH_ASSOCIATE_DEFAULT] = {&associations, "contact/company/batch/associate/default"},
	[PATH_ASSOCIATE_TYPED] = {&associations, "contact/company/batch/create"},
	[PATH_DISSOCIATE] = {&associations, "contact/company/batch/archive"},
	[PATH_ASSOCIATIONS_READ] = {&associations, "contact/company/batch/read"},
	[PATH_PAIRS] = {&associations, ""},
	[PATH_EVENT_DEFINITIONS] = {&events, "event-definitions"},
	[PATH_EVENTS_SEND] = {&events, "send/batch"},
	[PATH_LISTS] = {&lists, ""},
	[PATH_CONSENT] = {&consent, ""},
	[PATH_OBJECT_SCHEMAS] = {&object_schemas, ""},
	[PATH_OWNERS] = {&owners, ""},
	[PATH_PIPELINES] = {&pipelines, ""},
	[PATH_SUBSCRIPTION_TYPES] = {&subscription_types, ""},
};

#define FORM_BIT(name)	((uint32) 1 << (name))
StaticAssertDecl(PATH_COUNT <= 32, "an account has a bit for each path");

/* Whether HubSpot may know a path under either of two forms. */
static bool
has_two_forms(PathName name, const AccountOptions *options)
{
	return paths[name].base == &events && options->events_path == NULL &&
		other_events.of_version[options->api_version[API_FAMILY_EVENTS]] != NULL;
}

const char *
path_of(PathName name, const CrmType *type, const AccountOptions *options, const PathForms *forms)
{
	static char text[PATH_BYTES];
	const Path *path = &paths[name];
	const char *events_path = path->base == &events ? options->events_path : NULL;
	const PathBase *base = path->base;

	Assert(!path->names_type || (type != NULL && type->is_record));
	if (forms != NULL && (forms->other & FORM_BIT(name)) != 0 && has_two_forms(name, options))
		base = &other_events;
	if (events_path != NULL)
		snprintf(text, sizeof(text), "%s%s%s", events_path,
				 events_path[strlen(events_path) - 1] == '/' ? "" : "/",
				 path->tail);
	else
		snprintf(text, sizeof(text), "%s%s%s",
				 base->of_version[options->api_version[base->family]],
				 path->names_type ? type->path : "",
				 path->tail);
	return text;
}

bool
path_try_other(PathForms *forms, PathName name, const AccountOptions *options, const char *used)
{
	uint32		bit = FORM_BIT(name);
	const char *current;

	if (!has_two_forms(name, options))
		return false;
	/* only now: other paths name a type, which is not given here */
	current = path_of(name, NULL, options, forms);
	/* a request that went before the last change tells nothing of the form that is used */
	if (strncmp(used, current, strlen(current)) != 0)
		return true;
	forms->other ^= bit;
	forms->tried ^= bit;
	return (forms->tried & bit) != 0;
}

void
path_is_right(PathForms *forms, PathName name)
{
	forms->tried &= ~FORM_BIT(name);
}
