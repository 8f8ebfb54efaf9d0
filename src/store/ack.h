/*
 * ack.h
 *		Verdicts on their way into the tables.
 *
 * Results and requests are collected and written together, in
 * one short transaction per flush.
 */
#ifndef HUBSPOT_ACK_H
#define HUBSPOT_ACK_H

#include "counts/report.h"
#include "ring/ring.h"
#include "utils/timestamp.h"

/* Longest category and message of a verdict: HubSpot may send megabytes. */
#define ACK_MAX_CATEGORY	200
#define ACK_MAX_MESSAGE		16384

/* One HTTP request, for hubspot.request; filled in by the worker. */
typedef struct AckRequest
{
	int64		id;				/* drawn when written */
	Oid			server;
	const char *lane;			/* constant */
	char	   *method;
	char	   *path;
	int			records;
	int			status;			/* 0: no answer */
	int			retry_after;	/* -1: none */
	int64		bytes_sent;
	int64		bytes_received;
	TimestampTz started_at;
	float4		duration_ms;
	char	   *correlation_id; /* or NULL */
	char	   *category;		/* HubSpot's word for it, or NULL */
	char	   *error;			/* or NULL */
} AckRequest;

/* What the counters know of a row; the server is 0 where the tables have to be asked. */
typedef struct AckOf
{
	Oid			server;
	Object		object;
	Call		call;
} AckOf;

/* One verdict, for hubspot.result. */
typedef struct AckResult
{
	int64		id;
	AckOf		of;
	AckRequest *request;		/* NULL: no request was needed for the verdict */
	int64		merged_into;	/* 0: none */
	int			merged;			/* # of rows merged into this one */
	Verdict		verdict;
	Verdict		shared;			/* of a coalesced row: the verdict that it shares */
	const ReportedRow *row;		/* for the report of its definition, not kept; NULL, as the server
								 * is 0: not at hand */
	int			http_status;	/* 0: none */
	int			attempt;
	int			created;		/* 1, 0, or -1: not known */
	const char *record_id;		/* these are copied; each may be NULL */
	const char *category;
	const char *message;
	const char *warnings;		/* a JSON array */
} AckResult;

extern void ack_init(void);

/* A new request for the log; set its strings with ack_text(). */
extern AckRequest *ack_request(void);
extern char *ack_text(const char *text);	/* NULL and "" become NULL */
extern void ack_result(const AckResult *result);

/* # of verdicts not written yet; whether there are requests; # of verdicts since the start. */
extern int	ack_pending(void);
extern bool ack_is_full(void);	/* there are enough for a flush */
extern bool ack_is_stuck(void); /* too many: the worker must not end rows before they are written */
extern bool ack_has_requests(void);
extern int64 ack_total(void);

/* Whether it is time to write; *wait_us: how long until then. */
extern bool ack_due(int64 now, bool idle, int64 *wait_us);

/*
 * Write everything collected, and count it; inside a transaction, which the caller commits.
 * is_last: the worker ends.
 */
extern void ack_write(bool is_last);

/* To be called after the commit: forget what was written. */
extern void ack_written(void);

#endif							/* HUBSPOT_ACK_H */
