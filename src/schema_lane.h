/*
 * schema_lane.h
 *		The schema lane: properties to be created, schemas to be read again.
 */
#ifndef HUBSPOT_SCHEMA_LANE_H
#define HUBSPOT_SCHEMA_LANE_H

#include "work.h"

/* Deal with the rows that need no request of their own; each turn. */
extern void schema_lane_refresh(Lane *lane);

#endif							/* HUBSPOT_SCHEMA_LANE_H */
