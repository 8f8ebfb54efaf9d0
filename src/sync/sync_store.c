/*
 * sync_store.c
 *		Declaring: how a definition comes into hubspot.sync, and out of it.
 *
 * Called by the functions that declare, in the user's transaction, after they have
 * checked everything with the user's rights.  The rows are written as the owner of the
 * extension.
 *
 * Locks: one of the definition's name, until the end of the transaction, then
 * the lock of its state (sync_lock()), then ROW EXCLUSIVE on the tables.
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/json.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "backend/trigger_call.h"
#include "cluster/shared.h"
#include "ring/ring.h"
#include "store/act_as.h"
#include "sync/sync.h"
#include "sync/sync_follow.h"

PG_FUNCTION_INFO_V1(hubspot_sync_restored);
PG_FUNCTION_INFO_V1(hubspot_sync_changed);
PG_FUNCTION_INFO_V1(hubspot_drop_sync);

/* True while sync_save() writes: rows inserted at other times come from a dump. */
static bool saving = false;

/* ---- a row of hubspot.sync ------------------------------------------------------------ */

/* Parameters of the statement that writes, in the order of its columns. */
enum
{
	PUT_NAME, PUT_KIND, PUT_OWNER, PUT_SERVER, PUT_OBJECT, PUT_RELATION, PUT_SOURCE,
	PUT_SEARCH_PATH, PUT_FOLLOWS,
	PUT_KEY_COLUMN, PUT_KEY_ATTNUM, PUT_COLUMNS, PUT_MODE, PUT_DELETES, PUT_EVENT, PUT_LEVEL,
	PUT_OUTPUTS,
	PUT_PROPERTY, PUT_LIST, PUT_ON_MISSING, PUT_EVERY, PUT_TIMEOUT_MS, PUT_MAX_SHRINK, PUT_CREATE,
	PUT_OWNER_OID, PUT_ROW_SECURITY, PUT_DEADLINE
#define PUT_COUNT (PUT_DEADLINE + 1)
};

static const Oid put_types[PUT_COUNT] = {
	[PUT_NAME] = TEXTOID, [PUT_KIND] = TEXTOID, [PUT_OWNER] = TEXTOID, [PUT_SERVER] = TEXTOID,
	[PUT_OBJECT] = TEXTOID,
	[PUT_RELATION] = OIDOID, [PUT_SOURCE] = TEXTOID, [PUT_SEARCH_PATH] = TEXTOID,
	[PUT_FOLLOWS] = BOOLOID,
	[PUT_KEY_COLUMN] = TEXTOID, [PUT_KEY_ATTNUM] = INT2OID, [PUT_COLUMNS] = TEXTOID,
	[PUT_MODE] = TEXTOID,
	[PUT_DELETES] = TEXTOID, [PUT_EVENT] = TEXTOID, [PUT_LEVEL] = TEXTOID,
	[PUT_OUTPUTS] = TEXTARRAYOID,
	[PUT_PROPERTY] = TEXTOID, [PUT_LIST] = TEXTOID, [PUT_ON_MISSING] = TEXTOID,
	[PUT_EVERY] = INTERVALOID,
	[PUT_TIMEOUT_MS] = INT4OID, [PUT_MAX_SHRINK] = FLOAT8OID, [PUT_CREATE] = BOOLOID,
	[PUT_OWNER_OID] = OIDOID, [PUT_ROW_SECURITY] = BOOLOID,
	[PUT_DEADLINE] = INTERVALOID
};

/*
 * Whether it is another one, whose rows are counted anew: it has other columns, or writes other
 * records.  The numbers of columns do not matter: those of a restored table are others.
 */
#define NAMES(columns) \
	"(SELECT pg_catalog.array_agg(ARRAY[c->>'property', c->>'column'])" \
	" FROM pg_catalog.jsonb_array_elements(" columns ") AS c)"
#define IS_ANOTHER \
	"ROW(s.server, s.object, s.key_column, s.event, s.outputs, s.property, s.list," \
	" " NAMES("s.columns") ") IS DISTINCT FROM" \
	" ROW(EXCLUDED.server, EXCLUDED.object, EXCLUDED.key_column, EXCLUDED.event," \
	" EXCLUDED.outputs, EXCLUDED.property, EXCLUDED.list, " NAMES("EXCLUDED.columns") ")"

