/*
 * work.h
 *		What a worker holds in memory: accounts, lanes, keys, rows, batches.
 *
 *	Account		a SERVER: options, token, what HubSpot said of it
 *	Lane		(account, family): the unit that trouble stops
 *	WorkKey		(lane, identity): the unit of order
 *	Row			an outbox row that was read and has no verdict yet
 *	Batch		one request: up to 100 inputs, each a run of one key's rows
 *
 * A row belongs to its key until a batch takes it, then to the batch's input,
 * and ends by ack_result().  A key with an input in a batch is busy: its later
 * rows wait.  Everything lives in one process; nothing is locked.
 *
 * Memory: accounts, lanes and keys in the worker's "hubspot work" context, rows
 * in "hubspot window" (counted against window_rows and window_memory), each
 * batch in a context of its own.
 */
#ifndef HUBSPOT_WORK_H
#define HUBSPOT_WORK_H

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "account.h"
#include "ack.h"
#include "lane.h"
#include "mapping.h"
#include "meter.h"
#include "path.h"
#include "record_map.h"
#include "reply.h"
#include "ring.h"
#include "secret.h"

#define BATCH_MAX_BYTES		(1024 * 1024)

struct Reader;					/* window.c */

typedef struct Lane
{
	struct Account *account;
	LaneFamily	family;
	LaneStatus	status;
	dlist_head	ready;			/* keys that may be taken, oldest first */
	int			nready;
	dlist_head	again;			/* batches to be sent again as they are */
	struct Reader *reader;		/* follows behind the main one while the lane lags */
	int64		skipped;		/* rows the main reader left to that reader */
	int64		rows;			/* in the window, in flight or not */
	int64		bytes;
	int64		in_flight;		/* rows in requests under way */
	int			transfers;		/* requests under way */
	int64		held_since;		/* µs: a partial batch waits for more rows; 0: none */
	int64		done;			/* rows with a verdict since the start */
	double		rate;			/* of verdicts per second, moving average */
	int64		rate_done;		/* done when the rate was last computed */
	int64		rate_at;		/* when, µs of the monotonic clock */
	TimestampTz oldest;			/* created_at of the oldest row, as of the last report */
} Lane;

/* How far the worker is with reading a part of an account's schema. */
typedef struct SchemaSync
{
	bool		settled;		/* HubSpot has told, or said that it will not */
	bool		wanted;			/* to be read (again) */
	bool		asking;			/* a request is under way */
	bool		creating;		/* that request creates properties */
	bool		fresh;			/* read since the worker started or was last asked to */
	bool		answered;		/* an answer is to be stored */
	StringInfo	json;			/* of the pages so far; NULL in an answer that tells nothing */
	char	   *next_page;
	List	   *to_create;		/* UnknownProperty, not tried yet */
	List	   *tried;			/* names of those that were */
} SchemaSync;

typedef struct Account
{
	Oid			server;
	char		name[NAMEDATALEN];
	MemoryContext context;		/* of options; replaced when the SERVER changes */
	AccountOptions *options;
	bool		dropped;		/* the SERVER is gone: its rows are cancelled */
	Secret		secret;
	Schema	   *schema;			/* NULL before it was loaded */
	bool		schema_stale;	/* the tables hold something newer */
	SchemaSync	sync[SCHEMA_PARTS];
	MappingRules rules[SCHEMA_EVENT];	/* by SchemaPart */
	LaneStatus	status;			/* trouble of the whole account */
	Meter	   *meter;			/* NULL before the token is known */
	int			transfers;		/* requests under way */
	bool		forms_public;	/* the token may not submit forms: their public address takes them */
	bool		asking;			/* the account-info request is under way */
	bool		info_changed;	/* to be written to hubspot.account */
	bool		limits_changed; /* to be written to hubspot.rate_limit */
	int64		portal_id;		/* 0: not known */
	char		account_type[32];
	char		time_zone[64];
	int			utc_offset_ms;
	char		hublet[16];
	Lane		lanes[FAMILY_COUNT];
	dlist_node	node;
} Account;

typedef struct WorkKey
{
	Lane	   *lane;
	uint32		hash;
	const char *property;		/* HubSpot property, NULL for the e-mail address */
	const char *key;
	dlist_head	rows;			/* waiting, in order */
	bool		busy;			/* an input of this key is in a batch */
	int			chunk;			/* rows to be taken at once, while a culprit is looked for; 0: all */
	bool		is_ready;		/* stands in lane->ready */
	dlist_node	ready;
} WorkKey;

typedef struct Row
{
	dlist_node	order;			/* in the window, by time of reading */
	dlist_node	node;			/* in its key, while it waits */
	int64		id;
	uint64		seq;			/* number of the reading */
	TimestampTz created_at;
	TimestampTz deadline;		/* 0: none */
	Size		bytes;
	Call		call;
	char		record_id[RECORD_ID_BYTES]; /* of an event's contact, "" when not known */
	bool		lost;			/* was sent, and what became of it is not known */
	bool		repaired;		/* was sent with a schema that turned out to be old */
	WorkKey    *key;
	Jsonb	   *message;		/* behind the struct */
	const char *warnings;		/* JSON array or NULL; in its batch's context */
} Row;

typedef struct Input
{
	WorkKey    *key;
	Row		  **rows;			/* merged into one record, in order; the last one carries, the
								 * others are coalesced into it */
	int			nrows;
	int			attempts;		/* answers that concerned this input */
	char		trace[24];		/* objectWriteTraceId: the carrier's id */
	int			offset;			/* of its JSON in the batch's body */
	int			len;
} Input;

