/*
 * reading.h
 *		The worker reads what somebody needs to know of an account: see facts/readings.h.
 *
 * A reading begins to be there when a lane uses it or a session asks for it, and is read again when
 * it is used and old.  Its trouble is its own: it is told as trouble of the lane "schema", and
 * holds up no lanes but those that use it.
 */
#ifndef HUBSPOT_READING_H
#define HUBSPOT_READING_H

#include "facts/readings.h"
#include "queue/accounts.h"

typedef struct ReadingState ReadingState;

/* ---- for lanes --------------------------------------------------------------------- */

/*
 * A row of the lane needs it.  False: HubSpot has not told it yet, nor refused to; then the row
 * waits, as the lane does (reading_holds()).  What is read again counts as it was meanwhile.
 */
extern bool reading_use(Lane *lane, ReadingId id, const char *subject);

/* Whether HubSpot tells it, so that what is not there is not there. */
extern bool reading_is_told(const Lane *lane, ReadingId id, const char *subject);

/*
 * A row names what is not known, which may be younger than what was read.  True: HubSpot is asked
 * again, and the lane's rows wait for the answer; false: it has been asked a moment ago for another
 * that missed, or does not tell.  reading_may_look(): whether it would be.
 */
extern bool reading_may_look(const Lane *lane, ReadingId id, const char *subject);
extern bool reading_look_again(Lane *lane, ReadingId id, const char *subject);

/*
 * HubSpot has refused what was read: it is read again, whenever that was, and the lane's rows wait
 * for the answer.
 */
extern void reading_doubt(Lane *lane, ReadingId id, const char *subject);

/* For how long the lane waits for what it uses, in microseconds; 0: not, -1: for the answer. */
extern int64 reading_holds(const Lane *lane, int64 now);

/* ---- for the worker ---------------------------------------------------------------- */

/* A session needs it, read later than that, and says so until it is there. */
extern void reading_want(Account *account, ReadingId id, const char *subject, TimestampTz since);

/* Of all that are in use, as the functions of these names in schema_sync.h, which call these. */
extern void reading_refresh_all(Account *account);
extern bool reading_all_are_fresh(const Account *account);
extern void reading_again(Account *account);
extern void reading_restart(Account *account);
extern void reading_reload(Account *account);

/* The SERVER is gone: nothing is told of its readings any more. */
extern void reading_leave(Account *account);

/* The trouble of one that the lane uses; of any, for the lane "schema".  NULL: none. */
extern const LaneStatus *reading_trouble(const Lane *lane);

/*
 * The next request that an account's readings need: the path and what follows it in the address
 * ("?...", or NULL), palloc'd.  False when there is none.
 */
typedef struct ReadingRequest
{
	ReadingState *state;
	char	   *path;
	char	   *query;
} ReadingRequest;

extern bool reading_next(Account *account, int64 now, ReadingRequest *request);
extern void reading_asking(ReadingState *state);

/* Where trouble of its request is noted. */
extern LaneStatus *reading_status(ReadingState *state);

/*
 * Its answer; useful false: trouble, to be asked again.  Before that, if it cannot be read:
 * reading_unreadable().
 */
extern void reading_answered(ReadingState *state, const Reply *reply, bool useful);
extern void reading_unreadable(ReadingState *state, const char *why);

/*
 * Store one answer, or look how one reading stands in the tables; inside a transaction.
 * reading_done() after its commit, reading_failed() when an error has ended it: then it is tried
 * again after a while, and everything else goes on; false when the error was of none.
 */
extern bool reading_is_due(void);
extern void reading_step(void);
extern void reading_done(void);
extern bool reading_failed(const char *why);

#endif							/* HUBSPOT_READING_H */
