/*
 * defer.h
 *		Rows that failed for their own sake and are tried again later.
 *
 * A fault that concerns one record and may pass (HubSpot says so of that
 * record, or everything else of the lane goes well) is no trouble of the
 * lane.  The rows of the record leave the window and wait in
 * hubspot.deferred, with a copy of everything, so that neither the window nor
 * the checkpoint waits for them.  Their key is blocked meanwhile: what is
 * queued for it later keeps its place behind them.  After max_attempts such
 * faults they end as dead, and hubspot.dead keeps the copy.
 *
 * The worker is the only one that writes hubspot.deferred.
 */
#ifndef HUBSPOT_DEFER_H
#define HUBSPOT_DEFER_H

#include "queue/queue.h"

/* The category of a record whose answers say that all went well, but cannot be read. */
#define DEFER_UNREADABLE	"unreadable"

/* The category of one whose answers say that all went well, but do not tell of it. */
#define DEFER_SILENT		"not_confirmed"

#define DEFER_MAX_ROWS	100000	/* of a worker; beyond it faults are the lane's */

/*
 * The category of rows whose userId, or whose records, nobody has told.  They are counted by
 * themselves, so that they take no room from faults; beyond the bound they stay in the window.
 */
#define DEFER_UNTOLD	"contact_not_found"
#define DEFER_UNTOLD_PAIR	"record_not_found"	/* the same of a pair of records */
#define DEFER_MAX_UNTOLD 100000 /* of a worker */

extern void defer_init(void);

/* Read what waits; in the worker's first transaction, after the accounts. */
extern void defer_start(void);

/* Whether a row of the outbox waits in hubspot.deferred since before the worker's start. */
extern bool defer_has(int64 id);

/* Whether so many rows more may be deferred. */
extern bool defer_has_room(int n);

/* The rows of the key's input leave the window, and wait until then (µs of the monotonic clock). */
extern void defer_rows_of_key(WorkKey *key, Row *const *rows, int n, int64 until);

/* The same for one row that is in no input; the key is being blocked. */
extern void defer_add_row(WorkKey *key, Row *row);

/*
 * The same for rows of a key that is to be told (queue.h), which have not failed: all that wait of
 * a key; one more of a key that is deferred already.  False when there are too many.
 */
extern bool defer_untold(WorkKey *key, int64 until, int64 (*left_us) (const Row *row));
extern bool defer_more_untold(Row *row, int64 left_us);

/* A row with a copy has got its verdict. */
extern void defer_ended(const Row *row);

/* Rows of a key that are in hubspot.deferred get this verdict, those queued before an id. */
extern void defer_end_key(WorkKey *key, int64 before, Verdict verdict, const char *category,
						  const char *message);

/* Recall keys whose time has come; returns µs until the next, -1: none waits. */
extern int64 defer_wake(int64 now);

/*
 * Bring the rows of a recalled key into the window; inside a transaction, and
 * not while defer_lags().  Those that find no room are put off after it.
 */
extern void defer_load(WorkKey *key);
extern void defer_postpone(WorkKey *key);

/* Copies and their removal, with the verdicts of the same transaction. */
extern bool defer_has_changes(void);

/* Whether to write them; else µs until then, -1: there are none. */
extern bool defer_is_due(int64 now, bool idle, int64 *wait_us);
extern void defer_write(void);
extern void defer_written(void);

/*
 * Whether memory is ahead of the table: rows wait that it does not have yet, or has as they were.
 * A row that is looked for then would be taken for one that somebody has removed; so copies are
 * written before anybody looks for one, and who reads the table all the same gets an error.
 */
extern bool defer_lags(void);

/*
 * What is deferred and not in the window, as the table and the memory know it; inside a transaction
 * with SPI, and not while defer_lags().
 */
typedef struct DeferredRow
{
	int64		id;
	const Lane *lane;			/* NULL: the SERVER is gone */
	const char *property;		/* of the key that is blocked by it */
	const char *name;			/* and that key's own name */
	Oid			server;
	Oid			call;
	const char *object;
	const char *text;			/* key as in the outbox */
	bool		backfill;
} DeferredRow;

extern List *defer_rows(void);

/* The key that is blocked by it, NULL: it is not any more. */
extern WorkKey *defer_key(const DeferredRow *row);

/* One of them gets this verdict; a key is recalled before its time. */
extern void defer_end_row(WorkKey *key, int64 id, Verdict verdict, const char *category,
						  const char *message);
extern void defer_recall(WorkKey *key);

#endif							/* HUBSPOT_DEFER_H */
