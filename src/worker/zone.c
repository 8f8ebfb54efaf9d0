/*
 * zone.c
 *		Time zones by the names that HubSpot gives them.
 *
 * HubSpot calls an account's zone as the account's settings do, often by an old
 * name: US/Eastern is what an account begins with.  Which names a server knows
 * depends on its system: Debian 13 has old ones in a package of their own.
 * The old names of North America are known here; what is found nowhere is
 * told by hubspot_health(), and the caller goes by the offset that HubSpot tells.
 *
 * Called by the worker outside of transactions, and by hubspot_health().
 * Memory: PostgreSQL's cache of zones.  A name that was not found is looked up
 * again, so that a package that was added needs no restart.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "worker/zone.h"

PG_FUNCTION_INFO_V1(hubspot_knows_time_zone);

/* As the file "backward" of the time zone database has them. */
static const struct
{
	const char *old;
	const char *name;
}			old_names[] = {
	{"Canada/Atlantic", "America/Halifax"},
	{"Canada/Central", "America/Winnipeg"},
	{"Canada/Eastern", "America/Toronto"},
	{"Canada/Mountain", "America/Edmonton"},
	{"Canada/Newfoundland", "America/St_Johns"},
	{"Canada/Pacific", "America/Vancouver"},
	{"Canada/Saskatchewan", "America/Regina"},
	{"Canada/Yukon", "America/Whitehorse"},
	{"US/Alaska", "America/Anchorage"},
	{"US/Aleutian", "America/Adak"},
	{"US/Arizona", "America/Phoenix"},
	{"US/Central", "America/Chicago"},
	{"US/East-Indiana", "America/Indiana/Indianapolis"},
	{"US/Eastern", "America/New_York"},
	{"US/Hawaii", "Pacific/Honolulu"},
	{"US/Indiana-Starke", "America/Indiana/Knox"},
	{"US/Michigan", "America/Detroit"},
	{"US/Mountain", "America/Denver"},
	{"US/Pacific", "America/Los_Angeles"},
	{"US/Samoa", "Pacific/Pago_Pago"},
};

static pg_tz *
find(const char *name)
{
	pg_tz	   *zone = name[0] != '\0' ? pg_tzset(name) : NULL;

	return zone != NULL && pg_tz_acceptable(zone) ? zone : NULL;
}

/* The table comes first, so that its lines are in use on every system. */
pg_tz *
zone_of_account(const char *name)
{
	pg_tz	   *zone;

	for (int i = 0; i < lengthof(old_names); i++)
	{
		if (pg_strcasecmp(name, old_names[i].old) == 0 && (zone = find(old_names[i].name)) != NULL)
			return zone;
	}
	return find(name);
}

Datum
hubspot_knows_time_zone(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(zone_of_account(text_to_cstring(PG_GETARG_TEXT_PP(0))) != NULL);
}
