/*
 * narrow.c
 *		Which row of an input is at fault, when HubSpot refuses them together.
 *
 * Called outside of transactions.  What is counted here says nothing certain: older rows may
 * come in between, others may be cancelled.  Then a part goes well, or is refused, against what
 * was expected, and the search goes on from there.
 *
 * Memory: none but the key's.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "request/narrow.h"

#define ALL_AT_ONCE		1000	/* so many have gone well together: the search is over */

bool
narrow_may_help(const Input *input)
{
	const Row  *first = input->rows[0];

	for (int i = 1; i < input->nrows; i++)
	{
		const Row  *row = input->rows[i];

		if (row->call != first->call || VARSIZE(row->message) != VARSIZE(first->message) ||
			memcmp(row->message, first->message, VARSIZE(first->message)) != 0)
			return true;
	}
	return false;
}

void
narrow_begin(WorkKey *key, int nrows, bool alone)
{
	KeySearch  *search = &key->search;

	Assert(nrows > 1);
	search->among = nrows;
	search->at_once = nrows / 2;
	search->alone |= alone;
}

void
narrow_ended(WorkKey *key, int nrows, bool went_well)
{
	KeySearch  *search = &key->search;

	if (search->at_once == 0)
		return;
	if (went_well && nrows < search->among)
	{
		search->among -= nrows;
		search->at_once = Max(search->among / 2, 1);
		return;
	}
	search->among = 0;
	search->alone = false;
	if (went_well)
		search->at_once *= 2;
	else
		search->at_once = 1;

	/* several that end badly do so on account of the record, and so would each of the others */
	if (search->at_once > ALL_AT_ONCE || (!went_well && nrows > 1))
		search->at_once = 0;
}

int
narrow_limit(const WorkKey *key)
{
	return key->search.at_once;
}

bool
narrow_is_alone(const WorkKey *key)
{
	return key->search.alone;
}
