/*
 * work.h
 *		What a worker holds in memory: accounts, lanes, keys, rows, batches.
 *
 *	Account		a SERVER: options, token, what HubSpot said of it
 *	Lane		(account, family): the unit that trouble stops
 *	WorkKey		(lane, identity): the unit of order
 *	Row			an outbox row that was read and has no verdict yet
 *	Batch		one request: up to 100 inputs, each a run of one key's rows
 *	RequestKind	what a request of a family is like: its body, its answer
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
#include "lib/pairingheap.h"
#include "lib/stringinfo.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "account/account.h"
#include "account/lane.h"
#include "account/meter.h"
#include "account/path.h"
#include "account/secret.h"
#include "http/reply.h"
#include "message/mapping.h"
#include "store/ack.h"
#include "store/record_map.h"
#include "store/ring.h"

#define BATCH_MAX_BYTES		(1024 * 1024)

struct Reader;					/* window.c */

/* Keys with a live row go before those that a back-fill alone has rows of. */
typedef enum Readiness
{
	READY_LIVE,
	READY_BACKFILL
#define READY_COUNT (READY_BACKFILL + 1)
} Readiness;

typedef struct Lane
{
	struct Account *account;
	LaneFamily	family;
	Object		object;			/* that its rows are about */
	const struct FamilyWork *work;	/* its requests */
	LaneStatus	status;
	LaneStatus	pause;			/* in RUN unless somebody paused the lane */
	dlist_head	ready[READY_COUNT]; /* keys that may be taken, oldest first */
	int			nready;
	dlist_head	asking;			/* keys to be looked up in the tables; see await.h */
	dlist_head	behind;			/* keys, also of other lanes, that wait for this lane's older rows */
	dlist_head	delayed;		/* keys that wait for a time, by time */
	int			naway;			/* keys of this lane that wait for anything */
	dlist_head	deferred;		/* keys whose rows wait in hubspot.deferred; see defer.h */
	int64		ndeferred;		/* these rows */
	int64		nrecalled;		/* rows with a copy there that are in the window */
	struct Parked *parked;		/* of its back-fill, see park.h; NULL: nothing */
	int64		nparked;		/* parked rows, also of single keys */
	int64		nbackfill;		/* rows of a back-fill in the window */
	int			ncrowded;		/* keys with KEY_CROWDED rows in the window, or more */
	dlist_head	again;			/* batches to be sent as they are */
	struct Reader *reader;		/* follows behind the main one while the lane lags */
	int64		skipped;		/* rows the main reader left to that reader */
	pairingheap by_id;			/* of its rows in the window, in flight or not; the oldest is the
								 * first */
	int64		strangers;		/* rows in the window that may have been sent, and wait to be told
								 * of which contact */
	int64		rows;			/* in the window, in flight or not */
	int64		bytes;
	int64		in_flight;		/* rows in requests under way */
	int			transfers;		/* requests under way */
	int64		held_since;		/* µs: a partial batch waits for more rows; 0: none */
	int64		successes;		/* answers about records since the start */
	int64		splits;			/* inputs that were not to be merged as they were, since the start */
	int64		done;			/* rows with a verdict since the start */
	double		rate;			/* of verdicts per second, moving average */
	int64		rate_done;		/* done when the rate was last computed */
	int64		rate_at;		/* when, µs of the monotonic clock */
	uint32		saved;			/* hash of the status that hubspot.rate_limit shows, 0: none */
	uint32		saving;			/* and of the one that is being written */
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
	int			npages;			/* so far */
	LaneStatus	trouble;		/* in RUN unless the last answer could not be read or stored */
	List	   *to_create;		/* UnknownProperty, not tried yet */
	List	   *tried;			/* names of those that were */
} SchemaSync;

