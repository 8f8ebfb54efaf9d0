/*
 * encoding.c
 *		Texts on their way to HubSpot and back: there UTF-8, here the database's encoding.
 *
 * Requests are built and answers are read between transactions, where PostgreSQL's
 * conversions must not be called: they read the catalogs, and raise an error at the first
 * character that the other encoding lacks, which would end the worker.  So the conversion
 * functions of this database are looked up once, in a transaction, and called directly,
 * in the form that stops at such a character.  The functions of pg_catalog read no
 * catalog; others are not used.
 *
 * UTF8 needs none.  SQL_ASCII does not say what its bytes are: what is valid UTF-8 is
 * UTF-8, and answers are stored as they come.  Every server encoding is a superset of ASCII,
 * so that ASCII is never converted.
 *
 * Memory: of the caller, but for the texts of json-c's trees, which are malloc'd.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_conversion.h"
#include "catalog/pg_namespace.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "text/ascii.h"
#include "text/encoding.h"

/* One direction; function.fn_oid invalid: there is no conversion, only ASCII can be converted. */
typedef struct Way
{
	int			from;
	int			to;
	FmgrInfo	function;
} Way;

static bool prepared;
static Way	outward;
static Way	inward;

static void
find_way(Way *way, int from, int to)
{
	Oid			function = FindDefaultConversion(PG_CATALOG_NAMESPACE, from, to);

	way->from = from;
	way->to = to;
	if (OidIsValid(function))
		fmgr_info_cxt(function, &way->function, TopMemoryContext);
}

void
encoding_prepare(void)
{
	int			encoding = GetDatabaseEncoding();

	if (prepared)
		return;
	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
	{
		if (!IsTransactionState())
			elog(ERROR, "encodings are prepared inside a transaction");
		find_way(&outward, encoding, PG_UTF8);
		find_way(&inward, PG_UTF8, encoding);
	}
	prepared = true;
}

/* # of bytes of the character at text, or of the invalid bytes there; at least 1. */
static size_t
character_length(int encoding, const char *text, size_t len)
{
	int			length =
	pg_encoding_verifymbchar(encoding, text, Min(len, MAX_CONVERSION_INPUT_LENGTH));

	return length > 0 ? length : 1;
}

/*
 * Convert up to the first character that has no counterpart; returns the number of bytes
 * read. dst ends in '\0'.
 */
static size_t
convert_some(Way *way, const char *text, size_t len, char *dst)
{
	size_t		done = 0;

	if (OidIsValid(way->function.fn_oid))
		return DatumGetInt32(FunctionCall6(&way->function, Int32GetDatum(way->from),
										   Int32GetDatum(way->to),
										   CStringGetDatum(text), CStringGetDatum(dst),
										   Int32GetDatum((int32) len),
										   BoolGetDatum(true)));
	while (done < len && text[done] != '\0' && !IS_HIGHBIT_SET(text[done]))
	{
		dst[done] = text[done];
		done++;
	}
	dst[done] = '\0';
	return done;
}

/* # of bytes that the result may need, including '\0'. */
static size_t
room_for(size_t len)
{
	return len * MAX_CONVERSION_GROWTH + 1;
}

/*
 * Convert everything, with replacements; returns the length of the result; *whole: there
 * was no replacement.
 */
static size_t
convert(Way *way, const char *text, size_t len, char *dst, bool *whole)
{
	char	   *end = dst;

	*whole = true;
	while (len > 0)
	{
		size_t		done = convert_some(way, text, len, end);

		end += strlen(end);
		text += done;
		len -= done;
		if (len == 0)
			break;
		*whole = false;
		*end++ = ENCODING_REPLACEMENT;
		done = character_length(way->from, text, len);
		text += done;
		len -= done;
	}
	*end = '\0';
	return end - dst;
}

/* Replace the bytes of SQL_ASCII that are not UTF-8, one by one, so that the length stays. */
static size_t
repair_utf8(const char *text, size_t len, char *dst, bool *whole)
{
	size_t		used = 0;

	*whole = true;
	while (used < len)
	{
		int			length = pg_encoding_verifymbchar(PG_UTF8, text + used, (int) (len - used));

		if (length > 0)
			memcpy(dst + used, text + used, length);
		else
		{
			*whole = false;
			dst[used] = ENCODING_REPLACEMENT;
			length = 1;
		}
		used += length;
	}
	dst[used] = '\0';
	return used;
}

static bool
is_utf8_already(const char *text, size_t len)
{
	return GetDatabaseEncoding() == PG_UTF8 || is_ascii(text, len);
}

