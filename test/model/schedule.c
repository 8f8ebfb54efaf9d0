/*
 * schedule.c
 *		One seeded scheduler: what happens when.
 *
 * All that a schedule does follows from its choices.  They come from the seed
 * and are noted, so that a schedule that breaks a promise is repeated with
 * other choices: fewer, and smaller ones, until none can be left out.
 */
#include "postgres.h"

#include <setjmp.h>
#include <sys/resource.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "cluster/shared.h"
#include "http/wire.h"
#include "queue/queue.h"
#include "store/ack.h"
#include "../simulator/random.h"
#include "model.h"
#include "simulated.h"

#define MAX_CHOICES		20000
#define BEGIN_US		((INT64CONST(1780000000)) * 1000000)	/* 2026-05-28 */
#define MAX_SLEEPS		800		/* until all must have ended */
#define MAX_LIVES		40
#define MAX_SHRINKS		3000

PG_FUNCTION_INFO_V1(hubspot_model);

int			moment;
bool		settling;
int			temper;

extern int64_t model_clock_us;	/* clock.c */

static uint64_t random_state;
static bool follows;			/* the choices are given */
static int	choices[MAX_CHOICES];
static int	nchoices;			/* made, or given */
static int	at_choice;			/* of those given */
static bool tells;
static bool prepares;			/* the schema is to be learnt, and kept */
static bool is_alive;			/* the worker */
static bool is_at_rest;			/* it sleeps, or has ended in order */
static int	steps_left;
static int	sleeps;
static int	idle;				/* sleeps while everything goes well, with nothing to be answered */
static sigjmp_buf ending;
static char promise_broken[200];	/* "": none */
static char details[1000];

/* ---- choices and words ------------------------------------------------------------------------ */

int
pick(int n)
{
	int			choice;

	if (n <= 1)
		return 0;
	if (follows)
		choice = at_choice < nchoices ? Min(choices[at_choice], n - 1) : 0;
	else
		choice = random_step(&random_state) % n;
	if (at_choice < MAX_CHOICES)
	{
		choices[at_choice++] = choice;
		if (!follows)
			nchoices = at_choice;
	}
	return choice;
}

bool
chance(int per_mille)
{
	return pick(1000) >= 1000 - per_mille;
}

void
say(const char *format,...)
{
	va_list		args;

	if (!tells)
		return;
	fprintf(stderr, "%10.3f  ", (model_clock_us - BEGIN_US) / 1e6);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void
violated(const char *promise, const char *format,...)
{
	va_list		args;

	strlcpy(promise_broken, promise, sizeof(promise_broken));
	va_start(args, format);
	vsnprintf(details, sizeof(details), format, args);
	va_end(args);
	say("BROKEN: %s (%s)", promise_broken, details);
	if (is_alive)
		process_end(LIFE_OVER);
	siglongjmp(ending, 1);
}

/* ---- time --------------------------------------------------------------------------------------- */

int64
clock_now(void)
{
	return model_clock_us;
}

void
clock_advance(int64 us)
{
	model_clock_us += us;
}

/* ---- steps ---------------------------------------------------------------------------------------- */

void
schedule_others(void)
{
	if (settling || !is_alive)
		return;
	while (pick(4) == 3 && world_step())
		;
}

static bool
worker_is_wanted(void)
{
	return network_ready() > 0 || pg_atomic_read_u32(&hubspot_shared->slots[0].wake) != 0;
}

static bool
nothing_waits(void)
{
	return wire_in_flight() == 0 && ack_pending() == 0 && window.nrows == 0;
}

/* Everything goes well from here on, and time flies. */
static void
settle(int64 timeout_us)
{
	network_answer_all();
	if (network_ready() > 0)
	{
		clock_advance(1000);
		return;
	}
	if (idle > MAX_SLEEPS || sleeps > 3 * MAX_SLEEPS)
		violated("every row ends some time", "it is " INT64_FORMAT " s later", (model_clock_us - BEGIN_US) / 1000000);
	if (prepares ? idle > 50 : nothing_waits() && reference_all_ended())
	{
		if (!prepares)
			reference_at_end();
		process_end(LIFE_OVER);
	}
	idle++;
	clock_advance(Max(timeout_us < 0 ? 3600 * INT64CONST(1000000) : timeout_us, idle > 20 ? idle * INT64CONST(200000) : 1000));
}

static void
begin_to_settle(void)
{
	settling = true;
	say("everything goes well from here on");
	world_finish();
	world_resume();
}

static void
end_process(void)
{
	is_at_rest = true;
	switch (pick(3))
	{
		case 0:
			say("the worker is told to end");
			ShutdownRequestPending = true;
			return;
		case 1:
			say("the worker ends at once");
			process_end(LIFE_EXITS);
			break;
		case 2:
			say("the server crashes");
			process_end(LIFE_CRASHES);
			break;
	}
}

/* Some time goes by, or all that the worker would sleep, as it does while a lock holds it up. */
static void
pass_time(int64 timeout_us)
{
	int64		us = timeout_us < 0 || timeout_us > 60000000 ? 60000000 : timeout_us;
	int			part = process_is_held_up() ? 0 : pick(4);

	clock_advance(Max(part == 0 ? us : us / 16 * part, 100));
}

void
schedule_sleep(int64 timeout_us)
{
	sleeps++;
	while (!settling)
	{
		if (steps_left-- <= 0)
		{
			begin_to_settle();
			break;
		}
		if (temper > 0 && chance(Min(temper / 8, 12)))
		{
			end_process();
			return;
		}
		if (chance(15))
			world_order();
		if (process_is_held_up() && pick(3) > 0)
		{
			pass_time(timeout_us);
			return;
		}
		switch (pick(4))
		{
			case 0:
				pass_time(timeout_us);
				return;
			case 1:
				if (network_pending() > 0)
					network_step();
				break;
			default:
				if (!world_step() && network_pending() > 0)
					network_step();
		}
		moment++;
		if (worker_is_wanted() && pick(4) < 3)
		{
			clock_advance(200);
			return;
		}
	}
	settle(timeout_us);
}

/* ---- a schedule ---------------------------------------------------------------------------------------- */

static void
live_until_over(void)
{
	for (;;)
	{
		LifeEnd		end;

		is_alive = true;
		is_at_rest = false;
		end = process_live();
		is_alive = false;
		if (end == LIFE_OVER)
			return;
		if (end == LIFE_ERROR)
			violated("no error ends the worker", "see above");
		reference_worker_ends(is_at_rest);
		if (life > MAX_LIVES)
			settling = true;
		network_dies();
		if (end == LIFE_CRASHES)
			world_crash();
		clock_advance(1000000);
		say("worker %d starts", life + 1);
	}
}

/* Run one schedule; whether all promises were kept. */
static bool
run(void)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "model schedule", ALLOCSET_DEFAULT_SIZES);
	int			level = GetCurrentTransactionNestLevel();

	moment = sleeps = idle = life = at_choice = 0;
	settling = false;
	promise_broken[0] = details[0] = '\0';
	model_clock_us = BEGIN_US;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	if (sigsetjmp(ending, 0) == 0)
	{
		temper = prepares ? 0 : pick(4) * pick(4) * 50;
		steps_left = prepares ? 0 : 10 + pick(80);
		network_begin();
		reference_begin();
		world_begin();
		if (prepares)
			world_prepare();
		live_until_over();
	}
	while (GetCurrentTransactionNestLevel() > level)
		if (prepares)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	process_forget();
	return promise_broken[0] == '\0';
}

