/*
 * record_message.h
 *		Messages about records: whose they are, and what they write.
 *
 * For records of any type, which object_types[] and message_rules[] tell apart.
 */
#ifndef HUBSPOT_RECORD_MESSAGE_H
#define HUBSPOT_RECORD_MESSAGE_H

#include "mapping/mapping.h"

/*
 * The key of a message about a record, as message_known_contact_key(); id_property: the
 * account's for its type.
 */
extern bool message_record_key(Object object, Call call, const MessageParts *parts,
							   const char *id_property,
							   MessageKey *key, MessageProblem *problem);

/*
 * What a delete call removes: a record of the type that its message names, by the key of that.
 * id_properties: the account's, see object_id_property().
 */
extern bool message_deleted_key(Object object, const MessageParts *parts,
								const char *const *id_properties, MessageKey *key,
								MessageProblem *problem);

/* The record that becomes a member of the list, or ceases to be one; id_properties: see there. */
extern bool message_member_key(Call call, const MessageParts *parts,
							   const char *const *id_properties, MessageKey *key,
							   MessageProblem *problem);

/*
 * Add the properties of one message about a record of the type that the rules
 * are of, with this key; see mapping_add_contact().
 */
extern void mapping_add_record(Mapping *mapping, Call call, const MessageParts *parts,
							   const MessageKey *key, StringInfo warnings);

/* What "mode" of a message about a record of any type says; absent, *mode stays. */
extern bool message_mode(const MessageParts *parts, RowMode *mode, MessageProblem *problem);

/* Whether a message may have a change among its values, as far as its text alone says. */
extern bool message_may_have_change(Jsonb *message);

#endif							/* HUBSPOT_RECORD_MESSAGE_H */
