/*
 * wire.c
 *		HTTP requests of the worker: libcurl driven by PostgreSQL's latch.
 *
 * One CURLM and a fixed set of easy handles for the life of the process, so that
 * connections, TLS sessions and DNS answers are kept.  This file builds requests and
 * takes their answers; wire_poll.c sleeps.
 *
 * Memory: malloc, owned by the slots; an answer's buffer is kept for the next
 * one unless it grew large.  The header list holds the token and is
 * overwritten before it is freed.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/hubspot.h"
#include "base/clock.h"
#include "http/wire.h"
#include "http/wire_poll.h"

#define KEEP_BUFFER		(256 * 1024)	/* larger answer buffers are freed */
#define FIRST_BUFFER	16384
#define CONNECTION_AGE	600		/* seconds */

typedef struct WireSlot
{
	CURL	   *easy;
	bool		busy;
	bool		finished;		/* result is valid, not yet handed out */
	CURLcode	result;
	void	   *owner;
	struct curl_slist *headers;
	ReplyHeaders reply_headers;
	char	   *buffer;
	size_t		used;
	size_t		size;
	bool		oversized;
	int			attempts;		/* connections that it was sent on */
	char		error[CURL_ERROR_SIZE];
	int64		started_us;
	int64		finished_us;
	size_t		body_len;
} WireSlot;

static CURLM *multi;
static WireSlot slots[WIRE_MAX_TRANSFERS];
static int	in_flight;
static int	nfinished;			/* # of busy slots that are finished and not yet handed out */

/* ---- libcurl's callbacks: fill the slot, never raise -------------------------------- */

static size_t
take_body(char *data, size_t size, size_t count, void *userp)
{
	WireSlot   *slot = userp;
	size_t		len = size * count;

	if (slot->used + len > WIRE_MAX_BODY)
	{
		/*
		 * A returned 0 makes libcurl end the transfer, which counts as no answer: no peer can make
		 * the buffer grow without limit.
		 */
		slot->oversized = true;
		return 0;
	}
	if (slot->used + len + 1 > slot->size)
	{
		size_t		wanted = slot->size == 0 ? FIRST_BUFFER : slot->size;
		char	   *grown;

		while (wanted < slot->used + len + 1)
			wanted *= 2;

		/*
		 * No ereport in libcurl's frames: a returned 0 ends the transfer, and the request is sent
		 * again.
		 */
		grown = realloc(slot->buffer, wanted);
		if (grown == NULL)
			return 0;
		slot->buffer = grown;
		slot->size = wanted;
	}
	memcpy(slot->buffer + slot->used, data, len);
	slot->used += len;
	slot->buffer[slot->used] = '\0';
	return len;
}

static size_t
take_header(char *data, size_t size, size_t count, void *userp)
{
	WireSlot   *slot = userp;
	size_t		len = size * count;

	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
		reply_headers_init(&slot->reply_headers);	/* forget the headers of an earlier "100
													 * Continue" */
	else
		reply_header_line(&slot->reply_headers, data, len);
	return len;
}

/* A connection is ready, and the request is about to be sent on it. */
static int
count_attempt(void *userp, char *local_ip, char *remote_ip, int local_port, int remote_port)
{
	WireSlot   *slot = userp;

	slot->attempts++;
	return CURL_PREREQFUNC_OK;
}

/* ---- sending ------------------------------------------------------------------- */

/*
 * json-c builds an answer's tree from small allocations and frees it, many times a
 * second. malloc() keeps this memory instead of returning it to the kernel each time.
 */
static void
keep_freed_memory(void)
{
#ifdef M_TRIM_THRESHOLD
	mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024);
	mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
#endif
}

/* The caller has blocked signals.  False if there is no memory. */
static bool
make_multi(void)
{
	multi = curl_multi_init();
	if (multi == NULL)
		return false;
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) WIRE_MAX_TRANSFERS);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
	wire_poll_watch(multi);
	return true;
}

void
wire_start(void)
{
	sigset_t	old;
	bool		done;

	keep_freed_memory();
	wire_block_signals(&old);
	done = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && make_multi();
	wire_unblock_signals(&old);
	if (!done)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));
}

int
wire_in_flight(void)
{
	return in_flight;
}

