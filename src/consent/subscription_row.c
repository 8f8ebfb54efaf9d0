/*
 * subscription_row.c
 *		What a row of the consent lane says, and what its requests have in common.
 *
 * Called by batch.c through the kinds of requests, in the batch's memory context.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "consent/subscription.h"
#include "text/value.h"

const char *const subscription_not_known = "unknown_subscription";

/* ---- what a row says ------------------------------------------------------------------- */

bool
subscription_read_row(const Row *row, MessageConsent *consent, MessageProblem *problem)
{
	MessageParts parts;

	return message_read(row->message, &parts, problem) &&
		message_consent(&parts, consent, problem);
}

MessageConsent
subscription_of(const Row *row)
{
	MessageConsent consent;
	MessageProblem problem;

	if (!subscription_read_row(row, &consent, &problem))
		elog(ERROR, "outbox row " INT64_FORMAT " is unreadable: %s", row->id, problem.message);
	return consent;
}

const char *
subscription_id(const Row *row, const MessageConsent *consent)
{
	if (consent->subscription != NULL && message_is_subscription_id(consent->subscription))
		return consent->subscription;
	return row->record_id[0] != '\0' ? row->record_id : NULL;
}

/* ---- refusals ------------------------------------------------------------------------------- */

/*
 * HubSpot's refusals share a status and a category, so that only its words tell them apart: those
 * of the recorded ones, in either contract.  What is none of them is the row's own refusal, in
 * HubSpot's words.
 */
static const struct
{
	const char *words;
	const char *more;			/* that also stand there; NULL: none */
	Verdict		verdict;
	const char *category;
}			refusals[] =
{
	{"already subscribed", NULL, VERDICT_UNCHANGED, NULL},
	{"already unsubscribed", NULL, VERDICT_UNCHANGED, NULL},
	{"have unsubscribed", NULL, VERDICT_REJECTED, "unsubscribed"},
	{"has unsubscribed", NULL, VERDICT_REJECTED, "unsubscribed"},
	{"legal basis", NULL, VERDICT_REJECTED, "legal_basis_missing"},
	{"legalBasis", NULL, VERDICT_REJECTED, "legal_basis_missing"},
	{"subscription", "not exist", VERDICT_REJECTED, "unknown_subscription"},
	{"subscription", "not found", VERDICT_REJECTED, "unknown_subscription"},
	{"subscription", "not active", VERDICT_REJECTED, "unknown_subscription"},
};

static bool
has_words(const char *text, const char *words)
{
	size_t		len = strlen(words);

	for (; *text != '\0'; text++)
		if (pg_strncasecmp(text, words, len) == 0)
			return true;
	return false;
}

void
subscription_refused(Input *input, const char *code, const char *words, int status,
					 AckRequest *request)
{
	Verdict		verdict = VERDICT_REJECTED;
	const char *category = status == 404 ? subscription_not_known : code;

	for (int i = 0; words != NULL && i < lengthof(refusals); i++)
		if (has_words(words, refusals[i].words) &&
			(refusals[i].more == NULL || has_words(words, refusals[i].more)))
		{
			verdict = refusals[i].verdict;
			category = refusals[i].category;
			break;
		}
	/* after a lost answer that is our own doing */
	if (verdict == VERDICT_UNCHANGED && row_may_have_arrived(input->rows[0]))
		verdict = VERDICT_DELIVERED;
	batch_reject(input, verdict, category, verdict == VERDICT_REJECTED ? words : "", status,
				 request);
}

/* ---- one by one ------------------------------------------------------------------------------ */

bool
subscription_go_single(Batch *batch, const Reply *reply, bool answered)
{
	Account    *account = batch->lane->account;

	if (!answered || reply->class != REPLY_FORBIDDEN || reply->root == NULL)
		return false;
	if (!account->consent_single)
		ereport(LOG,
				(errmsg("account \"%s\" writes subscriptions one by one", account->name),
				 errdetail("HubSpot does not let it write several at once: %s", reply->message),
				 errhint("That needs Marketing Hub Enterprise, and the scopes "
						 "communication_preferences.statuses.batch.read and .write.")));
	account->consent_single = true;
	for (int i = 0; i < batch->ninputs; i++)
		batch_put_back(batch->inputs[i].key, batch->inputs[i].rows, batch->inputs[i].nrows);
	return true;
}

/* What is pushed last goes first: the oldest. */
void
subscription_go_alone(Batch *batch, const bool *chosen, const RequestKind *kind)
{
	bool	   *one = palloc0(sizeof(bool) * batch->ninputs);

	for (int i = batch->ninputs - 1; i >= 0; i--)
	{
		if (!chosen[i])
			continue;
		one[i] = true;
		(void) batch_follow(batch, one, kind);
		one[i] = false;
	}
	pfree(one);
}

static bool
is_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
subscription_fits(const Batch *batch, const WorkKey *key)
{
	MessageConsent first = subscription_of(batch->inputs[0].rows[0]);
	MessageConsent next;
	MessageProblem problem;

	return subscription_read_row(key_head(key), &next, &problem) &&
		is_same(first.channel, next.channel) &&
		is_same(first.business_unit, next.business_unit);
}

BuildResult
subscription_append_address(Batch *batch, Input *input, const MessageParts *parts)
{
	value_append_string(&batch->body, input->key->key, strlen(input->key->key));
	return BUILD_DONE;
}

/* The address is no part of the path: that is logged. */
char *
subscription_query(const MessageConsent *consent, const char *address, const char *tail)
{
	StringInfoData query;

	initStringInfo(&query);
	if (address != NULL)
	{
		appendStringInfoChar(&query, '/');
		value_append_encoded(&query, address, strlen(address));
	}
	appendStringInfo(&query, "%s?channel=%s", tail, consent->channel);
	if (consent->business_unit != NULL)
		appendStringInfo(&query, "&businessUnitId=%s", consent->business_unit);
	return query.data;
}
