/*
 * definitions.c
 *		Definitions whose state has changed, whoever changed it; new ways in which their rows fail.
 *
 * What hubspot.syncs says is compared with what it said at the last look.  Of one that is met for
 * the first time nothing is told while it is well.
 *
 * Memory: WorkerContext.  Locks: those of a SELECT, until the caller's commit.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "alert/alert.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "base/worker_context.h"

#define LOOK_US		5000000
#define LOCK_TIMEOUT_MS "100"
#define SOON_US		500000		/* between two, when somebody changes definitions */
#define COST_PART	50			/* so many times what a look has taken is between two */
#define RETRY_US	60000000	/* a look has failed */
#define MAX_KNOWN	10000		/* definitions; further ones are not told of */
#define MAX_OUTCOMES	100000	/* ways in which their rows have failed; the same */

typedef struct Known
{
	int			id;				/* the key, first */
	char		name[NAMEDATALEN * 4];
	char		kind[16];
	char		state[16];
	bool		is_wrong;
	int64		look;			/* number of the look that has met it */
} Known;

static HTAB *known = NULL;
static int64 look = 0;
static int64 next_look = 0;
static int64 earliest_look = 0; /* when somebody has said that one has changed */
static bool hinted = false;

/* How rows of a definition have failed, as far as was told. */
typedef struct Outcome
{
	uint64		hash;			/* the key, first */
} Outcome;

static HTAB *outcomes = NULL;
static bool outcomes_are_known = false; /* a first look has gone through all */

static const char outcomes_sql[] =
"SELECT d.name, d.kind, o.object, o.verdict, nullif(o.category, ''), d.report"
" FROM hubspot.sync_outcome o JOIN hubspot.sync d ON d.report OPERATOR(pg_catalog.=) o.report"
" WHERE o.verdict OPERATOR(pg_catalog.=) ANY (hubspot.verdicts_with('failed'))";

/* By the name: a view has no other key. */
static const char syncs_sql[] =
"SELECT d.id, y.name, y.kind, y.state, y.problem IS NOT NULL"
" FROM hubspot.syncs y JOIN hubspot.sync d ON d.name OPERATOR(pg_catalog.=) y.name";

bool
definitions_are_due(int64 now)
{
	return now >= (hinted ? earliest_look : next_look);
}

int64
definitions_wake(int64 now)
{
	return hinted ? Max(earliest_look - now, 0) : -1;
}

void
definitions_changed(void)
{
	hinted = true;
}

static void
tell(const Known *entry, const char *before, bool was_wrong)
{
	DefinitionNews news = {
		.name = entry->name, .kind = entry->kind, .state = entry->state,
		.is_wrong = entry->is_wrong, .before = before, .was_wrong = was_wrong
	};

	alert_definition(&news);
}

static const char *
text_at(int row, int column)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return text != NULL ? text : "";
}

static void
compare(int row)
{
	int			id = atoi(text_at(row, 1));
	bool		found;
	Known	   *entry = hash_search(known, &id, hash_get_num_entries(known) < MAX_KNOWN
									? HASH_ENTER : HASH_FIND, &found);
	char		before[sizeof(entry->state)];
	bool		was_wrong;

	if (entry == NULL)
		return;
	if (!found)
		memset((char *) entry + sizeof(id), 0, sizeof(*entry) - sizeof(id));
	strlcpy(before, entry->state, sizeof(before));
	was_wrong = entry->is_wrong;
	strlcpy(entry->name, text_at(row, 2), sizeof(entry->name));
	strlcpy(entry->kind, text_at(row, 3), sizeof(entry->kind));
	strlcpy(entry->state, text_at(row, 4), sizeof(entry->state));
	entry->is_wrong = text_at(row, 5)[0] == 't';
	entry->look = look;
	if (found ? strcmp(before, entry->state) != 0 || was_wrong != entry->is_wrong
		: entry->is_wrong)
		tell(entry, found ? before : NULL, was_wrong);
}

/* What is there at the first look was told by a worker before this one. */
static void
look_at_outcome(int row)
{
	char	   *category = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 5);
	char	   *words = psprintf("%s %s %s %s", text_at(row, 6), text_at(row, 3), text_at(row, 4),
								 category != NULL ? category : "");
	uint64		hash = hash_bytes_extended((unsigned char *) words, strlen(words), 0);
	bool		found;

	if (hash_search(outcomes, &hash, hash_get_num_entries(outcomes) < MAX_OUTCOMES
					? HASH_ENTER : HASH_FIND, &found) == NULL || found || !outcomes_are_known)
		return;
	alert_definition_failure(text_at(row, 1), text_at(row, 2), text_at(row, 4), category);
}

/* Those that are not there any more: what was wrong with them is over. */
static void
forget_dropped(void)
{
	HASH_SEQ_STATUS status;
	Known	   *entry;

	hash_seq_init(&status, known);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		bool		was_wrong = entry->is_wrong;
		char		before[sizeof(entry->state)];

		if (entry->look == look)
			continue;
		strlcpy(before, entry->state, sizeof(before));
		strlcpy(entry->state, "dropped", sizeof(entry->state));
		entry->is_wrong = false;
		if (was_wrong)
			tell(entry, before, true);
		(void) hash_search(known, &entry->id, HASH_REMOVE, NULL);
	}
}

void
definitions_step(void)
{
	if (known == NULL)
	{
		HASHCTL		control =
		{.keysize = sizeof(int), .entrysize = sizeof(Known), .hcxt = WorkerContext};

		known = hash_create("hubspot definitions told", 16, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		control.keysize = control.entrysize = sizeof(Outcome);
		outcomes = hash_create("hubspot failures of definitions told", 16, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	/* A table that somebody has locked is looked at later: deliveries wait meanwhile. */
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT_MS, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (statement_execute(syncs_sql, 0, NULL, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.syncs");
	look++;
	for (int i = 0; i < SPI_processed; i++)
		compare(i);
	forget_dropped();
	if (statement_execute(outcomes_sql, 0, NULL, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.sync_outcome");
	for (int i = 0; i < SPI_processed; i++)
		look_at_outcome(i);
	outcomes_are_known = true;
	PopActiveSnapshot();
	SPI_finish();
}

void
definitions_failed(int64 now)
{
	hinted = false;
	next_look = now + RETRY_US;
}

void
definitions_done(int64 began, int64 now)
{
	hinted = false;
	earliest_look = now + Max(SOON_US, (now - began) * COST_PART);
	next_look = Max(now + LOOK_US, earliest_look);
}
