/*
 * refresh_member.h
 *		hubspot.member: what a refresh has queued for each key.
 */
#ifndef HUBSPOT_REFRESH_MEMBER_H
#define HUBSPOT_REFRESH_MEMBER_H

#include "refresh/refresh_compare.h"

typedef struct MemberWriter MemberWriter;

/* at: time of the refresh. */
extern MemberWriter *member_begin(const Sync *sync, TimestampTz at);

/* Note a difference, and the id of the row that was queued for it (0: none).  Written in groups. */
extern void member_note(MemberWriter *writer, const RefreshDifference *difference, int64 outbox_id);

/* Write the rest; returns by how much the number of the definition's rows has grown. */
extern int64 member_end(MemberWriter *writer);

#endif							/* HUBSPOT_REFRESH_MEMBER_H */
