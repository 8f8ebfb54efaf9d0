/*
 * unchanged.h
 *		Only what changed is sent: the SERVER option skip_unchanged.
 *
 * Values that HubSpot has confirmed (confirmed.h), and that have not expired, are not
 * sent again; if nothing is left of a record, no request is sent for it.  This file
 * decides which values these are, what an answer confirms, and what makes a confirmation
 * doubtful.
 */
#ifndef HUBSPOT_UNCHANGED_H
#define HUBSPOT_UNCHANGED_H

#include "request/batch.h"
#include "store/confirmed.h"

/* What an answer will confirm. */
typedef struct Written
{
	TimestampTz sent_at;		/* not later than that */
	int			npairs;
	int			stage;			/* which of them is the lifecycle stage; -1: none */
	ConfirmedPair pairs[FLEXIBLE_ARRAY_MEMBER];
} Written;

/*
 * What the hashes of an account are made with: they mean nothing for another
 * account, nor after a fail-over, which may have lost what was confirmed last.
 * portal_id 0: not known; then the token's fingerprint stands for it.
 */
extern uint64 unchanged_seed(const char *base_url, int64 portal_id, const char *fingerprint);

/*
 * For each property that was written its pair, and whether HubSpot is known to
 * have it: flags, palloc'd.  confirmed NULL: nothing is known.
 */
extern bool *unchanged_find(const Mapping *mapping, const Confirmed *confirmed, uint64 seed,
							TimestampTz since,
							ConfirmedPair *pairs);

/* The time from which on what was confirmed counts. */
extern TimestampTz unchanged_since(const AccountOptions *options);

/*
 * Leave out of an input's properties what HubSpot has.  Returns whether
 * nothing is left of a record that is there.
 */
extern bool unchanged_leave_out(const Batch *batch, Input *input, Mapping *mapping);

/* The record id of an input that is not sent, as it is known all the same. */
extern const char *unchanged_record(const Input *input);

/* Copy of what an answer will confirm, in the current context; NULL stays NULL. */
extern Written *unchanged_copy(const Written *written);

/* HubSpot has confirmed the input; record_id NULL: of an unknown record. */
extern void unchanged_learn(Input *input, const char *record_id);

/*
 * Whether values were left out of an input because of another record than the
 * one that HubSpot names (NULL: it names none).
 */
extern bool unchanged_is_elsewhere(const Input *input, const char *record_id);

#endif							/* HUBSPOT_UNCHANGED_H */
