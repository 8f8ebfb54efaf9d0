/*
 * records_lane.h
 *		What the lanes of further types have in common, however a record comes to be.
 */
#ifndef HUBSPOT_RECORDS_LANE_H
#define HUBSPOT_RECORDS_LANE_H

#include "crm/records.h"

/* Whether HubSpot has the record of a conflict, by its key: a RecordKinds' resolve. */
extern const RequestKind records_lane_resolve;

/* Whether a row can be sent, of their FamilyWork. */
extern bool records_lane_check(Row *row, const MessageParts *parts, const char **category,
							   const char **problem);

#endif							/* HUBSPOT_RECORDS_LANE_H */
