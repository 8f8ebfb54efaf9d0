/*
 * act_as.h
 *		On whose behalf the next statements run.
 *
 * An error resets it by itself, as the transaction does; act_back() otherwise,
 * in reverse order.
 */
#ifndef HUBSPOT_ACT_AS_H
#define HUBSPOT_ACT_AS_H

typedef struct Identity
{
	Oid			user;
	int			context;
	int			guc_level;
} Identity;

/* A role, with this search_path; flags as of SetUserIdAndSecContext(). */
extern void act_as(Oid role, int flags, const char *search_path, Identity *before);

/* The owner of the extension: for its tables, over plain values. */
extern void act_as_extension(Identity *before);

extern void act_back(const Identity *before);

#endif							/* HUBSPOT_ACT_AS_H */
