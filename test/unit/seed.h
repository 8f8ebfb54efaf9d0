/*
 * seed.h
 *		Answers kept as files: the status on the first line, then the body.
 *
 * The same files feed the unit tests and the fuzzer.
 */
#ifndef HUBSPOT_TEST_SEED_H
#define HUBSPOT_TEST_SEED_H

#include <stddef.h>

typedef struct Seed
{
	char	   *bytes;			/* the file; freed by seed_free() */
	int			status;
	const char *body;			/* within bytes */
	size_t		len;
} Seed;

/* Ends the program when there is no such file. */
extern Seed seed_read(const char *path);
extern void seed_free(Seed *seed);

#endif							/* HUBSPOT_TEST_SEED_H */
