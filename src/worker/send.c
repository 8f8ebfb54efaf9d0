/*
 * send.c
 *		Requests go out, answers come in.
 *
 * Between the lanes with their batches on one side and wire.c on the other.
 * Everything here runs outside of transactions; verdicts go to ack.c.  A
 * transfer remembers whose it is; at most WIRE_MAX_TRANSFERS are under way, at
 * most max_connections of one account, but for the first two of each lane.
 *
 * Every sender asks for a place first (take_place), and gives it to
 * start_transfer().  That there is none is no trouble: the end of any request wakes
 * the worker, and all ask again.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "account/path.h"
#include "activity/schema_lane.h"
#include "base/clock.h"
#include "base/guc.h"
#include "cluster/suspect.h"
#include "http/wire.h"
#include "http/wire_translate.h"
#include "queue/accounts.h"
#include "reading/reading.h"
#include "request/schema_sync.h"
#include "text/encoding.h"
#include "text/value.h"
#include "worker/daily.h"
#include "worker/pause.h"
#include "worker/send.h"
#include "worker/servers.h"

#define HOLD_PARTIAL_US		20000	/* wait this long for a batch to fill up */
#define COLLECT_US			500000	/* and this long for more rows of the same records */
#define OWN_DAY_US			(600 * USECS_PER_SEC)	/* a meter's own day is used up: until when is
													 * not known */
#define LOOK_AGAIN_US		1000000 /* a meter of its own stops what a lane can send */
#define OWN_TRANSFERS		2	/* a lane may have so many, whatever the account's others do */
#define SPARE_TRANSFERS		4	/* only for lanes that have none under way */

typedef struct Transfer
{
	Account    *account;
	Lane	   *lane;			/* NULL: account-info, or the use of the day */
	Batch	   *batch;			/* NULL: neither is this one, but a part of the schema */
	bool		is_usage;		/* the use of the day */
	Object		part;			/* of the latter */
	ReadingState *reading;		/* NULL: none is read, see reading.h */
	LaneStatus *status;			/* of whom trouble would be, unless it is the account's */
	Meter	   *meter;			/* where it is booked */
	uint64		token_hash;		/* the token that it went out with */
	char		path[PATH_BYTES];
	char		method[8];
	TimestampTz started_at;
} Transfer;

static Transfer transfers[WIRE_MAX_TRANSFERS];
static int64 requests_sent;

/* ---- out ----------------------------------------------------------------------- */

static void
current_settings(WireSettings *settings)
{
	settings->timeout_ms = hubspot_timeout;
	settings->connect_timeout_ms = hubspot_connect_timeout;
	settings->ca_file = hubspot_ca_file[0] != '\0' ? hubspot_ca_file : NULL;
	settings->proxy = hubspot_proxy[0] != '\0' ? hubspot_proxy : NULL;
}

/* The right to send one request. */
typedef struct Place
{
	Account    *account;
	Lane	   *lane;			/* NULL: of the account itself */
	Meter	   *meter;			/* where it is booked; NULL: not limited */
	LaneStatus *status;			/* of whom trouble would be */
} Place;

/* Batches that have their place, and are noted in hubspot.begun before they are sent. */
static struct
{
	Place		place;
	Batch	   *batch;
}			reserved[WIRE_MAX_TRANSFERS];
static int	nreserved;

static void
give_place_back(Place *place)
{
	if (place->meter != NULL)
		meter_cancel(place->meter);
	place->meter = NULL;
}

/*
 * Whether there is a connection for one more request.  A lane's first
 * ones may go whatever the others do: a lane whose requests hang would
 * otherwise take all connections and stop the others, too.  A back-fill leaves
 * one to what may come.  The account's own are few, and never more than two.
 */
static bool
has_connection(const Account *account, const Lane *lane)
{
	int			most = account->options->max_connections;
	bool		only_backfill = lane != NULL && most > 1 && queue_only_backfill(lane);

	if (lane == NULL || lane->transfers == 0)
		return wire_in_flight() + nreserved < WIRE_MAX_TRANSFERS;
	if (wire_in_flight() + nreserved >= WIRE_MAX_TRANSFERS - SPARE_TRANSFERS)
		return false;
	return account->transfers < most - only_backfill ||
		(lane->transfers < Min(OWN_TRANSFERS, most) && !only_backfill);
}

/*
 * Take a connection and a place of that kind's meter.  Returns 0, or the µs until one may
 * be free; NO_CONNECTION: not known, a request that ends wakes the worker.
 */
