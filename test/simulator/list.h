/*
 * list.h
 *	  Static lists; list.c owns them.  The operations are in api.h.
 */
#ifndef SIMULATOR_LIST_H
#define SIMULATOR_LIST_H

/* Removes all lists. */
extern void list_reset(void);

#endif
