/*
 * home.h
 *		Which data directory is this?
 *
 * PostgreSQL cannot tell a copy of a data directory from the original, because all
 * identifiers are copied.  So the directory gets a random id.  Its file also contains
 * something that a copy cannot have: the time of birth of this very file.  A database
 * stores the id of its home in hubspot.installation; guard.c decides what happens in
 * another place.
 *
 * The id stays over restarts, crashes, a rename of the directory and a move
 * of its volume.  A copy, a restore and a backup that is started get a new
 * one.  A promoted standby keeps its id, or gets its first one.
 */
#ifndef HUBSPOT_HOME_H
#define HUBSPOT_HOME_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#define HOME_FILE		"hubspot_home"
#define HOME_PROBLEM	256

/* How the directory got its id, or what happened to it since. */
typedef enum HomeOrigin
{
	HOME_UNSETTLED,				/* no id yet: see problem */
	HOME_NEW,					/* there was no file */
	HOME_COPIED,				/* the file was that of another directory */
	HOME_RESTORED,				/* started with recovery.signal */
	HOME_FROM_BACKUP,			/* started with a backup_label only */
	HOME_CHANGED,				/* on another timeline than the file says; nobody saw how */
	HOME_PROMOTED				/* was a standby and has been promoted */
#define HOME_ORIGINS (HOME_PROMOTED + 1)
} HomeOrigin;

typedef struct Home
{
	HomeOrigin	origin;
	pg_uuid_t	id;
	TimestampTz promoted_at;	/* 0: not promoted */
	char		problem[HOME_PROBLEM];	/* why it is unsettled; "": nobody has looked yet */
} Home;

/*
 * From _PG_init, in the postmaster: note how the server starts, by the files that
 * PostgreSQL removes at the end of recovery.
 */
extern void home_note_start(void);

/*
 * From the launcher, after recovery: read the file, or write a new one.  On failure the
 * reason is stored and logged, and the next call tries again.  Does nothing if the id is
 * known.
 */
extern void home_settle(void);

/* Copy what is known; unsettled if the library is not preloaded. */
extern void home_read(Home *home);

#endif							/* HUBSPOT_HOME_H */
