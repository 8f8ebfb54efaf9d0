/*
 * purge.c
 *		Every trace of an erased contact leaves the tables.
 *
 * The one exception to the rule that outbox and results are never updated.
 * The rows stay, so that everything still has its verdict; messages, keys and
 * what HubSpot said are emptied.  The outbox is gone through by id, a stretch
 * in each transaction, so that the worker goes on delivering meanwhile.  A
 * crash begins anew: the row of the deletion has no verdict before the end.
 *
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

#include "hubspot.h"
#include "clock.h"
#include "company_contact.h"
#include "defer.h"
#include "purge.h"
#include "records.h"
#include "statement.h"
#include "unchanged.h"

#define RETRY_US		1000000 /* until a refresh that goes on is looked for again */
#define ROWS_AT_ONCE	100000

typedef struct Purge
{
	dlist_node	node;
	MemoryContext context;
	Input		input;
	AckResult	result;
	Oid			server;
	char		record_id[RECORD_ID_BYTES];
	List	   *keys;			/* of the contact, as text */
	char	   *pattern;		/* of its addresses; NULL when they are not known yet */
	int64		position;		/* rows up to this id are done */
	int64		next;			/* ... and up to this one, when the transaction has committed */
	bool		is_last;		/* that transaction goes to the end */
	bool		is_blocked;		/* ... but a refresh goes on meanwhile */
	int64		retry_at;
} Purge;

static dlist_head purges = DLIST_STATIC_INIT(purges);

/* ---- what the contact is known by ------------------------------------------------- */

static void
add_key(Purge *purge, const char *text, int len)
{
	MemoryContext old;
	ListCell   *cell;
	char	   *key;

	if (len == 0)
		return;
	foreach(cell, purge->keys)
		if (strlen(lfirst(cell)) == len && pg_strncasecmp(lfirst(cell), text, len) == 0)
		return;
	old = MemoryContextSwitchTo(purge->context);
	key = pnstrdup(text, len);
	purge->keys = lappend(purge->keys, key);
	MemoryContextSwitchTo(old);
}

static void
add_addresses(Purge *purge, const char *list)
{
	while (list != NULL && *list != '\0')
	{
		size_t		len = strcspn(list, ";");

		add_key(purge, list, len);
		list += len + strspn(list + len, "; ");
	}
}

/* Rows in the window that were queued before the deletion and are not under way are not sent any more. */
static void
cancel_rows(WorkKey *key, int64 before)
{
	static const char *const why = "the contact was erased before the row could be sent";

	while (!dlist_is_empty(&key->rows) && queue_head(key)->id < before)
		batch_end_unsent(queue_head(key), VERDICT_CANCELLED, "erased", why);
	if (key->ndeferred > 0)
		defer_end_key(key, before, VERDICT_CANCELLED, "erased", why);
	else
		queue_drop_idle(key);
}

static void
cancel_others(const Purge *purge)
{
	static const LaneFamily families[] = {FAMILY_ASSOCIATIONS, FAMILY_EVENTS, FAMILY_FORMS, FAMILY_LISTS};
	Account    *account = purge->input.key->lane->account;
	const char *const properties[] = {NULL, MESSAGE_USER_ID, account->options->contact_id_property};
	int64		before = purge->input.rows[purge->input.nrows - 1]->id;
	ListCell   *cell;

	foreach(cell, purge->keys)
		for (int i = 0; i < lengthof(families); i++)
		for (int j = 0; j < lengthof(properties); j++)
		{
			WorkKey    *key = queue_find(&account->lanes[families[i]], properties[j], lfirst(cell));

			if (key != NULL && (j == 0 || properties[j] != NULL))
				cancel_rows(key, before);
		}
}

void
purge_begin(Input *input, const AckResult *result)
{
	MemoryContext context = AllocSetContextCreate(window.work, "hubspot purge", ALLOCSET_SMALL_SIZES);
	Purge	   *purge = MemoryContextAllocZero(context, sizeof(Purge));

	purge->context = context;
	purge->server = input->key->lane->account->server;
	purge->input = *input;
	purge->input.rows = MemoryContextAlloc(context, sizeof(Row *) * input->nrows);
	memcpy(purge->input.rows, input->rows, sizeof(Row *) * input->nrows);
	purge->result = *result;
	purge->result.request = NULL;	/* it will have been written, and forgotten, before the verdict
									 * is */
	strlcpy(purge->record_id, input->key->record_id, sizeof(purge->record_id));
	add_key(purge, input->key->key, strlen(input->key->key));
	add_addresses(purge, input->alias);
	unchanged_forget(input->key);
	input->key->record_id[0] = '\0';
	dlist_push_tail(&purges, &purge->node);
}

bool
purge_is_due(void)
{
	return !dlist_is_empty(&purges) && dlist_head_element(Purge, node, &purges)->retry_at <= clock_us();
}

