/*
 * refresh_compare.c
 *		The differences between a compared source and hubspot.member.
 *
 * Called by refresh.c, and for a preview.  Runs as the extension's owner, over the plain
 * values that refresh_source.c has kept.  One hash full join returns only the
 * differences, in the order of the keys.
 *
 * Locks: ACCESS SHARE on our tables.  Memory: a page of differences at a time, and a context that
 * is reset for each; the join takes maintenance_work_mem and goes to disk beyond.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/statement.h"
#include "refresh/lacking.h"
#include "refresh/refresh_compare.h"
#include "store/act_as.h"

#define PAGE_ROWS	1000

/*
 * The statement; the two %s stand for the source's rows and the members. $1 the
 * definition, $2 whether all are sent again, $3 the SERVER's name, $4 the members that
 * the filter has left.
 *
 * A call that was rejected is not repeated, because HubSpot would reject it again.  A
 * call that was given up, cancelled or expired is repeated, but for an event that came too late:
 * with another deadline it would come later still.  What HubSpot lacked and has by now ($7, $8, at
 * most $9 of them) is sent again.
 */
static const char *const compare_sql =
"SELECT coalesce(s.key, m.key) AS key, s.key IS NOT NULL AS here, s.digest, s.value, m.present, "
"m.digest,"
" f.again, f.reason, f.event, m.failed IS NOT NULL, f.event_again, m.value,"
" k.change_id IS NOT NULL, k.left_out"
" FROM %s s"
" FULL JOIN (SELECT * FROM hubspot.member WHERE %s) m ON m.key OPERATOR(pg_catalog.=) s.key"
" LEFT JOIN (SELECT id, bool_or(verdict = ANY (hubspot.verdicts_with('refresh'))"
"   AND NOT (object = 'event' AND category IS NOT DISTINCT FROM 'expired')) AS again,"
"  bool_or(object = 'event') AS event,"
"  bool_or(object = 'event' AND category IS DISTINCT FROM 'expired') AS event_again,"
"   string_agg(DISTINCT concat_ws(': ', category, message), '; ') AS reason"
"  FROM hubspot.failed_sync_rows GROUP BY id) f ON f.id = m.outbox_id"
" LEFT JOIN (SELECT DISTINCT ON (t.change_id) t.change_id,"
"   CASE WHEN t.category IS NULL THEN t.left_out END AS left_out"
"  FROM hubspot.sync_trouble t WHERE t.report = $7 AND " LACKED_IS_THERE("$8", "")
"  ORDER BY t.change_id LIMIT $9) k ON k.change_id = m.outbox_id"
" WHERE s.key IS NULL OR m.key IS NULL OR NOT m.present OR m.digest <> s.digest OR $2"
"  OR k.change_id IS NOT NULL"
"  OR f.again OR f.id IS NOT NULL AND m.failed IS NULL"
" ORDER BY $6 AND s.key IS NOT NULL, 1";

static const char *const all_members = "sync OPERATOR(pg_catalog.=) $1 AND $4 IS NULL";
static const char *const some_members =
"ctid OPERATOR(pg_catalog.=) ANY ($4) AND sync OPERATOR(pg_catalog.=) $1";

static const char *const plain_source = "source";

/*
 * The contacts of each company, from group calls.  A contact of several of the source's companies
 * has the value of its primary company, which is the one that was called for last, or where calls
 * make none the primary one ($5 is false), of the one that it joined last.
 * hubspot.company_contacts lists those alone whom somebody has
 * told: but a refresh in the transaction of the first calls comes before the worker, who
 * notes what they tell, so that a userId that is not known yet stands for itself here, and
 * its row waits for who tells.
 */
static const char *const users_source =
"(SELECT DISTINCT ON (c.contact) c.contact AS key, s.digest, s.value"
" FROM source s JOIN ("
"SELECT company, contact, since, called_at, outbox_id FROM hubspot.company_contacts"
" WHERE server = $3"
" UNION ALL"
" SELECT u.company, u.contact, u.since, u.called_at, u.outbox_id"
"  FROM (SELECT DISTINCT ON (p.contact, p.company) p.* FROM hubspot.company_contact p"
"  WHERE p.server::name = $3 AND p.contact_property = 'userId'"
"  AND NOT EXISTS (SELECT FROM hubspot.record r, pg_foreign_server f"
"   WHERE f.srvname = p.server AND r.server = f.oid"
"    AND r.key_hash = hashtextextended(p.contact, 0) AND r.key = p.contact"
"    AND r.object = 'contact' AND r.key_property = 'userId')"
"  ORDER BY p.contact, p.company, p.outbox_id DESC, p.called_at DESC) u WHERE u.until IS NULL"
") c ON c.company = s.key"
" ORDER BY c.contact, CASE WHEN $5 THEN c.outbox_id END DESC,"
" CASE WHEN $5 THEN c.called_at ELSE c.since END DESC, c.outbox_id DESC, s.key)";

enum
{
	COL_KEY = 1, COL_HERE, COL_DIGEST, COL_VALUE, COL_PRESENT, COL_MEMBER_DIGEST,
	COL_AGAIN, COL_REASON, COL_EVENT, COL_FAILED, COL_EVENT_AGAIN, COL_NOTED, COL_LACKED,
	COL_LEFT_OUT
};

const char *const refresh_change_names[REFRESH_CHANGES] =
{"entered", "changed", "exited", "failed", "gone"};

