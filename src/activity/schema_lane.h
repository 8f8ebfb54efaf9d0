/*
 * schema_lane.h
 *		The schema lane: properties to be created, schemas to be read again.
 *
 * Rows of other lanes wait for what was queued here before them, when they
 * need it; so that a property may be created and used in one transaction.
 */
#ifndef HUBSPOT_SCHEMA_LANE_H
#define HUBSPOT_SCHEMA_LANE_H

#include "queue/work.h"

/* Deal with the rows that need no request of their own; each turn. */
extern void schema_lane_refresh(Lane *lane);

/*
 * What a row needs (a property, an event) is not in the schema.  Whether its
 * creation was queued before the row and may yet come about: then the input is
 * not to be sent (BUILD_WAIT), and schema_lane_send_away() has its key wait.
 * Where it is not the first row that waits, those before it go first, alone.
 */
extern bool schema_lane_is_awaited(const Row *row, SchemaPart part, const char *name);
extern bool schema_lane_await(Input *input, Row *row, SchemaPart part, const char *name);

/* The rows of the input are back in their key: that waits, if it has to. */
extern void schema_lane_send_away(WorkKey *key, const char *awaits);

/* Nothing will be created for now: what waits for it goes on without; each turn. */
extern void schema_lane_give_up(Lane *lane);

#endif							/* HUBSPOT_SCHEMA_LANE_H */
