/*
 * refresh_source.c
 *		Reads a compared definition's source into plain values.
 *
 * Called by refresh.c in the transaction of a refresh.  The query runs as the owner of
 * the definition (see sync_act_as_owner), with a snapshot that was taken after the
 * definition was locked.  Its rows go into a tuplestore, so that no code of the user's
 * runs when they are compared with the extension's tables.
 *
 * Locks: those of the query.  Memory: the caller's context for the tuplestore,
 * which is bounded by maintenance_work_mem and goes to disk beyond; a context
 * reset for each row.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "message/message.h"
#include "refresh/refresh_row.h"
#include "refresh/refresh_source.h"
#include "store/act_as.h"
#include "text/domain.h"

/* ---- the statement ------------------------------------------------------------------ */

/* The present name of a column: a relation's column may have been renamed. */
static const char *
present_name(const Sync *sync, const char *column, AttrNumber attnum)
{
	char	   *name;

	if (!OidIsValid(sync->relation) || attnum == InvalidAttrNumber)
		return column;
	name = get_attname(sync->relation, attnum, true);
	return name != NULL ? name : column;
}

/* Append the columns that refresh_row.c makes the value of. */
static void
append_columns(StringInfo sql, const Sync *sync)
{
	ListCell   *cell;

	if (sync->columns == NIL)
		appendStringInfoString(sql, ", q.*");
	foreach(cell, sync->columns)
	{
		SyncColumn *column = lfirst(cell);

		appendStringInfo(sql, ", q.%s",
						 quote_identifier(present_name(sync, column->column, column->attnum)));
	}
}

/*
 * The key's expression.  The key of an association is both its columns: a contact may
 * belong to several companies.
 */
static const char *
sync_key_expression(const Sync *sync)
{
	StringInfoData both;
	ListCell   *cell;

	if (sync->object != OBJECT_IS_ASSOCIATION)
		return psprintf("q.%s::pg_catalog.text",
						quote_identifier(present_name(sync, sync->key_column, sync->key_attnum)));
	initStringInfo(&both);
	foreach(cell, sync->columns)
	{
		SyncColumn *column = lfirst(cell);

		appendStringInfo(&both, "%sq.%s::pg_catalog.text",
						 both.len > 0
						 ? " OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) " : "",
						 quote_identifier(present_name(sync, column->column, column->attnum)));
	}
	return both.data;
}

static char *
source_expression(const Sync *sync)
{
	char	   *name;

	if (!OidIsValid(sync->relation))
		return psprintf("(%s\n)", sync->source);
	name = get_rel_name(sync->relation);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("\"%s\", the source of \"%s\", does not exist any more", sync->source,
						sync->name),
				 errhint("Declare \"%s\" again with another source, "
						 "or drop it with hubspot_drop_sync().", sync->name)));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(sync->relation)), name);
}

/*
 * The user's query stands in a sub-query, where it can only be a SELECT: neither DML nor
 * WITH that contains DML.
 */
char *
refresh_statement(const Sync *sync)
{
	StringInfoData sql;

	initStringInfo(&sql);

	/*
	 * Names and operators are qualified: the statement runs with the search_path of the
	 * definition, where others may have objects.
	 */
	switch (sync->kind)
	{
		case SYNC_IS_AUDIENCE:
			appendStringInfo(&sql,
							 "SELECT q.key::pg_catalog.text FROM %s q(key)",
							 source_expression(sync));
			break;
		case SYNC_IS_TRAIT:
			appendStringInfo(&sql,
							 "SELECT q.key::pg_catalog.text, q.value FROM %s q(key, value)",
							 source_expression(sync));
			break;
		case SYNC_IS_SYNC:
			appendStringInfo(&sql, "SELECT %s", sync_key_expression(sync));
			append_columns(&sql, sync);
			appendStringInfo(&sql, " FROM %s q", source_expression(sync));
			break;
	}
	return sql.data;
}

/* The columns of the query, by parse analysis as the owner. */
static TupleDesc
describe(const Sync *sync, const char *sql)
{
	MemoryContext context = CurrentMemoryContext;
	Identity	before;
	SPIPlanPtr	plan;
	TupleDesc	desc;

	/*
	 * As the owner already here: the analysis runs input functions of constants, and finds names
	 * by the owner's search_path.
	 */
	sync_act_as_owner(sync, &before);
	SPI_connect();
	plan = SPI_prepare(sql, 0, NULL);
	if (plan == NULL || list_length(SPI_plan_get_plan_sources(plan)) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the query of \"%s\" is not one SELECT", sync->name)));
	desc = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;
	if (desc != NULL)
	{
		/* The caller's context: SPI_finish() frees the plan. */
		MemoryContext old = MemoryContextSwitchTo(context);

		desc = CreateTupleDescCopy(desc);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	act_back(&before);
	return desc;
}

