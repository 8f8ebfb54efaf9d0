/*
 * servers.c
 *		The worker's accounts: SERVERs, tokens, and what HubSpot says of them.
 *
 * An Account appears when its SERVER does and stays for the life of the
 * worker (rows may still wait for a dropped one, to be cancelled).  Before its
 * lanes may send, account-info must accept the token; the same request is the
 * probe with which an account comes back from trouble.
 *
 * Memory: "hubspot work"; the options of an account in a context of their
 * own, replaced when the SERVER changes.  Tokens: see secret.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "activity/families.h"
#include "activity/lists.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "base/guc.h"
#include "base/worker_context.h"
#include "consent/families.h"
#include "crm/families.h"
#include "object/families.h"
#include "pair/labels.h"
#include "pair/pair.h"
#include "queue/accounts.h"
#include "reading/reading.h"
#include "request/schema_sync.h"
#include "text/encoding.h"
#include "text/value.h"
#include "worker/daily.h"
#include "worker/meter_restore.h"
#include "worker/pause.h"
#include "worker/servers.h"

static const AccountsWork families = {
	.fixed = {
		[FAMILY_CONTACTS] = &contacts_work,
		[FAMILY_COMPANIES] = &companies_work,
		[FAMILY_ASSOCIATIONS] = &associations_work,
		[FAMILY_EVENTS] = &events_work,
		[FAMILY_FORMS] = &forms_work,
		[FAMILY_SCHEMA] = &schema_work,
		[FAMILY_LISTS] = &lists_work,
		[FAMILY_CONSENT] = &consent_work,
		[FAMILY_PAIRS] = &pairs_work,
	},
	.of_records = &object_records_work,
	.of_born = &object_born_work,
	.opened = pause_apply,
};

static bool servers_changed = true;

static void
server_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	servers_changed = true;
}

void
servers_init(void)
{
	for (int i = 0; i < OBJECT_COUNT; i++)
		Assert(families.fixed[i]->kind->max_inputs == object_types[i].per_request);
	accounts_init(&families);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, (Datum) 0);
}

static void
release_meters(Account *account)
{
	for (int i = 0; i < METER_COUNT; i++)
	{
		if (account->meters[i] != NULL)
			meter_release(account->meters[i]);
		account->meters[i] = NULL;
	}
}

/* The meters of the account's token, all or none: false when too many tokens are in use. */
static bool
hold_meters(Account *account)
{
	Meter	   *fresh[METER_COUNT] = {NULL};
	bool		complete = true;

	for (int i = 0; i < METER_COUNT && complete; i++)
	{
		fresh[i] = meter_hold(account->secret.hash, (MeterKind) i);
		complete = fresh[i] != NULL;
	}
	/* those of the last token after that, for it may be the same */
	release_meters(account);
	memcpy(account->meters, fresh, sizeof(fresh));
	if (!complete)
		release_meters(account);
	return complete;
}

/*
 * Searches are counted for all tokens of a hub together, as far as it is known which one it is, and
 * a meter is free.
 */
static void
share_searches(Account *account)
{
	Meter	   *shared = account->portal_id != 0
	? meter_hold((uint64) account->portal_id, METER_SEARCH) : NULL;

	if (shared == NULL)
		return;
	meter_release(account->meters[METER_SEARCH]);
	account->meters[METER_SEARCH] = shared;
}

/* Without a token there is nothing to be counted. */
static void
forget_token(Account *account)
{
	secret_forget(&account->secret);
	release_meters(account);
}

/* Start anew: nothing that was wrong before need be wrong now. */
static void
restart(Account *account)
{
	lane_event(&account->status, EVENT_START, NULL, 0);
	foreach_lane_of(lane, account)
	{
		lane_event(&lane->status, EVENT_SUCCESS, NULL, 0);
		lane->trusted = 0;		/* the address may be another one */
	}
	schema_sync_restart(account);
	reading_restart(account);
	lists_forget_all(account);
	account->consent_single = false;
	labels_forget_all(account);
}

