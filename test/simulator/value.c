/*
 * value.c
 *	  What makes a property value valid; see property.h.
 *
 * Encodings follow section 8.1 and 8.3 of the notes.  Where HubSpot is known
 * to tolerate more than its documentation says, so do we (white space around
 * values that are no text); where nothing is known, the documentation rules.
 */
#include "property.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "owner.h"
#include "reading.h"

#define MAX_STRING		65536
#define MAX_EMAIL		254
#define DAY_MS			INT64_C(86400000)

/*
 * Generic top-level domains that are accepted, beside every one of two
 * letters.  IANA's list has over a thousand more; an address under one of
 * those is refused here although HubSpot takes it.
 */
static const char *const top_level[] = {
	"academy", "aero", "agency", "app", "art", "asia", "bank", "berlin", "biz", "blog", "cafe",
	"cat", "center", "city", "cloud", "club", "codes", "com", "community", "company", "consulting",
	"coop", "design", "dev", "digital", "earth", "edu", "education", "email", "energy", "engineering",
	"expert", "finance", "fund", "game", "games", "global", "gmbh", "gov", "group", "guru", "health",
	"hamburg", "host", "house", "inc", "info", "ink", "institute", "int", "international", "jobs",
	"koeln", "law", "legal", "life", "link", "live", "llc", "london", "ltd", "marketing", "media",
	"mil", "mobi", "museum", "name", "net", "network", "news", "nyc", "one", "online", "org", "page",
	"partners", "paris", "photo", "photography", "plus", "post", "press", "pro", "school", "science",
	"services", "shop", "site", "social", "software", "solutions", "space", "store", "studio",
	"support", "swiss", "systems", "team", "tech", "technology", "tel", "tips", "today", "tools",
	"top", "trade", "training", "travel", "university", "uno", "ventures", "video", "vip", "website",
	"wiki", "wien", "work", "works", "world", "xxx", "xyz", "zone",
};

/* The text without white space around it: itself when there is none. */
static const char *
trimmed(const char *text)
{
	size_t		len = strlen(text);
	size_t		start = strspn(text, " \t\r\n");

	while (len > start && isspace((unsigned char) text[len - 1]))
		len--;
	if (start == 0 && text[len] == '\0')
		return text;
	return scratch_strndup(text + start, len - start);
}

static const char *
lower(const char *text)
{
	const char *at = text;
	char	   *copy;

	while (*at != '\0' && !(*at >= 'A' && *at <= 'Z'))
		at++;
	if (*at == '\0')
		return text;
	copy = scratch_strndup(text, strlen(text));
	for (char *c = copy; *c != '\0'; c++)
	{
		if (*c >= 'A' && *c <= 'Z')
			*c = (char) (*c + 32);
	}
	return copy;
}

const char *
value_key(const Property *property, const char *text)
{
	return property->role == ROLE_EMAIL ? lower(trimmed(text)) : text;
}

/* Characters of an unquoted local part, beside the dot between them. */
static bool
is_atom(char c)
{
	return isalnum((unsigned char) c) || strchr("!#$%&'*+/=?^_`{|}~-", c) != NULL;
}

static bool
known_top_level(const char *label)
{
	size_t		len = strlen(label);

	if (len == 2 && isalpha((unsigned char) label[0]) && isalpha((unsigned char) label[1]))
		return true;
	if (strncmp(label, "xn--", 4) == 0 && len > 4)
		return true;
	if ((unsigned char) label[0] >= 0x80)
		return true;
	for (size_t i = 0; i < sizeof(top_level) / sizeof(top_level[0]); i++)
	{
		if (strcmp(top_level[i], label) == 0)
			return true;
	}
	return false;
}

/* The address is in lower case already. */
static bool
valid_email(const char *text)
{
	const char *at = strchr(text, '@');
	const char *last_dot = NULL;
	size_t		label = 0;

	if (at == NULL || at == text || at - text > 64 || strlen(text) > MAX_EMAIL)
		return false;
	for (const char *c = text; c < at; c++)
	{
		if (*c == '.' ? (c == text || c + 1 == at || c[1] == '.') : !is_atom(*c))
			return false;
	}
	for (const char *c = at + 1;; c++)
	{
		if (*c == '.' || *c == '\0')
		{
			if (label == 0 || label > 63 || c[-1] == '-')
				return false;
			if (*c == '\0')
				break;
			last_dot = c;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char) *c) && (unsigned char) *c < 0x80 && (*c != '-' || label == 0))
			return false;
		label++;
	}
	return last_dot != NULL && known_top_level(last_dot + 1);
}

