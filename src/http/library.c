/*
 * library.c
 *		What we lean on in json-c and libcurl; see library.h.
 */
#include <stddef.h>

#include "http/library.h"

const Library *const libraries[LIBRARY_COUNT] = {&library_json, &library_curl};

const LibraryRule *
library_broken(const Library *library, int *next)
{
	while (*next < library->nrules)
	{
		const LibraryRule *rule = &library->rules[(*next)++];

		/* A check fails as well when memory is short.  Only a rule that fails twice is broken. */
		if (!rule->holds() && !rule->holds())
			return rule;
	}
	return NULL;
}
