/*
 * wire_poll.h
 *		The sleeping half of wire.c; nobody else includes this.
 *
 * libcurl says which sockets it waits for and when it wants to be called;
 * this part notes that down, sleeps on it together with the process latch and
 * the postmaster, and calls libcurl when something happened.
 */
#ifndef HUBSPOT_WIRE_POLL_H
#define HUBSPOT_WIRE_POLL_H

#include <curl/curl.h>
#include <signal.h>

/* Watch this one's sockets and timer, and forget those of the one before; NULL: none. */
extern void wire_poll_watch(CURLM *multi);

/* Each transfer is told to open and close its sockets through us; false without memory. */
extern bool wire_poll_prepare(CURL *easy);

/* Whether libcurl failed, for want of memory, since the last call: transfers may never end. */
extern bool wire_poll_lost_track(void);

/* Let libcurl act if its timer is due.  Raises no error. */
extern void wire_poll_timer(void);

/*
 * Sleep until the latch, a socket, libcurl's timer or the timeout (-1: none),
 * and let libcurl act on the sockets.  True when the latch was set; it is
 * reset then.  May raise an error, but never from within libcurl.
 */
extern bool wire_poll_sleep(long timeout_ms, uint32 wait_event_info);

/* Around every call into libcurl that may start a thread. */
extern void wire_block_signals(sigset_t *old);
extern void wire_unblock_signals(const sigset_t *old);

#endif							/* HUBSPOT_WIRE_POLL_H */
