/*
 * reading.c
 *		The worker reads what somebody needs to know of an account.
 *
 * Nothing is asked for before somebody needs it.  What was read less than max_age ago, by whatever
 * worker, is not asked for again, unless a row names what is not known (reading_look_again()).
 * Answers become JSON text, are stored by reading_step() in a transaction, and come from the tables
 * to those who go by them (schema_load()), so that there is one way in.
 *
 * Memory: states of readings and pages of answers in "hubspot work"; a state stays as long as its
 * account.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "facts/reading_rows.h"
#include "facts/reading_store.h"
#include "reading/reading.h"
#include "text/encoding.h"
#include "text/value.h"

#define LOOK_EVERY_US	(READING_LOOK_S * INT64CONST(1000000))	/* after a miss, for all */
#define LOOK_MAX_US		(10 * INT64CONST(1000000))	/* then it goes by what is known */
#define MAX_LISTED		(32 * 1024 * 1024)	/* bytes of all pages of a list */
#define MAX_PAGES		1000	/* the same */
#define MAX_READINGS	4096	/* of an account */
#define MAX_UNREADABLE	3		/* answers in a row; then it counts as not told */

typedef enum ReadingStage
{
	READING_RESTS,
	READING_IS_ASKED,			/* a request for a page is under way */
	READING_IS_STORED			/* the answer is to be written into the tables */
} ReadingStage;

/* A refusal, as long as it is not stored. */
typedef struct Refused
{
	int			http_status;
	char		category[64];
	char		scopes[256];
	char		message[512];
} Refused;

struct ReadingState
{
	Account    *account;
	ReadingId	id;
	char		subject[READING_SUBJECT];	/* "": of a reading without subjects */
	Bitmapset  *users;			/* families of the lanes that use it */
	ReadingStage stage;
	bool		looked_up;		/* how it stands in the tables */
	bool		settled;		/* HubSpot has told, or said that it will not */
	bool		told;			/* it has told */
	bool		wanted;			/* to be read (again) */
	bool		outdated;		/* what is being read was asked for before something changed */
	bool		fresh;			/* read since the worker was last asked to */
	TimestampTz read_at;
	StringInfo	json;			/* of the pages so far; NULL: none */
	char	   *next_page;
	int			npages;
	bool		is_refused;		/* to be stored, instead of rows */
	Refused		refused;
	int64		looked_at;		/* when a miss had it read again, by clock_us(); 0: never */
	bool		looking;		/* what misses waits for that, but not for ever */
	LaneStatus	trouble;		/* in RUN unless the last answer was none that tells */
};

