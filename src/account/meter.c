/*
 * meter.c
 *		How many requests a token may send now.
 *
 * See meter.h for the idea.  Each Meter is in shared memory under its own spinlock, which
 * is held for a few instructions, and once per answer for a pass over the slices.  An
 * array of entries next to the meters, under control->lock, says which token a meter
 * belongs to: a hash table whose entries are never emptied, only reused for another key.
 * This file remembers what this process holds and has booked, so that it can be given
 * back at exit, and so that each use is checked.
 */
#include "postgres.h"

#include <math.h>

#include "storage/shmem.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "account/meter.h"
#include "account/tally.h"
#include "base/clock.h"

#define KINDS_PER_TOKEN		(METER_COUNT - 1)	/* forms have one for all */
#define METER_MARGIN_US		2000	/* HubSpot's clock and ours differ in speed */
#define METER_RETRY_US		5000	/* until the next try if all places are in flight */
#define WINDOW_SLICES		1000
#define MAX_RESERVE			0.2 /* share of the limit, at most, that is left to others */
#define SURGE_WINDOWS		8.0 /* windows in which a surge fades to 1/e */
#define PACE				1.2 /* where requests are spread: times the rate that would use all
								 * places */
#define STALE_PART			50	/* what we know of others is stale after this part of a window */
#define FIRST_BACKOFF_PART	8	/* the pause after a 429 */

StaticAssertDecl(METER_COUNT == SHARED_METER_KINDS, "every kind of meter is reported");

/* Which token a meter belongs to. */
typedef struct MeterEntry
{
	uint64		key;			/* hash of the token, mixed with the kind; 0: nobody's yet */
	int			references;		/* of all processes */
} MeterEntry;

/* In shared memory, meter_count() elements each; NULL if the library is not preloaded. */
static MeterEntry *entries = NULL;
static Meter *meters = NULL;

/* What this process uses, by meter; NULL before it holds one. */
typedef struct MeterUse
{
	int			held;			/* references */
	int			booked;			/* # of its requests under way */
} MeterUse;

static MeterUse *uses = NULL;

/* Requests per window until HubSpot has told; it tells only for the first kind. */
static const struct
{
	int			limit;
	int			window_ms;
	bool		is_exempt;		/* does not count for the daily limit */
	const char *noun;
}			kinds[METER_COUNT] =
{
	[METER_OBJECTS] = {100, METER_WINDOW_MS, false, "requests"},
	[METER_SEARCH] = {5, 1000, false, "searches"},
	[METER_ASSOCIATIONS] = {100, METER_WINDOW_MS, false, "requests for associations"},
	[METER_FORMS] = {50, METER_WINDOW_MS, false, "forms without a token"},
	[METER_EVENTS] = {1250, 1000, true, "requests for events"},
};

/* HubSpot's limit for associations, by its limit for other requests. */
static const struct
{
	int			objects;		/* at least */
	int			associations;
}			association_limits[] =
{
	{250, 200},
	{190, 150},
};

bool
meter_is_exempt(MeterKind kind)
{
	return kind == METER_NONE || kinds[kind].is_exempt;
}

const char *
meter_noun(MeterKind kind)
{
	return kind == METER_NONE ? "requests" : kinds[kind].noun;
}

static void
book(Meter *meter, int n)
{
	meter->in_flight += n;
	uses[meter - meters].booked += n;
}

/* ---- time -------------------------------------------------------------------- */

static int64
window_us(const Meter *meter)
{
	return (int64) meter->window_ms * 1000;
}

static int64
slice_us(const Meter *meter)
{
	return Max(window_us(meter) / WINDOW_SLICES, 1);
}

/* Never negative, also on a machine that was switched on a moment ago. */
static int64
slice_of(const Meter *meter, int64 time)
{
	return time / slice_us(meter) + SHARED_TALLY_SLICES;
}

/* # of slices of a window, including the current one and the margin. */
static int
slices_per_window(const Meter *meter)
{
	return WINDOW_SLICES + 1 + (METER_MARGIN_US + slice_us(meter) - 1) / slice_us(meter);
}

