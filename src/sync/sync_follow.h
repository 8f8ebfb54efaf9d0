/*
 * sync_follow.h
 *		The triggers of a followed table.
 */
#ifndef HUBSPOT_SYNC_FOLLOW_H
#define HUBSPOT_SYNC_FOLLOW_H

#include "sync/sync.h"

/*
 * Make the triggers that the definition needs on its table, as the current user,
 * who needs the TRIGGER privilege; none when it does not follow.  Triggers that the same
 * name has elsewhere, or no more use for, are dropped where the user owns the
 * table, and do nothing otherwise, of which a NOTICE tells.
 */
extern void sync_follow(const Sync *sync);

/* Drop all triggers of a definition, in the same way. */
extern void sync_unfollow(const char *name);

/* The table that has triggers of this definition; InvalidOid when none has, or several. */
extern Oid	sync_followed_table(const char *name);

/* Why the triggers do not all fire, NULL: they do. */
extern const char *sync_follow_problem(const Sync *sync);

#endif							/* HUBSPOT_SYNC_FOLLOW_H */