static const char *const put_sql =
"INSERT INTO hubspot.sync AS s (name, kind, owner, server, object, relation, source, search_path, "
"follows,"
" key_column, key_attnum, columns, mode, deletes, event, level, outputs,"
" property, list, on_missing, every, timeout, max_shrink, create_in_hubspot, owner_oid, "
"row_security, deadline, held, defined_at)"
" VALUES ($1, $2, $3::name, $4::name, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, "
"$16, $17,"
" $18, $19, $20, $21, pg_catalog.make_interval(secs => $22 / 1000.0), $23, $24, $25, $26, $27, "
"NULL, pg_catalog.now())"
" ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner, owner_oid = EXCLUDED.owner_oid, "
"row_security = EXCLUDED.row_security, server = EXCLUDED.server, object = EXCLUDED.object,"
" relation = EXCLUDED.relation, source = EXCLUDED.source, search_path = EXCLUDED.search_path,"
" follows = EXCLUDED.follows, key_column = EXCLUDED.key_column, key_attnum = EXCLUDED.key_attnum,"
" columns = EXCLUDED.columns, mode = EXCLUDED.mode, deletes = EXCLUDED.deletes, "
"event = EXCLUDED.event,"
" level = EXCLUDED.level, outputs = EXCLUDED.outputs, property = EXCLUDED.property, "
"list = EXCLUDED.list,"
" on_missing = EXCLUDED.on_missing, every = EXCLUDED.every, timeout = EXCLUDED.timeout,"
" max_shrink = EXCLUDED.max_shrink, create_in_hubspot = EXCLUDED.create_in_hubspot, "
"deadline = EXCLUDED.deadline, held = NULL,"
" defined_at = EXCLUDED.defined_at,"
" report = CASE WHEN " IS_ANOTHER " THEN EXCLUDED.report ELSE s.report END"
" RETURNING id, report";

/* The columns as a JSON array, as hubspot.sync.columns; NULL if there are none. */
static char *
columns_text(const Sync *sync)
{
	StringInfoData text;
	ListCell   *cell;

	if (sync->columns == NIL)
		return NULL;
	initStringInfo(&text);
	foreach(cell, sync->columns)
	{
		const SyncColumn *column = lfirst(cell);

		appendStringInfoString(&text, text.len > 0 ? ", {\"property\": " : "[{\"property\": ");
		escape_json(&text, column->property);
		appendStringInfoString(&text, ", \"column\": ");
		escape_json(&text, column->column);
		if (column->attnum != InvalidAttrNumber)
			appendStringInfo(&text, ", \"attnum\": %d", column->attnum);
		if (column->type != NULL)
		{
			appendStringInfoString(&text, ", \"type\": ");
			escape_json(&text, column->type);
		}
		if (column->association != NULL)
		{
			appendStringInfoString(&text, ", \"association\": ");
			escape_json(&text, column->association);
		}
		appendStringInfoChar(&text, '}');
	}
	appendStringInfoChar(&text, ']');
	return text.data;
}

static Datum
outputs_array(int outputs)
{
	Datum		names[SYNC_OUTPUTS];
	int			count = 0;

	for (int i = 0; i < SYNC_OUTPUTS; i++)
		if (outputs & sync_outputs[i].output)
			names[count++] = CStringGetTextDatum(sync_outputs[i].name);
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_text(Datum *values, char *nulls, int number, const char *text)
{
	if (text == NULL)
		return;
	values[number] = CStringGetTextDatum(text);
	nulls[number] = ' ';
}

static void
put(Datum *values, char *nulls, int number, Datum value)
{
	values[number] = value;
	nulls[number] = ' ';
}

static void
put_row(const Sync *sync, Datum *values, char *nulls)
{
	memset(nulls, 'n', PUT_COUNT);
	put_text(values, nulls, PUT_NAME, sync->name);
	put_text(values, nulls, PUT_KIND, sync_kind_names[sync->kind]);
	put_text(values, nulls, PUT_OWNER, sync->owner);
	put_text(values, nulls, PUT_SERVER, sync->server);
	put_text(values, nulls, PUT_OBJECT, object_types[sync->object].name);
	if (OidIsValid(sync->relation))
		put(values, nulls, PUT_RELATION, ObjectIdGetDatum(sync->relation));
	put_text(values, nulls, PUT_SOURCE, sync->source);
	put_text(values, nulls, PUT_SEARCH_PATH, sync->search_path);
	put(values, nulls, PUT_FOLLOWS, BoolGetDatum(sync->follows));
	put_text(values, nulls, PUT_KEY_COLUMN, sync->key_column);
	if (sync->key_attnum != InvalidAttrNumber)
		put(values, nulls, PUT_KEY_ATTNUM, Int16GetDatum(sync->key_attnum));
	put_text(values, nulls, PUT_COLUMNS, columns_text(sync));
	put_text(values, nulls, PUT_MODE, sync_mode_names[sync->mode]);
	put_text(values, nulls, PUT_DELETES, sync_deletes_names[sync->deletes]);
	put_text(values, nulls, PUT_EVENT, sync->event);
	/* A plain sync has neither; its zeros would be stored as the first words of these enums. */
	if (sync->kind != SYNC_IS_SYNC)
	{
		put_text(values, nulls, PUT_LEVEL, sync_level_names[sync->level]);
		put(values, nulls, PUT_OUTPUTS, outputs_array(sync->outputs));
	}
	put_text(values, nulls, PUT_PROPERTY, sync->property);
	put_text(values, nulls, PUT_LIST, sync->list);
	if (sync->kind == SYNC_IS_TRAIT)
		put_text(values, nulls, PUT_ON_MISSING, sync_missing_names[sync->keeps_missing ? 1 : 0]);
	if (sync->every != NULL)
		put(values, nulls, PUT_EVERY, IntervalPGetDatum(sync->every));
	if (sync->deadline != NULL)
		put(values, nulls, PUT_DEADLINE, IntervalPGetDatum(sync->deadline));
	put(values, nulls, PUT_TIMEOUT_MS, Int32GetDatum(sync->timeout_ms));
	put(values, nulls, PUT_MAX_SHRINK, Float8GetDatum(sync->max_shrink));
	if (sync->missing != SYNC_MISSING_LEFT_OUT)
		put(values, nulls, PUT_CREATE, BoolGetDatum(sync->missing == SYNC_MISSING_CREATED));
	put(values, nulls, PUT_OWNER_OID, ObjectIdGetDatum(sync->role));
	put(values, nulls, PUT_ROW_SECURITY, BoolGetDatum(sync->row_security));
}

/* Run a statement about one definition that returns no rows. */
static void
run(const char *sql, int id)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(id);

	if (statement_execute(sql, 1, &type, &value, NULL, false, 0) < 0)
		elog(ERROR, "could not write the state of a definition");
}

