/*
 * property_value.c
 *		Converts a trait's value to the type of a HubSpot property.
 *
 * Pure: one function per type, looked up in a table.  No value raises an error: a value
 * that does not fit is dropped with a reason.  The rules are in docs/mapping.md.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "mapping/choice.h"
#include "mapping/property_value.h"
#include "message/message.h"
#include "text/value.h"

#define OPTIONS_SHOWN	10		/* # of valid options shown in a warning */

/* A scalar as text; the text is not NUL-terminated. */
typedef struct Text
{
	const char *data;
	int			len;
} Text;

static bool
drop(ValueProblem *problem, const char *code, const char *detail)
{
	problem->code = code;
	problem->detail = detail;
	return false;
}

static Text
trimmed(const char *data, int len)
{
	Text		text;

	while (len > 0 && isspace((unsigned char) *data))
		data++, len--;
	while (len > 0 && isspace((unsigned char) data[len - 1]))
		len--;
	text.data = data;
	text.len = len;
	return text;
}

static bool
text_is(Text text, const char *other)
{
	return text.len == strlen(other) && pg_strncasecmp(text.data, other, text.len) == 0;
}

/* ---- string ---------------------------------------------------------------------- */

static bool
append_string(StringInfo json, const Property *property, const JsonbValue *value, pg_tz *zone,
			  ValueProblem *problem)
{
	if (value_append(json, value))
		(void) drop(problem, "truncated", "cut at 65536 characters");
	return true;
}

/* ---- number ---------------------------------------------------------------------- */

/* Whether it is exactly one decimal number: sign, digits, point, digits. */
static bool
is_decimal(Text text)
{
	int			i = 0;
	int			digits = 0;

	if (i < text.len && (text.data[i] == '-' || text.data[i] == '+'))
		i++;
	for (; i < text.len && isdigit((unsigned char) text.data[i]); i++)
		digits++;
	if (i < text.len && text.data[i] == '.')
		for (i++; i < text.len && isdigit((unsigned char) text.data[i]); i++)
			digits++;
	return digits > 0 && i == text.len;
}

/* Append the number without "+", and with digits on both sides of the point. */
static void
append_decimal(StringInfo json, Text text)
{
	appendStringInfoChar(json, '"');
	if (text.data[0] == '-')
		appendStringInfoChar(json, '-');
	if (text.data[0] == '-' || text.data[0] == '+')
		text.data++, text.len--;
	if (text.data[0] == '.')
		appendStringInfoChar(json, '0');
	if (text.data[text.len - 1] == '.')
		text.len--;
	appendBinaryStringInfo(json, text.data, text.len);
	appendStringInfoChar(json, '"');
}

static bool
append_number(StringInfo json, const Property *property, const JsonbValue *value, pg_tz *zone,
			  ValueProblem *problem)
{
	Text		text;

	if (value->type == jbvNumeric)
		return append_string(json, NULL, value, zone, problem);
	if (value->type != jbvString)
		return drop(problem, "invalid_number", "expected a number");
	text = trimmed(value->val.string.val, value->val.string.len);
	if (!is_decimal(text))
		return drop(problem, "invalid_number",
					"expected a decimal number without exponent and separators");
	append_decimal(json, text);
	return true;
}

/* ---- bool -------------------------------------------------------------------------- */

static const char *const true_words[] = {"true", "t", "yes", "on", "1", NULL};
static const char *const false_words[] = {"false", "f", "no", "off", "0", NULL};

static bool
is_one_of(Text text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (text_is(text, *words))
			return true;
	return false;
}

/* "true" or "false"; NULL if the value is neither. */
static const char *
truth_of(const JsonbValue *value)
{
	Text		text = {"", 0};

	if (value->type == jbvBool)
		return value->val.boolean ? "true" : "false";
	if (value->type == jbvString)
		text = trimmed(value->val.string.val, value->val.string.len);
	else if (value->type == jbvNumeric)
	{
		text.data =
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		text.len = strlen(text.data);
	}
	return is_one_of(text, true_words) ? "true" : is_one_of(text, false_words) ? "false" : NULL;
}

