/*
 * readings.h
 *		What can be read from HubSpot and is kept in tables, beside properties and events.
 *
 * readings[] has a row for each: it is read when somebody needs it, is read again when it is needed
 * and has become old, and is never read where nobody does.  How to add one: README.md.
 */
#ifndef HUBSPOT_READINGS_H
#define HUBSPOT_READINGS_H

#include "account/path.h"

struct RowKind;					/* reading_rows.h */

/* In shared memory as a number, in tables by its word. */
typedef enum ReadingId
{
	READING_OBJECTS,
	READING_OWNERS,
	READING_PIPELINES,
	READING_SUBSCRIPTION_TYPES
#define READING_COUNT (READING_SUBSCRIPTION_TYPES + 1)
} ReadingId;

#define READING_SUBJECT	128		/* bytes of what a reading is about, with its NUL */
#define READING_LOOK_S	30		/* a miss has it read again after so many seconds, not sooner */

typedef struct Reading
{
	const char *name;			/* its word, in hubspot.reading */
	const char *noun;			/* what it is to people, in the plural */
	PathName	path;			/* where it begins; readings have no other form of it */

	/* What follows the path for this subject, palloc'd; NULL: a reading without subjects. */
	char	   *(*tail) (const char *subject);
	const char *query;			/* of the address, without "?" and pages; NULL: none */
	const char *scopes;			/* one of them lets a token read it */
	const char *remedy;			/* what a person can do when HubSpot does not tell it */
	int			max_age;		/* seconds: older, it is read again when it is needed */
	bool		maps;			/* schema_load() reads its table: rows are mapped by it */

	const struct RowKind *row;	/* what each of "results" becomes, see reading_rows.h */

	/*
	 * What makes the table say what HubSpot said, NULL at the end: $1 is the SERVER's oid, $2 the
	 * subject, $3 the rows as a jsonb array.  Pages shift when something is made meanwhile, so one
	 * may come twice: the last one counts.
	 */
	const char *statements[4];
} Reading;

extern const Reading readings[READING_COUNT];

#endif							/* HUBSPOT_READINGS_H */
