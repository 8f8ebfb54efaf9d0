/*
 * schema_call.h
 *		What is created in HubSpot by a row of the schema lane.
 */
#ifndef HUBSPOT_SCHEMA_CALL_H
#define HUBSPOT_SCHEMA_CALL_H

#include "message/object_type.h"

/*
 * The record type that is called so on the account, for a role with USAGE on the SERVER; waits for
 * the worker where it must.  Raises an error when there is none.
 */
extern Object schema_call_object(Oid server, const char *name);

/*
 * Queue the creation of the property that the account keeps the user's ids in: a hidden text whose
 * values are unique.  Returns the row's id.
 */
extern int64 schema_call_create_key(Oid server, Object object, const char *name);

#endif							/* HUBSPOT_SCHEMA_CALL_H */
