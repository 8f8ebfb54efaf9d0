/*
 * records.h
 *		What records of every type have in common: properties, requests, answers.
 *
 * They are written in batches whose answers tell of each record.  Here: the
 * properties of an input, what an answer means, the second look at a lifecycle
 * stage, the requests that every type has.  contacts.c and companies.c say
 * which requests theirs need beside, and when.
 */
#ifndef HUBSPOT_RECORDS_H
#define HUBSPOT_RECORDS_H

#include "request/batch.h"

struct Found;					/* employers.h */

/*
 * The requests of a type that the answers to others lead to, and what else it
 * has of its own; NULL: nothing of this kind.
 */
typedef struct RecordKinds
{
	/* that all types have, see record_kinds.h */
	const RequestKind *upsert;	/* by key */
	const RequestKind *update;	/* by record id: what was left out because of another record */
	const RequestKind *seek;	/* by key, for rows that only update or only create, see modes.h */
	const RequestKind *clear_stage; /* lifecycle, see records_answered() */
	const RequestKind *set_stage;

	/* of this one */
	const RequestKind *find;	/* by key, for those whose record the answer did not tell */
	const RequestKind *resolve; /* a conflict with a record that HubSpot has */
	const RequestKind *seek_elsewhere;	/* by the alias, when seek has found nothing by key */

	/*
	 * By what HubSpot may know the record as well, by the newest row that tells; NULL: by nothing.
	 */
	const char *(*alias) (const Input *input, const MessageParts *parts);

	/*
	 * Where an input goes on to that HubSpot does not have by its key, and that is to be created;
	 * NULL: to the upsert.
	 */
	void		(*absent) (Input *input);

	/* whether rows that HubSpot refuses, not for a property, go back to find out more */
	bool		(*doubts) (Batch *batch, Input *input);
	/* where an input goes on to, or that it ends, when what may be its record was looked at */
	void		(*decide) (Input *input, const struct Found *found, const Reply *reply,
						   AckRequest *request);
	void		(*created) (const WorkKey *key, const char *address, const char *record_id);
	void		(*archived) (const WorkKey *key);	/* in place of records_forget() */
} RecordKinds;

/* Of a lane of records. */
static inline const RecordKinds *
records_of(const Lane *lane)
{
	Assert(lane->work->records != NULL);
	return lane->work->records;
}

/* The type of a lane's records. */
static inline const CrmType *
records_type(const Lane *lane)
{
	Assert(object_types[lane->family].is_record);
	return &object_types[lane->family];
}

/* Whether a key of this property is one that HubSpot can be asked for a record of the type by. */
extern bool records_can_be_read(Object object, const char *property);

/* What is said of a record that is not there: the category. */
extern const char *records_not_found(Object object);

/* HubSpot does not have the record of a key. */
extern void records_forget(const WorkKey *key);

/*
 * The JSON around the properties of one record: of an upsert by this property,
 * of an update by record id (id_property NULL), of a create (id NULL).
 */
extern void records_begin_input(StringInfo body, const char *id_property, const char *id,
								const char *trace);
extern void records_end_input(StringInfo body);

/*
 * The same of a record that is created with associations, one after the other: in place of
 * records_end_input().  record_id NULL: not known.
 */
extern void records_begin_associations(StringInfo body);
extern void records_append_association(StringInfo body, const char *record_id, int type_id);
extern void records_end_associations(StringInfo body);

/*
 * The properties of an input's rows, newest first.  Notes names that HubSpot
 * does not have, warnings, the stage and the alias.  with_key: the key is
 * among the properties.
 */
extern BuildResult records_append_properties(Batch *batch, Input *input,
											 const MessageParts *parts, bool with_key);

/*
 * Whether the values of two rows may be merged into one record's: where HubSpot's properties are
 * not known, one with a change goes alone, for nobody can tell what both come to.
 */
extern bool records_may_merge(const Row *first, const Row *next);

/* Warn of a company among the traits of the contact just mapped that could not be queued. */
extern void records_warn_of_company(Mapping *mapping, Call call, const MessageParts *parts,
									const AccountOptions *options);

/*
 * Whether the key's property has to come first: HubSpot lacks it, and it is
 * being created, or to be created, or looked for again.
 */
