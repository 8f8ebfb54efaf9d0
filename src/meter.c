/*
 * meter.c
 *		How many requests a token may send now.
 *
 * See meter.h for the idea.  Each Meter is in shared memory under its own
 * spinlock, held for a few instructions.  What this process has booked is
 * remembered here, so that it can be given back when the process ends.
 */
#include "postgres.h"

#include "hubspot.h"
#include "clock.h"
#include "meter.h"

#define METER_MARGIN_US		2000	/* clocks tick differently at the two ends */
#define METER_RETRY_US		5000	/* all places are in flight: look again */

static int	booked[SHARED_MAX_METERS];	/* by this process */

/* Requests per window until HubSpot has said otherwise; it never does for the last two. */
static const struct
{
	int			limit;
	int			window_ms;
}			defaults[METER_COUNT] =
{
	[METER_OBJECTS] = {100, METER_WINDOW_MS},
	[METER_SEARCH] = {5, 1000},
	[METER_ASSOCIATIONS] = {100, METER_WINDOW_MS},
};

static void
book(Meter *meter, int n)
{
	meter->in_flight += n;
	booked[meter - hubspot_shared->meters] += n;
}

/* Length of a slice: a thousandth of the window. */
static int64
slice_us(const Meter *meter)
{
	return Max(meter->window_ms, 1);
}

/* Slices that a window reaches over, the one being filled and the margin included. */
static int64
slices_per_window(const Meter *meter)
{
	return 1001 + (METER_MARGIN_US + slice_us(meter) - 1) / slice_us(meter);
}

static uint32 *
slice(Meter *meter, int64 number)
{
	return &meter->answered[number % SHARED_METER_BUCKETS];
}

/* Forget what has left the window. */
static void
expire(Meter *meter, int64 now)
{
	int64		first = now / slice_us(meter) - slices_per_window(meter) + 1;

	if (first - meter->oldest >= SHARED_METER_BUCKETS)
	{
		memset(meter->answered, 0, sizeof(meter->answered));
		meter->used = 0;
		meter->oldest = first;
	}
	for (; meter->oldest < first; meter->oldest++)
	{
		meter->used -= *slice(meter, meter->oldest);
		*slice(meter, meter->oldest) = 0;
	}
	if (meter->others_at <= now - (int64) meter->window_ms * 1000)
		meter->others = 0;
}

static void
count_answered(Meter *meter, int64 now)
{
	expire(meter, now);
	(*slice(meter, now / slice_us(meter)))++;
	meter->used++;
}

/* When the oldest request leaves the window; there is one. */
static int64
next_free_at(Meter *meter)
{
	int64		number = meter->oldest;

	while (*slice(meter, number) == 0)
		number++;
	return (number + slices_per_window(meter)) * slice_us(meter);
}

/* What HubSpot grants for associations, by what it grants for the rest. */
static const struct
{
	int			objects;		/* at least */
	int			associations;
}			association_limits[] =
{
	{250, 200},
	{190, 150},
};

void
meter_set_associations(Meter *associations, const Meter *objects)
{
	for (int i = 0; i < lengthof(association_limits); i++)
		if (objects->limit >= association_limits[i].objects)
		{
			associations->limit = association_limits[i].associations;
			return;
		}
}

static void
init_meter(Meter *meter, uint64 key, MeterKind kind)
{
	meter->key = key;
	meter->kind = kind;
	meter->limit = 0;
	meter->window_ms = defaults[kind].window_ms;
	meter->in_flight = 0;
	meter->others = 0;
	meter->blocked_until = 0;
	meter->used = 0;
	meter->oldest = 0;
	memset(meter->answered, 0, sizeof(meter->answered));
	meter->daily_limit = -1;
	meter->daily_remaining = -1;
}

Meter *
meter_find(uint64 token, MeterKind kind)
{
	uint64		key = token ^ (UINT64CONST(0x9e3779b97f4a7c15) * kind);
	Meter	   *oldest = NULL;
	Meter	   *found = NULL;

	LWLockAcquire(hubspot_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SHARED_MAX_METERS && found == NULL; i++)
	{
		Meter	   *meter = &hubspot_shared->meters[i];

		if (meter->key == key)
			found = meter;
		else if (meter->in_flight == 0 &&
				 (oldest == NULL || meter->last_used < oldest->last_used))
			oldest = meter;
	}
	if (found == NULL)
	{
		if (oldest == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("more than %d HubSpot tokens are in use at once", SHARED_MAX_METERS)));
		found = oldest;
		SpinLockAcquire(&found->mutex);
		init_meter(found, key, kind);
		SpinLockRelease(&found->mutex);
	}
	found->last_used = GetCurrentTimestamp();
	LWLockRelease(hubspot_shared->lock);
	return found;
}

