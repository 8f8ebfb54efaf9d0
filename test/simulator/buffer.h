/*
 * buffer.h
 *	  Growing text, and memory that lives as long as one request.
 *
 * A Buffer is owned by whoever declares it; zero-initialised it is empty.
 * buffer_free() releases it.  Its text is not terminated by a zero byte
 * unless buffer_text() is asked for it.
 *
 * Scratch memory is never freed piece by piece: the request that is being
 * performed takes it, and scratch_reset() makes all of it available again
 * before the next one.  Nothing in it may be stored.
 *
 * Running out of memory ends the process: a simulator has nothing to save.
 */
#ifndef SIMULATOR_BUFFER_H
#define SIMULATOR_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Buffer
{
	char	   *data;
	size_t		len;
	size_t		size;
} Buffer;

extern void *must_alloc(size_t size);
extern void *must_realloc(void *pointer, size_t size);
extern char *must_strdup(const char *text);

extern void buffer_reserve(Buffer *buffer, size_t more);
extern void buffer_add(Buffer *buffer, const char *bytes, size_t len);
extern void buffer_puts(Buffer *buffer, const char *text);
extern void buffer_printf(Buffer *buffer, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern char *buffer_text(Buffer *buffer);
extern void buffer_free(Buffer *buffer);

/* A JSON string, quotes included. */
extern void buffer_json(Buffer *buffer, const char *text);

/* A decimal number. */
extern void buffer_u64(Buffer *buffer, uint64_t number);

/* A moment as HubSpot prints it: 2026-11-23T10:00:00.000Z, without quotes. */
extern void buffer_time(Buffer *buffer, int64_t ms);

extern void *scratch_alloc(size_t size);
extern char *scratch_strndup(const char *text, size_t len);
extern char *scratch_printf(const char *format,...)
			__attribute__((format(printf, 1, 2)));
extern void scratch_reset(void);

/* The clock: microseconds and milliseconds since 1970. */
extern int64_t now_us(void);
extern int64_t now_ms(void);

#endif
