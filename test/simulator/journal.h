/*
 * journal.h
 *	  What was applied and what was asked, in order.
 *
 * A line of the applied journal is written for each record at the moment its
 * change is in the store: tests compare their own books with it.  The lines
 * are kept in memory unless history is off, and go to the --log file, which
 * is flushed before the answer is sent.
 */
#ifndef SIMULATOR_JOURNAL_H
#define SIMULATOR_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "http.h"

typedef struct JournalStats
{
	uint64_t	requests;
	uint64_t	applied;
	uint64_t	rate_limited;
	uint64_t	non_string_values;
	uint64_t	by_status[600];
	int64_t		first_arrival_us;
	int64_t		last_arrival_us;
} JournalStats;

extern JournalStats stats;

/* Returns false with errno when the file cannot be opened. */
extern bool journal_open(const char *path, bool history);

/*
 * Starts a line: {"seq":..,"at_us":..,"request":..,"op":..,"object":..  The
 * caller adds ,"name":value members and calls journal_end().  NULL when
 * nobody wants lines; the record is counted all the same.
 */
extern Buffer *journal_begin(Request *request, const char *op, const char *object);
extern void journal_end(Buffer *line);

/* Counts an answered request and remembers its line. */
extern void journal_request(Request *request);

extern void journal_flush(void);

/* The remembered lines with a seq above since, at most limit (0: all). */
extern void journal_render_applied(Buffer *out, uint64_t since, uint64_t limit);
extern void journal_render_requests(Buffer *out, uint64_t since, uint64_t limit);

extern void journal_reset(void);

#endif