static void
advance(Meter *meter, int64 now)
{
	int64		slice = slice_of(meter, now);
	int			window = slices_per_window(meter);

	tally_advance(&meter->ours, slice, window);
	tally_advance(&meter->others, slice, window);
	if (meter->surge > 0)
		meter->surge *= exp(-(double) (now - meter->surge_at) / (SURGE_WINDOWS * window_us(meter)));
	meter->surge_at = now;
}

/* When the oldest request leaves the window; INT64_MAX when there is none. */
static int64
next_leaves_at(const Meter *meter, const Tally *tally)
{
	if (tally->sum == 0)
		return PG_INT64_MAX;
	return (tally_oldest(tally) + slices_per_window(meter) - SHARED_TALLY_SLICES) * slice_us(meter);
}

/* ---- shared memory -------------------------------------------------------------- */

static int
meter_count(void)
{
	return hubspot_max_tokens * KINDS_PER_TOKEN + 1;
}

Size
meter_shared_size(void)
{
	return MAXALIGN(mul_size(sizeof(MeterEntry), meter_count())) +
		MAXALIGN(mul_size(sizeof(Meter), meter_count()));
}

/* A meter is initialized when it gets its key, so that unused meters cost address space only. */
void
meter_shared_startup(void)
{
	Size		size = MAXALIGN(mul_size(sizeof(MeterEntry), meter_count()));
	bool		found;

	entries = ShmemInitStruct("hubspot meters", meter_shared_size(), &found);
	meters = (Meter *) ((char *) entries + size);
	if (!found)
		memset(entries, 0, size);
}

/* ---- holding ------------------------------------------------------------------------ */

/*
 * The only way to access a meter.  The process must hold a reference, or have a request
 * booked on it: otherwise the meter may belong to another token.
 */
static void
lock_meter(Meter *meter)
{
	int			index = meter - meters;

	if (uses == NULL || (uses[index].held == 0 && uses[index].booked == 0))
		elog(ERROR, "a meter is used by who does not hold it");
	SpinLockAcquire(&meter->mutex);
}

static void
unlock_meter(Meter *meter)
{
	SpinLockRelease(&meter->mutex);
}

static void
init_meter(Meter *meter, uint64 key, MeterKind kind)
{
	memset(meter, 0, sizeof(*meter));
	SpinLockInit(&meter->mutex);
	meter->key = key;
	meter->kind = kind;
	meter->window_ms = kinds[kind].window_ms;
	meter->daily_limit = -1;
	meter->daily_remaining = -1;
}

/* Whether a meter that nobody holds can be reused: nothing it has counted matters any more. */
static bool
is_forgettable(Meter *meter, int64 now)
{
	bool		result;

	SpinLockAcquire(&meter->mutex);
	advance(meter, now);
	result = meter->in_flight == 0 && meter->ours.sum == 0 && meter->blocked_until <= now;
	SpinLockRelease(&meter->mutex);
	return result;
}

/*
 * The entry of a key; else a new one, unused or held by nobody. -1: none is free.  The
 * caller has control->lock.
 */
static int
find_entry(uint64 key, int64 now)
{
	int			count = meter_count();
	int			first = key % count;
	int			idle = -1;

	for (int i = 0; i < count; i++)
	{
		int			index = (first + i) % count;

		if (entries[index].key == key || entries[index].key == 0)
			return index;
		if (idle < 0 && entries[index].references == 0 && is_forgettable(&meters[index], now))
			idle = index;
	}
	return idle;
}

Meter *
meter_hold(uint64 token, MeterKind kind)
{
	uint64		key = (kind == METER_FORMS ? 0 : token) ^ (UINT64CONST(0x9e3779b97f4a7c15) * kind);
	int			index;

	if (uses == NULL)
		uses = MemoryContextAllocZero(TopMemoryContext, sizeof(MeterUse) * meter_count());
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	index = find_entry(key, clock_us());
	if (index >= 0)
	{
		if (entries[index].key != key)
		{
			Assert(entries[index].references == 0);
			init_meter(&meters[index], key, kind);
			entries[index].key = key;
		}
		entries[index].references++;
		uses[index].held++;
	}
	LWLockRelease(hubspot_shared->lock);
	return index < 0 ? NULL : &meters[index];
}

