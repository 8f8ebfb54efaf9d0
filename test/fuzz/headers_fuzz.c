/*
 * headers_fuzz.c
 *		Arbitrary header lines into reply_header_line().
 */
#include <string.h>

#include "fuzz.h"
#include "reply/reply.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ReplyHeaders headers;
	const char *line = (const char *) data;
	size_t		left = size;

	reply_headers_init(&headers);
	while (left > 0)
	{
		const char *newline = memchr(line, '\n', left);
		size_t		len = newline == NULL ? left : (size_t) (newline - line) + 1;

		reply_header_line(&headers, line, len);
		line += len;
		left -= len;
	}
	expect_clean(headers.content_type, sizeof(headers.content_type));
	expect_clean(headers.correlation_id, sizeof(headers.correlation_id));
	expect_clean(headers.correct_hublet, sizeof(headers.correct_hublet));
	expect(headers.correct_hublet[0] == '\0' || reply_is_hublet(headers.correct_hublet), "a hublet");
	expect(headers.retry_after >= -1 && headers.retry_after <= 7 * 86400, "a pause is at most a week");
	expect(headers.burst_limit >= -1 && headers.burst_remaining >= -1 && headers.burst_interval_ms >= -1 &&
		   headers.daily_limit >= -1 && headers.daily_remaining >= -1, "limits are counts, or unknown");
	return 0;
}
