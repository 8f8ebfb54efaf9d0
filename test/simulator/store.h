/*
 * store.h
 *	  The records of all types, and how they are found.
 *
 * The store owns records and values.  It enforces nothing: who writes has
 * checked the value (property.h) and its uniqueness (store_holder()) before.
 */
#ifndef SIMULATOR_STORE_H
#define SIMULATOR_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "table.h"

struct Links;
struct Pipeline;
struct Property;

typedef struct Value
{
	struct Property *property;
	char	   *text;
} Value;

typedef struct Object
{
	uint64_t	id;
	struct ObjectType *type;
	int64_t		created_ms;
	int64_t		updated_ms;
	uint16_t	value_count;
	bool		archived;
	bool		erased;			/* GDPR: nothing of it is left but the id */
	Value	   *values;
	struct Links *links;		/* its associations: association.h */
} Object;

/* A type of records; what is known of each is in type.c. */
typedef struct ObjectType
{
	const char *name;			/* contacts; of a custom object its id */
	const char *singular;		/* contact */
	const char *title;			/* Contact */
	const char *upper;			/* CONTACT */
	const char *id;				/* 0-1 */
	int			number;			/* in the order of type_all() */
	uint64_t	id_base;
	const char *created_name;	/* the properties that show created_ms ... */
	const char *modified_name;	/* ... and updated_ms */
	const char *group;			/* of properties, the one that is there at the start */
	const char *scope;			/* of "crm.objects.deals.write": "deals" */
	const char *other_scope;	/* a whole one that suffices instead, or NULL */

	char	  **required;		/* what a new record needs, beside the rules of contacts and
								 * companies */
	int			required_count;
	char	  **shown;			/* what an answer shows unasked, beside id and times */
	int			shown_count;

	bool		is_custom;
	bool		is_deleted;		/* a custom object whose schema was deleted */
	bool		is_switched;	/* has to be activated: the setting "activated" */
	bool		is_alone;		/* cannot be associated with anything */
	bool		is_of_quotes;	/* nor with anything but quotes */
	bool		is_activity;	/* can be associated with whatever there is */
	bool		needs_parent;	/* a new one needs a contact or company that it belongs to */

	Table		properties;		/* by name */
	struct Property **property_list;
	int			property_count;
	Table		groups;			/* property groups by name: label */

	/* Properties that need more than storing; NULL where there is none. */
	struct Property *email;
	struct Property *more_emails;
	struct Property *domain;
	struct Property *website;
	struct Property *pipeline;
	struct Property *stage;
	struct Pipeline **pipelines;
	int			pipeline_count;

	Table		by_id;
	Table		blocked;		/* addresses that were erased */
	Object	  **objects;		/* in the order of their creation */
	size_t		object_count;
	size_t		object_size;
	size_t		live_count;
} ObjectType;

extern Object *store_create(ObjectType *type, int64_t ms);

/* Live records only; a text that is no number finds nothing. */
extern Object *store_by_id(ObjectType *type, const char *id);

/* Archived ones too. */
extern Object *store_any(ObjectType *type, const char *id);

/* Who holds this value of a unique property (an address: primary or not)? */
extern Object *store_holder(const struct Property *property, const char *text);

/* The value, NULL when unset; a computed one lives in scratch memory. */
extern const char *object_value(const Object *object, const struct Property *property);

/* Sets a checked value, "" clears; returns false when HubSpot keeps the old. */
extern bool object_set(Object *object, struct Property *property, const char *text);

extern void store_archive(Object *object);
extern void store_erase(Object *object);

/* Removes all records and blocked addresses; properties stay. */
extern void store_reset(void);

#endif