typedef struct Account
{
	Oid			server;
	char		name[NAMEDATALEN];
	MemoryContext context;		/* of options; replaced when the SERVER changes */
	AccountOptions *options;
	TransactionId xmin;			/* of the SERVER's row that they are of ... */
	ItemPointerData tid;		/* ... and where that is */
	bool		dropped;		/* the SERVER is gone: its rows are cancelled */
	Secret		secret;
	Schema	   *schema;			/* NULL before it was loaded */
	bool		schema_stale;	/* the tables hold something newer */
	SchemaSync	sync[SCHEMA_PARTS];
	MappingRules rules[SCHEMA_EVENT];	/* by SchemaPart */
	LaneStatus	load_trouble;	/* in RUN unless the schema could not be read from the tables */
	LaneStatus	status;			/* trouble of the whole account */
	LaneStatus	pause;			/* in RUN unless somebody paused the account */
	Meter	   *meters[METER_COUNT];	/* NULL before the token is known */
	int			transfers;		/* requests under way */
	bool		forms_public;	/* the token may not submit forms: their public address takes them */
	bool		asking;			/* the account-info request is under way */
	bool		asking_usage;	/* the request for the use of the day is, see daily.h */
	bool		wants_day_end;	/* it is to be asked for, once in this pause */
	int64		usage_not_before;	/* µs: it is not asked for earlier */
	int64		requests;		/* sent since the start */
	int64		usage_requests; /* of these, when it was last asked for ... */
	int64		usage_enough;	/* ... and when there was enough left not to ask */
	List	   *lists;			/* static lists that are known, see lists.h */
	bool		to_recall;		/* what the tables know of it is still to be read, see recall.h */
	List	   *recalled;		/* of the request log */
	bool		info_changed;	/* to be written to hubspot.account */
	bool		limits_changed; /* to be written to hubspot.rate_limit */
	int64		portal_id;		/* 0: not known */
	uint64		info_of_token;	/* hash of the token of which account-info told that */
	bool		sheds_confirmed;	/* what hubspot.confirmed holds of it is to go, see forget.h */
	char		account_type[32];
	char		time_zone[64];
	int			utc_offset_ms;
	char		hublet[16];
	Lane		lanes[FAMILY_COUNT];
	dlist_node	node;
} Account;

#define KEY_CROWDED 100			/* rows of a key from which on park.c looks at it */

/* Where a key stands that has waiting rows and none in a batch. */
typedef enum KeyPlace
{
	PLACE_NONE,					/* it has none, or is busy */
	PLACE_READY,				/* in one of lane->ready */
	PLACE_AWAY,					/* waits for something, see await.h */
	PLACE_DEFERRED				/* in lane->deferred */
} KeyPlace;

typedef struct WorkKey
{
	Lane	   *lane;
	uint32		hash;
	const char *property;		/* HubSpot property, NULL for the e-mail address */
	const char *key;
	char		record_id[RECORD_ID_BYTES]; /* that it is in HubSpot, "": not known */
	dlist_head	rows;			/* waiting, in order */
	bool		busy;			/* an input of this key is in a batch */
	int64		busy_id;		/* of the oldest row in there */
	int			chunk;			/* rows to be taken at once, while a culprit is looked for; 0: all */
	KeyPlace	place;
	dlist_node	node;			/* in the list of its place */
	int64		until;			/* of a delayed or deferred key, µs of the monotonic clock */
	pairingheap_node due;		/* of a deferred key */
	int			ndeferred;		/* rows of it in hubspot.deferred and not in the window */
	int64	   *deferred;		/* their ids, ascending; NULL: none */
	int64		met_at;			/* successes of the lane when they were deferred */
	int			nrows;			/* in the window, in a batch or not */
	struct Parked *parked;		/* more of them, see park.h; NULL: none */
	dlist_node	parked_node;	/* among the keys that have some */
	char	   *address;		/* that a userId has turned out to be; its rows will move there */
	struct Confirmed *confirmed;	/* what its record is known to hold, with skip_unchanged; NULL:
									 * nothing */
	dlist_head	waiters;		/* keys that wait for rows of this one */
} WorkKey;

/* How often the tables were asked for the record of a row. */
typedef enum Looked
{
	LOOKED_NOT,
	LOOKED_ONCE,
	LOOKED_LAST					/* after all that came before was done: what is not there now is
								 * not there */
} Looked;

