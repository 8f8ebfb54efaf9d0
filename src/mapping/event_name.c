/*
 * event_name.c
 *		Which definition an event means, and how one that is created is named.
 *
 * Pure.  HubSpot's names of events have few characters and a bound.  What a name loses on
 * the way there must not make two events one: it is found by a form only that keeps all that
 * could tell it from another, and what HubSpot cannot write goes into a digest.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "mapping/schema.h"

#define EVENT_NAME_MAX	50
#define DIGEST_CHARS	8
#define DIGIT_PREFIX	"n_"	/* before a name that begins with a digit */

/* ---- forms of a name -------------------------------------------------------------- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_';
}

/* White space and punctuation that only separates words; other signs may mean something. */
static bool
separates(unsigned char c)
{
	return c <= ' ' || c == 0x7f || strchr("_-.:;,!?/\\|()[]{}'\"`", c) != NULL;
}

/* Lower case, words separated by "_"; nothing else is lost. */
static char *
folded_name(const char *name, int len)
{
	char	   *result = palloc(len + 1);
	int			used = 0;

	for (int i = 0; i < len; i++)
		if (!separates(name[i]))
			result[used++] = pg_ascii_tolower((unsigned char) name[i]);
		else if (used > 0 && result[used - 1] != '_')
			result[used++] = '_';
	while (used > 0 && result[used - 1] == '_')
		used--;
	result[used] = '\0';
	return result;
}

/* Whether a folded name has no character that HubSpot cannot write, and not too many. */
static bool
is_written(const char *folded)
{
	size_t		len = strlen(folded);

	for (size_t i = 0; i < len; i++)
		if (!is_name_char(folded[i]))
			return false;
	return len > 0 && len <= EVENT_NAME_MAX;
}

/* Whether HubSpot can have the folded name as it is, and no other event is given this name. */
static bool
is_whole(const char *folded)
{
	size_t		prefix = strlen(DIGIT_PREFIX);

	return is_written(folded) && !is_digit(folded[0]) &&
		!(strncmp(folded, DIGIT_PREFIX, prefix) == 0 && is_digit(folded[prefix]));
}

/* FNV-1a: the same on every machine, as names in HubSpot outlive this one. */
static uint32
digest_of(const char *text)
{
	uint64		hash = UINT64CONST(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * UINT64CONST(0x100000001b3);
	return (uint32) (hash ^ (hash >> 32));
}

/* As much of the folded name as HubSpot can write, and what tells it from the rest. */
static char *
digested_name(const char *folded)
{
	char		readable[EVENT_NAME_MAX + 1];
	int			max = EVENT_NAME_MAX - DIGEST_CHARS - 1 - (int) strlen(DIGIT_PREFIX);
	int			used = 0;

	for (const char *c = folded; *c != '\0' && used < max; c++)
		if (is_name_char(*c) && *c != '_')
			readable[used++] = *c;
		else if (used > 0 && readable[used - 1] != '_')
			readable[used++] = '_';
	while (used > 0 && readable[used - 1] == '_')
		used--;
	readable[used] = '\0';
	return psprintf("%s%s_%08x", used == 0 ? "event" : is_digit(readable[0]) ? DIGIT_PREFIX : "",
					readable, digest_of(folded));
}

char *
schema_event_name(const char *name, int len)
{
	char	   *folded = folded_name(name, len);

	if (is_whole(folded))
		return folded;
	if (is_digit(folded[0]))
	{
		char	   *prefixed = psprintf("%s%s", DIGIT_PREFIX, folded);

		if (is_written(prefixed))
			return prefixed;
	}
	return digested_name(folded);
}

char *
schema_event_full_name(int64 portal_id, const char *name, int len)
{
	char	   *prefix = psprintf("pe" INT64_FORMAT "_", portal_id);
	char	   *folded = folded_name(name, len);

	if (strncmp(folded, prefix, strlen(prefix)) == 0 && is_whole(folded + strlen(prefix)))
		return folded;
	return psprintf("%s%s", prefix, schema_event_name(name, len));
}

/* ---- looking up ------------------------------------------------------------------- */

typedef const char *(*EventField) (const EventDefinition *event);

static const char *
full_name_of(const EventDefinition *event)
{
	return event->full_name;
}

static const char *
name_of(const EventDefinition *event)
{
	return event->name;
}

static const char *
label_of(const EventDefinition *event)
{
	return event->label;
}

/*
 * The definition with this text in its field.  Case counts only where it tells two apart; what
 * does not is no answer, and alike has two of them.
 */
static const EventDefinition *
find_event(const Schema *schema, EventField field, const char *text, int len,
		   const EventDefinition *alike[2])
{
	const EventDefinition *found = NULL;
	const EventDefinition *second = NULL;
	int			nexact = 0;

	for (int i = 0; i < schema->nevents; i++)
	{
		const EventDefinition *event = &schema->events[i];
		const char *there = field(event);
		bool		exact;

		if (there == NULL || strlen(there) != len || pg_strncasecmp(there, text, len) != 0)
			continue;
		exact = memcmp(there, text, len) == 0;
		nexact += exact;
		if (found == NULL)
			found = event;
		else if (exact && nexact == 1)
		{
			second = found;
			found = event;
		}
		else
			second = event;
	}
	if (second == NULL || nexact == 1)
		return found;
	alike[0] = found;
	alike[1] = second;
	return NULL;
}

const EventDefinition *
schema_event(const Schema *schema, const char *name, int len, const EventDefinition *alike[2])
{
	static const EventField fields[] = {full_name_of, name_of, label_of};
	const EventDefinition *event = NULL;
	const char *folded;

	alike[0] = alike[1] = NULL;
	for (int i = 0; i < lengthof(fields) && event == NULL; i++)
		event = find_event(schema, fields[i], name, len, alike);
	if (event == NULL)
	{
		/* the separate words of a full name, too, whose length is not bounded as a name's is */
		folded = folded_name(name, len);
		event = find_event(schema, full_name_of, folded, strlen(folded), alike);
	}
	if (event == NULL)
	{
		folded = schema_event_name(name, len);
		event = find_event(schema, name_of, folded, strlen(folded), alike);
	}
	return event;
}