/* Overwrite and free the header list, which contains a copy of the token. */
static void
forget_headers(WireSlot *slot)
{
	for (struct curl_slist *header = slot->headers; header != NULL; header = header->next)
		explicit_bzero(header->data, strlen(header->data));
	curl_slist_free_all(slot->headers);
	slot->headers = NULL;
}

static bool
add_header(WireSlot *slot, const char *line)
{
	struct curl_slist *longer = curl_slist_append(slot->headers, line);

	if (longer == NULL)
		return false;
	slot->headers = longer;
	return true;
}

static bool
make_headers(WireSlot *slot, const WireRequest *request)
{
	char		line[4096 + 64];
	bool		done;

	done = add_header(slot, "Accept: application/json") && add_header(slot, "Expect:") &&
		add_header(slot,
				   request->body != NULL ? "Content-Type: application/json" : "Content-Type:");
	if (done && request->token != NULL)
	{
		snprintf(line, sizeof(line), "Authorization: Bearer %s", request->token);
		done = add_header(slot, line);
		explicit_bzero(line, sizeof(line));
	}
	return done;
}

/*
 * Whether the host is this machine by its literal address or as "localhost".  Any other
 * name may resolve to another machine.
 */
static bool
host_is_loopback(const char *host)
{
	struct in_addr v4;

	return pg_strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
		(inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127);
}

/*
 * Read the URL with libcurl's own parser: plain HTTP is allowed only to this machine, and
 * libcurl decides where a request goes. "http://localhost:x@example.com" is not local.
 * False if the URL cannot be read.
 */
static bool
read_url(const char *url, bool *is_plain_loopback)
{
	CURLU	   *parts = curl_url();
	char	   *scheme = NULL;
	char	   *host = NULL;
	bool		done;

	done = parts != NULL &&
		curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;
	*is_plain_loopback = done && strcmp(scheme, "http") == 0 && host_is_loopback(host);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return done;
}

/*
 * libcurl copies strings.  If it had no memory for one and we went on, the request would
 * use another method, proxy or certificate file than ours: each failure is fatal for the
 * request.
 */
#define SET(option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool
set_request(WireSlot *slot, const WireRequest *request)
{
	CURL	   *easy = slot->easy;
	bool		is_get =
	(strcmp(request->method, "GET") == 0 || strcmp(request->method, "DELETE") == 0);
	bool		done;

	done = SET(CURLOPT_URL, request->url) &&
		SET(CURLOPT_CUSTOMREQUEST, request->method) &&
		SET(CURLOPT_HTTPHEADER, slot->headers) &&
		SET(CURLOPT_USERAGENT, "hubspot-postgresql/1.0") &&

	/*
	 * libcurl silently repeats a request on a new connection if a kept one was closed by the peer.
	 * A request that must not be sent twice uses neither a kept connection nor leaves one.
	 */
		SET(CURLOPT_FRESH_CONNECT, request->is_once ? 1L : 0L) &&
		SET(CURLOPT_FORBID_REUSE, request->is_once ? 1L : 0L);

	/* A POST or PUT without a body must send "Content-Length: 0", or servers answer 411. */
	if (done && (request->body != NULL || !is_get))
		done = SET(CURLOPT_POSTFIELDSIZE_LARGE,
				   (curl_off_t) (request->body != NULL ? request->body_len : 0)) &&
			SET(CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");

	return done &&
		SET(CURLOPT_ERRORBUFFER, slot->error) &&
		SET(CURLOPT_WRITEFUNCTION, take_body) &&
		SET(CURLOPT_WRITEDATA, slot) &&
		SET(CURLOPT_HEADERFUNCTION, take_header) &&
		SET(CURLOPT_HEADERDATA, slot) &&
		SET(CURLOPT_PREREQFUNCTION, count_attempt) &&
		SET(CURLOPT_PREREQDATA, slot) &&
		SET(CURLOPT_PRIVATE, slot) &&
		wire_poll_prepare(easy);
}

/* Protocol, proxy and certificates. */
static bool
set_peer(CURL *easy, const WireSettings *settings, bool plain)
{
	const char *protocol = plain ? "http" : "https";

	return SET(CURLOPT_PROTOCOLS_STR, protocol) &&
		SET(CURLOPT_REDIR_PROTOCOLS_STR, protocol) &&
		SET(CURLOPT_FOLLOWLOCATION, 0L) &&
		SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
		SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
		SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) &&
		(settings->ca_file == NULL || SET(CURLOPT_CAINFO, settings->ca_file)) &&
		SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED) &&

	/*
	 * Set in any case, so that libcurl does not read http_proxy from the environment. Plain HTTP
	 * to this machine never uses a proxy, which would carry the token in the clear.
	 */
		SET(CURLOPT_PROXY, settings->proxy != NULL && !plain ? settings->proxy : "") &&
		SET(CURLOPT_NOPROXY, "");
}

