/*
 * refresh.c
 *		A refresh: sends to HubSpot what has changed in a compared source.
 *
 *	lock		the row of hubspot.sync_state: one refresh at a time
 *	read		the query, as the owner of the definition	refresh_source.c
 *	compare		with hubspot.member, as the extension		refresh_compare.c
 *	queue		a row or more for each difference			refresh_queue.c
 *	note		what was queued for which key				refresh_member.c
 *	state		counts and time, for hubspot.syncs
 *
 * Called by hubspot_refresh() and by the refresher.  Everything happens in the caller's
 * transaction: a refresh that fails or is killed has done nothing.  A refresh that waited
 * for another one compares with the result of that one (above READ COMMITTED it fails
 * with a serialization error).
 *
 * Locks: the row of hubspot.sync_state, until the end of the transaction; those of
 * the query.  Memory: a context of its own for each refresh.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "refresh/refresh.h"
#include "refresh/refresh_check.h"
#include "refresh/refresh_member.h"
#include "refresh/refresh_queue.h"

/*
 * From so many differences on, the rows are queued as a back-fill, so that live calls are
 * sent first.
 */
#define BULK_ROWS	1000

typedef struct Refresh
{
	const Sync *sync;
	RefreshCounts *counts;
	int64		members;		/* # of rows in hubspot.member before the refresh */
	bool		resend;			/* send every member, as hubspot_resync() asked */
	bool		knows;			/* HubSpot is taken to have what the source returns: nothing is
								 * sent */
	RefreshQueue *queue;		/* live for the first BULK_ROWS rows, then a back-fill */
	RefreshQueue *fill;			/* a back-fill, of what HubSpot lacked; NULL: not begun */
	int64		lacked;			/* # of rows in it */
	MemberWriter *writer;
	TimestampTz at;
	int64		queued;
	int64		left;			/* # of members that the source does not return */
	int64		had_left;		/* # of these that had left before */
	int64		new_rows;		/* # of differences whose key has no member */
	StringInfoData last_key;	/* key of the difference before, to find double keys */
	bool		has_last_key;
	MemoryContext context;
} Refresh;

/* ---- the state of the definition -------------------------------------------------------- */

static void
take_state(void *arg)
{
	Refresh    *refresh = arg;
	bool		isnull;

	if (SPI_processed != 1)
		elog(ERROR, "definition \"%s\" has no state", refresh->sync->name);
	refresh->members =
		DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	refresh->resend =
		DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
}

static void
read_state(Refresh *refresh)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(refresh->sync->id);

	(void) sync_execute("SELECT members, resend FROM hubspot.sync_state WHERE sync = $1", 1, &type,
						&value, NULL, take_state, refresh);
}

static void
write_state(const Refresh *refresh, int64 added)
{
	const RefreshCounts *counts = refresh->counts;
	Oid			types[] =
	{INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, BOOLOID};
	Datum		values[] = {
		Int32GetDatum(refresh->sync->id), Int64GetDatum(refresh->members + added),
		TimestampTzGetDatum(refresh->at),
		Int64GetDatum(counts->source_rows), Int64GetDatum(counts->entered),
		Int64GetDatum(counts->changed),
		Int64GetDatum(counts->exited), Int64GetDatum(counts->bad),
		/* there may be more, which schedule_lacking() finds then */
		BoolGetDatum(refresh->lacked >= REFRESH_LACKING)
	};

	(void) sync_execute("UPDATE hubspot.sync_state SET members = $2, refreshed_at = $3, "
						"duration = clock_timestamp() - $3,"
						" source_rows = $4, entered = $5, changed = $6, exited = $7, bad = $8, "
						"resend = false, lacked_id = CASE WHEN $9 THEN 0 ELSE lacked_id END,"
						" failures = 0, failed_at = NULL, error = NULL WHERE sync = $1",
						lengthof(types), types, values, NULL, NULL, NULL);
}

/* ---- differences ---------------------------------------------------------------------- */