#define NO_CONNECTION	(-1)

static int64
take_place(Account *account, Lane *lane, MeterKind kind, bool paced, int64 now, Place *place)
{
	int64		wait = 0;

	if (!has_connection(account, lane))
		return NO_CONNECTION;
	*place = (Place)
	{
		.account = account, .lane = lane,
			.meter = kind == METER_NONE ? NULL : account->meters[kind],
			.status = lane != NULL ? &lane->status : &account->status
	};
	if (place->meter != NULL)
		wait = meter_take(place->meter, kind == METER_OBJECTS ? account->options->burst_limit : 0,
						  account->options->quota_share, paced, now);
	return wait;
}

/*
 * Hand a request to wire.c, as UTF-8.  Its transfer; NULL if it will not go, and the place is given
 * back.
 */
static Transfer *
start_transfer(Place *place, const Address *address, bool is_once, const char *method,
			   const char *body, int body_len)
{
	Account    *account = place->account;
	Lane	   *lane = place->lane;
	char	   *url =
	psprintf("%s%s%s", address->base_url, address->path,
			 address->query != NULL ? address->query : "");
	int			url_len = strlen(url);
	char		error[256];
	WireSettings settings;
	WireRequest request =
	{.method = method, .token = address->with_token ? account->secret.token : NULL,
	.is_once = is_once};
	int			slot;

	/* Here, as nothing behind wire_send() may raise an error, and memory may be short. */
	request.url = encoding_to_wire(url, &url_len);
	if (body != NULL)
		request.body = encoding_to_wire(body, &body_len);
	request.body_len = body_len;
	current_settings(&settings);
	slot = wire_send(&request, &settings, error);
	if (slot < 0)
	{
		/*
		 * HubSpot has seen nothing of it, so the meter must not count it. That all slots are in
		 * use is no trouble of the lane.
		 */
		give_place_back(place);
		if (slot == WIRE_FAILED)
			lane_event(place->status, EVENT_NETWORK, encoding_from_wire(error), 0);
		return NULL;
	}
	transfers[slot] = (Transfer)
	{
		.account = account, .lane = lane, .status = place->status, .meter = place->meter,
			.token_hash = account->secret.hash, .started_at = GetCurrentTimestamp()
	};
	strlcpy(transfers[slot].path, address->path, sizeof(transfers[slot].path));
	strlcpy(transfers[slot].method, method, sizeof(transfers[slot].method));
	account->transfers++;
	account->requests++;
	requests_sent++;
	return &transfers[slot];
}

/* An address of HubSpot's API. */
static Address
api_address(const Account *account, const char *path)
{
	Address		address = {.base_url = account->options->base_url, .with_token = true};

	strlcpy(address.path, path, sizeof(address.path));
	return address;
}

static void
ask_account(Account *account, int64 now)
{
	Address		address = api_address(account, accounts_path(account, PATH_ACCOUNT_INFO, NULL));
	Place		place;
	int64		wait = take_place(account, NULL, METER_OBJECTS, false, now, &place);

	if (wait > 0)
		account->status.until = now + wait;
	else if (wait == 0)
		account->asking = start_transfer(&place, &address, false, "GET", NULL, 0) != NULL;
}

/* Ask how much of the day is used, and when it ends. */
static void
ask_usage(Account *account, int64 now)
{
	Address		address = api_address(account, accounts_path(account, PATH_ACCOUNT_USAGE, NULL));
	Place		place;
	Transfer   *transfer;

	if (take_place(account, NULL, METER_OBJECTS, false, now, &place) != 0)
		return;
	daily_asking(account, now);
	transfer = start_transfer(&place, &address, false, "GET", NULL, 0);
	if (transfer == NULL)
		account->asking_usage = false;
	else
		transfer->is_usage = true;
}

/* Ask for a part of the account's schema; false when nothing is wanted or nothing may be sent. */
static bool
ask_schema(Account *account, int64 now, int64 *wait_us)
{
	SchemaRequest request;
	Address		address;
	Transfer   *transfer;
	Place		place;
	int64		wait;

	if (account->transfers >= account->options->max_connections || !has_connection(account, NULL) ||
		!schema_sync_next(account, now, &request))
		return false;
	wait = take_place(account, NULL, METER_OBJECTS, false, now, &place);
	if (wait > 0)
		*wait_us = clock_sooner(*wait_us, wait);
	if (wait != 0)
		return false;

	/*
	 * The place was the account's own, so that a lane that is full cannot keep it from its schema.
	 * The answer is the lane's: trouble of it stops no other.
	 */
	place.lane = schema_sync_lane(account, request.part);
	place.status = &place.lane->status;
	address = api_address(account, request.path);
	transfer = start_transfer(&place, &address, false, request.method, request.body,
							  request.body != NULL ? strlen(request.body) : 0);
	if (transfer == NULL)
		return false;
	transfer->part = request.part;
	schema_sync_asking(account, request.part);
	return true;
}

