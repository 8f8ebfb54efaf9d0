/*
 * verdict.c
 *		The table of the verdicts, and the words of its flags.
 *
 * No memory, no lock, no catalog: the worker reads it between transactions.
 */
#include "postgres.h"

#include "base/verdict.h"

/* A row for each verdict; as a list, so that it can be counted. */
#define VERDICT_RULES(ROW) \
	ROW(VERDICT_DELIVERED, "delivered", VERDICT_IS_ARRIVED, \
		"HubSpot's answer accounts for this very record") \
	ROW(VERDICT_COALESCED, "coalesced", VERDICT_IS_SHARED, \
		"merged into a later row, went out with it, and shares its fate") \
	ROW(VERDICT_UNCHANGED, "unchanged", VERDICT_IS_ARRIVED, \
		"nothing to do: HubSpot has it already") \
	ROW(VERDICT_REJECTED, "rejected", \
		VERDICT_IS_MISSING | VERDICT_IS_FAILURE | RETRIED_BY_RETRY, \
		"will never work as it is: a bad message, or HubSpot refuses the record") \
	ROW(VERDICT_EXPIRED, "expired", \
		VERDICT_IS_MISSING | RETRIED_BY_REFRESH | RETRIED_BY_RETRY, \
		"its deadline passed before it could be sent") \
	ROW(VERDICT_CANCELLED, "cancelled", \
		VERDICT_IS_MISSING | RETRIED_BY_REFRESH | RETRIED_BY_RETRY, \
		"somebody took it back, its SERVER was dropped, or its contact erased") \
	ROW(VERDICT_DEAD, "dead", \
		VERDICT_IS_MISSING | VERDICT_IS_FAILURE | RETRIED_BY_REFRESH | RETRIED_BY_RETRY, \
		"given up after faults of its own that might have passed") \
	ROW(VERDICT_SENT_UNCONFIRMED, "sent_unconfirmed", VERDICT_IS_ARRIVED | VERDICT_IS_DOUBTFUL, \
		"sent, and HubSpot gives no answer that says anything") \
	ROW(VERDICT_UNKNOWN, "unknown", VERDICT_IS_DOUBTFUL | VERDICT_IS_FAILURE | RETRIED_BY_NAME, \
		"the answer was lost: it may have arrived, and a repeat could be a second one")

#define RULE(verdict, word, flags, meaning) [verdict] = {word, flags, meaning},
#define ONE(verdict, word, flags, meaning) + 1

const VerdictRule verdict_rules[VERDICT_COUNT] = {VERDICT_RULES(RULE)};

StaticAssertDecl(0 VERDICT_RULES(ONE) == VERDICT_COUNT, "each verdict has a row");

const VerdictFlag verdict_flags[] =
{
	{"arrived", VERDICT_IS_ARRIVED},
	{"missing", VERDICT_IS_MISSING},
	{"in_doubt", VERDICT_IS_DOUBTFUL},
	{"failed", VERDICT_IS_FAILURE},
	{"refresh", RETRIED_BY_REFRESH},
	{"retry", RETRIED_BY_RETRY},
	{"retryable", RETRIED_BY_RETRY | RETRIED_BY_NAME},
	{NULL, 0}
};

bool
verdict_is_confirmed(Verdict verdict)
{
	return (verdict_rules[verdict].flags & (VERDICT_IS_ARRIVED | VERDICT_IS_DOUBTFUL)) ==
		VERDICT_IS_ARRIVED;
}
