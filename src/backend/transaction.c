/*
 * transaction.c
 *		How our own processes begin a transaction, and what they tell when it is over.
 *
 * Called by launcher, worker and refresher.
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"

#include "base/hubspot.h"
#include "backend/transaction.h"

void
transaction_begin(const char *activity)
{
	Assert(!IsTransactionState());

	/*
	 * Before the transaction, which takes its time from it: without, now() and xact_start would be
	 * those of the process's start.
	 */
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, activity);
	StartTransactionCommand();
}

void
transaction_over(void)
{
	Assert(!IsTransactionState());

	(void) pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}
