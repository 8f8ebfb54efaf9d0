/*
 * reading_ask.c
 *		A session has the worker read something from HubSpot.
 *
 * The session asks no network: the worker is told through shared memory (a row of the outbox would
 * be seen at commit only), reads in the background, and stores in its own transaction, which the
 * session looks for.
 *
 * Locks: between two looks none.  Memory: the caller's context.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "base/hubspot.h"
#include "cluster/shared.h"
#include "facts/reading_store.h"
#include "store/act_as.h"

#define LOOK_MS		50
#define WAIT_MS		5000

ReadingStand
reading_look(Oid server, ReadingId id, const char *subject)
{
	Identity	before;
	ReadingStand stand;

	act_as_extension(&before);
	/* also a transaction that sees the past only, as in REPEATABLE READ, sees this */
	PushActiveSnapshot(GetLatestSnapshot());
	stand = reading_stand(server, id, subject);
	PopActiveSnapshot();
	act_back(&before);
	return stand;
}

static bool
want(Oid server, ReadingId id, const char *subject, TimestampTz since)
{
	ReadingWish wish = {.server = server, .reading = id, .since = since};

	StaticAssertStmt(sizeof(wish.subject) == READING_SUBJECT, "a wish names any subject");
	strlcpy(wish.subject, subject, sizeof(wish.subject));
	return shared_want_reading(&wish);
}

bool
reading_ask(Oid server, ReadingId id, const char *subject)
{
	return want(server, id, subject, GetCurrentTimestamp());
}

static bool
is_old(const ReadingStand *stand, TimestampTz now, int max_age)
{
	return stand->read_at == 0 ||
		TimestampDifferenceExceeds(stand->read_at, now, max_age * 1000);
}

ReadingStand
reading_await(Oid server, ReadingId id, const char *subject, int max_age)
{
	TimestampTz start = GetCurrentTimestamp();
	ReadingStand stand = reading_look(server, id, subject);

	max_age = Max(max_age, READING_LOOK_S);
	/* the wish is repeated, and the last one may come after the answer: it is no further one */
	while (is_old(&stand, start, max_age) && want(server, id, subject, start) &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), WAIT_MS))
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
						 WaitEventExtensionNew("HubspotReading"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		stand = reading_look(server, id, subject);
	}
	return stand;
}
