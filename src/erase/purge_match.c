/*
 * purge_match.c
 *		Whether a row is of, or mentions, a contact that is to be erased.
 *
 * See purge_match.h.  Nothing here touches a table; each row of the outbox passes
 * through, so nothing is allocated but for what looks like an address.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/hubspot.h"
#include "erase/purge_match.h"
#include "text/domain.h"
#include "text/encoding.h"

#define MAX_LOCAL	64			/* bytes before the "@" */
#define MAX_ADDRESS	1024		/* more than any address has, before its domain becomes ASCII */

typedef struct Identifier
{
	uint64		hash;			/* of SERVER and text; the key, first */
	const char *text;
	Oid			server;
	int64		before;			/* id of the last deletion that it is of */
} Identifier;

struct Identifiers
{
	HTAB	   *table;
	MemoryContext context;
};

Identifiers *
identifiers_create(void)
{
	Identifiers *set = palloc(sizeof(Identifiers));
	HASHCTL		control =
	{.keysize = sizeof(uint64), .entrysize = sizeof(Identifier), .hcxt = CurrentMemoryContext};

	set->context = CurrentMemoryContext;
	set->table =
		hash_create("hubspot erased contacts", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return set;
}

static uint64
hash_of(Oid server, const char *text, int len)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) text, len, server));
}

void
identifiers_add(Identifiers *set, Oid server, const char *text, int64 before)
{
	uint64		hash = hash_of(server, text, strlen(text));
	bool		found;
	Identifier *identifier = hash_search(set->table, &hash, HASH_ENTER, &found);

	if (!found)
	{
		identifier->text = MemoryContextStrdup(set->context, text);
		identifier->server = server;
		identifier->before = before;
	}
	identifier->before = Max(identifier->before, before);
}

bool
identifiers_has(const Identifiers *set, Oid server, const char *text, int len, int64 id)
{
	uint64		hash = hash_of(server, text, len);
	const Identifier *identifier = hash_search(set->table, &hash, HASH_FIND, NULL);

	return identifier != NULL && identifier->server == server && id < identifier->before &&
		strlen(identifier->text) == len && memcmp(identifier->text, text, len) == 0;
}

/* ---- addresses ------------------------------------------------------------------------ */

/* Characters of host names; bytes beyond ASCII belong to international ones. */
static bool
is_domain_char(unsigned char c)
{
	return isalnum(c) || c == '.' || c == '-' || c >= 0x80;
}

/* Usual before an "@": an address does not begin behind one of these. */
static bool
is_usual_char(unsigned char c)
{
	return isalnum(c) || strchr("._%+-", c) != NULL || c >= 0x80;
}

/* What may stand before an "@" at all, as message.c has it. */
static bool
is_local_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && strchr("\"(),:;<>@[\\]", c) == NULL;
}

/* An address as keys are: in lower case, its domain in ASCII. */
static bool
has_address(const Identifiers *set, Oid server, const char *address, int len, int at, int64 id)
{
	char		folded[MAX_ADDRESS + 1];
	char	   *domain;
	char	   *whole;
	bool		result;

	if (len > MAX_ADDRESS)
		return false;
	for (int i = 0; i < len; i++)
		folded[i] = pg_ascii_tolower((unsigned char) address[i]);
	folded[len] = '\0';
	if (domain_is_ascii(folded + at + 1))
		return identifiers_has(set, server, folded, len, id);
	len = strlen(folded + at + 1);
	domain = domain_to_ascii(encoding_to_wire(folded + at + 1, &len));
	if (domain == NULL)
		return false;
	whole = psprintf("%.*s@%s", at, folded, domain);
	result = identifiers_has(set, server, whole, strlen(whole), id);
	pfree(whole);
	pfree(domain);
	return result;
}

/* Addresses around the "@" at that place. */
static bool
has_address_at(const Identifiers *set, Oid server, const char *text, int len, int at, int64 id)
{
	int			end = at + 1;
	int			first = at;

	while (end < len && end - at <= MAX_ADDRESS - MAX_LOCAL &&
		   is_domain_char((unsigned char) text[end]))
		end++;
	while (end > at + 1 && (text[end - 1] == '.' || text[end - 1] == '-'))
		end--;
	while (first > 0 && at - first < MAX_LOCAL && is_local_char((unsigned char) text[first - 1]))
		first--;
	if (first == at || end == at + 1)
		return false;
	/* a string of its own is one address, whatever characters that has */
	if (first == 0 && end == len)
		return has_address(set, server, text, len, at, id);
	for (int begin = first; begin < at; begin++)
		if ((begin == 0 || !is_usual_char((unsigned char) text[begin - 1])) &&
			has_address(set, server, text + begin, end - begin, at - begin, id))
			return true;
	return false;
}

bool
identifiers_in_text(const Identifiers *set, Oid server, const char *text, int len, int64 id)
{
	const char *at = text;

	while ((at = memchr(at, '@', len - (at - text))) != NULL)
	{
		if (has_address_at(set, server, text, len, at - text, id))
			return true;
		at++;
	}
	return false;
}

/* ---- messages -------------------------------------------------------------------------- */

static bool
is_named(const JsonbValue *name, const char *wanted)
{
	return name->val.string.len == strlen(wanted) &&
		memcmp(name->val.string.val, wanted, name->val.string.len) == 0;
}

static bool
is_of_person(const JsonbValue *name)
{
	return is_named(name, "context") || is_named(name, "userId") || is_named(name, "user_id");
}

static bool
has_user_id(const Identifiers *set, Oid server, const JsonbValue *value, int64 id)
{
	if (value->type == jbvString)
		return identifiers_has(set, server, value->val.string.val, value->val.string.len, id);
	if (value->type == jbvNumeric)
	{
		char	   *text =
		DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		bool		result = identifiers_has(set, server, text, strlen(text), id);

		pfree(text);
		return result;
	}
	return false;
}

bool
identifiers_in_json(const Identifiers *set, Oid server, Jsonb *json, int64 id, bool without_person)
{
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	int			depth = 0;
	bool		skip = false;	/* the value of the root's member that comes next */
	bool		is_user_id = false;

	while ((token = JsonbIteratorNext(&iterator, &value, skip)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY)
			depth++;
		else if (token == WJB_END_OBJECT || token == WJB_END_ARRAY)
			depth--;
		else if (!skip)
		{
			if (is_user_id && token == WJB_VALUE && has_user_id(set, server, &value, id))
				return true;
			if (value.type == jbvString &&
				identifiers_in_text(set, server, value.val.string.val, value.val.string.len, id))
				return true;
		}
		skip = token == WJB_KEY && depth == 1 && without_person && is_of_person(&value);
		is_user_id = token == WJB_KEY && depth == 1 &&
			(is_named(&value, "userId") || is_named(&value, "user_id"));
	}
	return false;
}