typedef struct Batch
{
	Lane	   *lane;
	MemoryContext context;
	PathName	path;
	int			ninputs;
	Input	   *inputs;
	StringInfoData body;
	int			nrows;			/* of all inputs */
	int			attempts;		/* answers that said nothing of any input */
	dlist_node	node;			/* in lane->again */
} Batch;

/* The window and its bounds. */
typedef struct Window
{
	MemoryContext work;			/* accounts, lanes, keys */
	MemoryContext memory;		/* rows */
	dlist_head	rows;			/* by seq */
	uint64		next_seq;
	int64		nrows;
	int64		bytes;
} Window;

extern Window window;
extern dlist_head accounts;

/* ---- queue.c: keys and rows ----------------------------------------------- */

extern void queue_init(void);

/* Whether the lane may take another row of this size now. */
extern bool queue_has_room(const Lane *lane, Size bytes);
extern void queue_add(Lane *lane, const char *property, int property_len,
					  const char *key, int key_len, Row *row);

/* The row left its input with a verdict, or is not wanted any more. */
extern void queue_forget_row(Row *row);

/* The key has no input in a batch any more. */
extern void queue_release_key(WorkKey *key);

/* Rows that a batch took go back to the head of their key, in order; the key is released. */
extern void queue_put_back(WorkKey *key, Row *const *rows, int nrows);

/* Sequence number of the oldest row without a verdict; UINT64_MAX when none. */
extern uint64 queue_oldest_seq(void);
extern TimestampTz queue_oldest_of(const Lane *lane);

/* ---- batch.c: requests of many records ------------------------------------ */

/* How the rows of a family become requests, and what their answers mean. */
typedef enum BuildResult
{
	BUILD_DONE,
	BUILD_WAIT					/* not now: the rows go back to their key */
} BuildResult;

/* Host, path and credentials of a request. */
typedef struct Address
{
	const char *base_url;
	char		path[PATH_BYTES];
	bool		with_token;
	bool		is_once;		/* must not be sent twice, whatever happens */
} Address;

typedef enum Settlement
{
	SETTLE_NOT,					/* trouble of the lane: the same again, later */
	SETTLE_AGAIN,				/* no trouble: the same again, at once */
	SETTLE_DONE					/* the rows have ended */
} Settlement;

typedef struct FamilyWork
{
	int			max_inputs;
	int			max_rows;		/* merged into one input */
	bool		is_list;		/* {"inputs": [...]}; else the input is the body */
	bool		counts_rows;	/* rows are not merged; max_rows is the request's bound */
	bool		is_exempt;		/* from HubSpot's 10-second and daily limits */
	PathName	path;

	/* Whether the row at the head of a ready key is sent by a request; NULL: all are. */
	bool		(*wants_request) (const WorkKey *key);

	/* Whether a row can be sent at all; if not, the row is ended by the caller with this reason. */
	bool		(*check) (Row *row, const MessageParts *parts, const char **category, const char **problem);
	BuildResult (*append_input) (Batch *batch, Input *input, const MessageParts *parts);
	/* Where a request goes that is not of path.c's table; NULL: all are. */
	void		(*address) (const Batch *batch, Address *address);

	/*
	 * An answer, or none, that decides about the rows though it is not about records; NULL: none
	 * does.
	 */
	Settlement	(*settle) (Batch *batch, const Reply *reply, bool answered, bool reached, AckRequest *request);

	/* The answer is about records: verdicts for all inputs; frees the batch. */
	void		(*answered) (Batch *batch, const Reply *reply, AckRequest *request);
} FamilyWork;

extern const FamilyWork contacts_work;
extern const FamilyWork events_work;
extern const FamilyWork forms_work;
extern const FamilyWork schema_work;

extern const FamilyWork *batch_family(LaneFamily family);

/* For the families: end an input, send a part again, what an error is called. */
extern void batch_end_input(Input *input, AckResult *result);

/* Each row by itself, where rows are not merged. */
extern void batch_end_rows(Input *input, AckResult *result);
extern void batch_end_row(Input *input, Row *row, AckResult *result);
extern void batch_reject(Input *input, Verdict verdict, const char *category, const char *message,
						 int status, AckRequest *request);
extern void batch_split_off(Batch *batch, const bool *chosen);
extern void batch_bisect(Batch *batch, const Reply *reply);

/* Take ready keys into a new batch; NULL when nothing may be sent. */
extern Batch *batch_take(Lane *lane);

/*
 * Read an answer about records (class RECORDS or REFUSED): verdicts, and
 * smaller batches to be sent again.  Frees the batch.
 */
extern void batch_answered(Batch *batch, const Reply *reply, AckRequest *request);

/* The request may have taken effect though no good answer came. */
extern void batch_was_lost(Batch *batch);

/* The request met trouble of its lane: the same is sent again later. */
extern void batch_again(Batch *batch);

/* The SERVER was dropped: its rows end as cancelled.  Frees the batch. */
extern void batch_cancel(Batch *batch);

/* Its rows have ended, or have gone back to their keys. */
extern void batch_free(Batch *batch);

/* The oldest batch to be sent again, removed from the lane; NULL when none. */
extern Batch *batch_take_again(Lane *lane);

/* ---- send.c: requests and answers ------------------------------------------ */

/* Send what lanes and meters allow; returns µs until more may be possible, -1: no time of its own. */
extern int64 send_what_may(bool more_to_read);

/* Deal with all finished transfers; returns how many there were. */
extern int	send_collect(void);

/* Outbox ids of a transfer under way, for the views; returns how many. */
extern int	send_flight_ids(int slot, int64 *ids, int max);

/* Requests sent since the start. */
extern int64 send_requests(void);

#endif							/* HUBSPOT_WORK_H */
