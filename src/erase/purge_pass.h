/*
 * purge_pass.h
 *		The tables are gone through once, for all erasures that wait.
 *
 * In slices of some milliseconds, each in a transaction of its own, while
 * delivery goes on between them.  What a slice has done counts when its transaction has
 * committed (pass_committed).
 */
#ifndef HUBSPOT_PURGE_PASS_H
#define HUBSPOT_PURGE_PASS_H

#include "nodes/pg_list.h"

#include "erase/purge_match.h"

/* A contact, as the pass knows it; the list belongs to the caller. */
typedef struct Erased
{
	Oid			server;
	int64		before;			/* id of its deletion */
	const char *record_id;		/* "": not known */
	List	   *keys;			/* texts, in context; the pass adds those of the same record */
	MemoryContext context;
} Erased;

/* Note one more key, if it is one more. */
extern void erased_add_key(Erased *erased, const char *text, int len);

typedef struct Pass Pass;

extern Pass *pass_begin(List *erased);

/*
 * One slice, in a transaction with SPI connected and a snapshot.  all_known is
 * called once, when all keys of all contacts are known.
 */
extern void pass_step(Pass *pass, void (*all_known) (void));
extern bool pass_committed(Pass *pass); /* returns whether it is at its end */
extern void pass_end(Pass *pass);

/*
 * How many rows of outbox and results it has been through, and of how many; false when it has not
 * begun.
 */
extern bool pass_progress(const Pass *pass, int64 *done, int64 *all);

#endif							/* HUBSPOT_PURGE_PASS_H */
