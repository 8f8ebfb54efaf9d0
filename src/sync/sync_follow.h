/*
 * sync_follow.h
 *		The triggers of a followed table, and of the tables below it.
 */
#ifndef HUBSPOT_SYNC_FOLLOW_H
#define HUBSPOT_SYNC_FOLLOW_H

#include "sync/sync.h"

/*
 * Create the triggers that the definition needs on its table, its partitions and children, as
 * the current user, who needs the TRIGGER privilege on each; none if the definition does not
 * follow.  Triggers of this definition on other tables, and those not needed any more, are
 * dropped if the user owns the table.  Otherwise they stay, do nothing, and a NOTICE reports
 * them.
 */
extern void sync_follow(const Sync *sync);

/* Drop all triggers of a definition, in the same way. */
extern void sync_unfollow(const char *name);

/*
 * After a statement: tables that it has put under a followed one get the triggers, those that it
 * has taken away lose them, whoever owns them; triggers that it has enabled are enabled for whom
 * they are.
 */
extern void sync_follow_statement(void);
extern void sync_follow_init(void);

/*
 * The table that has triggers of this definition, those below it apart; InvalidOid if no table
 * has, or several.
 */
extern Oid	sync_followed_table(const char *name);

/*
 * What of a table, that is or would be followed, is not seen: a foreign table below it, statements
 * that name a table above it; NULL: nothing.
 */
extern const char *sync_follow_unseen(Oid relation);

/* Why some of the triggers do not fire; NULL if all do. */
extern const char *sync_follow_problem(const Sync *sync);

#endif							/* HUBSPOT_SYNC_FOLLOW_H */