typedef struct Row
{
	dlist_node	order;			/* in the window, by time of reading */
	dlist_node	node;			/* in its key, while it waits */
	pairingheap_node by_id;		/* in its lane */
	int64		id;
	int64		parent;			/* 0: none */
	uint64		seq;			/* number of the reading */
	TimestampTz created_at;
	int64		identity;		/* of the call: its first row, when this one repeats it */
	TimestampTz called_at;		/* when that was queued */
	TimestampTz deadline;		/* 0: none */
	Size		bytes;
	int			attempt;		/* faults of its own so far */
	Call		call;
	RowMode		mode;
	char		record_id[RECORD_ID_BYTES]; /* of an event's contact, of an association's company;
											 * "": not known */
	bool		backfill;		/* makes way for live rows */
	uint8		looked;			/* Looked */
	bool		taken;			/* stands in an input, not in its key */
	bool		lost;			/* was sent, by a worker before this one perhaps, and what became
								 * of it is not known */
	bool		sent;			/* the same, by this worker */
	bool		is_stranger;	/* counts as such in its lane */
	bool		repaired;		/* was sent with a schema that turned out to be old */
	bool		has_user_id;	/* that is to be remembered with the contact */
	bool		erases;			/* a deletion without a trace */
	bool		is_sync;		/* of a declared sync, audience or trait */
	bool		begins;			/* is not merged with rows before it, as it waits for what they do
								 * not need; see await_creation.h */
	bool		deferred;		/* has a copy in hubspot.deferred */
	bool		is_suspect;		/* made requests fail as a whole: sent alone */
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

	/* what is found out on the way; texts in the batch's context */
	int			created;		/* 1, 0, or -1: not known */
	bool		several;		/* HubSpot has several companies of this domain */
	bool		adopts;			/* a record that has no key yet is given ours */
	bool		keeps_address;	/* ours is an additional one, and is not to become the primary one */
	const char *stage;			/* lifecycle stage that was sent, as JSON; NULL: none */
	const char *alias;			/* e-mail address or domain by which HubSpot may know the record,
								 * beside its key; NULL: none */
	const char *awaits;			/* key in the schema lane whose rows the first row waits for; NULL:
								 * none */
	const char *category;		/* of a conflict that may yet be resolved, and its words */
	const char *message;
	int			status;

	AckResult  *unsent;			/* verdict without a request, see BUILD_UNCHANGED */

	/* with skip_unchanged, see unchanged.h */
	struct Written *written;	/* what the answer will confirm; NULL: nothing is learnt */
	bool		left_out;		/* some values were not sent, as the record is known to have them */
	bool		whole;			/* nothing may be left out */
	bool		stage_taken;	/* the answer showed the stage that was sent */
} Input;

typedef struct Batch
{
	Lane	   *lane;
	MemoryContext context;
	const struct RequestKind *kind;
	PathName	path;
	int			ninputs;
	Input	   *inputs;
	StringInfoData body;
	const char *page;			/* of an answer in several pages, NULL: the first */
	int			nrows;			/* of all inputs */
	int			attempts;		/* answers that said nothing of any input */
	bool		is_suspect;		/* met trouble that may be of its own making */
	bool		is_blamed;		/* ... of its own, as the rest of the lane has shown */
	int64		met_at;			/* successes of the lane when it last did */
	dlist_node	node;			/* in lane->again */
} Batch;

/* The window and its bounds. */
typedef struct Window
{
	MemoryContext memory;		/* rows */
	dlist_head	rows;			/* by seq */
	uint64		next_seq;
	TimestampTz earliest_deadline;	/* of its rows, or before it; 0: none */
	int64		nrows;
	int64		bytes;
} Window;

extern Window window;

/* ---- queue.c: keys and rows ----------------------------------------------- */

extern void queue_init(void);

/* Whether the lane may take another row of this size now. */
extern bool queue_has_room(const Lane *lane, Size bytes);

/* Rows that a deadline may end are looked for when the earliest has passed, see expire.c. */
extern void queue_note_deadline(const Row *row);
extern void queue_add(Lane *lane, const char *property, const char *key, Row *row);

/* The key of this name while it has rows in the window, else NULL. */
extern WorkKey *queue_find(const Lane *lane, const char *property, const char *key);

/* Whether a key is a userId, of which is not known yet whose it is. */
extern bool queue_is_by_user_id(const WorkKey *key);

/* The HubSpot property that a key is a value of. */
extern const char *queue_id_property(const WorkKey *key);

/* The oldest row of the key that waits for a batch; there is one. */
extern Row *queue_head(const WorkKey *key);

/* Whether a row of the key that was queued before this one has no verdict yet. */
extern bool queue_has_older(const WorkKey *key, int64 id);

/* The row just added was read before, as number seq. */
extern void queue_keep_seq(Row *row, uint64 seq);

/* Whether nothing but rows of a back-fill could be taken now. */
extern bool queue_only_backfill(const Lane *lane);

/* What a lane of zeros needs before its first row. */
extern void queue_begin_lane(Lane *lane);

