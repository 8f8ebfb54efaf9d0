/*
 * deadline.c
 *		How long a call may wait: by the argument, or by the message.
 *
 * A trigger's statement must not fail because of text that is no interval, so nothing
 * here raises an error.  Memory is the caller's context.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datetime.h"

#include "base/hubspot.h"
#include "enqueue/deadline.h"
#include "mapping/property_value.h"
#include "text/interval.h"

#define EXPECTED "Expected an interval above zero and of at most a year, such as \"15 minutes\"."
#define EXPECTED_IN_MESSAGE \
	"Expected ISO 8601, such as \"2026-11-23T10:00:00Z\", or an interval, " \
	"such as \"15 minutes\"; at most a year from now."

static const Interval none = {0};
static const Interval longest = {.month = 12};

static int32
compare(const Interval *a, const Interval *b)
{
	return DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(a),
											 IntervalPGetDatum(b)));
}

static TimestampTz
now_and(const Interval *interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(GetCurrentTimestamp()),
												   IntervalPGetDatum(interval)));
}

bool
deadline_read_interval(const char *text, Interval *interval, MessageProblem *problem)
{
	TimestampTz ignored;

	if (!interval_decode(text, interval))
		return message_bad(problem, psprintf("deadline \"%s\" is not an interval", text), EXPECTED);
	return deadline_after(interval, &ignored, problem);
}

bool
deadline_after(const Interval *interval, TimestampTz *deadline, MessageProblem *problem)
{
	if (compare(interval, &none) <= 0 || compare(interval, &longest) > 0)
	{
		Datum		text = DirectFunctionCall1(interval_out, IntervalPGetDatum(interval));

		return message_bad(problem,
						   psprintf("deadline \"%s\" is not usable", DatumGetCString(text)),
						   EXPECTED);
	}
	*deadline = now_and(interval);
	return true;
}

bool
deadline_of_message(const MessageParts *parts, pg_tz *zone, TimestampTz *deadline,
					MessageProblem *problem)
{
	JsonbValue	value;
	Interval	interval;
	char	   *text = NULL;

	*deadline = 0;
	if (parts->flat || !message_member(parts->root, "deadline", &value))
		return true;
	if (value.type == jbvString && value.val.string.len < MAXDATELEN)
		text = pnstrdup(value.val.string.val, value.val.string.len);
	if (text != NULL && property_value_read_time(text, zone, deadline) &&
		*deadline <= now_and(&longest))
		return true;
	*deadline = 0;
	if (text != NULL && deadline_read_interval(text, &interval, problem))
		return deadline_after(&interval, deadline, problem);
	return message_bad(problem, "field \"deadline\" of the message is not usable",
					   EXPECTED_IN_MESSAGE);
}