/* Write the definition, and learn its numbers. */
static void
write_row(Sync *sync)
{
	Datum		values[PUT_COUNT] = {0};
	char		nulls[PUT_COUNT];
	bool		isnull;
	bool		outer = saving;

	put_row(sync, values, nulls);
	saving = true;
	PG_TRY();
	{
		if (statement_execute(put_sql, PUT_COUNT, (Oid *) put_types, values, nulls, false, 0) !=
			SPI_OK_INSERT_RETURNING)
			elog(ERROR, "could not write hubspot.sync");
		sync->id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
											   &isnull));
		sync->report = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2,
												   &isnull));
	}
	PG_FINALLY();
	{
		saving = outer;
	}
	PG_END_TRY();
}

/* ---- its state ------------------------------------------------------------------------ */

static const char *const fill_sql[] = {
	[SYNC_FILL_NONE] =
	"UPDATE hubspot.sync_state SET fill_started_at = NULL, fill_finished_at = NULL, "
	"fill_position = NULL, fill_lacking = false,"
	" fill_rows = NULL, fill_total = NULL WHERE sync = $1",
	[SYNC_FILL_ANEW] =
	"UPDATE hubspot.sync_state SET fill_started_at = pg_catalog.now(), fill_finished_at = NULL, "
	"fill_position = NULL, fill_lacking = false,"
	" fill_rows = NULL, fill_total = NULL WHERE sync = $1",
};

static void
write_state(const Sync *sync, const Sync *before, SyncFill fill, bool forget)
{
	/* A definition that was restored may have members already. */
	run("INSERT INTO hubspot.sync_state AS s (sync, members) SELECT $1, "
		"CASE WHEN NOT EXISTS (SELECT FROM hubspot.sync_state WHERE sync = $1)"
		" THEN (SELECT pg_catalog.count(*) FROM hubspot.member WHERE sync = $1) ELSE 0 END"
		" ON CONFLICT (sync) DO UPDATE SET next_at = NULL, failures = 0, failed_at = NULL, "
		"error = NULL, problem = NULL",
		sync->id);
	if (fill != SYNC_FILL_AS_IT_IS)
		run(fill_sql[fill], sync->id);
	if (before != NULL && before->held != NULL)
		run("UPDATE hubspot.sync_state SET resend = true WHERE sync = $1", sync->id);
	if (forget)
	{
		run("DELETE FROM hubspot.member WHERE sync = $1", sync->id);
		run("UPDATE hubspot.sync_state SET members = 0 WHERE sync = $1", sync->id);
	}
}

/* ---- what declares -------------------------------------------------------------------- */

static void
lock_name(const char *name)
{
	LockDatabaseObject(ring_catalog(false)->sync,
					   hash_bytes((const unsigned char *) name, strlen(name)), 0, ExclusiveLock);
}

