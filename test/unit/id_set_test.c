/*
 * id_set_test.c
 *		src/base/id_set.c beside a plain array of what must be in it.
 *
 *	id_set_test [SEED]		a failure says the seed
 *
 * Orders as a lane's rows have: ascending with stragglers, ends near the front,
 * some that stay for ever; and any order at all.
 */
#include "postgres.h"

#include <time.h>

#include "base/id_set.h"
#include "check.h"

#define RANGE	20000			/* ids */

static bool there[RANGE];
static int64 count;
static unsigned int seed;

static int64
lowest(void)
{
	for (int64 i = 0; i < RANGE; i++)
		if (there[i])
			return i;
	return PG_INT64_MAX;
}

static bool
add(IdSet *set, int64 id)
{
	bool		is_new = !there[id];

	there[id] = true;
	count += is_new;
	return id_set_add(set, NULL, id, id * 10) == is_new && set->count == count;
}

static bool
take(IdSet *set, int64 id)
{
	bool		was_there = there[id];

	there[id] = false;
	count -= was_there;
	return id_set_remove(set, id) == was_there && set->count == count;
}

static bool
agrees(const IdSet *set)
{
	int64		id = lowest();

	return id_set_lowest(set) == id && id_set_lowest_time(set) == (id == PG_INT64_MAX ? 0 : id * 10);
}

/* Every one of them goes, the lowest first. */
static bool
drains(IdSet *set)
{
	bool		good = true;

	while (good && set->count > 0)
	{
		int64		id = id_set_lowest(set);

		good = id == lowest() && take(set, id);
	}
	return good && count == 0 && agrees(set);
}

/* Any order; how full it gets differs, so that blocks are split and merged. */
static bool
any_order(IdSet *set)
{
	for (int i = 0; i < 400000; i++)
	{
		int64		id = rand_r(&seed) % RANGE;
		bool		fills = i / 40000 % 2 == 0;

		if (!((rand_r(&seed) % 4 == 0) != fills ? add(set, id) : take(set, id)))
			return false;
		if (i % 500 == 0 && !agrees(set))
			return false;
	}
	return drains(set);
}

/* Ascending, a few late, one in a hundred stays; the others end near the front. */
static bool
as_rows_come(IdSet *set)
{
	int64		front = 0;

	for (int64 id = 0; id < RANGE; id++)
	{
		if (id % 7 != 3 && !add(set, id))
			return false;
		if (id % 7 == 5 && !add(set, id - 2))
			return false;
		for (; front < id - 300; front++)
			if (front % 100 != 0 && !take(set, front + rand_r(&seed) % 100))
				return false;
		if (id % 500 == 0 && !agrees(set))
			return false;
	}
	return drains(set);
}

/* What stays behind, one in each block, does not keep a block each. */
static bool
is_dense(IdSet *set)
{
	for (int64 id = 0; id < RANGE; id++)
		if (!add(set, id))
			return false;
	for (int64 id = 0; id < RANGE; id++)
		if (id % 128 != 64 && !take(set, id))
			return false;
	return set->nblocks <= (count + 15) / 16 && drains(set);
}

int
main(int argc, char **argv)
{
	static IdSet set;

	seed = argc > 1 ? (unsigned int) strtoul(argv[1], NULL, 10) : (unsigned int) time(NULL);
	printf("# seed %u\n", seed);
	check(agrees(&set) && take(&set, 1), "an empty set has no lowest id");
	check(any_order(&set), "ids in any order");
	check(as_rows_come(&set), "ids as rows of a lane come and go");
	check(is_dense(&set), "blocks that have little in them are merged");
	return check_end();
}
