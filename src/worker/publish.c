/*
 * publish.c
 *		What the worker tells others while it works.
 *
 * The report in the worker's slot is written under its spinlock: small copies of numbers
 * and short texts, prepared outside.  The lanes, which may be thousands, are written
 * under a lock of their own.  The id lists of requests under way are copied only if they
 * have changed.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "cluster/shared_lanes.h"
#include "erase/purge.h"
#include "http/wire.h"
#include "queue/accounts.h"
#include "read/outbox_reader.h"
#include "wait/park.h"
#include "worker/publish.h"
#include "worker/send.h"
#include "worker/servers.h"

#define RATE_US		1000000		/* a rate changes by itself, too */

static int64 published_at;
static LaneReport *reports = NULL;	/* what is told next, in "hubspot work" */
static int	nreports = 0;
static int	max_reports = 0;
static KeyReport key_reports[SHARED_MAX_KEYS];
static int	nkey_reports = 0;

void
publish_start(WorkerSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->pid = MyProcPid;
	slot->started_at = GetCurrentTimestamp();
	memset(slot->flights, 0, sizeof(slot->flights));
	SpinLockRelease(&slot->mutex);
}

static void
describe_lane(Lane *lane, LaneReport *report, int64 now)
{
	LaneStatus	status = servers_effective_status(lane);

	report->server = lane->account->server;
	report->object = object_code(lane->family);
	report->event = status.event;
	strlcpy(report->reason, status.reason, sizeof(report->reason));
	report->own = Min(status.own, (int) strlen(report->reason));
	if (status.state == LANE_RUN && lane->family == FAMILY_CONTACTS &&
		purge_reason(lane->account, report->reason, sizeof(report->reason)))
		report->own = strlen(report->reason);
	report->until = status.until == 0 ? 0 : GetCurrentTimestamp() + (status.until - now);
	report->waiting = lane->rows - lane->in_flight + lane->skipped + lane->nparked;
	report->in_flight = lane->in_flight;
	report->deferred = lane->keys.ndeferred;
	report->oldest = unfinished_since(&lane->unfinished);
	report->read_id = reader_lane_read_id(lane);
	report->parked_from = park_backfill_from(lane);
	nkey_reports += key_report(lane, key_reports + nkey_reports, SHARED_MAX_KEYS - nkey_reports,
							   &report->hides_keys);
	report->delivered = lane->done;
	rate_note(&lane->rate, lane->done, report->waiting + report->in_flight > 0, now);
	report->rate = lane->rate.per_second;
	for (int i = 0; i < METER_COUNT; i++)
		report->meters[i] = meter_index(lane->account->meters[i], &report->meter_keys[i]);
}

static LaneReport *
next_report(void)
{
	if (nreports == max_reports)
	{
		max_reports = Max(max_reports * 2, 64);
		reports = reports == NULL
			? MemoryContextAlloc(WorkerContext, sizeof(LaneReport) * max_reports) :
			repalloc_huge(reports, sizeof(LaneReport) * max_reports);
	}
	return &reports[nreports++];
}

static void
describe_lanes(int64 now)
{
	nreports = nkey_reports = 0;
	foreach_lane(lane)
	{
		if (!lane->account->dropped && servers_lane_is_used(lane))
			describe_lane(lane, next_report(), now);
	}
}

/* Whether a lane's rate is still on its way to zero. */
static bool
rates_move(void)
{
	for (int i = 0; i < nreports; i++)
		if (reports[i].rate > 0)
			return true;
	return false;
}

static void
copy_flights(WorkerSlot *slot)
{
	static int64 ids[SHARED_MAX_FLIGHT_IDS];

	for (int i = 0; i < SHARED_MAX_TRANSFERS; i++)
	{
		int			nids = send_flight_ids(i, ids, SHARED_MAX_FLIGHT_IDS);

		if (nids == 0 && slot->flights[i].nids == 0)
			continue;
		SpinLockAcquire(&slot->mutex);
		slot->flights[i].nids = nids;
		memcpy(slot->flights[i].ids, ids, sizeof(int64) * nids);
		SpinLockRelease(&slot->mutex);
	}
}

/* Its own word in the slot only: the worker may have worse to say. */
static void
tell_room(WorkerSlot *slot, bool is_enough)
{
	static const char *const lack =
	"no shared memory is left for the report of all lanes, so hubspot.status is not complete; "
	"deliveries go on";

	if (slot->state != WORKER_RUNNING)
		return;
	if (!is_enough && slot->problem[0] == '\0')
		shared_set_state(slot, WORKER_RUNNING, lack);
	else if (is_enough && strcmp(slot->problem, lack) == 0)
		shared_set_state(slot, WORKER_RUNNING, NULL);
}

int64
publish_report(WorkerSlot *slot, bool force)
{
	int64		now = clock_us();

	/* This turn may have changed anything: a lane's state, for one, without a request or a row. */
	if (!force && now - published_at < PUBLISH_US)
		return published_at + PUBLISH_US - now;

	published_at = now;
	describe_lanes(now);
	tell_room(slot, shared_lanes_report(slot, reports, nreports, key_reports, nkey_reports));
	copy_flights(slot);

	SpinLockAcquire(&slot->mutex);
	slot->last_turn_at = GetCurrentTimestamp();
	slot->window_rows = window.nrows;
	slot->window_bytes = window.bytes;
	slot->read_id = reader_read_id();
	slot->requests = send_requests();
	slot->rows_done = ack_total();
	SpinLockRelease(&slot->mutex);
	return wire_in_flight() > 0 || window.nrows > 0 ? PUBLISH_US : rates_move() ? RATE_US : -1;
}

uint32
publish_wait_event(PublishWait wait)
{
	static const char *const names[] =
	{[PUBLISH_IDLE] = "HubspotIdle", [PUBLISH_HTTP] = "HubspotHttp"};
	static uint32 events[lengthof(names)];

	if (events[wait] == 0)
		events[wait] = WaitEventExtensionNew(names[wait]);
	return events[wait];
}
