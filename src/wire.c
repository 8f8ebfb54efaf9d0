/*
 * wire.c
 *		HTTP requests of the worker: libcurl driven by PostgreSQL's latch.
 *
 * One CURLM and a fixed set of easy handles for the life of the process, so
 * that connections, TLS sessions and DNS answers are kept.  libcurl tells by
 * two callbacks which sockets and which timer it wants watched; they only
 * note it down in a fixed table.  The WaitEventSet is built anew when a
 * socket came or went, and modified when only its direction changed.
 *
 * Memory: malloc, owned by the slots; an answer's buffer is kept for the next
 * one unless it grew large.  The header list holds the token and is
 * overwritten before it is freed.
 */
#include "postgres.h"

#include <curl/curl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <signal.h>

#include "libpq/pqsignal.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "hubspot.h"
#include "clock.h"
#include "wire.h"

#define MAX_SOCKETS		(2 * WIRE_MAX_TRANSFERS + 8)	/* resolver and happy eyeballs need some more */
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
	char		error[CURL_ERROR_SIZE];
	int64		started_us;
	int64		finished_us;
	size_t		body_len;
} WireSlot;

typedef struct WatchedSocket
{
	curl_socket_t fd;
	uint32		events;			/* WL_SOCKET_... wanted by libcurl */
	int			position;		/* in the WaitEventSet, -1: not in it */
} WatchedSocket;

static CURLM *multi;
static WireSlot slots[WIRE_MAX_TRANSFERS];
static int	in_flight;
static WatchedSocket sockets[MAX_SOCKETS];
static int	nsockets;
static bool sockets_changed;	/* one came or went: the set must be built anew */
static bool sockets_lost;		/* the table was full: poll instead */
static int64 timer_at = -1;		/* when libcurl wants to be called, µs; -1: never */
static WaitEventSet *wait_set;
static MemoryContext wait_context;

/* ---- signals ----------------------------------------------------------------- */

/*
 * libcurl may start a thread for a name look-up; a thread inherits the mask,
 * and PostgreSQL's handlers must run on the main thread only.
 */
static void
block_signals(sigset_t *old)
{
	sigset_t	all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

static void
unblock_signals(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* ---- libcurl's callbacks: note down, never raise --------------------------------- */

static WatchedSocket *
find_socket(curl_socket_t fd)
{
	for (int i = 0; i < nsockets; i++)
		if (sockets[i].fd == fd)
			return &sockets[i];
	return NULL;
}

static int
note_socket(CURL *easy, curl_socket_t fd, int what, void *userp, void *socketp)
{
	WatchedSocket *watched = find_socket(fd);
	uint32		events = 0;

	if (what == CURL_POLL_REMOVE)
	{
		if (watched != NULL)
		{
			*watched = sockets[--nsockets];
			sockets_changed = true;
		}
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= WL_SOCKET_READABLE;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= WL_SOCKET_WRITEABLE;
	if (watched == NULL)
	{
		if (nsockets == MAX_SOCKETS)
		{
			sockets_lost = true;
			return 0;
		}
		watched = &sockets[nsockets++];
		watched->fd = fd;
		watched->position = -1;
		sockets_changed = true;
	}
	else if (watched->events != events && !sockets_changed && watched->position >= 0 && events != 0)
		ModifyWaitEvent(wait_set, watched->position, events, NULL);
	watched->events = events;
	return 0;
}

static int
note_timer(CURLM *handle, long timeout_ms, void *userp)
{
	timer_at = timeout_ms < 0 ? -1 : clock_us() + (int64) timeout_ms * 1000;
	return 0;
}

static size_t
take_body(char *data, size_t size, size_t count, void *userp)
{
	WireSlot   *slot = userp;
	size_t		len = size * count;

	if (slot->used + len > WIRE_MAX_BODY)
	{
		slot->oversized = true;
		return 0;				/* libcurl ends the transfer */
	}
	if (slot->used + len + 1 > slot->size)
	{
		size_t		wanted = slot->size == 0 ? FIRST_BUFFER : slot->size;
		char	   *grown;

		while (wanted < slot->used + len + 1)
			wanted *= 2;
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
		reply_headers_init(&slot->reply_headers);	/* what came before was "100 Continue" */
	else
		reply_header_line(&slot->reply_headers, data, len);
	return len;
}

/* ---- sending ------------------------------------------------------------------- */

/*
 * Answers are read into trees of small allocations and thrown away, many
 * times a second: the C library should keep the memory instead of giving it
 * back to the kernel each time.
 */
static void
keep_freed_memory(void)
{
#ifdef M_TRIM_THRESHOLD
	mallopt(M_TRIM_THRESHOLD, 16 * 1024 * 1024);
	mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
#endif
}

void
wire_start(void)
{
	sigset_t	old;

	keep_freed_memory();

	block_signals(&old);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		multi = curl_multi_init();
	unblock_signals(&old);
	if (multi == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));

	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, note_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) WIRE_MAX_TRANSFERS);
	curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
	wait_context = AllocSetContextCreate(TopMemoryContext, "hubspot wire", ALLOCSET_SMALL_SIZES);
	sockets_changed = true;
}

int
wire_in_flight(void)
{
	return in_flight;
}

/* Give the token's copy in the header list back to nobody. */
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
		(request->body == NULL || add_header(slot, "Content-Type: application/json"));
	if (done && request->token != NULL)
	{
		snprintf(line, sizeof(line), "Authorization: Bearer %s", request->token);
		done = add_header(slot, line);
		explicit_bzero(line, sizeof(line));
	}
	return done;
}

