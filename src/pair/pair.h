/*
 * pair.h
 *		Rows of the lane "pairs": two records that are associated, or are not any more.
 *
 * A key is a pair (message/pair.h), so that each is an input of its own and thousands go in one
 * request.  The record ids of its ends, in the order of the key, are the key's and the head row's.
 */
#ifndef HUBSPOT_PAIR_H
#define HUBSPOT_PAIR_H

#include "message/pair.h"
#include "pair/ends.h"
#include "request/batch.h"

extern const FamilyWork pairs_work;

/* What a row says. */
typedef struct RowPair
{
	PairMessage message;
	bool		turned;			/* the key names first what the message calls "to" */
	PairEnd		ends[2];		/* in the order of the key; a userId that was told is an address */
} RowPair;

/* False for a row that is none of a pair; it is refused before it is sent. */
extern bool pair_read(const Row *row, RowPair *pair);

/* The same of a row that was checked. */
extern RowPair pair_of(const Row *row);

/* Which end, in the order of the key, the message calls "from", and which "to". */
#define PAIR_FROM(pair)	((pair)->turned ? 1 : 0)
#define PAIR_TO(pair)	((pair)->turned ? 0 : 1)

/* The record id of an end; "": not known. */
extern char *pair_record(Row *row, int end);

/* The row that an input's ends are known by. */
extern Row *pair_row(const Input *input);

/* The first end whose record is not known; -1: both are. */
extern int	pair_unknown(Row *row);

/* ---- pair_link.c: requests about pairs ------------------------------------------------ */

extern const RequestKind pair_link;
extern const RequestKind pair_unlink;

/* ---- pair_label.c: the same of labels -------------------------------------------------- */

extern const RequestKind pair_read_labelled;
extern const RequestKind pair_unlabel;

/* ---- pair_request.c: what these have in common ------------------------------------------ */

/* "/crm/associations/2026-03/" goes on with both types of the batch, and this. */
extern void pair_address(const Batch *batch, Address *address, const char *tail);

/*
 * Whether a key may stand beside the inputs: of the same two types, and of no pair that is there.
 */
extern bool pair_fits(const Batch *batch, const WorkKey *key);

/* The same for requests by what the messages call "from" and "to". */
extern bool pair_fits_directed(const Batch *batch, const WorkKey *key);

/* Begin a body, and note an input's pair, for pair_fits(). */
extern void pair_begin_body(Batch *batch);
extern void pair_note(Row *row);

/* Whether both records of an input are known still; else its rows begin anew. */
extern bool pair_is_whole(Input *input);

/*
 * Which inputs an answer tells of; the reply's results are matched whatever their form and order.
 */
extern void pair_find_results(const Batch *batch, const Reply *reply, bool *told);

/* The error of an input that is not among the results; NULL: none that is its own. */
extern const ReplyError *pair_error(const Reply *reply, const Input *input, int nopen);

/* Whether an error tells whose it is. */
extern bool pair_is_named(const Batch *batch, const ReplyError *error);

/* HubSpot has done it. */
extern void pair_end(Input *input, Verdict verdict, const Reply *reply, AckRequest *request);

/* HubSpot refuses an input. */
extern void pair_refuse(Input *input, const ReplyError *error, const Reply *reply,
						AckRequest *request);

/* The answer to a request that was refused as a whole. */
extern void pair_refused(Batch *batch, const Reply *reply, AckRequest *request);

/* The answer to a request whose success tells of no pair, but errors are told. */
extern void pair_removed(Batch *batch, const Reply *reply, AckRequest *request);

/* The answer to a request that tells of each pair. */
extern void pair_linked(Batch *batch, const Reply *reply, AckRequest *request);

#endif							/* HUBSPOT_PAIR_H */
