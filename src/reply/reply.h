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

#define REPLY_MAX_DEPTH		32	/* nesting of a body, at most */
#define REPLY_TEXT_MAX		1024	/* bytes kept of a message */
#define REPLY_WORD_MAX		63	/* bytes of a category or code */
#define REPLY_ID_BYTES		24	/* of a record's id, including the '\0' */
#define REPLY_LACKING_MAX 16	/* further ones are not told */

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

/* Parse one header line, with or without its line end; unknown headers are ignored. */
extern void reply_header_line(ReplyHeaders *headers, const char *line, size_t len);

/* HubSpot's name of a data centre: two small letters and one to three digits. */
extern bool reply_is_hublet(const char *text);

/* What the answer means for the request as a whole. */
typedef enum ReplyClass
{
	REPLY_RECORDS,				/* 2xx: look at each record */
	REPLY_REFUSED,				/* 400, 404, 409, 413, 414, 422 ...: the same bytes never work;
								 * bisect the batch, or reject the single record */
	REPLY_LIMITED,				/* 429 of a short window */
	REPLY_DAILY,				/* 429 of the day */
	REPLY_LOCKED,				/* 423: other writes lock the records for a moment */
	REPLY_UNAVAILABLE,			/* 408, 5xx, or a 2xx without memory to read it: retry later */
	REPLY_UNREADABLE,			/* 2xx that cannot be read: HubSpot has probably carried the
								 * request out */
	REPLY_UNAUTHORIZED,			/* 401 */
	REPLY_FORBIDDEN,			/* 403: scope or product tier */
	REPLY_WRONG_HUBLET,			/* 488 */
	REPLY_MIGRATING,			/* 477 */
	REPLY_MISDIRECTED,			/* 3xx, 405, 406, 415: wrong for every record */
	REPLY_NO_TYPE,				/* 400: the account has no such object, or has not activated it;
								 * see reply_settle_no_type() */
	REPLY_NOT_FOUND				/* 404 that does not say what was not found: the path, or what the
								 * request is about; see reply_settle_not_found() */
} ReplyClass;

typedef struct ReplyResult
{
	const char *id;				/* HubSpot's record id as text, or NULL; see reply_is_id() */
	const char *trace;			/* objectWriteTraceId when echoed, or NULL */
	int			created;		/* 1, 0, or -1 when the answer does not say */
	struct json_object *properties; /* borrowed, or NULL */
	const char *from_id;		/* of an association, as all of these NULL when absent */
	const char *to_id;
	const char *from_type;		/* HubSpot's number of the type of the first one, "0-1" */
	struct json_object *to;		/* array of what it is associated with, borrowed */
	const char *after;			/* of the next page of that, NULL: there is none */
	int64_t		association;	/* HubSpot's own type of association, 0: not told */
	const char *created_at;
} ReplyResult;

/* An error of one record, or the whole answer's own. */
typedef struct ReplyError
{
	const char *category;		/* NULL when absent, as all of these */
	const char *sub_category;
	const char *message;		/* for humans; from the first detail if the message embeds JSON */
	const char *code;			/* of the first detail: PROPERTY_DOESNT_EXIST ... */
	const char *property;		/* the property it names */
	const char *existing_id;	/* context.existingId */
	const char *lacking[REPLY_LACKING_MAX]; /* properties that a new record needs, and has not */
	int			nlacking;
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
	bool		is_of_hubspot;	/* an error in HubSpot's form: it was read there */
	ReplyError	error;			/* the answer's own error; empty for 2xx */
	int			nresults;
	ReplyResult *results;
	int			nerrors;		/* per record, of a 207 (or inside a 200) */
	ReplyError *errors;
	struct json_object *root;	/* owner of all borrowed pointers */
} Reply;

/*
 * Parse an answer. body may be NULL.  Never fails.  A 2xx that cannot be read is
 * REPLY_UNREADABLE, and its message names the first bad byte; any other unreadable answer
 * keeps the class of its status.  A 2xx is REPLY_UNAVAILABLE if there is no memory to
 * parse it.
 */
extern void reply_parse(Reply *reply, int status, const ReplyHeaders *headers,
						const char *body, size_t len);
extern void reply_free(Reply *reply);

/*
 * Convert the strings of the answer's JSON to another encoding.  The translator returns
 * malloc'd text that ends in '\0', or NULL if it has no memory: then the answer becomes
 * unreadable.  It is called only for strings that are not ASCII.  The Reply's own arrays
 * (message, policy ...) stay in UTF-8.
 */
typedef char *(*ReplyTranslator) (const char *text, size_t len, size_t *new_len);

extern void reply_translate(Reply *reply, ReplyTranslator translator);

/*
 * A REPLY_NOT_FOUND turns out to be about what was asked for: from here on it is a refusal, of the
 * category "not_found".
 */
extern const char *const reply_not_found;
extern void reply_settle_not_found(Reply *reply);

/*
 * The same of a REPLY_NO_TYPE, where the object is a part of what was asked for, and not what the
 * lane is of.
 */
extern const char *const reply_unknown_object;
extern void reply_settle_no_type(Reply *reply);

/*
 * Whether a text can be the id of a HubSpot object: a positive number shorter than
 * REPLY_ID_BYTES.  A result with any other id is treated as if it had none.
 */
extern bool reply_is_id(const char *text);

/* The id in a JSON value, which is a string or a number; NULL if it is no id. */
extern const char *reply_id_of(struct json_object *value);

