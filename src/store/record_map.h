/*
 * record_map.h
 *		Maps keys to HubSpot's records.
 *
 * HubSpot's answers tell a record's id; hubspot.record keeps it.
 */
#ifndef HUBSPOT_RECORD_MAP_H
#define HUBSPOT_RECORD_MAP_H

#include "ring/ring.h"

extern void record_map_init(void);

/*
 * To be called whenever a record or a userId is told, with the property and the key that it was
 * told of; of a userId the property is MESSAGE_USER_ID.
 */
typedef void (*RecordMapTold) (Oid server, Object object, const char *key_property,
							   const char *key);
extern void record_map_tells(RecordMapTold told);

/* HubSpot has told a key's record; is_new: it has just created the record. */
extern void record_map_add(Oid server, Object object, const char *key_property, const char *key,
						   const char *record_id, bool is_new, int64 now);

/* The key has no record in HubSpot any more. */
extern void record_map_remove(Oid server, Object object, const char *key_property, const char *key,
							  int64 now);

/* A contact was archived: it has no record and belongs to no company, under any of its keys. */
extern void record_map_archive(Oid server, const char *key_property, const char *key, int64 now);

/*
 * A row of the outbox tells which contact a userId means, by its address.  What it tells has its
 * place in the queue: the id of the row.  What was told before stays, for the rows between.
 */
extern void record_map_tell(Oid server, const char *user_id, const char *address, int64 told_by,
							int64 now);

/*
 * No row up to this id is still to come: what one tells again of a userId, up to there, need not be
 * kept.
 */
extern void record_map_settle(int64 id);

/*
 * The record of a key, including what this process has not written yet; palloc'd, NULL if
 * there is none.  Inside a transaction with a snapshot, between record_map_open() and
 * record_map_close().
 */
#define RECORD_ID_BYTES	24
extern void record_map_open(void);
extern char *record_map_find(Oid server, Object object, const char *key_property, const char *key);

/*
 * The same for a userId: the address told by the youngest row before this id; if there is none, by
 * the oldest one behind it.  Also tells by which, if told_by is not NULL.
 */
extern char *record_map_find_told(Oid server, const char *user_id, int64 before, int64 *told_by);
extern void record_map_close(void);

/* The same without open and close, for a session; for a userId, the record of its address. */
extern char *record_map_look_up(Oid server, Object object, const char *key_property,
								const char *key);

/* Whether to write: there are enough entries, or the worker is idle. */
extern bool record_map_is_due(int64 now, bool idle);

/* Whether nothing more should be added before a write. */
extern bool record_map_is_full(void);
extern bool record_map_is_empty(void);

/*
 * What rows may yet ask whom a userId means.  Those whose userId has been told before them stand
 * behind ended; of the others, it is asked of each userId whether any wait for it.
 */
typedef struct RecordMapRows
{
	int64		ended;
	bool		(*await_user_id) (Oid server, const char *user_id);
} RecordMapRows;

/* Write all entries, inside a transaction; call record_map_written() after its commit. */
extern void record_map_write(const RecordMapRows *rows);
extern void record_map_written(void);

#endif							/* HUBSPOT_RECORD_MAP_H */
