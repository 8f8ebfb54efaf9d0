/*
 * family.h
 *		A family of requests, as a lane has one: what its rows need before they are sent.
 *
 * The families are in crm/ and activity/; servers.c gives each lane its own.
 */
#ifndef HUBSPOT_FAMILY_H
#define HUBSPOT_FAMILY_H

#include "message/message.h"
#include "queue/row.h"

struct RequestKind;				/* request/batch.h */
struct RecordKinds;				/* crm/records.h */
struct EndSeeker;				/* pair/ends.h */

typedef struct FamilyWork
{
	const struct RequestKind *kind; /* the first, or the only one */
	const struct RecordKinds *records;	/* of a lane of records, see records.h; else NULL */
	const struct EndSeeker *seeker; /* of one whose rows need records of others, see ends.h */

	/*
	 * The kind of request that the head row of a ready key needs; NULL function: always the first.
	 * NULL: none now, and perhaps the key was sent away.
	 */
	const struct RequestKind *(*kind_of) (WorkKey *key);

	/* Whether a row may join the input that begins with the other one; NULL: always. */
	bool		(*joins) (const Row *first, Row *next);

	/* Whether a row can be sent at all; if not, it is ended by the caller with this reason. */
	bool		(*check) (Row *row, const MessageParts *parts, const char **category,
						  const char **problem);

	/* Look up in the tables what the head row of a key wants to know; inside a transaction. */
	void		(*look_up) (WorkKey *key);
} FamilyWork;

#endif							/* HUBSPOT_FAMILY_H */
