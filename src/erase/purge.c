/*
 * purge.c
 *		Every trace of an erased contact leaves the tables.
 *
 * The one exception to the rule that outbox and results are never updated.
 * The rows stay, so that everything still has its verdict; messages, keys and
 * what HubSpot said are emptied.  All erasures that wait go through the large tables
 * together (purge_pass.c), in slices between which the worker delivers.  After
 * that each goes its own way: what is left are rows found by an index, and
 * definitions that know the contact.  Who refreshes one of these holds it up, and
 * it alone; the lane's reason and hubspot_health() say who that is.
 *
 * A crash begins anew: the row of the deletion has no verdict before the end.
 * Old versions of the rows are in the tables' files until VACUUM comes by.
 *
 * Memory: a context for each deletion under way.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "erase/end_rows.h"
#include "erase/purge.h"
#include "erase/purge_pass.h"
#include "queue/known.h"
#include "store/company_contact.h"
#include "wait/defer.h"

#define RETRY_US		1000000 /* until a refresh that goes on is looked for again */
#define STEP_US			5000	/* for erasures at their end, in one transaction */
#define PACE			3		/* after a step, so many times as long as it took of the processor
								 * is for the others */

typedef enum Stand
{
	STAND_WAITS,				/* for the next pass */
	STAND_PASSES,				/* is in the one under way */
	STAND_SWEPT,				/* only its end is left */
	STAND_DONE					/* that, too, when the transaction has committed */
} Stand;

typedef struct Purge
{
	dlist_node	node;
	Stand		stand;
	MemoryContext context;
	Input		input;
	AckResult	result;
	char		record_id[RECORD_ID_BYTES];
	Erased		erased;			/* its keys, as text, among others */
	char	   *pattern;		/* of its addresses, for texts of definitions */
	int64		retry_at;
	char		obstacle[SHARED_TEXT];	/* what it waits for, "": nothing */
} Purge;

static dlist_head purges = DLIST_STATIC_INIT(purges);

/* The pass under way, of all in STAND_PASSES; NULL: none. */
static Pass *pass = NULL;
static MemoryContext pass_context = NULL;
static int64 step_began;		/* on the processor's clock: that others slow it down is no load */
static int64 next_step;			/* none goes before */
static bool steps_pass = false; /* the step is one of the pass, not an end */

/* ---- what the contact is known by ------------------------------------------------- */

static void
add_addresses(Purge *purge, const char *list)
{
	while (list != NULL && *list != '\0')
	{
		size_t		len = strcspn(list, ";");

		erased_add_key(&purge->erased, list, len);
		list += len + strspn(list + len, "; ");
	}
}

/*
 * Rows in the window that were queued before the deletion and are not under way are not sent any
 * more.
 */
static const char *const erased_category = "erased";
static const char *const erased_why = "the contact was erased before the row could be sent";

/* The same of pairs, which name the contact as one of two. */
static void
cancel_pairs(const Purge *purge, const char *const *properties, int nproperties, int64 before)
{
	GoneEnd    *gone = palloc(sizeof(GoneEnd) * list_length(purge->erased.keys) * nproperties);
	int			ngone = 0;
	ListCell   *cell;

	foreach(cell, purge->erased.keys)
	{
		for (int i = 0; i < nproperties; i++)
		{
			PairEnd		end =
			{.object = OBJECT_IS_CONTACT, .property = properties[i], .key = lfirst(cell)};

			if (i == 0 || properties[i] != NULL)
				gone[ngone++] = (GoneEnd)
			{
				.text = message_pair_end_text(&end), .before = before
			};
		}
	}
	end_pairs_of(purge->input.key->lane->account, gone, ngone, erased_category, erased_why);
	pfree(gone);
}

static void
cancel_others(const Purge *purge)
{
	Account    *account = purge->input.key->lane->account;
	const char *const properties[] =
	{NULL, MESSAGE_USER_ID, account->options->id_property[OBJECT_IS_CONTACT]};
	int64		before = purge->input.rows[purge->input.nrows - 1]->id;
	ListCell   *cell;

	foreach(cell, purge->erased.keys)
	{
		foreach_object(object, keyed_by_contact)
		{
			for (int i = 0; i < lengthof(properties); i++)
			{
				WorkKey    *key = queue_find(account->lanes[object], properties[i], lfirst(cell));

				if (key != NULL && (i == 0 || properties[i] != NULL))
					end_rows_before(key, before, erased_category, erased_why);
			}
		}
	}
	cancel_pairs(purge, properties, lengthof(properties), before);
}

