/*
 * limits.c
 *	  HubSpot's limits; see limits.h.
 */
#include "limits.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "table.h"

#define ASSOCIATIONS_DAILY	500000

/* Arrival times in a ring; the oldest is at start. */
typedef struct Window
{
	int64_t    *times;
	size_t		size;
	size_t		start;
	size_t		count;
} Window;

static Table burst_windows;		/* by token */
static Table association_windows;	/* by token */
static Window search_window;
static Window event_window;
static Window form_window;
static uint64_t max_burst;
static int64_t associations_today;
static int64_t next_reset_ms;

static void
window_expire(Window *window, int64_t before)
{
	while (window->count > 0 && window->times[window->start] <= before)
	{
		window->start = (window->start + 1) % window->size;
		window->count--;
	}
}

static void
window_add(Window *window, int64_t now)
{
	if (window->count == window->size)
	{
		Window		larger = {0};

		larger.size = window->size ? window->size * 2 : 256;
		larger.times = must_realloc(NULL, larger.size * sizeof(int64_t));
		larger.count = window->count;
		for (size_t i = 0; i < window->count; i++)
			larger.times[i] = window->times[(window->start + i) % window->size];
		free(window->times);
		*window = larger;
	}
	window->times[(window->start + window->count) % window->size] = now;
	window->count++;
}

static Window *
window_of(Table *windows, const char *token)
{
	Window	   *window = table_find(windows, token);

	if (window == NULL)
	{
		window = must_alloc(sizeof(Window));
		table_set(windows, token, window);
	}
	return window;
}

/* Is there room for one more? */
static bool
window_open(Window *window, int64_t now, int64_t length_ms, int64_t limit)
{
	window_expire(window, now - length_ms * 1000);
	return limit == 0 || (int64_t) window->count < limit;
}

static void
use_zone(void)
{
	setenv("TZ", config.time_zone, 1);
	tzset();
}

int64_t
limits_daily_reset_ms(void)
{
	time_t		now = time(NULL);
	struct tm	tm;

	use_zone();
	localtime_r(&now, &tm);
	tm.tm_mday++;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	return (int64_t) mktime(&tm) * 1000;
}

int
limits_utc_offset(void)
{
	time_t		now = time(NULL);
	struct tm	tm;

	use_zone();
	localtime_r(&now, &tm);
	return (int) tm.tm_gmtoff;
}

static bool
daily_open(int64_t now)
{
	if (next_reset_ms == 0)
		next_reset_ms = limits_daily_reset_ms();
	if (now / 1000 >= next_reset_ms)
	{
		config.daily_used = 0;
		associations_today = 0;
		next_reset_ms = limits_daily_reset_ms();
	}
	return config.oauth || config.daily_limit == 0 || config.daily_used < config.daily_limit;
}

static void
daily_take(Request *request)
{
	if (config.oauth)			/* a public application has no day */
		return;
	config.daily_used++;
	if (config.daily_limit != 0)
		request->daily_remaining = config.daily_limit - config.daily_used;
}

const char *
limits_take(Request *request, Meter meter)
{
	int64_t		now = request->arrived_us;
	const char *token = request->token ? request->token : "";
	Window	   *window;

	switch (meter)
	{
		case METER_NONE:
			return NULL;
		case METER_STANDARD:
			window = window_of(&burst_windows, token);
			if (!daily_open(now))
				return "DAILY";
			if (!window_open(window, now, config.burst_window_ms, config.burst_limit))
				return "TEN_SECONDLY_ROLLING";
			window_add(window, now);
			if (window->count > max_burst)
				max_burst = window->count;
			daily_take(request);
			if (config.burst_limit != 0)
				request->burst_remaining = config.burst_limit - (int64_t) window->count;
			return NULL;
		case METER_SEARCH:
			if (!daily_open(now))
				return "DAILY";
			if (!window_open(&search_window, now, 1000, config.search_limit))
				return "SECONDLY_SEARCH";
			window_add(&search_window, now);
			daily_take(request);
			return NULL;
		case METER_ASSOCIATIONS:
			window = window_of(&association_windows, token);
			(void) daily_open(now);
			if (config.association_limit != 0 && associations_today >= ASSOCIATIONS_DAILY)
				return "DAILY";
			if (!window_open(window, now, config.burst_window_ms, config.association_limit))
				return "TEN_SECONDLY_ROLLING";
			window_add(window, now);
			associations_today++;
			return NULL;
		case METER_EVENTS:
			if (!window_open(&event_window, now, 1000, config.event_limit))
				return "SECONDLY_SEARCH";
			window_add(&event_window, now);
			return NULL;
		case METER_FORMS:
			if (!window_open(&form_window, now, 10000, config.form_limit))
				return "TEN_SECONDLY_ROLLING";
			window_add(&form_window, now);
			return NULL;
	}
	return NULL;
}

static void
number_header(Request *request, const char *name, int64_t number)
{
	reply_header(request, name, scratch_printf("%lld", (long long) number));
}

void
limits_headers(Request *request, Meter meter)
{
	if (!config.rate_headers)
		return;
	if (request->daily_remaining >= 0)
	{
		number_header(request, "X-HubSpot-RateLimit-Daily", config.daily_limit);
		number_header(request, "X-HubSpot-RateLimit-Daily-Remaining", request->daily_remaining);
	}
	/* A search shows the daily pair only. */
	if (meter != METER_STANDARD || request->burst_remaining < 0)
		return;
	number_header(request, "X-HubSpot-RateLimit-Interval-Milliseconds", config.burst_window_ms);
	number_header(request, "X-HubSpot-RateLimit-Max", config.burst_limit);
	number_header(request, "X-HubSpot-RateLimit-Remaining", request->burst_remaining);
	/* No longer enforced, still sent. */
	number_header(request, "X-HubSpot-RateLimit-Secondly", config.burst_limit / 10);
	number_header(request, "X-HubSpot-RateLimit-Secondly-Remaining",
				  config.burst_limit > 10 ? config.burst_limit / 10 - 1 : 0);
}

uint64_t
limits_max_burst(void)
{
	return max_burst;
}

void
limits_zone_changed(void)
{
	next_reset_ms = 0;
}

static void
clear_windows(Table *windows)
{
	for (size_t i = 0; i < windows->size; i++)
	{
		Window	   *window = windows->slots[i].value;

		if (windows->slots[i].key == NULL)
			continue;
		free(window->times);
		free(window);
	}
	table_clear(windows);
}

void
limits_reset(void)
{
	clear_windows(&burst_windows);
	clear_windows(&association_windows);
	search_window.count = event_window.count = form_window.count = 0;
	max_burst = 0;
	associations_today = 0;
	next_reset_ms = 0;
}
