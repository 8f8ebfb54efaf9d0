/*
 * sync.c
 *		Definitions: declared syncs, audiences, computed traits (hubspot.sync).
 *
 * Called by the functions that declare and refresh, by the triggers of
 * followed tables and by the refresher, each inside a transaction.
 *
 * Locks: ROW SHARE on hubspot.sync_state and the lock of one of its rows, by
 * sync_lock(); ACCESS SHARE on hubspot.sync.  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "cluster/shared.h"
#include "mapping/mapping_name.h"
#include "message/message.h"
#include "ring/ring.h"
#include "store/act_as.h"
#include "sync/sync.h"

const char *const sync_kind_names[SYNC_KINDS] = {"sync", "audience", "trait"};
const char *const sync_mode_names[SYNC_MODES] = {"upsert", "update", "create", "mirror"};
const RowMode sync_row_modes[SYNC_MODES] = {
	[SYNC_UPDATE] = MODE_UPDATE,
	[SYNC_CREATE] = MODE_CREATE,
};
const char *const sync_deletes_names[SYNC_DELETES] = {"ignore", "clear", "archive", "remove"};
const char *const sync_level_names[SYNC_LEVELS] = {"user", "account", "account_users"};
const Object sync_level_objects[SYNC_LEVELS] =
{OBJECT_IS_CONTACT, OBJECT_IS_COMPANY, OBJECT_IS_CONTACT};
const Object sync_level_key_objects[SYNC_LEVELS] =
{OBJECT_IS_CONTACT, OBJECT_IS_COMPANY, OBJECT_IS_COMPANY};

const char *const sync_missing_names[] = {"clear", "keep"};

const SyncOutput sync_outputs[SYNC_OUTPUTS] =
{
	{"property", SYNC_OUTPUT_PROPERTY},
	{"event", SYNC_OUTPUT_EVENT},
	{"list", SYNC_OUTPUT_LIST},
};

int
sync_output_by_name(const char *name)
{
	for (int i = 0; i < SYNC_OUTPUTS; i++)
		if (strcmp(name, sync_outputs[i].name) == 0)
			return sync_outputs[i].output;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown output \"%s\"", name),
			 errhint("Valid values are: property, event, list.")));
}

/* ---- events ------------------------------------------------------------------------- */

bool
sync_tells_time(const Sync *sync)
{
	ListCell   *cell;

	if (sync->object != OBJECT_IS_EVENT)
		return false;
	foreach(cell, sync->columns)
	{
		const char *property = ((const SyncColumn *) lfirst(cell))->property;

		if (same_folded_name(property, strlen(property), "timestamp", strlen("timestamp")))
			return true;
	}
	return false;
}

bool
sync_is_associated(const Sync *sync)
{
	ListCell   *cell;

	foreach(cell, sync->columns)
		if (((const SyncColumn *) lfirst(cell))->association != NULL)
		return true;
	return false;
}

char *
sync_message_id(const Sync *sync, const char *key, const JsonbValue *at)
{
	char	   *text = message_scalar_text(at);

	return text == NULL ? psprintf("%s:%s", sync->name, key)
		: psprintf("%s:%s:%s", sync->name, key, text);
}

/* ---- on whose behalf -------------------------------------------------------------- */

char *
sync_functions_namespace(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			schema = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ring_catalog(false)->extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return get_namespace_name(schema);
}

const char *
sync_functions_schema(void)
{
	return quote_identifier(sync_functions_namespace());
}

Oid
sync_owner_role(const Sync *sync)
{
	return OidIsValid(sync->role) && SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(sync->role))
		? sync->role : InvalidOid;
}

Oid
sync_need_owner(const Sync *sync)
{
	Oid			role = sync_owner_role(sync);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", the owner of \"%s\", does not exist any more", sync->owner,
						sync->name),
				 OidIsValid(get_role_oid(sync->owner, true))
				 ? errdetail("The role of this name is another one.") : 0,
				 errhint("hubspot_alter_owner() gives the definition to another role, "
						 "for a superuser.")));
	return role;
}

Oid
sync_reader(const Sync *sync)
{
	Oid			role = sync_owner_role(sync);

	return OidIsValid(role) && superuser_arg(role) ? ROLE_PG_READ_ALL_DATA : role;
}

