/*
 * start.h
 *	  What the simulator holds when it starts.
 */
#ifndef SIMULATOR_START_H
#define SIMULATOR_START_H

/* Once, before any request: settings, types of records and all that goes with them. */
extern void simulator_start(void);

#endif							/* SIMULATOR_START_H */
