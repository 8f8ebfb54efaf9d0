/*
 * deadline.h
 *		How long a call may wait: the argument, or the message's own word.
 *
 * Called when a call is queued, explained, or planned by a trigger.  Pure: no table, no
 * worker.  Nothing here raises an error for bad input.
 */
#ifndef HUBSPOT_DEADLINE_H
#define HUBSPOT_DEADLINE_H

#include "pgtime.h"
#include "utils/timestamp.h"

#include "message/message.h"

/* Read an interval's text; false when it is none, or can be no deadline. */
extern bool deadline_read_interval(const char *text, Interval *interval, MessageProblem *problem);

/* The moment that an interval means now; false when it is not above zero, or absurdly long. */
extern bool deadline_after(const Interval *interval, TimestampTz *deadline,
						   MessageProblem *problem);

/*
 * The deadline that stands in the envelope, 0 when none: a moment in ISO 8601 (zone is that of
 * one without), or an interval's text.  A flat row has no such envelope.
 */
extern bool deadline_of_message(const MessageParts *parts, pg_tz *zone, TimestampTz *deadline,
								MessageProblem *problem);

#endif							/* HUBSPOT_DEADLINE_H */
