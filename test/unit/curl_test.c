/*
 * curl_test.c
 *		What wire.c leans on in libcurl, tried against a peer that does as it is told.
 *
 * The peer is a thread; each test gives it the answers of its requests.
 * Transfers run as in wire_poll.c: by sockets and timer of a multi handle, on
 * sockets that we open and close.  What needs no peer: src/http/library_curl.c.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

#define MAX_REQUESTS	8
#define MAX_SOCKETS		8
#define MAX_TEXT		4096

static struct pollfd
watch(int fd, int events)
{
	struct pollfd watched = {.fd = fd, .events = (short) events};

	return watched;
}

/* ---- the peer ---------------------------------------------------------------------- */

#define OK_EMPTY	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
#define DROP		NULL		/* the connection ends without an answer */

typedef struct Connection
{
	int			fd;
	char		text[MAX_TEXT];
	size_t		used;
} Connection;

static struct
{
	int			listener;
	int			stop[2];
	pthread_t	thread;
	const char *const *answers; /* by request; the last one again for all that follow */
	size_t		answer_len;		/* of the only one, when it has a NUL; 0: up to the NUL */
	int			nanswers;
	int			nconnections;	/* accepted since the start */
	int			nrequests;
	char		requests[MAX_REQUESTS][MAX_TEXT];
	Connection	connections[MAX_SOCKETS];
	int			nopen;
} peer;

/* Whether the text holds a whole request. */
static bool
is_whole(Connection *connection)
{
	const char *end;
	const char *length;

	connection->text[connection->used] = '\0';
	end = strstr(connection->text, "\r\n\r\n");
	if (end == NULL)
		return false;
	length = strcasestr(connection->text, "\r\nContent-Length:");
	return length == NULL || length > end || strlen(end + 4) >= (size_t) atoi(length + 17);
}

/* False when the connection is over. */
static bool
serve(Connection *connection)
{
	const char *answer;
	ssize_t		n = read(connection->fd, connection->text + connection->used, MAX_TEXT - 1 - connection->used);

	if (n <= 0)
		return false;
	connection->used += n;
	if (!is_whole(connection))
		return true;
	answer = peer.answers[peer.nrequests < peer.nanswers ? peer.nrequests : peer.nanswers - 1];

	if (peer.nrequests < MAX_REQUESTS)
		strcpy(peer.requests[peer.nrequests], connection->text);
	peer.		nrequests++;

	connection->used = 0;
	if (answer == DROP)
		return false;
	n = peer.	answer_len > 0 ? peer.answer_len : strlen(answer);

	return send(connection->fd, answer, n, MSG_NOSIGNAL) == n && strstr(answer, "Connection: close") == NULL;
}

static void *
run_peer(void *arg)
{
	struct pollfd fds[MAX_SOCKETS + 2];

	for (;;)
	{
		fds[0] = watch(peer.stop[0], POLLIN);
		fds[1] = watch(peer.listener, POLLIN);
		for (int i = 0; i < peer.nopen; i++)
			fds[2 + i] = watch(peer.connections[i].fd, POLLIN);
		if (poll(fds, 2 + peer.nopen, -1) < 0 || fds[0].revents != 0)
			break;
		for (int i = peer.nopen - 1; i >= 0; i--)
			if (fds[2 + i].revents != 0 && !serve(&peer.connections[i]))
			{
				close(peer.connections[i].fd);
				peer.		connections[i] = peer.connections[--peer.nopen];
			}
		if (fds[1].revents != 0 && peer.nopen < MAX_SOCKETS)
		{
			peer.		connections[peer.nopen].fd = accept(peer.listener, NULL, NULL);
			peer.		connections[peer.nopen++].used = 0;
			peer.		nconnections++;
		}
	}
	while (peer.nopen > 0)
		close(peer.connections[--peer.nopen].fd);
	return arg;
}

static int
listen_somewhere(char *url, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	len = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *) &address, len) != 0 || listen(fd, 8) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &len) != 0)
		abort();
	snprintf(url, size, "http://127.0.0.1:%d/x", ntohs(address.sin_port));
	return fd;
}

/* ---- a client as wire.c is one ---------------------------------------------------------- */

typedef struct Client
{
	CURLM	   *multi;
	CURL	   *easy;
	struct curl_slist *headers;
	char		url[64];
	char		error[CURL_ERROR_SIZE];
	char		body[MAX_TEXT];
	size_t		body_len;
	bool		takes_no_body;
	char		lines[32][128]; /* what the callback for headers was given */
	int			nlines;
	int			nopened;		/* sockets, by our callbacks */
	int			nclosed;
	int			nremoved;		/* times that libcurl took back its interest in one */
	long		timeout_ms;		/* as libcurl last asked, -1: not at all */
	struct pollfd watched[MAX_SOCKETS];
	int			nwatched;
	CURLcode	result;
} Client;

