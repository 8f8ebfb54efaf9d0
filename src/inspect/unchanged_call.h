/*
 * unchanged_call.h
 *		What the user's session says of values that HubSpot has: for explanations.
 */
#ifndef HUBSPOT_UNCHANGED_CALL_H
#define HUBSPOT_UNCHANGED_CALL_H

#include "request/unchanged.h"

/* What a session knows about one account. */
typedef struct UnchangedSession
{
	Oid			server;
	const AccountOptions *options;
	bool		is_on;			/* skip_unchanged is on, and this is no standby */
	uint64		seed;
} UnchangedSession;

extern void unchanged_session_begin(UnchangedSession *session, Oid server,
									const AccountOptions *options);

/*
 * An array with a flag for each property: HubSpot is known to have this value.  NULL if
 * the record is not known.  *nothing_left: all flags are set and the record exists.
 */
extern bool *unchanged_session_find(const UnchangedSession *session, Object object,
									const char *record_id,
									const Mapping *mapping, bool *nothing_left);

#endif							/* HUBSPOT_UNCHANGED_CALL_H */
