/*
 * objects.h
 *		What a user calls an object, and which one that is on an account.
 */
#ifndef HUBSPOT_OBJECTS_H
#define HUBSPOT_OBJECTS_H

#include "message/message.h"

/*
 * The word that rows have for what a user calls "deal", "deals", "0-3", "car", "p_car", "p123_car"
 * or "2-123": the name of a type of HubSpot's own, the type id of a custom object; palloc'd or
 * static.  NULL, with a problem that lists what the account has: it has none of that name, or that
 * is not known yet; then the worker reads what there is.
 */
extern const char *objects_find(Oid server, const char *name, MessageProblem *problem);

/*
 * The same for functions that declare: waits for the worker where it must, 5 seconds at most, and
 * raises the problem.
 */
extern const char *objects_resolve(Oid server, const char *name);

#endif							/* HUBSPOT_OBJECTS_H */
