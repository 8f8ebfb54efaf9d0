/*
 * value.c
 *		jsonb values as the JSON strings that HubSpot takes.
 *
 * Pure functions; everything is appended to the caller's StringInfo.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/hubspot.h"
#include "text/encoding.h"
#include "text/value.h"

#define MAX_CURSOR		64		/* bytes of what names the next page */

void
value_append_string(StringInfo json, const char *text, int len)
{
	int			start = 0;

	appendStringInfoCharMacro(json, '"');
	for (int i = 0; i < len; i++)
	{
		unsigned char c = text[i];

		/* Runs of ordinary bytes are copied at once.  Bytes beyond ASCII are valid as they are. */
		if (likely(c >= ' ' && c != '"' && c != '\\'))
			continue;
		appendBinaryStringInfo(json, text + start, i - start);
		start = i + 1;
		switch (c)
		{
			case '"':
				appendStringInfoString(json, "\\\"");
				break;
			case '\\':
				appendStringInfoString(json, "\\\\");
				break;
			case '\n':
				appendStringInfoString(json, "\\n");
				break;
			case '\r':
				appendStringInfoString(json, "\\r");
				break;
			case '\t':
				appendStringInfoString(json, "\\t");
				break;
			default:
				appendStringInfo(json, "\\u%04x", c);
		}
	}
	appendBinaryStringInfo(json, text + start, len - start);
	appendStringInfoCharMacro(json, '"');
}

static char *
numeric_text(Numeric numeric)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(numeric)));
}

static void
append_container(StringInfo json, JsonbContainer *container)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		first = true;	/* no comma before the next member */

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if ((token == WJB_KEY || token == WJB_ELEM || token == WJB_BEGIN_ARRAY ||
			 token == WJB_BEGIN_OBJECT) && !first)
			appendStringInfoChar(json, ',');
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
			case WJB_BEGIN_OBJECT:
				appendStringInfoChar(json, token == WJB_BEGIN_ARRAY ? '[' : '{');
				first = true;
				break;
			case WJB_END_ARRAY:
			case WJB_END_OBJECT:
				appendStringInfoChar(json, token == WJB_END_ARRAY ? ']' : '}');
				first = false;
				break;
			case WJB_KEY:
				value_append_string(json, value.val.string.val, value.val.string.len);
				appendStringInfoChar(json, ':');
				first = true;	/* its value follows without a comma */
				break;
			default:
				value_append_compact(json, &value);
				first = false;
		}
	}
}

void
value_append_compact(StringInfo json, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(json, "null");
			break;
		case jbvBool:
			appendStringInfoString(json, value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			appendStringInfoString(json, numeric_text(value->val.numeric));
			break;
		case jbvString:
			value_append_string(json, value->val.string.val, value->val.string.len);
			break;
		case jbvBinary:
			append_container(json, value->val.binary.data);
			break;
		default:
			elog(ERROR, "unexpected type %d of a jsonb value", (int) value->type);
	}
}

/* Bytes of text that make at most VALUE_MAX_CHARS characters. */
static int
cut_length(const char *text, int len)
{
	if (len <= VALUE_MAX_CHARS)
		return len;
	return pg_mbcharcliplen(text, len, VALUE_MAX_CHARS);
}

bool
value_append(StringInfo json, const JsonbValue *value)
{
	StringInfoData compact;
	const char *text;
	int			len;
	int			cut;

	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(json, "\"\"");
			return false;
		case jbvBool:
			appendStringInfoString(json, value->val.boolean ? "\"true\"" : "\"false\"");
			return false;
		case jbvNumeric:
			text = numeric_text(value->val.numeric);
			len = strlen(text);
			break;
		case jbvString:
			text = value->val.string.val;
			len = value->val.string.len;
			break;
		default:
			initStringInfo(&compact);
			value_append_compact(&compact, value);
			text = compact.data;
			len = compact.len;
	}
	/* Cut before escaping: HubSpot counts the characters of the value, not of its JSON. */
	cut = cut_length(text, len);
	value_append_string(json, text, cut);
	return cut < len;
}

bool
value_list_has(const char *list, const char *item)
{
	size_t		len = strlen(item);

	for (const char *at = list; at != NULL && *at != '\0'; at = strchr(at, ';'))
	{
		at += strspn(at, "; ");
		if (pg_strncasecmp(at, item, len) == 0 &&
			(at[len] == '\0' || at[len] == ';' || at[len] == ' '))
			return true;
	}
	return false;
}

void
value_append_encoded(StringInfo url, const char *text, int len)
{
	char	   *utf8 = encoding_to_wire(pnstrdup(text, len), &len);

	for (int i = 0; i < len; i++)
	{
		unsigned char c = utf8[i];

		if (c < 0x80 && (isalnum(c) || strchr("@-_.", c) != NULL))
			appendStringInfoChar(url, c);
		else
			appendStringInfo(url, "%%%02X", c);
	}
}

void
value_push_text(JsonbInState *state, JsonbIteratorToken token, const char *text, int len)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = len;
	pushJsonbValue(state, token, &value);
}

void
value_push_name(JsonbInState *state, const char *name)
{
	value_push_text(state, WJB_KEY, name, strlen(name));
}

void
value_push_pair(JsonbInState *state, const char *name, const char *text)
{
	value_push_name(state, name);
	value_push_text(state, WJB_VALUE, text, strlen(text));
}

Jsonb *
value_end_object(JsonbInState *state)
{
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state->result);
}

char *
value_encoded_cursor(const char *next)
{
	StringInfoData encoded;

	if (next[0] == '\0' || strlen(next) > MAX_CURSOR)
		return NULL;
	initStringInfo(&encoded);
	value_append_encoded(&encoded, next, strlen(next));
	return encoded.data;
}
