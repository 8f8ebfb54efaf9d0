/*
 * reply_header.c
 *		The headers of an answer, and texts made fit to be shown.
 *
 * Pure functions over bytes, see reply.h: no memory is allocated, what does
 * not fit or makes no sense is ignored.  libcurl's callback calls
 * reply_header_line() for each line as it comes.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "reply/reply.h"

/* ---- text ------------------------------------------------------------------------ */

size_t
reply_utf8_length(const char *bytes, size_t len)
{
	const unsigned char *text = (const unsigned char *) bytes;
	size_t		n = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 :
	(text[0] & 0xf0) == 0xe0 ? 3 : text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

/* U+0000 to U+001f, U+007f to U+009f */
static bool
is_control(const unsigned char *text, size_t len)
{
	return (len == 1 && (text[0] < ' ' || text[0] == 0x7f)) ||
		(len == 2 && text[0] == 0xc2 && text[1] < 0xa0);
}

void
reply_clean_text(char *dst, size_t size, const char *src, size_t len)
{
	const unsigned char *text = (const unsigned char *) src;
	size_t		used = 0;

	if (size == 0)
		return;
	for (size_t i = 0; i < len;)
	{
		size_t		in = reply_utf8_length(src + i, len - i);
		bool		fit = in > 0 && !is_control(text + i, in);
		size_t		out = fit ? in : 1;

		if (used + out >= size)
			break;
		if (fit)
			memcpy(dst + used, text + i, in);
		else
			dst[used] = in > 0 ? ' ' : '?';
		used += out;
		i += in > 0 ? in : 1;
	}
	dst[used] = '\0';
}

static void
clean(char *dst, size_t size, const char *src)
{
	reply_clean_text(dst, size, src, strlen(src));
}

/* ---- headers --------------------------------------------------------------------- */

void
reply_headers_init(ReplyHeaders *headers)
{
	memset(headers, 0, sizeof(*headers));
	headers->retry_after = -1;
	headers->burst_limit = -1;
	headers->burst_remaining = -1;
	headers->burst_interval_ms = -1;
	headers->daily_limit = -1;
	headers->daily_remaining = -1;
}

/* A whole number without sign, at most 10^12; -1 for anything else. */
static int64_t
parse_count(const char *text)
{
	char	   *end;
	long long	number;

	if (!isdigit((unsigned char) *text))
		return -1;
	number = strtoll(text, &end, 10);
	return *end == '\0' && number <= 1000000000000LL ? number : -1;
}

static int
parse_int(const char *text)
{
	int64_t		number = parse_count(text);

	return number < 0 || number > 1000000000 ? -1 : (int) number;
}

/* Seconds to wait, or a date until which to wait. */
static int
parse_retry_after(const char *text)
{
	int64_t		seconds = parse_count(text);
	struct tm	tm;

	if (seconds < 0)
	{
		memset(&tm, 0, sizeof(tm));
		if (strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
			return -1;
		seconds = (int64_t) timegm(&tm) - (int64_t) time(NULL);
	}
	return seconds < 0 ? 0 : seconds > 7 * 86400 ? 7 * 86400 : (int) seconds;
}

bool
reply_is_hublet(const char *text)
{
	size_t		digits;

	if (!(text[0] >= 'a' && text[0] <= 'z' && text[1] >= 'a' && text[1] <= 'z'))
		return false;
	digits = strspn(text + 2, "0123456789");
	return digits >= 1 && digits <= 3 && text[2 + digits] == '\0';
}

static void
take_header(ReplyHeaders *headers, const char *name, const char *value)
{
	if (strcasecmp(name, "content-type") == 0)
		clean(headers->content_type, sizeof(headers->content_type), value);
	else if (strcasecmp(name, "retry-after") == 0)
		headers->retry_after = parse_retry_after(value);
	else if (strcasecmp(name, "x-hubspot-correlation-id") == 0)
		clean(headers->correlation_id, sizeof(headers->correlation_id), value);
	else if (strcasecmp(name, "x-hubspot-correct-hublet") == 0)
	{
		if (reply_is_hublet(value))
			clean(headers->correct_hublet, sizeof(headers->correct_hublet), value);
	}
	else if (strcasecmp(name, "x-hubspot-ratelimit-max") == 0)
		headers->burst_limit = parse_int(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-remaining") == 0)
		headers->burst_remaining = parse_int(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-interval-milliseconds") == 0)
		headers->burst_interval_ms = parse_int(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-daily") == 0)
		headers->daily_limit = parse_count(value);
	else if (strcasecmp(name, "x-hubspot-ratelimit-daily-remaining") == 0)
		headers->daily_remaining = parse_count(value);
}

void
reply_header_line(ReplyHeaders *headers, const char *line, size_t len)
{
	char		name[64];
	char		value[256];
	const char *colon = memchr(line, ':', len);
	size_t		name_len;
	size_t		value_len;

	if (colon == NULL)
		return;
	name_len = colon - line;
	if (name_len == 0 || name_len >= sizeof(name))
		return;
	memcpy(name, line, name_len);
	name[name_len] = '\0';

	line = colon + 1;
	value_len = len - name_len - 1;
	while (value_len > 0 && isspace((unsigned char) line[0]))
		line++, value_len--;
	while (value_len > 0 && isspace((unsigned char) line[value_len - 1]))
		value_len--;

	/*
	 * A header that is longer than any we know cannot be one of them.  Cut off it might look like
	 * another value: it is ignored.
	 */
	if (value_len >= sizeof(value) || memchr(line, '\0', value_len) != NULL)
		return;
	memcpy(value, line, value_len);
	value[value_len] = '\0';
	take_header(headers, name, value);
}