/* ---- the tables ---------------------------------------------------------------------- */

/* The parameters that all statements have. */
enum PurgeParameter
{
	PURGE_SERVER, PURGE_FROM, PURGE_TO, PURGE_KEYS, PURGE_PATTERN, PURGE_RECORD, PURGE_ROWS
#define PURGE_PARAMETERS (PURGE_ROWS + 1)
};

static Datum
key_array(const Purge *purge)
{
	Datum	   *elements = palloc(sizeof(Datum) * list_length(purge->keys));

	for (int i = 0; i < list_length(purge->keys); i++)
		elements[i] = CStringGetTextDatum(list_nth(purge->keys, i));
	return PointerGetDatum(construct_array(elements, list_length(purge->keys), TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
row_array(const Purge *purge)
{
	const Input *input = &purge->input;
	Datum	   *elements = palloc(sizeof(Datum) * input->nrows);

	for (int i = 0; i < input->nrows; i++)
		elements[i] = Int64GetDatum(input->rows[i]->id);
	return PointerGetDatum(construct_array(elements, input->nrows, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
execute(const Purge *purge, const char *sql)
{
	Oid			types[PURGE_PARAMETERS] = {OIDOID, INT8OID, INT8OID, TEXTARRAYOID, TEXTOID, TEXTOID, INT8ARRAYOID};
	Datum		values[PURGE_PARAMETERS] = {
		ObjectIdGetDatum(purge->server), Int64GetDatum(purge->position), Int64GetDatum(purge->next), key_array(purge),
		CStringGetTextDatum(purge->pattern != NULL ? purge->pattern : ""), CStringGetTextDatum(purge->record_id),
		row_array(purge)
	};

	if (statement_execute(sql, PURGE_PARAMETERS, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not remove the traces of an erased contact");
}

/* Other keys of the same record: addresses and userIds that were seen with it. */
static void
find_keys(Purge *purge)
{
	execute(purge, "SELECT key FROM hubspot.record WHERE server = $1 AND object = 'contact'"
			" AND (($6 <> '' AND record_id = $6) OR (key_property = 'userId' AND record_id = ANY ($4)))");
	for (int i = 0; i < SPI_processed; i++)
	{
		char	   *key = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		add_key(purge, key, strlen(key));
	}
}

/* A regular expression for the addresses, each as a whole word; one that matches nothing when there are none. */
static void
make_pattern(Purge *purge)
{
	StringInfoData text;
	ListCell   *cell;
	bool		first = true;
	MemoryContext old = MemoryContextSwitchTo(purge->context);

	initStringInfo(&text);
	appendStringInfoString(&text, "(^|[^a-z0-9._%+-])(");
	foreach(cell, purge->keys)
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

/* The end of the next stretch of the outbox. */
static void
find_next(Purge *purge)
{
	bool		isnull;

	purge->next = purge->input.rows[0]->id;
	execute(purge, "SELECT max(id) FROM (SELECT id FROM hubspot.outbox WHERE id > $2 AND id < $3"
			" ORDER BY id LIMIT " CppAsString2(ROWS_AT_ONCE) ") x");
	purge->next = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	purge->is_last = isnull;
}

/*
 * Rows of the contact lose message and key; rows that merely mention it lose
 * the message, of a group call only the contact's part.
 */
static const char *const empty_rows =
"WITH found AS ("
" SELECT id, call, key = ANY ($4) AND object NOT IN ('company', 'schema') AS own, message FROM hubspot.outbox"
" WHERE server = $1 AND id > $2 AND id <= $3"
" AND (key = ANY ($4) AND object NOT IN ('company', 'schema') OR pg_catalog.lower(message::pg_catalog.text) ~ $5)"
"), emptied AS ("
" UPDATE hubspot.outbox o SET key = CASE WHEN f.own THEN '' ELSE o.key END,"
" key_property = CASE WHEN f.own THEN NULL ELSE o.key_property END, problem = NULL,"
" message = CASE WHEN NOT f.own AND f.call = 'group'"
" AND pg_catalog.lower((f.message - '{context,userId,user_id}'::pg_catalog.text[])::pg_catalog.text) !~ $5"
" THEN f.message - '{context,userId,user_id}'::pg_catalog.text[] END"
" FROM found f WHERE o.id = f.id AND o.id > $2 AND o.id <= $3 RETURNING o.id, f.own"
"), forgotten AS ("
" DELETE FROM hubspot.message_id m USING emptied e WHERE m.server = $1 AND m.id = e.id"
") UPDATE hubspot.result r SET record_id = NULL, message = NULL, warnings = NULL"
" WHERE r.id > $2 AND r.id <= $3 AND (r.id IN (SELECT id FROM emptied WHERE own)"
" OR pg_catalog.lower(r.message) ~ $5 OR pg_catalog.lower(r.warnings::pg_catalog.text) ~ $5)";

/* The row of the deletion itself, last: admit.c knows by it that all is done. */
static const char *const empty_rest[] = {
	"UPDATE hubspot.outbox SET key = '', key_property = NULL, message = '{\"gdpr\": true}' WHERE id = ANY ($7)",
	"UPDATE hubspot.request SET error = NULL WHERE server = $1 AND error IS NOT NULL AND pg_catalog.lower(error) ~ $5",
	"DELETE FROM hubspot.dead WHERE server = $1 AND (key = ANY ($4) AND object NOT IN ('company', 'schema')"
	" OR pg_catalog.lower(message::pg_catalog.text) ~ $5 OR pg_catalog.lower(last_error) ~ $5)",
	"UPDATE hubspot.deferred SET last_error = NULL, message = message - '{context,userId,user_id}'::pg_catalog.text[]"
	" WHERE server = $1 AND (pg_catalog.lower(message::pg_catalog.text) ~ $5 OR pg_catalog.lower(last_error) ~ $5)",
	"DELETE FROM hubspot.confirmed c USING hubspot.record r WHERE r.server = $1 AND r.object = 'contact'"
	" AND (r.key = ANY ($4) OR ($6 <> '' AND r.record_id = $6))"
	" AND c.record_id = r.record_id AND c.server = r.server AND c.object = r.object",
	"DELETE FROM hubspot.record WHERE server = $1 AND object = 'contact'"
	" AND (key = ANY ($4) OR ($6 <> '' AND record_id = $6))",
};

/*
 * Definitions that know the contact, or whose state says something of it.  A membership is the contact's unless its
 * keys are companies' or events'.
 */
#define KEYS_OF_CONTACTS \
	" m.key = ANY ($4) AND m.sync = ANY (ARRAY(SELECT d.id FROM hubspot.sync d" \
	"  WHERE d.server = (SELECT s.srvname FROM pg_catalog.pg_foreign_server s WHERE s.oid = $1)" \
	"  AND d.object IN ('contact', 'association') AND d.level IS DISTINCT FROM 'account'))"
#define STATES_OF_CONTACT \
	" FROM hubspot.sync_state t WHERE t.sync IN (SELECT m.sync FROM hubspot.member m WHERE" KEYS_OF_CONTACTS ")" \
	" OR pg_catalog.lower(t.error) ~ $5 OR t.fill_finished_at IS NOT NULL AND pg_catalog.lower(t.fill_position) ~ $5"

static const char *const empty_members[] = {
	"WITH gone AS (DELETE FROM hubspot.member m WHERE" KEYS_OF_CONTACTS " RETURNING m.sync)"
	" UPDATE hubspot.sync_state t SET members = t.members - g.n"
	" FROM (SELECT sync, pg_catalog.count(*) AS n FROM gone GROUP BY sync) g WHERE g.sync = t.sync",
	"UPDATE hubspot.sync_state t SET error = 'erased' WHERE pg_catalog.lower(t.error) ~ $5",
	"UPDATE hubspot.sync_state t SET fill_position = NULL"
	" WHERE t.fill_finished_at IS NOT NULL AND pg_catalog.lower(t.fill_position) ~ $5",
};

static uint64
rows_of(const Purge *purge, const char *sql)
{
	execute(purge, sql);
	return SPI_processed;
}

/* Keep refreshes off what is to be changed; false when one of them goes on now, which may take long. */
static bool
lock_states(const Purge *purge)
{
	return rows_of(purge, "SELECT 1" STATES_OF_CONTACT) ==
		rows_of(purge, "SELECT 1" STATES_OF_CONTACT " FOR UPDATE OF t SKIP LOCKED");
}

static void
empty_pairs(const Purge *purge)
{
	const char *server = purge->input.key->lane->account->name;
	ListCell   *cell;

	foreach(cell, purge->keys)
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

void
purge_step(void)
{
	Purge	   *purge = dlist_head_element(Purge, node, &purges);

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (purge->pattern == NULL)
	{
		find_keys(purge);		/* addresses of the record ... */
		find_keys(purge);		/* ... and the userIds of these */
		make_pattern(purge);
		cancel_others(purge);
	}
	purge->is_blocked = false;
	find_next(purge);
	if (!purge->is_last)
		execute(purge, empty_rows);
	else if (lock_states(purge))
		empty_tables(purge);
	else
		purge->is_blocked = true;
	SPI_finish();
	PopActiveSnapshot();
}

void
purge_done(void)
{
	Purge	   *purge = dlist_head_element(Purge, node, &purges);

	if (purge->is_blocked)
	{
		purge->retry_at = clock_us() + RETRY_US;
		return;
	}
	purge->position = purge->next;
	if (!purge->is_last)
		return;
	dlist_delete(&purge->node);
	purge->input.key->record_id[0] = '\0';
	batch_end_input(&purge->input, &purge->result);
	MemoryContextDelete(purge->context);
}