/* Ask for what else somebody needs to know of the account, likewise. */
static bool
ask_reading(Account *account, int64 now, int64 *wait_us)
{
	ReadingRequest request;
	Address		address;
	Transfer   *transfer;
	Place		place;
	int64		wait;

	if (account->transfers >= account->options->max_connections || !has_connection(account, NULL) ||
		!reading_next(account, now, &request))
		return false;
	wait = take_place(account, NULL, METER_OBJECTS, false, now, &place);
	if (wait > 0)
		*wait_us = clock_sooner(*wait_us, wait);
	if (wait != 0)
		return false;
	place.status = reading_status(request.state);
	address = api_address(account, request.path);
	address.query = request.query;
	transfer = start_transfer(&place, &address, false, "GET", NULL, 0);
	if (transfer == NULL)
		return false;
	transfer->reading = request.state;
	reading_asking(request.state);
	return true;
}

static bool
send_batch(Place *place, Batch *batch)
{
	Lane	   *lane = place->lane;
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	Account    *account = lane->account;
	const RequestKind *kind = batch->kind;
	const char *method = kind->method != NULL ? kind->method : "POST";
	bool		has_body = strcmp(method, "GET") != 0;
	Address		address = api_address(account, accounts_path(account, batch->path, batch->type));
	Transfer   *transfer;

	if (kind->address != NULL)
		kind->address(batch, &address);
	transfer = start_transfer(place, &address, kind->repeat >= REPEAT_SOUGHT, method,
							  has_body ? batch->body.data : NULL, has_body ? batch->body.len : 0);
	MemoryContextSwitchTo(old);
	if (transfer == NULL)
	{
		/*
		 * Nothing has left: the same batch goes when the lane may send, and no row has an attempt
		 * more.
		 */
		batch_again(batch);
		return false;
	}
	transfer->batch = batch;
	lane->transfers++;
	lane->in_flight += batch->nrows;
	return true;
}

/* The batch goes when its note is on disk; its place is taken meanwhile, see has_connection(). */
static void
reserve(const Place *place, Batch *batch)
{
	Assert(nreserved < lengthof(reserved));
	reserved[nreserved].place = *place;
	reserved[nreserved++].batch = batch;
	place->account->transfers++;
	place->lane->transfers++;
}

bool
send_awaits_notes(void)
{
	return nreserved > 0;
}

/* In the order in which they were taken. */
void
send_noted(bool noted)
{
	int			n = nreserved;

	nreserved = 0;
	for (int i = 0; i < n; i++)
	{
		Place		place = reserved[i].place;

		place.account->transfers--;
		place.lane->transfers--;
		if (noted)
			(void) send_batch(&place, reserved[i].batch);
		else
		{
			give_place_back(&place);
			batch_again(reserved[i].batch);
		}
	}
}

/*
 * How long to wait for more rows, µs: only while the reader has more at hand,
 * or keys that wait for others may soon come back, for a request that is not
 * full; but for a kind that collects, for all of the rows.
 */
static int64
hold(Lane *lane, const RequestKind *kind, bool more_to_read, int64 now)
{
	bool		collects = kind->collects && object_types[lane->family].is_few;
	bool		more = more_to_read || lane->skipped > 0 || lane->nparked > 0 ||
	(kind->gathers && lane->keys.naway > 0);
	bool		is_full = kind->counts_rows ? lane->rows - lane->in_flight >= kind->max_rows
	: lane->keys.nready >= kind->max_inputs;

	if (!more || (is_full && !collects) || !dlist_is_empty(&lane->again))
	{
		lane->held_since = 0;
		return 0;
	}
	if (lane->held_since == 0)
		lane->held_since = now;
	return Max(lane->held_since + (collects ? COLLECT_US : HOLD_PARTIAL_US) - now, 0);
}

/*
 * The kind of the next batch, with a place of its meter; NULL when nothing may
 * go.  A kind whose meter has none left does not stop the others.
 */
