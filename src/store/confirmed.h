/*
 * confirmed.h
 *		The values that HubSpot has confirmed, by record.
 *
 * For accounts with the option skip_unchanged. hubspot.confirmed holds the values as
 * hashes, one row per record.  This is the worker's view of it: the records of the keys
 * in the window, and values that were learnt and not written yet.  It never claims more
 * than HubSpot has said: anything in doubt is forgotten, which costs one more write.
 */
#ifndef HUBSPOT_CONFIRMED_H
#define HUBSPOT_CONFIRMED_H

#include "lib/ilist.h"
#include "utils/timestamp.h"

#include "ring/ring.h"
#include "store/record_map.h"

#define CONFIRMED_MAX_PAIRS 100 /* # of properties kept per record; others are always sent */

/* One property; as in the table, in the machine's byte order. */
typedef struct ConfirmedPair
{
	uint32		name;			/* hash of the name */
	uint32		at;				/* when confirmed, seconds since 2000-01-01 */
	uint64		value;			/* hash of name and value as sent; 0: the value is not known */
} ConfirmedPair;

/* Identifies a record. */
typedef struct ConfirmedName
{
	Oid			server;
	Object		object;
	char		record_id[RECORD_ID_BYTES];
} ConfirmedName;

typedef struct Confirmed
{
	ConfirmedName name;			/* first: the key of the hash table */
	int			users;			/* keys in the window that mean this record */
	bool		loaded;			/* the table's row was read; else nothing may be concluded */
	bool		dirty;			/* to be written */
	bool		known;			/* HubSpot has the record, as of "at" */
	TimestampTz at;				/* of the last confirmation, or forgetting; 0: none */
	TimestampTz since;			/* while not loaded: sending time of the first write that was
								 * learnt */
	int			npairs;
	int			size;
	ConfirmedPair *pairs;
	dlist_node	node;			/* among the dirty ones */
} Confirmed;

/*
 * The record of a key that enters the window; read from the table unless it is in memory.
 * Inside a transaction with a snapshot, between confirmed_begin_reading() and
 * confirmed_end_reading().  Not loaded if memory is short.
 */
extern void confirmed_begin_reading(void);
extern Confirmed *confirmed_open(Oid server, Object object, const char *record_id);
extern void confirmed_end_reading(void);

/* Count one more key for the record, or one less. */
extern void confirmed_share(Confirmed *confirmed);
extern void confirmed_close(Confirmed *confirmed);

/* The same for a session: read into the caller's memory. */
extern void confirmed_read(Oid server, Object object, const char *record_id, Confirmed *confirmed);

/* Whether the value, or the existence of the record, was confirmed after this time. */
extern bool confirmed_has(const Confirmed *confirmed, const ConfirmedPair *pair, TimestampTz since);
extern bool confirmed_exists(const Confirmed *confirmed, TimestampTz since);

/*
 * HubSpot has accepted these values in a write sent at that time; is_new: the write
 * created the record.  If another key has written to the record since, the order of both
 * writes is unknown, and everything is forgotten.
 */
extern Confirmed *confirmed_learn(Oid server, Object object, const char *record_id,
								  const ConfirmedPair *pairs,
								  int npairs, TimestampTz sent_at, bool is_new);

/* Forget the record's values. */
extern void confirmed_forget(Oid server, Object object, const char *record_id);

/* Discard what was loaded of an account (InvalidOid: of all): the table has changed. */
extern void confirmed_unload(Oid server);

/*
 * confirmed_suspend(): from now on nothing counts as confirmed. confirmed_resume(): it
 * counts again, except values sent or loaded before.
 */
extern void confirmed_suspend(void);
extern void confirmed_resume(void);

/*
 * Write what was learnt, in the transaction of the verdicts; call confirmed_written()
 * after its commit.
 */
extern void confirmed_write(void);
extern void confirmed_written(void);

#endif							/* HUBSPOT_CONFIRMED_H */
