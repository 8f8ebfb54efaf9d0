/*
 * invisible.c
 *		Characters that nobody sees: white space, and those that take no room.
 *
 * Pure.  The list is Unicode's: White_Space, Default_Ignorable_Code_Point and the
 * controls, as far as they occur in text.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "text/ascii.h"
#include "text/invisible.h"

/* In their order. */
static const struct
{
	pg_wchar	first;
	pg_wchar	last;
}			ranges[] =
{
	{0x0001, 0x0020}, {0x007f, 0x00a0}, {0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c},
	{0x115f, 0x1160}, {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f},
	{0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},
	{0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}
};

static bool
is_invisible(pg_wchar c)
{
	for (int i = 0; i < lengthof(ranges) && c >= ranges[i].first; i++)
		if (c <= ranges[i].last)
			return true;
	return false;
}

/* # of bytes of the character at text, and that; malformed ones are characters of a byte. */
static int
character_at(const char *text, int len, pg_wchar *c)
{
	int			length;

	if (!IS_HIGHBIT_SET(*text))
	{
		*c = (unsigned char) *text;
		return 1;
	}
	length = pg_encoding_verifymbchar(PG_UTF8, text, len);
	if (length <= 0)
	{
		*c = 0;
		return 1;
	}
	*c = utf8_to_unicode((const unsigned char *) text);
	return length;
}

void
invisible_trim(const char **text, int *len)
{
	pg_wchar	c;
	int			end = 0;		/* of the last character that is seen */

	while (*len > 0)
	{
		int			length = character_at(*text, *len, &c);

		if (!is_invisible(c))
			break;
		*text += length;
		*len -= length;
	}
	/* nearly always: an ASCII byte at the end is a character by itself, whatever stands before */
	if (*len > 0 && !IS_HIGHBIT_SET((*text)[*len - 1]) &&
		!is_invisible((unsigned char) (*text)[*len - 1]))
		return;
	for (int i = 0; i < *len;)
	{
		i += character_at(*text + i, *len - i, &c);
		if (!is_invisible(c))
			end = i;
	}
	*len = end;
}

pg_wchar
invisible_in(const char *text, int len)
{
	pg_wchar	c;

	if (is_ascii(text, len))
		return 0;
	for (int i = 0; i < len;)
	{
		i += character_at(text + i, len - i, &c);
		if (c >= 0x80 && is_invisible(c))
			return c;
	}
	return 0;
}
