/*
 * shared_lanes.h
 *		The lanes that a worker reports, and keys that wait, in a dynamic segment of its own.
 *
 * An account has at least one lane, and a database any number of accounts, so
 * the reports have no fixed place in shared memory.  The segment lives as long
 * as its worker; when it is outgrown another one takes its place.
 */
#ifndef HUBSPOT_SHARED_LANES_H
#define HUBSPOT_SHARED_LANES_H

#include "cluster/shared.h"
#include "cluster/shared_keys.h"

/* For the worker: replace the report; false if there was no room for all lanes. */
extern bool shared_lanes_report(WorkerSlot *slot, const LaneReport *lanes, int count,
								const KeyReport *keys, int nkeys);

/* For a session: a palloc'd copy of the report; NULL if there is none. */
extern LaneReport *shared_lanes_copy(WorkerSlot *slot, int *count);

/* The same, with the keys. */
extern LaneReport *shared_lanes_copy_keys(WorkerSlot *slot, int *count,
										  KeyReport **keys, int *nkeys);

#endif							/* HUBSPOT_SHARED_LANES_H */
