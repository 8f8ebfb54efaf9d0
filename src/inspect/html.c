/*
 * html.c
 *		Data within HTML: the door through which a text gets into hubspot_report().
 *
 * A template is a constant of the extension's script.  Its %s take the arguments, each
 * escaped, so that a name of a user or a message of HubSpot is a text in the page and
 * never markup, within an element as well as within a quoted attribute.
 *
 * Called by SQL functions of the extension; no catalog, memory of the call.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(hubspot_html);

/* What may be markup, within an element or within a quoted attribute. */
static const char *const escapes[] =
{
	['&'] = "&amp;",
	['<'] = "&lt;",
	['>'] = "&gt;",
	['"'] = "&quot;",
	['\''] = "&#39;",
};

/*
 * U+FFFE and U+FFFF are in no document, as little as characters of control.
 */
static bool
is_no_character(const char *c, const char *end)
{
	return GetDatabaseEncoding() == PG_UTF8 && end - c >= 3 &&
		memcmp(c, "\xEF\xBF", 2) == 0 && (unsigned char) c[2] >= 0xBE;
}

static void
append_escaped(StringInfo to, const char *data, int length)
{
	const char *end = data + length;

	for (const char *c = data; c < end; c++)
	{
		unsigned char byte = (unsigned char) *c;

		/* in all encodings of a database such a byte is no part of another character */
		if (byte < lengthof(escapes) && escapes[byte] != NULL)
			appendStringInfoString(to, escapes[byte]);
		else if (byte < ' ' || byte == 0x7F)
			appendStringInfoChar(to, ' ');
		else if (is_no_character(c, end))
		{
			appendStringInfoChar(to, '?');
			c += 2;
		}
		else
			appendStringInfoChar(to, *c);
	}
}

/*
 * A template with its arguments; NULL is empty.
 */
Datum
hubspot_html(PG_FUNCTION_ARGS)
{
	char	   *template = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum	   *data;
	bool	   *nulls;
	int			count;
	int			used = 0;
	StringInfoData page;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &data, &nulls, &count);
	initStringInfo(&page);
	for (const char *c = template; *c != '\0'; c++)
	{
		/* as in format(), but that there is no way to have an argument as it is */
		if (*c != '%')
			appendStringInfoChar(&page, *c);
		else if (*++c == '%')
			appendStringInfoChar(&page, '%');
		else if (*c == 's' && used < count)
		{
			if (!nulls[used])
			{
				text	   *one = DatumGetTextPP(data[used]);

				append_escaped(&page, VARDATA_ANY(one), VARSIZE_ANY_EXHDR(one));
			}
			used++;
		}
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("template does not fit its %d arguments: %s",
							count, template)));
	}
	if (used < count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("template has no place for %d of its %d arguments: %s",
						count - used, count, template)));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(page.data, page.len));
}