static const RequestKind *
book_kind(Lane *lane, bool more_to_read, int64 now, int64 *wait_us, Place *place)
{
	int			busy = 0;
	int64		least = -1;
	MeterKind	soonest = METER_OBJECTS;
	const RequestKind *kind;

	while ((kind = batch_next_kind(lane, busy)) != NULL)
	{
		int64		wait = hold(lane, kind, more_to_read, now);

		if (wait > 0)
		{
			*wait_us = clock_sooner(*wait_us, wait);
			return NULL;
		}
		wait = take_place(lane->account, lane, kind->meter, queue_only_backfill(lane), now, place);
		if (wait == NO_CONNECTION)
			return NULL;
		if (wait == 0)
			break;
		if (least < 0 || wait < least)
			soonest = kind->meter;
		least = clock_sooner(least, wait);
		busy |= 1 << kind->meter;
	}
	if (kind == NULL && least >= 0)
	{
		/* meanwhile there may come rows that another meter lets go */
		if (soonest != METER_OBJECTS)
			least = Min(least, LOOK_AGAIN_US);
		lane_event(&lane->status, EVENT_METERED,
				   soonest != METER_OBJECTS ? meter_noun(soonest) : NULL, 0);
		lane->status.until = now + least;
		*wait_us = clock_sooner(*wait_us, least);
	}
	return kind;
}

/* The account's trouble, not each row's: HubSpot would refuse all of them. */
static bool
key_is_unique(Lane *lane)
{
	LaneEvent	event;
	const char *trouble = schema_sync_key_trouble(lane, &event);

	if (trouble == NULL)
		return true;
	lane_event(&lane->status, event, trouble, 0);
	return false;
}

/* Send one batch of a lane; false when none may go, with the time until one may. */
static bool
send_one(Lane *lane, bool more_to_read, int64 now, int64 *wait_us)
{
	const RequestKind *kind;
	Batch	   *batch;
	Place		place;
	int			ended;
	int			nready = lane->keys.nready;
	int64		splits = lane->splits;
	int64		holds;

	if ((lane->keys.nready == 0 && dlist_is_empty(&lane->again)) ||
		!has_connection(lane->account, lane) ||
		(lane->status.failures > 0 && lane->transfers > 0)) /* after trouble one goes first */
		return false;
	if (!lane_may_send(&lane->status, now))
	{
		if (lane->status.until > 0)
			*wait_us = clock_sooner(*wait_us, lane->status.until - now);
		return false;
	}
	if (!schema_sync_is_settled(lane))
	{
		int64		looks_for = schema_sync_looks_for(lane, now);

		/* for what is asked after a miss it waits a while only */
		if (looks_for > 0)
			*wait_us = clock_sooner(*wait_us, looks_for);
		return false;
	}
	/* for an answer it waits until that comes, which wakes the worker */
	holds = reading_holds(lane, now);
	if (holds != 0)
	{
		if (holds > 0)
			*wait_us = clock_sooner(*wait_us, holds);
		return false;
	}
	if (!key_is_unique(lane))
		return false;
	kind = book_kind(lane, more_to_read, now, wait_us, &place);
	if (kind == NULL)
		return false;
	if (lane->status.failures == 0)
		lane_event(&lane->status, EVENT_SUCCESS, NULL, 0);
	ended = ack_pending();
	batch = batch_take(lane, kind);
	if (batch != NULL && batch_must_be_noted(batch))
	{
		reserve(&place, batch);
		return true;
	}
	if (batch != NULL)
		return send_batch(&place, batch);
	give_place_back(&place);
	/* rows ended without a request, were sent away or split from others: there may be more to do */
	return (ack_pending() > ended || lane->keys.nready < nready || lane->splits > splits) &&
		!ack_is_full();
}

/* Whether the account's own state lets a lane send; the day's limit spares the exempt ones. */
static bool
account_lets(const Account *account, const Lane *lane)
{
	return account->options != NULL &&
		(account->status.state == LANE_RUN ||
		 (account->status.state == LANE_DAILY &&
		  meter_is_exempt(lane->work->kind->meter)));
}

