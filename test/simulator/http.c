/*
 * http.c
 *	  The server; see http.h.
 *
 * libmicrohttpd is driven from our own loop, so that timers, signals and
 * requests meet in one thread and nothing needs a lock.  A request that has
 * to wait is suspended and sits in a heap of timers.
 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "journal.h"
#include "random.h"
#include "route.h"

#define CONNECTION_MEMORY	(128 * 1024)
#define TICK_US				250000
#define SILENT_CHECK_US		200000

/* After the bytes before a reset, so that the client can read them. */
#define RESET_PAUSE_US		20000

typedef struct Timer
{
	int64_t		due_us;
	Request    *request;
} Timer;

static struct MHD_Daemon *server;
static int	listen_socket = -1;
static uint64_t request_count;

static Timer *timers;
static size_t timer_count;
static size_t timer_size;

const char *
request_query(Request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

typedef struct QueryWalk
{
	void		(*each) (void *state, const char *name, const char *value);
	void	   *state;
} QueryWalk;

static enum MHD_Result
walk_query(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	QueryWalk  *walk = cls;

	(void) kind;
	walk->each(walk->state, name, value ? value : "");
	return MHD_YES;
}

void
request_each_query(Request *request, void (*each) (void *, const char *, const char *), void *state)
{
	QueryWalk	walk = {.each = each, .state = state};

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, walk_query, &walk);
}

