/*
 * pair.h
 *		Two records of the CRM that are to be associated, or are not any more.
 *
 * The message of a call names them by the user's ids:
 *
 *	{"from_object": "deal", "from_id": "A-1001", "to_object": "company", "to_id": "acme",
 *	 "label": "Supplier"}
 *
 * "from_record_id" and "to_record_id" take HubSpot's own ids.  The row of the outbox has them as
 * keys: a message in which both ends have the property that the account goes by, and a key of the
 * row that names both in one order, whichever of them the call named first.  So whatever is said of
 * two records keeps its order.
 */
#ifndef HUBSPOT_PAIR_MESSAGE_H
#define HUBSPOT_PAIR_MESSAGE_H

#include "message/message.h"
#include "message/object_type.h"

#define MESSAGE_PAIR	"pair"	/* property in the key of such a row */
#define MESSAGE_LABEL	"label" /* the same of one that creates a label */
#define MESSAGE_MAX_LABEL	200 /* bytes of a label */

/* One of the two records. */
typedef struct PairEnd
{
	Object		object;
	const char *property;		/* NULL: the e-mail address of a contact */
	const char *key;
} PairEnd;

typedef struct PairMessage
{
	PairEnd		from;
	PairEnd		to;
	const char *label;			/* NULL: none */
} PairMessage;

/*
 * What the ends of a message are found by: the ids' properties of the SERVER, see
 * object_id_property(); and who knows its names of objects beside their words, NULL: nobody.
 */
typedef struct PairNames
{
	const char *const *id_property;
	Oid			server;
	const char *(*word_of) (Oid server, const char *name, MessageProblem *problem);
} PairNames;

/* The pair of a call's message; false, with the problem filled in, if it names none. */
extern bool message_pair(const MessageParts *parts, const PairNames *names, PairMessage *pair,
						 MessageProblem *problem);

/*
 * The pairs that a record's message names in "associations", an array of {"object", "id", "label"};
 * the record is the first end of each.  *pairs is palloc'd.
 *
 * problems NULL: what is wrong with one of them is wrong with the message.  Else *problems is
 * palloc'd, too, and has what is wrong with each (message NULL: nothing).
 */
#define MESSAGE_ASSOCIATIONS	"associations"
#define MESSAGE_MAX_ASSOCIATIONS 500
extern bool message_associations(JsonbContainer *message, const PairEnd *from,
								 const PairNames *names, PairMessage **pairs,
								 MessageProblem **problems, int *npairs,
								 MessageProblem *problem);

/*
 * Of these, the ends that a record of this type may be born with, at most one of each of its
 * born_associated, the first that names it; returns how many.  What names none is passed over:
 * message_associations() says what is wrong with it.
 */
typedef struct BirthEnd
{
	PairEnd		end;
	int			type_id;		/* of the association */
} BirthEnd;

extern int	message_birth_ends(JsonbContainer *message, const CrmType *type,
							   const char *const *id_property, BirthEnd *ends);

/* What such a record is born with, in words: "a contact or a company"; palloc'd. */
extern char *message_birth_words(const CrmType *type);

/* The end with this id, as of a message; names is what the problem calls its members. */
extern bool message_pair_end(Object object, const JsonbValue *id, const char *id_property,
							 const char *member, PairEnd *end, MessageProblem *problem);

/* The object of this name, which may be at an end of a pair; false, with the problem filled in. */
extern bool message_pair_object(const JsonbValue *name, const char *member,
								const PairNames *names, Object *object, MessageProblem *problem);

/* Check what holds of the two together, and the label's length. */
extern bool message_check_pair(const PairMessage *pair, MessageProblem *problem);

/* The message and the key of the row. */
extern Jsonb *message_make_pair(const PairMessage *pair);
extern MessageKey message_pair_key(const PairMessage *pair);

/* Read a row's message; false if it is none of a pair, or a process knows too many objects. */
extern bool message_read_pair(Jsonb *message, PairMessage *pair);

/* Whether the first end of the row's key is the one that the message calls "to". */
extern bool message_pair_is_turned(const PairMessage *pair);

/*
 * The first (0) or second (1) end of such a key, as message_pair_end_text() has one; NULL: the text
 * is no such key.  message_pair_key_contact(): the id of that end alone, if it is a contact's.
 *  palloc'd.
 */
extern char *message_pair_end_text(const PairEnd *end);
extern char *message_pair_key_end(const char *key, int n);
extern char *message_pair_key_contact(const char *key, int n);

/*
 * The label that a row creates: of what to what, and what it is called in both directions.
 */
typedef struct PairLabel
{
	Object		from;
	Object		to;
	const char *label;
	const char *inverse;		/* NULL: the same in both directions */
} PairLabel;

extern Jsonb *message_make_label(const PairLabel *label);
extern bool message_read_label(Jsonb *message, PairLabel *label);

/* The key of the row that creates a label between two objects. */
extern MessageKey message_label_key(Object from, Object to, const char *label);

#endif							/* HUBSPOT_PAIR_MESSAGE_H */
