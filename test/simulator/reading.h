/*
 * reading.h
 *	  What HubSpot may do where the notes leave a fact open.
 *
 * Without a reading the simulator does what is harder for a client; each
 * reading is the other thing that may be meant.  The setting "readings" names
 * those that are on, "reading_seed" chooses among all of them.  Unlike the
 * ways to put an answer (answer.h) they change what happens.
 */
#ifndef SIMULATOR_READING_H
#define SIMULATOR_READING_H

#include <stdbool.h>
#include <stdint.h>

typedef enum Reading
{
	READING_UPSERT_LACKS,		/* an upsert may create a record that lacks what it needs */
	READING_FEWER_REQUIRED,		/* of what the documentation's table names for products: the name
								 * alone */
	READING_UNIQUE_SKU,			/* hs_sku is a product's unique property */
	READING_INACTIVE_403,		/* a type that is switched off is 403, not an unknown type */
	READING_FIRST_PRIMARY,		/* a record's first company becomes its primary one by itself */
	READING_KEPT_LABELS,		/* writing the primary mark alone leaves the other labels */
	READING_NEXT_PRIMARY,		/* another company becomes primary when the mark goes */
	READING_ARCHIVED_OWNERS,	/* an archived owner can be written */
	READING_KEPT_PIPELINE,		/* a stage without its pipeline is one of the record's */
	READING_OTHER_CODES,		/* unknown owners and stages are refused in other words */
	READING_RESUBSCRIBED,		/* under v4 and later a person who opted out can be subscribed
								 * again */
	READING_SUBSCRIPTION_404,	/* an unknown subscription is 404 */
	READING_NO_BASIS,			/* under v4 and later the legal basis may be left out */
	READING_MATCH_REFUSED		/* an event that matches no record is refused, not kept without one */
#define READING_COUNT (READING_MATCH_REFUSED + 1)
} Reading;

extern bool reading_is(Reading reading);

/* Its name in the settings; NULL beyond the last. */
extern const char *reading_name(int reading);

/* The readings that a seed switches on, one bit each; none for 0. */
extern uint64_t reading_choice(int64_t seed);

#endif
