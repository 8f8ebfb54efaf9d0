/*
 * words.h
 *		The enums of the SQL script and their labels.
 *
 * A row of the outbox has a call, an object and a source, a verdict when it
 * has ended, and a mode.
 */
#ifndef HUBSPOT_WORDS_H
#define HUBSPOT_WORDS_H

/* The enums of the script, in the order of their labels there. */
typedef enum Call
{
	CALL_IDENTIFY,
	CALL_TRACK,
	CALL_GROUP,
	CALL_PAGE,
	CALL_FORM,
	CALL_DELETE,
	CALL_REFRESH_SCHEMA,
	CALL_CREATE_PROPERTY,
	CALL_CREATE_EVENT,
	CALL_ADD_TO_LIST,
	CALL_REMOVE_FROM_LIST,
	CALL_CREATE_LIST,
	CALL_UNGROUP,
	CALL_SUBSCRIPTION,
	CALL_RECORD,
	CALL_ASSOCIATE,
	CALL_DISSOCIATE,
	CALL_CREATE_LABEL
#define CALL_COUNT (CALL_CREATE_LABEL + 1)
} Call;

/*
 * What a row writes: the word of its column "object", which object_types[] has.  These are always
 * there; further record types of HubSpot have the numbers behind, in the order in which a process
 * met them (object_of_name()), so that such a number means nothing to another process.
 */
typedef enum Object
{
	OBJECT_IS_CONTACT,
	OBJECT_IS_COMPANY,
	OBJECT_IS_ASSOCIATION,
	OBJECT_IS_EVENT,
	OBJECT_IS_FORM,
	OBJECT_IS_SCHEMA,
	OBJECT_IS_LIST,
	OBJECT_IS_CONSENT,
	OBJECT_IS_PAIR
#define OBJECT_COUNT (OBJECT_IS_PAIR + 1)
} Object;

#define OBJECT_MAX		4096	/* of all numbers in a process */

typedef enum Source
{
	SOURCE_FUNCTION,
	SOURCE_TRIGGER,
	SOURCE_SYNC
#define SOURCE_COUNT (SOURCE_SYNC + 1)
} Source;

/* What a row may do to the record in HubSpot; the outbox holds the letters, NULL for the first. */
typedef enum RowMode
{
	MODE_UPSERT = 0,
	MODE_UPDATE = 'u',			/* only if HubSpot has the record */
	MODE_CREATE = 'c'			/* only if HubSpot does not have it */
} RowMode;

typedef enum Verdict
{
	VERDICT_DELIVERED,
	VERDICT_COALESCED,
	VERDICT_UNCHANGED,
	VERDICT_REJECTED,
	VERDICT_EXPIRED,
	VERDICT_CANCELLED,
	VERDICT_DEAD,
	VERDICT_SENT_UNCONFIRMED,
	VERDICT_UNKNOWN
#define VERDICT_COUNT (VERDICT_UNKNOWN + 1)
} Verdict;

/* The labels, for messages and look-ups by name; those of verdicts are in verdict.h, of
 * objects in object_types[]. */
extern const char *const call_names[CALL_COUNT];
extern const char *const source_names[SOURCE_COUNT];

#endif							/* HUBSPOT_WORDS_H */
