/*
 * schema.h
 *		What HubSpot knows of an account: properties and event definitions.
 *
 * Read from HubSpot by the worker, kept in hubspot.property and
 * hubspot.event_definition, and from there in memory, for the worker and for
 * hubspot_explain() alike.
 */
#ifndef HUBSPOT_SCHEMA_H
#define HUBSPOT_SCHEMA_H

#include "utils/timestamp.h"

#include "base/words.h"

#define SCHEMA_MAX_EVENT_PROPERTIES	50	/* of an event's definition, beside HubSpot's own */

/* HubSpot's types; any other counts as a string. */
typedef enum PropertyType
{
	PROPERTY_STRING,
	PROPERTY_NUMBER,
	PROPERTY_BOOL,
	PROPERTY_ENUMERATION,
	PROPERTY_DATE,
	PROPERTY_DATETIME
} PropertyType;

typedef struct PropertyOption
{
	const char *value;
	const char *label;
} PropertyOption;

/*
 * What a value may be one of, where HubSpot has a list of that: choice.h.  A bit each.
 */
typedef enum Choice
{
	CHOICE_OPTION = 1 << 0,		/* of the property itself */
	CHOICE_OWNER = 1 << 1,
	CHOICE_STAGE = 1 << 2		/* pipelines and their stages */
} Choice;

typedef struct OwnerSet OwnerSet;
typedef struct PipelineSet PipelineSet;

typedef struct Property
{
	const char *name;
	PropertyType type;
	bool		multiple;		/* checkboxes: "a;b;c" */
	bool		is_truth;		/* one checkbox: HubSpot's options are true and false, whatever
								 * their labels are */
	bool		read_only;		/* also for calculated properties */
	bool		is_unique;		/* no two records have the same value */
	bool		is_external;	/* HubSpot has a list of its values elsewhere: an option that is
								 * not here is no fault */
	const OwnerSet *owners;		/* its values are owners, of these; NULL: they are not */
	int			noptions;
	PropertyOption *options;
} Property;

typedef struct PropertySet PropertySet;

typedef struct EventDefinition
{
	const char *name;
	const char *full_name;		/* "pe1234_name", what is sent */
	const char *label;
	const char *type_id;		/* of the object whose events these are; "": not told */
	const char *match_property; /* of the event, whose value finds the record; "": none does */
	PropertySet *properties;
	int			nown;			/* of these, beside HubSpot's own */
} EventDefinition;

/* hubspot_map(): the property of a trait, whatever its name. */
typedef struct TraitMap
{
	Object		object;
	const char *trait;			/* dots separate the names of a path */
	const char *property;		/* NULL: the trait is not sent */
} TraitMap;

/* A custom object of the account. */
typedef struct CustomObject
{
	const char *type_id;
	const char *property_group; /* of new properties */
	const char *born_with;		/* as in CrmType; "": nothing */
} CustomObject;

/* What HubSpot told of an object. */
typedef struct SchemaPart
{
	TimestampTz refreshed_at;	/* 0: not read from HubSpot yet */
	bool		known;			/* HubSpot has told it when it was asked last */
	PropertySet *properties;	/* of records, as it told them last; NULL: it never did */
} SchemaPart;

typedef struct Schema
{
	MemoryContext context;		/* holds all of it */
	int			nparts;			/* objects below this number may have been read */
	SchemaPart *parts;
	const OwnerSet *owners;		/* of the account */
	int			npipelines;
	PipelineSet *pipelines;		/* one of each type whose pipelines were read */
	bool		events_known;
	int			nevents;
	EventDefinition *events;
	int			nmaps;
	TraitMap   *maps;
	int			ncustom;
	CustomObject *custom;
} Schema;

static inline TimestampTz
schema_refreshed_at(const Schema *schema, Object part)
{
	return part < schema->nparts ? schema->parts[part].refreshed_at : 0;
}

/* Whether HubSpot tells the part: it has not refused to when it was asked last. */
static inline bool
schema_is_known(const Schema *schema, Object part)
{
	return part < schema->nparts && schema->parts[part].known;
}

/* NULL: not known. */
static inline PropertySet *
schema_properties(const Schema *schema, Object part)
{
	return part < schema->nparts ? schema->parts[part].properties : NULL;
}

/*
 * HubSpot's group for new properties of an object: where that is not the same everywhere, the one
 * of HubSpot's own properties.  NULL: not known.
 */
extern const char *schema_property_group(const Schema *schema, Object object);

/*
 * What HubSpot wants of a new record, as names with ", " between them: by its documentation, or as
 * it tells of a custom object.  "": nothing.
 */
extern const char *schema_born_with(const Schema *schema, Object object);

/* Load a SERVER's schema from the tables, in a new child of parent; inside a transaction. */
extern Schema *schema_load(Oid server, MemoryContext parent);

/*
 * Replace a part of the schema (an object that has_schema) in the tables by a JSON array from
 * schema_reply.c; inside a transaction. json NULL: HubSpot does not tell (a missing scope),
 * which is stored.
 */
extern void schema_store(Oid server, Object part, const char *json);

/* The property of exactly this name, NULL when there is none. */
extern const Property *schema_property(const PropertySet *set, const char *name, int len);

/* A set of none, in the current memory context: HubSpot lacks whatever there is. */
extern PropertySet *schema_no_properties(void);

/* Whether a property is one of those that HubSpot gives each event. */
extern bool schema_is_default(const char *name);

/*
 * The definition for a track call's event; NULL if there is none, or two that a label or the case
 * of a name does not tell apart, which are alike then (else NULL).  See docs/mapping.md.
 */
extern const EventDefinition *schema_event(const Schema *schema, const char *name, int len,
										   const EventDefinition *alike[2]);

/*
 * The internal name that an event is given when it is created: lower case, words separated by "_".
 * What HubSpot cannot write (a digit at the beginning, other characters, more than 50 of them)
 * becomes a prefix or a digest, so that names of two events stay two.
 */
extern char *schema_event_name(const char *name, int len);

/* The fully qualified name by HubSpot's rule, for an account that does not tell its events. */
extern char *schema_event_full_name(int64 portal_id, const char *name, int len);

/* HubSpot's field type for a type that a user may choose; NULL: no such type. */
extern const char *schema_field_type(const char *type);

/* The options of a boolean, as members of a JSON array. */
extern const char *const schema_bool_options;


#endif							/* HUBSPOT_SCHEMA_H */