/* Check the rights that the query needs: EXPLAIN checks them and does not run it. */
static void
check_rights(const Sync *sync, const char *sql)
{
	Identity	before;

	sync_act_as_owner(sync, &before);
	SPI_connect();
	if (SPI_execute(psprintf("EXPLAIN %s", sql), false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not explain the query of \"%s\"", sync->name);
	SPI_finish();
	act_back(&before);
}

/*
 * Whether row security hides rows: the query is allowed with row_security on and refused
 * with it off.  Statements inside functions are not checked.
 */
static bool
is_filtered(Sync *sync, const char *sql)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool filtered = false;

	sync->row_security = true;
	/* With row_security on first: an error here is about other rights, and is the user's to see. */
	check_rights(sync, sql);
	sync->row_security = false;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		check_rights(sync, sql);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		/* Any other error is not about policies. */
		if (geterrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		filtered = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return filtered;
}

/* Set sync->row_security.  A superuser's definition sees everything or fails. */
static void
settle_row_security(Sync *sync, const char *sql)
{
	sync->row_security = false;
	if (superuser_arg(sync_need_owner(sync)))
		check_rights(sync, sql);
	else
		sync->row_security = is_filtered(sync, sql);
	if (sync->row_security)
		ereport(NOTICE,
				(errmsg("row security applies to what \"%s\" reads", sync->name),
				 errdetail("Only rows that policies show to the role \"%s\" are sent.",
						   sync->owner)));
}

TupleDesc
refresh_describe(Sync *sync)
{
	char	   *sql = psprintf("SELECT * FROM %s q", source_expression(sync));

	settle_row_security(sync, sql);
	return describe(sync, sql);
}

Oid
refresh_value_type(const Sync *sync)
{
	return TupleDescAttr(describe(sync,
								  psprintf("SELECT q.value FROM %s q(key, value)",
										   source_expression(sync))), 0)->atttypid;
}

/* ---- keys --------------------------------------------------------------------------- */

typedef struct SourceReceiver
{
	DestReceiver receiver;
	const Sync *sync;
	RefreshSource *source;
	bool		by_domain;		/* keys are domains of companies */
	bool		may_be_address;
	RefreshRow *values;
	MemoryContext home;			/* of what lives as long as the query */
	MemoryContext row;			/* reset for each */
} SourceReceiver;

/* Whether the text is an address or domain that is certainly in normal form. */
static bool
is_plain(const char *text, int len)
{
	for (int i = 0; i < len; i++)
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
			  strchr("@.-_+", text[i]) != NULL))
			return false;
	return true;
}

/*
 * Normalise a key like the outbox does, so that two spellings of one record are one
 * member.  An invalid key is not changed: its outbox row will say why it is rejected.
 */
static Datum
normal_key(const SourceReceiver *receiver, Datum key)
{
	text	   *given = DatumGetTextPP(key);
	const char *start = VARDATA_ANY(given);
	int			len = VARSIZE_ANY_EXHDR(given);
	const char *why;
	char	   *normal = NULL;

	if (receiver->by_domain)
		normal = domain_of_website(start, len, &why);
	else if (receiver->may_be_address && !is_plain(start, len) && memchr(start, '@', len) != NULL)
		normal = message_normalise_email(start, len, &why);
	return normal != NULL ? CStringGetTextDatum(normal) : PointerGetDatum(given);
}

/* ---- what the query returns ------------------------------------------------------------ */

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	SourceReceiver *receiver = (SourceReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->home);

	receiver->values = refresh_row_begin(receiver->sync, desc);
	MemoryContextSwitchTo(old);
}

/*
 * Whether the row must be compared.  A member that comes twice is one member; a key with
 * two values is an error, because either value could win.
 */