/* The variable is the loop's own. */
#define foreach_reading(state, account) \
	for (int state##_i = 0; state##_i < list_length((account)->readings); state##_i++) \
		for (ReadingState *state = list_nth((account)->readings, state##_i); state != NULL; \
			 state = NULL)

/* ---- which there are --------------------------------------------------------------- */

static ReadingState *
find(const Account *account, ReadingId id, const char *subject)
{
	foreach_reading(state, account)
	{
		if (state->id == id && strcmp(state->subject, subject) == 0)
			return state;
	}
	return NULL;
}

/* NULL when there are too many. */
static ReadingState *
find_or_add(Account *account, ReadingId id, const char *subject)
{
	ReadingState *state = find(account, id, subject);
	MemoryContext old;

	Assert((readings[id].tail == NULL) == (subject[0] == '\0'));
	if (state != NULL || list_length(account->readings) >= MAX_READINGS ||
		strlen(subject) >= sizeof(state->subject))
		return state;
	old = MemoryContextSwitchTo(WorkerContext);
	state = palloc0(sizeof(ReadingState));
	state->account = account;
	state->id = id;
	strlcpy(state->subject, subject, sizeof(state->subject));
	lane_init(&state->trouble, account->name, lane_family_name(FAMILY_SCHEMA));
	account->readings = lappend(account->readings, state);
	MemoryContextSwitchTo(old);
	return state;
}

/* What lacks from the words of lane_rules[]: which reading it is. */
static const char *
noun_of(const ReadingState *state)
{
	return psprintf("%s%s%s", readings[state->id].noun, state->subject[0] != '\0' ? " of " : "",
					state->subject);
}

static const char *
detail_of(const ReadingState *state, const char *why)
{
	return psprintf("%s: %s", noun_of(state), why);
}

/* ---- what is wanted ---------------------------------------------------------------- */

static bool
is_old(const ReadingState *state)
{
	return state->read_at == 0 ||
		TimestampDifferenceExceeds(state->read_at, GetCurrentTimestamp(),
								   readings[state->id].max_age * 1000);
}

static int64
looks_for(const ReadingState *state, int64 now)
{
	if (!state->looking || now < state->looked_at)
		return 0;
	return Max(state->looked_at + LOOK_MAX_US - now, 0);
}

/* Whether a miss may have it read again, beside those that wait for that. */
static bool
may_look(const ReadingState *state, int64 now)
{
	const Account *account = state->account;

	/* where it cannot be read now, that would only hold up the lane */
	return state->settled && state->told && account->status.state == LANE_RUN &&
		state->trouble.state == LANE_RUN &&
		!accounts_is_paused(account->lanes[FAMILY_SCHEMA]) &&
		(state->looked_at == 0 || now - state->looked_at >= LOOK_EVERY_US ||
		 now < state->looked_at);
}

bool
reading_use(Lane *lane, ReadingId id, const char *subject)
{
	ReadingState *state = find_or_add(lane->account, id, subject);

	if (state == NULL)
		return true;
	if (!bms_is_member(lane->family, state->users))
	{
		MemoryContext old = MemoryContextSwitchTo(WorkerContext);

		state->users = bms_add_member(state->users, lane->family);
		MemoryContextSwitchTo(old);
	}
	if (state->looked_up && is_old(state))
		state->wanted = true;
	return state->settled;
}

bool
reading_is_told(const Lane *lane, ReadingId id, const char *subject)
{
	const ReadingState *state = find(lane->account, id, subject);

	return state != NULL && state->told;
}

bool
reading_may_look(const Lane *lane, ReadingId id, const char *subject)
{
	const ReadingState *state = find(lane->account, id, subject);
	int64		now = clock_us();

	return state != NULL && (looks_for(state, now) > 0 || may_look(state, now));
}

bool
reading_look_again(Lane *lane, ReadingId id, const char *subject)
{
	ReadingState *state = find(lane->account, id, subject);
	int64		now = clock_us();

	if (state == NULL || (looks_for(state, now) == 0 && !may_look(state, now)))
		return false;
	if (looks_for(state, now) == 0)
	{
		state->looked_at = now;
		state->looking = state->wanted = true;
	}
	return true;
}

/* What rows are mapped by is in memory only when the tables have been read again. */
static bool
is_usable(const ReadingState *state)
{
	return state->settled && !(readings[state->id].maps && state->account->schema_stale);
}

int64
reading_holds(const Lane *lane, int64 now)
{
	int64		longest = 0;

	foreach_reading(state, lane->account)
	{
		if (!bms_is_member(lane->family, state->users))
			continue;
		if (!is_usable(state))
			return -1;
		longest = Max(longest, looks_for(state, now));
	}
	return longest;
}

void
reading_want(Account *account, ReadingId id, const char *subject, TimestampTz since)
{
	ReadingState *state = find_or_add(account, id, subject);
	int64		now = clock_us();

	if (state == NULL || !state->looked_up || state->stage != READING_RESTS || state->wanted ||
		(state->settled && state->read_at >= since))
		return;
	if (!state->settled || is_old(state))
		state->wanted = true;
	/* it has missed something, or was told that it is refused, and something may have been done */
	else if (state->looked_at == 0 || now - state->looked_at >= LOOK_EVERY_US ||
			 now < state->looked_at)
	{
		state->looked_at = now;
		state->wanted = true;
	}
}

static void
refresh(ReadingState *state)
{
	/* an answer that is under way, or pages of it, may not have what has just come to be */
	state->outdated = state->stage != READING_RESTS || state->json != NULL;
	state->wanted = true;
	state->fresh = false;
}

void
reading_doubt(Lane *lane, ReadingId id, const char *subject)
{
	ReadingState *state = find(lane->account, id, subject);

	if (state == NULL || !state->told)
		return;
	refresh(state);
	state->looked_at = clock_us();
	state->looking = true;
}

void
reading_refresh_all(Account *account)
{
	foreach_reading(state, account)
	{
		refresh(state);
		lane_reload(&state->trouble);
	}
}

bool
reading_all_are_fresh(const Account *account)
{
	foreach_reading(state, account)
	{
		if (!state->fresh && state->wanted)
			return false;
	}
	return true;
}

void
reading_again(Account *account)
{
	foreach_reading(state, account)
	{
		if (state->settled)
			refresh(state);
	}
}

void
reading_restart(Account *account)
{
	foreach_reading(state, account)
	{
		lane_event(&state->trouble, EVENT_SUCCESS, NULL, 0);
		if (state->settled && !state->told)
			state->wanted = true;
	}
}

void
reading_reload(Account *account)
{
	foreach_reading(state, account)
	{
		lane_reload(&state->trouble);
	}
}

void
reading_leave(Account *account)
{
	foreach_reading(state, account)
	{
		lane_leave(&state->trouble);
	}
}

const LaneStatus *
reading_trouble(const Lane *lane)
{
	foreach_reading(state, lane->account)
	{
		bool		waits = !state->settled && bms_is_member(lane->family, state->users);

		if ((waits || lane->family == FAMILY_SCHEMA) && state->trouble.state != LANE_RUN)
			return &state->trouble;
	}
	return NULL;
}

/* ---- requests and answers ---------------------------------------------------------- */

static char *
path_for(const ReadingState *state)
{
	const Reading *reading = &readings[state->id];
	const char *path = accounts_path(state->account, reading->path, NULL);

	return reading->tail == NULL ? pstrdup(path)
		: psprintf("%s%s", path, reading->tail(state->subject));
}

static char *
query_for(const ReadingState *state)
{
	const char *query = readings[state->id].query;
	const char *page = state->next_page;

	if (page == NULL)
		return query == NULL ? NULL : psprintf("?%s", query);
	return query == NULL ? psprintf("?after=%s", page) : psprintf("?%s&after=%s", query, page);
}

bool
reading_next(Account *account, int64 now, ReadingRequest *request)
{
	if (accounts_is_paused(account->lanes[FAMILY_SCHEMA]))
		return false;
	foreach_reading(state, account)
	{
		if (!state->wanted || state->stage != READING_RESTS ||
			!lane_may_send(&state->trouble, now))
			continue;
		*request = (ReadingRequest)
		{
			.state = state, .path = path_for(state), .query = query_for(state)
		};
		return true;
	}
	return false;
}

void
reading_asking(ReadingState *state)
{
	Assert(state->stage == READING_RESTS);
	if (state->json == NULL)
		state->outdated = false;
	state->stage = READING_IS_ASKED;
}

LaneStatus *
reading_status(ReadingState *state)
{
	return &state->trouble;
}

static void
forget_pages(ReadingState *state)
{
	if (state->json != NULL)
	{
		pfree(state->json->data);
		pfree(state->json);
	}
	if (state->next_page != NULL)
		pfree(state->next_page);
	state->json = NULL;
	state->next_page = NULL;
	state->npages = 0;
	state->is_refused = false;
}

/* HubSpot does not tell. */
static void
take_refusal(ReadingState *state, int http_status, const char *category, const char *scopes,
			 const char *message)
{
	forget_pages(state);
	state->is_refused = true;
	state->refused.http_status = http_status;
	strlcpy(state->refused.category, category, sizeof(state->refused.category));
	strlcpy(state->refused.scopes, scopes, sizeof(state->refused.scopes));
	encoding_copy(state->refused.message, sizeof(state->refused.message), message);
	state->stage = READING_IS_STORED;
	state->wanted = false;
}

/* A page of a list; the last one completes the answer.  A list without an end tells nothing. */
static void
take_page(ReadingState *state, const Reply *reply)
{
	MemoryContext old = MemoryContextSwitchTo(WorkerContext);

	if (state->json == NULL)
	{
		state->json = makeStringInfo();
		appendStringInfoChar(state->json, '[');
	}
	rows_add_each(state->json, reply_json_member(reply->root, "results", json_type_array),
				  readings[state->id].row);
	if (state->next_page != NULL)
		pfree(state->next_page);
	state->next_page = value_encoded_cursor(reply_next_page(reply));
	if (state->json->len > MAX_LISTED || ++state->npages > MAX_PAGES)
		take_refusal(state, reply->status, "TOO_LONG", "", "the list has no end");
	else if (state->next_page == NULL)
	{
		appendStringInfoChar(state->json, ']');
		state->stage = READING_IS_STORED;
		state->wanted = false;
	}
	MemoryContextSwitchTo(old);
}

void
reading_answered(ReadingState *state, const Reply *reply, bool useful)
{
	Assert(state->stage == READING_IS_ASKED);
	state->stage = READING_RESTS;
	if (!useful)
		return;
	if (reply->class == REPLY_RECORDS)
		take_page(state, reply);
	else
		take_refusal(state, reply->status, reply_code(reply), reply->scopes, reply->message);
}

void
reading_unreadable(ReadingState *state, const char *why)
{
	state->looking = false;
	lane_event(&state->trouble, EVENT_UNREADABLE, detail_of(state, why), 0);
	lane_reason_quotes(&state->trouble);
	/* lanes that use it have waited for a while: they go on by what is known, perhaps nothing */
	if (state->trouble.failures >= MAX_UNREADABLE)
		state->settled = true;
}

/* ---- tables ------------------------------------------------------------------------ */

static ReadingState *at_work;	/* in reading_step() */

static bool
is_due(const ReadingState *state, int64 now)
{
	if (state->stage == READING_IS_STORED)
		return true;
	return !state->looked_up && lane_may_send(&state->trouble, now);
}

static ReadingState *
next_due(void)
{
	int64		now = clock_us();

	foreach_account(account)
	{
		if (account->dropped || account->options == NULL)
			continue;
		foreach_reading(state, account)
		{
			if (is_due(state, now))
				return state;
		}
	}
	return NULL;
}

bool
reading_is_due(void)
{
	return next_due() != NULL;
}

/* What another worker has read counts. */
static void
look_up(ReadingState *state)
{
	ReadingStand stand;

	PushActiveSnapshot(GetTransactionSnapshot());
	stand = reading_stand(state->account->server, state->id, state->subject);
	PopActiveSnapshot();
	state->read_at = stand.read_at;
	state->told = stand.known;
	state->settled = stand.read_at != 0;
	state->wanted = is_old(state);
}

void
reading_step(void)
{
	at_work = NULL;
	at_work = next_due();
	if (at_work == NULL)
		return;
	if (at_work->stage != READING_IS_STORED)
		look_up(at_work);
	else if (at_work->is_refused)
	{
		ReadingRefusal refusal = {
			.http_status = at_work->refused.http_status, .category = at_work->refused.category,
			.scopes = at_work->refused.scopes, .message = at_work->refused.message
		};

		reading_store(at_work->account->server, at_work->id, at_work->subject, NULL, &refusal);
	}
	else
		reading_store(at_work->account->server, at_work->id, at_work->subject,
					  at_work->json->data, NULL);
}

/* That HubSpot refuses is no trouble of the reading, and told all the same. */
static void
tell(ReadingState *state)
{
	if (!state->settled || state->told)
		lane_event(&state->trouble, EVENT_SUCCESS, NULL, 0);
	else
		lane_event(&state->trouble, EVENT_NOT_TOLD, noun_of(state), 0);
}

void
reading_done(void)
{
	ReadingState *state = at_work;

	if (state == NULL)
		return;
	state->looked_up = true;
	if (state->stage != READING_IS_STORED)
	{
		tell(state);
		return;
	}
	state->stage = READING_RESTS;
	state->settled = true;
	state->told = !state->is_refused;
	tell(state);
	state->looking = false;
	state->read_at = GetCurrentTimestamp();
	state->fresh = !state->outdated;
	state->wanted = state->outdated;
	if (readings[state->id].maps)
		state->account->schema_stale = true;
	forget_pages(state);
}

bool
reading_failed(const char *why)
{
	ReadingState *state = at_work;

	if (state == NULL)
		return false;
	/* a transaction that failed at its start has looked at nothing: this is the former one */
	if (state->stage == READING_IS_STORED)
	{
		state->stage = READING_RESTS;
		state->wanted = true;
		forget_pages(state);
	}
	state->looking = false;
	lane_event(&state->trouble, EVENT_NOT_STORED, detail_of(state, why), 0);
	lane_reason_quotes(&state->trouble);
	return true;
}
