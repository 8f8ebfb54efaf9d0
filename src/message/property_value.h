/*
 * property_value.h
 *		A trait's value as a HubSpot property of a certain type takes it.
 */
#ifndef HUBSPOT_PROPERTY_VALUE_H
#define HUBSPOT_PROPERTY_VALUE_H

#include "lib/stringinfo.h"
#include "pgtime.h"
#include "utils/jsonb.h"

#include "message/schema.h"

/* What was wrong with a value; texts are constant or palloc'd. */
typedef struct ValueProblem
{
	const char *code;			/* NULL: nothing */
	const char *detail;
} ValueProblem;

/*
 * Append the value as a JSON string by the rules of the property's type (NULL:
 * a string).  Returns false, having appended nothing, when the value has to be
 * dropped; problem then says why, and also what was left out of a value that
 * was appended.  zone is what dates and times without a zone are in.
 */
extern bool property_value_append(StringInfo json, const Property *property,
								  const JsonbValue *value,
								  pg_tz *zone, ValueProblem *problem);

/* The moment that a text in ISO 8601 means; zone is that of one without. */
extern bool property_value_read_time(const char *text, pg_tz *zone, TimestampTz *at);

/* Append a time as HubSpot takes it: UTC, milliseconds cut, in quotes. */
extern void property_value_append_time(StringInfo json, TimestampTz at);

/* The type that a property for values like this one would have; text stays text. */
extern const char *property_type_for(const JsonbValue *value);

#endif							/* HUBSPOT_PROPERTY_VALUE_H */