void
sync_act_as_owner(const Sync *sync, Identity *before)
{
	(void) sync_need_owner(sync);
	act_as(sync_reader(sync), SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION,
		   sync->search_path, before);
	(void) set_config_option("row_security", sync->row_security ? "on" : "off", PGC_USERSET,
							 PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* What a statement has returned. */
static uint64
take_rows(int result, SyncTake take, void *arg, const Identity *before)
{
	uint64		rows = SPI_processed;

	if (result < 0)
		elog(ERROR, "could not read or write what is known of the definitions");
	if (take != NULL)
		take(arg);
	SPI_finish();
	act_back(before);
	return rows;
}

uint64
sync_execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls,
			 SyncTake take, void *arg)
{
	Identity	before;

	act_as_extension(&before);
	SPI_connect();
	return take_rows(statement_execute(sql, nargs, types, values, nulls, false, 0), take, arg,
					 &before);
}

uint64
sync_execute_saved(SavedStatement *statement, int nargs, Oid *types, Datum *values,
				   SyncTake take, void *arg)
{
	Identity	before;

	act_as_extension(&before);
	SPI_connect();
	return take_rows(statement_execute_saved(statement, nargs, types, values), take, arg,
					 &before);
}

void
sync_check_owner(const Sync *sync)
{
	Oid			role = sync_owner_role(sync);

	if (OidIsValid(role) ? has_privs_of_role(GetUserId(), role) : superuser())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of %s \"%s\"", sync_kind_names[sync->kind], sync->name)));
}

/* ---- a row of hubspot.sync ---------------------------------------------------------- */

/* Columns of load_sql. */
enum
{
	COL_ID = 1, COL_NAME, COL_KIND, COL_OWNER, COL_SERVER, COL_OBJECT, COL_RELATION, COL_SOURCE,
	COL_SEARCH_PATH,
	COL_FOLLOWS, COL_KEY_COLUMN, COL_KEY_ATTNUM, COL_COLUMNS, COL_MODE, COL_DELETES, COL_EVENT,
	COL_LEVEL, COL_OUTPUTS, COL_PROPERTY,
	COL_LIST, COL_ON_MISSING, COL_EVERY, COL_TIMEOUT_MS, COL_MAX_SHRINK, COL_CREATE, COL_HELD,
	COL_OWNER_OID, COL_ROW_SECURITY, COL_DEADLINE, COL_REPORT
};

static const char *const load_sql =
"SELECT id, name, kind, owner, server, object, relation, source, search_path,"
" follows, key_column, key_attnum, columns, mode, deletes, event, level, outputs, property,"
" list, on_missing, every, LEAST(extract(epoch FROM timeout) * 1000, 2147483647)::int4, "
"max_shrink::float8, create_in_hubspot, held, owner_oid, row_security, deadline, report"
" FROM hubspot.sync WHERE ";

static Datum
column(int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, isnull);
}

/* Copy a text column of the row to context; NULL if it is null. */
static char *
text_column(int number, MemoryContext context)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number);

	return text != NULL ? MemoryContextStrdup(context, text) : NULL;
}

/* Position of a column's word in words; 0 if the column is null. */
static int
word_column(int number, const char *const *words, int count)
{
	char	   *word = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number);

	for (int i = 0; word != NULL && i < count; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	if (word != NULL)
		elog(ERROR, "unknown word \"%s\" in hubspot.sync", word);
	return 0;
}

/* The object; the first one when it is null. */
static Object
object_column(void)
{
	char	   *name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, COL_OBJECT);
	int			object = name == NULL ? 0 : object_of_name(name, strlen(name));

	if (object < 0 || object == OBJECT_MAX)
		elog(ERROR, "unknown word \"%s\" in hubspot.sync", name);
	return (Object) object;
}

static int
read_outputs(void)
{
	bool		isnull;
	Datum		datum = column(COL_OUTPUTS, &isnull);
	Datum	   *names;
	int			count;
	int			outputs = 0;

	if (isnull)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL,
					  &count);
	for (int i = 0; i < count; i++)
		outputs |= sync_output_by_name(TextDatumGetCString(names[i]));
	return outputs;
}

