/*
 * invisible.h
 *		Characters that nobody sees: white space, and those that take no room.
 *
 * People copy them along with addresses and host names.  Text is UTF-8 here.
 */
#ifndef HUBSPOT_INVISIBLE_H
#define HUBSPOT_INVISIBLE_H

#include "mb/pg_wchar.h"

/* Leave out the ones at both ends. */
extern void invisible_trim(const char **text, int *len);

/* The first one outside ASCII; 0: there is none. */
extern pg_wchar invisible_in(const char *text, int len);

#endif							/* HUBSPOT_INVISIBLE_H */