/* Requests per window that this account may use. */
static int
allowance(const Meter *meter, int ceiling, double share)
{
	int			limit = meter->limit > 0 ? meter->limit : defaults[meter->kind].limit;
	int			ours;

	if (ceiling > 0)
		limit = Min(limit, ceiling);
	ours = (int) (limit * share);
	return Max(1, Min(ours, limit - meter->others));
}

int64
meter_take(Meter *meter, int ceiling, double share, int64 now)
{
	int64		wait = 0;

	SpinLockAcquire(&meter->mutex);
	expire(meter, now);
	if (meter->blocked_until > now)
		wait = meter->blocked_until - now;
	else if (meter->used + meter->in_flight < allowance(meter, ceiling, share))
		book(meter, 1);
	else if (meter->used > 0)
		wait = Max(next_free_at(meter) - now, 1000);
	else
		wait = METER_RETRY_US;
	SpinLockRelease(&meter->mutex);
	return wait;
}

/* Another window has other slices: what is counted so far counts from now. */
static void
change_window(Meter *meter, int window_ms, int64 now)
{
	int			used = meter->used;

	meter->window_ms = window_ms;
	meter->oldest = 0;
	expire(meter, now);
	*slice(meter, now / slice_us(meter)) = used;
	meter->used = used;
}

void
meter_cancel(Meter *meter)
{
	SpinLockAcquire(&meter->mutex);
	book(meter, -1);
	SpinLockRelease(&meter->mutex);
}

void
meter_answered(Meter *meter, const ReplyHeaders *headers, int64 now)
{
	ReplyHeaders no_headers;

	reply_headers_init(&no_headers);
	SpinLockAcquire(&meter->mutex);
	book(meter, -1);
	count_answered(meter, now);
	if (meter->kind != METER_OBJECTS)
		headers = &no_headers;	/* they are about the objects' limit, if they are there at all */
	if (headers->burst_limit > 0)
		meter->limit = headers->burst_limit;
	if (headers->burst_interval_ms >= 100 && headers->burst_interval_ms <= 3600000 &&
		headers->burst_interval_ms != meter->window_ms)
		change_window(meter, headers->burst_interval_ms, now);
	if (headers->burst_limit > 0 && headers->burst_remaining >= 0)
	{
		int			others = headers->burst_limit - headers->burst_remaining
		- meter->used - meter->in_flight;

		meter->others = Max(others, 0);
		meter->others_at = now;
	}
	if (headers->daily_limit >= 0)
		meter->daily_limit = headers->daily_limit;
	if (headers->daily_remaining >= 0)
		meter->daily_remaining = headers->daily_remaining;
	SpinLockRelease(&meter->mutex);
}

void
meter_lost(Meter *meter, int64 now)
{
	SpinLockAcquire(&meter->mutex);
	book(meter, -1);
	count_answered(meter, now);
	SpinLockRelease(&meter->mutex);
}

int64
meter_block(Meter *meter, int64 wait_s, int64 now)
{
	SpinLockAcquire(&meter->mutex);
	if (wait_s <= 0)
		wait_s = Max(meter->window_ms / 1000, 1);
	meter->blocked_until = Max(meter->blocked_until, now + wait_s * 1000000);
	SpinLockRelease(&meter->mutex);
	return wait_s;
}

void
meter_read(Meter *meter, MeterReading *reading, int64 now)
{
	SpinLockAcquire(&meter->mutex);
	expire(meter, now);
	reading->limit = meter->limit;
	reading->used = meter->used + meter->in_flight;
	reading->others = meter->others;
	reading->daily_limit = meter->daily_limit;
	reading->daily_remaining = meter->daily_remaining;
	SpinLockRelease(&meter->mutex);
}

void
meter_abandon_all(void)
{
	int64		now = clock_us();

	for (int i = 0; i < SHARED_MAX_METERS; i++)
		while (booked[i] > 0)
			meter_lost(&hubspot_shared->meters[i], now);
}
