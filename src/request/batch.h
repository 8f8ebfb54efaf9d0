/*
 * batch.h
 *		Requests of many records.
 *
 *	Input		a run of one key's rows, which become one record
 *	Batch		one request: up to 100 inputs, 500 of events and members of lists
 *	RequestKind	what a request of a family is like: its body, its answer
 *
 * Memory: each batch in a context of its own.
 */
#ifndef HUBSPOT_BATCH_H
#define HUBSPOT_BATCH_H

#include "lib/stringinfo.h"

#include "account/path.h"
#include "message/message.h"
#include "queue/family.h"
#include "queue/queue.h"
#include "reply/reply.h"
#include "store/ack.h"

#define BATCH_MAX_BYTES		(1024 * 1024)

/* How far the search for an input's company is, see search/company_search.c. */
typedef enum SearchForm
{
	SEARCH_NEW,					/* of zeros: no search has been written */
	SEARCH_ALONG,				/* by the primary domain, further ones of all companies along */
	SEARCH_PRIMARY,				/* by the primary domain alone */
	SEARCH_TOKENS				/* by further domains, as the primary one is nobody's */
} SearchForm;

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
	const char *adoptee;		/* its id, until it is known that no other record has our key;
								 * NULL: none */
	const char *contact;		/* whose companies are read before one is created; NULL: not yet */
	const char *employers;		/* their ids, with blanks between them */
	bool		keeps_address;	/* our address, or domain, is an additional one, and must not
								 * become the primary one */
	SearchForm	search;
	const struct RequestKind *onward;	/* request that the answer sends it on to, see
										 * batch_go_on(); NULL: none */
	const char *stage;			/* lifecycle stage that was sent, as JSON; NULL: none */
	const char *alias;			/* e-mail address or domain by which HubSpot may know the record,
								 * beside its key; NULL: none */
	const char *awaits;			/* key in the schema lane whose rows the first row waits for; NULL:
								 * none */
	const char *lacks;			/* names of properties that are still to be added to an event, with
								 * blanks between them; NULL: not known */
	bool		grew;			/* one was added */
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
	const CrmType *type;		/* of the records that it is about */
	int			ninputs;
	Input	   *inputs;
	StringInfoData body;
	const char *page;			/* of an answer in several pages, NULL: the first */
	int			nrows;			/* of all inputs */
	uint32		looked_at;		/* look at hubspot.suppressed in which its rows were, see queue.h */
	int			attempts;		/* answers that said nothing of any input */
	bool		is_suspect;		/* met trouble that may be of its own making */
	bool		is_blamed;		/* ... of its own, as the rest of the lane has shown */
	int64		met_at;			/* successes of the lane when it last did */
	bool		is_stray;		/* met a 404 that does not say what was not found ... */
	int64		worked_at;		/* ... and how often its path had worked by then */
	dlist_node	node;			/* in lane->again */
} Batch;

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
	const char *query;			/* after the path, not logged; in the batch's context; NULL: none */
	bool		with_token;
} Address;

/*
 * What a repeat of a request does, as of one whose answer was lost.  Each kind says it.  From
 * REPEAT_SOUGHT on, a request has a connection of its own, so that libcurl repeats none by itself.
 */
typedef enum Repeat
{
	REPEAT_UNSTATED,
	REPEAT_HARMLESS,			/* it reads, or sets what is so already */
	REPEAT_REFUSED,				/* HubSpot tells it from the first one: by a uuid, by a name */
	REPEAT_SOUGHT,				/* it would be a second one: that of the first is looked for */
	REPEAT_DOUBLES				/* it is a second one: noted before it is sent (admit/begun.h), it
								 * ends as unknown when its answer is lost, settle() says how */
} Repeat;

