/*
 * library_test.c
 *		What we lean on in json-c and libcurl holds with the versions that are here.
 */
#include <stdio.h>
#include <string.h>

#include "http/library.h"
#include "check.h"

static bool
never(void)
{
	return false;
}

static bool
always(void)
{
	return true;
}

/* One rule after the other is told, and none twice. */
static void
test_broken(void)
{
	static const LibraryRule rules[] = {
		{"a", always, NULL}, {"b", never, NULL}, {"c", always, NULL}, {"d", never, "without d"}
	};
	Library		library = {.name = "test", .rules = rules, .nrules = 4};
	int			next = 0;

	check(library_broken(&library, &next) == &rules[1] && library_broken(&library, &next) == &rules[3] &&
		  library_broken(&library, &next) == NULL && library_broken(&library, &next) == NULL, "what does not hold is told");
}

int
main(void)
{
	for (int i = 0; i < LIBRARY_COUNT; i++)
	{
		const Library *library = libraries[i];

		printf("# %s %s, built with %s\n", library->name, library->version(), library->built_with);
		for (int j = 0; j < library->nrules; j++)
			check(library->rules[j].holds(), library->rules[j].what);
	}
	test_broken();
	return check_end();
}
