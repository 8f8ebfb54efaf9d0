/*
 * schema_reply.h
 *		HubSpot's list of properties and event definitions, as our tables hold them.
 */
#ifndef HUBSPOT_SCHEMA_REPLY_H
#define HUBSPOT_SCHEMA_REPLY_H

#include "lib/stringinfo.h"

#include "reply/reply.h"

/*
 * Append the answer's properties to a JSON array (without its brackets):
 * name, type, field_type, label, is_unique, read_only, options.
 */
extern void schema_reply_properties(StringInfo json, const Reply *reply);

/* The same for event definitions: name, full_name, label, properties. */
extern void schema_reply_events(StringInfo json, const Reply *reply);

#endif							/* HUBSPOT_SCHEMA_REPLY_H */