typedef enum Settlement
{
	SETTLE_NOT,					/* trouble of the lane: the same again, later */
	SETTLE_AGAIN,				/* no trouble: the same again, at once */
	SETTLE_BACK,				/* no trouble: the rows have gone back to their keys */
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
	const CrmType *type;		/* whose records the path is about; NULL: those of the lane */
	Repeat		repeat;
	MeterKind	meter;
	int			max_inputs;
	int			max_rows;		/* merged into one input */
	bool		is_list;		/* {"inputs": [...]}, or begin and end below; else the input is the
								 * body */
	const char *method;			/* NULL: POST; a GET has no body */
	bool		counts_rows;	/* rows are not merged; max_rows is the request's bound */
	bool		one_property;	/* all inputs of a request are keyed by one property */
	bool		by_record;		/* goes by the key's record_id, which must not stand twice in a
								 * request */
	bool		shares;			/* an input may append nothing, as another has asked for it */
	bool		gathers;		/* waits a moment for keys that wait for others */
	bool		finishes;		/* puts back what the request before it took away: goes even while
								 * the lane is paused */
	bool		collects;		/* of a type whose records are few, waits while there are more rows
								 * to be read */
	bool		names_content;	/* its path names what it is about (a form, a list): a 404 in
								 * HubSpot's words is about that, not about the address */
	void		(*begin_body) (Batch *batch);	/* NULL: {"inputs":[ */
	void		(*end_body) (Batch *batch); /* NULL: ]} */

	/* parts: the messages of the input's rows. */
	BuildResult (*append_input) (Batch *batch, Input *input, const MessageParts *parts);

	/* Whether a key can be added to the batch, which has at least one input; NULL: always. */
	bool		(*fits) (const Batch *batch, const WorkKey *key);

	/* Where a request goes that is not of path.c's table; NULL: all are. */
	void		(*address) (const Batch *batch, Address *address);

	/*
	 * An answer, or none, that decides about the rows though it is not about records; NULL: none
	 * does.
	 */
	Settlement	(*settle) (Batch *batch, const Reply *reply, bool answered, bool reached,
						   AckRequest *request);

	/* The answer is about records: verdicts for all inputs, or what follows. */
	void		(*answered) (Batch *batch, const Reply *reply, AckRequest *request);
} RequestKind;

/* Whether a request may have taken effect though no good answer came. */
extern bool batch_may_be_done(const Reply *reply, bool answered, bool reached);

/*
 * Whether the batch waits to be noted before it is sent: its rows are wanted in hubspot.begun; and
 * the end of that, for one that HubSpot has certainly not taken.
 */
extern bool batch_must_be_noted(Batch *batch);
extern void batch_not_taken(Batch *batch);

/* Rows that a batch took go back to the head of their key, in order; the key is released. */
extern void batch_put_back(WorkKey *key, Row *const *rows, int nrows);

/* The same where no request has been sent since the rows were taken: what is known stays. */
extern void batch_put_back_unsent(WorkKey *key, Row *const *rows, int nrows);

/* For the families: end an input, with one verdict for the rows merged into it. */
extern void batch_end_input(Input *input, AckResult *result);

/* Each row by itself, where rows are not merged. */
extern void batch_end_rows(Input *input, AckResult *result);

/* The same, when the verdict is not one for all; verdict_of NULL: it is. */
typedef Verdict (*RowVerdict) (const Row *row);
extern void batch_end_each(Input *input, AckResult *result, RowVerdict verdict_of);
extern void batch_end_row(Input *input, Row *row, AckResult *result);

/*
 * End an input with a verdict and its reasons, all its rows: on account of the record, or of what
 * each of them says.
 */
extern void batch_reject(Input *input, Verdict verdict, const char *category, const char *message,
						 int status, AckRequest *request);

/*
 * One of an input's rows is at fault: they wait again, and fewer go at once.  alone: a whole
 * request has failed.
 */
extern void batch_tell_apart(Input *input, bool alone);

/*
 * HubSpot refuses what the rows say, or a row cannot be sent: a single one is rejected; of
 * several the one at fault is looked for, see narrow.h, and the others go.  alone: it was a whole
 * request that was refused.
 */
