/*
 * route.h
 *	  From a path to what serves it, and what a request must pass before.
 */
#ifndef SIMULATOR_ROUTE_H
#define SIMULATOR_ROUTE_H

#include "http.h"

/*
 * At the arrival of a complete request: finds its route, checks credential
 * and scope, counts it against the limits, lets a fault catch it and sets
 * delay_us.  Fills no reply.
 */
extern void route_admit(Request *request);

/* Performs an admitted request and fills its reply. */
extern void route_perform(Request *request);

#endif
