/*
 * opt_out.c
 *		Opt-outs that enter hubspot.suppressed: the SERVER option suppress_opt_outs.
 *
 * In the caller's transaction, on behalf of the extension's owner: whoever may queue may say so,
 * and writes nothing else there.  Locks: ROW EXCLUSIVE on hubspot.suppressed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "enqueue/opt_out.h"
#include "store/act_as.h"

#define REASON "'hubspot_subscription()'"	/* of what this file has entered */

void
opt_out_note(const char *server, const MessageKey *contact, const MessageConsent *consent)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	bool		is_address = contact->property == NULL;
	Datum		values[] = {
		CStringGetTextDatum(contact->key), CStringGetTextDatum(contact->key),
		CStringGetTextDatum(server),
		CStringGetTextDatum(consent->of_all ? "" : consent->subscription)
	};
	char		nulls[] = "    ";
	Identity	before;
	int			done;

	if (consent->subscribed && !consent->again)
		return;
	nulls[is_address ? 1 : 0] = 'n';
	nulls[3] = consent->of_all ? 'n' : ' ';
	act_as_extension(&before);
	SPI_connect();
	if (consent->subscribed)
		done = statement_execute("DELETE FROM hubspot.suppressed s WHERE s.reason = " REASON
								 " AND (s.address = $1 OR s.user_id = $2) AND s.server = $3"
								 " AND (s.subscription IS NULL"
								 " OR pg_catalog.lower(s.subscription) = pg_catalog.lower($4))",
								 lengthof(types), types, values, nulls, false, 0);
	else
		done = statement_execute("INSERT INTO hubspot.suppressed"
								 " (address, user_id, server, subscription, objects, reason)"
								 " VALUES ($1, $2, $3, $4,"
								 " CASE WHEN $4 IS NULL THEN '{list,consent}'::text[] END, "
								 REASON ") ON CONFLICT DO NOTHING",
								 lengthof(types), types, values, nulls, false, 0);
	if (done < 0)
		elog(ERROR, "could not note an opt-out in hubspot.suppressed");
	SPI_finish();
	act_back(&before);
}
