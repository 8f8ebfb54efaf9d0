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
 * Bytes of a key, an id, a name that comes from outside.  They stand in btree
 * indexes, whose rows have at most 2704 bytes: whatever is longer would fail
 * the statement, and all rows that it is about.
 */
#define MESSAGE_MAX_KEY		1024
#define MESSAGE_MAX_EMAIL	254

static inline bool
message_is_key_length(size_t length)
{
	return length > 0 && length <= MESSAGE_MAX_KEY;
}

/*
 * Why a message is bad.  Texts are palloc'd or constant; the same words are
 * raised as an error or recorded in the row.
 */
typedef struct MessageProblem
{
	int			sqlerrcode;
	const char *message;
	const char *detail;			/* what was expected */
	const char *hint;			/* or NULL */
} MessageProblem;

/* The parts of a message, borrowed from the jsonb. */
typedef struct MessageParts
{
	bool		flat;			/* a row: the top level holds the traits */
	JsonbContainer *root;
	JsonbContainer *traits;		/* objects, or NULL */
	JsonbContainer *properties;
	JsonbContainer *context_traits;
	JsonbContainer *context;
	JsonbValue	user_id;		/* type jbvNull when absent */
	JsonbValue	message_id;
	JsonbValue	timestamp;
} MessageParts;

/* Whose contact a message is about. */
typedef struct MessageKey
{
	const char *property;		/* HubSpot property, NULL for the e-mail address */
	const char *key;			/* normalised, NUL-terminated, palloc'd */
} MessageKey;

/* Fill in a problem; returns false. */
extern bool message_bad(MessageProblem *problem, const char *message, const char *detail);

/* Value of an exactly named member; false when absent or null. */
extern bool message_member(JsonbContainer *object, const char *name, JsonbValue *value);

/* Take a message apart; false when it is no object (or a part has a wrong type). */
extern bool message_read(Jsonb *message, MessageParts *parts, MessageProblem *problem);

/*
 * The contact key of a message.  id_property is the account's
 * contact_id_property, NULL when not set.  False, with the problem filled in,
 * when there is none or it is malformed.
 */
extern bool message_contact_key(Call call, const MessageParts *parts, const char *id_property,
								MessageKey *key, MessageProblem *problem);

/*
 * The same for calls that may name a contact by a userId alone, which was seen
 * with its key before: the property is then MESSAGE_USER_ID.
 */
#define MESSAGE_USER_ID "userId"
extern bool message_known_contact_key(Call call, const MessageParts *parts, const char *id_property,
									  MessageKey *key, MessageProblem *problem);

/* Whether a message has anything of a contact key. */
extern bool message_names_contact(Call call, const MessageParts *parts);

/* The normalised address of a message, userId aside; NULL when there is none. */
extern char *message_email(Call call, const MessageParts *parts);

/* The userId as text, NULL when there is none that could be a key. */
extern char *message_user_id(const MessageParts *parts);

/* Whether an object has anything but the address, which is the key. */
extern bool message_has_traits(JsonbContainer *traits);

/* Whether a delete call is to leave no trace. */
extern bool message_erases(Jsonb *message);

/* Check what every call has in common: timestamp, messageId. */
extern bool message_check_envelope(const MessageParts *parts, MessageProblem *problem);

/*
 * The key of a track or page call: the contact's, as above, else the browser
 * token context.hutk, whose property is then MESSAGE_HUTK.  Checks the event's name, too.
 */
#define MESSAGE_HUTK "hutk"
extern bool message_event_key(Call call, const MessageParts *parts, const char *id_property,
							  MessageKey *key,
							  MessageProblem *problem);

/* context.hutk; false when there is none. */
extern bool message_hutk(const MessageParts *parts, JsonbValue *value);

/*
 * The company of a group call: groupId where the account has a property for it
 * (id_property), else the domain of its website, whose property is then
 * MESSAGE_DOMAIN.
 */
#define MESSAGE_DOMAIN "domain"
extern bool message_company_key(const MessageParts *parts, const char *id_property, MessageKey *key,
								MessageProblem *problem);

