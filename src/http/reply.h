/*
 * reply.h
 *		What an answer of HubSpot means.
 *
 * Pure functions over bytes: no PostgreSQL header, no network, no global
 * state, so that they are tested and fuzzed alone.  reply_json.h reads the body,
 * strictly and bounded in depth; its memory is owned by the Reply and given
 * back by reply_free() on every path, before anybody may raise an error.
 *
 * HubSpot's answers are not of one format: each field is optional, bodies may
 * be HTML or plain text, and what counts is the status first, then codes and
 * categories as hints, never the wording of a message alone.
 */
#ifndef HUBSPOT_REPLY_H
#define HUBSPOT_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_MAX_DEPTH		32	/* nesting of a body */
#define REPLY_TEXT_MAX		1024	/* bytes kept of a message */
#define REPLY_WORD_MAX		63	/* bytes of a category or code */
#define REPLY_ID_BYTES		24	/* of a record's id, its end included */

/* The headers of an answer that carry meaning; -1 or "" when absent. */
typedef struct ReplyHeaders
{
	char		content_type[64];
	char		correlation_id[64];
	char		correct_hublet[16];
	int			retry_after;	/* seconds; a date is turned into seconds */
	int			burst_limit;	/* X-HubSpot-RateLimit-Max */
	int			burst_remaining;
	int			burst_interval_ms;
	int64_t		daily_limit;
	int64_t		daily_remaining;
} ReplyHeaders;

extern void reply_headers_init(ReplyHeaders *headers);

/* Take one header line, with or without its line end; unknown ones are ignored. */
extern void reply_header_line(ReplyHeaders *headers, const char *line, size_t len);

/* HubSpot's name of a data centre: two small letters and one to three digits. */
extern bool reply_is_hublet(const char *text);

/* What to do about the request as a whole. */
typedef enum ReplyClass
{
	REPLY_RECORDS,				/* 2xx: look at each record */
	REPLY_REFUSED,				/* 400, 404, 409, 413, 414, 422 ...: these bytes never work;
								 * bisect, or reject the single record */
	REPLY_LIMITED,				/* 429 of a short window */
	REPLY_DAILY,				/* 429 of the day */
	REPLY_LOCKED,				/* 423: other writes hold the records, soon gone */
	REPLY_UNAVAILABLE,			/* 408, 5xx, no memory to read a 2xx: again later */
	REPLY_UNREADABLE,			/* 2xx that cannot be read: the request was carried out, probably */
	REPLY_UNAUTHORIZED,			/* 401 */
	REPLY_FORBIDDEN,			/* 403: scope or product tier */
	REPLY_WRONG_HUBLET,			/* 488 */
	REPLY_MIGRATING,			/* 477 */
	REPLY_MISDIRECTED			/* 3xx, 405, 406, 415, a path that does not exist: nothing a record
								 * can cure */
} ReplyClass;

typedef struct ReplyResult
{
	const char *id;				/* HubSpot's record id as text, or NULL; see reply_is_id() */
	const char *trace;			/* objectWriteTraceId when echoed, or NULL */
	int			created;		/* 1, 0, or -1 when the answer does not say */
	struct json_object *properties; /* borrowed, or NULL */
	const char *from_id;		/* of an association, as all of these NULL when absent */
	const char *to_id;
	const char *created_at;
} ReplyResult;

/* An error of one record, or the whole answer's own. */
typedef struct ReplyError
{
	const char *category;		/* NULL when absent, as all of these */
	const char *sub_category;
	const char *message;		/* for a human: of the first detail where it embeds JSON */
	const char *detail;			/* message of the first nested error, or NULL */
	const char *code;			/* of the first detail: PROPERTY_DOESNT_EXIST ... */
	const char *property;		/* the property it names */
	const char *existing_id;	/* context.existingId */
	struct json_object *traces; /* context.objectWriteTraceId: array, borrowed */
	struct json_object *ids;	/* context.ids or context.id: array, borrowed */
} ReplyError;

typedef struct Reply
{
	ReplyClass	class;
	int			status;
	bool		is_json;
	char		message[REPLY_TEXT_MAX];	/* for a human, valid UTF-8, no control characters;
											 * from the body, else made up from the status */
	char		category[64];
	char		policy[32];		/* of a 429: DAILY, TEN_SECONDLY_ROLLING, SECONDLY */
	char		correlation_id[64]; /* header first, body second */
	char		correct_hublet[16];
	char		scopes[256];	/* of a 403: requiredGranularScopes, comma separated */
	ReplyError	error;			/* the answer's own error; empty for 2xx */
	int			nresults;
	ReplyResult *results;
	int			nerrors;		/* per record, of a 207 (or inside a 200) */
	ReplyError *errors;
	struct json_object *root;	/* owner of all borrowed pointers */
} Reply;

/*
 * Read an answer.  body may be NULL.  Never fails: what cannot be read is
 * REPLY_UNREADABLE (2xx), and says which byte of what could not, or keeps the
 * class of its status.  A 2xx without memory to read it is REPLY_UNAVAILABLE.
 */