int64
send_what_may(bool more_to_read)
{
	int64		now = clock_us();
	int64		wait_us = -1;

	foreach_account(account)
	{
		if (servers_wants_asking(account, now))
			ask_account(account, now);
		if (daily_wants_usage(account, now))
			ask_usage(account, now);
		/* when that is over already, it waits for an answer, or for a place */
		if (account->status.state != LANE_RUN && account->status.until > now &&
			account->pause.state == LANE_RUN)
			wait_us = clock_sooner(wait_us, account->status.until - now);
		schema_lane_give_up(account->lanes[FAMILY_SCHEMA]);
		if (account->status.state == LANE_RUN && account->options != NULL && !account->dropped &&
			!accounts_is_paused(account->lanes[FAMILY_SCHEMA]))
			schema_lane_refresh(account->lanes[FAMILY_SCHEMA]);
		foreach_lane_of(lane, account)
		{
			if (account->dropped)
				batch_cancel_lane(lane);
			else if (account_lets(account, lane))
				while (send_one(lane, more_to_read, now, &wait_us))
					;
		}
		if (account->status.state == LANE_RUN && account->options != NULL && !account->dropped)
			while (ask_schema(account, now, &wait_us) || ask_reading(account, now, &wait_us))
				;
	}
	return wait_us;
}

/* ---- in ------------------------------------------------------------------------- */

/* Write the request's line of the log. */
static AckRequest *
log_request(const Transfer *transfer, const WireResponse *response, const Reply *reply)
{
	AckRequest *request = ack_request();

	request->server = transfer->account->server;
	request->lane = transfer->batch != NULL ? lane_family_name(transfer->batch->lane->family)
		: transfer->lane != NULL || transfer->reading != NULL
		? lane_family_name(FAMILY_SCHEMA) : "account";
	request->method = ack_text(transfer->method);
	request->path = ack_text(transfer->path);
	request->records = transfer->batch != NULL ? transfer->batch->ninputs : 0;
	request->status = response->answered ? response->status : 0;
	request->retry_after = response->headers.retry_after;
	request->bytes_sent = response->bytes_sent;
	request->bytes_received = response->bytes_received;
	request->started_at = transfer->started_at;
	request->duration_ms = (response->finished_us - response->started_us) / 1000.0;
	request->correlation_id = ack_text(reply->correlation_id);
	request->category = response->answered && reply->class != REPLY_RECORDS
		? ack_text(reply_code(reply)) : NULL;
	request->error = ack_text(!response->answered ? encoding_from_wire(response->error) :
							  reply->class != REPLY_RECORDS ? reply->message : NULL);
	return request;
}

static void
meter_response(const Transfer *transfer, const WireResponse *response, const Reply *reply)
{
	Account    *account = transfer->account;
	int64		now = clock_us();

	if (transfer->meter == NULL)
		return;

	/*
	 * What a place was worth is known now: refused, it was not counted by HubSpot; without an
	 * answer it may have been; not reached, it was not, and goes back.
	 */
	if (response->answered && reply->class == REPLY_LIMITED)
		(void) meter_refused(transfer->meter, reply->policy, response->headers.retry_after,
							 response->started_us, now);
	else if (response->answered)
	{
		meter_answered(transfer->meter, &response->headers, response->started_us, now);

		/* The day of another token may be that of another account. */
		if (transfer->token_hash == account->secret.hash)
			daily_headers(account, &response->headers);
		if (account->meters[METER_OBJECTS] != NULL)
			meter_set_associations(account->meters[METER_ASSOCIATIONS],
								   account->meters[METER_OBJECTS]);
	}
	else if (response->reached)
		meter_lost(transfer->meter, now);
	else
		meter_cancel(transfer->meter);
	account->limits_changed = true;
}

/* The event that an answer, or its absence, is; with the words and the time that go with it. */
static LaneEvent
event_of(const WireResponse *response, const Reply *reply,
		 const char **detail, int64 *wait_s)
{
	LaneEvent	event;

	*wait_s = 0;
	if (!response->answered)
	{
		*detail = encoding_from_wire(response->error);
		return response->oversized ? EVENT_TOO_LONG : EVENT_NETWORK;
	}
	event = lane_event_of(reply->class);
	/* a scope would be named in JSON */
	if (event == EVENT_FORBIDDEN && reply->root == NULL)
		event = EVENT_BARRED;
	*detail = reply->message;
	if (event == EVENT_FORBIDDEN && reply->scopes[0] != '\0')
		*detail = reply->scopes;
	else if (event == EVENT_WRONG_HUBLET && reply->correct_hublet[0] != '\0')
		*detail = reply->correct_hublet;
	if (response->headers.retry_after > 0)
		*wait_s = response->headers.retry_after;
	return event;
}

