/*
 * mapping.h
 *		From traits to HubSpot's properties.
 *
 * Finds the property of a trait, by the account's explicit mapping, the exact name, the
 * table of special fields and the forms of the name, in this order; and converts its
 * value.  The rules are in docs/mapping.md.
 */
#ifndef HUBSPOT_MAPPING_H
#define HUBSPOT_MAPPING_H

#include "mapping/property_value.h"
#include "mapping/schema.h"
#include "message/message.h"

/* The rules of an account, the same for all its messages. */
typedef struct MappingRules
{
	Object		object;			/* a record type, or event */
	const char *key_property;	/* that the account keeps the user's own ids of this object in;
								 * NULL: none */
	const PropertySet *properties;	/* of that object; NULL: not known, so all */
	int			nmaps;
	const TraitMap *maps;		/* of all objects */
	const PipelineSet *pipelines;	/* of that object; NULL: its records are in none, else both: */
	const char *pipeline_property;
	const char *stage_property;
	pg_tz	   *zone;			/* for dates and times without a zone */
} MappingRules;

/* Of an object of this account; id_property: the account's options, by Object. */
extern MappingRules mapping_rules(const Schema *schema, Object object,
								  const char *const *id_property, pg_tz *zone);

/* The rule of docs/mapping.md by which a property was chosen. */
typedef enum NameRule
{
	RULE_EXPLICIT = 1,
	RULE_EXACT,
	RULE_SPECIAL,
	RULE_SPACES,
	RULE_CANONICAL,
	RULE_SHORT
} NameRule;

/* A property that was written. */
typedef struct MappingName
{
	int			offset;			/* offset of the name in json */
	int			len;
	int			value_offset;	/* offset of the value, including quotes */
	int			value_len;
	NameRule	rule;
	const char *trait;			/* borrowed from the message or constant; not NUL-terminated */
	int			trait_len;
	int			row;			/* number of the row that has written it last */
	const char *share;			/* what that one has put in, where a newer one changes it; else
								 * NULL */
} MappingName;

/* What the row at hand says of its pipeline, and of its stage there: mapping_stage.c. */
typedef enum StagePart
{
	PART_PIPELINE,
	PART_STAGE
#define STAGE_PARTS (PART_STAGE + 1)
} StagePart;

typedef struct TraitAside
{
	bool		is_there;
	JsonbValue	value;			/* borrowed from the message, as the trait is */
	NameRule	rule;
	const char *trait;
	int			trait_len;
} TraitAside;

/* A property that HubSpot does not have. */
typedef struct UnknownProperty
{
	const char *name;			/* as it would be created */
	const char *type;			/* type that fits the value */
	bool		is_key;			/* the key: its values are unique, and users need not see it */
} UnknownProperty;

/*
 * Properties of one record, written as the members of a JSON object.  Rows
 * that are merged are added newest first: a property that is there already stays, but for a
 * change (property_value_is_change()), which is applied to what the older row has.
 */
typedef struct Mapping
{
	const MappingRules *rules;
	StringInfo	json;			/* of the caller; members are appended */
	int			nnames;
	int			names_size;
	MappingName *names;			/* written so far */
	MessageKey	key;			/* of the record */
	bool		keeps_address;	/* the record was found by one of several addresses, and keeps its
								 * primary one */
	bool		leaves_owners;	/* HubSpot has refused an owner of the row at hand */
	bool		is_page;		/* of the present event */
	bool		key_is_email;
	bool		is_member;		/* a company among the traits of a contact, whose "id" is its key */
	int			row;			/* number of the present row; the newest is 1 */
	int			row_start;		/* names from here on are of the present row alone */
	bool		is_open;		/* a newer row may have a change of what an older one has, of a
								 * property that is not known: they cannot be merged */
	StringInfo	warnings;		/* of the present row: elements of a JSON array */
	int			nunknown;		/* of the row at hand */
	int			unknown_size;
	UnknownProperty *unknown;
	uint8		missed;			/* lists (Choice) that a value of the row at hand is not in, and
								 * may be by now */
	uint8		used;			/* lists that a value of it is looked for in */
	TraitAside	put_aside[STAGE_PARTS]; /* where rules->pipelines is set */
} Mapping;

extern void mapping_begin(Mapping *mapping, StringInfo json, const MappingRules *rules);

/* Whether warnings, as JSON text or NULL, have one of a property: then the call had it. */
extern bool mapping_has_warned(const char *warnings, const char *property, int len);

/*
 * Add the properties of one message about a contact with this key.  What identifies the record
 * is not among them, whatever trait, mapping or form of a name leads to it: the key, and the
 * property of the account's ids.  Warnings are appended to the given StringInfo.
 */
extern void mapping_add_contact(Mapping *mapping, Call call, const MessageParts *parts,
								const MessageKey *key, StringInfo warnings);

/* The same for the company of a group call, or of a contact's traits. */
extern void mapping_add_company(Mapping *mapping, Call call, const MessageParts *parts,
								const MessageKey *key, StringInfo warnings);

/*
 * The same for a record of another type, from "properties" or a flat row.  One that is named by
 * HubSpot's record id is given the user's own id, where the message tells it.
 */
extern void mapping_add_other(Mapping *mapping, Call call, const MessageParts *parts,
							  const MessageKey *key, StringInfo warnings);

/* The same for the properties of a track or page call; an address that is the key is left out. */
extern void mapping_add_event(Mapping *mapping, const MessageParts *parts, bool is_page,
							  bool key_is_email, StringInfo warnings);

/* The name of a property that was written, by its place in mapping->names; palloc'd. */
extern char *mapping_name(const Mapping *mapping, int i);

/* The value of a property as JSON text (palloc'd); NULL if it was not written. */
extern char *mapping_value(const Mapping *mapping, const char *property);

/* Whether a property was written. */
extern bool mapping_has(const Mapping *mapping, const char *property);

/* Whether what was written for a property is a change. */
extern bool mapping_is_change(const Mapping *mapping, const MappingName *name);

/* Remove properties: chosen has a flag for each of mapping->names. */
extern void mapping_leave_out(Mapping *mapping, const bool *chosen);
extern void mapping_end(Mapping *mapping);

#endif							/* HUBSPOT_MAPPING_H */
