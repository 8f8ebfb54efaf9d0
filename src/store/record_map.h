/*
 * record_map.h
 *		Which key is which record in HubSpot.
 *
 * HubSpot's answers tell a record's id; hubspot.record keeps it.
 */
#ifndef HUBSPOT_RECORD_MAP_H
#define HUBSPOT_RECORD_MAP_H

#include "store/ring.h"

extern void record_map_init(void);

/* HubSpot said which record a key is; is_new: that it has just been created. */
extern void record_map_add(Oid server, Object object, const char *key_property, const char *key,
						   const char *record_id, bool is_new, int64 now);

/* HubSpot has no such record any more. */
extern void record_map_remove(Oid server, Object object, const char *key_property, const char *key,
							  int64 now);

/* A contact was archived: it has no record, and belongs to no company, under any of its keys. */
extern void record_map_archive(Oid server, const char *key_property, const char *key, int64 now);

/*
 * The record of a key, what this process has not written yet included;
 * palloc'd, NULL when there is none.  Inside a transaction with a snapshot,
 * between record_map_open() and record_map_close().
 *
 * Of a userId (MESSAGE_USER_ID) it is the address that it was seen with.
 */
#define RECORD_ID_BYTES	24
extern void record_map_open(void);
extern char *record_map_find(Oid server, Object object, const char *key_property, const char *key);
extern void record_map_close(void);

/* The same by itself, for a session; a userId leads on to the record of its address. */
extern char *record_map_look_up(Oid server, Object object, const char *key_property,
								const char *key);

/* Whether enough has gathered, or nothing else is going on. */
extern bool record_map_is_due(int64 now, bool idle);
extern bool record_map_is_empty(void);

/* Write what was gathered; inside a transaction, after whose commit it is to be forgotten. */
extern void record_map_write(void);
extern void record_map_written(void);

#endif							/* HUBSPOT_RECORD_MAP_H */