static char *
to_wire(const char *text, int *len, bool *whole)
{
	char	   *utf8;

	encoding_prepare();
	*whole = true;
	if (is_utf8_already(text, *len))
		return unconstify(char *, text);
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		utf8 = palloc(*len + 1);
		*len = (int) repair_utf8(text, *len, utf8, whole);
	}
	else
	{
		utf8 = palloc(room_for(*len));
		*len = (int) convert(&outward, text, *len, utf8, whole);
	}
	return utf8;
}

char *
encoding_to_wire(const char *text, int *len)
{
	bool		whole;

	return to_wire(text, len, &whole);
}

/* Whether UTF-8 is stored unchanged. */
bool
encoding_stays_utf8(void)
{
	return GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;
}

const char *
encoding_from_wire(const char *text)
{
	size_t		len;
	char	   *result;
	bool		whole;

	if (text == NULL || encoding_stays_utf8() || is_ascii(text, len = strlen(text)))
		return text;
	encoding_prepare();
	result = palloc(room_for(len));
	(void) convert(&inward, text, len, result, &whole);
	return result;
}

/* ---- answers -------------------------------------------------------------------- */

char *
encoding_from_wire_malloc(const char *text, size_t len, size_t *new_len)
{
	char	   *result = malloc(room_for(len));
	bool		whole;

	if (result != NULL)
		*new_len = convert(&inward, text, len, result, &whole);
	return result;
}

/* # of bytes of whole characters; HubSpot's text in SQL_ASCII is UTF-8. */
static int
clip(const char *text, int len, int limit)
{
	int			encoding = GetDatabaseEncoding();

	return pg_encoding_mbcliplen(encoding == PG_SQL_ASCII ? PG_UTF8 : encoding, text, len, limit);
}

void
encoding_array_from_wire(char *array, size_t size)
{
	size_t		len = strlen(array);
	size_t		new_len;
	char	   *result =
	(is_ascii(array, len) ? NULL : encoding_from_wire_malloc(array, len, &new_len));

	if (result == NULL)
		return;
	if (new_len >= size)
		new_len = clip(result, (int) new_len, (int) size - 1);
	memcpy(array, result, new_len);
	array[new_len] = '\0';
	free(result);
}

static bool
is_control(char c)
{
	return ((unsigned char) c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
}

void
encoding_copy(char *dst, size_t size, const char *text)
{
	size_t		len = strlen(text);

	if (len >= size)
		len = clip(text, (int) len, (int) size - 1);
	for (size_t i = 0; i < len; i++)
		dst[i] = is_control(text[i]) ? ' ' : text[i];
	dst[len] = '\0';
}

char *
encoding_bounded(MemoryContext context, const char *text, size_t max)
{
	size_t		size;
	char	   *copy;

	if (text == NULL)
		return NULL;
	size = strnlen(text, max) + 1;
	copy = MemoryContextAlloc(context, size);
	encoding_copy(copy, size, text);
	return copy;
}

/* ---- rows ----------------------------------------------------------------------- */

static bool
can_be_utf8(const char *text, int len)
{
	bool		whole;
	char	   *utf8 = to_wire(text, &len, &whole);

	if (utf8 != text)
		pfree(utf8);
	return whole;
}

static const char *
objection_to(const char *what, const char *name, int name_len)
{
	const char *encoding = GetDatabaseEncodingName();

	if (!can_be_utf8(name, name_len))
		name_len = 0;
	return psprintf("%s%s%.*s%s has bytes that are no text in UTF-8, "
					"which is what HubSpot takes (the database's encoding is %s)",
					what, name_len > 0 ? " \"" : "", name_len, name, name_len > 0 ? "\"" : "",
					encoding);
}

const char *
encoding_objection(const char *property, const char *key, Jsonb *message)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	const char *name = "";
	int			name_len = 0;

	if (GetDatabaseEncoding() == PG_UTF8)
		return NULL;
	if (!can_be_utf8(key, strlen(key)) ||
		(property != NULL && !can_be_utf8(property, strlen(property))))
		return objection_to("the key", "", 0);
	it = JsonbIteratorInit(&message->root);
	/* Names, too: a replaced character in a property's name would write to another property. */
	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if ((token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM) ||
			value.type != jbvString)
			continue;
		if (!can_be_utf8(value.val.string.val, value.val.string.len))
			return token == WJB_KEY ? objection_to("a name in the message", "", 0)
				: objection_to(name_len > 0 ? "the value of" : "the message", name, name_len);
		if (token == WJB_KEY)
		{
			name = value.val.string.val;
			name_len = value.val.string.len;
		}
	}
	return NULL;
}