/* Options that are only for speed may fail: an older libcurl lacks some of them. */
static bool
set_transport(CURL *easy, const WireSettings *settings, bool plain)
{
	(void) SET(CURLOPT_HTTP_VERSION,
			   (long) (plain ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
	if (!plain)
	{
		(void) SET(CURLOPT_ACCEPT_ENCODING, "");
		(void) SET(CURLOPT_PIPEWAIT, 1L);	/* one connection for all, if the peer can */
	}
#if CURL_AT_LEAST_VERSION(7, 87, 0)
	(void) SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	(void) SET(CURLOPT_TCP_KEEPALIVE, 1L);
	(void) SET(CURLOPT_MAXAGE_CONN, (long) CONNECTION_AGE);
	(void) SET(CURLOPT_MAXLIFETIME_CONN, (long) CONNECTION_AGE);
	return SET(CURLOPT_NOSIGNAL, 1L) &&
		SET(CURLOPT_CONNECTTIMEOUT_MS, settings->connect_timeout_ms) &&
		SET(CURLOPT_TIMEOUT_MS, settings->timeout_ms);
}

#undef SET

static WireSlot *
find_free_slot(void)
{
	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
		if (!slots[i].busy)
			return &slots[i];
	return NULL;
}

static int
refuse(WireSlot *slot, char *error, const char *why)
{
	if (slot != NULL)
		forget_headers(slot);
	strlcpy(error, why, 256);
	return -1;
}

int
wire_send(const WireRequest *request, const WireSettings *settings, char *error)
{
	WireSlot   *slot = find_free_slot();
	bool		plain;
	sigset_t	old;
	CURLMcode	code;

	if (slot == NULL)
		return WIRE_NO_PLACE;
	if (slot->easy == NULL && (slot->easy = curl_easy_init()) == NULL)
		return refuse(NULL, error, "out of memory");

	/*
	 * The handle keeps its connections and DNS cache through the reset, but no option of another
	 * account's request.
	 */
	curl_easy_reset(slot->easy);
	if (!read_url(request->url, &plain))
		return refuse(slot, error, "the address is no URL, or memory is short");
	if (!make_headers(slot, request) || !set_request(slot, request) ||
		!set_peer(slot->easy, settings, plain) ||
		!set_transport(slot->easy, settings, plain))
		return refuse(slot, error, "out of memory");
	reply_headers_init(&slot->reply_headers);
	slot->owner = request->owner;
	slot->used = 0;
	slot->attempts = 0;
	slot->oversized = false;
	slot->finished = false;
	slot->error[0] = '\0';
	slot->body_len = request->body_len;
	slot->started_us = clock_us();

	/*
	 * Adding a handle may start a thread for a name look-up, which inherits the signal mask.
	 * begin_anew_if_lost() may have left no multi handle: it is made again here.
	 */
	wire_block_signals(&old);
	code = multi != NULL || make_multi()
		? curl_multi_add_handle(multi, slot->easy) : CURLM_OUT_OF_MEMORY;
	wire_unblock_signals(&old);
	if (code != CURLM_OK)
		return refuse(slot, error, curl_multi_strerror(code));
	slot->busy = true;
	in_flight++;
	return slot - slots;
}

/* ---- waiting --------------------------------------------------------------------- */

static void
finish_slot(WireSlot *slot, CURLcode result)
{
	slot->result = result;
	slot->finished = true;
	slot->finished_us = clock_us();
	nfinished++;
}

/* Mark the slots whose transfers have ended. */
static void
collect_finished(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		WireSlot   *slot;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &slot);
		finish_slot(slot, message->data.result);
	}
}

/*
 * After a failure for lack of memory, libcurl may have lost sockets or its timer, and its
 * tables may crash on the next request.  So all transfers end as failed and all
 * connections are given up.
 */