/*
 * 429.  Whose meter is its own stops there: returns true, and no lane is
 * moved.  Associations have a day of their own, too: while the account's is
 * known to go on, only they stop; so do events, which the account's does not
 * concern.
 */
static bool
is_of_one_meter(const Transfer *transfer, LaneEvent event)
{
	Account    *account = transfer->account;
	MeterReading reading;
	TimestampTz ends_at;

	if (event == EVENT_LIMITED)
		return transfer->meter != NULL && transfer->meter->kind != METER_OBJECTS;
	if (event != EVENT_DAILY || transfer->meter == NULL)
		return false;
	meter_read(account->meters[METER_OBJECTS], &reading, clock_us());
	if (!meter_is_exempt((MeterKind) transfer->meter->kind) &&
		(transfer->meter->kind != METER_ASSOCIATIONS || reading.daily_remaining <= 0))
		return false;
	ends_at = daily_ends_at(account);
	meter_block(transfer->meter, ends_at == 0 ? OWN_DAY_US : ends_at - GetCurrentTimestamp(),
				clock_us());
	return true;
}

/* The lane of an ordinary request waits as long as its meter. */
static void
wait_for_meter(LaneStatus *status, Meter *meter)
{
	MeterReading reading;
	int64		now = clock_us();

	meter_read(meter, &reading, now);
	status->until = now + Max(reading.blocked_us, 1);
}

/*
 * Move the account or the lane; returns whether the answer is about records.
 * Trouble with a token that has been replaced meanwhile says nothing about
 * the new one.
 */
static bool
apply_event(const Transfer *transfer, const WireResponse *response, const Reply *reply)
{
	Account    *account = transfer->account;
	const char *detail;
	int64		wait_s;
	LaneEvent	event = event_of(response, reply, &detail, &wait_s);
	LaneStatus *status = lane_event_is_of_account(event) ? &account->status : transfer->status;
	bool		quotes = response->answered && detail == reply->message;

	if (event == EVENT_SUCCESS)
	{
		bool		is_of_account = status == &account->status;

		if (!is_of_account)
			lane_event(status, EVENT_SUCCESS, NULL, 0);
		if (!is_of_account && account->status.state == LANE_RUN && !account->dropped)
			(void) daily_pause_if_used_up(account);
		return true;
	}

	/*
	 * No news: said of a token that is not in use any more, of one limit that its own meter waits
	 * for, or of trouble that had begun when the request had been sent. Counted each time, one
	 * moment of trouble would be many failures, and the pauses would grow with the number of
	 * connections.
	 */
	if (transfer->token_hash != account->secret.hash || is_of_one_meter(transfer, event) ||
		lane_event_is_known(status, event, response->started_us))
		return false;
	if (event == EVENT_DAILY)
		daily_pause(account, event, detail);
	else
		lane_event(status, event, detail, wait_s);
	if (quotes)
		lane_reason_quotes(status);

	/* After lane_event(), which has set the time by the table: the meter knows it better. */
	if (event == EVENT_LIMITED && transfer->meter != NULL)
		wait_for_meter(status, transfer->meter);
	if (event == EVENT_UNAUTHORIZED)
		servers_refused(account);
	return false;
}

/* HubSpot has no such path, or does not let us use it. */
static bool
is_refused(const Reply *reply)
{
	return reply->class == REPLY_MISDIRECTED || reply->class == REPLY_NOT_FOUND ||
		reply->class == REPLY_FORBIDDEN;
}

/* account-info: an address without it is no reason not to try the rest. */
static void
finish_account(const Transfer *transfer, const WireResponse *response, const Reply *reply)
{
	Account    *account = transfer->account;

	account->asking = false;
	if (account->dropped || transfer->token_hash != account->secret.hash)
		return;
	if (response->answered && reply->class == REPLY_RECORDS && servers_hub_of(reply) == 0)
	{
		/*
		 * The uuids of events contain the hub: under another number HubSpot would take the same
		 * event twice.  So nothing is sent before an answer has named the hub.
		 */
		Reply		nameless = *reply;

		nameless.class = REPLY_UNREADABLE;
		snprintf(nameless.message, sizeof(nameless.message),
				 "HTTP status %d without the number of an account in \"portalId\"",
				 reply->status);
		(void) apply_event(transfer, response, &nameless);
	}
	else if (response->answered && is_refused(reply))
		servers_answered(account, reply);
	else if (apply_event(transfer, response, reply))
		servers_answered(account, reply);
}

