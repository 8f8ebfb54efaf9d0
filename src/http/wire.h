/*
 * wire.h
 *		HTTP requests of the worker: libcurl driven by PostgreSQL's latch.
 *
 * The worker hands over a request and gets, some time later, its answer.  In
 * between nothing blocks: wire_wait() sleeps on the process latch, on the
 * postmaster's death, on libcurl's sockets and on libcurl's timer at once.
 *
 *	wire_start()	once per process, after the fork
 *	wire_send()		begins one transfer, copies nothing but the headers
 *	wire_wait()		sleeps until something happened, then lets libcurl work
 *	wire_next()		hands out one finished transfer
 *	wire_release()	gives its memory and its easy handle back
 *
 * Memory: everything behind this seam is malloc'd and bounded; nothing of it
 * crosses an ereport.  No function here but wire_start() and wire_wait()
 * raises an error, and those two do so outside of libcurl's callbacks.
 *
 * Signals are blocked around every call into libcurl, so that a resolver
 * thread never runs a PostgreSQL signal handler.
 */
#ifndef HUBSPOT_WIRE_H
#define HUBSPOT_WIRE_H

#include "reply/reply.h"

#define WIRE_MAX_TRANSFERS	16	/* per worker, for all accounts */
#define WIRE_MAX_BODY		(8 * 1024 * 1024)	/* per answer, after decompression */

typedef struct WireRequest
{
	bool		is_once;		/* use a new connection: on a kept one libcurl may send a request
								 * twice */
	const char *method;			/* "GET", "POST", "PUT", "PATCH", "DELETE" */
	const char *url;			/* https, or http to a loopback address (never by a proxy) */
	const char *token;			/* bearer token, or NULL */
	const char *body;			/* or NULL; must stay valid until wire_release() */
	size_t		body_len;
	void	   *owner;			/* handed back with the answer */
} WireRequest;

/* Settings read anew at each wire_send(); strings may be NULL. */
typedef struct WireSettings
{
	long		timeout_ms;		/* of the whole transfer, from its start */
	long		connect_timeout_ms;
	const char *ca_file;		/* NULL: the system's certificates */
	const char *proxy;			/* NULL: none, the environment is ignored */
} WireSettings;

typedef struct WireResponse
{
	int			slot;			/* for wire_release() */
	void	   *owner;
	bool		answered;		/* false: no complete answer came */
	bool		reached;		/* the request may have reached the peer; false only when it
								 * certainly did not */
	bool		repeated;		/* libcurl has sent it again by itself, as the peer had closed the
								 * kept connection: it may have been carried out before */
	bool		oversized;		/* the answer exceeded WIRE_MAX_BODY */
	char		error[256];		/* libcurl's words when !answered, cleaned as by reply.h */
	int			status;			/* HTTP status, 0 when none came */
	ReplyHeaders headers;		/* of this answer, see reply.h */
	const char *body;			/* NUL-terminated, valid until wire_release() */
	size_t		body_len;
	int64_t		started_us;		/* microseconds of CLOCK_MONOTONIC */
	int64_t		finished_us;
	size_t		bytes_sent;
	size_t		bytes_received;
} WireResponse;

extern void wire_start(void);

/*
 * Begin a transfer.  Returns its slot, or one of the values below.  For WIRE_FAILED the
 * reason is written to error, which has 256 bytes.
 */
#define WIRE_FAILED		(-1)	/* libcurl refused the request */
#define WIRE_NO_PLACE	(-2)	/* all slots are in use: try later */
extern int	wire_send(const WireRequest *request, const WireSettings *settings,
					  char *error);
extern int	wire_in_flight(void);

/*
 * Sleep for at most timeout_ms (-1: no limit), and let libcurl work meanwhile.  Returns
 * when the latch was set (it is reset here), when a transfer has finished, or at the
 * timeout, but not for each packet.  Exits the process when the postmaster has died.
 */
extern void wire_wait(long timeout_ms, uint32_t wait_event_info);

/* Returns false when no finished transfer waits. */
extern bool wire_next(WireResponse *response);
extern void wire_release(int slot);

#endif							/* HUBSPOT_WIRE_H */
