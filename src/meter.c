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
#include "wire.h"

#define METER_MARGIN_US		2000	/* clocks tick differently at the two ends */
#define METER_RETRY_US		5000	/* all places are in flight: look again */

static int	booked[SHARED_MAX_METERS];	/* by this process */

static void
book(Meter *meter, int n)
{
	meter->in_flight += n;
	booked[meter - hubspot_shared->meters] += n;
}

static int64
window_us(const Meter *meter)
{
	return (int64) meter->window_ms * 1000 + METER_MARGIN_US;
}

/* The n-th oldest entry of the ring. */
static int64
ring_entry(const Meter *meter, int n)
{
	return meter->ring[(meter->ring_head - meter->ring_used + n + SHARED_METER_RING) % SHARED_METER_RING];
}

static void
ring_add(Meter *meter, int64 now)
{
	meter->ring[meter->ring_head] = now;
	meter->ring_head = (meter->ring_head + 1) % SHARED_METER_RING;
	meter->ring_used = Min(meter->ring_used + 1, SHARED_METER_RING);
}

/* Forget what has left the window. */
static void
expire(Meter *meter, int64 now)
{
	while (meter->ring_used > 0 && ring_entry(meter, 0) <= now - window_us(meter))
		meter->ring_used--;
	if (meter->others_at <= now - window_us(meter))
		meter->others = 0;
}

static void
init_meter(Meter *meter, uint64 key)
{
	meter->key = key;
	meter->limit = 0;
	meter->window_ms = METER_WINDOW_MS;
	meter->in_flight = 0;
	meter->others = 0;
	meter->blocked_until = 0;
	meter->ring_used = 0;
	meter->daily_limit = -1;
	meter->daily_remaining = -1;
}

Meter *
meter_find(uint64 key)
{
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
		init_meter(found, key);
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
	int			limit = meter->limit > 0 ? meter->limit : METER_DEFAULT_LIMIT;
	int			ours;

	if (ceiling > 0)
		limit = Min(limit, ceiling);
	limit = Min(limit, SHARED_METER_RING - WIRE_MAX_TRANSFERS);
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
	else if (meter->ring_used + meter->in_flight < allowance(meter, ceiling, share))
		book(meter, 1);
	else if (meter->ring_used > 0)
		wait = Max(ring_entry(meter, 0) + window_us(meter) - now, 1000);
	else
		wait = METER_RETRY_US;
	SpinLockRelease(&meter->mutex);
	return wait;
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
	SpinLockAcquire(&meter->mutex);
	book(meter, -1);
	ring_add(meter, now);
	expire(meter, now);
	if (headers->burst_limit > 0)
		meter->limit = headers->burst_limit;
	if (headers->burst_interval_ms > 0)
		meter->window_ms = headers->burst_interval_ms;
	if (headers->burst_limit > 0 && headers->burst_remaining >= 0)
	{
		int			others = headers->burst_limit - headers->burst_remaining
			- meter->ring_used - meter->in_flight;

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
	ring_add(meter, now);
	SpinLockRelease(&meter->mutex);
}

void
meter_block(Meter *meter, int64 until)
{
	SpinLockAcquire(&meter->mutex);
	meter->blocked_until = Max(meter->blocked_until, until);
	SpinLockRelease(&meter->mutex);
}

void
meter_read(Meter *meter, MeterReading *reading, int64 now)
{
	SpinLockAcquire(&meter->mutex);
	expire(meter, now);
	reading->limit = meter->limit;
	reading->used = meter->ring_used + meter->in_flight;
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
