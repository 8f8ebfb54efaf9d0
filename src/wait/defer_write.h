/*
 * defer_write.h
 *		Changes of hubspot.deferred and hubspot.dead, on their way into the tables.
 *
 * Noted by defer.c, written with the verdicts of the same transaction (see
 * defer_write() in defer.h).
 */
#ifndef HUBSPOT_DEFER_WRITE_H
#define HUBSPOT_DEFER_WRITE_H

#include "datatype/timestamp.h"

#include "store/ack.h"

typedef enum ChangeKind
{
	CHANGE_WAIT,				/* the row waits (again) */
	CHANGE_DEAD,				/* it has ended as dead */
	CHANGE_ENDED				/* it has ended otherwise */
} ChangeKind;

typedef struct Change
{
	ChangeKind	kind;
	int64		id;
	int			attempt;
	int			status;
	int64		wait_s;
	TimestampTz failed_at;
	bool		lost;
	AckRequest *request;		/* has its number once it was written, before the change */
	const char *category;
	const char *message;
} Change;

/* A change to be filled in; texts are to be set with defer_text(), which takes NULL as well. */
extern Change *defer_change(ChangeKind kind, int64 id);
extern char *defer_text(const char *text);

#endif							/* HUBSPOT_DEFER_WRITE_H */
