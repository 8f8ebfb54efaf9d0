/*
 * verdict.h
 *		The verdicts, as data: what each says of the record, and who tries again.
 *
 * verdict_rules[] is the one place.  hubspot.verdicts() returns it;
 * hubspot.verdicts_with() gives SQL the verdicts with a flag, so that no view
 * and no function has a list of words of its own, and the index of the results
 * that failed is made by it.
 */
#ifndef HUBSPOT_VERDICT_H
#define HUBSPOT_VERDICT_H

#include "base/words.h"

/*
 * Flags of a verdict.  Of arrived and missing a verdict has one, or none where
 * nobody knows: the answer was lost, or the row shares another one's fate.
 */
#define VERDICT_IS_ARRIVED	0x01	/* HubSpot has what the row says */
#define VERDICT_IS_MISSING	0x02	/* HubSpot does not have it */
#define VERDICT_IS_DOUBTFUL	0x04	/* it was sent, and no answer says what became of it */
#define VERDICT_IS_FAILURE	0x08	/* belongs into hubspot.failures: not asked for */
#define VERDICT_IS_SHARED	0x10	/* the fate is that of the row in merged_into */

/* Who tries again. */
#define RETRIED_BY_REFRESH	0x20	/* the next refresh of an audience, a trait, a compared sync */
#define RETRIED_BY_RETRY	0x40	/* hubspot_retry() */
#define RETRIED_BY_NAME		0x80	/* hubspot_retry() when it names the row or the verdict */

typedef struct VerdictRule
{
	const char *word;			/* label of hubspot.verdict */
	int			flags;
	const char *meaning;
} VerdictRule;

extern const VerdictRule verdict_rules[VERDICT_COUNT];

/* A word for some of the flags: a verdict that has one of them has the word. */
typedef struct VerdictFlag
{
	const char *word;
	int			flags;
} VerdictFlag;

/* Ends with a word that is NULL. */
extern const VerdictFlag verdict_flags[];

/* Does HubSpot's answer, or what was known before, say that it has the values? */
extern bool verdict_is_confirmed(Verdict verdict);

#endif							/* HUBSPOT_VERDICT_H */
