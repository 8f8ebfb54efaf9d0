/*
 * path.h
 *		Paths of HubSpot's API: what is done, to which object, by version.
 *
 * Where HubSpot's own sources name two forms of a path, the second is tried when the first
 * does not exist, and kept when it does.
 */
#ifndef HUBSPOT_PATH_H
#define HUBSPOT_PATH_H

#include "account/account.h"
#include "message/object_type.h"

typedef enum PathName
{
	PATH_ACCOUNT_INFO,
	PATH_ACCOUNT_USAGE,

	/* of the records of a type */
	PATH_UPSERT,
	PATH_UPDATE,
	PATH_CREATE,
	PATH_READ,
	PATH_SEARCH,
	PATH_ARCHIVE,
	PATH_ERASE,
	PATH_PROPERTIES,
	PATH_PROPERTIES_CREATE,		/* several at once */

	PATH_ASSOCIATE_DEFAULT,
	PATH_ASSOCIATE_TYPED,
	PATH_DISSOCIATE,
	PATH_ASSOCIATIONS_READ,
	PATH_PAIRS,					/* of two types, which follow */
	PATH_EVENT_DEFINITIONS,
	PATH_EVENTS_SEND,
	PATH_LISTS,					/* creates a list; other paths are below it */
	PATH_CONSENT,				/* all of its paths are below it */

	/* what is read and kept in tables, see facts/readings.h */
	PATH_OBJECT_SCHEMAS,
	PATH_OWNERS,
	PATH_PIPELINES,
	PATH_SUBSCRIPTION_TYPES
#define PATH_COUNT (PATH_SUBSCRIPTION_TYPES + 1)
} PathName;

#define PATH_BYTES	320

/*
 * Which form of a path an account is asked by, where there are two.  Bits by PathName; all zero at
 * the start of a worker: that costs at most one request for each path.
 */
typedef struct PathForms
{
	uint32		other;			/* the second form is used */
	uint32		tried;			/* because the first has met a 404, and nothing has worked since */
} PathForms;

/*
 * The path for an account by its api_version; event paths are below its events_path if
 * that is set.  type: whose records it is about, NULL if the name is not of a type.
 * forms: NULL where no worker has asked yet.  Valid until the next call.
 */
extern const char *path_of(PathName name, const CrmType *type, const AccountOptions *options,
						   const PathForms *forms);

/*
 * A request has met a 404 of its whole path.  True if it is worth another try by the form that is
 * used now; false if there is one form only, or both were tried: the next request begins with the
 * first one again.  used: the path of the request.
 */
extern bool path_try_other(PathForms *forms, PathName name, const AccountOptions *options,
						   const char *used);

/* HubSpot has answered under the form that is used. */
extern void path_is_right(PathForms *forms, PathName name);

#endif							/* HUBSPOT_PATH_H */
