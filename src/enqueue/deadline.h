/*
 * deadline.h
 *		How long a call may wait: by the argument, or by the message.
 *
 * Called when a call is queued, explained, or planned by a trigger.  Pure: no table, no
 * worker.  Nothing here raises an error for bad input.
 */
#ifndef HUBSPOT_DEADLINE_H
#define HUBSPOT_DEADLINE_H

#include "pgtime.h"
#include "utils/timestamp.h"

#include "message/message.h"

/* Parse an interval; false if it is none, or no valid deadline. */
extern bool deadline_read_interval(const char *text, Interval *interval, MessageProblem *problem);

/*
 * The time at which an interval from now ends; false if it is not above zero, or longer
 * than a year.
 */
extern bool deadline_after(const Interval *interval, TimestampTz *deadline,
						   MessageProblem *problem);

/*
 * The deadline in the envelope, 0 if there is none: a time in ISO 8601 (zone applies if
 * it has none), or an interval.  A flat row has no deadline.
 */
extern bool deadline_of_message(const MessageParts *parts, pg_tz *zone, TimestampTz *deadline,
								MessageProblem *problem);

#endif							/* HUBSPOT_DEADLINE_H */
