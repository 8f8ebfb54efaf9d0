/*
 * library.h
 *		What we lean on in json-c and libcurl, as data.
 *
 * Versions of a library differ where no header says so.  Each thing that the
 * code leans on, and that can be tried at once and without a network, stands
 * in a table here, with words and a check.  The unit tests ask for all of them
 * with each version; a worker does at its start, and hubspot.libraries() and
 * hubspot_health() at any time, since a library may be another one than we
 * were tested with.  test/unit/curl_test.c asks for what needs a peer.
 *
 * Of the files library*.c only library_report.c needs PostgreSQL.
 */
#ifndef HUBSPOT_LIBRARY_H
#define HUBSPOT_LIBRARY_H

#include <stdbool.h>

typedef struct LibraryRule
{
	const char *what;			/* that holds */
	bool		(*holds) (void);
	const char *otherwise;		/* how we do without; NULL: we cannot, and nothing is sent */
} LibraryRule;

typedef struct Library
{
	const char *name;
	const char *built_with;		/* version of its headers */
	const char *(*version) (void);	/* of the one that runs */
	const LibraryRule *rules;
	int			nrules;
} Library;

extern const Library library_json;
extern const Library library_curl;

#define LIBRARY_COUNT	2

extern const Library *const libraries[LIBRARY_COUNT];

/*
 * The first rule of a library, from *next on, that does not hold; NULL when
 * there is none.  *next is moved behind it.
 */
extern const LibraryRule *library_broken(const Library *library, int *next);

#endif							/* HUBSPOT_LIBRARY_H */
