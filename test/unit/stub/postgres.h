/*
 * postgres.h
 *		As much of PostgreSQL as src/base/id_set.c and rate.c need, for a test without a server.
 */
#ifndef STUB_POSTGRES_H
#define STUB_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t int64;
typedef int64 TimestampTz;
typedef void *MemoryContext;

#define PG_INT64_MAX	INT64_MAX
#define unconstify(type, expression) ((type) (expression))
#define MemoryContextAlloc(context, size) ((void) (context), malloc(size))
#define repalloc_huge(pointer, size) realloc(pointer, size)
#define pfree(pointer) free(pointer)

#endif							/* STUB_POSTGRES_H */
