/*
 * interval.h
 *		An interval's text, without an error for one that is none.
 */
#ifndef HUBSPOT_INTERVAL_H
#define HUBSPOT_INTERVAL_H

#include "utils/timestamp.h"

/* Read it, of whatever kind it is; false when it is none. */
extern bool interval_decode(const char *text, Interval *interval);

#endif							/* HUBSPOT_INTERVAL_H */