extern bool records_wait_for_key(Input *input);

/* An upsert by the key. */
extern BuildResult records_append_upsert(Batch *batch, Input *input, const MessageParts *parts);

/*
 * An update by record id, which gives a record that is adopted the key as well, where
 * that is a property of its own.
 */
extern BuildResult records_append_update(Batch *batch, Input *input, const MessageParts *parts);

/* The two steps of a lifecycle stage backwards, by record id. */
extern BuildResult records_append_cleared_stage(Batch *batch, Input *input,
												const MessageParts *parts);
extern BuildResult records_append_stage(Batch *batch, Input *input, const MessageParts *parts);

/* An upsert that writes nothing but the key: the record is made where HubSpot has it not. */
extern BuildResult records_append_new(Batch *batch, Input *input, const MessageParts *parts);

/* A batch/read by the key of the inputs: one input, and the end of the body. */
extern BuildResult records_append_id(Batch *batch, Input *input, const MessageParts *parts);
extern void records_end_read(Batch *batch);

/* The same by another property, whose value is the input's alias. */
extern BuildResult records_append_alias(Batch *batch, Input *input, const MessageParts *parts);

/*
 * The end of a batch/read, whatever its ids are (RECORD_ID_PROPERTY: record ids): the properties
 * that its type always asks for, and that tell of a record that was merged; any others, one by one;
 * the end.  Every body whose answer goes through records_match_read() ends by these.
 */
extern void records_begin_asked(Batch *batch, const char *id_property);
extern void records_append_asked(Batch *batch, const char *name);
extern void records_end_asked(Batch *batch, const char *id_property);

/*
 * All of that: by this property; also (or NULL) is to be told, beside what its
 * type always asks for.
 */
extern void records_end_read_by(Batch *batch, const char *id_property, const char *also);

/*
 * Which result of a batch/read belongs to which input, by a property whose
 * value is ids[i]; an additional address counts as one.
 * Returns whether the answer accounts for all inputs: who is not found, is not there.
 */
extern bool records_match_read(const Batch *batch, const Reply *reply, const char *property,
							   const char *const *ids,
							   const ReplyResult **found);

/* The same for a batch/read by the key of the inputs. */
extern bool records_match_keys(const Batch *batch, const Reply *reply, const ReplyResult **found);

/* What becomes of an input; found NULL: HubSpot does not have what was asked for. */
typedef void (*RecordDecision) (Batch *batch, Input *input, const ReplyResult *found,
								const Reply *reply, AckRequest *request);

/*
 * The answer to a batch/read, or to an upsert that creates what is missing: each input is decided
 * by what was found of ids[i].  Not told is not absent: where the answer does not account for all
 * inputs, those that it leaves out are asked for again.  A refusal is cut, and rejected in the end.
 */
extern void records_read_answered(Batch *batch, const Reply *reply, AckRequest *request,
								  const char *property, const char *const *ids,
								  RecordDecision decide);

/* The same where the inputs' own keys were asked for. */
extern void records_keys_answered(Batch *batch, const Reply *reply, AckRequest *request,
								  RecordDecision decide);

/* The verdict of an input that was to be created and is there. */
extern AckResult records_exists(const Input *input);

/* An input that is not sent, for HubSpot has all of it; returns BUILD_UNCHANGED. */
extern BuildResult records_end_unsent(Input *input, AckResult result);

/* With unknown_properties = 'reject' a row with a name that HubSpot does not have is no good. */
extern bool records_check(Row *row, const MessageParts *parts, const char **category,
						  const char **problem);

/* The answer to a request that writes. */
extern void records_answered(Batch *batch, const Reply *reply, AckRequest *request);

/* The answer to a batch/read that was to tell the records of what had been written. */
extern void records_found(Batch *batch, const Reply *reply, AckRequest *request);

/* An answer of no use: the same again, by halves, or the end of the only input. */
extern void records_refused(Batch *batch, const Reply *reply, AckRequest *request);

/* Whether the answer shows the stage that was sent. */
extern void records_note_stage(Input *input, const ReplyResult *result);

/* HubSpot has confirmed the record. */
extern void records_end(Input *input, const char *record_id, int created, int status,
						AckRequest *request);

#endif							/* HUBSPOT_RECORDS_H */