static bool
append_bool(StringInfo json, const Property *property, const JsonbValue *value, pg_tz *zone,
			ValueProblem *problem)
{
	const char *truth = truth_of(value);

	if (truth == NULL)
		return drop(problem, "invalid_boolean",
					"expected true, false, t, f, yes, no, on, off, 1 or 0");
	value_append_string(json, truth, strlen(truth));
	return true;
}

/* ---- enumeration -------------------------------------------------------------------- */

/* The option's value for a text that is such a value; NULL: it is none. */
static const char *
find_option(const Property *property, Text text)
{
	for (int i = 0; i < property->noptions; i++)
		if (strlen(property->options[i].value) == text.len &&
			memcmp(property->options[i].value, text.data, text.len) == 0)
			return property->options[i].value;
	return NULL;
}

static const char *
find_option_by_label(const Property *property, Text text)
{
	for (int i = 0; i < property->noptions; i++)
		if (text_is(text, property->options[i].label))
			return property->options[i].value;
	return NULL;
}

static const char *
options_hint(const Property *property)
{
	StringInfoData hint;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "valid options are: ");
	for (int i = 0; i < property->noptions && i < OPTIONS_SHOWN; i++)
		appendStringInfo(&hint, "%s%s", i > 0 ? ", " : "", property->options[i].value);
	if (property->noptions > OPTIONS_SHOWN)
		appendStringInfo(&hint, " and %d more", property->noptions - OPTIONS_SHOWN);
	return hint.data;
}

/*
 * The option for a value, or the id of an owner; NULL: problem says why there is none.  Options
 * that HubSpot does not list are not checked.
 */
static const char *
option_of(const Property *property, const JsonbValue *value, ValueProblem *problem)
{
	char	   *text;
	const char *truth = property->is_truth ? truth_of(value) : NULL;
	const char *option;

	switch (value->type)
	{
		case jbvString:
			text = pnstrdup(value->val.string.val, value->val.string.len);
			break;
		case jbvBool:
			text = pstrdup(value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			text = DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
			break;
		default:
			text = NULL;
	}
	if (text == NULL)
	{
		if (property->owners != NULL)
			(void) drop(problem, "unknown_owner",
						"expected an e-mail address, a full name or an id");
		else
			(void) drop(problem, "invalid_option", options_hint(property));
		return NULL;
	}
	if (property->owners != NULL)
		return owner_id(property->owners, text, strlen(text), problem);
	/* Dropping a value because the list is unknown would lose it; HubSpot decides. */
	if (property->noptions == 0)
		return truth != NULL ? truth : text;
	option = find_option(property, trimmed(text, strlen(text)));

	/*
	 * Before the labels, which are words of any language: yes must not mean what some language has
	 * put there.
	 */
	if (option == NULL && truth != NULL)
		option = find_option(property, trimmed(truth, strlen(truth)));
	if (option == NULL)
		option = find_option_by_label(property, trimmed(text, strlen(text)));
	if (option == NULL && property->is_external)
		return text;
	if (option == NULL)
	{
		problem->missed |= CHOICE_OPTION;
		(void) drop(problem, "invalid_option", options_hint(property));
	}
	return option;
}

static bool
append_option(StringInfo json, const Property *property, const JsonbValue *value, pg_tz *zone,
			  ValueProblem *problem)
{
	const char *option = option_of(property, value, problem);

	if (option == NULL)
		return false;
	value_append_string(json, option, strlen(option));
	return true;
}

/* The chosen options of a property with several. */
typedef struct Members
{
	const Property *property;
	StringInfoData text;		/* "a;b", each once; with ";" before it: to be added */
	int			start;			/* of the first */
	StringInfoData refused;
	ValueProblem problem;		/* of the last one of these */
} Members;

/* Whether a list "a;b" has a member. */
static bool
has_member(const char *list, int list_len, const char *member, int len)
{
	for (const char *end = list + list_len; list <= end;)
	{
		const char *next = memchr(list, ';', end - list);
		int			part = (next != NULL ? next : end) - list;

		if (part == len && memcmp(list, member, len) == 0)
			return true;
		list += part + 1;
	}
	return false;
}

/* Put a member behind a list that begins at start, unless it is there. */
static void
append_member(StringInfo text, int start, const char *member, int len)
{
	if (text->len > start && has_member(text->data + start, text->len - start, member, len))
		return;
	if (text->len > start)
		appendStringInfoChar(text, ';');
	appendBinaryStringInfo(text, member, len);
}

static void
add_member(Members *members, const JsonbValue *value)
{
	const char *option = option_of(members->property, value, &members->problem);

	if (option != NULL)
	{
		append_member(&members->text, members->start, option, strlen(option));
		return;
	}
	appendStringInfo(&members->refused, "%s", members->refused.len > 0 ? ", " : "");
	value_append_compact(&members->refused, value);
}

static void
add_members_of_text(Members *members, const char *text, int len)
{
	while (len > 0)
	{
		const char *end = memchr(text, ';', len);
		int			part = end != NULL ? end - text : len;
		Text		member = trimmed(text, part);
		JsonbValue	value = {.type = jbvString};

		value.val.string.val = unconstify(char *, member.data);
		value.val.string.len = member.len;
		if (member.len > 0)
			add_member(members, &value);
		text += part + (end != NULL);
		len -= part + (end != NULL);
	}
}

static void
add_members_of_array(Members *members, JsonbContainer *array)
{
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM || value.type == jbvNull)
			continue;
		/* a text that nothing is compared with may have ";" in it, or be empty */
		if (value.type == jbvString && members->property->noptions == 0)
			add_members_of_text(members, value.val.string.val, value.val.string.len);
		else
			add_member(members, &value);
	}
}