/* Whether the key is the same as before: differences come in the order of keys. */
static bool
is_double(Refresh *refresh, const RefreshDifference *difference)
{
	refresh->new_rows += !difference->is_known;
	if (refresh->has_last_key && strcmp(refresh->last_key.data, difference->key) == 0)
	{
		if (refresh->sync->kind != SYNC_IS_AUDIENCE)
			refresh_refuse_double_key(refresh->sync, difference->key);
		return true;
	}
	resetStringInfo(&refresh->last_key);
	appendStringInfoString(&refresh->last_key, difference->key);
	refresh->has_last_key = true;
	return false;
}

static void
count(RefreshCounts *counts, RefreshChange change)
{
	if (change == REFRESH_ENTERED)
		counts->entered++;
	else if (change == REFRESH_CHANGED)
		counts->changed++;
	else if (change == REFRESH_EXITED)
		counts->exited++;
}

/* Note that HubSpot has the row as it is; who has left is the next refresh's to find. */
static void
take_as_known(Refresh *refresh, const RefreshDifference *difference)
{
	if (difference->change != REFRESH_EXITED && difference->change != REFRESH_GONE)
		member_note(refresh->writer, difference, 0);
	else
		refresh->left++;
}

/* It is old data, so that it makes way for live calls. */
static int64
send_lacked(Refresh *refresh, const RefreshDifference *difference)
{
	if (refresh->lacked++ == 0)
	{
		MemoryContext old = MemoryContextSwitchTo(refresh->context);

		refresh->fill = refresh_queue_begin(refresh->sync, refresh->at, true);
		MemoryContextSwitchTo(old);
	}
	return refresh_queue_add(refresh->fill, difference);
}

static bool
apply(const RefreshDifference *difference, void *arg)
{
	Refresh    *refresh = arg;
	int64		id = 0;

	/* A key of an audience that the source returns twice is one member. */
	if (is_double(refresh, difference))
		return true;
	if (refresh->knows)
	{
		take_as_known(refresh, difference);
		return true;
	}
	count(refresh->counts, difference->change);
	if (difference->change == REFRESH_EXITED || difference->change == REFRESH_GONE)
	{
		refresh->left++;
		refresh->had_left += difference->change == REFRESH_GONE || difference->repeats;
	}
	if (difference->lacked)
		id = send_lacked(refresh, difference);
	else if (difference->change < REFRESH_FAILED)
	{
		/*
		 * The first rows stay live: the number of differences is not known before the last one
		 * came.  The new queue lives as long as the refresh, not as long as this page of
		 * differences.
		 */
		if (refresh->queued++ == BULK_ROWS)
		{
			MemoryContext old = MemoryContextSwitchTo(refresh->context);

			refresh_queue_end(refresh->queue);
			refresh->queue = refresh_queue_begin(refresh->sync, refresh->at, true);
			MemoryContextSwitchTo(old);
		}
		id = refresh_queue_add(refresh->queue, difference);
	}

	/*
	 * Also for a difference that queued nothing: the member must show the value that was compared.
	 */
	member_note(refresh->writer, difference, id);
	return true;
}

/*
 * Raise an error for double keys if there is no filter, which would have found them.  If
 * more rows of the source met a member than members were met, some key came twice.
 */
static void
check_double_keys(const Refresh *refresh, const RefreshSource *source)
{
	if (source->filter == NULL && refresh->sync->kind != SYNC_IS_AUDIENCE &&
		refresh->sync->level != SYNC_LEVEL_ACCOUNT_USERS &&
		refresh->counts->source_rows - refresh->new_rows > refresh->members - refresh->left)
		refresh_refuse_double_key(refresh->sync, NULL);
}

/* Whether a record that leaves the source loses something in HubSpot. */
static bool
takes_away(const Sync *sync)
{
	return sync->kind != SYNC_IS_SYNC || sync->mode == SYNC_MIRROR ||
		sync->deletes != SYNC_DELETES_IGNORE;
}

/*
 * Raise an error if too many records would leave: a source that is empty by mistake must
 * not remove HubSpot's records.
 */
