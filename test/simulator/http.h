/*
 * http.h
 *	  The server: connections, requests, replies and timers.
 *
 * One thread does everything.  For each complete request the server calls
 * route_admit() (route.h) at its arrival, waits as long as that asked for
 * without holding up others, then calls route_perform() which fills the
 * reply; the server delivers it in the way the request says.
 *
 * A Request is owned by the server and freed when its connection is done
 * with it.  Path, body and token live as long; what a performer takes from
 * scratch memory lives until the reply was handed over.
 */
#ifndef SIMULATOR_HTTP_H
#define SIMULATOR_HTTP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

#define MAX_BODY		(16 * 1024 * 1024)
#define MAX_SEGMENTS	12
#define MAX_HEADERS		24

struct MHD_Connection;
struct ObjectType;
struct Route;
struct FaultRule;

/* How the reply reaches the client, or does not. */
typedef enum Delivery
{
	DELIVER_NORMALLY,
	DELIVER_NOTHING,			/* the connection is closed without an answer */
	DELIVER_NEVER,				/* the connection stays open, silent */
	DELIVER_RESET,				/* so many bytes of the answer, then TCP RST */
	DELIVER_TRUNCATED,			/* half of the announced body, then the end */
	DELIVER_SLOWLY				/* a byte at a time */
} Delivery;

typedef enum Stage
{
	STAGE_ARRIVING,
	STAGE_ADMITTED,
	STAGE_RESETTING,
	STAGE_SILENT
} Stage;

typedef struct ReplyHeader
{
	const char *name;
	const char *value;
} ReplyHeader;

typedef struct Request
{
	struct MHD_Connection *connection;
	uint64_t	number;
	int64_t		arrived_us;
	char	   *method;
	char	   *path;			/* without the query, as it was sent */
	Buffer		body;
	bool		too_large;
	const char *token;			/* of "Authorization: Bearer", or NULL */
	char		correlation_id[37];
	Stage		stage;

	/* Set by the router. */
	char	   *split;			/* the storage of the segments */
	const char *segments[MAX_SEGMENTS];
	int			segment_count;
	const char *args[4];		/* what the route's wildcards matched */
	const char *version;		/* "v3", "2026-09"; NULL for other hosts' paths */
	const struct Route *route;
	struct ObjectType *type;	/* the first object type named in the path */
	struct ObjectType *other;	/* the second one */
	struct FaultRule *fault;
	int			refusal;		/* of admission: its status, or 0 */
	const char *refusal_detail; /* a policy, or an unknown object type */
	int64_t		delay_us;
	int64_t		burst_remaining;	/* -1: the header is not sent */
	int64_t		daily_remaining;

	/* While it is performed. */
	struct json_object *json;	/* the body, for routes that want one */
	int			records;		/* how many inputs it brought */

	/* The reply. */
	int			status;
	const char *content_type;
	Buffer		reply;
	ReplyHeader headers[MAX_HEADERS];
	int			header_count;
	Delivery	delivery;
	int64_t		delivery_detail;	/* bytes before RST, ms between bytes */
	size_t		sent;			/* of a slow body */
	int64_t		next_byte_us;
} Request;

/* Opens the socket on 127.0.0.1; returns the port, or 0 with errno set. */
extern int	http_listen(int port);

/* Serves until *stop; calls tick() four times a second. */
extern void http_run(volatile int *stop, void (*tick) (void));

/* Answers that a fault holds back go out at once. */
extern void http_release_delayed(void);

/* A value of the query string or of a request header, or NULL. */
extern const char *request_query(Request *request, const char *name);
extern void request_each_query(Request *request,
							   void (*each) (void *state, const char *name, const char *value),
							   void *state);
extern const char *request_header(Request *request, const char *name);

/* Adds a header to the reply; both strings must live until it is sent. */
extern void reply_header(Request *request, const char *name, const char *value);

#endif
