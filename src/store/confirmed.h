/*
 * confirmed.h
 *		Which values HubSpot has confirmed of which record.
 *
 * For accounts with the option skip_unchanged.  What is known stands in
 * hubspot.confirmed, a row per record, as hashes; here is the worker's view of
 * it: the records of the keys in the window, and what was learnt and not
 * written yet.  It never claims more than HubSpot has said: whatever is in
 * doubt is forgotten, which costs one more write.
 */
#ifndef HUBSPOT_CONFIRMED_H
#define HUBSPOT_CONFIRMED_H

#include "lib/ilist.h"
#include "utils/timestamp.h"

#include "store/record_map.h"
#include "store/ring.h"

#define CONFIRMED_MAX_PAIRS 100 /* properties remembered of a record; others are always sent */

/* One property; as in the table, in the machine's byte order. */
typedef struct ConfirmedPair
{
	uint32		name;			/* hash of the name */
	uint32		at;				/* when, seconds since 2000-01-01 */
	uint64		value;			/* hash of name and value as sent; 0: the value is not known */
} ConfirmedPair;

/* What makes a record. */
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
	bool		loaded;			/* what the table holds is in here; else nothing may be concluded */
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
 * The record of a key that comes into the window, read from the table unless
 * it is in memory already.  Inside a transaction with a snapshot, between
 * confirmed_begin_reading() and confirmed_end_reading().  Where memory is
 * short it is not loaded.
 */
extern void confirmed_begin_reading(void);
extern Confirmed *confirmed_open(Oid server, Object object, const char *record_id);
extern void confirmed_end_reading(void);

/* One more key means the record, or one less. */
extern void confirmed_share(Confirmed *confirmed);
extern void confirmed_close(Confirmed *confirmed);

/* The same for a session: read into the caller's memory. */
extern void confirmed_read(Oid server, Object object, const char *record_id, Confirmed *confirmed);

/* Whether the value was confirmed, or the record's existence, after this time. */
extern bool confirmed_has(const Confirmed *confirmed, const ConfirmedPair *pair, TimestampTz since);
extern bool confirmed_exists(const Confirmed *confirmed, TimestampTz since);

/*
 * HubSpot has taken these values in a write that was sent at that time;
 * is_new: with it the record was created.  If the record has been written to
 * by another key since, it is not known in which order, and all is forgotten.
 */
extern Confirmed *confirmed_learn(Oid server, Object object, const char *record_id,
								  const ConfirmedPair *pairs,
								  int npairs, TimestampTz sent_at, bool is_new);

/* Nothing is known of the record any more. */
extern void confirmed_forget(Oid server, Object object, const char *record_id);

/*
 * What was loaded of an account (InvalidOid: of all) does not count any more: the table has
 * changed.
 */
extern void confirmed_unload(Oid server);

/*
 * From now on nothing counts as confirmed; and again it does, but for all that was sent or loaded
 * before.
 */
extern void confirmed_suspend(void);
extern void confirmed_resume(void);

/* Write what was learnt, in the transaction of the verdicts; and tell that it has committed. */
extern void confirmed_write(void);
extern void confirmed_written(void);

#endif							/* HUBSPOT_CONFIRMED_H */
