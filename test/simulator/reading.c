/*
 * reading.c
 *	  What HubSpot may do where the notes leave a fact open; see reading.h.
 */
#include "reading.h"

#include <stddef.h>

#include "config.h"
#include "random.h"

static const char *const names[READING_COUNT] = {
	[READING_UPSERT_LACKS] = "upsert_lacks",
	[READING_FEWER_REQUIRED] = "fewer_required",
	[READING_UNIQUE_SKU] = "unique_sku",
	[READING_INACTIVE_403] = "inactive_403",
	[READING_FIRST_PRIMARY] = "first_primary",
	[READING_KEPT_LABELS] = "kept_labels",
	[READING_NEXT_PRIMARY] = "next_primary",
	[READING_ARCHIVED_OWNERS] = "archived_owners",
	[READING_KEPT_PIPELINE] = "kept_pipeline",
	[READING_OTHER_CODES] = "other_codes",
	[READING_RESUBSCRIBED] = "resubscribed",
	[READING_SUBSCRIPTION_404] = "subscription_404",
	[READING_NO_BASIS] = "no_basis",
	[READING_MATCH_REFUSED] = "match_refused",
};

bool
reading_is(Reading reading)
{
	return config.readings.count > 0 && list_allows(&config.readings, names[reading]);
}

const char *
reading_name(int reading)
{
	return reading < READING_COUNT ? names[reading] : NULL;
}

uint64_t
reading_choice(int64_t seed)
{
	return random_of((uint64_t) seed * RANDOM_STEP) & ((UINT64_C(1) << READING_COUNT) - 1);
}