static size_t
take_body(char *data, size_t size, size_t count, void *userp)
{
	Client	   *client = userp;

	if (client->takes_no_body || client->body_len + size * count >= MAX_TEXT)
		return 0;
	memcpy(client->body + client->body_len, data, size * count);
	client->body_len += size * count;
	client->body[client->body_len] = '\0';
	return size * count;
}

static size_t
take_header(char *data, size_t size, size_t count, void *userp)
{
	Client	   *client = userp;

	if (client->nlines < 32 && size * count < sizeof(client->lines[0]))
		memcpy(client->lines[client->nlines++], data, size * count);
	return size * count;
}

static curl_socket_t
open_socket(void *userp, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void) purpose;
	((Client *) userp)->nopened++;
	return socket(address->family, address->socktype, address->protocol);
}

static int
close_socket(void *userp, curl_socket_t fd)
{
	((Client *) userp)->nclosed++;
	return close(fd);
}

static int
note_socket(CURL *easy, curl_socket_t fd, int what, void *userp, void *socketp)
{
	Client	   *client = userp;
	int			i = 0;

	(void) easy;
	(void) socketp;
	while (i < client->nwatched && client->watched[i].fd != fd)
		i++;
	if (what == CURL_POLL_REMOVE)
	{
		client->nremoved++;
		if (i < client->nwatched)
			client->watched[i] = client->watched[--client->nwatched];
		return 0;
	}
	if (i == client->nwatched && client->nwatched++ == MAX_SOCKETS)
		abort();
	client->watched[i] = watch(fd, (what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
	return 0;
}

static int
note_timer(CURLM *multi, long timeout_ms, void *userp)
{
	(void) multi;
	((Client *) userp)->timeout_ms = timeout_ms;
	return 0;
}

static Client *
begin(const char *const *answers, int nanswers)
{
	Client	   *client = calloc(1, sizeof(Client));

	memset(&peer, 0, sizeof(peer));
	peer.		answers = answers;
	peer.		nanswers = nanswers;
	peer.		listener = listen_somewhere(client->url, sizeof(client->url));

	if (pipe(peer.stop) != 0 || pthread_create(&peer.thread, NULL, run_peer, NULL) != 0)
		abort();
	client->multi = curl_multi_init();
	client->easy = curl_easy_init();
	client->timeout_ms = -1;
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, note_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, note_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	return client;
}

static void
end_peer(void)
{
	if (write(peer.stop[1], "x", 1) != 1 || pthread_join(peer.thread, NULL) != 0)
		abort();
	close(peer.stop[0]);
	close(peer.stop[1]);
	close(peer.listener);
}

static void
end(Client *client)
{
	end_peer();
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	free(client);
}

/* Options of every request; what a test adds to them stands until the next prepare(). */
static void
prepare(Client *client, const char *method, const char *body)
{
	CURL	   *easy = client->easy;

	curl_easy_reset(easy);
	client->body_len = 0;
	client->nlines = 0;
	memset(client->lines, 0, sizeof(client->lines));
	client->headers = curl_slist_append(NULL, "Expect:");
	client->headers = curl_slist_append(client->headers, body != NULL ? "Content-Type: application/json" : "Content-Type:");
	curl_easy_setopt(easy, CURLOPT_URL, client->url);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
	if (body != NULL || strcmp(method, "POST") == 0)
	{
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) (body != NULL ? strlen(body) : 0));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body != NULL ? body : "");
	}
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, client);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, client);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, client);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 30000L);
}