static char *
member_text(JsonbContainer *object, const char *name)
{
	JsonbValue	found;

	if (getKeyJsonValueFromContainer(object, name, strlen(name), &found) == NULL ||
		found.type != jbvString)
		elog(ERROR, "no \"%s\" in hubspot.sync.columns", name);
	return pnstrdup(found.val.string.val, found.val.string.len);
}

static char *
member_text_or_null(JsonbContainer *object, const char *name)
{
	JsonbValue	found;

	return getKeyJsonValueFromContainer(object, name, strlen(name), &found) != NULL
		? member_text(object, name) : NULL;
}

static AttrNumber
member_attnum(JsonbContainer *object)
{
	JsonbValue	found;

	if (getKeyJsonValueFromContainer(object, "attnum", 6, &found) == NULL ||
		found.type != jbvNumeric)
		return InvalidAttrNumber;
	return DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(found.val.numeric)));
}

static List *
read_columns(MemoryContext context)
{
	bool		isnull;
	Datum		datum = column(COL_COLUMNS, &isnull);
	List	   *columns = NIL;
	Jsonb	   *array;
	MemoryContext old;

	if (isnull)
		return NIL;

	/*
	 * The definition outlives SPI_finish(), which frees SPI's memory: everything below is
	 * allocated in the caller's context.
	 */
	old = MemoryContextSwitchTo(context);
	array = DatumGetJsonbPCopy(datum);
	for (uint32 i = 0; i < JB_ROOT_COUNT(array); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&array->root, i);
		SyncColumn *one = palloc(sizeof(SyncColumn));
		JsonbValue	type;

		if (element->type != jbvBinary)
			elog(ERROR, "element of hubspot.sync.columns is no object");
		one->property = member_text(element->val.binary.data, "property");
		one->column = member_text(element->val.binary.data, "column");
		one->attnum = member_attnum(element->val.binary.data);
		one->association = member_text_or_null(element->val.binary.data, "association");
		one->type = getKeyJsonValueFromContainer(element->val.binary.data, "type", 4, &type) != NULL
			? member_text(element->val.binary.data, "type") : NULL;
		columns = lappend(columns, one);
	}
	MemoryContextSwitchTo(old);
	return columns;
}

static Interval *
interval_column(int number, MemoryContext context)
{
	bool		isnull;
	Datum		datum = column(number, &isnull);

	return isnull
		? NULL : memcpy(MemoryContextAlloc(context, sizeof(Interval)), DatumGetIntervalP(datum),
						sizeof(Interval));
}

/*
 * A definition belongs to a role by oid, whatever the role's name is now.  A definition
 * that comes from a dump has only the name.
 */
static void
read_owner(Sync *sync, MemoryContext context)
{
	bool		isnull;
	Oid			oid = DatumGetObjectId(column(COL_OWNER_OID, &isnull));
	char	   *name;

	sync->owner = text_column(COL_OWNER, context);
	sync->role = isnull ? get_role_oid(sync->owner, true) : oid;
	name = OidIsValid(sync->role) ? GetUserNameFromId(sync->role, true) : NULL;
	if (name != NULL)
		sync->owner = MemoryContextStrdup(context, name);
}

