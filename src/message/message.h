/*
 * message.h
 *		A Segment message: its envelope, its traits, its key.
 *
 * Called when a call is queued (is it good? whose is it?) and again by the
 * worker (what does it write?).  Knows no table, no worker, no network.  The rules are
 * those of docs/mapping.md.
 */
#ifndef HUBSPOT_MESSAGE_H
#define HUBSPOT_MESSAGE_H

#include "utils/jsonb.h"

#include "base/words.h"

/*
 * Maximum bytes of a key, an id or a name from outside.  They are in btree indexes, whose
 * entries have at most 2704 bytes: a longer one would fail the whole statement.
 */
#define MESSAGE_MAX_KEY		1024
#define MESSAGE_MAX_EMAIL	254

static inline bool
message_is_key_length(size_t length)
{
	return length > 0 && length <= MESSAGE_MAX_KEY;
}

/*
 * Why a message is bad.  Texts are palloc'd or constant; the same words are raised as an
 * error or stored in the row.
 */
typedef struct MessageProblem
{
	int			sqlerrcode;
	const char *message;
	const char *detail;			/* what was expected */
	const char *hint;			/* or NULL */
} MessageProblem;

/* The parts of a message, which point into the jsonb. */
typedef struct MessageParts
{
	bool		flat;			/* a table's row: the top level holds the traits */
	JsonbContainer *root;
	JsonbContainer *traits;		/* objects, or NULL */
	JsonbContainer *properties;
	JsonbContainer *context_traits;
	JsonbContainer *context;
	JsonbValue	user_id;		/* type jbvNull when absent */
	JsonbValue	message_id;
	JsonbValue	timestamp;
} MessageParts;

/* Which contact a message is about. */
typedef struct MessageKey
{
	const char *property;		/* HubSpot property, NULL for the e-mail address */
	const char *key;			/* normalised, NUL-terminated, palloc'd */
} MessageKey;

/* Whether the traits of a call's message are a company's, and its contact stands beside them. */
static inline bool
message_is_of_company(Call call)
{
	return call == CALL_GROUP || call == CALL_UNGROUP;
}

/* Fill in a problem; returns false. */
extern bool message_bad(MessageProblem *problem, const char *message, const char *detail);

/* Value of an exactly named member; false when absent, null or unreadable (unreadable.h). */
extern bool message_member(JsonbContainer *object, const char *name, JsonbValue *value);

/* Find the parts of a message; false if it is no object, or a part has a wrong type. */
extern bool message_read(Jsonb *message, MessageParts *parts, MessageProblem *problem);

/*
 * The contact key of a message. id_property is the account's contact_id_property, or
 * NULL.  An address that is none leaves the next one.  False, with the problem filled in, if
 * there is none that can be used.
 */
extern bool message_contact_key(Call call, const MessageParts *parts, const char *id_property,
								MessageKey *key, MessageProblem *problem);

/*
 * The same for calls that may name a contact by the userId alone, because an earlier call
 * has given its key: the property is then MESSAGE_USER_ID.
 */
#define MESSAGE_USER_ID "userId"
extern bool message_known_contact_key(Call call, const MessageParts *parts, const char *id_property,
									  MessageKey *key, MessageProblem *problem);

/* In messages about records of any type: HubSpot's own id of the record. */
#define MESSAGE_RECORD_ID "record_id"

/* Whether a message has any contact key, be it one that cannot be used. */
extern bool message_names_contact(Call call, const MessageParts *parts);

/*
 * The normalised address of a message, the first that is one, without looking at userId; NULL if
 * there is none.
 */
extern char *message_email(Call call, const MessageParts *parts);

/*
 * Whether the first address of the message is this text as it stands, which is a normal form: then
 * none is said to be unusable.
 */
extern bool message_address_is(Call call, const MessageParts *parts, const char *address);

/*
 * What is said of the addresses that cannot be used, so that the call goes by another identity;
 * NULL: there are no more than number of them.
 */
extern const char *message_unused_address(Call call, const MessageParts *parts,
										  const char *id_property, int number);

/*
 * Whether a text can be a value of the property that keys are in: HubSpot's own ids are positive
 * numbers.
 */
extern bool message_is_key_of(const char *property, const char *text);

/* The userId as text; NULL if there is none that can be a key. */
extern char *message_user_id(const MessageParts *parts);

/* The same of a message that is not taken apart. */
extern char *message_find_user_id(const Jsonb *message);

/* Whether an object has more than the address, which is the key. */
extern bool message_has_traits(JsonbContainer *traits);

/*
 * The record type that "object" of a message names; where it is absent, or no such name,
 * a contact.
 */
extern Object message_object(JsonbContainer *message);

/*
 * The same for records of any type; false, with the problem, where it is no such name, or this
 * process has met too many types.  Absent it is a contact.
 */
extern bool message_record_type(JsonbContainer *message, Object *object, MessageProblem *problem);
extern bool message_type_of_word(const char *word, int len, Object *object,
								 MessageProblem *problem);

/* Whether a delete call asks for erasure (GDPR). */
extern bool message_erases(Jsonb *message);

/* Check what every call has in common: timestamp, messageId. */
extern bool message_check_envelope(const MessageParts *parts, MessageProblem *problem);