/*
 * The row with the lowest id of those in the window, in flight or not; NULL: there is none.
 * Rows are read in another order: a long transaction's ids are lower than those of short ones
 * that were read before it ended.
 */
extern const Row *queue_oldest(const Lane *lane);

/* The row leaves memory without a verdict: it is in hubspot.deferred. */
extern void queue_drop_row(Row *row);

/* What the row has there is of no concern any more. */
extern void queue_lose_copy(Row *row);

/* The key has no input in a batch any more. */
extern void queue_release_key(WorkKey *key);

/* The last row that waited left its key: forget it, unless it is busy. */
extern void queue_drop_idle(WorkKey *key);

/* Keys that wait for rows of this one ask anew what they need. */
extern void queue_wake_waiters(WorkKey *key);

/* A ready key is put into one of the lists of keys that wait; it comes back. */
extern void queue_send_away(WorkKey *key, dlist_head *list);
extern void queue_bring_back(WorkKey *key);

/* A key without an input in a batch waits with its rows, wherever it stood, and comes back. */
extern void queue_defer_key(WorkKey *key);
extern void queue_recall_key(WorkKey *key);

/* The key of this name; it is made if need be, and stays while it has rows. */
extern WorkKey *queue_make(Lane *lane, const char *property, const char *key);

/* The rows of a key that waits join those of an address, in the order of their ids; the key is gone. */
extern void queue_move(WorkKey *key, const char *address);

/* ---- batch.c: requests of many records ------------------------------------ */

typedef enum BuildResult
{
	BUILD_DONE,
	BUILD_WAIT,					/* not now: the rows go back to their key */
	BUILD_UNCHANGED				/* HubSpot has all of it already: the rows end without a request,
								 * as input->unsent says */
} BuildResult;

/* Host, path and credentials of a request. */
typedef struct Address
{
	const char *base_url;
	char		path[PATH_BYTES];
	const char *query;			/* behind the path, not logged; NULL: none.  In the batch's context */
	bool		with_token;
	bool		is_once;		/* must not be sent twice, whatever happens */
} Address;

typedef enum Settlement
{
	SETTLE_NOT,					/* trouble of the lane: the same again, later */
	SETTLE_AGAIN,				/* no trouble: the same again, at once */
	SETTLE_DONE					/* the rows have ended, or gone back to their keys */
} Settlement;

/*
 * One kind of request: how inputs become its body, and what its answer means.
 * A family has one kind or several; the answer to one may send its inputs on
 * to another (batch_follow), and the rows stay with their inputs until then.
 */
typedef struct RequestKind
{
	PathName	path;
	MeterKind	meter;
	int			max_inputs;
	int			max_rows;		/* merged into one input */
	bool		is_list;		/* {"inputs": [...]}, or begin and end below; else the input is the
								 * body */
	bool		is_get;
	bool		is_put;
	bool		counts_rows;	/* rows are not merged; max_rows is the request's bound */
	bool		one_property;	/* all inputs of a request are keyed by one property */
	bool		by_record;		/* goes by the key's record_id, which must not stand twice in a
								 * request */
	bool		shares;			/* an input may append nothing, as another has asked for it */
	bool		gathers;		/* waits a moment for keys that wait for others */
	bool		finishes;		/* puts back what the request before it took away: goes even while
								 * the lane is paused */
	bool		collects;		/* many rows are of few records: waits while there are more to be
								 * read */
	void		(*begin_body) (Batch *batch);	/* NULL: {"inputs":[ */
	void		(*end_body) (Batch *batch); /* NULL: ]} */

	/* parts: the messages of the input's rows. */
	BuildResult (*append_input) (Batch *batch, Input *input, const MessageParts *parts);

	/* Whether a key may stand beside the inputs there are, of which there is one; NULL: any may. */
	bool		(*fits) (const Batch *batch, const WorkKey *key);

	/* Where a request goes that is not of path.c's table; NULL: all are. */
	void		(*address) (const Batch *batch, Address *address);

	/*
	 * An answer, or none, that decides about the rows though it is not about records; NULL: none
	 * does.
	 */
	Settlement	(*settle) (Batch *batch, const Reply *reply, bool answered, bool reached, AckRequest *request);

	/* The answer is about records: verdicts for all inputs, or what follows. */
	void		(*answered) (Batch *batch, const Reply *reply, AckRequest *request);
} RequestKind;

