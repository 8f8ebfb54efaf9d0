/*
 * refresh_member.h
 *		hubspot.member: what a refresh has queued for which key.
 */
#ifndef HUBSPOT_REFRESH_MEMBER_H
#define HUBSPOT_REFRESH_MEMBER_H

#include "refresh/refresh_compare.h"

typedef struct MemberWriter MemberWriter;

/* at: time of the refresh. */
extern MemberWriter *member_begin(const Sync *sync, TimestampTz at);

/* Note a difference, and the row that was queued for it; 0: none was.  Written in groups. */
extern void member_note(MemberWriter *writer, const RefreshDifference *difference, int64 outbox_id);

/* Write what is left; returns by how many rows the definition's have become more. */
extern int64 member_end(MemberWriter *writer);

#endif							/* HUBSPOT_REFRESH_MEMBER_H */
