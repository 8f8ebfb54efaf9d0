/*
 * ascii.h
 *		Is a text the same in every encoding?  Knows no PostgreSQL, as the files of replies.
 */
#ifndef HUBSPOT_ASCII_H
#define HUBSPOT_ASCII_H

#include <stdbool.h>
#include <stddef.h>

/* All bytes are looked at, without a branch: most texts are ASCII to their end. */
static inline bool
is_ascii(const char *text, size_t len)
{
	unsigned char bits = 0;

	for (size_t i = 0; i < len; i++)
		bits |= (unsigned char) text[i];
	return bits < 0x80;
}

#endif							/* HUBSPOT_ASCII_H */
