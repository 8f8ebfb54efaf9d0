/*
 * property.h
 *	  Property definitions, and what makes a value valid.
 *
 * Definitions are owned by their ObjectType and live as long as the process:
 * records point to them.
 */
#ifndef SIMULATOR_PROPERTY_H
#define SIMULATOR_PROPERTY_H

#include <json-c/json.h>

#include "error.h"
#include "type.h"

typedef enum ValueType
{
	VALUE_STRING,
	VALUE_NUMBER,
	VALUE_BOOL,
	VALUE_ENUMERATION,
	VALUE_DATE,
	VALUE_DATETIME
} ValueType;

/* What a property is beyond its type. */
typedef enum PropertyRole
{
	ROLE_PLAIN,
	ROLE_EMAIL,
	ROLE_MORE_EMAILS,
	ROLE_DOMAIN,
	ROLE_STAGE,
	ROLE_CREATED,
	ROLE_MODIFIED,
	ROLE_ID,
	ROLE_SKU,					/* unique by one reading, see reading.h */
	ROLE_OWNER,					/* values are the ids of owners, ... */
	ROLE_PIPELINE,				/* ... of pipelines of the type, ... */
	ROLE_PIPELINE_STAGE,		/* ... of stages: checked against the pipeline by the draft */
	ROLE_OPT_OUT				/* read from the preferences of the address */
} PropertyRole;

typedef struct Option
{
	char	   *label;
	char	   *value;
	int			display_order;
	bool		hidden;
} Option;

typedef struct Property
{
	ObjectType *type;
	char	   *name;
	char	   *label;
	char	   *group;
	char	   *description;
	const char *type_name;
	char	   *field_type;
	ValueType	value_type;
	PropertyRole role;
	bool		unique;			/* may be an idProperty, values are indexed */
	bool		declared_unique;	/* what the definition says of it */
	bool		read_only;
	bool		hidden;
	bool		form_field;
	bool		standard;		/* defined by HubSpot */
	bool		archived;
	bool		calculated;
	bool		external_options;	/* the options are elsewhere: owners, pipelines */
	bool		multiple;		/* an enumeration of several: "a;b" */
	bool		only_letters;	/* a rule of the account: INVALID_ALPHA for any other value */
	int			display_order;
	int64_t		subscription;	/* of an opt-out; 0: of everything */
	int64_t		created_ms;
	int64_t		updated_ms;
	Option	   *options;
	int			option_count;
	Table		option_index;	/* by value: the Option */
	Table		holders;		/* of a unique property: value to Object */
} Property;

/* The definitions a new account has, and a few of a shop. */
extern void property_init(void);

/*
 * A property of HubSpot's own.  The kind is string, text, number, bool, date, datetime, owner,
 * pipeline, stage, sku, computed (a number), readonly (a text), or options, "low|high".
 */
extern Property *property_define(ObjectType *type, const char *name, const char *kind);

/* The mirror of an opt-out in a contact; 0: of everything. */
extern void property_define_opt_out(int64_t subscription);

/* What every type but contacts and companies has, and what the list names: "name:kind name:kind". */
extern void property_define_all(ObjectType *type, const char *list);

/* Live definitions only. */
extern Property *property_find(const ObjectType *type, const char *name);

/* An archived one of this definition's name is there again, with its options; NULL: there is none. */
extern Property *property_restore(ObjectType *type, struct json_object *definition);

/*
 * Creates one from its JSON definition.  On failure returns NULL and sets
 * *status, *category and *message (static or scratch text).
 */
extern Property *property_create(ObjectType *type, struct json_object *definition,
								 int *status, const char **category, const char **message);

extern void property_render(Buffer *out, const Property *property);

/*
 * Checks a value and brings it to the form in which it is kept; returns it
 * (the text itself or scratch memory), or NULL after adding a problem.
 */
extern const char *value_check(const Property *property, const char *text, ProblemList *problems);

/* The form in which a key of this property is looked up: lower-cased for email. */
extern const char *value_key(const Property *property, const char *text);

#endif
