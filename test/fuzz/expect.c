/*
 * expect.c
 *		Promises that the fuzz targets hold the code to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

void
broken(const char *promise)
{
	fprintf(stderr, "broken promise: %s\n", promise);
	abort();
}

/* Decoded by another rule than the code under test uses: by value, not by bytes. */
void
expect_clean(const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *) text;

	expect(memchr(text, '\0', size) != NULL, "a text ends within its buffer");
	while (*at != '\0')
	{
		static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
		int			more = *at < 0x80 ? 0 : (*at & 0xe0) == 0xc0 ? 1 : (*at & 0xf0) == 0xe0 ? 2 :
		(*at & 0xf8) == 0xf0 ? 3 : -1;
		unsigned	value;

		expect(more >= 0, "a character begins with its first byte");
		value = more == 0 ? *at : *at & (0x3f >> more);
		at++;
		for (int i = 0; i < more; i++, at++)
		{
			expect((*at & 0xc0) == 0x80, "a character is whole");
			value = value << 6 | (*at & 0x3f);
		}
		expect(value >= least[more] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff),
			   "a character is valid");
		expect(value >= 0x20 && (value < 0x7f || value > 0x9f), "no control characters");
	}
}