void
meter_release(Meter *meter)
{
	int			index = meter - meters;

	Assert(uses[index].held > 0 && entries[index].references > 0);
	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	entries[index].references--;
	uses[index].held--;
	LWLockRelease(hubspot_shared->lock);
}

int
meter_index(const Meter *meter, uint64 *key)
{
	*key = meter == NULL ? 0 : meter->key;
	return meter == NULL ? -1 : meter - meters;
}

/* ---- sending ------------------------------------------------------------------- */

static int
limit_of(const Meter *meter)
{
	return meter->limit > 0 ? meter->limit : kinds[meter->kind].limit;
}

/* # of places left to other clients. */
static int
reserve_of(const Meter *meter)
{
	return (int) ceil(meter->surge - 0.5);
}

/* Requests per window that this account may use. */
static int
allowance(const Meter *meter, int ceiling, double share)
{
	int			limit = limit_of(meter);
	int			ours = (int) ((ceiling > 0 ? Min(limit, ceiling) : limit) * share);

	return Max(1, Min(ours, limit - meter->others.sum - reserve_of(meter)));
}

/* When HubSpot may take requests again, after what it has said. */
static int64
open_at(const Meter *meter)
{
	return Max(meter->blocked_until, meter->day_until);
}

/* Whether HubSpot's last count is too old; also true before the first one. */
static bool
is_stale(const Meter *meter, int64 now)
{
	return now - meter->observed_at > meter->observed_at - meter->observed_sent +
		window_us(meter) / STALE_PART;
}

/* Whether other clients use this limit, or did a moment ago. */
static bool
has_company(const Meter *meter)
{
	return meter->others.sum > 0 || meter->surge >= 0.5;
}

/* Whether too little is known: then a single request must find out. */
static bool
must_probe(const Meter *meter, int64 now)
{
	if (meter->refusals > 0)
		return true;
	if (meter->kind != METER_OBJECTS)
		return false;
	return !meter->heard || (has_company(meter) && is_stale(meter, now));
}

int64
meter_take(Meter *meter, int ceiling, double share, bool paced, int64 now)
{
	int			allowed;
	int64		wait = 0;

	lock_meter(meter);
	advance(meter, now);
	allowed = allowance(meter, ceiling, share);

	/*
	 * In order of weight: HubSpot's refusal, then what we do not know, then fairness to others,
	 * then the number of places.
	 */
	if (open_at(meter) > now)
		wait = open_at(meter) - now;
	else if (must_probe(meter, now) && meter->in_flight > 0)
		wait = METER_RETRY_US;
	else if ((paced || has_company(meter)) && meter->paced_until > now)
		wait = meter->paced_until - now;
	else if (meter->ours.sum + meter->in_flight < allowed)
	{
		/*
		 * Booked under the same lock that found the place: two processes with one token must not
		 * take the same one.
		 */
		book(meter, 1);
		meter->paced_until = now + (int64) (window_us(meter) / (allowed * PACE));
	}
	else if (meter->ours.sum + meter->others.sum > 0)
		wait = Max(Min(next_leaves_at(meter, &meter->ours), next_leaves_at(meter, &meter->others)) -
				   now, 1000);
	else
		wait = METER_RETRY_US;
	unlock_meter(meter);
	return wait;
}

void
meter_cancel(Meter *meter)
{
	lock_meter(meter);
	book(meter, -1);
	unlock_meter(meter);
}

/* ---- answers -------------------------------------------------------------------- */

/* A new window length means other slices: what was counted so far counts as of now. */
static void
change_window(Meter *meter, int window_ms, int64 now)
{
	int			ours = meter->ours.sum;
	int			others = meter->others.sum;

	memset(&meter->ours, 0, sizeof(meter->ours));
	memset(&meter->others, 0, sizeof(meter->others));
	meter->window_ms = window_ms;
	advance(meter, now);
	tally_add(&meter->ours, ours);
	tally_add(&meter->others, others);
}

