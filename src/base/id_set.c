/*
 * id_set.c
 *		A set of ids, each with a time, that knows its lowest one.
 *
 * Blocks of sorted ids, and an array of the blocks.  In a block the ids stand
 * together somewhere between its ends, so that one can leave at the front, and
 * the next come at the end, without a move.
 */
#include "postgres.h"

#include "base/id_set.h"

#define BLOCK_SIZE	128
#define FIRST_SIZE	8			/* blocks */

typedef struct IdEntry
{
	int64		id;
	TimestampTz time;
} IdEntry;

struct IdBlock
{
	int			first;			/* place of the lowest */
	int			count;
	IdEntry		entries[BLOCK_SIZE];
};

static IdEntry *
entry_at(const IdBlock *block, int number)
{
	return unconstify(IdEntry *, &block->entries[block->first + number]);
}

/* The block that an id belongs into: the last one that does not begin above it, else the first. */
static int
find_block(const IdSet *set, int64 id)
{
	int			low = 0;
	int			high = set->nblocks - 1;

	while (low < high)
	{
		int			middle = (low + high + 1) / 2;

		if (entry_at(set->blocks[middle], 0)->id <= id)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* How many of a block's ids are below this one. */
static int
find_number(const IdBlock *block, int64 id)
{
	int			low = 0;
	int			high = block->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (entry_at(block, middle)->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- blocks ------------------------------------------------------------------- */

/* A new block at this place of the array. */
static IdBlock *
insert_block(IdSet *set, MemoryContext context, int place)
{
	IdBlock    *block = MemoryContextAlloc(context, sizeof(IdBlock));

	block->first = block->count = 0;
	if (set->blocks == NULL)
	{
		set->blocks = MemoryContextAlloc(context, sizeof(IdBlock *) * FIRST_SIZE);
		set->size = FIRST_SIZE;
	}
	else if (set->nblocks == set->size)
	{
		set->blocks = repalloc_huge(set->blocks, sizeof(IdBlock *) * set->size * 2);
		set->size *= 2;
	}
	memmove(&set->blocks[place + 1], &set->blocks[place],
			sizeof(IdBlock *) * (set->nblocks - place));
	set->blocks[place] = block;
	set->nblocks++;
	return block;
}

static void
drop_block(IdSet *set, int place)
{
	pfree(set->blocks[place]);
	set->nblocks--;
	memmove(&set->blocks[place], &set->blocks[place + 1],
			sizeof(IdBlock *) * (set->nblocks - place));
}

/* The upper half of a full block goes to a new one behind it. */
static void
split_block(IdSet *set, MemoryContext context, int place)
{
	IdBlock    *upper = insert_block(set, context, place + 1);
	IdBlock    *block = set->blocks[place];
	int			kept = block->count / 2;

	upper->count = block->count - kept;
	memcpy(upper->entries, entry_at(block, kept), sizeof(IdEntry) * upper->count);
	block->count = kept;
}

/*
 * What a block and the next one have goes into the first of them, if that leaves half of it free.
 */
static void
merge_blocks(IdSet *set, int place)
{
	IdBlock    *block;
	IdBlock    *next;

	if (place < 0 || place + 1 >= set->nblocks)
		return;
	block = set->blocks[place];
	next = set->blocks[place + 1];
	if (block->count + next->count > BLOCK_SIZE / 2)
		return;
	memmove(block->entries, entry_at(block, 0), sizeof(IdEntry) * block->count);
	memcpy(&block->entries[block->count], entry_at(next, 0), sizeof(IdEntry) * next->count);
	block->first = 0;
	block->count += next->count;
	drop_block(set, place + 1);
}

/* ---- ids ------------------------------------------------------------------------ */

/* Make room for one more before the n-th; there is some on one side or the other. */
static void
open_gap(IdBlock *block, int number)
{
	if (block->first + block->count < BLOCK_SIZE)
		memmove(entry_at(block, number + 1), entry_at(block, number),
				sizeof(IdEntry) * (block->count - number));
	else
	{
		block->first--;
		memmove(entry_at(block, 0), entry_at(block, 1), sizeof(IdEntry) * number);
	}
	block->count++;
}

/* The shorter side moves. */
static void
close_gap(IdBlock *block, int number)
{
	block->count--;
	if (number < block->count / 2)
	{
		memmove(entry_at(block, 1), entry_at(block, 0), sizeof(IdEntry) * number);
		block->first++;
	}
	else
		memmove(entry_at(block, number), entry_at(block, number + 1),
				sizeof(IdEntry) * (block->count - number));
	if (block->count == 0)
		block->first = 0;
}

/* The block for an id that is not there, and its number in it; one with room. */
static IdBlock *
place_for(IdSet *set, MemoryContext context, int place, int64 id, int *number)
{
	IdBlock    *block = set->blocks[place];

	*number = find_number(block, id);
	if (block->count < BLOCK_SIZE)
		return block;
	if (*number == BLOCK_SIZE && place == set->nblocks - 1)
	{
		*number = 0;
		return insert_block(set, context, place + 1);
	}
	split_block(set, context, place);
	return place_for(set, context, find_block(set, id), id, number);
}

bool
id_set_add(IdSet *set, MemoryContext context, int64 id, TimestampTz time)
{
	IdBlock    *block;
	int			place;
	int			number;

	if (set->nblocks == 0)
		(void) insert_block(set, context, 0);
	place = find_block(set, id);
	block = set->blocks[place];
	number = find_number(block, id);
	if (number < block->count && entry_at(block, number)->id == id)
		return false;
	block = place_for(set, context, place, id, &number);
	open_gap(block, number);
	*entry_at(block, number) = (IdEntry)
	{
		.id = id, .time = time
	};
	set->count++;
	return true;
}

bool
id_set_remove(IdSet *set, int64 id)
{
	IdBlock    *block;
	int			place;
	int			number;

	if (set->nblocks == 0)
		return false;
	place = find_block(set, id);
	block = set->blocks[place];
	number = find_number(block, id);
	if (number == block->count || entry_at(block, number)->id != id)
		return false;
	close_gap(block, number);
	set->count--;
	if (block->count == 0 && set->nblocks > 1)
		drop_block(set, place);
	else if (block->count <= BLOCK_SIZE / 4)
	{
		merge_blocks(set, place);
		merge_blocks(set, place - 1);
	}
	return true;
}

int64
id_set_lowest(const IdSet *set)
{
	return set->count == 0 ? PG_INT64_MAX : entry_at(set->blocks[0], 0)->id;
}

TimestampTz
id_set_lowest_time(const IdSet *set)
{
	return set->count == 0 ? 0 : entry_at(set->blocks[0], 0)->time;
}