typedef struct FamilyWork
{
	const RequestKind *kind;	/* the first, or the only one */
	const struct RecordKinds *records;	/* of records that answers tell of; NULL: none, see
										 * records.h */

	/*
	 * The kind of request that the head row of a ready key needs; NULL function: always the first.
	 * NULL: none now, and perhaps the key was sent away.
	 */
	const RequestKind *(*kind_of) (WorkKey *key);

	/* Whether a row may join the input that begins with the other one; NULL: always. */
	bool		(*joins) (const Row *first, Row *next);

	/* Whether a row can be sent at all; if not, it is ended by the caller with this reason. */
	bool		(*check) (Row *row, const MessageParts *parts, const char **category, const char **problem);

	/* Look up in the tables what the head row of a key wants to know; inside a transaction. */
	void		(*look_up) (WorkKey *key);
} FamilyWork;

/* Rows that a batch took go back to the head of their key, in order; the key is released. */
extern void batch_put_back(WorkKey *key, Row *const *rows, int nrows);

/* For the families: end an input, send a part again, what an error is called. */
extern void batch_end_input(Input *input, AckResult *result);

/* Each row by itself, where rows are not merged. */
extern void batch_end_rows(Input *input, AckResult *result);
extern void batch_end_row(Input *input, Row *row, AckResult *result);
extern void batch_reject(Input *input, Verdict verdict, const char *category, const char *message,
						 int status, AckRequest *request);

/* What a row is told whose deadline has passed. */
extern const char *const batch_too_late;

/* A verdict for a row that leaves its key without having been sent. */
extern void batch_end_unsent(Row *row, Verdict verdict, const char *category, const char *message);

/* The same for one that waits in the window: its key goes on without it. */
extern void batch_end_waiting(Row *row, Verdict verdict, const char *category, const char *message);

/* Requests that were to be sent as they are, and have such a row, are taken apart: their rows begin anew. */
typedef bool (*RowTest) (const Row *row, const void *arg);
extern void batch_dissolve(RowTest test, const void *arg);

extern void batch_split_off(Batch *batch, const bool *chosen);
extern void batch_bisect(Batch *batch, const Reply *reply);

/* Inputs that an answer left out are sent again, at most a few times. */
extern void batch_silent(Batch *batch, const bool *open, const Reply *reply, AckRequest *request);

/* A refused request: by halves, or the end of its only input. */
extern void batch_refused(Batch *batch, const Reply *reply, AckRequest *request);

/*
 * The inputs whose flag is set go on to another kind of request, before
 * anything else of the lane.  Returns the new batch, NULL when there is none.
 */
extern Batch *batch_follow(Batch *batch, const bool *chosen, const RequestKind *kind);

/* A warning for the row that carries an input. */
extern void batch_warn(Input *input, const char *code, const char *property, const char *detail);

/*
 * The kind of the next batch, among those whose meter is not set in busy_meters;
 * NULL when nothing may be sent.
 */
extern const RequestKind *batch_next_kind(Lane *lane, int busy_meters);

/* Take that batch: one to be sent as it is, or ready keys; NULL when none came about. */
extern Batch *batch_take(Lane *lane, const RequestKind *kind);

/* Log, at level DEBUG1, how long the requests so far took to build. */
extern void batch_tell(void);

/*
 * Read an answer about records (class RECORDS or REFUSED): verdicts, and
 * smaller batches to be sent again.  Frees the batch.
 */
extern void batch_answered(Batch *batch, const Reply *reply, AckRequest *request);

/* The request may have taken effect though no good answer came. */
extern void batch_was_lost(Batch *batch);

/*
 * The request met trouble (no answer, 5xx) that others of its lane may not
 * meet.  Returns true when it has been dealt with: the batch is at fault
 * itself, for the lane has worked since it last failed, and the part at fault
 * is looked for; or others go first, to tell.  False: it is the lane's.
 */
extern bool batch_suspect(Batch *batch, const Reply *reply, AckRequest *request);

/* Whether the batch has met trouble, and nothing of its lane has gone well since. */
extern bool batch_is_unproven(const Batch *batch);

/* Half as many rows of the only input's key at once, where rows are not merged. */
extern void batch_narrow(Batch *batch);

/* The request met trouble of its lane: the same is sent again later. */
extern void batch_again(Batch *batch);

/* The SERVER was dropped: everything of this lane ends as cancelled. */
extern void batch_cancel_lane(Lane *lane);

/* Its rows have ended, or have gone back to their keys. */
extern void batch_free(Batch *batch);

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