static bool
is_wanted(const SourceReceiver *receiver, Datum key, int64 digest)
{
	text	   *given = DatumGetTextPP(key);
	FilterAnswer answer;

	if (receiver->source->filter == NULL)
		return true;
	answer = refresh_filter_test(receiver->source->filter, VARDATA_ANY(given),
								 VARSIZE_ANY_EXHDR(given), digest);
	if (answer == FILTER_TWICE && receiver->sync->kind != SYNC_IS_AUDIENCE)
		refresh_refuse_double_key(receiver->sync, TextDatumGetCString(key));
	return answer == FILTER_OTHER;
}

static void
keep_row(const SourceReceiver *receiver, Datum key, const Jsonb *value)
{
	RefreshSource *source = receiver->source;
	Datum		values[SOURCE_COLUMNS];
	bool		isnull[SOURCE_COLUMNS] = {false};
	int64		digest = 0;

	/* The seed is fixed: hubspot.member keeps the digest, and the next refresh compares with it. */
	if (value != NULL)
		digest = (int64) hash_bytes_extended((const unsigned char *) VARDATA(value),
											 VARSIZE(value) - VARHDRSZ, 0);
	source->nrows++;
	/* Counted, but not stored: an unchanged row costs no memory. */
	if (!is_wanted(receiver, key, digest))
		return;
	values[SOURCE_KEY - 1] = key;
	values[SOURCE_DIGEST - 1] = Int64GetDatum(digest);
	values[SOURCE_VALUE - 1] = JsonbPGetDatum(value);
	isnull[SOURCE_VALUE - 1] = value == NULL;
	tuplestore_putvalues(source->rows, source->desc, values, isnull);
	source->nkept++;
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	SourceReceiver *receiver = (SourceReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->row);
	Datum		key = (Datum) 0;

	slot_getallattrs(slot);
	if (!slot->tts_isnull[0])
		key = normal_key(receiver, slot->tts_values[0]);
	if (!slot->tts_isnull[0] && message_is_key_length(VARSIZE_ANY_EXHDR(DatumGetTextPP(key))))
		keep_row(receiver, key, refresh_row_value(receiver->values, slot));
	else
		receiver->source->bad++;
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->row);
	return true;
}

static void
receiver_end(DestReceiver *self)
{
}

static void
init_source(RefreshSource *source)
{
	source->rows = tuplestore_begin_heap(false, false, maintenance_work_mem);
	source->nkept = source->nrows = source->bad = 0;
	source->desc = CreateTemplateTupleDesc(SOURCE_COLUMNS);
	TupleDescInitEntry(source->desc, SOURCE_KEY, "key", TEXTOID, -1, 0);
	TupleDescInitEntryCollation(source->desc, SOURCE_KEY, C_COLLATION_OID);
	TupleDescInitEntry(source->desc, SOURCE_DIGEST, "digest", INT8OID, -1, 0);
	TupleDescInitEntry(source->desc, SOURCE_VALUE, "value", JSONBOID, -1, 0);
	TupleDescFinalize(source->desc);
}

static void
run_query(const Sync *sync, SourceReceiver *receiver)
{
	SPIExecuteOptions options = {.must_return_tuples = true, .dest = &receiver->receiver};
	Identity	before;
	char	   *sql = refresh_statement(sync);

	sync_act_as_owner(sync, &before);
	SPI_connect();
	if (SPI_execute_extended(sql, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not run the query of \"%s\"", sync->name);
	SPI_finish();
	act_back(&before);
}

void
refresh_refuse_double_key(const Sync *sync, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 errmsg("the query of \"%s\" returns a key more than once", sync->name),
			 key != NULL ? errdetail("The key is \"%s\".", key) : 0,
			 errhint("A key has one value: use GROUP BY, or DISTINCT ON.")));
}

void
refresh_read_source(const Sync *sync, RefreshFilter *filter, RefreshSource *source)
{
	const CallOptions *options = account_call_options(account_resolve(sync->server));
	SourceReceiver receiver = {
		.receiver = {receive_row, receiver_startup, receiver_end, receiver_end, DestTuplestore},
		.sync = sync,
		.source = source,
		.home = CurrentMemoryContext,
		.by_domain = account_goes_by_natural_key(options, sync_key_object(sync)),
		.may_be_address = sync_key_object(sync) == OBJECT_IS_CONTACT,
	};

	init_source(source);
	source->filter = filter;
	receiver.row =
		AllocSetContextCreate(CurrentMemoryContext, "hubspot source row", ALLOCSET_DEFAULT_SIZES);
	run_query(sync, &receiver);
	MemoryContextDelete(receiver.row);
}
