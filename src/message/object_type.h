/*
 * object_type.h
 *		What an object is: one row per word of the column "object".
 *
 * An object has a lane of its own, whose rows are about it.  Some objects are
 * records of HubSpot's CRM, with properties and a key: these rows say how the
 * worker and the calls treat them.  hubspot.object_types() shows the table, and
 * the script of the extension goes by that.
 *
 * No code outside object_type.c asks "is it a company, else it is a contact":
 * it asks the row.  A test for one object alone is for what that object alone
 * has; test/tools/lint finds the others, as far as a pattern can.
 */
#ifndef HUBSPOT_OBJECT_TYPE_H
#define HUBSPOT_OBJECT_TYPE_H

#include "base/words.h"

struct SpecialField;			/* special_field.h */

/* What a record may be associated with when it is created. */
typedef struct BirthType
{
	const char *object;			/* its word; NULL ends a list */
	int			type_id;		/* HubSpot's number of the association, from the new record on */
} BirthType;

#define BIRTH_MAX	8			/* of a type */

typedef struct CrmType
{
	const char *name;			/* the word; in messages and in the words of verdicts, too */
	const char *plural;			/* name of the lane */
	Call		call;			/* that queues one */
	int			per_request;	/* of them that the widest request takes, as its kind says */
	int			own_limit;		/* requests per 10 seconds by a limit of its own; 0: without one,
								 * -1: by the account's */
	bool		merges;			/* rows of one key become one input */
	bool		has_schema;		/* HubSpot tells which properties, or definitions, there are */
	bool		can_be_synced;	/* hubspot_sync() knows it */
	bool		is_record;		/* of the CRM: all below is for these alone, but keyed_by_contact */

	const char *type_id;		/* HubSpot's */
	const char *path;			/* what HubSpot's paths call it */
	const char *scopes;			/* that a token needs to write it, any of them */
	const char *modified_property;	/* in which HubSpot keeps when a record last changed */
	const char *pipeline_property;	/* in which pipeline it is ... */
	const char *pipeline_stage; /* ... and in which stage of that; NULL: has none */
	const char *born_with;		/* properties that HubSpot wants when a record is created, with ",
								 * " between them; NULL: none */
	const BirthType *born_associated;	/* it is created with an association to one of these, or
										 * not at all; NULL: with or without any */
	bool		stands_alone;	/* it cannot be associated with anything */
	const char *id_member;		/* of the call's message: the user's own id ... */
	const char *id_option;		/* ... and the SERVER option that names the property of it */
	const char *natural_key;	/* property that a record goes by where the option is not set */
	bool		natural_key_is_unique;	/* in HubSpot: an upsert may go by it */
	const char *further_keys;	/* property with further values of natural_key, ";" between them,
								 * which HubSpot itself does not go by; NULL: none */
	const char *key_trait;		/* beside natural_key: trait whose value tells it, or NULL */
	const char *stage_property; /* that HubSpot moves forwards only; NULL: none */
	const char *read_properties;	/* what a read by key is to tell beside the key: JSON strings */
	const char *property_group; /* HubSpot's, for new properties; NULL: as HubSpot tells */
	const struct SpecialField *fields;	/* of docs/mapping.md; the last property is NULL */
	uint32		apart;			/* special traits that mapping.c deals with by itself, a bit each */
	bool		is_few;			/* many rows are of few records: requests wait for more of them */
	bool		can_be_erased;	/* without a trace; else archived */
	bool		keyed_by_contact;	/* rows are a contact's, and end with its erasure */
	bool		names_contacts; /* rows may name contacts without being keyed by one */
	bool		names_types;	/* rows may name types of records in their key or message */
} CrmType;

/*
 * The types that this process knows, by number: the fixed ones, then those that it has met.  Rows
 * are never changed and never taken back.
 */
extern CrmType object_type_rows[OBJECT_MAX];
#define object_types ((const CrmType *) object_type_rows)

/* How many of them there are. */
extern int	object_known;

/* HubSpot's own types beside these, as object_of_name() makes rows of; the last name is NULL. */
extern const CrmType record_types[];

/* The fixed object of this name; -1: there is none. */
extern int	object_find(const char *name, int len);

/*
 * The object of this word, be it met for the first time: a fixed one, one of record_types[] by its
 * name or type id, or any by a type id ("2-123").  -1: it is no such word; OBJECT_MAX: it is, but
 * this process has met too many.
 */
extern int	object_of_name(const char *name, int len);

/* Whether it is a type id that object_of_name() makes a custom object of: "2-123". */
extern bool object_is_custom_type_id(const char *name);

/* Whether HubSpot's own type is called so: its word, plural, type id, or as in paths. */
extern bool object_is_called(const CrmType *type, const char *name);

/*
 * The object of a lane's name: that of a fixed one or of record_types[], or a type id; what it
 * returns for others object_of_name() says.
 */
extern int	object_of_lane(const char *name);

/* A number that every process knows the object by, for shared memory; back as object_of_name(). */
extern uint32 object_code(Object object);
extern int	object_of_code(uint32 code);

/*
 * Such a number from a word or type id, and the word and the lane's name from it, without a row of
 * the table; false, NULL: there is no such object.
 */
extern bool object_find_code(const char *name, int len, uint32 *code);
extern const char *object_code_name(uint32 code);
extern const char *object_code_lane(uint32 code);

/* The object of a row, from its column, and the column's value of an object. */
extern int	object_of_text(const text * word);
extern Datum object_datum(Object object);

/*
 * HubSpot's own id of a record, as a property.  Where the user's keys are such ids, a record can be
 * updated and read by them; an upsert does not take them, and nobody but HubSpot gives them.
 */
#define RECORD_ID_PROPERTY "hs_object_id"
extern bool object_key_is_record_id(const char *property);

/* The property that a key is a value of; NULL is the address of a contact. */
extern const char *object_key_property(const char *property);

/*
 * An account's properties of the user's own ids: of the fixed objects by number, and behind them
 * (ID_PROPERTIES) the option id_properties, "deal=order_ref, 2-123=vin".  NULL: not set.
 */
#define ID_PROPERTIES	OBJECT_COUNT
#define ID_PROPERTIES_OPTION "id_properties"
#define ID_PROPERTY_COUNT (ID_PROPERTIES + 1)

/* The property of an object, where it comes from the list palloc'd; NULL: none. */
extern const char *object_id_property(const char *const *id_property, Object object);

/*
 * The next entry of such a list, which is read on from *at; false: there is none.  The parts are
 * not NUL-terminated, and are what stands there.
 */
typedef struct IdPropertyEntry
{
	const char *object;
	int			object_len;
	const char *property;
	int			property_len;
} IdPropertyEntry;

extern bool object_next_id_property(const char **at, IdPropertyEntry *entry);

/* "contact, company": names of the fixed objects whose flag is set, palloc'd. */
#define object_names_where(flag) object_list_names(offsetof(CrmType, flag))
extern char *object_list_names(size_t flag);

/* Of the fixed objects whose flag is set; to be followed by a block. */
#define foreach_object(object, flag) \
	for (Object object = (Object) 0; object < OBJECT_COUNT; object++) \
		if (!object_types[object].flag) ; else

#endif							/* HUBSPOT_OBJECT_TYPE_H */
