/*
 * path.h
 *		Paths of HubSpot's API by version.
 */
#ifndef HUBSPOT_PATH_H
#define HUBSPOT_PATH_H

#include "account.h"

typedef enum PathName
{
	PATH_ACCOUNT_INFO,
	PATH_CONTACTS_UPSERT,
	PATH_CONTACT_PROPERTIES,
	PATH_CONTACT_PROPERTIES_CREATE, /* several at once */
	PATH_COMPANY_PROPERTIES,
	PATH_COMPANY_PROPERTIES_CREATE,
	PATH_EVENT_DEFINITIONS
#define PATH_COUNT (PATH_EVENT_DEFINITIONS + 1)
} PathName;

extern const char *path_of(PathName name, ApiVersion version);

#endif							/* HUBSPOT_PATH_H */
