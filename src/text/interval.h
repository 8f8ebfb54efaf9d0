/*
 * interval.h
 *		Parses an interval without raising an error.
 */
#ifndef HUBSPOT_INTERVAL_H
#define HUBSPOT_INTERVAL_H

#include "utils/timestamp.h"

/* Parse any form of interval; false if it is none. */
extern bool interval_decode(const char *text, Interval *interval);

#endif							/* HUBSPOT_INTERVAL_H */
