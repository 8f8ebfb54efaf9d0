/*
 * batch_fuzz.h
 *		The parts of the fuzz target "batch": rows and their verdicts, the peer, the turns.
 *
 * The input describes rows of an outbox and what HubSpot answers:
 *
 *	{"account": 0,						which SERVER of backend.sql
 *	 "rows": [{"call": "identify", "message": {...}, "object": "association",
 *			   "key": "...", "property": "...", "lost": true, "overdue": true}, ...],
 *	 "answers": [{"status": 207, "body": {...}, "each": {...}, "errors": {...}, "retry": 1,
 *				  "lost": true, "unsent": true, "drop": true, "wait": true}, ...]}
 *
 * A row without a key gets that of its message, as it would have been queued.
 * "each" and "errors" become results and errors of the inputs with an even and
 * an odd number, in which $ID, $TRACE and $N stand for the input's; what there is
 * none of is left out.  When no answers are left, HubSpot is all kindness.
 */
#ifndef HUBSPOT_BATCH_FUZZ_H
#define HUBSPOT_BATCH_FUZZ_H

#include "request/batch.h"

/* A member of an object as a text, a number, a container; NULL, 0 or false when it is none. */
extern char *member_text(JsonbContainer *object, const char *name);
extern int	member_number(JsonbContainer *object, const char *name);
extern bool member_is_true(JsonbContainer *object, const char *name);
extern JsonbContainer *member_container(JsonbContainer *object, const char *name);

/* The i-th element of an array that is an object; NULL when it is none, *n tells how many there are. */
extern JsonbContainer *element(JsonbContainer *array, int i, int *n);

/* ---- batch_rows.c ---- */

/* Bring the input's rows into the window. */
extern void rows_admit(Account *account, JsonbContainer *rows);

/* Rows without a verdict, of a lane or of all (NULL). */
extern int	rows_left(const Lane *lane);

/* The rows of a request that is under way are waiting ones, and no key is in two of them. */
extern void rows_look_at_request(int slot);

/* ---- batch_peer.c ---- */

extern void peer_begin(Account *account, JsonbContainer *answers);
extern int	peer_requests(void);

/* Let one of the requests under way be answered; false when there is none, or the script says wait. */
extern bool peer_answer(void);
extern bool peer_is_scripted(void);
extern void peer_advance(int64 us);

#endif							/* HUBSPOT_BATCH_FUZZ_H */