const char *
request_header(Request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void
reply_header(Request *request, const char *name, const char *value)
{
	if (request->header_count < MAX_HEADERS)
	{
		request->headers[request->header_count].name = name;
		request->headers[request->header_count].value = value;
		request->header_count++;
	}
}

/* ---- timers ---- */

static void
timer_add(Request *request, int64_t due_us)
{
	size_t		at = timer_count++;

	if (timer_count > timer_size)
	{
		timer_size = timer_size ? timer_size * 2 : 64;
		timers = must_realloc(timers, timer_size * sizeof(Timer));
	}
	while (at > 0 && timers[(at - 1) / 2].due_us > due_us)
	{
		timers[at] = timers[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	timers[at].due_us = due_us;
	timers[at].request = request;
}

static Request *
timer_take(void)
{
	Request    *first = timers[0].request;
	Timer		last = timers[--timer_count];
	size_t		at = 0;

	for (;;)
	{
		size_t		child = at * 2 + 1;

		if (child >= timer_count)
			break;
		if (child + 1 < timer_count && timers[child + 1].due_us < timers[child].due_us)
			child++;
		if (timers[child].due_us >= last.due_us)
			break;
		timers[at] = timers[child];
		at = child;
	}
	if (timer_count > 0)
		timers[at] = last;
	return first;
}

static void
wait_until(Request *request, int64_t due_us)
{
	MHD_suspend_connection(request->connection);
	timer_add(request, due_us);
}

void
http_release_delayed(void)
{
	Timer	   *all = timers;
	size_t		count = timer_count;

	/* The heap is built anew, as any of them may come first then. */
	timers = NULL;
	timer_count = timer_size = 0;
	for (size_t i = 0; i < count; i++)
	{
		Request    *request = all[i].request;

		timer_add(request, request->stage == STAGE_ADMITTED && request->fault != NULL
				  ? 0 : all[i].due_us);
	}
	free(all);
}

static int
socket_of(Request *request)
{
	return MHD_get_connection_info(request->connection,
								   MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void
timers_run(void)
{
	int64_t		now = now_us();

	while (timer_count > 0 && timers[0].due_us <= now)
	{
		Request    *request = timer_take();
		char		byte;

		/* A silent connection only waits for its client to give up. */
		if (request->stage == STAGE_SILENT &&
			recv(socket_of(request), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
			(errno == EAGAIN || errno == EWOULDBLOCK))
			timer_add(request, now + SILENT_CHECK_US);
		else
			MHD_resume_connection(request->connection);
	}
}

/* ---- delivery ---- */

static void
reset_connection(Request *request)
{
	struct sockaddr unspecified = {.sa_family = AF_UNSPEC};

	/* Dissolving the association makes the kernel send RST at once. */
	(void) connect(socket_of(request), &unspecified, sizeof(unspecified));
}

static ssize_t
slow_reader(void *cls, uint64_t pos, char *out, size_t max)
{
	Request    *request = cls;
	int64_t		now = now_us();

	(void) max;
	if (now < request->next_byte_us)
	{
		wait_until(request, request->next_byte_us);
		return 0;
	}
	request->next_byte_us = now + request->delivery_detail * 1000;
	*out = request->reply.data[pos];
	return 1;
}

static ssize_t
truncating_reader(void *cls, uint64_t pos, char *out, size_t max)
{
	Request    *request = cls;
	size_t		half = request->reply.len / 2;
	size_t		len;

	if (pos >= half)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	len = half - (size_t) pos;
	if (len > max)
		len = max;
	memcpy(out, request->reply.data + pos, len);
	return (ssize_t) len;
}

static struct MHD_Response *
make_response(Request *request)
{
	struct MHD_Response *response;

	if (request->delivery == DELIVER_SLOWLY)
		response = MHD_create_response_from_callback(request->reply.len, 1024,
													 slow_reader, request, NULL);
	else if (request->delivery == DELIVER_TRUNCATED)
		response = MHD_create_response_from_callback(request->reply.len, 1024,
													 truncating_reader, request, NULL);
	else
	{
		response = MHD_create_response_from_buffer(request->reply.len, request->reply.data,
												   MHD_RESPMEM_MUST_FREE);
		memset(&request->reply, 0, sizeof(request->reply));
	}
	if (request->content_type != NULL)
		MHD_add_response_header(response, "Content-Type", request->content_type);
	for (int i = 0; i < request->header_count; i++)
		MHD_add_response_header(response, request->headers[i].name, request->headers[i].value);
	return response;
}

/* The first bytes of the answer as plain text, for a reset in its middle. */
static void
send_head(Request *request)
{
	Buffer		head = {0};
	size_t		len = (size_t) request->delivery_detail;

	buffer_printf(&head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n", request->status,
				  MHD_get_reason_phrase_for((unsigned) request->status), request->reply.len);
	if (request->content_type != NULL)
		buffer_printf(&head, "Content-Type: %s\r\n", request->content_type);
	for (int i = 0; i < request->header_count; i++)
		buffer_printf(&head, "%s: %s\r\n", request->headers[i].name, request->headers[i].value);
	buffer_puts(&head, "\r\n");
	buffer_add(&head, request->reply.data, request->reply.len);
	if (len > head.len)
		len = head.len;
	(void) !send(socket_of(request), head.data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_free(&head);
}

static enum MHD_Result
deliver(Request *request)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	switch (request->delivery)
	{
		case DELIVER_NOTHING:
			return MHD_NO;
		case DELIVER_NEVER:
			request->stage = STAGE_SILENT;
			wait_until(request, now_us() + SILENT_CHECK_US);
			return MHD_YES;
		case DELIVER_RESET:
			if (request->delivery_detail > 0)
			{
				send_head(request);
				request->stage = STAGE_RESETTING;
				wait_until(request, now_us() + RESET_PAUSE_US);
				return MHD_YES;
			}
			reset_connection(request);
			return MHD_NO;
		case DELIVER_NORMALLY:
		case DELIVER_TRUNCATED:
		case DELIVER_SLOWLY:
			break;
	}
	response = make_response(request);
	result = MHD_queue_response(request->connection, (unsigned) request->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- the life of a request ---- */

static Request *
request_new(struct MHD_Connection *connection, const char *url, const char *method)
{
	Request    *request = must_alloc(sizeof(Request));
	const char *authorization;
	const char *length;

	request->connection = connection;
	request->arrived_us = now_us();
	request->method = must_strdup(method);
	request->path = must_strdup(url);
	request->number = ++request_count;
	request->burst_remaining = -1;
	request->daily_remaining = -1;
	random_uuid(request->correlation_id);
	authorization = request_header(request, "Authorization");
	if (authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0)
	{
		authorization += 7;
		while (*authorization == ' ')
			authorization++;
		if (*authorization != '\0')
			request->token = authorization;
	}
	length = request_header(request, "Content-Length");
	if (length != NULL && strtoull(length, NULL, 10) <= MAX_BODY)
		buffer_reserve(&request->body, strtoull(length, NULL, 10) + 1);
	return request;
}

static enum MHD_Result
handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *data, size_t *data_len, void **state)
{
	Request    *request = *state;
	enum MHD_Result result;

	(void) cls;
	(void) version;
	if (request == NULL)
	{
		*state = request_new(connection, url, method);
		return MHD_YES;
	}
	if (*data_len > 0)
	{
		if (request->body.len + *data_len > MAX_BODY)
			request->too_large = true;
		else
			buffer_add(&request->body, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	switch (request->stage)
	{
		case STAGE_ARRIVING:
			request->arrived_us = now_us();
			route_admit(request);
			request->stage = STAGE_ADMITTED;
			if (request->delay_us > 0)
			{
				wait_until(request, request->arrived_us + request->delay_us);
				return MHD_YES;
			}
			break;
		case STAGE_ADMITTED:
			break;
		case STAGE_RESETTING:
			reset_connection(request);
			return MHD_NO;
		case STAGE_SILENT:
			return MHD_NO;
	}
	scratch_reset();
	route_perform(request);
	result = deliver(request);
	journal_flush();
	return result;
}

static void
request_done(void *cls, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	Request    *request = *state;

	(void) cls;
	(void) connection;
	(void) code;
	if (request == NULL)
		return;
	buffer_free(&request->body);
	buffer_free(&request->reply);
	free(request->split);
	free(request->method);
	free(request->path);
	free(request);
	*state = NULL;
}

/* A path is split before it is decoded: see split_path(). */
static size_t
unescape(void *cls, struct MHD_Connection *connection, char *text)
{
	(void) cls;
	(void) connection;
	return *text == '/' ? strlen(text) : MHD_http_unescape(text);
}

int
http_listen(int port)
{
	struct sockaddr_in address = {0};
	socklen_t	len = sizeof(address);
	int			on = 1;

	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t) port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen_socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listen_socket < 0 ||
		setsockopt(listen_socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(listen_socket, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listen_socket, 1024) != 0 ||
		getsockname(listen_socket, (struct sockaddr *) &address, &len) != 0)
		return 0;
	server = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0,
							  NULL, NULL, handle, NULL,
							  MHD_OPTION_LISTEN_SOCKET, listen_socket,
							  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
							  MHD_OPTION_CONNECTION_LIMIT, 4096u,
							  MHD_OPTION_NOTIFY_COMPLETED, request_done, NULL,
							  MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
							  MHD_OPTION_END);
	return server != NULL ? ntohs(address.sin_port) : 0;
}

void
http_run(volatile int *stop, void (*tick) (void))
{
	struct pollfd event = {.events = POLLIN};
	int64_t		next_tick = 0;

	event.fd = MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	while (!*stop)
	{
		int64_t		now = now_us();
		int64_t		wait;
		MHD_UNSIGNED_LONG_LONG limit;

		if (now >= next_tick)
		{
			tick();
			next_tick = now + TICK_US;
		}
		wait = next_tick - now;
		if (timer_count > 0 && timers[0].due_us - now < wait)
			wait = timers[0].due_us > now ? timers[0].due_us - now : 0;
		wait = (wait + 999) / 1000;
		if (MHD_get_timeout(server, &limit) == MHD_YES && limit < (unsigned long long) wait)
			wait = (int64_t) limit;
		(void) poll(&event, 1, (int) wait);
		timers_run();
		MHD_run(server);
	}
}
