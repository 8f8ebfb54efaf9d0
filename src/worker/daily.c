/*
 * daily.c
 *		The day of an account: how much of it is used, and when the next begins.
 *
 * HubSpot grants so many requests a day to all applications of an account
 * together.  What is left stands in the headers of its answers (an OAuth token
 * gets none); the account's usage tells as well, with minutes of delay, and
 * with the time at which the next day begins.  When the day is used up that request
 * may be refused like all others.  So it is made once before, when little is
 * left, and once after; without an answer the day ends at midnight of the
 * account's time zone.
 *
 * What is known is kept in the account's meter, which all workers share.  Runs
 * outside of transactions.
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "worker/daily.h"
#include "worker/zone.h"

#define MARGIN_S		5		/* clocks differ */
#define LONGEST_DAY_S	(26 * SECS_PER_HOUR)
/* what ends so long after the pause is another day */
#define NEXT_DAY_US		(12 * USECS_PER_HOUR)
#define JUST_BEGUN_US	(300 * USECS_PER_SEC)	/* since midnight */
#define ASK_PART		20		/* ask when less than this part of the day is left */
#define ASK_US			(300 * USECS_PER_SEC)	/* HubSpot's own picture is minutes old */
#define ASK_AGAIN_US	(3600 * USECS_PER_SEC)	/* it does not tell */

/*
 * Midnight after now where the account is, its clock changes included.  Where
 * the server does not know HubSpot's name of the zone, by the offset that
 * HubSpot told when the account started (hubspot_health() says so).
 */
static TimestampTz
next_midnight(const Account *account, TimestampTz now)
{
	pg_tz	   *zone = zone_of_account(account->time_zone);
	struct pg_tm tm;
	fsec_t		fraction;
	int			offset;
	TimestampTz midnight;

	if (zone == NULL)
	{
		int64		day = (now + account->utc_offset_ms * INT64CONST(1000)) / USECS_PER_DAY;

		return (day + 1) * USECS_PER_DAY - account->utc_offset_ms * INT64CONST(1000);
	}
	if (timestamp2tm(now, &offset, &tm, &fraction, NULL, zone) != 0)
		return 0;
	j2date(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) + 1, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	offset = DetermineTimeZoneOffset(&tm, zone);
	return tm2timestamp(&tm, 0, &offset, &midnight) == 0 ? midnight : 0;
}

static void
read_meter(const Account *account, MeterReading *reading)
{
	memset(reading, 0, sizeof(*reading));
	reading->daily_limit = reading->daily_remaining = -1;
	if (account->meters[METER_OBJECTS] != NULL)
		meter_read(account->meters[METER_OBJECTS], reading, clock_us());
}

TimestampTz
daily_ends_at(const Account *account)
{
	TimestampTz now = GetCurrentTimestamp();
	MeterReading reading;

	read_meter(account, &reading);
	if (reading.daily_resets_at > now)
		return reading.daily_resets_at;
	if (account->portal_id == 0)
		return 0;				/* account-info has never answered */
	return next_midnight(account, now);
}

/*
 * When the pause is over a request finds out.  If that was too early, the next
 * one goes after the pause of lane.c's table, not a day later.
 */
void
daily_pause(Account *account, LaneEvent event, const char *detail)
{
	bool		too_early =
	(account->status.state == LANE_DAILY && account->status.until <= clock_us());
	TimestampTz ends_at = too_early ? 0 : daily_ends_at(account);
	MeterReading reading;

	/*
	 * what was answered around midnight may be of the day before: do not wait a whole day for that
	 */
	if (ends_at - GetCurrentTimestamp() > USECS_PER_DAY - JUST_BEGUN_US)
		ends_at = 0;

	read_meter(account, &reading);
	account->wants_day_end = !too_early && reading.daily_resets_at <= GetCurrentTimestamp();
	lane_event(&account->status, event, detail,
			   ends_at == 0 ? 0 : (ends_at - GetCurrentTimestamp()) / USECS_PER_SEC + MARGIN_S);
}

