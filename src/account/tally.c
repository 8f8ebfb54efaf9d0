/*
 * tally.c
 *		How many requests happened within a rolling window.
 *
 * See tally.h.  A slice is cleared when the ring reaches it again, so that a step costs
 * in proportion to the time that has passed.
 */
#include "postgres.h"

#include "account/tally.h"

static uint16 *
count_of(Tally *tally, int64 slice)
{
	return &tally->counts[slice % SHARED_TALLY_SLICES];
}

void
tally_advance(Tally *tally, int64 slice, int window)
{
	int64		first = slice - window + 1;

	if (slice - tally->newest >= SHARED_TALLY_SLICES)
	{
		memset(tally->counts, 0, sizeof(tally->counts));
		tally->sum = 0;
		tally->oldest = first;
		tally->newest = slice;
	}
	for (; tally->oldest < first; tally->oldest++)
		if (tally->oldest <= tally->newest)
			tally->sum -= *count_of(tally, tally->oldest);
	for (; tally->newest < slice; tally->newest++)
		*count_of(tally, tally->newest + 1) = 0;
}

/* Counts beyond a slice's maximum are dropped: HubSpot's limits are far lower. */
static void
add_to(Tally *tally, int64 slice, int count)
{
	uint16	   *place = count_of(tally, slice);

	count = Min(count, PG_UINT16_MAX - *place);
	*place += count;
	tally->sum += count;
}

void
tally_add(Tally *tally, int count)
{
	add_to(tally, tally->newest, count);
}

void
tally_add_at(Tally *tally, int64 slice, int count)
{
	if (slice < tally->oldest || slice > tally->newest)
		return;
	add_to(tally, slice, count);
}

void
tally_remove_oldest(Tally *tally, int count)
{
	for (int64 slice = tally->oldest; slice <= tally->newest && count > 0; slice++)
	{
		int			fewer = Min(count, (int) *count_of(tally, slice));

		*count_of(tally, slice) -= fewer;
		tally->sum -= fewer;
		count -= fewer;
	}
}

int
tally_between(const Tally *tally, int64 first, int64 last)
{
	int			sum = 0;

	first = Max(first, tally->newest - SHARED_TALLY_SLICES + 1);
	for (int64 slice = first; slice <= Min(last, tally->newest); slice++)
		sum += tally->counts[slice % SHARED_TALLY_SLICES];
	return sum;
}

int64
tally_oldest(const Tally *tally)
{
	int64		slice = tally->oldest;

	while (slice < tally->newest && tally->counts[slice % SHARED_TALLY_SLICES] == 0)
		slice++;
	return slice;
}
