/*
 * type.h
 *	  The types of records: HubSpot's own and the account's custom ones.
 *
 * A type lives as long as the process, its definition survives a reset; a
 * deleted custom one is no longer found.
 */
#ifndef SIMULATOR_TYPE_H
#define SIMULATOR_TYPE_H

#include "store.h"

extern ObjectType *contacts;
extern ObjectType *companies;

/* The standard types, without properties: property_init() adds those. */
extern void type_init(void);

extern int	type_count(void);
extern ObjectType *type_at(int number);

/* As a path may spell it: by name, singular, or type id; NULL when there is no such type. */
extern ObjectType *object_type(const char *name);

/* As a test or a definition may: in any case, a custom object by its bare name, too. */
extern ObjectType *type_named(const char *name);

/* Has the account switched it on? */
extern bool type_is_active(const ObjectType *type);

/* A custom object; its name is free.  The id is the account's next one. */
extern ObjectType *type_create(const char *name, const char *label);

/* "p1234567_cars", in scratch memory. */
extern const char *type_full_name(const ObjectType *type);

/* The properties a standard type has, "name:kind name:kind"; NULL for contacts and companies. */
extern const char *type_properties(const ObjectType *type);

extern void type_require(ObjectType *type, const char *property);
extern void type_require_none(ObjectType *type);

/* How many of the required properties are enforced of this write. */
extern int	type_required(const ObjectType *type, bool is_upsert);

#endif
