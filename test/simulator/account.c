/*
 * account.c
 *	  Account details and API usage: section 3.11.
 */
#include <stdlib.h>

#include "api.h"
#include "config.h"
#include "error.h"
#include "limits.h"

void
account_details(Request *request)
{
	int			offset = limits_utc_offset();
	Buffer	   *out = &request->reply;

	out->len = 0;
	buffer_printf(out, "{\"portalId\":%lld,\"accountType\":", (long long) config.portal_id);
	buffer_json(out, config.account_type);
	buffer_puts(out, ",\"timeZone\":");
	buffer_json(out, config.time_zone_name[0] != '\0' ? config.time_zone_name : config.time_zone);
	buffer_printf(out, ",\"companyCurrency\":\"USD\",\"additionalCurrencies\":[\"EUR\"],"
				  "\"utcOffset\":\"%c%02d:%02d\",\"utcOffsetMilliseconds\":%d,"
				  "\"uiDomain\":\"app.hubspot.com\",\"dataHostingLocation\":",
				  offset < 0 ? '-' : '+', abs(offset) / 3600, abs(offset) / 60 % 60, offset * 1000);
	buffer_json(out, config.hublet);
	buffer_puts(out, "}");
	reply_json(request, 200);
}

void
account_usage(Request *request)
{
	Buffer	   *out = &request->reply;

	out->len = 0;
	buffer_printf(out, "{\"results\":[{\"name\":\"private-apps-api-calls-daily\",\"usageLimit\":%lld,"
				  "\"currentUsage\":%lld,\"collectedAt\":\"",
				  (long long) config.daily_limit, (long long) config.daily_used);
	buffer_time(out, now_ms());
	buffer_puts(out, "\",\"fetchStatus\":\"SUCCESS\",\"resetsAt\":\"");
	buffer_time(out, limits_daily_reset_ms());
	buffer_puts(out, "\"}]}");
	reply_json(request, 200);
}
