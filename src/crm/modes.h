/*
 * modes.h
 *		Rows that only update a record, or only create one.
 *
 * Such a row's record is looked for first, unless it is known: an update goes
 * by the record's id, so that nothing can come into being; what is to be
 * created, and is there, is left alone.  The decisions are here, for records of
 * every type; by what else than its key one may be known is the type's.
 */
#ifndef HUBSPOT_MODES_H
#define HUBSPOT_MODES_H

#include "crm/records.h"

/*
 * Whether a row of any record may join an input that begins with the other one: both
 * delete or none does, and what they write can be merged.  Rows that create stand
 * alone: the second one finds the record that the first has made.
 */
extern bool modes_join(const Row *first, Row *next);

/*
 * Whether a key that is HubSpot's own id of a record asks the tables first: where HubSpot has made
 * two records one, they have the new id.
 */
extern bool modes_awaits_record(WorkKey *key);

/* The request that the head row of a key needs on account of its mode; NULL: it has none. */
extern const RequestKind *modes_kind_of(WorkKey *key);

/*
 * An input of the request that looks for records by their keys; one that is to
 * be created, and is known, ends without it.
 */
extern BuildResult modes_append_sought(Batch *batch, Input *input, const MessageParts *parts);
extern void modes_answered(Batch *batch, const Reply *reply, AckRequest *request);

/*
 * HubSpot has the record, or has not.  False: the input has ended, for it was
 * to do the other thing.
 */
extern bool modes_may_update(Input *input, const char *record_id, const Reply *reply,
							 AckRequest *request);
extern bool modes_may_create(Input *input, const Reply *reply, AckRequest *request);

#endif							/* HUBSPOT_MODES_H */
