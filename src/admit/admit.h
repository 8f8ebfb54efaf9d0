/*
 * admit.h
 *		Rows of the outbox on their way into the worker's memory.
 *
 * What a row is and whose; no decision about when it is read, which is
 * outbox_reader.c's.
 */
#ifndef HUBSPOT_ADMIT_H
#define HUBSPOT_ADMIT_H

#include "queue/queue.h"
#include "ring/outbox.h"
#include "ring/result_probe.h"

/* Why a row has no lane, and therefore ends unsent.  Texts are palloc'd or constant. */
typedef struct Refusal
{
	Verdict		verdict;
	const char *category;
	const char *message;
} Refusal;

/* Of rows whose SERVER has gone: those on their way, deferred ones, and those that are here. */
extern const Refusal admit_server_dropped;

/* The lane of a row; NULL when it can have none, with the reason. */
extern Lane *admit_lane(TupleTableSlot *slot, Refusal *why);

/* Write the verdict of a row that has no lane. */
extern void admit_refuse(int64 id, const Refusal *why);

/* Whether a row makes way for live ones. */
extern bool admit_is_backfill(TupleTableSlot *slot);

/* Bytes that a row will take in the window. */
extern Size admit_size(TupleTableSlot *slot);

/*
 * The name that the key of a row has in the window: a userId becomes the address
 * that was told before the row, or, if none was, behind it.  property NULL: an
 * address.  Returns whether the row is late, see row.h.  Inside a transaction, with the
 * record map open.
 */
extern bool admit_resolve(const Lane *lane, int64 id, const char **property, const char **key);

/*
 * What a userId means for a row, palloc'd, and whether the row is late; NULL: nobody has told.
 * has_waited: nobody had when it was read.
 */
extern char *admit_address_of(const Lane *lane, int64 id, const char *user_id, bool has_waited,
							  bool *is_late);

/*
 * The userId whose address the row tells; palloc'd, NULL when it tells none.
 */
extern char *admit_user_id_told(const Lane *lane, TupleTableSlot *slot);

/* Bring a row into the window.  maybe_sent: a worker before this one may have read it. */
extern Row *admit_row(Lane *lane, TupleTableSlot *slot, bool maybe_sent);

/*
 * The row was put aside before anybody had told whom its userId means, and has come in: if that is
 * known now, it may be late.  Within the same transaction.
 */
extern void admit_has_waited(Row *row);

/* Once, in the first transaction that reads. */
extern void admit_start(void);

/*
 * The row has a result, at which the probe stands: the record map learns from
 * it what the worker before this one may not have written.
 */
extern void admit_remember(const Lane *lane, TupleTableSlot *slot, const ResultProbe *probe);

#endif							/* HUBSPOT_ADMIT_H */