/*
 * A part of the schema: a refusal is an answer, too.  One that cannot be read
 * is trouble of the part: where what was told before still counts, its lane
 * goes on.
 */
static void
finish_schema(const Transfer *transfer, const WireResponse *response, const Reply *reply)
{
	Account    *account = transfer->account;
	bool		is_token = transfer->token_hash == account->secret.hash;
	bool		refused = response->answered && is_refused(reply);
	bool		useful;

	if (is_token && !object_types[transfer->part].is_record &&
		schema_sync_at_other_path(account, transfer->path, response->answered, reply))
		useful = false;
	else if (response->answered && reply->class == REPLY_UNREADABLE)
		useful = is_token && schema_sync_unreadable(account, transfer->part, reply->message);
	else
		useful = is_token && (refused || apply_event(transfer, response, reply));
	schema_sync_answered(account, transfer->part, reply, useful);
}

/* What else was asked for: no trouble of it is a lane's. */
static void
finish_reading(const Transfer *transfer, const WireResponse *response, const Reply *reply)
{
	bool		useful = transfer->token_hash == transfer->account->secret.hash;
	bool		refused =
	response->answered && (is_refused(reply) || reply->class == REPLY_REFUSED);

	if (useful && response->answered && reply->class == REPLY_UNREADABLE)
	{
		reading_unreadable(transfer->reading, reply->message);
		useful = false;
	}
	else if (useful && !refused)
		useful = apply_event(transfer, response, reply);
	reading_answered(transfer->reading, reply, useful);
}

/*
 * Whether an answer, or its absence, may be owed to what was asked for: to one
 * record that HubSpot stumbles over.
 */
static bool
may_be_of_batch(const WireResponse *response, const Reply *reply)
{
	return response->answered
		? reply->class == REPLY_UNAVAILABLE || reply->class == REPLY_UNREADABLE : response->reached;
}

static void
finish_usage(const Transfer *transfer, const Reply *reply)
{
	Account    *account = transfer->account;

	account->asking_usage = false;
	if (!account->dropped && transfer->token_hash == account->secret.hash)
		daily_answered(account, reply);
}

/*
 * An answer to a batch that cannot be read is looked into even while nothing
 * else tells whose fault it is: HubSpot has done what it was asked, and would
 * do it again each time.  But then the lane waits before each of its parts.
 */
static void
finish_in_trouble(const Transfer *transfer, const WireResponse *response, const Reply *reply,
				  AckRequest *request)
{
	Batch	   *batch = transfer->batch;

	if (reply->class == REPLY_UNREADABLE && batch_is_unproven(batch))
		(void) apply_event(transfer, response, reply);
	if (batch_suspect(batch, reply, request))
		return;
	(void) apply_event(transfer, response, reply);
	batch_again(batch);
}

static void
finish_batch(const Transfer *transfer, const WireResponse *response, Reply *reply,
			 AckRequest *request)
{
	Batch	   *batch = transfer->batch;
	Lane	   *lane = batch->lane;
	Settlement	settlement = SETTLE_NOT;

	/* First of all, as each way out may free the batch. */
	lane->transfers--;
	lane->in_flight -= batch->nrows;

	/*
	 * Before anything is judged: batch_not_found() goes by what is known of the path, and rows
	 * must be marked as possibly sent before settle() gives them back to their keys.
	 */
	batch_learn_path(batch, reply);
	if (response->repeated || may_be_of_batch(response, reply))
		batch_was_lost(batch);

	/*
	 * A kind whose repeat would be a second one decides by itself, and before all others, who
	 * would send the same again.
	 */
	if (batch->kind->settle != NULL)
		settlement =
			batch->kind->settle(batch, reply, response->answered, response->reached, request);

	/*
	 * A kind with notes has settled whatever HubSpot may have taken. What comes here was refused
	 * or never reached it: its notes go, and a repeat is noted anew.
	 */
	if (settlement != SETTLE_DONE)
		batch_not_taken(batch);
	if (settlement == SETTLE_AGAIN)
		batch_again(batch);
	else if (settlement == SETTLE_BACK)
		batch_free(batch);
	else if (settlement == SETTLE_DONE)
	{
		(void) apply_event(transfer, response, reply);
		batch_free(batch);
	}

	/*
	 * One record that HubSpot stumbles over looks like trouble of HubSpot. So the batch is
	 * suspected before the lane is stopped.
	 */
	else if (may_be_of_batch(response, reply))
		finish_in_trouble(transfer, response, reply, request);
	else if (reply->class == REPLY_NOT_FOUND &&
			 batch_not_found(batch, reply, transfer->path, request))
		return;
	else if (apply_event(transfer, response, reply))
		batch_answered(batch, reply, request);
	else
		batch_again(batch);
}

