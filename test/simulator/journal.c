/*
 * journal.c
 *	  What was applied and what was asked; see journal.h.
 */
#include "journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

/* Lines in one long text, with the offset of each. */
typedef struct Lines
{
	Buffer		text;
	size_t	   *starts;
	size_t		count;
	size_t		size;
} Lines;

JournalStats stats;

static FILE *file;
static bool keep_history = true;
static Lines applied;
static Lines requests;
static Buffer current;
static Buffer pending;			/* of the file, until the flush */

bool
journal_open(const char *path, bool history)
{
	keep_history = history;
	if (path == NULL)
		return true;
	file = fopen(path, "a");
	return file != NULL;
}

static void
lines_add(Lines *lines, const char *text, size_t len)
{
	if (lines->count == lines->size)
	{
		lines->size = lines->size ? lines->size * 2 : 1024;
		lines->starts = must_realloc(lines->starts, lines->size * sizeof(size_t));
	}
	lines->starts[lines->count++] = lines->text.len;
	buffer_add(&lines->text, text, len);
}

static void
lines_render(const Lines *lines, Buffer *out, uint64_t since, uint64_t limit)
{
	uint64_t	end = lines->count;

	if (since >= end)
		return;
	if (limit != 0 && limit < end - since)
		end = since + limit;
	buffer_add(out, lines->text.data + lines->starts[since],
			   (end == lines->count ? lines->text.len : lines->starts[end]) - lines->starts[since]);
}

static void
lines_reset(Lines *lines)
{
	buffer_free(&lines->text);
	free(lines->starts);
	memset(lines, 0, sizeof(*lines));
}

Buffer *
journal_begin(Request *request, const char *op, const char *object)
{
	stats.applied++;
	if (!keep_history && file == NULL)
		return NULL;
	current.len = 0;
	buffer_puts(&current, "{\"seq\":");
	buffer_u64(&current, stats.applied);
	buffer_puts(&current, ",\"at_us\":");
	buffer_u64(&current, (uint64_t) now_us());
	buffer_puts(&current, ",\"request\":");
	buffer_u64(&current, request->number);
	buffer_puts(&current, ",\"op\":\"");
	buffer_puts(&current, op);
	buffer_puts(&current, "\",\"object\":\"");
	buffer_puts(&current, object);
	buffer_puts(&current, "\"");
	return &current;
}

void
journal_end(Buffer *line)
{
	buffer_puts(line, "}\n");
	if (keep_history)
		lines_add(&applied, line->data, line->len);
	if (file != NULL)
		buffer_add(&pending, line->data, line->len);
}

void
journal_request(Request *request)
{
	static Buffer line;
	size_t		token_len = request->token ? strlen(request->token) : 0;

	stats.requests++;
	if (request->status > 0 && request->status < 600)
		stats.by_status[request->status]++;
	if (stats.first_arrival_us == 0)
		stats.first_arrival_us = request->arrived_us;
	stats.last_arrival_us = request->arrived_us;
	if (!keep_history)
		return;
	line.len = 0;
	buffer_printf(&line, "{\"seq\":%llu,\"number\":%llu,\"at_us\":%lld,\"method\":",
				  (unsigned long long) requests.count + 1,
				  (unsigned long long) request->number, (long long) request->arrived_us);
	buffer_json(&line, request->method);
	buffer_puts(&line, ",\"path\":");
	buffer_json(&line, request->path);
	buffer_printf(&line, ",\"status\":%d,\"bytes\":%zu,\"records\":%d,\"fault\":",
				  request->status, request->body.len, request->records);
	if (request->fault != NULL)
		buffer_json(&line, fault_action(request->fault));
	else
		buffer_puts(&line, "null");
	/* Only the tail: a log must never hold a credential. */
	buffer_puts(&line, ",\"token_tail\":");
	if (token_len >= 8)
		buffer_json(&line, request->token + token_len - 4);
	else
		buffer_puts(&line, "null");
	buffer_puts(&line, "}\n");
	lines_add(&requests, line.data, line.len);
}

void
journal_flush(void)
{
	if (file == NULL || pending.len == 0)
		return;
	if (fwrite(pending.data, 1, pending.len, file) != pending.len || fflush(file) != 0)
	{
		perror("simulator: could not write the log");
		exit(1);
	}
	pending.len = 0;
}

void
journal_render_applied(Buffer *out, uint64_t since, uint64_t limit)
{
	lines_render(&applied, out, since, limit);
}

void
journal_render_requests(Buffer *out, uint64_t since, uint64_t limit)
{
	lines_render(&requests, out, since, limit);
}

void
journal_reset(void)
{
	lines_reset(&applied);
	lines_reset(&requests);
	memset(&stats, 0, sizeof(stats));
}
