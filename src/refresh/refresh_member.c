/*
 * refresh_member.c
 *		hubspot.member: what a refresh has queued for each key.
 *
 * Called by refresh.c with each difference.  One statement writes a group of them.  Rows
 * of keys that have left stay until HubSpot knows, and are deleted then.
 *
 * Runs as the extension's owner.  Locks: ROW EXCLUSIVE on hubspot.member.
 * Memory: a context for one group.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "refresh/refresh_member.h"

#define GROUP_ROWS	1000

/* Columns of a group: parallel arrays, parameters $3 and on. */
enum
{
	NOTE_KEY, NOTE_PRESENT, NOTE_OUTBOX_ID, NOTE_DIGEST, NOTE_VALUE, NOTE_FAILED,
	NOTE_COLUMNS
};

struct MemberWriter
{
	const Sync *sync;
	TimestampTz at;
	int64		added;
	bool		any_gone;
	int			n;
	Datum		values[NOTE_COLUMNS][GROUP_ROWS];
	bool		isnull[NOTE_COLUMNS][GROUP_ROWS];
	MemoryContext group;
};

/*
 * A repeated change keeps its "since".  A row for which nothing was queued keeps its
 * outbox_id, because the failure belongs to that row.
 */
static const char *const write_sql =
"INSERT INTO hubspot.member AS m (sync, key, present, outbox_id, since, digest, value, failed)"
" SELECT $1, n.key, n.present, n.outbox_id, $2, n.digest, n.value, n.failed"
" FROM ROWS FROM (unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8))"
"  AS n(key, present, outbox_id, digest, value, failed)"
" ON CONFLICT (sync, key) DO UPDATE SET present = excluded.present, digest = excluded.digest,"
"  value = CASE WHEN excluded.present THEN excluded.value ELSE m.value END,"
"  outbox_id = CASE WHEN excluded.outbox_id <> 0 THEN excluded.outbox_id ELSE m.outbox_id END,"
"  since = CASE WHEN m.present = excluded.present AND m.digest = excluded.digest THEN m.since ELSE "
"excluded.since END,"
"  failed = excluded.failed";

/*
 * Delete rows whose last call was delivered, whose verdict is too old to be known, or
 * whose failure nothing can mend.
 */
static const char *const forget_sql =
"DELETE FROM hubspot.member m WHERE m.sync = $1 AND NOT m.present AND m.since < $2"
" AND (m.outbox_id = 0 OR m.failed IS NOT NULL OR NOT EXISTS (SELECT FROM hubspot.outbox o WHERE "
"o.id = m.outbox_id)"
"  OR EXISTS (SELECT FROM hubspot.result r WHERE r.id = m.outbox_id))";

MemberWriter *
member_begin(const Sync *sync, TimestampTz at)
{
	MemberWriter *writer = palloc0(sizeof(MemberWriter));

	writer->sync = sync;
	writer->at = at;
	writer->group =
		AllocSetContextCreate(CurrentMemoryContext, "hubspot member group", ALLOCSET_DEFAULT_SIZES);
	return writer;
}

static Datum
group_array(MemberWriter *writer, int column, Oid type, int16 length, bool byval, char align)
{
	int			dims[] = {writer->n};
	int			bounds[] = {1};

	return PointerGetDatum(construct_md_array(writer->values[column], writer->isnull[column], 1,
											  dims, bounds,
											  type, length, byval, align));
}

static void
write_group(MemberWriter *writer)
{
	MemoryContext old = MemoryContextSwitchTo(writer->group);
	Oid			types[] =
	{INT4OID, TIMESTAMPTZOID, TEXTARRAYOID, BOOLARRAYOID, INT8ARRAYOID, INT8ARRAYOID, JSONBARRAYOID,
	TEXTARRAYOID};
	Datum		values[] = {
		Int32GetDatum(writer->sync->id), TimestampTzGetDatum(writer->at),
		group_array(writer, NOTE_KEY, TEXTOID, -1, false, TYPALIGN_INT),
		group_array(writer, NOTE_PRESENT, BOOLOID, 1, true, TYPALIGN_CHAR),
		group_array(writer, NOTE_OUTBOX_ID, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE),
		group_array(writer, NOTE_DIGEST, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE),
		group_array(writer, NOTE_VALUE, JSONBOID, -1, false, TYPALIGN_INT),
		group_array(writer, NOTE_FAILED, TEXTOID, -1, false, TYPALIGN_INT),
	};

	(void) sync_execute(write_sql, lengthof(types), types, values, NULL, NULL, NULL);
	writer->n = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->group);
}

static void
put(MemberWriter *writer, int column, Datum value, bool isnull)
{
	writer->values[column][writer->n] = value;
	writer->isnull[column][writer->n] = isnull;
}

void
member_note(MemberWriter *writer, const RefreshDifference *difference, int64 outbox_id)
{
	MemoryContext old;
	bool		keeps_value = difference->value != NULL &&
	(writer->sync->kind == SYNC_IS_TRAIT || writer->sync->object == OBJECT_IS_ASSOCIATION);
	bool		failed = difference->change == REFRESH_FAILED;

	/* Whether HubSpot knows is decided for all such rows at once, in member_end(). */
	if (difference->change == REFRESH_GONE)
	{
		writer->any_gone = true;
		return;
	}
	/* Copies: the difference is valid only until the caller returns, the group is written later. */
	old = MemoryContextSwitchTo(writer->group);
	put(writer, NOTE_KEY, CStringGetTextDatum(difference->key), false);
	put(writer, NOTE_PRESENT, BoolGetDatum(difference->change != REFRESH_EXITED), false);
	put(writer, NOTE_OUTBOX_ID, Int64GetDatum(outbox_id), false);
	put(writer, NOTE_DIGEST, Int64GetDatum(difference->digest), false);
	put(writer, NOTE_VALUE,
		keeps_value
		? JsonbPGetDatum(memcpy(palloc(VARSIZE(difference->value)), difference->value,
								VARSIZE(difference->value))) : (Datum) 0,
		!keeps_value);
	put(writer, NOTE_FAILED,
		failed ? CStringGetTextDatum(difference->reason != NULL ? difference->reason : "")
		: (Datum) 0, !failed);
	MemoryContextSwitchTo(old);
	if (!difference->is_known)
		writer->added++;
	if (++writer->n == GROUP_ROWS)
		write_group(writer);
}

int64
member_end(MemberWriter *writer)
{
	Oid			types[] = {INT4OID, TIMESTAMPTZOID};
	Datum		values[] = {Int32GetDatum(writer->sync->id), TimestampTzGetDatum(writer->at)};
	int64		added;

	if (writer->n > 0)
		write_group(writer);
	if (writer->any_gone)
		writer->added -= sync_execute(forget_sql, lengthof(types), types, values, NULL, NULL, NULL);
	added = writer->added;
	MemoryContextDelete(writer->group);
	pfree(writer);
	return added;
}
