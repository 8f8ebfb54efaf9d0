/*
 * seed.c
 *		Answers kept as files, see seed.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seed.h"

#define SEED_MAX	(1024 * 1024)

Seed
seed_read(const char *path)
{
	Seed		seed = {.bytes = calloc(1, SEED_MAX)};
	FILE	   *file = fopen(path, "rb");
	size_t		size;
	char	   *newline;

	if (file == NULL || seed.bytes == NULL)
	{
		perror(path);
		exit(1);
	}
	size = fread(seed.bytes, 1, SEED_MAX - 1, file);
	fclose(file);
	newline = memchr(seed.bytes, '\n', size);
	seed.status = atoi(seed.bytes);
	seed.body = newline == NULL ? seed.bytes + size : newline + 1;
	seed.len = seed.bytes + size - seed.body;
	return seed;
}

void
seed_free(Seed *seed)
{
	free(seed->bytes);
	memset(seed, 0, sizeof(*seed));
}
