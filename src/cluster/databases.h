/*
 * databases.h
 *		The launcher's list of databases that may have a worker.
 *
 * Private to the launcher's process, in the memory context that was current
 * at databases_init().
 */
#ifndef HUBSPOT_DATABASES_H
#define HUBSPOT_DATABASES_H

/* A database that may have a worker. */
typedef struct Database
{
	Oid			oid;			/* hash key */
	char		name[NAMEDATALEN];
	bool		seen;			/* in the scan under way */
	bool		absent;			/* its worker found no extension */
	bool		held;			/* its worker found that it must not send, and its slot went to
								 * another */
	bool		look_again;		/* told of the extension since the last start */
} Database;

extern void databases_init(void);

/* Read pg_database anew, in a transaction of its own; keeps what is known. */
extern void databases_read(void);

/* NULL: it does not exist, takes no connections, or is not to be served. */
extern Database *databases_find(Oid oid);

/* Somebody knows of the extension there: an OID, or SHARED_LOOK_ALL. */
extern void databases_look_again(uint32 look_at);

/* What was held without a slot may be looked at again. */
extern void databases_look_at_held(void);

/*
 * One that is to be looked at, has no slot and is not on hold, or NULL; the
 * caller has control->lock.
 */
extern Database *databases_find_unserved(void);

#endif							/* HUBSPOT_DATABASES_H */