static void
check_shrinkage(const Refresh *refresh)
{
	const Sync *sync = refresh->sync;
	int64		were_there = refresh->members - refresh->had_left;
	int64		exited = refresh->left - refresh->had_left;

	if (sync->max_shrink >= 1 || exited == 0 || !takes_away(sync) ||
		(refresh->counts->source_rows > 0 && exited <= sync->max_shrink * were_there))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 refresh->counts->source_rows == 0
			 ? errmsg("the source of \"%s\" is empty", sync->name)
			 : errmsg("the source of \"%s\" has shrunk by more than max_shrink allows", sync->name),
			 errdetail("%lld of %lld records would leave, at most %g %% may.",
					   (long long) exited, (long long) were_there, 100 * sync->max_shrink),
			 errhint("If that is meant, SELECT hubspot_refresh(%s, confirm => true).",
					 quote_literal_cstr(sync->name))));
}

/*
 * The filter of a refresh, or NULL.  It cannot be used for the contacts of companies,
 * whose keys are not in the source, and is of no use if every row is sent.
 */
static RefreshFilter *
make_filter(const Sync *sync, int64 members, bool resend)
{
	return resend || sync->level == SYNC_LEVEL_ACCOUNT_USERS
		? NULL : refresh_filter_make(sync, members);
}

static void
check_is_compared(const Sync *sync)
{
	if (sync->held != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s \"%s\" is held: %s", sync_kind_names[sync->kind], sync->name,
						sync->held),
				 errhint("SELECT hubspot_resync(%s) lets it go on.",
						 quote_literal_cstr(sync->name))));
	if (sync->follows)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("sync \"%s\" follows its table: there is nothing to refresh", sync->name),
				 errhint("SELECT hubspot_resync(%s) sends all rows of the table again.",
						 quote_literal_cstr(sync->name))));
}

/* knows: see Refresh. */
static void
run(const Sync *sync, bool knows, bool confirm, RefreshCounts *counts)
{
	MemoryContext context =
	AllocSetContextCreate(CurrentMemoryContext, "hubspot refresh", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Refresh		refresh = {.sync = sync, .counts = counts, .knows = knows, .context = context};
	RefreshSource source;

	memset(counts, 0, sizeof(*counts));
	check_is_compared(sync);

	/*
	 * Before the state and the members are read: they are what the refresh before this one has
	 * left.
	 */
	(void) sync_lock(sync, true);
	/* Before the query: an owner who may no longer queue must not keep others waiting. */
	account_check_usage(account_resolve(sync->server), sync_need_owner(sync));
	read_state(&refresh);
	if (knows)
		refresh.resend = false;
	refresh_check_outputs(sync);
	refresh.at = GetCurrentTimestamp();
	initStringInfo(&refresh.last_key);

	refresh_read_source(sync, make_filter(sync, refresh.members, refresh.resend), &source);
	counts->source_rows = source.nrows;
	counts->bad = source.bad;
	refresh.queue = refresh_queue_begin(sync, refresh.at, refresh.resend);
	refresh.writer = member_begin(sync, refresh.at);
	refresh_compare(sync, &source, refresh.resend, apply, &refresh);
	check_double_keys(&refresh, &source);

	/*
	 * After the comparison, which alone knows how many leave.  The rows that are queued already go
	 * with the transaction.
	 */
	if (!confirm)
		check_shrinkage(&refresh);
	refresh_queue_end(refresh.queue);
	if (refresh.fill != NULL)
		refresh_queue_end(refresh.fill);
	write_state(&refresh, member_end(refresh.writer));

	tuplestore_end(source.rows);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
refresh_run(const Sync *sync, bool confirm, RefreshCounts *counts)
{
	run(sync, false, confirm, counts);
}

void
refresh_take_as_known(const Sync *sync)
{
	RefreshCounts counts;

	run(sync, true, true, &counts);
}

/* ---- a look -------------------------------------------------------------------------- */

void
refresh_look(const Sync *sync, RefreshFunction function, void *arg)
{
	MemoryContext context =
	AllocSetContextCreate(CurrentMemoryContext, "hubspot refresh", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RefreshSource source;

	check_is_compared(sync);
	refresh_read_source(sync, NULL, &source);
	refresh_compare(sync, &source, false, function, arg);
	tuplestore_end(source.rows);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