/* Plain HTTP is for a HubSpot on this very machine. */
static bool
is_loopback(const char *url)
{
	static const char *const hosts[] = {"http://127.", "http://localhost:", "http://localhost/", "http://[::1]"};

	for (int i = 0; i < lengthof(hosts); i++)
		if (strncmp(url, hosts[i], strlen(hosts[i])) == 0)
			return true;
	return false;
}

static void
set_options(WireSlot *slot, const WireRequest *request, const WireSettings *settings)
{
	CURL	   *easy = slot->easy;
	bool		loopback = is_loopback(request->url);

	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, slot->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "hubspot-postgresql/1.0");
	if (request->body != NULL)
	{
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
	}

	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, loopback ? "http,https" : "https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_PROXY, settings->proxy != NULL ? settings->proxy : "");
	if (settings->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, loopback ? (long) CURL_HTTP_VERSION_1_1
					 : (long) CURL_HTTP_VERSION_2TLS);
	if (!loopback)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long) CONNECTION_AGE);
	curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long) CONNECTION_AGE);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, settings->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, settings->timeout_ms);

	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
}

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
	sigset_t	old;
	CURLMcode	code;

	if (slot == NULL)
		return refuse(NULL, error, "all transfers are in use");
	if (slot->easy == NULL && (slot->easy = curl_easy_init()) == NULL)
		return refuse(NULL, error, "out of memory");
	curl_easy_reset(slot->easy);
	if (!make_headers(slot, request))
		return refuse(slot, error, "out of memory");
	set_options(slot, request, settings);
	reply_headers_init(&slot->reply_headers);
	slot->owner = request->owner;
	slot->used = 0;
	slot->oversized = false;
	slot->finished = false;
	slot->error[0] = '\0';
	slot->body_len = request->body_len;
	slot->started_us = clock_us();

	block_signals(&old);
	code = curl_multi_add_handle(multi, slot->easy);
	unblock_signals(&old);
	if (code != CURLM_OK)
		return refuse(slot, error, curl_multi_strerror(code));
	slot->busy = true;
	in_flight++;
	return slot - slots;
}

/* ---- waiting --------------------------------------------------------------------- */

static void
build_wait_set(void)
{
	if (wait_set != NULL)
		FreeWaitEventSet(wait_set);
	wait_set = hubspot_create_wait_event_set(wait_context, nsockets + 2);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < nsockets; i++)
		sockets[i].position = sockets[i].events == 0 ? -1 :
			AddWaitEventToSet(wait_set, sockets[i].events, sockets[i].fd, NULL, NULL);
	sockets_changed = false;
}

