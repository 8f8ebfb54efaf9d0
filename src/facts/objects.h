/*
 * objects.h
 *		What a user calls an object, and which one that is on an account.
 */
#ifndef HUBSPOT_OBJECTS_H
#define HUBSPOT_OBJECTS_H

/*
 * The word that rows have for what a user calls "deal", "deals", "0-3", "car", "p_car", "p123_car"
 * or "2-123": the name of a type of HubSpot's own, the type id of a custom object; palloc'd or
 * static.  Raises an error that lists what the account has, if it has none of that name; if that is
 * not known yet, has the worker read it and says so.
 */
extern const char *objects_resolve(Oid server, const char *name);

/* The same, but waits for the worker where it must (5 seconds at most): for calls that declare. */
extern const char *objects_resolve_patiently(Oid server, const char *name);

#endif							/* HUBSPOT_OBJECTS_H */
