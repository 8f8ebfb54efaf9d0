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
	PATH_CONTACTS_UPSERT
} PathName;

extern const char *path_of(PathName name, ApiVersion version);

#endif							/* HUBSPOT_PATH_H */
