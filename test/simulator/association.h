/*
 * association.h
 *	  Which contacts belong to which companies: section 3.4.
 *
 * A pair has a set of types; the store of pairs is owned by association.c.
 */
#ifndef SIMULATOR_ASSOCIATION_H
#define SIMULATOR_ASSOCIATION_H

#include <json-c/json.h>

#include "http.h"
#include "type.h"

#define MAX_LABELS		8

/* HubSpot's own types: seen from the contact, and from the company. */
#define CONTACT_PRIMARY		1
#define COMPANY_PRIMARY		2
#define CONTACT_DEFAULT		279
#define COMPANY_DEFAULT		280

typedef struct Pair
{
	Object	   *contact;
	Object	   *company;
	bool		primary;		/* the contact's primary company */
	int			labels[MAX_LABELS]; /* types of the account's own */
	int			label_count;
} Pair;

/* The pairs of one record. */
typedef struct Links
{
	Pair	  **pairs;
	size_t		count;
} Links;

/* The types that a request names for a pair. */
typedef struct Types
{
	bool		primary;
	bool		plain;
	int			labels[MAX_LABELS];
	int			label_count;
} Types;

/* The pair of a contact and a company, in either order; NULL if not created. */
extern Pair *pair_find(Object *from, Object *to, bool create);
extern void pair_remove(Pair *pair);
extern void pair_apply(Pair *pair, const Types *types);

/* NULL when the record has none. */
extern Links *links_of(const Object *object);

/* Reads "types" as seen from a type; returns what is wrong, or NULL. */
extern const char *types_read(struct json_object *json, const ObjectType *from, Types *types);

/* Writes the journal's line. */
extern void pair_log(Request *request, const char *op, const Pair *pair);

/* The "associations" array of a create; what is malformed in it is ignored. */
extern void association_of_create(Request *request, Object *object, struct json_object *list);

/* Does such an array name a contact or company that a new record of the type can belong to? */
extern bool association_has_parent(const ObjectType *type, struct json_object *list);

/* The record goes: so do its pairs. */
extern void association_forget(const Object *object);

/* The id of a contact's primary company, in scratch memory; NULL when it has none. */
extern const char *association_primary(const Object *contact);

extern size_t association_count(void);
extern void association_reset(void);

/* The pairs of a record as JSON, for tests. */
extern void association_render(Buffer *out, const Object *object);

#endif