/* ---- shrinking -------------------------------------------------------------------------------------------- */

static int	best[MAX_CHOICES];
static int	nbest;
static char best_promise[200];
static int	nruns;

/* Whether the given choices break the same promise; then they are the best. */
static bool
still_breaks(const int *given, int n)
{
	if (nruns++ >= MAX_SHRINKS)
		return false;
	memcpy(choices, given, sizeof(int) * n);
	nchoices = n;
	if (run() || strcmp(promise_broken, best_promise) != 0)
		return false;
	memcpy(best, given, sizeof(int) * n);
	nbest = n;
	return true;
}

static void
shrink(void)
{
	static int	given[MAX_CHOICES];
	bool		better = true;

	nbest = nchoices;
	memcpy(best, choices, sizeof(int) * nbest);
	strlcpy(best_promise, promise_broken, sizeof(best_promise));
	follows = true;
	for (int size = 64; size > 0; size = better ? size : size / 2)
	{
		better = false;
		for (int at = 0; at + size <= nbest;)
		{
			memcpy(given, best, sizeof(int) * at);
			memcpy(given + at, best + at + size, sizeof(int) * (nbest - at - size));
			if (still_breaks(given, nbest - size))
				better = true;
			else
				at += size;
		}
	}
	for (int at = 0; at < nbest; at++)
		for (int value = 0; value < best[at] && value < 4; value++)
		{
			memcpy(given, best, sizeof(int) * nbest);
			given[at] = value;
			if (still_breaks(given, nbest))
				break;
		}
	memcpy(choices, best, sizeof(int) * nbest);
	nchoices = nbest;
}

/* ---- SQL ------------------------------------------------------------------------------------------------------ */

static double
seconds_used(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/*
 * hubspot_model(first bigint, n int, how text): run the schedules of n seeds.  how is "run",
 * "tell" (in words), "shrink" (in words, the least that breaks the same promise), or "prepare":
 * let a worker learn what HubSpot's schema is, and keep that; "coverage": tell what this process
 * has reached.
 */
Datum
hubspot_model(PG_FUNCTION_ARGS)
{
	int64		first = PG_GETARG_INT64(0);
	int			n = PG_GETARG_INT32(1);
	char	   *how = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int			broken = 0;
	double		before = seconds_used();
	static bool started;
	Snapshot	snapshot = RegisterSnapshot(GetActiveSnapshot());
	Portal		portal = ActivePortal;

	/* the statement's own; a worker's transaction begins without them */
	PopActiveSnapshot();
	ActivePortal = NULL;
	if (strcmp(how, "coverage") == 0)
		coverage_print();
	process_prepare();
	model_clock_us = BEGIN_US;
	if (!started)
		simulated_start();
	started = true;
	for (int i = 0; i < n; i++)
	{
		random_state = (uint64_t) (first + i) * RANDOM_STEP;
		follows = false;
		nchoices = 0;
		tells = strcmp(how, "tell") == 0 || getenv("MODEL_TELL") != NULL;
		prepares = strcmp(how, "prepare") == 0;
		fprintf(stderr, "seed " INT64_FORMAT "\r", first + i);
		if (run())
			continue;
		broken++;
		fprintf(stderr, "seed " INT64_FORMAT " after %d sleeps: %s (%s)\n", first + i, sleeps, promise_broken, details);
		if (strcmp(how, "shrink") != 0)
			continue;
		shrink();
		tells = true;
		fprintf(stderr, "the least of it, %d choices:\n", nchoices);
		(void) run();
		tells = false;
	}
	model_clock_us = BEGIN_US;
	fprintf(stderr, "%d schedules, %d broken, %.1f s of the processor\n", n, broken, seconds_used() - before);
	ActivePortal = portal;
	PushActiveSnapshot(snapshot);
	UnregisterSnapshot(snapshot);
	PG_RETURN_INT32(broken);
}
