/*
 * wire_poll.h
 *		The sleeping half of wire.c; nobody else includes this.
 *
 * libcurl reports which sockets it waits for and when its timer is due.  This part sleeps
 * on both together with the process latch and the postmaster's death, and calls libcurl
 * when one of them is ready.
 */
#ifndef HUBSPOT_WIRE_POLL_H
#define HUBSPOT_WIRE_POLL_H

#include <curl/curl.h>
#include <signal.h>

/* Watch the sockets and the timer of this multi handle instead of the one before; NULL: of none. */
extern void wire_poll_watch(CURLM *multi);

/* Make a transfer open and close its sockets through our callbacks; false if there is no memory. */
extern bool wire_poll_prepare(CURL *easy);

/* Whether libcurl failed for lack of memory since the last call: transfers may never end. */
extern bool wire_poll_lost_track(void);

/* Let libcurl act if its timer is due.  Raises no error. */
extern void wire_poll_timer(void);

/*
 * Sleep until the latch, a socket, libcurl's timer or the timeout (-1: none), and let
 * libcurl work on the sockets.  True if the latch was set; it is reset then.  May raise
 * an error, but never with a frame of libcurl's on the stack.
 */
extern bool wire_poll_sleep(long timeout_ms, uint32 wait_event_info);

/* To be called around every call into libcurl that may start a thread. */
extern void wire_block_signals(sigset_t *old);
extern void wire_unblock_signals(const sigset_t *old);

#endif							/* HUBSPOT_WIRE_POLL_H */
