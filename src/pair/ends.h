/*
 * ends.h
 *		Records of others that rows need, before they can be sent: waited for, looked up, asked for.
 *
 * An end is named by its key (message/pair.h).  Rows of pairs have two, a row that creates a record
 * may have some (object/born.c).  What is known of them is kept by whoever needs them: its
 * FamilyWork has an EndSeeker.
 */
#ifndef HUBSPOT_ENDS_H
#define HUBSPOT_ENDS_H

#include "message/pair.h"
#include "request/batch.h"

typedef struct EndSeeker
{
	/* The end of a row that HubSpot is asked for now; valid until the row is told of it. */
	PairEnd		(*sought) (Row *row);

	/* HubSpot has the input's, and it is remembered: to be kept.  Its rows then begin anew. */
	void		(*found) (Input *input, const char *record_id);

	/* HubSpot does not have it, and says so: the rows end, or go back to their key. */
	void		(*missing) (Input *input, const char *message, const Reply *reply,
							AckRequest *request);
} EndSeeker;

/* ---- what may tell an end without asking HubSpot ----------------------------------- */

/* Rows about it that are in the window; returns whether the key was sent away until they go. */
extern bool ends_await_rows(WorkKey *key, const PairEnd *end, bool is_known);

/* Rows about its object that are not in the window yet; the same. */
extern bool ends_await_reader(WorkKey *key, Object object);

/*
 * The record that the tables know for an end, or NULL; a userId that was told becomes the address.
 * Inside a transaction, between record_map_open() and record_map_close().
 */
extern const char *ends_look_up(WorkKey *key, PairEnd *end);

/* Whether an end is a contact by its userId, whose address nobody has told. */
extern bool ends_is_by_user_id(const PairEnd *end);

/* ---- asking HubSpot ------------------------------------------------------------------ */

/* The request that looks for the record of an end; NULL: HubSpot cannot be asked for it. */
extern const RequestKind *ends_kind_to_find(const PairEnd *end);

/* What the tables know of an end has turned out to be gone. */
extern void ends_forget(const WorkKey *key, const PairEnd *end);

/* ---- words ----------------------------------------------------------------------------- */

/* Why a row ends for want of it; the category is records_not_found()'s.  palloc'd */
extern char *ends_problem(const PairEnd *end);

#endif							/* HUBSPOT_ENDS_H */
