/*
 * path.h
 *		Paths of HubSpot's API: what is done, to which object, by version.
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
	PATH_EVENT_DEFINITIONS,
	PATH_EVENTS_SEND,
	PATH_LISTS					/* creates a list; other paths are below it */
#define PATH_COUNT (PATH_LISTS + 1)
} PathName;

#define PATH_BYTES	320

/*
 * The path for an account by its api_version; event paths are below its events_path if
 * that is set.  type: whose records it is about, NULL if the name is not of a type.
 * Valid until the next call.
 */
extern const char *path_of(PathName name, const CrmType *type, const AccountOptions *options);

#endif							/* HUBSPOT_PATH_H */
