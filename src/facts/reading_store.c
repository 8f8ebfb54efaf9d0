/*
 * reading_store.c
 *		What was read, in the tables.
 *
 * By SPI in the caller's transaction.  Locks: none but those of the statements.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "facts/reading_store.h"

static void
store_rows(Oid server, const Reading *reading, const char *subject, const char *rows)
{
	Oid			types[] = {OIDOID, TEXTOID, JSONBOID};
	Datum		values[] = {
		ObjectIdGetDatum(server), CStringGetTextDatum(subject),
		DirectFunctionCall1(jsonb_in, CStringGetDatum(rows))
	};

	for (const char *const *sql = reading->statements; *sql != NULL; sql++)
		if (statement_execute(*sql, lengthof(types), types, values, NULL, false, 0) < 0)
			elog(ERROR, "could not write what HubSpot says of its %s", reading->noun);
}

static void
store_stand(Oid server, const Reading *reading, const char *subject,
			const ReadingRefusal *refusal)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID};
	bool		known = refusal == NULL;
	Datum		values[] = {
		ObjectIdGetDatum(server), CStringGetTextDatum(reading->name), CStringGetTextDatum(subject),
		Int32GetDatum(known ? 0 : refusal->http_status),
		CStringGetTextDatum(known ? "" : refusal->category),
		CStringGetTextDatum(known ? "" : refusal->scopes),
		CStringGetTextDatum(known ? "" : refusal->message)
	};

	/* what was told is said by known alone, so a refusal leaves nothing behind when it is over */
	if (statement_execute("INSERT INTO hubspot.reading (server, reading, subject, read_at, known, "
						  "http_status, category, scopes, message)"
						  " VALUES ($1, $2, $3, pg_catalog.clock_timestamp(), "
						  "$4 OPERATOR(pg_catalog.=) 0, nullif($4, 0), nullif($5, ''), "
						  "nullif($6, ''), nullif($7, ''))"
						  " ON CONFLICT (server, reading, subject) DO UPDATE SET "
						  "read_at = excluded.read_at, known = excluded.known, "
						  "http_status = excluded.http_status, category = excluded.category, "
						  "scopes = excluded.scopes, message = excluded.message",
						  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write hubspot.reading");
}

void
reading_store(Oid server, ReadingId id, const char *subject, const char *rows,
			  const ReadingRefusal *refusal)
{
	Assert((rows == NULL) == (refusal != NULL));
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (rows != NULL)
		store_rows(server, &readings[id], subject, rows);
	store_stand(server, &readings[id], subject, refusal);
	SPI_finish();
	PopActiveSnapshot();
}

ReadingStand
reading_stand(Oid server, ReadingId id, const char *subject)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		ObjectIdGetDatum(server), CStringGetTextDatum(readings[id].name),
		CStringGetTextDatum(subject)
	};
	ReadingStand stand = {0};

	SPI_connect();
	if (statement_execute("SELECT read_at, known FROM hubspot.reading WHERE server = $1"
						  " AND reading = $2 AND subject = $3",
						  lengthof(types), types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look at hubspot.reading");
	/* no row: nobody has needed it yet, which is no refusal */
	if (SPI_processed > 0)
	{
		bool		isnull;

		stand.read_at = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0],
														  SPI_tuptable->tupdesc, 1, &isnull));
		stand.known = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2,
												 &isnull));
	}
	SPI_finish();
	return stand;
}
