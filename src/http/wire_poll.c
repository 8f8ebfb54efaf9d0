/*
 * wire_poll.c
 *		The sleeping half of wire.c: libcurl's sockets and timer in a WaitEventSet.
 *
 * libcurl's callbacks only note things down in a fixed table; what they noted
 * is carried over to the WaitEventSet before the next sleep, outside of
 * libcurl, because changing the set may raise an error.
 *
 * Between two requests libcurl takes its interest back from a connection that
 * it keeps alive.  Such a socket stays in the set: building a set for each
 * request would cost more than all the rest here.  This needs to know for
 * certain when a descriptor ends, since its number may come back as another
 * socket, of which the set knows nothing.  So connections are opened and
 * closed through us; sockets that libcurl makes for itself (its resolver's)
 * leave the set at once.  An event cannot be taken out of a set: then it is
 * built anew.
 *
 * Memory: the set, in a context of its own for the life of the process.
 */
#include "postgres.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "http/wire.h"
#include "http/wire_poll.h"

/* Under way and idle, each racing over two addresses, and a resolver's: more than there can be. */
#define MAX_SOCKETS		(6 * WIRE_MAX_TRANSFERS)

typedef struct WatchedSocket
{
	curl_socket_t fd;
	bool		ours;			/* we shall be told when it is closed */
	uint32		wanted;			/* WL_SOCKET_... that libcurl waits for, 0: none now */
	uint32		watched;		/* what the set waits for */
	int			position;		/* in the set, -1: not in it */
} WatchedSocket;

static CURLM *multi;
static WatchedSocket sockets[MAX_SOCKETS];
static int	nsockets;
static int64 timer_at = -1;		/* when libcurl wants to be called, µs; -1: never */
static WaitEventSet *wait_set;
static bool set_is_stale;		/* it holds a socket that must leave */
static bool lost_track;			/* libcurl failed since somebody asked */

/* ---- signals ----------------------------------------------------------------- */

/*
 * libcurl may start a thread for a name look-up; a thread inherits the mask,
 * and PostgreSQL's handlers must run on the main thread only.
 */
void
wire_block_signals(sigset_t *old)
{
	sigset_t	all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

void
wire_unblock_signals(const sigset_t *old)
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

/* NULL when the table is full: then the transfer ends at its timeout. */
static WatchedSocket *
add_socket(curl_socket_t fd, bool ours)
{
	if (nsockets == MAX_SOCKETS)
		return NULL;
	sockets[nsockets] = (WatchedSocket)
	{
		.fd = fd, .ours = ours, .position = -1
	};
	return &sockets[nsockets++];
}

static void
drop_socket(curl_socket_t fd)
{
	WatchedSocket *watched = find_socket(fd);

	if (watched == NULL)
		return;
	if (watched->position >= 0)
		set_is_stale = true;
	*watched = sockets[--nsockets];
}

static int
note_socket(CURL *easy, curl_socket_t fd, int what, void *userp, void *socketp)
{
	WatchedSocket *watched = find_socket(fd);

	if (what == CURL_POLL_REMOVE && watched != NULL && !watched->ours)
		drop_socket(fd);
	else if (what == CURL_POLL_REMOVE)
	{
		if (watched != NULL)
			watched->wanted = 0;
	}
	else
	{
		if (watched == NULL)
			watched = add_socket(fd, false);
		if (watched != NULL)
			watched->wanted = (what & CURL_POLL_IN ? WL_SOCKET_READABLE : 0) |
				(what & CURL_POLL_OUT ? WL_SOCKET_WRITEABLE : 0);
	}
	return 0;
}

static int
note_timer(CURLM *handle, long timeout_ms, void *userp)
{
	timer_at = timeout_ms < 0 ? -1 : clock_us() + (int64) timeout_ms * 1000;
	return 0;
}

static curl_socket_t
open_socket(void *userp, curlsocktype purpose, struct curl_sockaddr *address)
{
	int			fd = socket(address->family, address->socktype, address->protocol);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
	drop_socket(fd);
	(void) add_socket(fd, true);
	return fd;
}

static int
close_socket(void *userp, curl_socket_t fd)
{
	drop_socket(fd);
	return close(fd);
}

/* ---- sleeping ---------------------------------------------------------------------- */

void
wire_poll_watch(CURLM *of)
{
	multi = of;
	nsockets = 0;
	set_is_stale = true;
	timer_at = -1;
	if (multi == NULL)
		return;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, note_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer);
}

bool
wire_poll_prepare(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK;
}

bool
wire_poll_lost_track(void)
{
	bool		lost = lost_track;

	lost_track = false;
	return lost;
}

/* A set with room for all sockets, and none in it. */
static void
build_wait_set(void)
{
	WaitEventSet *old = wait_set;

	wait_set = NULL;			/* an error must not leave us with a freed one */
	if (old != NULL)
		FreeWaitEventSet(old);
	for (int i = 0; i < nsockets; i++)
		sockets[i].position = -1;
	wait_set = CreateWaitEventSet(NULL, MAX_SOCKETS + 2);
	set_is_stale = true;		/* until it is complete */
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	set_is_stale = false;
}

/* Carry over what libcurl wants by now. */
static void
update_wait_set(void)
{
	if (wait_set == NULL || set_is_stale)
		build_wait_set();
	for (int i = 0; i < nsockets; i++)
	{
		WatchedSocket *watched = &sockets[i];
		uint32		events = watched->wanted;

		if (events == 0)
		{
			/* idle: nothing but the peer's goodbye is to be expected */
			if (watched->position < 0)
				continue;
			events = WL_SOCKET_READABLE;
		}
		if (watched->position < 0)
			watched->position = AddWaitEventToSet(wait_set, events, watched->fd, NULL, NULL);
		else if (watched->watched != events)
			ModifyWaitEvent(wait_set, watched->position, events, NULL);
		watched->watched = events;
	}
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
	wire_block_signals(&old);
	if (curl_multi_socket_action(multi, fd, mask, &running) != CURLM_OK)
		lost_track = true;
	wire_unblock_signals(&old);
}

static void
handle_socket(const WaitEvent *event)
{
	WatchedSocket *watched = find_socket(event->fd);

	/* an earlier event of this turn may have ended this connection */
	if (watched == NULL)
		return;
	if (watched->wanted != 0)
		let_curl_act(event->fd, event->events);
	else
		set_is_stale = true;	/* an idle one ended; libcurl will find out when it reuses it */
}

void
wire_poll_timer(void)
{
	if (timer_at < 0 || timer_at > clock_us())
		return;
	timer_at = -1;
	let_curl_act(CURL_SOCKET_TIMEOUT, 0);
}

bool
wire_poll_sleep(long timeout_ms, uint32 wait_event_info)
{
	WaitEvent	events[MAX_SOCKETS + 2];
	bool		latch_was_set = false;
	int			n;

	update_wait_set();
	if (timer_at >= 0)
	{
		long		until_ms = (long) Max((timer_at - clock_us() + 999) / 1000, 0);

		timeout_ms = timeout_ms < 0 ? until_ms : Min(timeout_ms, until_ms);
	}
	n = WaitEventSetWait(wait_set, timeout_ms, events, lengthof(events), wait_event_info);
	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			latch_was_set = true;
		}
		else if (events[i].events & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE))
			handle_socket(&events[i]);
	}
	return latch_was_set;
}
