/*
 * shared_keys.h
 *		What a worker tells of a key that waits, in shared memory.
 *
 * A copy of fixed size, without a pointer.  It has the names of other keys,
 * which are personal data: see rights.h for who is shown them.
 */
#ifndef HUBSPOT_SHARED_KEYS_H
#define HUBSPOT_SHARED_KEYS_H

#include "common/hashfn.h"
#include "datatype/timestamp.h"

#define SHARED_MAX_KEYS			512 /* keys that a worker reports */
#define SHARED_KEY_NAME			96

typedef struct KeyReport
{
	int64		id;				/* of the row that waits, the oldest of its key */
	uint64		key_hash;		/* shared_key_hash() */
	Oid			server;
	uint32		object;			/* object_code() of the key */
	uint32		awaited;		/* of what it waits for, where that is a lane's rows */
	uint8		state;			/* KeyState */
	TimestampTz until;			/* 0: no time */
	char		name[SHARED_KEY_NAME];	/* of the key that it waits for, "": none; in the encoding
										 * of this worker's database */
} KeyReport;

/* What rows of one key have in common, of whichever length. */
static inline uint64
shared_key_hash(const char *property, const char *key)
{
	uint64		seed = property == NULL ? 0 :
	hash_bytes_extended((const unsigned char *) property, strlen(property), 0);

	return hash_bytes_extended((const unsigned char *) key, strlen(key), seed);
}

#endif							/* HUBSPOT_SHARED_KEYS_H */