Sync *
sync_replaced(const char *name, SyncKind kind)
{
	Sync	   *before;

	lock_name(name);
	before = sync_load(name, true);
	if (before == NULL)
		return NULL;
	sync_check_owner(before);
	if (before->kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is already declared as another kind", name),
				 errdetail("It is of the kind \"%s\", not \"%s\".", sync_kind_names[before->kind],
						   sync_kind_names[kind]),
				 errhint("Choose another name, or call hubspot_drop_sync() first.")));
	(void) sync_lock(before, true);
	return before;
}

/*
 * The declaring role becomes the owner, also if it is a superuser or a member of the
 * present owner's role: a NOTICE says so.
 */
static void
tell_owner(const Sync *sync, const Sync *before)
{
	if (before != NULL && OidIsValid(before->role) && before->role != sync->role)
		ereport(NOTICE,
				(errmsg("\"%s\" belongs to role \"%s\" from now on, no longer to \"%s\"",
						sync->name, sync->owner, before->owner),
				 errhint("hubspot_alter_owner() gives it back.")));
}

void
sync_save(Sync *sync, const Sync *before, SyncFill fill, bool forget)
{
	Identity	identity;

	tell_owner(sync, before);
	act_as_extension(&identity);
	SPI_connect();
	write_row(sync);
	write_state(sync, before, fill, forget);
	SPI_finish();
	act_back(&identity);
	shared_look_at_syncs_at_commit();
}

void
sync_resend(const Sync *sync, bool at_once)
{
	Oid			types[] = {INT4OID, BOOLOID};
	Datum		values[] = {Int32GetDatum(sync->id), BoolGetDatum(at_once)};

	(void) sync_execute("UPDATE hubspot.sync_state SET resend = true, "
						"next_at = CASE WHEN $2 THEN clock_timestamp() ELSE next_at END "
						"WHERE sync = $1",
						lengthof(types), types, values, NULL, NULL, NULL);
}

void
sync_drop(const Sync *sync)
{
	Identity	identity;

	(void) sync_lock(sync, true);
	sync_unfollow(sync->name);
	act_as_extension(&identity);
	SPI_connect();
	run("DELETE FROM hubspot.sync WHERE id = $1", sync->id);
	run("DELETE FROM hubspot.sync_state WHERE sync = $1", sync->id);
	run("DELETE FROM hubspot.member WHERE sync = $1", sync->id);
	SPI_finish();
	act_back(&identity);
}

Datum
hubspot_drop_sync(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Sync	   *sync;

	lock_name(name);
	sync = sync_load(name, false);
	sync_check_owner(sync);
	sync_drop(sync);
	PG_RETURN_VOID();
}

/* ---- triggers of hubspot.sync ------------------------------------------------------------ */

static const TriggerUse restored_use = {
	.function = "sync_restored", .timing = TRIGGER_EVENT_BEFORE, .events = TRIGGER_ON_INSERT,
	.for_row = true,
	.expected = "BEFORE INSERT FOR EACH ROW"
};

static const TriggerUse changed_use = {
	.function = "sync_changed", .timing = TRIGGER_EVENT_AFTER, .events = TRIGGER_ON_ANY,
	.for_statement = true,
	.expected = "AFTER a statement"
};

/*
 * BEFORE INSERT: a row that sync_save() does not write comes from a dump.  Its source and
 * account may be different ones here, so the definition is held until somebody confirms
 * it.  The owner's oid means nothing in this cluster: the owner is found by name on
 * confirmation.
 */
Datum
hubspot_sync_restored(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, &restored_use, ring_catalog(false)->sync);
	TupleDesc	desc = trigger->tg_relation->rd_att;
	int			attnums[2];
	Datum		values[2];
	bool		isnull[2] = {false, true};

	if (saving)
		return PointerGetDatum(trigger->tg_trigtuple);
	attnums[0] = SPI_fnumber(desc, "held");
	attnums[1] = SPI_fnumber(desc, "owner_oid");
	if (attnums[0] <= 0 || SPI_gettypeid(desc, attnums[0]) != TEXTOID || attnums[1] <= 0)
		elog(ERROR, "hubspot.sync has no columns \"held\" of type text and \"owner_oid\"");
	values[0] = CStringGetTextDatum("restored from a dump");
	values[1] = (Datum) 0;
	return PointerGetDatum(heap_modify_tuple_by_cols(trigger->tg_trigtuple, desc,
													 lengthof(attnums), attnums, values, isnull));
}

/* The definitions cached in backends are stale when the transaction has ended. */
Datum
hubspot_sync_changed(PG_FUNCTION_ARGS)
{
	Oid			relation = ring_catalog(false)->sync;

	(void) trigger_call(fcinfo, &changed_use, relation);
	CacheInvalidateRelcacheByRelid(relation);
	PG_RETURN_POINTER(NULL);
}
