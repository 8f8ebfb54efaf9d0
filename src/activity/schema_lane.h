/*
 * schema_lane.h
 *		The schema lane: properties to be created, schemas to be read again.
 *
 * Rows of other lanes wait for what was queued here before them, when they
 * need it; so that a property may be created and used in one transaction.
 */
#ifndef HUBSPOT_SCHEMA_LANE_H
#define HUBSPOT_SCHEMA_LANE_H

#include "request/batch.h"

/* Deal with the rows that need no request of their own; each turn. */
extern void schema_lane_refresh(Lane *lane);

/* Nothing will be created for now: what waits for it goes on without; each turn. */
extern void schema_lane_give_up(Lane *lane);

#endif							/* HUBSPOT_SCHEMA_LANE_H */