/*
 * HubSpot counted so many requests when it took one of ours, at some time between sent_at
 * and now.  We do not know exactly which of ours are among them: at most all that may
 * have been in its window at any such time, at least those that were in it at every such
 * time.  The number of others' requests is changed as little as possible to fit; only the
 * latest news can reduce it.
 */
static void
observe(Meter *meter, int counted, int64 sent_at, int64 now)
{
	int64		begin = now - window_us(meter);
	int			at_most = meter->in_flight +
	tally_between(&meter->ours, slice_of(meter, sent_at - window_us(meter)), meter->ours.newest);
	int			at_least =
	1 + tally_between(&meter->ours, slice_of(meter, begin + (now - sent_at)) + 1,
					  slice_of(meter, sent_at) - 1);
	int			more = counted - at_most - meter->others.sum;
	int			fewer = meter->others.sum - Max(counted - at_least, 0);

	if (more > 0)
	{
		tally_add(&meter->others, more);
		/* requests that came while our knowledge was stale are no surge */
		if (!is_stale(meter, now))
			meter->surge = Max(meter->surge, Min(more, limit_of(meter) * MAX_RESERVE));
	}
	else if (fewer > 0 && sent_at >= meter->observed_sent)
		tally_remove_oldest(&meter->others, fewer);
	if (sent_at >= meter->observed_sent)
	{
		meter->observed_at = now;
		meter->observed_sent = sent_at;
	}
}

void
meter_answered(Meter *meter, const ReplyHeaders *headers, int64 sent_at, int64 now)
{
	lock_meter(meter);
	book(meter, -1);
	advance(meter, now);
	tally_add(&meter->ours, 1);
	meter->heard = true;
	if (sent_at >= meter->refused_at)
		meter->refusals = 0;
	/* the headers, if any, are about the limit of objects */
	if (meter->kind == METER_OBJECTS && headers->burst_limit > 0)
	{
		meter->limit = headers->burst_limit;
		if (headers->burst_interval_ms >= 100 && headers->burst_interval_ms <= 3600000 &&
			headers->burst_interval_ms != meter->window_ms)
			change_window(meter, headers->burst_interval_ms, now);
		if (headers->burst_remaining >= 0)
			observe(meter, headers->burst_limit - headers->burst_remaining, sent_at, now);
	}
	unlock_meter(meter);
}

void
meter_set_associations(Meter *associations, Meter *objects)
{
	int			granted;

	lock_meter(objects);
	granted = objects->limit;
	unlock_meter(objects);
	for (int i = 0; i < lengthof(association_limits); i++)
		if (granted >= association_limits[i].objects)
		{
			lock_meter(associations);
			associations->limit = association_limits[i].associations;
			unlock_meter(associations);
			return;
		}
}

void
meter_lost(Meter *meter, int64 now)
{
	lock_meter(meter);
	book(meter, -1);
	advance(meter, now);
	tally_add(&meter->ours, 1);
	unlock_meter(meter);
}

/* How long to wait after a 429 without a wait of its own; refusals counts this one already. */
static int64
backoff(const Meter *meter, const char *policy)
{
	int			doublings = Min(meter->refusals - 1, 10);

	if (strncmp(policy, "SECONDLY", strlen("SECONDLY")) == 0)
		return Min((int64) meter->refusals * 1000000, METER_WINDOW_MS * 1000);
	if (strncmp(policy, "TEN_SECONDLY", strlen("TEN_SECONDLY")) == 0)
		return Min((window_us(meter) / FIRST_BACKOFF_PART) << doublings, window_us(meter));
	return Max(window_us(meter), METER_WINDOW_MS * 1000);
}