/*
 * The key of a track or page call: the contact's key (see message_known_contact_key()),
 * else the browser token context.hutk, with the property MESSAGE_HUTK; or another object's.
 * Checks the event's name, too.
 */
#define MESSAGE_HUTK "hutk"
extern bool message_event_key(Call call, const MessageParts *parts, const char *id_property,
							  MessageKey *key,
							  MessageProblem *problem);

/*
 * Whose event a call is: a contact's, unless "object" of a message that is no flat row names
 * another record type.  Such a row's key is a record id, or what the event's definition finds the
 * record by; its property names the object and says which of the two it is, see
 * message_object_of_key().
 */
#define MESSAGE_BY_RECORD	"record_id"
#define MESSAGE_BY_RULE		"id"
extern bool message_event_object(Call call, const MessageParts *parts, Object *object,
								 MessageProblem *problem);

/*
 * The object of such a key; of any other a contact, and *by_record stays.  OBJECT_MAX: another
 * object, but this process has met too many.
 */
extern Object message_object_of_key(const char *key_property, bool *by_record);

/* context.hutk; false when there is none. */
extern bool message_hutk(const MessageParts *parts, JsonbValue *value);

/*
 * The company of a group call: groupId if the account has a property for it
 * (id_property), else the domain of its website, with the property MESSAGE_DOMAIN.
 */
#define MESSAGE_DOMAIN "domain"
#define MESSAGE_FURTHER_DOMAINS "hs_additional_domains" /* ";" between them */
extern bool message_company_key(Call call, const MessageParts *parts, const char *id_property,
								MessageKey *key,
								MessageProblem *problem);

/*
 * The traits of the company, in a group call or within those of a contact; NULL if there
 * are none.
 */
extern JsonbContainer *message_company_traits(Call call, const MessageParts *parts);

/*
 * The company in the traits of a contact.  False if there is none (*why is NULL), or none
 * that can be sent (*why says why).
 */
extern bool message_contact_company(Call call, const MessageParts *parts, const char *id_property,
									MessageKey *key,
									const char **why);

/* The domain of a company from its traits; NULL if there is none. */
extern char *message_company_domain(Call call, const MessageParts *parts);

/* Check a form call; its key is the address among the fields, else the form. */
extern bool message_form_key(const MessageParts *parts, MessageKey *key, MessageProblem *problem);

/*
 * The message of an association row, which names the company; message_read_association()
 * returns false if it is none.
 */
extern Jsonb *message_make_association(const MessageKey *company);
extern bool message_read_association(Jsonb *message, MessageKey *company);

/*
 * The list in a message: {"list": "VIP"}; with "object" a list of that record type, else of
 * contacts.  False, with the problem filled in, if there is none.
 */
#define MESSAGE_MAX_LIST 250	/* bytes of a list's name */
#define MESSAGE_LIST "list"		/* property in the key of a list itself */
typedef struct MessageList
{
	Object		object;			/* that it is of */
	const char *name;			/* borrowed, not NUL-terminated */
	int			len;
} MessageList;

extern bool message_list(JsonbContainer *message, MessageList *list, MessageProblem *problem);

/* The message with this text as the member of that name. */
extern Jsonb *message_set_text(Jsonb *message, const char *name, const char *value);

/* The key of a list, as in the row that creates it. */
extern MessageKey message_list_key(const MessageList *list);

/* A text member of the message's top level; false if it is absent or no text. */
extern bool message_text(const MessageParts *parts, const char *name, JsonbValue *value);

/* The event that a track call names; false when there is none. */
extern bool message_event(const MessageParts *parts, JsonbValue *event);

/* messageId as palloc'd text, NULL when absent. */
extern char *message_id(const MessageParts *parts);

/*
 * Trim, lower-case and check an address.  Returns it palloc'd, or NULL and a
 * reason in *why.
 */
extern char *message_normalise_email(const char *text, int len, const char **why);

/*
 * A field by name, ignoring case, spaces, "_" and "-"; an exact match wins.
 * wanted is the name in lower case without these.  False when absent, null or unreadable.
 */
extern bool message_field(JsonbContainer *object, const char *wanted, JsonbValue *value);

/* The same, and the name as it stands there. */
extern bool message_named_field(JsonbContainer *object, const char *wanted, JsonbValue *name,
								JsonbValue *value);

/*
 * Fold a name: lower case, without spaces, "_" and "-".  Returns its length,
 * or -1 when it does not fit into size - 1 bytes.
 */
extern int	message_fold_name(const char *name, int len, char *folded, int size);

/*
 * Whether a top-level key of a flat row belongs to the envelope and is no trait (or
 * property) of the object.
 */
extern bool message_is_envelope(const char *name, int len, Object object);

/*
 * Whether text has only characters of ISO 8601: digits, signs, and "T" and "Z" at their
 * places.  The server's parser raises an error for an unknown time zone, and takes any
 * word that begins with a letter and goes on with a sign for a time zone.
 */
extern bool message_is_iso(const char *text, int len);

/* The text of a scalar: strings unchanged, numbers as jsonb prints them; NULL for other values. */
extern char *message_scalar_text(const JsonbValue *value);

#endif							/* HUBSPOT_MESSAGE_H */