/*
 * What a delete call removes: a contact, by message_known_contact_key(); or,
 * when its "object" is "company", a company as above.
 */
extern bool message_deleted_key(const MessageParts *parts, const char *contact_id_property,
								const char *company_id_property,
								Object *object, MessageKey *key, MessageProblem *problem);

/*
 * The traits of the company, of a group call or within those of a contact; NULL when there are
 * none.
 */
extern JsonbContainer *message_company_traits(Call call, const MessageParts *parts);

/*
 * The company that stands in the traits of a contact.  False when there is
 * none, or none that can be sent: then *why says so, else it is NULL.
 */
extern bool message_contact_company(Call call, const MessageParts *parts, const char *id_property,
									MessageKey *key,
									const char **why);

/* The domain of a company by its traits; NULL when there is none. */
extern char *message_company_domain(Call call, const MessageParts *parts);

/* Check a form call; its key is the address among the fields, else the form. */
extern bool message_form_key(const MessageParts *parts, MessageKey *key, MessageProblem *problem);

/* The message of an association row, which names the company; false when it is none. */
extern Jsonb *message_make_association(const MessageKey *company);
extern bool message_read_association(Jsonb *message, MessageKey *company);

/*
 * The list that a message is about: {"list": "VIP"}, with "object": "company"
 * one of companies.  False, with the problem filled in, when it names none.
 */
#define MESSAGE_MAX_LIST 250	/* bytes of a list's name */
#define MESSAGE_LIST "list"		/* property of the key of a list itself */
typedef struct MessageList
{
	bool		of_companies;
	const char *name;			/* borrowed, not NUL-terminated */
	int			len;
} MessageList;

extern bool message_list(JsonbContainer *message, MessageList *list, MessageProblem *problem);

/* The same message about this list. */
extern Jsonb *message_set_list(Jsonb *message, const char *list);

/* The key of a list, as that of the row that creates it. */
extern MessageKey message_list_key(const MessageList *list);

/* Who is to become a member of the list, or is one no longer: a contact or a company. */
extern bool message_member_key(Call call, const MessageParts *parts, const char *contact_property,
							   const char *company_property, MessageKey *key,
							   MessageProblem *problem);

/* A text member of the message's top level; false when absent or no text. */
extern bool message_text(const MessageParts *parts, const char *name, JsonbValue *value);

/* The event that a track call names; false when there is none. */
extern bool message_event(const MessageParts *parts, JsonbValue *event);

/* messageId as palloc'd text, NULL when absent. */
extern char *message_id(const MessageParts *parts);

/*
 * Trim, lower-case and check an address.  Returns it palloc'd, or NULL with
 * the reason (a constant) in *why.
 */
extern char *message_normalise_email(const char *text, int len, const char **why);

/*
 * A field by name, ignoring case, spaces, "_" and "-"; an exact match wins.
 * wanted is the name in lower case without these.  False when absent or null.
 */
extern bool message_field(JsonbContainer *object, const char *wanted, JsonbValue *value);

/*
 * Fold a name: lower case, without spaces, "_" and "-".  Returns its length,
 * or -1 when it does not fit into size - 1 bytes.
 */
extern int	message_fold_name(const char *name, int len, char *folded, int size);

/*
 * Whether a top-level key of a flat row belongs to the envelope, not to the traits (or properties)
 * of the object.
 */
extern bool message_is_envelope(const char *name, int len, Object object);

/*
 * Whether text has only the characters of ISO 8601: digits, signs, and where they belong "T" and
 * "Z".  The server's own parser raises an error for the name of a zone it does not know, which is
 * for it whatever begins with a letter and goes on with a sign.
 */
extern bool message_is_iso(const char *text, int len);

/* Text of a scalar: strings as they are, numbers as jsonb prints them; NULL otherwise. */
extern char *message_scalar_text(const JsonbValue *value);

#endif							/* HUBSPOT_MESSAGE_H */