int64
meter_refused(Meter *meter, const char *policy, int64 wait_s, int64 sent_at, int64 now)
{
	int64		wait;

	lock_meter(meter);
	book(meter, -1);
	advance(meter, now);
	/* HubSpot may have counted the refused request. */
	tally_add(&meter->ours, 1);
	meter->heard = true;

	/*
	 * A refusal means that the window is full: the rest are others' requests.  If we know of less
	 * than half of it, that is not credible, and HubSpot has another reason.
	 */
	if (meter->kind == METER_OBJECTS && meter->ours.sum + meter->others.sum > limit_of(meter) / 2)
		observe(meter, limit_of(meter) + 1, sent_at, now);
	/* Requests that were under way together are refused together: they double the pause once. */
	if (meter->refusals == 0 || sent_at >= meter->refused_at)
	{
		meter->refusals++;
		meter->refused_at = now;
		wait = wait_s > 0 ? wait_s * 1000000 : backoff(meter, policy);
		meter->blocked_until = Max(meter->blocked_until, now + wait);
	}
	wait = Max(meter->blocked_until - now, 1);
	unlock_meter(meter);
	return wait;
}

void
meter_block(Meter *meter, int64 wait_us, int64 now)
{
	lock_meter(meter);
	meter->day_until = Max(meter->day_until, now + wait_us);
	unlock_meter(meter);
}

void
meter_unblock(Meter *meter)
{
	lock_meter(meter);
	meter->day_until = 0;
	unlock_meter(meter);
}

void
meter_remember(Meter *meter, int limit, int window_ms, int64 ago_us, int count, int64 now)
{
	lock_meter(meter);
	if (!meter->heard && limit > 0)
		meter->limit = limit;
	advance(meter, now);
	if (!meter->heard && window_ms > 0 && window_ms != meter->window_ms)
		change_window(meter, window_ms, now);
	tally_add_at(&meter->ours, slice_of(meter, now - ago_us), count);
	unlock_meter(meter);
}

/* ---- the day --------------------------------------------------------------------- */

void
meter_set_daily(Meter *meter, int64 limit, int64 remaining, bool by_header)
{
	lock_meter(meter);
	if (limit >= 0)
		meter->daily_limit = limit;
	if (remaining >= 0)
		meter->daily_remaining = remaining;
	if (by_header && remaining >= 0)
		meter->daily_told = true;
	unlock_meter(meter);
}

void
meter_set_reset(Meter *meter, TimestampTz resets_at)
{
	lock_meter(meter);
	meter->daily_resets_at = resets_at;
	unlock_meter(meter);
}

/* ---- for others to know ------------------------------------------------------------ */

static void
read_locked(Meter *meter, MeterReading *reading, int64 now)
{
	advance(meter, now);
	reading->limit = meter->kind == METER_OBJECTS ? meter->limit : limit_of(meter);
	reading->window_ms = meter->window_ms;
	reading->used = meter->ours.sum + meter->in_flight;
	reading->others = meter->others.sum;
	reading->reserve = reserve_of(meter);
	reading->blocked_us = Max(open_at(meter) - now, 0);
	reading->daily_limit = meter->daily_limit;
	reading->daily_remaining = meter->daily_remaining;
	reading->daily_told = meter->daily_told;
	reading->daily_resets_at = meter->daily_resets_at;
}

void
meter_read(Meter *meter, MeterReading *reading, int64 now)
{
	lock_meter(meter);
	read_locked(meter, reading, now);
	unlock_meter(meter);
}

/* Under control->lock no meter gets another key. */
bool
meter_read_index(int index, uint64 key, MeterReading *reading, int64 now)
{
	bool		result;

	if (index < 0 || index >= meter_count())
		return false;
	LWLockAcquire(hubspot_shared->lock, LW_SHARED);
	result = entries[index].key == key;
	if (result)
	{
		SpinLockAcquire(&meters[index].mutex);
		read_locked(&meters[index], reading, now);
		SpinLockRelease(&meters[index].mutex);
	}
	LWLockRelease(hubspot_shared->lock);
	return result;
}

void
meter_abandon_all(void)
{
	int64		now = clock_us();

	if (uses == NULL)
		return;
	LWLockReleaseAll();			/* this process may end with control->lock */
	for (int i = 0; i < meter_count(); i++)
	{
		while (uses[i].booked > 0)
			meter_lost(&meters[i], now);
		while (uses[i].held > 0)
			meter_release(&meters[i]);
	}
}
