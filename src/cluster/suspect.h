/*
 * suspect.h
 *		What a process was working on when it died.
 *
 * A crash of a worker or refresher restarts the server, and the next process would crash
 * at the same task.  So the process names its task first, in memory that survives a
 * crash:
 *
 *		Suspect outer = suspect_begin(SUSPECT_ROW, row->id);
 *		...
 *		suspect_end(outer);
 *
 * A task that was named at two deaths is held, and everything else goes on: a definition
 * is held until hubspot_resync(), a row is rejected, the lane of an answer is paused.
 * Waiting for the network or the disk is no task.  Only a process's own death counts: a
 * process that is ended because another one crashed leaves no name.
 */
#ifndef HUBSPOT_SUSPECT_H
#define HUBSPOT_SUSPECT_H

typedef enum SuspectKind
{
	SUSPECT_NONE,
	SUSPECT_REFRESH,			/* id of the definition */
	SUSPECT_FILL,				/* the same, of its back-fill */
	SUSPECT_ROW,				/* id of the outbox row; the newest of merged rows */
	SUSPECT_ANSWER				/* see suspect_answer_id() */
} SuspectKind;

typedef struct Suspect
{
	uint32		kind;			/* SuspectKind */
	int64		id;
} Suspect;

/*
 * The id of a lane whose answer is parsed, by object_code(): another process is to know it.
 * SUSPECT_NO_LANE: an answer about the account.
 */
#define SUSPECT_NO_LANE	PG_UINT32_MAX
static inline int64
suspect_answer_id(Oid server, uint32 object)
{
	return (int64) server << 32 | object;
}

/*
 * At the start of a process of this database and kind, "worker" or "refresher":
 * what its predecessor named when it died has one death more.  Call it before
 * crash_guard_clear() may be, connected to the database.
 *
 * If several processes of a kind may run, each has a place of its own (0 ..) to name its
 * task; others (a bit for each place) are the processes that run now and so have not
 * died.
 */
#define SUSPECT_PLACES	4
extern void suspect_start(const char *process, int place, uint32 others);

/*
 * At exit, once the transaction has ended; others_run: some of this kind, who name what they
 * work on.
 */
extern void suspect_stop(bool others_run);

/*
 * The process works on this task until suspect_end(); returns the task before, for
 * suspect_end().
 */
extern Suspect suspect_begin(SuspectKind kind, int64 id);
extern void suspect_end(Suspect outer);

/* After an error: no task is worked on. */
extern void suspect_clear(void);

/* Whether two processes died at this task. */
extern bool suspect_is_held(SuspectKind kind, int64 id);

/*
 * Return a held task of this kind, if there is one; forget it once its hold is stored in
 * a table.
 */
extern bool suspect_next_held(SuspectKind kind, int64 *id);
extern void suspect_forget(SuspectKind kind, int64 id);

/* Category of a rejected row; reason of a paused lane or a held definition. */
#define SUSPECT_CATEGORY	"crashed_server"
#define SUSPECT_REASON(what) "the process that worked on " what " died there twice, " \
	"and the server with it: see its log"

#endif							/* HUBSPOT_SUSPECT_H */