void
purge_begin(Input *input, const AckResult *result)
{
	MemoryContext context =
	AllocSetContextCreate(WorkerContext, "hubspot purge", ALLOCSET_SMALL_SIZES);
	Purge	   *purge = MemoryContextAllocZero(context, sizeof(Purge));

	purge->context = context;
	purge->input = *input;
	purge->input.rows = MemoryContextAlloc(context, sizeof(Row *) * input->nrows);
	memcpy(purge->input.rows, input->rows, sizeof(Row *) * input->nrows);
	purge->result = *result;
	purge->result.request = NULL;	/* it will have been written, and forgotten, before the verdict
									 * is */
	strlcpy(purge->record_id, input->key->record_id, sizeof(purge->record_id));
	purge->erased = (Erased)
	{
		.server = input->key->lane->account->server, .before = input->rows[0]->id,
			.record_id = purge->record_id, .context = context
	};
	erased_add_key(&purge->erased, input->key->key, strlen(input->key->key));
	add_addresses(purge, input->alias);
	known_forget(input->key);
	input->key->record_id[0] = '\0';
	dlist_push_tail(&purges, &purge->node);
}

bool
purge_is_due(void)
{
	return purge_wake(clock_us()) == 0;
}

int64
purge_wake(int64 now)
{
	int64		wait = -1;
	dlist_iter	iter;

	dlist_foreach(iter, &purges)
	{
		const Purge *purge = dlist_container(Purge, node, iter.cur);
		int64		its = Max(Max(purge->retry_at, next_step) - now, 0);

		wait = wait < 0 ? its : Min(wait, its);
	}
	return wait;
}

/* How far one is that nobody holds up. */
static void
describe_progress(const Purge *purge, char *text, size_t size)
{
	int64		id = purge->erased.before;
	int64		done;
	int64		all;

	if (purge->stand == STAND_SWEPT || purge->stand == STAND_DONE)
		snprintf(text, size,
				 "erasure of row " INT64_FORMAT " has been through the tables and is at its end",
				 id);
	else if (pass == NULL || !pass_progress(pass, &done, &all))
		snprintf(text, size, "erasure of row " INT64_FORMAT " begins", id);
	else if (purge->stand == STAND_PASSES)
		snprintf(text, size,
				 "erasure of row " INT64_FORMAT " goes through the tables: " INT64_FORMAT
				 " of " INT64_FORMAT " rows are done",
				 id, done, all);
	else
		snprintf(text, size,
				 "erasure of row " INT64_FORMAT
				 " is the next to go through the tables: of those before it, "
				 INT64_FORMAT " of " INT64_FORMAT " rows are done", id, done, all);
}

/* The first of those that somebody holds up, or of the others. */
static int
describe_first(const Account *account, bool held_up, char *reason, size_t size)
{
	int			count = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &purges)
	{
		const Purge *purge = dlist_container(Purge, node, iter.cur);

		if (purge->input.key->lane->account != account || (purge->obstacle[0] != '\0') != held_up ||
			count++ > 0)
			continue;
		if (held_up)
			strlcpy(reason, purge->obstacle, size);
		else
			describe_progress(purge, reason, size);
	}
	return count;
}

bool
purge_reason(const Account *account, char *reason, size_t size)
{
	int			count = describe_first(account, true, reason, size);

	if (count == 0)
		count = describe_first(account, false, reason, size);
	if (count > 1)
		snprintf(reason + strlen(reason), size - strlen(reason), "; %d more erasures wait",
				 count - 1);
	return count > 0;
}

/* ---- the tables ---------------------------------------------------------------------- */

/* The parameters that all statements have. */
enum PurgeParameter
{
	PURGE_SERVER, PURGE_KEYS, PURGE_PATTERN, PURGE_RECORD, PURGE_ROWS, PURGE_BEFORE
#define PURGE_PARAMETERS (PURGE_BEFORE + 1)
};

static Datum
key_array(const Purge *purge)
{
	Datum	   *elements = palloc(sizeof(Datum) * list_length(purge->erased.keys));

	for (int i = 0; i < list_length(purge->erased.keys); i++)
		elements[i] = CStringGetTextDatum(list_nth(purge->erased.keys, i));
	return PointerGetDatum(construct_array(elements, list_length(purge->erased.keys), TEXTOID, -1,
										   false, TYPALIGN_INT));
}

static Datum
row_array(const Purge *purge)
{
	const Input *input = &purge->input;
	int64	   *ids = palloc(sizeof(int64) * input->nrows);

	for (int i = 0; i < input->nrows; i++)
		ids[i] = input->rows[i]->id;
	return statement_ids(ids, input->nrows);
}

