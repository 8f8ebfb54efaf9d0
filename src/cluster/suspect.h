/*
 * suspect.h
 *		What a process was working on when it died.
 *
 * A crash of a worker or refresher restarts the server, and what it was working on is
 * worked on again.  So it is named before, in memory that a crash leaves:
 *
 *		Suspect outer = suspect_begin(SUSPECT_ROW, row->id);
 *		...
 *		suspect_end(outer);
 *
 * What was named at two deaths is held, and the rest goes on: a definition until
 * hubspot_resync(), a row is rejected, the lane of an answer is paused.  What
 * waits for the network or the disk is not being worked on.  Only a process's own death
 * counts: one that is told to leave because another has crashed names nothing.
 */
#ifndef HUBSPOT_SUSPECT_H
#define HUBSPOT_SUSPECT_H

typedef enum SuspectKind
{
	SUSPECT_NONE,
	SUSPECT_REFRESH,			/* id of the definition */
	SUSPECT_FILL,				/* the same, of its back-fill */
	SUSPECT_ROW,				/* id of the outbox row, of several merged ones the newest */
	SUSPECT_ANSWER				/* see suspect_answer_id() */
} SuspectKind;

typedef struct Suspect
{
	uint32		kind;			/* SuspectKind */
	int64		id;
} Suspect;

/* The lane whose answer is read; FAMILY_COUNT: an answer about the account. */
static inline int64
suspect_answer_id(Oid server, int family)
{
	return (int64) server << 8 | family;
}

/*
 * At the start of a process of this database and kind, "worker" or "refresher":
 * what its predecessor named when it died has one death more.  Call it before
 * crash_guard_clear() may be, connected to the database.
 *
 * Of a kind of which several may run, each has a place of its own (0 ..) to name what it
 * works on; others (a bit for each place) are those that run now, which have not died.
 */
#define SUSPECT_PLACES	4
extern void suspect_start(const char *process, int place, uint32 others);

/*
 * At exit, once the transaction has ended; others_run: some of this kind, who name what they
 * work on.
 */
extern void suspect_stop(bool others_run);

/* From here to suspect_end() this is worked on; returns what was before, for that. */
extern Suspect suspect_begin(SuspectKind kind, int64 id);
extern void suspect_end(Suspect outer);

/* After an error: nothing is. */
extern void suspect_clear(void);

/* Whether two deaths were at it. */
extern bool suspect_is_held(SuspectKind kind, int64 id);

/* One of those of the kind that are, if there is any; and when its hold stands in a table. */
extern bool suspect_next_held(SuspectKind kind, int64 *id);
extern void suspect_forget(SuspectKind kind, int64 id);

/* What a row that is held says; also why a lane is paused or a definition held. */
#define SUSPECT_CATEGORY	"crashed_server"
#define SUSPECT_REASON(what) "the process that worked on " what " died there twice, " \
	"and the server with it: see its log"

#endif							/* HUBSPOT_SUSPECT_H */