/* An array, or text with ";".  A leading ";" makes HubSpot add to the present options. */
static bool
append_options(StringInfo json, const Property *property, const JsonbValue *value, pg_tz *zone,
			   ValueProblem *problem)
{
	Members		members = {.property = property};
	bool		has_any;

	initStringInfo(&members.text);
	initStringInfo(&members.refused);
	if (value->type == jbvString)
	{
		if (property_value_is_change(property, value->val.string.val, value->val.string.len))
			appendStringInfoChar(&members.text, ';');
		members.start = members.text.len;
		add_members_of_text(&members, value->val.string.val, value->val.string.len);
	}
	else if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data))
		add_members_of_array(&members, value->val.binary.data);
	else
		add_member(&members, value);

	*problem = members.problem;
	if (members.refused.len > 0)
		problem->detail = psprintf("left out: %s; %s", members.refused.data, problem->detail);

	/*
	 * An empty array clears the property.  An array without any valid option does not, nor does a
	 * ";" that adds nothing: neither was meant to clear.
	 */
	has_any = members.text.len > members.start;
	if (!has_any && members.start > 0 && members.refused.len == 0)
		return drop(problem, "invalid_option", "there is nothing behind the \";\" to be added");
	if (!has_any && members.refused.len > 0)
		return false;
	value_append_string(json, members.text.data, members.text.len);
	return true;
}

/* ---- date, datetime ------------------------------------------------------------------- */

/* A date or time as written. */
typedef struct Moment
{
	struct pg_tm tm;
	fsec_t		fsec;
	bool		has_zone;
	int			zone;			/* seconds west of UTC */
	bool		has_time;
} Moment;

