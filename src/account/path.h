/*
 * path.h
 *		Paths of HubSpot's API by version.
 */
#ifndef HUBSPOT_PATH_H
#define HUBSPOT_PATH_H

#include "account/account.h"

typedef enum PathName
{
	PATH_ACCOUNT_INFO,
	PATH_ACCOUNT_USAGE,
	PATH_CONTACTS_UPSERT,
	PATH_CONTACTS_UPDATE,
	PATH_CONTACTS_READ,
	PATH_CONTACTS_ARCHIVE,
	PATH_CONTACTS_ERASE,
	PATH_COMPANIES_UPSERT,
	PATH_COMPANIES_UPDATE,
	PATH_COMPANIES_CREATE,
	PATH_COMPANIES_READ,
	PATH_COMPANIES_SEARCH,
	PATH_COMPANIES_ARCHIVE,
	PATH_ASSOCIATE_DEFAULT,
	PATH_ASSOCIATE_TYPED,
	PATH_CONTACT_PROPERTIES,
	PATH_CONTACT_PROPERTIES_CREATE, /* several at once */
	PATH_COMPANY_PROPERTIES,
	PATH_COMPANY_PROPERTIES_CREATE,
	PATH_EVENT_DEFINITIONS,
	PATH_EVENTS_SEND,
	PATH_LISTS					/* creates a list; other paths are below it */
#define PATH_COUNT (PATH_LISTS + 1)
} PathName;

#define PATH_BYTES	320

/*
 * The path for an account by its api_version; event paths are below its events_path if
 * that is set.  Valid until the next call.
 */
extern const char *path_of(PathName name, const AccountOptions *options);

#endif							/* HUBSPOT_PATH_H */
