/*
 * event.h
 *		Custom behavioural events: one occurrence as HubSpot takes it.
 */
#ifndef HUBSPOT_EVENT_H
#define HUBSPOT_EVENT_H

#include "nodes/pg_list.h"

#include "account/account.h"
#include "mapping/mapping.h"
#include "text/digest.h"

/* What an occurrence is made of. */
typedef struct EventSource
{
	Call		call;			/* track or page */
	const MessageParts *parts;
	const char *key_property;	/* NULL: the e-mail address; MESSAGE_HUTK, MESSAGE_USER_ID, the
								 * account's, or another object's: event_object() */
	const char *key;
	const char *record_id;		/* of the contact, "" when not known */
	int64		portal_id;
	int64		id;				/* of the outbox row; of a repeated call its first one */
	TimestampTz called_at;
} EventSource;

/* Name of the event that a call means, as it stands in the message or the option page_event. */
extern const char *event_wanted(const EventSource *source, const AccountOptions *options, int *len);

/*
 * The definition of the event.  NULL when HubSpot has none; when it does not
 * tell its definitions, *full_name is made up by its rule.
 */
extern const EventDefinition *event_definition(const EventSource *source,
											   const AccountOptions *options,
											   const Schema *schema, const char **full_name);

/* Whether HubSpot can tell whose event it is: by record id, address or browser token. */
extern bool event_has_reference(const EventSource *source);

/* Whose event it is, as message_object_of_key() says. */
extern Object event_object(const EventSource *source, bool *by_record);

/* Why an occurrence cannot be of this definition, for people; NULL: it can, or it is not known. */
extern const char *event_misfit(const EventSource *source, const EventDefinition *event);

/* The stable uuid of an occurrence: of its messageId, else of its row. */
extern bool event_uuid(const EventSource *source, char uuid[DIGEST_UUID_TEXT]);

/*
 * Append one occurrence, of a definition that may not be known.  rules are of the account's events
 * (maps, zone); the definition's properties are put in.  mapping is begun by the caller's
 * mapping_begin() with these rules.
 */
extern void event_append(StringInfo body, const EventSource *source, const char *full_name,
						 const EventDefinition *event, Mapping *mapping, StringInfo warnings);

/* Whether a definition can be given a property of this name. */
extern bool event_may_have(const char *name);

/*
 * What an occurrence has, by the account's mapping, and the properties of rules lack: a list of
 * UnknownProperty, of names that a definition can be given.
 */
extern List *event_lacks(const EventSource *source, const MappingRules *rules);

/* The list with another one in it; of two of one name the type fits both. */
extern List *event_unite(List *properties, const UnknownProperty *property);

/* The bodies that create a definition with as many of the properties as it can have, and one. */
extern char *event_definition_body(const char *wanted, int len, const List *properties);
extern char *event_property_body(const UnknownProperty *property);

/*
 * Why no definition is found, for people, and the statement that creates one; NULL: there are two
 * already, or it is no contact's.
 */
extern char *event_unknown_reason(const EventSource *source, const AccountOptions *options,
								  const Schema *schema, char **statement);

#endif							/* HUBSPOT_EVENT_H */
