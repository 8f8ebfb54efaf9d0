/*
 * refresher_limit.c
 *		How long a definition may keep the refresher.
 *
 * One refresher works in a database, and serves owners who need not trust each
 * other.  A cancel is an error that a function of the user's may catch, as
 * often as it likes.  So it is not repeated: after GRACE_MS the process gets
 * SIGTERM, which no handler of exceptions stops.  The next refresher notes that
 * as a failure of the definition.  What checks for no interrupts, as a C function
 * in a loop, is not ended by either: the worker puts that process aside and
 * starts another one beside it, see refresher_launch.c.
 *
 * Memory and locks: none.
 */
#include "postgres.h"

#include <limits.h>
#include <signal.h>

#include "miscadmin.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "refresher/refresher_limit.h"

#define GRACE_MS	5000

static WorkerSlot *my_slot = NULL;
static TimeoutId end_of_grace;

/* A timeout's handler: as that of statement_timeout, it leaves the rest to the signal. */
static void
on_end_of_grace(void)
{
	shared_task_overruns(my_slot);
	(void) kill(MyProcPid, SIGTERM);
}

void
refresher_limit_init(WorkerSlot *slot)
{
	my_slot = slot;
	end_of_grace = RegisterTimeout(USER_TIMEOUT, on_end_of_grace);
}

void
refresher_limit(const Sync *sync)
{
	int			ms = Min(sync->timeout_ms, hubspot_max_refresh_timeout);
	int			end_ms = Min(ms, INT_MAX - GRACE_MS) + GRACE_MS;

	shared_limit_task(my_slot, end_ms, sync->role);
	enable_timeout_after(STATEMENT_TIMEOUT, ms);
	enable_timeout_after(end_of_grace, end_ms);
}

void
refresher_unlimit(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	disable_timeout(end_of_grace, false);
	shared_unlimit_task(my_slot);
}