/* Options in a context of their own. */
static AccountOptions *
parse_options(Account *account, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	ForeignServer *server = GetForeignServer(account->server);
	AccountOptions *options;

	strlcpy(account->name, server->servername, sizeof(account->name));
	options = account_parse_options(server->options);
	MemoryContextSwitchTo(old);
	return options;
}

/*
 * Read the options of one SERVER again.  Options that the validator would
 * refuse (it was not asked, or the time zones changed) stop this account, not
 * the worker.
 */
static void
load_account(Account *account)
{
	MemoryContext context =
	AllocSetContextCreate(WorkerContext, "hubspot account", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = CurrentMemoryContext;
	AccountOptions *volatile options = NULL;
	char		problem[256] = "";
	bool		was_off = account->options != NULL && !account->options->skip_unchanged;

	PG_TRY();
	{
		options = parse_options(account, context);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
		{
			MemoryContextDelete(context);
			account->xmin = InvalidTransactionId;	/* once more */
			PG_RE_THROW();
		}
		FlushErrorState();
		strlcpy(problem, error->message, sizeof(problem));
		FreeErrorData(error);
	}
	PG_END_TRY();

	if (account->context != NULL)
		MemoryContextDelete(account->context);
	account->context = context;
	account->options = options;
	account->schema_stale = true;
	schema_sync_again(account);
	reading_again(account);
	account->dropped = false;
	if (options != NULL)
		account->sheds_confirmed = !options->skip_unchanged && !was_off;
	forget_token(account);
	restart(account);
	if (options == NULL)
		lane_event(&account->status, EVENT_BAD_OPTION, problem, 0);
}

/*
 * Whether the SERVER is another one than it was read; so that an ALTER of one
 * lets a thousand others go on.
 */
static bool
was_altered(Account *account)
{
	HeapTuple	tuple = SearchSysCache1(FOREIGNSERVEROID, ObjectIdGetDatum(account->server));
	TransactionId xmin;
	bool		altered;

	if (!HeapTupleIsValid(tuple))
		return true;
	xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	altered = account->xmin != xmin || !ItemPointerEquals(&account->tid, &tuple->t_self);
	account->xmin = xmin;
	account->tid = tuple->t_self;
	ReleaseSysCache(tuple);
	return altered;
}

static void
load_accounts(void)
{
	List	   *servers = account_list();
	List	   *fresh = NIL;
	ListCell   *cell;

	foreach_account(account)
	{
		if (!list_member_oid(servers, account->server))
		{
			account->dropped = true;
			account->sheds_confirmed = true;
			forget_token(account);
			foreach_lane_of(lane, account)
				lane_event(&lane->status, EVENT_SUCCESS, NULL, 0);
			accounts_leave(account);
			reading_leave(account);
		}
	}
	foreach(cell, servers)
	{
		Account    *account = accounts_find(lfirst_oid(cell));

		if (account == NULL)
			account = accounts_add(lfirst_oid(cell));
		if (account->to_recall)
			fresh = lappend_oid(fresh, account->server);
		if (was_altered(account))
			load_account(account);
	}
	if (fresh != NIL)
		meter_restore_read(fresh);
	foreach(cell, fresh)
		accounts_find(lfirst_oid(cell))->to_recall = false;
	list_free(fresh);
	list_free(servers);
	pause_load();				/* a new one may be paused from its first moment */
}

/* If it fails, the next transaction tries again. */
void
servers_load_accounts(void)
{
	if (!servers_changed)
		return;
	servers_changed = false;
	PG_TRY();
	{
		load_accounts();
	}
	PG_CATCH();
	{
		servers_changed = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * Read the account's token file.  Returns whether there is a token now that
 * was not there before.
 */
static bool
read_secret(Account *account)
{
	Secret		fresh = {0};
	char		problem[256];

	if (account->options->secret == NULL)
	{
		lane_event(&account->status, EVENT_NO_SECRET, "the SERVER has no option \"secret\"", 0);
		return false;
	}
	if (!secret_read(hubspot_secret_directory, account->options->secret, &fresh, problem))
	{
		/* A token that was taken away must not be used on. */
		forget_token(account);
		lane_event(&account->status, EVENT_NO_SECRET, problem, 0);
		return false;
	}

	/*
	 * The same token is no news: states that wait for another one, because HubSpot refused this,
	 * stay.
	 */
	if (account->secret.token != NULL && strcmp(account->secret.token, fresh.token) == 0)
	{
		secret_forget(&fresh);
		return false;
	}
	secret_forget(&account->secret);
	account->secret = fresh;

	/*
	 * Without meters nothing is sent: others may use the same token, and the limit is of all
	 * together.
	 */
	if (!hold_meters(account))
	{
		forget_token(account);
		snprintf(problem, sizeof(problem), "%d in use", hubspot_max_tokens);
		lane_event(&account->status, EVENT_NO_METER, problem, 0);
		return false;
	}
	share_searches(account);
	meter_restore_tell_meters(account);
	return true;
}

void
servers_reload(void)
{
	foreach_account(account)
	{
		if (account->dropped || account->options == NULL)
			continue;
		if (account->meters[METER_OBJECTS] != NULL)
			for (int i = 0; i < METER_COUNT; i++)
				meter_unblock(account->meters[i]);
		if (read_secret(account) ||
			(account->secret.token != NULL && account->status.state != LANE_RUN))
			restart(account);
		else
			foreach_lane_of(lane, account)
				lane_reload(&lane->status);
		schema_sync_reload(account);
		reading_reload(account);
	}
}

void
servers_refused(Account *account)
{
	if (read_secret(account))
		restart(account);
}

bool
servers_wants_asking(Account *account, int64 now)
{
	if (account->dropped || account->options == NULL || account->asking ||
		account->status.state == LANE_RUN ||
		account->pause.state != LANE_RUN ||
		(account->status.until != 0 && account->status.until > now))
		return false;
	if (account->secret.token == NULL || account->status.state == LANE_UNAUTHORIZED)
		(void) read_secret(account);	/* it may have been replaced */
	return account->secret.token != NULL;
}

/* ---- what account-info says -------------------------------------------------- */

static void
copy_text(char *to, size_t size, const Reply *reply, const char *name)
{
	encoding_copy(to, size, reply_text(reply, name));
}

#define MAX_HUB_ID			INT64CONST(999999999999)	/* as of the option portal_id */
#define MAX_UTC_OFFSET_MS	(24 * 3600 * 1000)

/* What is out of all bounds tells nothing. */
static int64
number_within(const Reply *reply, const char *name, int64 least, int64 most)
{
	int64		number = reply_number(reply, name);

	return number < least || number > most ? 0 : number;
}

int64
servers_hub_of(const Reply *reply)
{
	return number_within(reply, "portalId", 1, MAX_HUB_ID);
}

static void
read_info(Account *account, const Reply *reply)
{
	account->portal_id = servers_hub_of(reply);
	account->info_of_token = account->secret.hash;
	account->utc_offset_ms =
		(int) number_within(reply, "utcOffsetMilliseconds", -MAX_UTC_OFFSET_MS, MAX_UTC_OFFSET_MS);
	copy_text(account->account_type, sizeof(account->account_type), reply, "accountType");
	copy_text(account->time_zone, sizeof(account->time_zone), reply, "timeZone");
	copy_text(account->hublet, sizeof(account->hublet), reply, "dataHostingLocation");
	account->info_changed = true;
}

void
servers_answered(Account *account, const Reply *reply)
{
	char		detail[128];

	if (reply->class == REPLY_RECORDS)
	{
		read_info(account, reply);
		share_searches(account);
	}
	if (account->options != NULL && account->options->portal_id != 0 && account->portal_id != 0 &&
		account->options->portal_id != account->portal_id)
	{
		snprintf(detail, sizeof(detail),
				 "it belongs to " INT64_FORMAT ", the SERVER option portal_id says " INT64_FORMAT,
				 account->portal_id, account->options->portal_id);
		lane_event(&account->status, EVENT_OTHER_HUB, detail, 0);
	}
	else if (!daily_pause_if_used_up(account))
		lane_event(&account->status, EVENT_SUCCESS, NULL, 0);
}

/* ---- what the log and the views show ------------------------------------------------------- */

static void
save_info(Account *account)
{
	Oid			types[] = {OIDOID, INT8OID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID};
	Datum		values[] = {
		ObjectIdGetDatum(account->server), Int64GetDatum(account->portal_id),
		CStringGetTextDatum(account->account_type), CStringGetTextDatum(account->time_zone),
		Int32GetDatum(account->utc_offset_ms), CStringGetTextDatum(account->hublet),
		CStringGetTextDatum(account->secret.fingerprint)
	};

	if (statement_execute("INSERT INTO hubspot.account (server, checked_at, portal_id, "
						  "account_type, time_zone, utc_offset_ms, hublet, token_fingerprint)"
						  " VALUES ($1, pg_catalog.clock_timestamp(), nullif($2, 0), nullif($3, "
						  "''), nullif($4, ''), $5, nullif($6, ''), $7)"
						  " ON CONFLICT (server) DO UPDATE SET checked_at = excluded.checked_at, "
						  "portal_id = excluded.portal_id,"
						  " account_type = excluded.account_type, time_zone = excluded.time_zone,"
						  " utc_offset_ms = excluded.utc_offset_ms, hublet = excluded.hublet, "
						  "token_fingerprint = excluded.token_fingerprint",
						  7, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write hubspot.account");
}

/* Never 0. */
static uint32
status_hash(const LaneStatus *status)
{
	uint32		hash = hash_bytes((const unsigned char *) status->reason, strlen(status->reason));

	return (hash ^ (uint32) status->state ^ (uint32) (status->until / USECS_PER_SEC)) | 1;
}

/*
 * The contacts' row carries the account's limits.  Of the other lanes there
 * is nothing to be written while their state stays, nor when they wait for
 * their meter, for moments only.
 */
static bool
lane_wants_saving(Lane *lane)
{
	LaneStatus	status = servers_effective_status(lane);

	if (!servers_lane_is_used(lane))
		return false;
	lane->saving = status_hash(&status);
	return lane->family == FAMILY_CONTACTS || lane->saved == 0 ||
		(lane->saving != lane->saved && (status.state != LANE_LIMITED || status.failures > 0));
}

static void
save_limits(Account *account, Lane *lane)
{
	MeterReading reading = {0};
	LaneStatus	status = servers_effective_status(lane);
	Oid			types[] =
	{OIDOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT4OID, INT4OID, INT8OID, INT8OID,
	INT4OID, TIMESTAMPTZOID, TEXTOID};
	char		nulls[] = "            ";
	Datum		values[lengthof(types)];

	if (account->meters[METER_OBJECTS] != NULL)
		meter_read(account->meters[METER_OBJECTS], &reading, clock_us());
	values[0] = ObjectIdGetDatum(account->server);
	values[1] = CStringGetTextDatum(lane_family_name(lane->family));
	values[2] = CStringGetTextDatum(lane_state_name(status.state));
	values[3] = CStringGetTextDatum(status.reason);
	values[4] = Int64GetDatum(status.until == 0 ? 0 : status.until - clock_us());
	values[5] = Int32GetDatum(reading.limit);
	values[6] = Int32GetDatum(Max(reading.limit - reading.used - reading.others, 0));
	values[7] = Int64GetDatum(reading.daily_limit);
	values[8] = Int64GetDatum(reading.daily_remaining);
	values[9] = Int32GetDatum(reading.window_ms);
	values[10] = TimestampTzGetDatum(reading.daily_resets_at);
	values[11] = CStringGetTextDatum(pnstrdup(status.reason, status.own));
	nulls[4] = status.until == 0 ? 'n' : ' ';
	nulls[5] = nulls[6] = nulls[9] = reading.limit == 0 ? 'n' : ' ';
	nulls[7] = nulls[8] = reading.limit == 0 || reading.daily_limit < 0 ? 'n' : ' ';
	nulls[10] = reading.daily_resets_at == 0 ? 'n' : ' ';

	if (statement_execute("INSERT INTO hubspot.rate_limit (server, lane, state, reason, until, "
						  "burst_limit, burst_remaining, daily_limit, daily_remaining,"
						  " burst_window_ms, daily_resets_at, own_reason, updated_at)"
						  " VALUES ($1, $2, $3, nullif($4, ''), pg_catalog.clock_timestamp() + $5 "
						  "* interval '1 microsecond', $6, $7, $8, $9, $10, $11, nullif($12, ''), "
						  "pg_catalog.clock_timestamp())"
						  " ON CONFLICT (server, lane) DO UPDATE SET state = excluded.state, "
						  "reason = excluded.reason, own_reason = excluded.own_reason,"
						  " until = excluded.until, burst_limit = excluded.burst_limit, "
						  "burst_remaining = excluded.burst_remaining,"
						  " daily_limit = excluded.daily_limit, "
						  "daily_remaining = excluded.daily_remaining,"
						  " burst_window_ms = excluded.burst_window_ms, "
						  "daily_resets_at = excluded.daily_resets_at, "
						  "updated_at = excluded.updated_at",
						  lengthof(types), types, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write hubspot.rate_limit");
}

/* What of an account must be written: its state changed, or it has been busy. */
static bool
wants_saving(Account *account)
{
	return !account->dropped && account->options != NULL &&
		(account->info_changed || account->limits_changed);
}

bool
servers_wants_saving(void)
{
	foreach_account(account)
	{
		if (wants_saving(account))
			return true;
	}
	return false;
}

void
servers_save(void)
{
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach_account(account)
	{
		if (!wants_saving(account))
			continue;
		if (account->info_changed)
			save_info(account);
		foreach_lane_of(lane, account)
		{
			if (lane_wants_saving(lane))
				save_limits(account, lane);
		}
	}
	PopActiveSnapshot();
	SPI_finish();
}

void
servers_saved(void)
{
	foreach_account(account)
	{
		if (!wants_saving(account))
			continue;
		account->info_changed = account->limits_changed = false;
		foreach_lane_of(lane, account)
			lane->saved = lane->saving;
	}
}

/* Trouble with what HubSpot is to say before the lane's rows can be sent. */
static const LaneStatus *
trouble_of_knowing(const Lane *lane)
{
	const LaneStatus *trouble = schema_sync_trouble(lane);

	return trouble != NULL ? trouble : reading_trouble(lane);
}

/* Whether its rows wait for that. */
static bool
is_unsettled(const Lane *lane)
{
	int			part = schema_sync_part(lane);

	return lane->status.state == LANE_RUN && lane->rows > 0 &&
		((part >= 0 && !lane->account->sync[part]->settled) ||
		 reading_holds(lane, clock_us()) < 0);
}

LaneStatus
servers_effective_status(const Lane *lane)
{
	const LaneStatus *trouble = trouble_of_knowing(lane);
	bool		unsettled = is_unsettled(lane);

	if (lane->account->pause.state != LANE_RUN)
		return lane->account->pause;
	if (lane->pause.state != LANE_RUN)
		return lane->pause;
	if (lane->account->status.state != LANE_RUN &&
		(unsettled || lane->account->status.state != LANE_DAILY ||
		 !meter_is_exempt(lane->work->kind->meter)))
		return lane->account->status;
	if (trouble != NULL && lane->status.state == LANE_RUN)
		return *trouble;
	return unsettled ? lane_shown(EVENT_LEARNING, NULL) : lane->status;
}

bool
servers_lane_is_used(const Lane *lane)
{
	return lane->family == FAMILY_CONTACTS || lane->rows > 0 || lane->skipped > 0 ||
		lane->keys.ndeferred > 0 || lane->nparked > 0 || lane->done > 0 ||
		lane->status.state != LANE_RUN || lane->pause.state != LANE_RUN ||
		trouble_of_knowing(lane) != NULL;
}
