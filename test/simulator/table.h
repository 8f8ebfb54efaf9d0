/*
 * table.h
 *	  A hash table from byte strings to pointers.
 *
 * The table owns its copies of the keys and nothing of the values.  A
 * zero-initialised Table is empty.  Keys are bytes with a length, so that a
 * record id can be one as it stands.
 */
#ifndef SIMULATOR_TABLE_H
#define SIMULATOR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct TableEntry
{
	char	   *key;			/* NULL: the slot is free */
	uint32_t	len;
	uint32_t	hash;
	void	   *value;
} TableEntry;

typedef struct Table
{
	TableEntry *slots;
	size_t		size;			/* a power of two, or 0 */
	size_t		count;
} Table;

/* The value, or NULL. */
extern void *table_get(const Table *table, const void *key, size_t len);
extern void *table_find(const Table *table, const char *text);

/* Sets the value; returns the one that was there before, or NULL. */
extern void *table_put(Table *table, const void *key, size_t len, void *value);
extern void *table_set(Table *table, const char *text, void *value);

extern void table_remove(Table *table, const void *key, size_t len);

/* Frees the keys and the slots, not the values. */
extern void table_clear(Table *table);

#endif