bool
daily_pause_if_used_up(Account *account)
{
	MeterReading reading;
	int64		used;

	read_meter(account, &reading);
	if (account->options == NULL || reading.daily_limit < 0 || reading.daily_remaining < 0 ||
	/* of yesterday */
		(!reading.daily_told && reading.daily_resets_at <= GetCurrentTimestamp()))
		return false;
	used = reading.daily_limit - reading.daily_remaining;
	if (reading.daily_told && reading.daily_limit > 0 && reading.daily_remaining == 0)
		daily_pause(account, EVENT_DAILY, NULL);
	else if (account->options->daily_limit > 0 && used >= account->options->daily_limit)
		daily_pause(account, EVENT_DAILY_SHARE, "the SERVER option daily_limit is reached");
	else if (account->options->quota_share < 1 &&
			 used >= reading.daily_limit * account->options->quota_share)
		daily_pause(account, EVENT_DAILY_SHARE,
					"the SERVER option quota_share leaves the rest to the "
					"account's other applications");
	else
		return false;
	return true;
}

void
daily_headers(Account *account, const ReplyHeaders *headers)
{
	if (headers->daily_limit >= 0 || headers->daily_remaining >= 0)
		meter_set_daily(account->meters[METER_OBJECTS], headers->daily_limit,
						headers->daily_remaining, true);
}

/* ---- the account's usage ---------------------------------------------------------- */

/* Asked each turn, of each account: what only a request can change is looked at after a request. */
bool
daily_wants_usage(Account *account, int64 now)
{
	MeterReading reading;

	if (account->dropped || account->options == NULL || account->secret.token == NULL ||
		account->pause.state != LANE_RUN ||
		account->asking || account->asking_usage)
		return false;
	if (account->status.state == LANE_DAILY)
		return account->wants_day_end;
	if (account->status.state != LANE_RUN || now < account->usage_not_before ||
		account->requests == account->usage_requests || account->requests == account->usage_enough)
		return false;
	read_meter(account, &reading);
	if (!reading.daily_told)
		return true;
	if (reading.daily_resets_at <= GetCurrentTimestamp() &&
		reading.daily_remaining < reading.daily_limit / ASK_PART)
		return true;
	account->usage_enough = account->requests;
	return false;
}

void
daily_asking(Account *account, int64 now)
{
	account->asking_usage = true;
	account->wants_day_end = false;
	account->usage_not_before = now + ASK_AGAIN_US;
	account->usage_requests = account->requests;
}

/* Whatever it says, it moves no lane: it is asked for the sake of the others. */
void
daily_answered(Account *account, const Reply *reply)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz resets_at;
	MeterReading reading;
	ReplyUsage	usage;

	if (!reply_usage(reply, &usage))
		return;
	account->usage_not_before = clock_us() + ASK_US;
	resets_at = time_t_to_timestamptz((pg_time_t) usage.resets_at);
	if (usage.resets_at < 0 || resets_at <= now || resets_at > now + LONGEST_DAY_S * USECS_PER_SEC)
		return;					/* of a day that is over */
	meter_set_reset(account->meters[METER_OBJECTS], resets_at);
	read_meter(account, &reading);
	if (!reading.daily_told && usage.limit > 0 && usage.used >= 0)
		meter_set_daily(account->meters[METER_OBJECTS], usage.limit,
						Max(usage.limit - usage.used, 0), false);
	account->limits_changed = true;
	if (account->status.state != LANE_DAILY)
		(void) daily_pause_if_used_up(account);
	else if (account->portal_id == 0 ||
			 resets_at - now < account->status.until - clock_us() + NEXT_DAY_US)
		account->status.until = clock_us() + (resets_at - now) + MARGIN_S * USECS_PER_SEC;
}