int
send_collect(void)
{
	WireResponse response;
	int			count = 0;

	while (wire_next(&response))
	{
		Transfer	transfer = transfers[response.slot];
		Reply		reply;
		AckRequest *request;
		const Lane *lane = transfer.batch != NULL
		? transfer.batch->lane : transfer.reading != NULL
		? transfer.account->lanes[FAMILY_SCHEMA] : transfer.lane;
		uint32		code = lane != NULL ? object_code(lane->family) : SUSPECT_NO_LANE;
		Suspect		outer =
		suspect_begin(SUSPECT_ANSWER, suspect_answer_id(transfer.account->server, code));

		/*
		 * Within the suspicion: should this answer end the process, the next worker knows which
		 * lane it was of, and holds that one.
		 */
		reply_parse(&reply, response.answered ? response.status : 0, &response.headers,
					response.body, response.body_len);
		wire_translate_reply(&reply);
		if (reply.class == REPLY_NOT_FOUND && reply.is_of_hubspot && transfer.batch != NULL &&
			transfer.batch->kind->names_content)
			reply_settle_not_found(&reply);
		/* of others a request names an object as a part of what it is about */
		if (reply.class == REPLY_NO_TYPE &&
			(transfer.batch == NULL || lane == NULL || !object_types[lane->family].is_record))
			reply_settle_no_type(&reply);

		/*
		 * What follows may go through all transfers (an account that goes): this one is none any
		 * more, and its answer's bytes are valid until wire_release().
		 */
		transfers[response.slot].account = NULL;
		transfer.account->transfers--;
		meter_response(&transfer, &response, &reply);
		request = log_request(&transfer, &response, &reply);
		if (transfer.batch != NULL)
			finish_batch(&transfer, &response, &reply, request);
		else if (transfer.lane != NULL)
			finish_schema(&transfer, &response, &reply);
		else if (transfer.reading != NULL)
			finish_reading(&transfer, &response, &reply);
		else if (transfer.is_usage)
			finish_usage(&transfer, &reply);
		else
			finish_account(&transfer, &response, &reply);
		reply_free(&reply);
		suspect_end(outer);
		wire_release(response.slot);
		count++;
	}
	return count;
}

/* ---- the end ------------------------------------------------------------------------ */

static bool
is_once(const Transfer *transfer)
{
	return transfer->account != NULL && transfer->batch != NULL &&
		transfer->batch->kind->repeat == REPEAT_DOUBLES;
}

bool
send_awaits_once(void)
{
	for (int i = 0; i < lengthof(transfers); i++)
		if (is_once(&transfers[i]))
			return true;
	return false;
}

void
send_give_up(void)
{
	WireResponse none = {.reached = true, .status = 0};

	strlcpy(none.error, "the worker ended before HubSpot answered", sizeof(none.error));
	reply_headers_init(&none.headers);
	for (int i = 0; i < lengthof(transfers); i++)
	{
		Transfer	transfer = transfers[i];
		Reply		reply;

		if (!is_once(&transfer))
			continue;
		reply_parse(&reply, 0, &none.headers, NULL, 0);
		none.finished_us = clock_us();
		none.started_us = none.finished_us -
			(GetCurrentTimestamp() - transfer.started_at);
		if (transfer.batch->kind->settle(transfer.batch, &reply, false, true,
										 log_request(&transfer, &none, &reply)) == SETTLE_DONE)
			transfers[i].account = NULL;
		reply_free(&reply);
	}

	/* noted, and not sent */
	foreach_lane(lane)
	{
		dlist_iter	iter;

		dlist_foreach(iter, &lane->again)
			batch_not_taken(dlist_container(Batch, node, iter.cur));
	}
}

int
send_flight_ids(int slot, int64 *ids, int max)
{
	const Batch *batch = transfers[slot].batch;
	int			count = 0;

	if (transfers[slot].account == NULL || batch == NULL)
		return 0;
	for (int i = 0; i < batch->ninputs; i++)
		for (int j = 0; j < batch->inputs[i].nrows && count < max; j++)
			ids[count++] = batch->inputs[i].rows[j]->id;
	return count;
}

int64
send_requests(void)
{
	return requests_sent;
}
