/*
 * ring.h
 *		The extension's relations, and the arithmetic of its rings.
 *
 * outbox, result and request are rings of RING_CHILDREN tables.  An id is
 * "generation * RING_SPAN + number"; its child is the generation modulo
 * RING_CHILDREN, so that a look-up by id knows the table without a catalog.
 * The worker starts a new generation by moving the sequence to the next
 * multiple of RING_SPAN, and gives an old one back by TRUNCATE.
 *
 * The two numbers stand in sql/parts/15-outbox.sql as well.
 */
#ifndef HUBSPOT_RING_H
#define HUBSPOT_RING_H

#include "base/words.h"

#define RING_CHILDREN	8
#define RING_SPAN		INT64CONST(1000000000)

#define RING_GENERATION(id) ((id) / RING_SPAN)
#define RING_CHILD(id)		((int) (RING_GENERATION(id) % RING_CHILDREN))
#define RING_FIRST(id)		(RING_GENERATION(id) * RING_SPAN)	/* first id of its generation */

#define CHECKPOINT_CHILDREN 2
#define CHECKPOINT_SPAN		1000

/* Attribute numbers of hubspot.result, for those who read it; store/ack.c writes all. */
#define Anum_result_verdict 5
#define Anum_result_record_id 9

/* Oids of everything that the hot path uses, so that it needs no look-up by name. */
typedef struct Catalog
{
	Oid			extension;
	Oid			outbox_id_seq;
	Oid			request_id_seq;
	Oid			outbox[RING_CHILDREN];
	Oid			outbox_id[RING_CHILDREN];	/* index on (id) */
	Oid			outbox_xid[RING_CHILDREN];	/* index on (xid, id) */
	Oid			outbox_key[RING_CHILDREN];	/* BRIN index on (key, id) */
	Oid			result[RING_CHILDREN];
	Oid			result_id[RING_CHILDREN];	/* index on (id) */
	Oid			result_finished_at[RING_CHILDREN];	/* BRIN index on (finished_at) */
	Oid			request[RING_CHILDREN];
	Oid			request_id[RING_CHILDREN];	/* index on (id) */
	Oid			request_started_at[RING_CHILDREN];	/* BRIN index on (started_at) */
	Oid			checkpoint[CHECKPOINT_CHILDREN];
	Oid			checkpoint_id[CHECKPOINT_CHILDREN]; /* index on (id) */
	Oid			mapping;
	Oid			command;
	Oid			deferred;
	Oid			deferred_id;	/* index on (id) */
	Oid			dead;
	Oid			dead_id;		/* index on (id) */
	Oid			pause;
	Oid			record;
	Oid			record_key_hash;	/* index on (key_hash) */
	Oid			confirmed;
	Oid			confirmed_record;	/* index on (server, record_id) */
	Oid			forgotten;
	Oid			sync;
	Oid			company_contact;
	Oid			company_contact_pair_hash;	/* index on (pair_hash) */
	Oid			suppressed;
	Oid			suppressed_address; /* index on (address, ...) */
	Oid			suppressed_user_id; /* index on (user_id) */
	Oid			suppressed_key;
	Oid			subscription_type;
	Oid			repeat;
	Oid			repeat_replay_of;	/* index on (replay_of) */
	Oid			statistic;
	Oid			request_statistic;
	Oid			call[CALL_COUNT];
	Oid			source[SOURCE_COUNT];
	Oid			verdict[VERDICT_COUNT];
} Catalog;

/*
 * The catalog of this database's extension, cached until one of its relations changes.
 * Without the extension: NULL if missing_ok, else an error.  Needs a transaction.
 */
extern const Catalog *ring_catalog(bool missing_ok);

/*
 * The same, for who reads or writes rows of the outbox or of hubspot.deferred
 * by the numbers of columns in outbox.h: an error when the tables have others,
 * as those of another version of the extension's script.
 */
extern const Catalog *ring_outbox_catalog(void);

/* Position of an enum value among its labels; raises an error for an unknown one. */
extern int	ring_enum_position(const Oid *labels, int count, Oid value);

/* Last value of a sequence of ours, 0 if it was never used. */
extern int64 ring_last_id(Oid sequence);

/* Ids in ascending order, for qsort() and bsearch(). */
extern int	ring_compare_ids(const void *a, const void *b);

/* Whether a table has no pages, which is cheap to find out. */
extern bool ring_is_empty(Oid relation);

/* The owner of our tables, for writes where the caller has no right on them. */
extern Oid	ring_tables_owner(void);

/* Whether the current user may SELECT one of our tables: then functions may show its content. */
extern bool ring_may_read(Oid table);

/* TRUNCATE one of our tables, in the current transaction. */
extern void ring_truncate(Oid relation);

/*
 * A checkpoint whose rows of this generation have been looked at: each has its verdict or a copy.
 * NULL: they have not been, or some have not.  Anew: rows have come since, and are to be looked at,
 * too.
 */
typedef const struct Snap *(*RotationCheck) (int64 generation, bool anew);

/*
 * Truncate old generations and start new ones; called by the worker from time to time, in
 * a transaction of its own.  Takes ACCESS EXCLUSIVE on the children of one generation,
 * with a short lock_timeout; raises an error if it does not get the lock.
 */
extern void ring_rotate(RotationCheck covered_by, int64 retention_minutes);

#endif							/* HUBSPOT_RING_H */
