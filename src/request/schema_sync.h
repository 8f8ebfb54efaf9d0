/*
 * schema_sync.h
 *		The worker reads the accounts' schemas from HubSpot.
 *
 * A lane whose requests depend on a part of the schema waits until that part
 * is settled: loaded from the tables, read from HubSpot, or refused by it (the
 * token lacks the scope), in which case names and values go out as they are.
 */
#ifndef HUBSPOT_SCHEMA_SYNC_H
#define HUBSPOT_SCHEMA_SYNC_H

#include "request/batch.h"

extern void schema_sync_init(void);

/* Whether answers wait to be stored, or tables to be read, in schema_sync_step(). */
extern bool schema_sync_is_due(void);

/*
 * Store one answer, or load what is stored of one account; inside a transaction. schema_sync_done()
 * after its commit, schema_sync_failed() when an error has ended it: then HubSpot is asked for this
 * part again after a while, and everything else goes on; false when the error was of none.
 */
extern void schema_sync_step(void);
extern void schema_sync_done(void);
extern bool schema_sync_failed(const char *why);

/*
 * The trouble that a lane has with that, NULL: none.  A part that was stored before is
 * the lane of the schema's, since the part's own goes on.
 */
extern const LaneStatus *schema_sync_trouble(const Lane *lane);

/* The configuration was reloaded: what could not be stored or loaded is tried now. */
extern void schema_sync_reload(Account *account);

/* Whether a lane's rows can be mapped now; wants the part read if not. */
extern bool schema_sync_is_settled(Lane *lane);

/*
 * Why records of the lane cannot be told apart by the property that the account keeps the user's
 * ids in, and the event that this is; NULL: they can, or HubSpot has not told.  Else asks for the
 * properties again.
 */
extern const char *schema_sync_key_trouble(Lane *lane, LaneEvent *event);

/* A session waits for the part, as long as it is not known. */
extern void schema_sync_want(Account *account, Object part);

/* The part is old: read it before anything more of its lane is sent. */
extern void schema_sync_refresh(Account *account, Object part);

/*
 * A row names a property, an option or an event that is not known, which may be younger than what
 * was read.  True: HubSpot is asked again, and the lane's rows wait for the answer; false: it has
 * been asked a moment ago for another that missed, or does not tell.  schema_sync_may_look():
 * whether it would be.
 */
extern bool schema_sync_may_look(const Account *account, Object part);
extern bool schema_sync_look_again(Account *account, Object part);

/* For how long a lane waits for that at most, in microseconds; 0: it does not. */
extern int64 schema_sync_looks_for(const Lane *lane, int64 now);

/*
 * The SERVER's options changed, perhaps because HubSpot's properties did: read again what was read.
 */
extern void schema_sync_again(Account *account);

/*
 * Read all parts again, for hubspot_refresh_schema(), before anything more is sent; whether all
 * have been read since.
 */
extern void schema_sync_refresh_all(Account *account);

/* A new token may read what the old one might not. */
extern void schema_sync_restart(Account *account);
extern bool schema_sync_is_fresh(const Account *account);

/*
 * Properties of this part are to be created before it is read again.  False
 * when that has been tried: then the property is just not there.
 */
extern bool schema_sync_create(Account *account, Object part, const UnknownProperty *property);

/*
 * The same of an event's definition, whose request has this body, and of a property that an event's
 * definition lacks.  What is tried goes by the event's name, and by creation_property().
 */
extern bool schema_sync_create_event(Account *account, const char *name, const char *body);
extern bool schema_sync_add_property(Account *account, const EventDefinition *event,
									 const char *property, const char *body);

/* Whether the creation of a property or event was tried, and HubSpot's list has been read since. */
extern bool schema_sync_was_tried(const Account *account, Object part, const char *name);

/*
 * The next request that an account's schema needs: its part, path with query,
 * method and body (palloc'd).  False when there is none.
 */
typedef struct SchemaRequest
{
	Object		part;
	const char *method;
	char	   *path;
	char	   *body;			/* or NULL */
} SchemaRequest;

extern bool schema_sync_next(Account *account, int64 now, SchemaRequest *request);
extern void schema_sync_asking(Account *account, Object part);

/* Its answer; useful false: trouble of the lane, to be asked again. */
extern void schema_sync_answered(Account *account, Object part, const Reply *reply, bool useful);

/*
 * Its answer, if there is one, about events: whether it is a 404 of the whole path, to be asked for
 * again under the path's other form.  path: that of the request.
 */
extern bool schema_sync_at_other_path(Account *account, const char *path, bool answered,
									  const Reply *reply);

/*
 * Its answer cannot be read.  True when nothing depends on that: what was to be
 * created is there or not, as the list will tell.  Else the part is asked for again after a while.
 */
extern bool schema_sync_unreadable(Account *account, Object part, const char *why);

/* The part of the schema (Object) that a lane's rows are mapped by, -1 when none. */
extern int	schema_sync_part(const Lane *lane);

/* The lane whose state decides whether a part may be asked for. */
extern Lane *schema_sync_lane(Account *account, Object part);

#endif							/* HUBSPOT_SCHEMA_SYNC_H */