static size_t
character_count(const char *text)
{
	size_t		count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char) *text & 0xC0) != 0x80;
	return count;
}

static bool
valid_number(const char *text)
{
	size_t		digits;

	text += *text == '-';
	digits = strspn(text, "0123456789");
	text += digits;
	if (*text == '.')
	{
		size_t		decimals = strspn(text + 1, "0123456789");

		digits += decimals;
		text += 1 + decimals;
	}
	return digits > 0 && *text == '\0';
}

static bool
parse_ms(const char *text, int64_t *ms)
{
	const char *digits = text + (*text == '-');
	size_t		len = strlen(digits);

	if (len == 0 || len > 15 || strspn(digits, "0123456789") != len)
		return false;
	*ms = strtoll(text, NULL, 10);
	return true;
}

/* Two or four digits at text, or -1. */
static int
digits_at(const char *text, int count)
{
	int			number = 0;

	for (int i = 0; i < count; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/* YYYY-MM-DD at the start of text, as days since 1970. */
static bool
parse_day(const char *text, int64_t *days)
{
	int			year = digits_at(text, 4);
	int			month;
	int			day;
	struct tm	tm = {0};
	time_t		t;

	if (year < 0 || text[4] != '-')
		return false;
	month = digits_at(text + 5, 2);
	if (month < 1 || month > 12 || text[7] != '-')
		return false;
	day = digits_at(text + 8, 2);
	if (day < 1 || day > 31)
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	t = timegm(&tm);
	/* The 31st of a month of 30 days came out as another month. */
	if (tm.tm_mon != month - 1)
		return false;
	*days = t / 86400;
	return true;
}

static bool
parse_moment(const char *text, int64_t *ms)
{
	int64_t		days;
	int			hour;
	int			minute;
	int			second;
	int			fraction = 0;
	int			scale = 100;

	if (parse_ms(text, ms))
		return true;
	if (!parse_day(text, &days) || text[10] != 'T')
		return false;
	hour = digits_at(text + 11, 2);
	if (hour < 0 || hour > 23 || text[13] != ':')
		return false;
	minute = digits_at(text + 14, 2);
	if (minute < 0 || minute > 59)
		return false;
	text += 16;
	second = 0;
	if (*text == ':')
	{
		second = digits_at(text + 1, 2);
		if (second < 0 || second > 59)
			return false;
		text += 3;
		if (*text == '.')
		{
			if (!isdigit((unsigned char) text[1]))
				return false;
			for (text++; isdigit((unsigned char) *text); text++, scale /= 10)
				fraction += scale * (*text - '0');
		}
	}
	if (strcmp(text, "Z") != 0)
		return false;
	*ms = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + fraction;
	return true;
}

static const char *
moment_text(int64_t ms, size_t len)
{
	Buffer		text = {0};
	const char *copy;

	buffer_time(&text, ms);
	copy = scratch_strndup(text.data, len < text.len ? len : text.len);
	buffer_free(&text);
	return copy;
}

static const char *
check_date(const Property *property, const char *text, ProblemList *problems)
{
	int64_t		number;

	if (strlen(text) == 10 && parse_day(text, &number))
		return text;
	if (parse_ms(text, &number))
	{
		int64_t		rest = (number % DAY_MS + DAY_MS) % DAY_MS;

		if (rest == 0)
			return moment_text(number, 10);
		problem_add(problems, "INVALID_DATE", property->name,
					"%s is at %d:%02d:%02d.%03d UTC, not midnight!", text,
					(int) (rest / 3600000), (int) (rest / 60000 % 60),
					(int) (rest / 1000 % 60), (int) (rest % 1000));
		return NULL;
	}
	problem_add(problems, "INVALID_DATE", property->name,
				"%s was not a valid date.", text);
	return NULL;
}

static const char *
check_option(const Property *property, const char *text, ProblemList *problems)
{
	Buffer		allowed = {0};
	char	   *list;

	if (!property->multiple)
	{
		if (table_find(&property->option_index, text) != NULL)
			return text;
	}
	else
	{
		const char *item = text + (*text == ';');

		for (;;)
		{
			size_t		len = strcspn(item, ";");

			if (table_get(&property->option_index, item, len) == NULL)
				break;
			if (item[len] == '\0')
				return text;
			item += len + 1;
		}
	}
	buffer_puts(&allowed, "[");
	for (int i = 0; i < property->option_count; i++)
		buffer_printf(&allowed, "%s%s", i ? ", " : "", property->options[i].value);
	buffer_puts(&allowed, "]");
	list = scratch_strndup(allowed.data, allowed.len);
	buffer_free(&allowed);
	problem_add(problems, "INVALID_OPTION", property->name,
				"%s: %s was not one of the allowed options: %s", property->name, text, list);
	return NULL;
}

/* A validation rule of the account, which holds for what comes by the API, too (section 8.1). */
static const char *
check_letters(const Property *property, const char *text, ProblemList *problems)
{
	for (const char *c = text; *c != '\0'; c++)
		if (!isalpha((unsigned char) *c))
		{
			problem_add(problems, "INVALID_ALPHA", property->name,
						"%s must contain letters only", property->name);
			return NULL;
		}
	return text;
}

static const char *
check_email(const Property *property, const char *text, ProblemList *problems)
{
	const char *address = lower(trimmed(text));

	if (!valid_email(address))
	{
		problem_add(problems, "INVALID_EMAIL", property->name,
					"Email address %s is invalid", text);
		return NULL;
	}
	if (table_find(&property->type->blocked, address) != NULL)
	{
		problem_add(problems, "INVALID_EMAIL", property->name,
					"email has been GDPR blacklisted");
		return NULL;
	}
	return address;
}

static const char *
check_more_emails(const Property *property, const char *text, ProblemList *problems)
{
	Buffer		list = {0};
	const char *copy = NULL;

	while (*text != '\0')
	{
		size_t		len = strcspn(text, ";");

		if (len > 0)
		{
			const char *address = check_email(property, scratch_strndup(text, len), problems);

			if (address == NULL)
			{
				buffer_free(&list);
				return NULL;
			}
			buffer_printf(&list, "%s%s", list.len ? ";" : "", address);
		}
		text += len + (text[len] == ';');
	}
	copy = scratch_strndup(buffer_text(&list), list.len);
	buffer_free(&list);
	return copy;
}

/* One id, or several in a field of many. */
static const char *
check_owners(const Property *property, const char *text, ProblemList *problems)
{
	for (const char *at = text; *at != '\0';)
	{
		size_t		len = property->multiple ? strcspn(at, ";") : strlen(at);

		if (!owner_is_valid(at, len))
		{
			problem_add(problems, reading_is(READING_OTHER_CODES) ? "INVALID_OPTION" : "INVALID_OWNER_ID",
						property->name, "Owner with ID %.*s does not exist", (int) len, at);
			return NULL;
		}
		at += len + (at[len] == ';');
	}
	return text;
}

const char *
value_check(const Property *property, const char *text, ProblemList *problems)
{
	int64_t		ms;

	if (*text == '\0')
		return text;
	if (property->only_letters)
		return check_letters(property, text, problems);
	if (property->role == ROLE_EMAIL)
		return check_email(property, text, problems);
	if (property->role == ROLE_MORE_EMAILS)
		return check_more_emails(property, text, problems);
	if (property->role == ROLE_DOMAIN)
		return lower(trimmed(text));
	if (property->role == ROLE_OWNER)
		return check_owners(property, text, problems);
	if (property->external_options)
		return text;
	switch (property->value_type)
	{
		case VALUE_STRING:
			if (strlen(text) <= MAX_STRING || character_count(text) <= MAX_STRING)
				return text;
			problem_add(problems, "INVALID_LENGTH", property->name,
						"%s is longer than the maximum of %d characters",
						property->name, MAX_STRING);
			return NULL;
		case VALUE_NUMBER:
			text = trimmed(text);
			if (valid_number(text))
				return text;
			problem_add(problems, "INVALID_INTEGER", property->name,
						"%s was not a valid number.", text);
			return NULL;
		case VALUE_BOOL:
			text = trimmed(text);
			if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
				return text;
			return check_option(property, text, problems);
		case VALUE_ENUMERATION:
			return check_option(property, text, problems);
		case VALUE_DATE:
			return check_date(property, trimmed(text), problems);
		case VALUE_DATETIME:
			text = trimmed(text);
			if (parse_moment(text, &ms))
				return moment_text(ms, SIZE_MAX);
			problem_add(problems, "INVALID_DATE", property->name,
						"%s was not a valid date.", text);
			return NULL;
	}
	return NULL;
}