/* Whether the text after the date names a zone: Z, +hh:mm, -hhmm, or letters. */
static bool
names_zone(Text text)
{
	for (int i = 10; i < text.len; i++)
		if (text.data[i] == '+' || text.data[i] == '-' ||
			(isalpha((unsigned char) text.data[i]) &&
			 !(i == 10 && (text.data[i] == 'T' || text.data[i] == 't'))))
			return true;
	return false;
}

/* Cut the seconds after six digits: further ones would be rounded. */
static void
cut_fraction(char *text)
{
	char	   *point = strchr(text, '.');
	size_t		digits = point == NULL ? 0 : strspn(point + 1, "0123456789");

	if (digits > 6)
		memmove(point + 7, point + 1 + digits, strlen(point + 1 + digits) + 1);
}

/* ISO 8601: YYYY-MM-DD, alone or followed by a time of day and a zone. */
static bool
read_moment(Text text, Moment *moment)
{
	char		workbuf[MAXDATELEN + MAXDATEFIELDS];
	char		copy[MAXDATELEN + 1];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nf;
	int			dtype;
	DateTimeErrorExtra extra;

	if (text.len < 10 || text.len > MAXDATELEN || !message_is_iso(text.data, text.len) ||
		text.data[4] != '-' || text.data[7] != '-' ||
		strspn(text.data, "0123456789") < 4)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	cut_fraction(copy);
	moment->has_zone = names_zone(text);
	moment->has_time = text.len > 10;
	return ParseDateTime(copy, workbuf, sizeof(workbuf), field, ftype, MAXDATEFIELDS, &nf) == 0 &&
		DecodeDateTime(field, ftype, nf, &dtype, &moment->tm, &moment->fsec, &moment->zone,
					   &extra) == 0 &&
		dtype == DTK_DATE;
}

/* Years that HubSpot can write. */
static bool
is_in_range(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;

	return timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) == 0 && tm.tm_year >= 1 &&
		tm.tm_year <= 9999;
}

/* The time in UTC; false if it is out of range. */
static bool
moment_timestamp(Moment *moment, pg_tz *zone, TimestampTz *result)
{
	int			offset =
	(moment->has_zone ? moment->zone : DetermineTimeZoneOffset(&moment->tm, zone));

	return tm2timestamp(&moment->tm, moment->fsec, &offset, result) == 0 && is_in_range(*result);
}

bool
property_value_read_time(const char *text, pg_tz *zone, TimestampTz *at)
{
	Moment		moment;

	return read_moment(trimmed(text, strlen(text)), &moment) && moment_timestamp(&moment, zone, at);
}

static void
append_day(StringInfo json, const struct pg_tm *tm)
{
	appendStringInfo(json, "\"%04d-%02d-%02d\"", tm->tm_year, tm->tm_mon, tm->tm_mday);
}

static bool
append_date(StringInfo json, const Property *property, const JsonbValue *value, pg_tz *zone,
			ValueProblem *problem)
{
	Moment		moment;
	TimestampTz at;
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (value->type == jbvNumeric)
		return drop(problem, "invalid_date",
					"a bare number is ambiguous: send ISO 8601, such as 2026-11-23");
	if (value->type != jbvString ||
		!read_moment(trimmed(value->val.string.val, value->val.string.len), &moment))
		return drop(problem, "invalid_date", "expected ISO 8601, such as 2026-11-23");
	if (!moment_timestamp(&moment, zone, &at) ||
		timestamp2tm(at, &offset, &tm, &fsec, NULL, zone) != 0 || tm.tm_year < 1 ||
		tm.tm_year > 9999)
		return drop(problem, "invalid_date", "it is out of range");

	/*
	 * A date is a day of the calendar: without a zone it is taken as written.  With a zone it is
	 * the day at that time in the account's zone.
	 */
	if (!moment.has_zone)
	{
		append_day(json, &moment.tm);
		return true;
	}
	append_day(json, &tm);
	return true;
}

void
property_value_append_time(StringInfo json, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;

	(void) timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL);
	appendStringInfo(json, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year, tm.tm_mon,
					 tm.tm_mday,
					 tm.tm_hour, tm.tm_min, tm.tm_sec, (int) (fsec / 1000));
}