/* Let libcurl act on one socket, or on its timer (CURL_SOCKET_TIMEOUT). */
static void
let_curl_act(curl_socket_t fd, uint32 events)
{
	int			mask = 0;
	int			running;
	sigset_t	old;

	if (events & WL_SOCKET_READABLE)
		mask |= CURL_CSELECT_IN;
	if (events & WL_SOCKET_WRITEABLE)
		mask |= CURL_CSELECT_OUT;
	block_signals(&old);
	(void) curl_multi_socket_action(multi, fd, mask, &running);
	unblock_signals(&old);
}

/* Note which transfers have ended. */
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
		slot->result = message->data.result;
		slot->finished = true;
		slot->finished_us = clock_us();
	}
}

void
wire_wait(long timeout_ms, uint32 wait_event_info)
{
	WaitEvent	events[MAX_SOCKETS + 2];
	int			n;

	if (sockets_changed || wait_set == NULL)
		build_wait_set();
	if (timer_at >= 0)
	{
		int64		until_ms = Max((timer_at - clock_us() + 999) / 1000, 0);

		timeout_ms = timeout_ms < 0 ? until_ms : Min(timeout_ms, until_ms);
	}
	if (sockets_lost)
		timeout_ms = timeout_ms < 0 ? 100 : Min(timeout_ms, 100);

	n = WaitEventSetWait(wait_set, timeout_ms, events, lengthof(events), wait_event_info);
	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		else if (events[i].events & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE))
		{
			/* an earlier event of this turn may have ended this connection */
			if (find_socket(events[i].fd) != NULL)
				let_curl_act(events[i].fd, events[i].events);
		}
	}
	if ((timer_at >= 0 && timer_at <= clock_us()) || sockets_lost)
	{
		timer_at = -1;
		sockets_lost = false;
		let_curl_act(CURL_SOCKET_TIMEOUT, 0);
	}
	collect_finished();
}

/* ---- finished transfers -------------------------------------------------------------- */

/* Whether the peer can have seen any of the request. */
static bool
was_reached(WireSlot *slot)
{
	long		sent = 0;

	switch (slot->result)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
		case CURLE_COULDNT_CONNECT:
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_URL_MALFORMAT:
			return false;
		default:
			return curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK || sent > 0;
	}
}

bool
wire_next(WireResponse *response)
{
	WireSlot   *slot = NULL;
	long		status = 0;

	for (int i = 0; i < WIRE_MAX_TRANSFERS && slot == NULL; i++)
		if (slots[i].busy && slots[i].finished)
			slot = &slots[i];
	if (slot == NULL)
		return false;

	slot->finished = false;
	memset(response, 0, sizeof(*response));
	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	response->slot = slot - slots;
	response->owner = slot->owner;
	response->answered = slot->result == CURLE_OK && status != 0;
	response->reached = was_reached(slot);
	response->oversized = slot->oversized;
	response->status = (int) status;
	response->headers = slot->reply_headers;
	response->body = slot->used > 0 ? slot->buffer : NULL;
	response->body_len = slot->used;
	response->started_us = slot->started_us;
	response->finished_us = slot->finished_us;
	response->bytes_sent = slot->body_len;
	response->bytes_received = slot->used;
	if (slot->oversized)
		snprintf(response->error, sizeof(response->error), "the answer is longer than %d bytes", WIRE_MAX_BODY);
	else if (!response->answered)
		strlcpy(response->error, slot->error[0] != '\0' ? slot->error : curl_easy_strerror(slot->result),
				sizeof(response->error));
	return true;
}

void
wire_release(int number)
{
	WireSlot   *slot = &slots[number];
	sigset_t	old;

	block_signals(&old);
	curl_multi_remove_handle(multi, slot->easy);
	unblock_signals(&old);
	forget_headers(slot);
	if (slot->size > KEEP_BUFFER)
	{
		free(slot->buffer);
		slot->buffer = NULL;
		slot->size = 0;
	}
	slot->busy = false;
	slot->finished = false;
	slot->owner = NULL;
	in_flight--;
}