extern void reply_parse(Reply *reply, int status, const ReplyHeaders *headers,
						const char *body, size_t len);
extern void reply_free(Reply *reply);

/*
 * Have the texts of the answer's JSON in another encoding than UTF-8.  The function
 * returns the text in malloc'd memory, ending in '\0', or NULL when there is none: then the
 * answer is unreadable.  Asked only for what is not ASCII; the Reply's own arrays stay.
 */
typedef char *(*ReplyTranslator) (const char *text, size_t len, size_t *new_len);

extern void reply_translate(Reply *reply, ReplyTranslator translator);

/*
 * Whether a text is an id of HubSpot's, of whatever object: a positive number shorter than
 * REPLY_ID_BYTES.  A result whose id is something else is none, as if the answer had left it out.
 */
extern bool reply_is_id(const char *text);

/* The id that a JSON value is, a text or a number; NULL when it is none. */
extern const char *reply_id_of(struct json_object *value);

/* The text of a result's property; NULL when absent or null. */
extern const char *reply_property(const ReplyResult *result, const char *name);

/*
 * Which record of the request came out how.  The caller names its inputs, the
 * function fills in the rest; each input ends in exactly one outcome.
 *
 * An error belongs to the inputs that its trace ids name, else its ids (an
 * input's key, compared without case), else to nobody, even when it names a
 * property.  A result belongs to the input whose trace id it echoes, else
 * whose key equals its property key_property (without case; its id when
 * key_property is NULL).  What is left is told by elimination: when every
 * error found its input, no result names one that has an outcome already, and
 * as many results as inputs are left, these inputs succeeded (the record id is
 * known only where one result is left for one input).  When one input is left,
 * no result, and an error that found nobody, it is that input's.  Otherwise
 * the rest is REPLY_UNKNOWN and must be sent again alone.
 */
typedef enum ReplyOutcome
{
	REPLY_UNKNOWN,				/* the answer does not account for this input */
	REPLY_CONFIRMED,
	REPLY_FAILED
} ReplyOutcome;

typedef struct ReplyInput
{
	const char *trace;			/* in: objectWriteTraceId as sent, or NULL */
	const char *key;			/* in: the id as sent, or NULL */
	ReplyOutcome outcome;		/* out */
	const ReplyResult *result;	/* out: of a confirmed one, may be NULL */
	const ReplyError *error;	/* out: of a failed one */
} ReplyInput;

extern void reply_match(const Reply *reply, const char *key_property,
						ReplyInput *inputs, int ninputs);

/*
 * Whether the answer's own error points at this input of a refused batch: it names the id in its
 * context, or quotes the key in the words that it begins with.  (A named property is the caller's
 * to compare, who knows the properties of each input.)
 */
extern bool reply_names(const Reply *reply, const char *key);

/* Whether an error's context names this id. */
extern bool reply_error_names(const ReplyError *error, const char *id);

/* Whether an error of one record is a passing one: the same may work later. */
extern bool reply_is_transient(const ReplyError *error);

/* What a refused request is called: its code says more than its category. */
extern const char *reply_code(const Reply *reply);

/* The property that a refused batch complains about, or NULL. */
extern const char *reply_named_property(const Reply *reply);

/*
 * The use of the account's day, of the answer to the question for it; false
 * when it does not tell.  -1: this part is not told.
 */
typedef struct ReplyUsage
{
	int64_t		limit;
	int64_t		used;
	int64_t		resets_at;		/* seconds since 1970 */
} ReplyUsage;

extern bool reply_usage(const Reply *reply, ReplyUsage *usage);

/*
 * The list that an answer is about: "list": {"listId": .., "processingType": ..}; false when
 * it tells of none.
 */
typedef struct ReplyList
{
	char		id[REPLY_ID_BYTES];
	bool		is_dynamic;		/* HubSpot finds its members itself */
} ReplyList;

extern bool reply_list(const Reply *reply, ReplyList *list);

/* Whether an array of the body's top level has this id. */
extern bool reply_lists_id(const Reply *reply, const char *array, const char *id);

/* paging.next.after of a list that goes on; "" when it does not. */
extern const char *reply_next_page(const Reply *reply);

/* Whether the body's top level has a member. */
extern bool reply_has(const Reply *reply, const char *name);

/* A member of the body's top level: "" or 0 when absent or of another type. */
extern const char *reply_text(const Reply *reply, const char *name);
extern int64_t reply_number(const Reply *reply, const char *name);

/*
 * Length of the UTF-8 character that the text begins with; 0 when it is malformed. len is not 0.
 */
extern size_t reply_utf8_length(const char *text, size_t len);

/* Copy text as valid UTF-8 without control characters, cut at whole characters. */
extern void reply_clean_text(char *dst, size_t size, const char *src, size_t len);

#endif							/* HUBSPOT_REPLY_H */
