/*
 * table.c
 *	  A hash table from byte strings to pointers; see table.h.
 *
 * Linear probing; a removal shifts the following entries back, so there are
 * no tombstones and a table that shrinks stays quick.
 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"

static uint32_t
hash_bytes(const unsigned char *bytes, size_t len)
{
	uint64_t	hash = UINT64_C(0x9E3779B97F4A7C15) ^ len;

	while (len >= 8)
	{
		uint64_t	word;

		memcpy(&word, bytes, 8);
		hash = (hash ^ word) * UINT64_C(0xFF51AFD7ED558CCD);
		hash ^= hash >> 32;
		bytes += 8;
		len -= 8;
	}
	while (len > 0)
	{
		hash = (hash ^ *bytes++) * UINT64_C(0x100000001B3);
		len--;
	}
	hash ^= hash >> 29;
	hash *= UINT64_C(0xC4CEB9FE1A85EC53);
	return (uint32_t) (hash >> 32);
}

static size_t
find_slot(const Table *table, const void *key, size_t len, uint32_t hash)
{
	size_t		mask = table->size - 1;
	size_t		at = hash & mask;

	for (;; at = (at + 1) & mask)
	{
		const TableEntry *entry = &table->slots[at];

		if (entry->key == NULL)
			return at;
		if (entry->hash == hash && entry->len == len &&
			memcmp(entry->key, key, len) == 0)
			return at;
	}
}

static void
grow(Table *table)
{
	Table		larger = {0};

	larger.size = table->size ? table->size * 2 : 16;
	larger.slots = must_alloc(larger.size * sizeof(TableEntry));
	for (size_t i = 0; i < table->size; i++)
	{
		TableEntry *entry = &table->slots[i];
		size_t		at;

		if (entry->key == NULL)
			continue;
		/* The keys are all different: the first free slot is the right one. */
		at = entry->hash & (larger.size - 1);
		while (larger.slots[at].key != NULL)
			at = (at + 1) & (larger.size - 1);
		larger.slots[at] = *entry;
	}
	larger.count = table->count;
	free(table->slots);
	*table = larger;
}

void *
table_get(const Table *table, const void *key, size_t len)
{
	TableEntry *entry;

	if (table->size == 0)
		return NULL;
	entry = &table->slots[find_slot(table, key, len, hash_bytes(key, len))];
	return entry->key ? entry->value : NULL;
}

void *
table_find(const Table *table, const char *text)
{
	return table_get(table, text, strlen(text));
}

void *
table_put(Table *table, const void *key, size_t len, void *value)
{
	uint32_t	hash = hash_bytes(key, len);
	TableEntry *entry;

	if ((table->count + 1) * 3 > table->size * 2)
		grow(table);
	entry = &table->slots[find_slot(table, key, len, hash)];
	if (entry->key != NULL)
	{
		void	   *before = entry->value;

		entry->value = value;
		return before;
	}
	entry->key = must_realloc(NULL, len);
	memcpy(entry->key, key, len);
	entry->len = (uint32_t) len;
	entry->hash = hash;
	entry->value = value;
	table->count++;
	return NULL;
}

void *
table_set(Table *table, const char *text, void *value)
{
	return table_put(table, text, strlen(text), value);
}

void
table_remove(Table *table, const void *key, size_t len)
{
	size_t		mask = table->size - 1;
	size_t		hole;

	if (table->size == 0)
		return;
	hole = find_slot(table, key, len, hash_bytes(key, len));
	if (table->slots[hole].key == NULL)
		return;
	free(table->slots[hole].key);
	table->slots[hole].key = NULL;
	table->count--;
	for (size_t at = (hole + 1) & mask; table->slots[at].key != NULL; at = (at + 1) & mask)
	{
		size_t		home = table->slots[at].hash & mask;

		/* An entry may move back into the hole unless its home lies behind it. */
		if (((at - home) & mask) >= ((at - hole) & mask))
		{
			table->slots[hole] = table->slots[at];
			table->slots[at].key = NULL;
			hole = at;
		}
	}
}

void
table_clear(Table *table)
{
	for (size_t i = 0; i < table->size; i++)
		free(table->slots[i].key);
	free(table->slots);
	memset(table, 0, sizeof(*table));
}
