/*
 * creation.h
 *		What an account's schema is to be given by itself: what is to come, and what was tried.
 *
 * The lists of a SchemaSync; schema_sync.c makes the requests.  Each name is tried once, until
 * somebody has the schema read again: what HubSpot refuses, it would refuse for every row.
 *
 * Memory: WorkerContext.
 */
#ifndef HUBSPOT_CREATION_H
#define HUBSPOT_CREATION_H

#include "queue/accounts.h"
#include "reply/reply.h"

typedef struct Creation
{
	const char *name;			/* it is tried by */
	UnknownProperty property;	/* of a record */
	const char *tail;			/* of an event, or a property of one: of the path ... */
	const char *body;			/* ... and the whole body; NULL: of a record */
} Creation;

/* The name by which a property of an event is tried; palloc'd. */
extern char *creation_property(const EventDefinition *event, const char *property);

/*
 * False when it was tried, or nothing more is.  Else it is to come, *is_new: by this; or will be
 * asked for again with the next request.
 */
extern bool creation_add(SchemaSync *sync, const Creation *creation, bool *is_new);

/* Whether it is among those that are to come; whether it was tried, or is to be. */
extern bool creation_is_to_come(const SchemaSync *sync, const char *name);
extern bool creation_is_tried(const SchemaSync *sync, const char *name);

/* As if HubSpot had been asked, and had refused. */
extern void creation_refuse(SchemaSync *sync, const char *name, const char *why);

/* Why it has refused, in its words; NULL: nothing is known. */
extern const char *creation_refusal(const SchemaSync *sync, const char *name);

/*
 * The next request, of an event the end of its path; there is something to come.  group: HubSpot's,
 * of a record's properties; NULL: not known.
 */
extern const char *creation_tail(const SchemaSync *sync);
extern char *creation_body(const SchemaSync *sync, Object part, const char *group);

/* Its answer. */
extern void creation_tried(SchemaSync *sync, Object part, const Reply *reply);

/* All may be tried again. */
extern void creation_forget(SchemaSync *sync);

#endif							/* HUBSPOT_CREATION_H */