/* Whether it ended within what its timeout allows. */
static bool
transfer(Client *client)
{
	CURLMsg    *message = NULL;
	Client	   *found = NULL;
	int			running;

	curl_multi_add_handle(client->multi, client->easy);
	while (message == NULL)
	{
		struct pollfd fds[MAX_SOCKETS];
		int			nfds = client->nwatched;

		memcpy(fds, client->watched, sizeof(fds));
		if (client->timeout_ms < 0 && nfds == 0)
			break;				/* it waits for nothing, and has not ended */
		if (poll(fds, nfds, (int) client->timeout_ms) == 0)
		{
			client->timeout_ms = -1;
			curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		for (int i = 0; i < nfds; i++)
			if (fds[i].revents != 0)
				curl_multi_socket_action(client->multi, fds[i].fd,
										 (fds[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
										 (fds[i].revents & ~POLLOUT ? CURL_CSELECT_IN : 0), &running);
		message = curl_multi_info_read(client->multi, &running);
	}
	if (message != NULL)
	{
		client->result = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &found);
	}
	curl_multi_remove_handle(client->multi, client->easy);
	curl_slist_free_all(client->headers);
	return message != NULL && found == client;
}

static bool
request(Client *client, const char *method, const char *body)
{
	prepare(client, method, body);
	return transfer(client);
}

static long
number_of(Client *client, CURLINFO info)
{
	long		number = -1;

	curl_easy_getinfo(client->easy, info, &number);
	return number;
}

static bool
has_line(const char *request, const char *start)
{
	return strcasestr(request, start) != NULL;
}

/* ---- what must hold --------------------------------------------------------------------- */

static void
test_requests(void)
{
	static const char *const answers[] = {OK_EMPTY};
	Client	   *client = begin(answers, 1);
	bool		good = request(client, "POST", "{\"a\":\"\xc3\xbc\"}") && client->result == CURLE_OK &&
	request(client, "POST", NULL) && request(client, "GET", NULL) && request(client, "PUT", "[1]") && request(client, "DELETE", NULL);

	check(good && number_of(client, CURLINFO_RESPONSE_CODE) == 200 && strcmp(client->body, "{}") == 0, "answers come");
	end_peer();
	check(peer.nrequests == 5 && peer.nconnections == 1, "a kept connection is used again, whatever the method");
	check(has_line(peer.requests[0], "POST /x HTTP/1.1\r\n") && has_line(peer.requests[0], "\r\nContent-Length: 10\r\n") &&
		  has_line(peer.requests[0], "\r\n\r\n{\"a\":\"\xc3\xbc\"}"), "a body goes out as it is");
	check(!has_line(peer.requests[0], "Expect:"), "without asking first whether it is welcome");
	check(has_line(peer.requests[1], "POST /x") && has_line(peer.requests[1], "Content-Length: 0\r\n") &&
		  !has_line(peer.requests[1], "Content-Type"), "a POST without a body says so");
	check(has_line(peer.requests[2], "GET /x") && !has_line(peer.requests[2], "Content-"), "a GET has none");
	check(has_line(peer.requests[3], "PUT /x") && has_line(peer.requests[3], "[1]"), "a PUT has one");
	check(has_line(peer.requests[4], "DELETE /x") && !has_line(peer.requests[4], "Content-Type"), "a DELETE has none");
	check(!has_line(peer.requests[0], "Accept-Encoding"), "inflating is for those who ask for it");
	check(client->nopened == 1 && client->nclosed == 0 && client->nremoved > 0,
		  "sockets are opened by us; libcurl tells when it waits for one no more");
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	check(client->nclosed == 1, "and closed by us");
	free(client);
}

/* A connection of its own: nothing is sent again behind our back. */
static void
test_once(void)
{
	static const char *const answers[] = {OK_EMPTY, DROP, OK_EMPTY};
	static const char *const drops[] = {OK_EMPTY, DROP};
	Client	   *client = begin(answers, 3);
	bool		good = request(client, "POST", "1") && request(client, "POST", "2");

	check(good && client->result == CURLE_OK && number_of(client, CURLINFO_REQUEST_SIZE) > 0, "a kept connection that is gone is replaced");
	end_peer();
	check(peer.nrequests == 3 && peer.nconnections == 2, "and the request sent again");
	curl_easy_cleanup(client->easy);
	curl_multi_cleanup(client->multi);
	free(client);

	client = begin(drops, 2);
	(void) request(client, "POST", "1");
	prepare(client, "POST", "2");
	curl_easy_setopt(client->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(client->easy, CURLOPT_FORBID_REUSE, 1L);
	check(transfer(client) && client->result == CURLE_GOT_NOTHING, "on a connection of its own a request fails when that is lost");
	check(number_of(client, CURLINFO_REQUEST_SIZE) > 0, "and it is told that it had gone out");
	check(client->error[0] != '\0', "and why it failed, in words");
	end(client);
	check(peer.nrequests == 2 && peer.nconnections == 2, "and is not sent again");
}

static void
test_once_is_not_kept(void)
{
	static const char *const answers[] = {OK_EMPTY};
	Client	   *client = begin(answers, 1);

	prepare(client, "POST", "1");
	curl_easy_setopt(client->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(client->easy, CURLOPT_FORBID_REUSE, 1L);
	check(transfer(client) && client->result == CURLE_OK && client->nclosed == 1, "such a connection ends with its answer");
	check(request(client, "POST", "2") && client->result == CURLE_OK, "the next request has another");
	end(client);
	check(peer.nconnections == 2, "of the peer's, too");
}

static void
test_unreached(void)
{
	static const char *const answers[] = {OK_EMPTY};
	Client	   *client = begin(answers, 1);
	char		other[64];

	close(listen_somewhere(other, sizeof(other)));
	prepare(client, "POST", "1");
	curl_easy_setopt(client->easy, CURLOPT_URL, other);
	check(transfer(client) && client->result == CURLE_COULDNT_CONNECT, "nobody listens");
	check(number_of(client, CURLINFO_REQUEST_SIZE) == 0, "and nothing went out");
	check(number_of(client, CURLINFO_RESPONSE_CODE) == 0, "and there is no status");
	end(client);
}

static void
test_answers(void)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"results\":[",
		OK_EMPTY,
		"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\nRetry-After: 1\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After: 7\r\ncontent-length: 4\r\n\r\nbusy",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
	};
	Client	   *client = begin(answers, 6);

	check(request(client, "GET", NULL) && client->result == CURLE_PARTIAL_FILE, "an answer that ends too early is none");
	client->takes_no_body = true;
	check(request(client, "GET", NULL) && client->result == CURLE_WRITE_ERROR, "who takes no more ends the transfer");
	client->takes_no_body = false;
	check(request(client, "GET", NULL) && client->result == CURLE_OK && number_of(client, CURLINFO_RESPONSE_CODE) == 307,
		  "a redirect is an answer, and not followed");
	check(request(client, "POST", "1") && number_of(client, CURLINFO_RESPONSE_CODE) == 503 && strcmp(client->body, "busy") == 0,
		  "the status is that of the last answer");
	check(client->nlines >= 6 && strcmp(client->lines[0], "HTTP/1.1 100 Continue\r\n") == 0 && strcmp(client->lines[1], "Retry-After: 1\r\n") == 0 &&
		  strncmp(client->lines[3], "HTTP/1.1 503", 12) == 0 && strcmp(client->lines[4], "Retry-After: 7\r\n") == 0,
		  "headers come a line at a time, behind the status line of each answer");
	check(request(client, "GET", NULL) && client->result == CURLE_OK && strcmp(client->body, "{\"a\":1}") == 0, "chunks are put together");
	check(request(client, "GET", NULL) && client->result == CURLE_OK && client->body_len == 0 &&
		  number_of(client, CURLINFO_RESPONSE_CODE) == 204, "an answer may have no body");
	end(client);
	check(peer.nrequests == 6 && !has_line(peer.requests[3], "elsewhere"), "a request each");
}

/* "{}" in gzip */
static void
test_inflation(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n"
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
	static const char *const answers[] = {answer};
	Client	   *client = begin(answers, 1);

	peer.		answer_len = sizeof(answer) - 1;

	prepare(client, "GET", NULL);
	curl_easy_setopt(client->easy, CURLOPT_ACCEPT_ENCODING, "");
	check(transfer(client) && client->result == CURLE_OK && strcmp(client->body, "{}") == 0, "a body is given to us inflated");
	end(client);
	check(has_line(peer.requests[0], "Accept-Encoding:") && has_line(peer.requests[0], "gzip"), "when it was asked for");
}

static void
test_timeout(void)
{
	static const char *const answers[] = {""};
	Client	   *client = begin(answers, 1);

	prepare(client, "GET", NULL);
	curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, 200L);
	check(transfer(client) && client->result == CURLE_OPERATION_TIMEDOUT, "silence ends at the timeout, by the timer alone");
	check(number_of(client, CURLINFO_REQUEST_SIZE) > 0, "and the request had gone out");
	end(client);
}

static void
test_environment(void)
{
	static const char *const answers[] = {OK_EMPTY};
	Client	   *client = begin(answers, 1);

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	check(request(client, "GET", NULL) && client->result == CURLE_OK, "the environment's proxy has no say");
	prepare(client, "GET", NULL);
	curl_easy_setopt(client->easy, CURLOPT_PROTOCOLS_STR, "https");
	check(transfer(client) && client->result == CURLE_UNSUPPORTED_PROTOCOL, "nor goes anything by another protocol than we say");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	end(client);
}

int
main(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	printf("# libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
	test_requests();
	test_once();
	test_once_is_not_kept();
	test_unreached();
	test_answers();
	test_inflation();
	test_timeout();
	test_environment();
	curl_global_cleanup();
	return check_end();
}