static Datum
column(int row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static bool
flag(int row, int number)
{
	bool		isnull;
	Datum		datum = column(row, number, &isnull);

	return !isnull && DatumGetBool(datum);
}

/* Find out what a row of the statement means. */
static void
find_change(int row, bool resend, bool present, RefreshDifference *difference)
{
	bool		again = flag(row, COL_AGAIN);
	bool		here = flag(row, COL_HERE);
	bool		isnull;
	bool		same = here == present &&
	(!here || difference->digest == DatumGetInt64(column(row, COL_MEMBER_DIGEST, &isnull)));

	difference->lacked = same && here && !again && !resend && flag(row, COL_LACKED);
	difference->repeats = same && (again || (resend && here) || difference->lacked);
	if (same && !difference->repeats)
		difference->change = here ? REFRESH_FAILED : REFRESH_GONE;
	else if (here)
		difference->change = present ? REFRESH_CHANGED : REFRESH_ENTERED;
	else
		difference->change = REFRESH_EXITED;
}

static void
read_difference(int row, bool resend, RefreshDifference *difference)
{
	bool		is_new;
	bool		isnull;
	bool		present = DatumGetBool(column(row, COL_PRESENT, &is_new)) && !is_new;
	Datum		value;

	difference->key = TextDatumGetCString(column(row, COL_KEY, &isnull));
	difference->digest = DatumGetInt64(column(row, COL_DIGEST, &isnull));
	value = column(row, COL_VALUE, &isnull);
	difference->value = isnull ? NULL : DatumGetJsonbP(value);
	value = column(row, COL_NOTED, &isnull);
	difference->noted = isnull ? NULL : DatumGetJsonbP(value);
	difference->is_known = !is_new;
	difference->event_failed = flag(row, COL_EVENT);
	difference->event_again = flag(row, COL_EVENT_AGAIN);
	difference->reason = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, COL_REASON);
	value = column(row, COL_LEFT_OUT, &isnull);
	difference->left_out = isnull ? (Datum) 0 : value;
	find_change(row, resend, present, difference);
}

/* Hand over one page of differences; false if the function wants no more. */
static bool
take_page(uint64 nrows, bool resend, RefreshFunction function, void *arg, MemoryContext context)
{
	bool		more = true;

	for (uint64 i = 0; i < nrows && more; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		RefreshDifference difference;

		CHECK_FOR_INTERRUPTS();
		read_difference(i, resend, &difference);
		more = function(&difference, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	return more;
}

static void
take_differences(Portal portal, bool resend, RefreshFunction function, void *arg)
{
	MemoryContext context =
	AllocSetContextCreate(CurrentMemoryContext, "hubspot difference", ALLOCSET_DEFAULT_SIZES);
	bool		more = true;

	while (more)
	{
		SPITupleTable *page;

		SPI_cursor_fetch(portal, true, PAGE_ROWS);
		page = SPI_tuptable;
		more = SPI_processed > 0 && take_page(SPI_processed, resend, function, arg, context);
		SPI_freetuptable(page);
	}
	MemoryContextDelete(context);
}

/*
 * Make the planner use a hash join with maintenance_work_mem: sorting both sides takes
 * several times as long.
 */
static void
prefer_hash_join(void)
{
	char		kilobytes[16];

	snprintf(kilobytes, sizeof(kilobytes), "%d", Max(work_mem, maintenance_work_mem));
	(void) set_config_option("work_mem", kilobytes, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	(void) set_config_option("enable_mergejoin", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
}

void
refresh_compare(const Sync *sync, RefreshSource *source, bool resend, RefreshFunction function,
				void *arg)
{
	EphemeralNamedRelationData relation = {
		.md = {.name = "source", .tupdesc = source->desc, .enrtype = ENR_NAMED_TUPLESTORE,
		.enrtuples = source->nkept},
		.reldata = source->rows
	};
	Oid			types[] = {
		INT4OID, BOOLOID, NAMEOID, TIDARRAYOID, BOOLOID, BOOLOID, INT4OID, OIDOID, INT4OID
	};
	Datum		values[lengthof(types)];
	char		nulls[] =
	{' ', ' ', ' ', source->filter != NULL ? ' ' : 'n', ' ', ' ', ' ', ' ', ' '};
	Identity	before;
	Portal		portal;
	NameData	server;

	namestrcpy(&server, sync->server);
	values[0] = Int32GetDatum(sync->id);
	values[1] = BoolGetDatum(resend);
	values[2] = NameGetDatum(&server);
	values[3] = source->filter != NULL ? refresh_filter_rest(source->filter) : (Datum) 0;
	values[4] = BoolGetDatum(account_call_options(account_resolve(sync->server))->primary_company);
	values[5] = BoolGetDatum(sync->object == OBJECT_IS_ASSOCIATION);
	values[6] = Int32GetDatum(sync->report);
	values[7] = ObjectIdGetDatum(account_resolve(sync->server));
	values[8] = Int32GetDatum(REFRESH_LACKING);
	act_as_extension(&before);
	/* After act_as_extension(), whose end undoes the settings. */
	prefer_hash_join();
	SPI_connect();
	if (SPI_register_relation(&relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register the rows of the source");
	/* A cursor: with many differences the result need not fit into memory. */
	portal = statement_open(psprintf(compare_sql,
									 sync->level == SYNC_LEVEL_ACCOUNT_USERS
									 ? users_source : plain_source,
									 source->filter != NULL ? some_members : all_members),
							lengthof(types), types, values, nulls, false, CURSOR_OPT_NO_SCROLL);
	take_differences(portal, resend, function, arg);
	SPI_cursor_close(portal);
	SPI_finish();
	act_back(&before);
}
