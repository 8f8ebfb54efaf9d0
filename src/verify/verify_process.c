/*
 * verify_process.c
 *		The process of hubspot_verify(): asks HubSpot, removes what it has made.
 *
 * Started by a session (verify_start.c), which waits for its end.  Each question
 * is a transaction of its own, which the functions of 96-verify.sql do; an error
 * is the answer to its question and concerns no other one.  What was made is
 * written down after each question, in another transaction, and removed at the
 * end; what could not be removed, or was left by a process that crashed, is
 * removed by the next run before it begins.
 *
 * Locks: FOR UPDATE of the SERVER's row of hubspot.verify_run, for moments.
 * Memory: TopMemoryContext for the options; the rest lives for one transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/settings.h"
#include "backend/statement.h"
#include "backend/transaction.h"
#include "cluster/guard.h"
#include "ring/ring.h"
#include "verify/verify_ask.h"
#include "verify/verify_order.h"

/* The process: found by its name in this library. */
extern PGDLLEXPORT void hubspot_verify_main(Datum arg);

static VerifyOrder order;
static MemoryContext run_context;

/* ---- transactions ------------------------------------------------------------------- */

static void
begin(const char *activity)
{
	transaction_begin(activity);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
}

static void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(run_context);
	transaction_over();
}

/* A statement about the SERVER, whose oid is $1, and perhaps a text, $2. */
static int
execute(const char *sql, const char *text)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(order.server), (Datum) 0};

	if (text != NULL)
		values[1] = CStringGetTextDatum(text);
	return statement_execute(sql, text != NULL ? 2 : 1, types, values, NULL, false, 0);
}

/* One of them in a transaction of its own; the error's words in run_context, NULL: none. */
static char *
run(const char *activity, const char *sql, const char *text)
{
	char	   *volatile problem = NULL;

	PG_TRY();
	{
		begin(activity);
		execute(sql, text);
		commit();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(run_context);
		error = CopyErrorData();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		MemoryContextSwitchTo(run_context);
		problem = pstrdup(error->message);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	CHECK_FOR_INTERRUPTS();
	return problem;
}

/* ---- a run ------------------------------------------------------------------------------ */

/* What the session is told in place of answers; the process ends. */
static void
give_up(const char *problem)
{
	(void) run("saying why nothing was asked",
			   "UPDATE hubspot.verify_run SET problem = $2, ended_at = clock_timestamp()"
			   " WHERE server = $1", problem);
	proc_exit(0);
}

/* The account's options and token, and whether this database may send at all. */
static void
prepare(void)
{
	MemoryContext old;
	ForeignServer *server;
	AccountOptions *options;
	char	   *problem;
	int			look_ms;

	begin("preparing a verification");
	if (ring_catalog(true) == NULL)
		proc_exit(0);			/* dropped */
	execute("INSERT INTO hubspot.verify_run (server, started_at) VALUES ($1, clock_timestamp())"
			" ON CONFLICT (server) DO UPDATE SET started_at = excluded.started_at,"
			" ended_at = NULL, problem = NULL", NULL);
	/* a copy would ask the account of its original */
	problem = guard_problem(&look_ms);
	if (problem == NULL)
	{
		server = GetForeignServer(order.server);
		old = MemoryContextSwitchTo(TopMemoryContext);
		options = account_parse_options(server->options);
		MemoryContextSwitchTo(old);
		if (verify_ask_start(options, &problem))
			problem = NULL;
	}
	if (problem != NULL)
		problem = MemoryContextStrdup(run_context, problem);
	commit();
	if (problem != NULL)
		give_up(problem);
}

/* What the last question has made is removed later, whatever becomes of this process. */
static void
note_made(void)
{
	ListCell   *cell;
	List	   *made = verify_ask_made();
	char	   *problem = NULL;

	foreach(cell, made)
	{
		problem = run("noting what was made",
					  "INSERT INTO hubspot.verify_made (server, request) VALUES ($1, $2)",
					  lfirst(cell));
		if (problem != NULL)
			break;
	}
	list_free_deep(made);
	if (problem != NULL)
		give_up(problem);
}

static List *
questions(void)
{
	List	   *names = NIL;

	begin("reading the questions");
	statement_execute("SELECT question FROM hubspot.verify_question ORDER BY id", 0, NULL,
					  NULL, NULL, true, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext old = MemoryContextSwitchTo(run_context);

		names = lappend(names, pstrdup(name));
		MemoryContextSwitchTo(old);
	}
	commit();
	return names;
}

static void
ask_all(void)
{
	ListCell   *cell;
	List	   *names = questions();

	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		char	   *problem = run(psprintf("asking HubSpot: %s", name),
								  "SELECT hubspot.verify_answer($1, $2)", name);

		note_made();
		if (problem != NULL)
			(void) run("noting a failure", "SELECT hubspot.verify_failed($1, $2)",
					   psprintf("%s: %s", name, problem));
	}
}

static void
start(void)
{
	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);
	settings_pin();
	run_context =
		AllocSetContextCreate(TopMemoryContext, "hubspot verification", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(run_context);
}

void
hubspot_verify_main(Datum arg)
{
	char	   *problem;

	start();
	prepare();
	problem = run("removing what an earlier run has left", "SELECT hubspot.verify_clean($1)", NULL);
	if (problem == NULL && !order.any_size)
		problem = run("looking how large the account is", "SELECT hubspot.verify_size($1)", NULL);
	if (problem != NULL)
		give_up(problem);
	ask_all();
	problem = run("removing what was made", "SELECT hubspot.verify_clean($1)", NULL);
	if (problem != NULL)
		give_up(problem);
	(void) run("ending a verification",
			   "UPDATE hubspot.verify_run SET ended_at = clock_timestamp() WHERE server = $1",
			   NULL);
	proc_exit(0);
}
