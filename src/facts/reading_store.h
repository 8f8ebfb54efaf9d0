/*
 * reading_store.h
 *		What was read, in the tables; what a session waits for.
 */
#ifndef HUBSPOT_READING_STORE_H
#define HUBSPOT_READING_STORE_H

#include "utils/timestamp.h"

#include "facts/readings.h"

/* What hubspot.reading says of a reading. */
typedef struct ReadingStand
{
	TimestampTz read_at;		/* 0: never */
	bool		known;			/* HubSpot has told it; false: it refuses to */
} ReadingStand;

/* A refusal, as it is kept for people; texts "" where there are none. */
typedef struct ReadingRefusal
{
	int			http_status;
	const char *category;
	const char *scopes;			/* that HubSpot asks for */
	const char *message;
} ReadingRefusal;

/*
 * Inside a transaction, with the rights of the extension's owner.  rows: a JSON array; NULL:
 * HubSpot refuses, and what it said before stays in the reading's table.
 */
extern void reading_store(Oid server, ReadingId id, const char *subject, const char *rows,
						  const ReadingRefusal *refusal);
extern ReadingStand reading_stand(Oid server, ReadingId id, const char *subject);

/* ---- for sessions, with whatever rights -------------------------------------------- */

/* The same; what is committed by now counts, whatever the transaction's snapshot is. */
extern ReadingStand reading_look(Oid server, ReadingId id, const char *subject);

/* Tell the worker that it is needed; false: no worker runs. */
extern bool reading_ask(Oid server, ReadingId id, const char *subject);

/*
 * Have it read if that was never done, or is more than max_age seconds ago, and wait for that, at
 * most 5 seconds; how it stands then.  With less than READING_LOOK_S, that counts.
 */
extern ReadingStand reading_await(Oid server, ReadingId id, const char *subject, int max_age);

#endif							/* HUBSPOT_READING_STORE_H */
