/*
 * wire_poll.c
 *		The sleeping half of wire.c: libcurl's sockets and timer in a WaitEventSet.
 *
 * libcurl's callbacks only write into a fixed table.  Its content is copied to the
 * WaitEventSet before the next sleep, outside of libcurl, because changing the set may
 * raise an error.
 *
 * Between two requests libcurl stops watching a connection that it keeps alive.  The
 * socket stays in the set, because building a set for each request would cost more than
 * everything else here.  But a descriptor's number is reused after close(), and the set
 * would then watch the wrong socket.  So libcurl opens and closes connections through our
 * callbacks, which note the end of each one.  Sockets that libcurl makes for itself (its
 * resolver's) are removed when libcurl stops watching them.  A WaitEventSet cannot drop
 * one socket: the set is built again.
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

/*
 * An upper bound: busy and idle connections, each trying two addresses at once, and the
 * resolver's.
 */
#define MAX_SOCKETS		(6 * WIRE_MAX_TRANSFERS)

typedef struct WatchedSocket
{
	curl_socket_t fd;
	bool		ours;			/* opened by open_socket(): close_socket() will be called */
	uint32		wanted;			/* WL_SOCKET_... that libcurl waits for now, or 0 */
	uint32		watched;		/* what the set waits for */
	int			position;		/* in the set, -1: not in it */
} WatchedSocket;

static CURLM *multi;
static WatchedSocket sockets[MAX_SOCKETS];
static int	nsockets;
static int64 timer_at = -1;		/* when libcurl wants to be called, µs; -1: never */
static WaitEventSet *wait_set;
static bool set_is_stale;		/* it contains a closed socket, or is incomplete */
static bool lost_track;			/* libcurl failed since wire_poll_lost_track() was last called */

/* ---- signals ----------------------------------------------------------------- */

/*
 * libcurl may start a thread for a name look-up.  A thread inherits the signal mask, and
 * PostgreSQL's handlers must run on the main thread only.
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

/*
 * NULL if the table is full: then nobody watches the socket, and the transfer ends at its
 * timeout.
 */
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

/* Create a set with room for all sockets, without any. */
static void
build_wait_set(void)
{
	WaitEventSet *old = wait_set;

	wait_set = NULL;			/* an error below must not leave a dangling pointer */
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

/* Bring the set up to date with what libcurl waits for. */
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
			/*
			 * An idle connection stays in the set: only the peer's close is expected, and
			 * handle_socket() must learn of it.
			 */
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

/* Let libcurl work on one socket, or on its timer (CURL_SOCKET_TIMEOUT). */
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

	/* handling an earlier event of this turn may have closed this connection */
	if (watched == NULL)
		return;
	if (watched->wanted != 0)
		let_curl_act(event->fd, event->events);
	else
		set_is_stale = true;	/* the peer closed an idle connection: a set that keeps it would
								 * wake us for ever */
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

	/*
	 * The only place where the set changes: no frame of libcurl's is on the stack, so that an
	 * error may be raised.
	 */
	update_wait_set();
	if (timer_at >= 0)
	{
		long		until_ms = (long) Max((timer_at - clock_us() + 999) / 1000, 0);

		timeout_ms = timeout_ms < 0 ? until_ms : Min(timeout_ms, until_ms);
	}
	n = WaitEventSetWait(wait_set, timeout_ms, events, lengthof(events), wait_event_info);

	/*
	 * The latch is reset before the caller looks at what it signals, so that no signal is lost.
	 * Handling one socket may close another of this array; handle_socket() looks each one up
	 * again.
	 */
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
