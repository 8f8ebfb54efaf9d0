/*
 * unchanged_call.h
 *		What the user's session says of values that HubSpot has: for explanations.
 */
#ifndef HUBSPOT_UNCHANGED_CALL_H
#define HUBSPOT_UNCHANGED_CALL_H

#include "request/unchanged.h"

/* One account, as a session knows it. */
typedef struct UnchangedSession
{
	Oid			server;
	const AccountOptions *options;
	bool		is_on;			/* the option is on, and this is no standby */
	uint64		seed;
} UnchangedSession;

extern void unchanged_session_begin(UnchangedSession *session, Oid server,
									const AccountOptions *options);

/*
 * A flag for each property: HubSpot is known to have it of this record (NULL:
 * no record is known).  *nothing_left: that is all, and the record is there.
 */
extern bool *unchanged_session_find(const UnchangedSession *session, Object object,
									const char *record_id,
									const Mapping *mapping, bool *nothing_left);

#endif							/* HUBSPOT_UNCHANGED_CALL_H */