static void
execute(const Purge *purge, const char *sql)
{
	Oid			types[PURGE_PARAMETERS] = {OIDOID, TEXTARRAYOID, TEXTOID, TEXTOID, INT8ARRAYOID,
	INT8OID};
	Datum		values[PURGE_PARAMETERS] = {
		ObjectIdGetDatum(purge->erased.server), key_array(purge),
		CStringGetTextDatum(purge->pattern),
		CStringGetTextDatum(purge->record_id),
		row_array(purge),
		Int64GetDatum(purge->erased.before)
	};

	if (statement_execute(sql, PURGE_PARAMETERS, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not remove the traces of an erased contact");
}

/*
 * A regular expression for the addresses, each as a whole word; one that matches nothing when there
 * are none.
 */
static void
make_pattern(Purge *purge)
{
	StringInfoData text;
	ListCell   *cell;
	bool		first = true;
	MemoryContext old = MemoryContextSwitchTo(purge->context);

	initStringInfo(&text);
	appendStringInfoString(&text, "(^|[^a-z0-9._%+-])(");
	foreach(cell, purge->erased.keys)
	{
		const char *key = lfirst(cell);

		if (strchr(key, '@') == NULL)
			continue;
		appendStringInfoString(&text, first ? "" : "|");
		first = false;
		for (; *key != '\0'; key++)
		{
			if (!isalnum((unsigned char) *key))
				appendStringInfoChar(&text, '\\');
			appendStringInfoChar(&text, pg_ascii_tolower((unsigned char) *key));
		}
	}
	appendStringInfoString(&text, first ? "(?!)" : "");
	appendStringInfoString(&text, ")($|[^a-z0-9.-]|[.-]($|[^a-z0-9]))");
	purge->pattern = text.data;
	MemoryContextSwitchTo(old);
}

/* By the keys, which the pass has found all of, so that an index does it. */
#define RECORDS_OF_CONTACT \
	" r.key_hash = ANY (ARRAY(SELECT pg_catalog.hashtextextended(k, 0)" \
	" FROM pg_catalog.unnest($2) k))" \
	" AND r.server = $1 AND r.object = 'contact' AND r.key = ANY ($2)"

/* An entry for another SERVER is no trace in the account of the erasure. */
#define SUPPRESSED_OF_CONTACT \
	" (s.address = ANY ($2) OR s.user_id = ANY ($2))" \
	" AND NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_server o" \
	"  WHERE o.srvname = s.server AND o.oid <> $1)"
#define SUPPRESSED_HASH(column) \
	"'sha256:' || pg_catalog.encode(pg_catalog.sha256(k.key || pg_catalog.convert_to(" column \
	", pg_catalog.getdatabaseencoding())), 'hex')"

/* The row of the deletion itself is the sign for admit.c that all is done. */
static const char *const empty_rest[] = {
	"UPDATE hubspot.outbox SET key = '', key_property = NULL, message = '{\"gdpr\": "
	"true}' WHERE id = ANY ($5)",
	"DELETE FROM hubspot.confirmed c USING hubspot.record r WHERE" RECORDS_OF_CONTACT
	" AND c.record_id = r.record_id AND c.server = r.server AND c.object = r.object",
	"DELETE FROM hubspot.confirmed WHERE server = $1 AND object = 'contact' AND record_id = $4",
	/* of an association the key has the contact, which may have blanks, in front of the company */
	"WITH gone AS (DELETE FROM hubspot.sync_trouble t"
	" WHERE (t.key = ANY ($2) OR t.object = 'association'"
	"  AND EXISTS (SELECT FROM pg_catalog.unnest($2) k"
	"  WHERE pg_catalog.starts_with(t.key, k || ' ')))"
	" AND NOT EXISTS (SELECT FROM hubspot.sync d WHERE d.report = t.report AND d.server"
	"  <> (SELECT s.srvname FROM pg_catalog.pg_foreign_server s WHERE s.oid = $1))"
	" RETURNING t.report)"
	" UPDATE hubspot.sync_count c SET troubled = c.troubled - g.n"
	" FROM (SELECT gone.report, pg_catalog.count(*) AS n FROM gone GROUP BY gone.report) g"
	" WHERE g.report = c.report",
	/* who had opted out is not to be written to again: consent/suppressed_hash.h */
	"INSERT INTO hubspot.suppressed_key (key)"
	" SELECT pg_catalog.sha256(pg_catalog.uuid_send(pg_catalog.gen_random_uuid())"
	"  || pg_catalog.uuid_send(pg_catalog.gen_random_uuid()))"
	" WHERE NOT EXISTS (SELECT FROM hubspot.suppressed_key)"
	" AND EXISTS (SELECT FROM hubspot.suppressed s WHERE" SUPPRESSED_OF_CONTACT ")",
	"WITH gone AS (DELETE FROM hubspot.suppressed s WHERE" SUPPRESSED_OF_CONTACT " RETURNING s.*),"
	" k AS (SELECT key FROM hubspot.suppressed_key LIMIT 1)"
	" INSERT INTO hubspot.suppressed (address, user_id, server, subscription, objects, since)"
	" SELECT " SUPPRESSED_HASH("gone.address") ", " SUPPRESSED_HASH("gone.user_id")
	", gone.server, gone.subscription, gone.objects, gone.since"
	" FROM gone, k ON CONFLICT DO NOTHING",
	/* what a later row has told of a userId is no trace of before */
	"DELETE FROM hubspot.record r WHERE" RECORDS_OF_CONTACT
	" AND (r.told_by IS NULL OR r.told_by < $6)",
};

/*
 * Definitions that know the contact, or whose state says something of it.  A membership is the
 * contact's unless its keys are companies' or events'.  The key of an association has the contact
 * beside the company, its value has it apart.
 */
#define SYNCS_OF(object) \
	" m.sync = ANY (ARRAY(SELECT d.id FROM hubspot.sync d" \
	"  WHERE d.server = (SELECT s.srvname FROM pg_catalog.pg_foreign_server s WHERE s.oid = $1)" \
	"  AND d.object = '" object "' AND d.level IS DISTINCT FROM 'account'))"
#define KEYS_OF_CONTACTS \
	" (m.key = ANY ($2) AND" SYNCS_OF("contact") \
	" OR" SYNCS_OF("association") \
	" AND ARRAY[m.value->>'contact', pg_catalog.lower(m.value->>'contact')] && $2)"
#define STATES_OF_CONTACT STATES_OF_CONTACT_WITH("")
#define STATES_OF_CONTACT_WITH(joined) \
	" FROM hubspot.sync_state t" joined \
	" WHERE (t.sync IN (SELECT m.sync FROM hubspot.member m WHERE" KEYS_OF_CONTACTS ")" \
	" OR pg_catalog.lower(t.error) ~ $3" \
	" OR t.fill_finished_at IS NOT NULL AND pg_catalog.lower(t.fill_position) ~ $3)"

static const char *const empty_members[] = {
	"WITH gone AS (DELETE FROM hubspot.member m WHERE" KEYS_OF_CONTACTS " RETURNING m.sync)"
	" UPDATE hubspot.sync_state t SET members = t.members - g.n"
	" FROM (SELECT sync, pg_catalog.count(*) AS n FROM gone GROUP BY sync) g WHERE g.sync = t.sync",
	"UPDATE hubspot.sync_state t SET error = 'erased' WHERE pg_catalog.lower(t.error) ~ $3",
	"UPDATE hubspot.sync_state t SET fill_position = NULL"
	" WHERE t.fill_finished_at IS NOT NULL AND pg_catalog.lower(t.fill_position) ~ $3",
};

static uint64
rows_of(const Purge *purge, const char *sql)
{
	execute(purge, sql);
	return SPI_processed;
}

/*
 * Keep refreshes off what is to be changed; false when one of them goes on now, which may take
 * long.
 */
static bool
lock_states(const Purge *purge)
{
	return rows_of(purge, "SELECT 1" STATES_OF_CONTACT) ==
		rows_of(purge, "SELECT 1" STATES_OF_CONTACT " FOR UPDATE OF t SKIP LOCKED");
}

/* Who has one of these rows: its transaction stands in the row's xmax. */
static void
name_obstacle(Purge *purge)
{
	int64		id = purge->erased.before;

#define JOINED_TO_LOCKS \
	" JOIN hubspot.sync d ON d.id = t.sync" \
	" JOIN pg_catalog.pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = t.xmax" \
	" AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()"

	if (rows_of(purge, "SELECT d.name, l.pid, t.xmax" STATES_OF_CONTACT_WITH(JOINED_TO_LOCKS)
				" LIMIT 1") > 0)
		snprintf(purge->obstacle, sizeof(purge->obstacle),
				 "erasure of row " INT64_FORMAT
				 " waits for transaction %s of process %s, which refreshes \"%s\"", id,
				 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3),
				 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2),
				 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	else
		snprintf(purge->obstacle, sizeof(purge->obstacle),
				 "erasure of row " INT64_FORMAT
				 " waits for a transaction that refreshes what knows the contact", id);
}

static void
empty_pairs(const Purge *purge)
{
	const char *server = purge->input.key->lane->account->name;
	ListCell   *cell;

	foreach(cell, purge->erased.keys)
		company_contact_remove(server, lfirst(cell));
}

static void
empty_tables(const Purge *purge)
{
	for (int i = 0; i < lengthof(empty_members); i++)
		execute(purge, empty_members[i]);
	for (int i = 0; i < lengthof(empty_rest); i++)
		execute(purge, empty_rest[i]);
	empty_pairs(purge);
}

/* ---- steps -------------------------------------------------------------------------- */

/* Those that wait are gone through the tables for, together. */
static void
begin_pass(void)
{
	MemoryContext old;
	List	   *erased = NIL;
	dlist_iter	iter;

	pass_context = AllocSetContextCreate(WorkerContext, "hubspot purges", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(pass_context);
	dlist_foreach(iter, &purges)
	{
		Purge	   *purge = dlist_container(Purge, node, iter.cur);

		if (purge->stand == STAND_WAITS)
			erased = lappend(erased, &purge->erased);
	}
	pass = pass_begin(erased);
	MemoryContextSwitchTo(old);
	/* after what may fail: who is said to be in the pass is in it */
	dlist_foreach(iter, &purges)
	{
		Purge	   *purge = dlist_container(Purge, node, iter.cur);

		if (purge->stand == STAND_WAITS)
			purge->stand = STAND_PASSES;
	}
}

static void
all_known(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &purges)
	{
		Purge	   *purge = dlist_container(Purge, node, iter.cur);

		if (purge->stand != STAND_PASSES)
			continue;
		make_pattern(purge);
		cancel_others(purge);
	}
}

/* Whether there is one at its end that nobody holds up, as far as is known. */
static bool
may_end_some(void)
{
	int64		now = clock_us();
	bool		result = false;
	dlist_iter	iter;

	dlist_foreach(iter, &purges)
	{
		Purge	   *purge = dlist_container(Purge, node, iter.cur);

		if (purge->stand == STAND_DONE)
			purge->stand = STAND_SWEPT; /* the transaction before failed */
		result = result || (purge->stand == STAND_SWEPT && purge->retry_at <= now);
	}
	return result;
}

/* The ends of those that have been through; who is held up lets the others pass. */
static void
end_some(void)
{
	int64		now = clock_us();
	dlist_iter	iter;

	dlist_foreach(iter, &purges)
	{
		Purge	   *purge = dlist_container(Purge, node, iter.cur);

		if (purge->stand != STAND_SWEPT || purge->retry_at > now)
			continue;

		/*
		 * Definitions that know the contact are locked without waiting: a refresh may hold one for
		 * hours, and the worker delivers nothing while it waits.
		 */
		if (lock_states(purge))
		{
			empty_tables(purge);
			purge->stand = STAND_DONE;
		}
		else
		{
			name_obstacle(purge);
			purge->retry_at = clock_us() + RETRY_US;
		}
		if (clock_us() > now + STEP_US)
			break;
	}
}

bool
purge_wants_all_written(void)
{
	return pass == NULL || may_end_some();
}

void
purge_step(void)
{
	bool		ends = may_end_some();

	step_began = clock_cpu_us();
	if (pass == NULL && !ends)
		begin_pass();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	steps_pass = !ends;
	if (ends)
		end_some();
	else
		pass_step(pass, all_known);
	SPI_finish();
	PopActiveSnapshot();
}

void
purge_done(void)
{
	bool		swept = steps_pass && pass_committed(pass);
	dlist_mutable_iter iter;

	next_step = clock_us() + PACE * (clock_cpu_us() - step_began);
	if (swept)
	{
		pass_end(pass);
		MemoryContextDelete(pass_context);
		pass = NULL;
	}
	dlist_foreach_modify(iter, &purges)
	{
		Purge	   *purge = dlist_container(Purge, node, iter.cur);

		if (swept && purge->stand == STAND_PASSES)
			purge->stand = STAND_SWEPT;
		if (purge->stand != STAND_DONE)
			continue;
		dlist_delete(&purge->node);
		purge->input.key->record_id[0] = '\0';

		/* The verdict last, after the commit: it says that no trace is left. */
		batch_end_input(&purge->input, &purge->result);
		MemoryContextDelete(purge->context);
	}
}
