/*
 * company_search.h
 *		Companies are searched for by domain, which is no key in HubSpot.
 *
 * A domain is a company's primary one (domain), or one of its further ones
 * (hs_additional_domains).  Three lanes ask: companies, associations that name a
 * company, lists of companies.  Each has a RequestKind of its own, whose answers are
 * its own; the request, and what is found in an answer, is the same.
 */
#ifndef HUBSPOT_COMPANY_SEARCH_H
#define HUBSPOT_COMPANY_SEARCH_H

#include "request/batch.h"

/* What was found for an input. */
typedef struct Found
{
	const ReplyResult *company; /* the oldest that may be it */
	const ReplyResult *ours;	/* it has our key already */
	bool		is_further;		/* no company has the domain as its primary one */
	int			several;		/* # of those that may be it, ours included */
} Found;

/* Whether a key of a company is its domain, for want of a key of its own. */
extern bool company_is_by_domain(const WorkKey *key);

/* Whether a company is of the input's domain (its alias), and may be the input's. */
extern void company_look_at(Found *found, const Input *input, const ReplyResult *result);

/* Whether the input's domain is none but a further one of a company that was found. */
extern bool company_keeps_domain(const Input *input, const ReplyResult *result);

/*
 * An input's record was confirmed: where it was found by a further domain, and has a key of its
 * own, that is remembered.  Later calls by the key tell the domain again, as if it were the primary
 * one.
 */
extern void company_note_domain(const Input *input, const char *record_id);

/* The properties that company_look_at() goes by, of this batch's inputs, as JSON strings. */
extern void company_append_asked(Batch *batch);

/* Several companies were found: the row says so. */
extern void company_warn_of_several(Input *input);

/* What is said of a domain that none was found of. */
extern char *company_not_found(const char *domain);

/*
 * A search: the beginning and the end of its body, and an input whose alias is set, or BUILD_WAIT
 * when the body has no room for it.
 */
#define COMPANY_SEARCH \
	.repeat = REPEAT_HARMLESS, \
	.path = PATH_SEARCH, \
	.type = &object_types[OBJECT_IS_COMPANY], \
	.meter = METER_SEARCH, \
	.max_inputs = 100, \
	.max_rows = 1000, \
	.is_list = true, \
	.shares = true, \
	.begin_body = company_search_begin, \
	.end_body = company_search_end

extern void company_search_begin(Batch *batch);
extern void company_search_end(Batch *batch);
extern BuildResult company_search_append(Batch *batch, Input *input);

/* What becomes of an input; nothing may have been found. */
typedef void (*CompanyDecision) (Input *input, const Found *found, const Reply *reply,
								 AckRequest *request);

extern void company_search_answered(Batch *batch, const Reply *reply, AckRequest *request,
									CompanyDecision decide);

#endif							/* HUBSPOT_COMPANY_SEARCH_H */
