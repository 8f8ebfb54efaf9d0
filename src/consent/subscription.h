/*
 * subscription.h
 *		The consent lane: subscriptions of addresses, see subscription.c.
 *
 * Between its files: what a row says, and the requests that it may need.
 */
#ifndef HUBSPOT_SUBSCRIPTION_H
#define HUBSPOT_SUBSCRIPTION_H

#include "message/message_consent.h"
#include "request/batch.h"

/* ---- subscription_row.c ------------------------------------------------------------------ */

/* What the row says, in the current context; the second of one that check() has let pass. */
extern bool subscription_read_row(const Row *row, MessageConsent *consent,
								  MessageProblem *problem);
extern MessageConsent subscription_of(const Row *row);

/* HubSpot's id of the type; NULL: it is not known. */
extern const char *subscription_id(const Row *row, const MessageConsent *consent);

/* Why HubSpot refused, in its words: the row's verdict.  alone: nothing else was in the request. */
extern void subscription_refused(Input *input, const char *code, const char *words, int status,
								 AckRequest *request);

extern const char *const subscription_not_known;

/*
 * The token, or the account, may not do it for many at once: from here on each address goes by
 * itself.  Returns whether that was it: then the rows are back in their keys.
 */
extern bool subscription_go_single(Batch *batch, const Reply *reply, bool answered);

/* Each of the chosen inputs in a request of its own. */
extern void subscription_go_alone(Batch *batch, const bool *chosen, const RequestKind *kind);

/* The same query for all of a request. */
extern bool subscription_fits(const Batch *batch, const WorkKey *key);

/* For append_input of a RequestKind: the address is all that is said. */
extern BuildResult subscription_append_address(Batch *batch, Input *input,
											   const MessageParts *parts);

/* "?channel=EMAIL", with what else is to be said; behind an address if there is one. */
extern char *subscription_query(const MessageConsent *consent, const char *address,
								const char *tail);

/* ---- subscription_read.c: how an address stands, before it is subscribed ------------------ */

extern const RequestKind subscription_read_many;
extern const RequestKind subscription_read_one;

/* ---- subscription_write.c ------------------------------------------------------------------ */

extern const RequestKind subscription_subscribe_many;
extern const RequestKind subscription_subscribe_one;
extern const RequestKind subscription_opt_out_many;
extern const RequestKind subscription_opt_out_one;
extern const RequestKind subscription_leave_many;	/* everything */
extern const RequestKind subscription_leave_one;
extern const RequestKind subscription_set_v3;

/* ---- for hubspot_explain(), too --------------------------------------------------------- */

/* The request for one address: what stands behind the path of all, and the body. */
extern void subscription_append_request(StringInfo path, StringInfo body, const char *address,
										const MessageConsent *consent, const char *id,
										bool is_v3);

#endif							/* HUBSPOT_SUBSCRIPTION_H */