static Sync *
read_row(MemoryContext context)
{
	Sync	   *sync = MemoryContextAllocZero(context, sizeof(Sync));
	Datum		attnum;
	bool		creates;
	bool		isnull;

	sync->id = DatumGetInt32(column(COL_ID, &isnull));
	sync->name = text_column(COL_NAME, context);
	sync->kind = word_column(COL_KIND, sync_kind_names, SYNC_KINDS);
	read_owner(sync, context);
	sync->server = text_column(COL_SERVER, context);
	sync->object = object_column();
	sync->relation = DatumGetObjectId(column(COL_RELATION, &isnull));
	sync->source = text_column(COL_SOURCE, context);
	sync->search_path = text_column(COL_SEARCH_PATH, context);
	sync->follows = DatumGetBool(column(COL_FOLLOWS, &isnull));
	sync->key_column = text_column(COL_KEY_COLUMN, context);
	/* Null for a query, whose columns are known by name only. */
	attnum = column(COL_KEY_ATTNUM, &isnull);
	sync->key_attnum = isnull ? InvalidAttrNumber : DatumGetInt16(attnum);
	sync->columns = read_columns(context);
	sync->mode = word_column(COL_MODE, sync_mode_names, SYNC_MODES);
	sync->deletes = word_column(COL_DELETES, sync_deletes_names, SYNC_DELETES);
	sync->event = text_column(COL_EVENT, context);
	sync->level = word_column(COL_LEVEL, sync_level_names, SYNC_LEVELS);

	sync->outputs = read_outputs();
	sync->property = text_column(COL_PROPERTY, context);
	sync->list = text_column(COL_LIST, context);
	sync->keeps_missing =
		word_column(COL_ON_MISSING, sync_missing_names, lengthof(sync_missing_names)) == 1;
	sync->every = interval_column(COL_EVERY, context);
	sync->deadline = interval_column(COL_DEADLINE, context);
	sync->timeout_ms = DatumGetInt32(column(COL_TIMEOUT_MS, &isnull));
	sync->max_shrink = DatumGetFloat8(column(COL_MAX_SHRINK, &isnull));
	creates = DatumGetBool(column(COL_CREATE, &isnull));
	sync->missing = isnull ? SYNC_MISSING_LEFT_OUT
		: creates ? SYNC_MISSING_CREATED : SYNC_MISSING_REFUSED;
	sync->held = text_column(COL_HELD, context);
	sync->row_security = DatumGetBool(column(COL_ROW_SECURITY, &isnull));
	sync->report = DatumGetInt32(column(COL_REPORT, &isnull));
	return sync;
}

/*
 * Read the row for which condition holds.  It uses the latest snapshot even in a
 * transaction that keeps one snapshot: a trigger of a followed table must not work by an
 * older definition than the one whose triggers are on the table.
 */
static Sync *
load_row(const char *condition, Oid type, Datum value)
{
	MemoryContext context = CurrentMemoryContext;
	Identity	before;
	char	   *sql = psprintf("%s%s", load_sql, condition);
	Sync	   *sync = NULL;

	act_as_extension(&before);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	if (statement_execute(sql, 1, &type, &value, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.sync");
	if (SPI_processed == 1)
		sync = read_row(context);
	SPI_finish();
	PopActiveSnapshot();
	act_back(&before);
	return sync;
}

Sync *
sync_load(const char *name, bool missing_ok)
{
	Sync	   *sync =
	load_row("name OPERATOR(pg_catalog.=) $1", TEXTOID, CStringGetTextDatum(name));

	if (sync == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no sync, audience or trait of the name \"%s\" is declared", name),
				 errhint("The view hubspot.syncs lists them.")));
	return sync;
}

Sync *
sync_load_by_id(int id, bool missing_ok)
{
	Sync	   *sync = load_row("id OPERATOR(pg_catalog.=) $1", INT4OID, Int32GetDatum(id));

	if (sync == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no sync, audience or trait of the number %d is declared", id)));
	return sync;
}

/* Whoever waits for a process that looks for no interrupts may wait for ever. */
static void
refuse_stuck(const Sync *sync)
{
	StuckRefresher stuck[SHARED_MAX_REFRESHERS];
	int			count = shared_stuck_refreshers(MyDatabaseId, stuck);

	for (int i = 0; i < count; i++)
		if (stuck[i].task.sync == sync->id)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("%s \"%s\" is stuck: its query goes on in the process with PID %d",
							sync_kind_names[sync->kind], sync->name, stuck[i].pid),
					 errdetail("The process was told to end at %s, and looks for no interrupts.",
							   timestamptz_to_str(stuck[i].task.until)),
					 errhint("It is not run again while that process lives; "
							 "hubspot_health() says what helps.")));
}

bool
sync_lock(const Sync *sync, bool wait)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(sync->id);
	const char *sql = wait
	? "SELECT 1 FROM hubspot.sync_state WHERE sync = $1 FOR UPDATE"
	: "SELECT 1 FROM hubspot.sync_state WHERE sync = $1 FOR UPDATE SKIP LOCKED";

	if (wait)
		refuse_stuck(sync);
	return sync_execute(sql, 1, &type, &value, NULL, NULL, NULL) == 1;
}