static void
begin_anew_if_lost(void)
{
	sigset_t	old;

	if (!wire_poll_lost_track())
		return;
	wire_block_signals(&old);
	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
	{
		WireSlot   *slot = &slots[i];

		if (!slot->busy)
			continue;
		curl_multi_remove_handle(multi, slot->easy);
		if (!slot->finished)
			finish_slot(slot, CURLE_OUT_OF_MEMORY);
	}
	curl_multi_cleanup(multi);
	wire_poll_watch(NULL);
	(void) make_multi();
	wire_unblock_signals(&old);
}

void
wire_wait(long timeout_ms, uint32 wait_event_info)
{
	int64		until = timeout_ms < 0 ? -1 : clock_us() + (int64) timeout_ms * 1000;

	for (;;)
	{
		bool		latch_was_set;

		/*
		 * A transfer that was just added is due at once: starting it here saves a sleep of no
		 * length.
		 */
		wire_poll_timer();
		collect_finished();
		begin_anew_if_lost();

		/*
		 * Even with answers at hand the sockets are served once without sleeping: else a busy
		 * worker would never read the other answers, and they would run into their timeouts.
		 */
		latch_was_set = wire_poll_sleep(nfinished > 0 ? 0 : timeout_ms, wait_event_info);
		collect_finished();
		begin_anew_if_lost();
		if (latch_was_set || nfinished > 0)
			return;
		if (until >= 0)
		{
			int64		left = until - clock_us();

			if (left <= 0)
				return;
			timeout_ms = (long) ((left + 999) / 1000);
		}
	}
}

/* ---- finished transfers -------------------------------------------------------------- */

/*
 * Whether the peer may have received part of the request. libcurl may have replaced a
 * dead connection itself, so its last error is not enough: the bytes sent over all
 * connections decide.
 */
static bool
was_reached(WireSlot *slot)
{
	long		sent = 0;

	return curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK || sent > 0;
}

static void
describe_failure(const WireSlot *slot, char *error, size_t size)
{
	const char *words = slot->error[0] != '\0' ? slot->error : curl_easy_strerror(slot->result);

	if (slot->oversized)
		snprintf(error, size, "the answer is longer than %d bytes", WIRE_MAX_BODY);
	else
		reply_clean_text(error, size, words, strlen(words));	/* may quote the peer */
}

bool
wire_next(WireResponse *response)
{
	WireSlot   *slot = NULL;
	long		status = 0;

	/*
	 * Slots are not in the order in which transfers ended.  Nobody depends on that order: an
	 * answer is matched by its owner.
	 */
	for (int i = 0; i < WIRE_MAX_TRANSFERS && slot == NULL; i++)
		if (slots[i].busy && slots[i].finished)
			slot = &slots[i];
	if (slot == NULL)
		return false;

	slot->finished = false;
	nfinished--;
	memset(response, 0, sizeof(*response));
	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	response->slot = slot - slots;
	response->owner = slot->owner;

	/*
	 * A transfer without a status (a peer that is no HTTP server) is no answer, even if libcurl is
	 * content.
	 */
	response->answered = slot->result == CURLE_OK && status != 0;
	response->reached = was_reached(slot);
	response->repeated = slot->attempts > 1;
	response->oversized = slot->oversized;
	response->status = (int) status;
	response->headers = slot->reply_headers;
	response->body = slot->used > 0 ? slot->buffer : NULL;
	response->body_len = slot->used;
	response->started_us = slot->started_us;
	response->finished_us = slot->finished_us;
	response->bytes_sent = slot->body_len;
	response->bytes_received = slot->used;
	if (!response->answered)
		describe_failure(slot, response->error, sizeof(response->error));
	return true;
}

void
wire_release(int number)
{
	WireSlot   *slot = &slots[number];
	sigset_t	old;

	wire_block_signals(&old);
	curl_multi_remove_handle(multi, slot->easy);
	wire_unblock_signals(&old);
	forget_headers(slot);
	if (slot->size > KEEP_BUFFER)
	{
		free(slot->buffer);
		slot->buffer = NULL;
		slot->size = 0;
	}
	if (slot->finished)
		nfinished--;
	slot->busy = false;
	slot->finished = false;
	slot->owner = NULL;
	in_flight--;
}
