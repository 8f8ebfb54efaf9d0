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
	bool		seen;			/* found by the present scan */
	bool		absent;			/* its worker found no extension */
	bool		held;			/* its worker found that it must not send, and its slot went to
								 * another */
	bool		look_again;		/* CREATE EXTENSION was reported since */
} Database;

extern void databases_init(void);

/* Read pg_database, in a transaction of its own; keeps what is known of each database. */
extern void databases_read(void);

/*
 * The database's entry.  NULL if it does not exist, accepts no connections, or is not to
 * be served.
 */
extern Database *databases_find(Oid oid);

/* Somebody created the extension there: an OID, or SHARED_LOOK_ALL. */
extern void databases_look_again(uint32 look_at);

/* Databases that are held and have no slot may be looked at again. */
extern void databases_look_at_held(void);

/*
 * A database that must be looked at, has no slot and is not on hold; or NULL.  The caller
 * holds control->lock.
 */
extern Database *databases_find_unserved(void);

#endif							/* HUBSPOT_DATABASES_H */
