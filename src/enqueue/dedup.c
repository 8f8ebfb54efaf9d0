/*
 * dedup.c
 *		A messageId that was queued before is not queued again.
 *
 * Only if hubspot.dedup_message_id is on, because it costs a unique index and makes two
 * sessions with the same messageId wait for each other.  Runs in the caller's transaction
 * with the rights of the owner of our tables, because the caller has none.  The worker
 * removes ids beyond the retention (ring_rotate).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "enqueue/enqueue.h"
#include "ring/ring.h"

static uint64
run(const char *query, Oid server, const char *message_id, int64 id)
{
	Oid			types[] = {OIDOID, TEXTOID, INT8OID};
	Datum		values[] =
	{ObjectIdGetDatum(server), CStringGetTextDatum(message_id), Int64GetDatum(id)};

	if (statement_execute(query, 3, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not look up messageId");
	return SPI_processed;
}

int64
dedup_message_id(Oid server, const char *message_id, int64 id)
{
	Oid			user;
	int			context;
	int64		earlier = 0;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(ring_tables_owner(),
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();

	/*
	 * The INSERT comes first: the unique index decides between two sessions.  Above READ COMMITTED
	 * a row that our snapshot does not see is a serialization error.
	 */
	if (run("INSERT INTO hubspot.message_id (server, message_id, id) "
			"VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			server, message_id, id) == 0 &&
		run("SELECT id FROM hubspot.message_id WHERE server OPERATOR(pg_catalog.=) $1 AND "
			"message_id OPERATOR(pg_catalog.=) $2",
			server, message_id, id) > 0)
	{
		bool		isnull;

		earlier =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return earlier;
}