extern void batch_refuse_rows(Input *input, const char *category, const char *message, int status,
							  AckRequest *request, bool alone);

/*
 * Whether one of the rows went through this before, and that all of them do now: see row.h.  Those
 * that did not, beside one that did, are told apart by batch_refuse_rows().
 */
extern bool batch_was_once(const Input *input, Once once);
extern void batch_note_once(Input *input, Once once);

/* What a row is told whose deadline has passed. */
extern const char *const batch_too_late;

/* A verdict for a row that leaves its key without having been sent. */
extern void batch_end_unsent(Row *row, Verdict verdict, const char *category, const char *message);

/* The same for one that waits in the window: its key goes on without it. */
extern void batch_end_waiting(Row *row, Verdict verdict, const char *category, const char *message);

/*
 * Requests that were to be sent as they are, and have such a row, are taken apart: their
 * rows begin anew.
 */
typedef bool (*RowTest) (const Row *row, const void *arg);
extern void batch_dissolve(RowTest test, const void *arg);

/* For the families: send a part again, the inputs whose flag is set; or all, in two parts. */
extern void batch_split_off(Batch *batch, const bool *chosen);
extern void batch_bisect(Batch *batch, const Reply *reply);

/* Inputs that an answer left out (NULL: all) are sent again, at most a few times. */
extern void batch_silent(Batch *batch, const bool *open, const Reply *reply, AckRequest *request);

/* A refused request: by halves, or the end of its only input. */
extern void batch_refused(Batch *batch, const Reply *reply, AckRequest *request);

/*
 * The inputs whose flag is set go on to another kind of request, before
 * anything else of the lane.  Returns the new batch, NULL when there is none.
 */
extern Batch *batch_follow(Batch *batch, const bool *chosen, const RequestKind *kind);

/*
 * After an answer: inputs whose onward is set go on to that request, before
 * anything else of the lane; those marked with batch_same are sent
 * again as they are, as by batch_silent().
 */
extern const RequestKind batch_same;
extern void batch_go_on(Batch *batch, const Reply *reply, AckRequest *request);

/* For append_input of a RequestKind: the path says all that is asked for. */
extern BuildResult batch_append_nothing(Batch *batch, Input *input, const MessageParts *parts);

/* A warning for the row that carries an input. */
extern void batch_warn(Input *input, const char *code, const char *property, const char *detail);

/* Warn of addresses that the calls could not go by, see message_unused_address(). */
extern void batch_warn_of_addresses(const Input *input, const MessageParts *parts);

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
 * is looked for; or others go first, to tell.  False: it is taken for the lane's,
 * as at a first failure, or when no other key is ready to tell; the caller moves
 * the lane and sends the same again.
 */
extern bool batch_suspect(Batch *batch, const Reply *reply, AckRequest *request);

/*
 * A 404 that does not say whether HubSpot lacks the path or what the request is about.  The same
 * path tells: when it has worked for others since, the batch is at fault.  Until then it goes after
 * those.  Where HubSpot's path has two forms, the other one is tried as well.  Returns true when it
 * has been dealt with; false: the address is taken to be wrong, the caller moves the lane and sends
 * the same again.  path: that of the request.
 */
extern bool batch_not_found(Batch *batch, Reply *reply, const char *path, AckRequest *request);

/* An answer, of any kind, to a batch: what it tells of its path. */
extern void batch_learn_path(const Batch *batch, const Reply *reply);

/*
 * Whether the batch has met trouble, and nothing of its lane has gone well since, be it a part of a
 * batch that was blamed or not.
 */
extern bool batch_is_unproven(const Batch *batch);

/* The request met trouble of its lane: the same is sent again later. */
extern void batch_again(Batch *batch);

/* The SERVER was dropped: everything of this lane ends as cancelled. */
extern void batch_cancel_lane(Lane *lane);

/* Its rows have ended, or have gone back to their keys. */
extern void batch_free(Batch *batch);

#endif							/* HUBSPOT_BATCH_H */