/* Append a number as a time: one of 12 digits or more is milliseconds since 1970. */
static bool
append_epoch(StringInfo json, Numeric number, ValueProblem *problem)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	size_t		digits = strspn(text, "0123456789");
	int64		ms = strtoll(text, NULL, 10);

	if (digits < 12 || digits > 15 || text[digits] != '\0')
		return drop(problem, "invalid_datetime",
					"a number is taken for milliseconds and needs 12 digits; better send ISO 8601");
	if (ms / 1000 > INT64CONST(253402300799))
		return drop(problem, "invalid_datetime", "it is out of range");
	property_value_append_time(json,
							   (ms - (int64) (POSTGRES_EPOCH_JDATE -
											  UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000) * 1000);
	return true;
}

static bool
append_datetime(StringInfo json, const Property *property, const JsonbValue *value, pg_tz *zone,
				ValueProblem *problem)
{
	Moment		moment;
	TimestampTz at;

	if (value->type == jbvNumeric)
		return append_epoch(json, value->val.numeric, problem);
	if (value->type != jbvString ||
		!read_moment(trimmed(value->val.string.val, value->val.string.len), &moment))
		return drop(problem, "invalid_datetime",
					"expected ISO 8601, such as 2026-11-23T10:00:00.000Z");
	if (!moment_timestamp(&moment, zone, &at))
		return drop(problem, "invalid_datetime", "it is out of range");
	property_value_append_time(json, at);
	return true;
}

/* ---- by type ---------------------------------------------------------------------------- */

typedef bool (*AppendValue) (StringInfo json, const Property *property, const JsonbValue *value,
							 pg_tz *zone, ValueProblem *problem);

static const AppendValue append_by_type[] = {
	[PROPERTY_STRING] = append_string,
	[PROPERTY_NUMBER] = append_number,
	[PROPERTY_BOOL] = append_bool,
	[PROPERTY_ENUMERATION] = append_option,
	[PROPERTY_DATE] = append_date,
	[PROPERTY_DATETIME] = append_datetime,
};

bool
property_value_append(StringInfo json, const Property *property, const JsonbValue *value,
					  pg_tz *zone, ValueProblem *problem)
{
	memset(problem, 0, sizeof(*problem));

	/* null and "" clear a property of any type */
	if (property == NULL || value->type == jbvNull ||
		(value->type == jbvString && value->val.string.len == 0))
		return append_string(json, property, value, zone, problem);
	if (property->type == PROPERTY_ENUMERATION && property->multiple)
		return append_options(json, property, value, zone, problem);
	return append_by_type[property->type] (json, property, value, zone, problem);
}

/* ---- states and changes -------------------------------------------------------------------- */

bool
property_value_is_change(const Property *property, const char *text, int len)
{
	return len > 0 && text[0] == ';' &&
		(property == NULL || (property->type == PROPERTY_ENUMERATION && property->multiple));
}

/* A ";" is never part of an escape. */
void
property_value_apply(StringInfo json, const char *before, int before_len, const char *change,
					 int change_len)
{
	const char *end = change + change_len - 1;
	int			start;

	appendBinaryStringInfo(json, before, before_len - 1);
	start = json->len - (before_len - 2);
	if (before[1] == ';')
		start++;
	for (const char *member = change + 2; member < end;)
	{
		const char *next = memchr(member, ';', end - member);
		int			len = (next != NULL ? next : end) - member;

		append_member(json, start, member, len);
		member += len + 1;
	}
	appendStringInfoChar(json, '"');
}

const char *
property_type_for(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNumeric:
			return "number";
		case jbvBool:
			return "bool";
		default:
			return "string";
	}
}

const char *
property_type_of_both(const char *type, const char *other)
{
	return strcmp(type, other) == 0 ? type : "string";
}
