/*
 * property_value.h
 *		Converts a trait's value to the type of a HubSpot property.
 */
#ifndef HUBSPOT_PROPERTY_VALUE_H
#define HUBSPOT_PROPERTY_VALUE_H

#include "lib/stringinfo.h"
#include "pgtime.h"
#include "utils/jsonb.h"

#include "mapping/schema.h"

/* What was wrong with a value; texts are constant or palloc'd. */
typedef struct ValueProblem
{
	const char *code;			/* NULL: nothing */
	const char *detail;
	uint8		missed;			/* lists (Choice) that may have it by now, if they are read again */
	uint8		used;			/* lists that were looked into, or should have been */
} ValueProblem;

/*
 * Append the value as a JSON string by the rules of the property's type (NULL: a string).
 * Returns false, and appends nothing, if the value must be dropped; problem then says
 * why. problem also says what was left out of a value that was appended. zone applies to
 * dates and times without a zone.
 */
extern bool property_value_append(StringInfo json, const Property *property,
								  const JsonbValue *value,
								  pg_tz *zone, ValueProblem *problem);

/*
 * Whether a value, as it is sent, is a change of what HubSpot has and not a state: options that
 * are added to those of a property with checkboxes.  Of a property that is not known (NULL) it
 * may be one.  A change must not be left out for a newer value of its kind, nor because it was
 * sent before, and what HubSpot holds after it is not known.  text: without quotes.
 */
extern bool property_value_is_change(const Property *property, const char *text, int len);

/*
 * Append, as a JSON string, what a change makes of the value before it, which may be a change
 * itself.  Both as they were appended by property_value_append(), with their quotes.
 */
extern void property_value_apply(StringInfo json, const char *before, int before_len,
								 const char *change, int change_len);

/* Read a time in ISO 8601; zone applies if it has none. */
extern bool property_value_read_time(const char *text, pg_tz *zone, TimestampTz *at);

/* Append a time as HubSpot takes it: UTC, milliseconds cut, in quotes. */
extern void property_value_append_time(StringInfo json, TimestampTz at);

/* The type for a new property with values like this one; text stays text. */
extern const char *property_type_for(const JsonbValue *value);

/* The type that fits the values of two; text fits any. */
extern const char *property_type_of_both(const char *type, const char *other);

#endif							/* HUBSPOT_PROPERTY_VALUE_H */
