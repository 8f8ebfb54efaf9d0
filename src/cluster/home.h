/*
 * home.h
 *		Which data directory is this?
 *
 * PostgreSQL cannot tell a copy of a data directory from the original: all
 * identifiers are copied along.  So the directory gets a name of its own, a
 * random id, kept in a file that notes what a copy cannot have: the birth of
 * that very file.  A database notes the id of its home in
 * hubspot.installation; what becomes of one that is not at home, guard.c
 * decides.
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

/* How the directory came by its id, or what has befallen it since. */
typedef enum HomeOrigin
{
	HOME_UNSETTLED,				/* it has none yet: see problem */
	HOME_NEW,					/* there was no file */
	HOME_COPIED,				/* the file was that of another directory */
	HOME_RESTORED,				/* started with recovery.signal */
	HOME_FROM_BACKUP,			/* started with nothing but a backup_label */
	HOME_CHANGED,				/* on another timeline than noted, and nobody saw how */
	HOME_PROMOTED				/* was a standby, and was promoted */
#define HOME_ORIGINS (HOME_PROMOTED + 1)
} HomeOrigin;

typedef struct Home
{
	HomeOrigin	origin;
	pg_uuid_t	id;
	TimestampTz promoted_at;	/* 0: it was not */
	char		problem[HOME_PROBLEM];	/* why it is unsettled, "": nobody has looked */
} Home;

/*
 * From _PG_init, in the postmaster: note as what the server starts.  The
 * signs are files that PostgreSQL removes when recovery ends.
 */
extern void home_note_start(void);

/*
 * From the launcher, once recovery has ended: read the file, or write it
 * anew.  When that fails the reason is told and logged, and the next call tries again;
 * when the id is known it does nothing.
 */
extern void home_settle(void);

/* What is known; unsettled where the library is not preloaded. */
extern void home_read(Home *home);

#endif							/* HUBSPOT_HOME_H */
