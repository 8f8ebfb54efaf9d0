/*
 * end_rows.h
 *		Rows that wait, and end because what they are about is gone.
 */
#ifndef HUBSPOT_END_ROWS_H
#define HUBSPOT_END_ROWS_H

#include "message/pair.h"
#include "request/batch.h"

/* Rows of a key that were queued before this id and are not under way are cancelled. */
extern void end_rows_before(WorkKey *key, int64 before, const char *category, const char *why);

/* A record that is gone, as pairs name it (message_pair_end_text()), since this row. */
typedef struct GoneEnd
{
	const char *text;
	int64		before;
} GoneEnd;

/* The same of pairs that name one of these; the array is sorted. */
extern void end_pairs_of(Account *account, GoneEnd *gone, int ngone, const char *category,
						 const char *why);

/* The records of a request's inputs have been archived. */
extern void end_pairs_of_archived(const Batch *batch);

#endif							/* HUBSPOT_END_ROWS_H */