/*
 * The id of the other record in one element of an answer about associations, in either of the
 * spellings that HubSpot has for it; NULL when there is none.
 */
extern const char *reply_other_end(struct json_object *to);

/*
 * The id of the n-th record that an answer about associations tells of a result's from_id;
 * NULL when there are no more.
 */
extern const char *reply_associated(const ReplyResult *result, int n);

/*
 * A type of associations: NULL and 0 where an answer does not say.  Category and number together
 * say which it is; the number alone does not.
 */
typedef struct ReplyLabel
{
	const char *category;
	int64_t		type_id;
	const char *label;			/* NULL: the type without one */
} ReplyLabel;

/* The n-th of an answer that lists them; false when there are no more. */
extern bool reply_label(const Reply *reply, int n, ReplyLabel *label);

/* Whether a result's from_id is associated with this record, and the n-th type of that. */
extern bool reply_is_associated(const ReplyResult *result, const char *to_id);
extern bool reply_label_of_pair(const ReplyResult *result, const char *to_id, int n,
								ReplyLabel *label);

/* The text of a result's property; NULL when absent or null. */
extern const char *reply_property(const ReplyResult *result, const char *name);

/*
 * Find the outcome of each input of a request.  The caller fills in trace and key, the
 * function fills in the rest; each input gets exactly one outcome.
 *
 * An error belongs to the inputs that its trace ids name, else to the inputs that its ids
 * name (compared with the key, ignoring case), else to no input, even if it names a
 * property.  A result belongs to the input whose trace id it echoes, else to the input
 * whose key equals the result's property key_property (ignoring case; the result's id if
 * key_property is NULL).
 *
 * The rest is found by elimination.  If every error found its input, no result names an
 * input that has an outcome already, and the remaining results are as many as the
 * remaining inputs, then these inputs succeeded (the record id is known only for one
 * result and one input).  If one input remains, no result, and one error that found no
 * input, the error is that input's.  All other inputs are REPLY_UNKNOWN and must be sent
 * again alone.
 */
typedef enum ReplyOutcome
{
	REPLY_UNKNOWN,				/* neither a result nor an error is about this input */
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
 * Whether the answer's own error is about this input of a refused batch: its context
 * contains the id, or its message begins with words that quote the key.  (The caller
 * compares properties: it knows the properties of each input.)
 */
extern bool reply_names(const Reply *reply, const char *key);

/* Whether an error's context names this id. */
extern bool reply_error_names(const ReplyError *error, const char *id);

/* Whether an error of one record is transient: the same input may succeed later. */
extern bool reply_is_transient(const ReplyError *error);

/* The name of a refusal: the code, which is more precise, else the category. */
extern const char *reply_code(const Reply *reply);

/*
 * The messages of what the answer's own error has in its list of errors, one by one: "" where one
 * has none, NULL behind the last.
 */
extern const char *reply_nested_message(const Reply *reply, int i);

/* The property that the error of a refused batch names, or NULL. */
extern const char *reply_named_property(const Reply *reply);

/*
 * How much of the day's limit is used, from HubSpot's answer about the account's usage.
 * -1: the answer does not contain this figure. reply_usage() returns false if it contains
 * none.
 */
typedef struct ReplyUsage
{
	int64_t		limit;
	int64_t		used;
	int64_t		resets_at;		/* seconds since 1970 */
} ReplyUsage;

extern bool reply_usage(const Reply *reply, ReplyUsage *usage);

/*
 * The list in an answer: "list": {"listId": .., "processingType": ..}. reply_list()
 * returns false if the answer has none.
 */
typedef struct ReplyList
{
	char		id[REPLY_ID_BYTES];
	bool		is_dynamic;		/* HubSpot computes its members */
} ReplyList;

extern bool reply_list(const Reply *reply, ReplyList *list);

/*
 * Whether HubSpot says that it has not what the path of a request names (a list, an event): by 404,
 * or by 400 in words that no code goes with.  Of a name alone nothing else can be wrong.
 */
extern bool reply_says_missing(const Reply *reply);

/* Whether an array in the body's top level contains this id. */
extern bool reply_lists_id(const Reply *reply, const char *array, const char *id);

/* paging.next.after, a text of any letters; "" on the last page. */
extern const char *reply_next_page(const Reply *reply);

/* Whether the body's top level has this member. */
extern bool reply_has(const Reply *reply, const char *name);

/* A member of the body's top level: "" or 0 when absent or of another type. */
extern const char *reply_text(const Reply *reply, const char *name);
extern int64_t reply_number(const Reply *reply, const char *name);

/* Length of the first UTF-8 character of the text; 0 if it is malformed.  len is not 0. */
extern size_t reply_utf8_length(const char *text, size_t len);

/* Copy text as valid UTF-8 without control characters, cut at whole characters. */
extern void reply_clean_text(char *dst, size_t size, const char *src, size_t len);

/*
 * How an address stands to a type of subscription, in an answer about one or many: what it is told
 * of, flat or nested below the address.  subscription NULL: any.  False: nothing; is_told says
 * whether the address has anything at all.  Texts are borrowed, "" when absent.
 */
typedef struct ReplyConsent
{
	bool		is_told;
	const char *status;
	const char *reason;			/* of a write */
} ReplyConsent;

extern bool reply_consent(const Reply *reply, const char *address, const char *subscription,
						  ReplyConsent *consent);

#endif							/* HUBSPOT_REPLY_H */
