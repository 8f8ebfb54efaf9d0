/*
 * alloc_test.c
 *		Reading answers while memory runs out.
 *
 *	alloc_test SEED...
 *
 * The n-th allocation fails, for each n that there is: reply.c must neither
 * crash nor leak (the sanitizer looks), nor confirm what it could not read.
 * The linker leads malloc, calloc and realloc here; json-c is linked
 * statically so that its calls come along.  Its calls of strdup stay out of
 * this: version 0.16 does not check them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply/reply.h"
#include "seed.h"

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t count, size_t size);
extern void *__real_realloc(void *old, size_t size);

static long countdown;			/* to the allocation that fails, 0: none does */
static bool lasting;			/* ... and all after it */
static bool has_failed;

static bool
fails(void)
{
	if (countdown == 0)
		return has_failed && lasting;
	if (--countdown > 0)
		return false;
	has_failed = true;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* The translation into the same. */
static char *
copied(const char *text, size_t len, size_t *new_len)
{
	char	   *result = malloc(len + 1);

	*new_len = len;
	return result == NULL ? NULL : memcpy(result, text, len + 1);
}

static int
confirmed_of(const Seed *seed)
{
	ReplyInput	inputs[2] = {{.trace = "918273", .key = "ada@example.com"},
	{.trace = "918274", .key = "bob@example.com"}};
	ReplyHeaders headers;
	Reply		reply;
	int			confirmed = 0;

	reply_headers_init(&headers);
	reply_parse(&reply, seed->status, &headers, seed->body, seed->len);
	reply_translate(&reply, copied);
	if (reply.class == REPLY_RECORDS)
		reply_match(&reply, "email", inputs, 2);
	(void) reply_names(&reply, "123456");
	for (int i = 0; i < 2; i++)
		confirmed += inputs[i].outcome == REPLY_CONFIRMED;
	reply_free(&reply);
	return confirmed;
}

/* How many allocations failed, one run for each; *good turns false when more is confirmed. */
static long
torture(const Seed *seed, bool all_after, bool *good)
{
	int			most = confirmed_of(seed);

	for (long n = 1;; n++)
	{
		int			confirmed;
		bool		reached;

		lasting = all_after;
		countdown = n;
		confirmed = confirmed_of(seed);
		reached = has_failed;
		countdown = 0;
		has_failed = false;
		if (confirmed > most)
			*good = false;
		if (!reached)
			return n - 1;
	}
}

int
main(int argc, char **argv)
{
	int			passed = 0;
	int			failed = 0;
	long		allocations = 0;

	for (int i = 1; i < argc; i++)
	{
		Seed		seed = seed_read(argv[i]);
		bool		good = true;

		allocations += torture(&seed, false, &good);
		allocations += torture(&seed, true, &good);
		printf("%s %d - %s\n", good ? "ok" : "not ok", i, argv[i]);
		if (good)
			passed++;
		else
			failed++;
		seed_free(&seed);
	}
	printf("1..%d\n# %ld allocations failed\n%d passed, %d failed\n", argc - 1, allocations, passed, failed);
	return failed == 0 && allocations > 0 ? 0 : 1;
}
