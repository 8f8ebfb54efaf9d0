/*
 * preview_schema.h
 *		Before a preview: what HubSpot has not told yet is asked for.
 */
#ifndef HUBSPOT_PREVIEW_SCHEMA_H
#define HUBSPOT_PREVIEW_SCHEMA_H

#include "nodes/pg_list.h"

#include "message/object_type.h"

/*
 * If a part of the account's schema has never been read, have the worker read it, and wait until it
 * is there, or for 5 seconds: then the preview says that it has not checked.  An object without a
 * schema needs nothing.
 */
extern void preview_await_schema(Oid server, Object part);

/* Properties, or an event, whose creation is queued: until HubSpot tells them, or for as long. */
extern void preview_await_creations(Oid server, Object part, List *names);

#define OBJECTS_SECONDS	3600	/* how old what a declaration knows of custom objects may be */

/* The same for several, 5 seconds in all. */
extern void preview_await_schemas(Oid server, const Object *parts, int count);

#endif							/* HUBSPOT_PREVIEW_SCHEMA_H */
