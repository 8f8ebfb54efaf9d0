/*
 * buffer.c
 *	  Growing text, request memory and the clock; see buffer.h.
 */
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SCRATCH_CHUNK	(1024 * 1024)

typedef struct Chunk
{
	struct Chunk *next;
	size_t		size;
	char		data[];
} Chunk;

/* The chunk in front is the one that is being filled. */
static Chunk *chunks;
static size_t chunk_used;

void *
must_alloc(size_t size)
{
	void	   *pointer = calloc(1, size ? size : 1);

	if (pointer == NULL)
	{
		fputs("simulator: out of memory\n", stderr);
		abort();
	}
	return pointer;
}

void *
must_realloc(void *pointer, size_t size)
{
	pointer = realloc(pointer, size ? size : 1);
	if (pointer == NULL)
	{
		fputs("simulator: out of memory\n", stderr);
		abort();
	}
	return pointer;
}

char *
must_strdup(const char *text)
{
	size_t		len = strlen(text) + 1;

	return memcpy(must_realloc(NULL, len), text, len);
}

void
buffer_reserve(Buffer *buffer, size_t more)
{
	size_t		size = buffer->size ? buffer->size : 256;

	if (buffer->data != NULL && buffer->size - buffer->len >= more)
		return;
	while (size - buffer->len < more)
		size *= 2;
	buffer->data = must_realloc(buffer->data, size);
	buffer->size = size;
}

void
buffer_add(Buffer *buffer, const char *bytes, size_t len)
{
	if (len == 0)
		return;
	buffer_reserve(buffer, len);
	memcpy(buffer->data + buffer->len, bytes, len);
	buffer->len += len;
}

void
buffer_puts(Buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void
buffer_printf(Buffer *buffer, const char *format,...)
{
	va_list		args;
	int			len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	buffer_reserve(buffer, (size_t) len + 1);
	va_start(args, format);
	vsnprintf(buffer->data + buffer->len, (size_t) len + 1, format, args);
	va_end(args);
	buffer->len += (size_t) len;
}

char *
buffer_text(Buffer *buffer)
{
	buffer_reserve(buffer, 1);
	buffer->data[buffer->len] = '\0';
	return buffer->data;
}

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

void
buffer_json(Buffer *buffer, const char *text)
{
	const char *start = text;

	buffer_add(buffer, "\"", 1);
	for (;; text++)
	{
		unsigned char c = (unsigned char) *text;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buffer_add(buffer, start, (size_t) (text - start));
		if (c == '\0')
			break;
		if (c == '"' || c == '\\')
		{
			char		escape[2] = {'\\', (char) c};

			buffer_add(buffer, escape, 2);
		}
		else if (c == '\n')
			buffer_add(buffer, "\\n", 2);
		else
			buffer_printf(buffer, "\\u%04x", c);
		start = text + 1;
	}
	buffer_add(buffer, "\"", 1);
}

void
buffer_u64(Buffer *buffer, uint64_t number)
{
	char		digits[24];
	char	   *at = digits + sizeof(digits);

	do
	{
		*--at = (char) ('0' + number % 10);
		number /= 10;
	} while (number != 0);
	buffer_add(buffer, at, (size_t) (digits + sizeof(digits) - at));
}

/* So many digits of a number, with zeros in front. */
static char *
put_digits(char *at, int number, int count)
{
	for (int i = count - 1; i >= 0; i--)
	{
		at[i] = (char) ('0' + number % 10);
		number /= 10;
	}
	return at + count;
}

void
buffer_time(Buffer *buffer, int64_t ms)
{
	/* The records of an answer share few moments, so keep the last ones. */
	static struct
	{
		int64_t		ms;
		int			len;
		char		text[40];
	}			recent[64];
	int			slot = (int) ((uint64_t) ms % 64);
	int64_t		seconds = ms / 1000;
	int			rest = (int) (ms % 1000);
	struct tm	tm;
	time_t		t;
	char	   *at = recent[slot].text;

	if (recent[slot].len == 0 || recent[slot].ms != ms)
	{
		if (rest < 0)
		{
			rest += 1000;
			seconds--;
		}
		t = (time_t) seconds;
		gmtime_r(&t, &tm);
		at = put_digits(at, tm.tm_year + 1900, 4);
		*at++ = '-';
		at = put_digits(at, tm.tm_mon + 1, 2);
		*at++ = '-';
		at = put_digits(at, tm.tm_mday, 2);
		*at++ = 'T';
		at = put_digits(at, tm.tm_hour, 2);
		*at++ = ':';
		at = put_digits(at, tm.tm_min, 2);
		*at++ = ':';
		at = put_digits(at, tm.tm_sec, 2);
		*at++ = '.';
		at = put_digits(at, rest, 3);
		*at++ = 'Z';
		recent[slot].ms = ms;
		recent[slot].len = (int) (at - recent[slot].text);
	}
	buffer_add(buffer, recent[slot].text, (size_t) recent[slot].len);
}

void *
scratch_alloc(size_t size)
{
	char	   *pointer;

	size = (size + 15) & ~(size_t) 15;
	if (chunks == NULL || chunks->size - chunk_used < size)
	{
		size_t		room = size > SCRATCH_CHUNK ? size : SCRATCH_CHUNK;
		Chunk	   *chunk = must_realloc(NULL, sizeof(Chunk) + room);

		chunk->next = chunks;
		chunk->size = room;
		chunks = chunk;
		chunk_used = 0;
	}
	pointer = chunks->data + chunk_used;
	chunk_used += size;
	return memset(pointer, 0, size);
}

char *
scratch_strndup(const char *text, size_t len)
{
	char	   *copy = scratch_alloc(len + 1);

	return memcpy(copy, text, len);
}

char *
scratch_printf(const char *format,...)
{
	va_list		args;
	int			len;
	char	   *text;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = scratch_alloc((size_t) len + 1);
	va_start(args, format);
	vsnprintf(text, (size_t) len + 1, format, args);
	va_end(args);
	return text;
}

void
scratch_reset(void)
{
	while (chunks != NULL && chunks->next != NULL)
	{
		Chunk	   *next = chunks->next;

		free(chunks);
		chunks = next;
	}
	chunk_used = 0;
}

int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
now_ms(void)
{
	return now_us() / 1000;
}
