/*
 * worker.c
 *		The worker of a database: one loop, readable aloud.
 *
 *	read		new outbox rows into the window		short transaction
 *	send		batches, as lanes and meters allow	no transaction
 *	acknowledge	verdicts into the tables			short transaction
 *	sleep		on latch, sockets and timers		no transaction
 *
 * No transaction, snapshot or lock is open while the worker sleeps.  An error
 * in a transaction is logged, the transaction is rolled back, and the loop
 * goes on after a pause; memory still holds what the transaction was about.
 * Any other error ends the process; the launcher starts it again.
 *
 * A worker that finds that its database must not send ends, so that it keeps no
 * process from those that may; the launcher sends another one to look when that
 * may be over.
 *
 * SIGTERM sets a flag and the latch: the loop writes the verdicts it has and
 * ends, whatever its peers do.  Only for a form or a legacy event that is under
 * way it waits a moment.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "admit/begun.h"
#include "alert/alert.h"
#include "backend/settings.h"
#include "backend/transaction.h"
#include "base/clock.h"
#include "base/guc.h"
#include "cluster/crash_guard.h"
#include "cluster/guard.h"
#include "cluster/suspect.h"
#include "consent/suppress.h"
#include "counts/report.h"
#include "counts/statistics.h"
#include "crm/unknown.h"
#include "erase/purge.h"
#include "http/library_report.h"
#include "http/wire.h"
#include "read/checkpoint.h"
#include "queue/accounts.h"
#include "read/command.h"
#include "read/expire.h"
#include "read/outbox_reader.h"
#include "refresher/refresher.h"
#include "reading/reading.h"
#include "request/schema_sync.h"
#include "store/company_contact.h"
#include "ring/ring.h"
#include "ring/ring_summary.h"
#include "store/confirmed.h"
#include "store/record_map.h"
#include "text/encoding.h"
#include "wait/await.h"
#include "wait/awaited.h"
#include "wait/company_first.h"
#include "wait/defer.h"
#include "wait/tell.h"
#include "worker/checker.h"
#include "worker/forget.h"
#include "worker/pause.h"
#include "worker/publish.h"
#include "worker/send.h"
#include "worker/servers.h"

/* The process: found by its name in this library. */
extern PGDLLEXPORT void hubspot_worker_main(Datum arg);

#define LOOK_US			5000000 /* for rows that nobody announced (COPY, PREPARE) */
#define ROTATE_US		60000000
#define SAVE_US			5000000 /* accounts' states into their tables */
#define ERROR_PAUSE_US	1000000
#define TELL_AFTER		3		/* failures of one step in a row */
#define SCHEMAS_PER_TURN	50	/* accounts whose schemas are read before anything else goes on */
#define LAST_ANSWERS_US	1000000 /* for what must not be sent twice, when the worker ends */
#define LIBRARY_LOOK_MS	3600000 /* a library that will not do does so until the server's restart */

static WorkerSlot *slot;
static MemoryContext turn_context;	/* reset each turn */
static Oid	extension;			/* when we started; another one means: begin anew */

static int64 next_look;			/* all of these: µs of the monotonic clock */
static int64 next_rotation;
static int64 next_save;
static int64 next_sign;			/* of life, for a failover */
static int64 pause_until;		/* after an error in a transaction */
static bool more_to_read;
static bool may_send = true;	/* see guard.h; when it may not, the process ends */
static char obstacle[SHARED_TEXT];	/* a library that we cannot do with, "": none */

/* ---- transactions ------------------------------------------------------------- */

static char last_problem[256];	/* that ended a transaction */
static int	last_code;			/* its SQLSTATE */

/* Keep the words of the error that is being handled. */
static void
note_problem(void)
{
	MemoryContext old = MemoryContextSwitchTo(turn_context);
	ErrorData  *error = CopyErrorData();

	encoding_copy(last_problem, sizeof(last_problem), error->message != NULL ? error->message : "");
	last_code = error->sqlerrcode;
	FreeErrorData(error);
	MemoryContextSwitchTo(old);
}

/*
 * What fails again and again is told to who looks: the step; the error itself may quote
 * data.  It is over when the same step goes well, whatever else has failed meanwhile.
 */
static const char *failing;		/* activity of the step, NULL: none */
static int	times_failed;
static const char *told;		/* activity of the step that is told, NULL: none */

static void
tell_trouble(const char *activity)
{
	const char *problem = activity == NULL ? NULL
	: psprintf("%s fails again and again: %s", activity, worker_trouble_words(last_code));

	shared_set_state(slot, WORKER_RUNNING, problem);
	if (told != activity)
		alert_worker(problem);
	told = activity;
}

static void
note_end(const char *activity, bool done)
{
	if (done && failing == activity)
		failing = NULL;
	if (done && told == activity)
		tell_trouble(NULL);
	if (done)
		return;
	times_failed = failing == activity ? times_failed + 1 : 1;
	failing = activity;
	if (times_failed >= TELL_AFTER && may_send)
		tell_trouble(activity);
}

/*
 * Run one step in a transaction of its own.  False when it failed: then it
 * was rolled back and logged, and no transaction is tried for a second.
 */
static bool
in_transaction(void (*step) (void), const char *activity)
{
	volatile bool done = true;

	PG_TRY();
	{
		transaction_begin(activity);
		step();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		note_problem();
		suspect_clear();
		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		pause_until = clock_us() + ERROR_PAUSE_US;
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(turn_context);
	note_end(activity, done);
	/* here, because an error of it would be taken for one of a step that has been committed */
	transaction_over();
	return done;
}

/* The same for a step without which there is nothing to do here: an error ends the process. */
static void
in_first_transaction(void (*step) (void), const char *activity)
{
	transaction_begin(activity);
	step();
	CommitTransactionCommand();
	MemoryContextSwitchTo(turn_context);
	transaction_over();
}

/* The extension was dropped, perhaps created again: this worker's knowledge is void. */
static void
check_extension(void)
{
	const Catalog *catalog = ring_catalog(true);

	if (catalog == NULL || (OidIsValid(extension) && catalog->extension != extension))
	{
		AbortOutOfAnyTransaction();
		shared_set_state(slot, WORKER_ABSENT, NULL);
		proc_exit(0);
	}
	extension = catalog->extension;
}

static void
guard_step(void)
{
	char	   *problem;
	int			look_ms = LIBRARY_LOOK_MS;

	check_extension();
	problem = obstacle[0] != '\0' ? obstacle : guard_problem(&look_ms);
	may_send = problem == NULL;
	if (may_send)
		shared_set_state(slot, WORKER_RUNNING, NULL);
	else
		shared_set_held(slot, problem, look_ms);
}

static void
begin_step(void)
{
	check_extension();
	encoding_prepare();
	statistics_load();
	servers_load_accounts();
	begun_start();
	defer_start();
	reader_start();
}

static void
alive_step(void)
{
	check_extension();
	guard_tell_alive();
}

static void
read_step(void)
{
	check_extension();

	/*
	 * The mark comes first: what was committed before, or with, a row that it sees, such as the
	 * row's SERVER or a pause, is then read below.
	 */
	reader_look();
	AcceptInvalidationMessages();
	servers_load_accounts();
	pause_load();
	PushActiveSnapshot(GetTransactionSnapshot());
	command_look();
	suppress_poll();
	refresher_look(slot, clock_us());
	PopActiveSnapshot();
	more_to_read = reader_fetch();
	forget_look();
}

static bool writes_records;
static bool writes_checkpoint;
static bool writes_last;		/* nothing is written after it */

static void
schema_step(void)
{
	check_extension();
	schema_sync_step();
}

static void
store_readings_step(void)
{
	check_extension();
	reading_step();
}

static void
begun_step(void)
{
	check_extension();
	begun_write();
}

static void
write_records(void)
{
	RecordMapRows rows = {.ended = reader_ended(), .await_user_id = tell_is_awaited};

	record_map_write(&rows);
}

static void
acknowledge_step(void)
{
	check_extension();
	ack_write(writes_last);
	if (defer_has_changes())
		defer_write();
	if (begun_has_over())
		begun_clear();
	if (command_is_done())
		command_write();
	confirmed_write();
	if (writes_records)
		write_records();
	if (writes_checkpoint)
		checkpoint_write();
}

static void
look_up_step(void)
{
	check_extension();
	PushActiveSnapshot(GetTransactionSnapshot());
	await_step();
	PopActiveSnapshot();
}

static void
suppressed_step(void)
{
	check_extension();
	PushActiveSnapshot(GetTransactionSnapshot());
	suppress_step();
	PopActiveSnapshot();
}

static void
erase_step(void)
{
	check_extension();
	purge_step();
}

static void
forget_confirmed_step(void)
{
	check_extension();
	forget_step();
}

static void
save_step(void)
{
	check_extension();
	servers_save();
}

static void
alerts_step(void)
{
	check_extension();
	alert_step();
}

static void
look_at_definitions_step(void)
{
	check_extension();
	definitions_step();
}

static void
unknown_step(void)
{
	check_extension();
	unknown_save();
}

static void
rotate_step(void)
{
	check_extension();
	ring_rotate(checker_covers, hubspot_retention);
}

static void
summary_step(void)
{
	check_extension();
	ring_summary_step();
}

static void
trim_step(void)
{
	check_extension();
	PushActiveSnapshot(GetTransactionSnapshot());
	company_contact_trim();
	PopActiveSnapshot();
}

static void
tidy_step(void)
{
	check_extension();
	PushActiveSnapshot(GetTransactionSnapshot());
	report_tidy();
	PopActiveSnapshot();
}

static void
check_step(void)
{
	check_extension();
	checker_step();
}

/* ---- the parts of a turn ------------------------------------------------------- */

/*
 * Rows are sent only when they are durable: a crash must not leave HubSpot
 * with a contact that never was (the caller may commit asynchronously).
 */
static void
make_durable(void)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();

	/*
	 * at the start of a page, the place of the next record lies behind a header that is not there
	 * yet
	 */
	if (end % XLOG_BLCKSZ <= SizeOfXLogLongPHD)
		end -= end % XLOG_BLCKSZ;
	XLogFlush(end);
}

static void
read_rows(int64 now)
{
	if (record_map_is_full())
		return;
	if (pg_atomic_exchange_u32(&slot->wake, 0) == 0 && !more_to_read &&
		now < next_look && !reader_wants_fetch() && !command_wants_look())
		return;
	next_look = in_transaction(read_step, "reading the outbox") ? now + LOOK_US : now;
	if (reader_took_mark())
		make_durable();
}

/* What HubSpot has told, or somebody has changed in the tables. */
typedef struct Told
{
	bool		(*is_due) (void);
	bool		(*take) (void); /* of one account, in a transaction of its own */
	void		(*done) (void);
	bool		(*failed) (const char *why);
} Told;

static bool
take_schema(void)
{
	return in_transaction(schema_step, "reading the accounts' properties");
}

static bool
take_reading(void)
{
	return in_transaction(store_readings_step, "storing what HubSpot says");
}

static void
schema_taken(void)
{
	schema_sync_done();
	/* a definition may have lacked what there is now */
	pg_atomic_write_u32(&slot->syncs_changed, 1);
}

static const Told schemas = {schema_sync_is_due, take_schema, schema_taken, schema_sync_failed};
static const Told further = {reading_is_due, take_reading, reading_done, reading_failed};

/*
 * A transaction for each account, so that one whose answer makes trouble is the only one that has
 * it.
 */
static void
update_known(const Told *told)
{
	for (int i = 0; i < SCHEMAS_PER_TURN && told->is_due(); i++)
	{
		int64		before = pause_until;

		if (told->take())
			told->done();
		else if (told->failed(last_problem))
		{
			pause_until = before;
			failing = NULL;		/* the lane says it */
		}
		else
			break;
	}
}

/* Sessions ask again, so an account that is not known yet is nothing to remember. */
static void
want_what_sessions_want(void)
{
	Account    *account;
	Oid			server;
	uint32		code;
	int			part;
	ReadingWish wish;

	if (shared_take_wanted_schema(slot, &server, &code))
	{
		account = accounts_find(server);
		part = object_of_code(code);
		if (account != NULL && accounts_open_lane(account, part) != NULL &&
			object_types[part].has_schema)
			schema_sync_want(account, (Object) part);
	}
	if (shared_take_wanted_reading(slot, &wish))
	{
		account = accounts_find(wish.server);
		if (account != NULL && wish.reading >= 0 && wish.reading < READING_COUNT)
			reading_want(account, (ReadingId) wish.reading, wish.subject, wish.since);
	}
}

/*
 * What must not be sent twice has got its place: it goes when that is on disk, and else waits.  All
 * that a turn sends is noted together.
 */
static void
send_once(bool paused)
{
	bool		noted = !begun_is_wanted();

	if (!send_awaits_notes())
		return;
	if (!noted && !paused && in_transaction(begun_step, "noting what must not be sent twice"))
	{
		make_durable();
		noted = true;
	}
	if (noted)
		begun_written();
	else
		begun_unwritten();
	send_noted(noted);
}

/* What acknowledge_step() writes; what it has written is forgotten. */
static bool
write_known(void)
{
	if (!in_transaction(acknowledge_step, "writing results"))
		return false;
	ack_written();
	defer_written();
	begun_cleared();
	command_written();
	confirmed_written();
	if (writes_records)
		record_map_written();
	return true;
}

/* Write everything that is known. */
static bool
acknowledge_all(void)
{
	writes_records = true;
	writes_checkpoint = false;
	return write_known();
}

/*
 * Records that rows wait for.  When copies of deferred rows cannot be written,
 * the others are looked up all the same.
 */
static void
look_up_records(void)
{
	if (await_needs_copies() || await_needs_verdicts())
		(void) acknowledge_all();
	if (await_has_look_ups() && in_transaction(look_up_step, "looking up records"))
		await_done();
}

/* What is known of erased contacts is written first, so that it is found. */
static void
erase_contacts(void)
{
	if (purge_is_due() && (!purge_wants_all_written() || acknowledge_all()) &&
		in_transaction(erase_step, "removing the traces of a contact"))
		purge_done();
}

/* The same for what is to be forgotten. */
static void
forget_confirmed(void)
{
	if (forget_is_due() && acknowledge_all() &&
		in_transaction(forget_confirmed_step, "forgetting confirmed values"))
		forget_done();
}

/* The time is another one than the turn's: it may have gone on for a while. */
static void
look_at_suppressed(bool paused)
{
	if (suppress_is_due(slot, clock_us()) && !paused)
		(void) in_transaction(suppressed_step, "looking for suppressed contacts");
}

static int64
acknowledge(int64 now)
{
	int64		wait_us;
	bool		idle = wire_in_flight() == 0;
	bool		verdicts = ack_pending() > 0;
	int64		copies_wait_us;
	int64		counters_wait_us;
	bool		copies_due;
	bool		counters_due;

	writes_checkpoint = reader_checkpoint_due(now);
	/* rows that the checkpoint covers are not read again: what they told must be there */
	writes_records = record_map_is_due(now, idle) || (writes_checkpoint && !record_map_is_empty());
	copies_due = defer_is_due(now, idle, &copies_wait_us);
	counters_due = statistics_is_due(now, &counters_wait_us);
	if (ack_due(now, idle, &wait_us) || copies_due || counters_due || writes_records ||
		writes_checkpoint || command_is_done())
	{
		/* a worker after this one finds by these whom deferred rows mean */
		writes_records = writes_records || (defer_has_changes() && !record_map_is_empty());
		if (!write_known())
			return -1;
		if (verdicts)
			crash_guard_clear();
		if (writes_checkpoint)
			checkpoint_written(now);
		return 0;
	}
	return clock_sooner(clock_sooner(wait_us, copies_wait_us), counters_wait_us);
}

/* A table that cannot be read is a finding of another kind: delivery goes on meanwhile. */
static void
check_tables(int64 now)
{
	int64		before = pause_until;

	if (!checker_is_due(now))
		return;
	if (in_transaction(check_step, "checking the tables"))
		checker_done();
	else
	{
		pause_until = before;
		checker_failed();
	}
}

/* What goes wrong is told.  A failure of that holds up nothing else. */
static void
tell_alerts(int64 now)
{
	int64		before = pause_until;

	if (definitions_are_due(now))
	{
		if (in_transaction(look_at_definitions_step, "looking at the definitions"))
			definitions_done(now, clock_us());
		else
		{
			failing = NULL;
			definitions_failed(now);
		}
	}
	(void) alert_look(now);
	if (alert_is_due(now))
	{
		if (in_transaction(alerts_step, "telling what goes wrong"))
			alert_done();
		else
		{
			failing = NULL;
			alert_failed(now);
		}
	}
	pause_until = before;
}

/* Searches do without what is missing. */
static void
summarize_tables(int64 now)
{
	int64		before = pause_until;
	bool		done;

	if (!ring_summary_is_due(now, reader_read_id() + ack_total()))
		return;
	done = in_transaction(summary_step, "summarizing the tables");
	if (!done)
		pause_until = before;
	ring_summary_done(done);
}

static void
keep_house(int64 now)
{
	if (now >= next_save)
	{
		next_save = now + SAVE_US;
		if (servers_wants_saving() && in_transaction(save_step, "writing account states"))
			servers_saved();
		if (unknown_wants_saving() && in_transaction(unknown_step, "counting unknown properties"))
			unknown_saved();
	}
	check_tables(now);
	summarize_tables(now);
	if (now >= next_rotation || checker_has_answer())
	{
		next_rotation = now + ROTATE_US;
		crash_guard_clear();	/* a minute went well */
		(void) in_transaction(rotate_step, "rotating the rings");
		(void) in_transaction(trim_step, "trimming hubspot.company_contact");
		(void) in_transaction(tidy_step, "tidying up what is counted of definitions");
	}
	if (now >= next_sign)
	{
		next_sign = now + guard_alive_us();
		(void) in_transaction(alive_step, "telling that it is alive");
	}
}

static void
reload_if_asked(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	settings_pin_commit();
	servers_reload();
	next_rotation = clock_us(); /* the retention may be another one */
	(void) in_transaction(guard_step, "checking the installation");
}

static void
one_turn(void)
{
	int64		now = clock_us();
	int64		wait_us;
	bool		paused = now < pause_until;
	bool		stuck = ack_is_stuck();

	MemoryContextReset(MessageContext);
	MemoryContextReset(turn_context);

	/* before the refresher's look takes the mark away */
	if (pg_atomic_read_u32(&slot->syncs_changed) != 0)
		definitions_changed();
	if (!paused && !stuck)
	{
		read_rows(now);
		update_known(&further);
		update_known(&schemas);
		look_up_records();
		erase_contacts();
		forget_confirmed();
	}
	wait_us = paused ? pause_until - now : Max(Min(next_look, next_rotation) - now, 0);
	refresher_tend(slot, now);
	wait_us = clock_sooner(wait_us, refresher_wake(slot, now));
	wait_us = clock_sooner(wait_us, expire_overdue(now));
	wait_us = clock_sooner(wait_us, await_wake(now));
	wait_us = clock_sooner(wait_us, company_first_wake(now));
	wait_us = clock_sooner(wait_us, defer_wake(now));
	if (!paused && !stuck)
		wait_us = clock_sooner(wait_us, purge_wake(clock_us()));	/* a slice has just gone by */
	if (!paused)
		wait_us = clock_sooner(wait_us, clock_sooner(checker_wake(now), ring_summary_wake(now)));
	if (!stuck)
	{
		want_what_sessions_want();
		look_at_suppressed(paused);
		wait_us = clock_sooner(wait_us, send_what_may(more_to_read && !paused));
		send_once(paused);
	}
	if (!paused)
	{
		int64		ack_wait = acknowledge(now);

		wait_us =
			clock_sooner(wait_us, ack_wait < 0 && checkpoint_is_wanted() ? PUBLISH_US : ack_wait);
		keep_house(now);
		tell_alerts(now);
		wait_us = clock_sooner(wait_us, alert_look(clock_us()));
		wait_us = clock_sooner(wait_us, definitions_wake(clock_us()));
	}

	if ((more_to_read || schema_sync_is_due() || reading_is_due() || await_has_look_ups() ||
		 purge_is_due() || forget_is_due() || suppress_has_more()) && !paused)
		wait_us = 0;
	wait_us = clock_sooner(wait_us, publish_report(slot, false));
	wire_wait(wait_us < 0 ? -1 : (wait_us + 999) / 1000,
			  publish_wait_event(wire_in_flight() > 0 ? PUBLISH_HTTP : PUBLISH_IDLE));
	(void) send_collect();
}

/* ---- start and end -------------------------------------------------------------- */

static void
at_exit(int code, Datum arg)
{
	meter_abandon_all();
	crash_guard_clear();
	suspect_stop(false);
}

/* What the workers before this one died of, twice: a lane's answers; for rows see admit_lane(). */
static int64 suspect_answer;

static void
suspect_step(void)
{
	check_extension();
	pause_suspect(suspect_answer);
}

static void
pause_suspects(void)
{
	while (suspect_next_held(SUSPECT_ANSWER, &suspect_answer))
	{
		if (!in_transaction(suspect_step, "pausing what ended the worker"))
			break;
		suspect_forget(SUSPECT_ANSWER, suspect_answer);
	}
}

/*
 * After several crashes of the server in a row, wait before doing anything that may cause one more.
 */
static void
wait_after_crashes(int crashes)
{
	char		problem[SHARED_TEXT];
	int64		until = crash_guard_wait("this worker", crashes, problem, sizeof(problem));

	if (until == 0)
		return;
	shared_set_state(slot, WORKER_HELD, problem);
	while (clock_us() < until && !ShutdownRequestPending)
	{
		CHECK_FOR_INTERRUPTS();
		wire_wait(Max((until - clock_us()) / 1000, 1), publish_wait_event(PUBLISH_IDLE));
	}
	(void) in_transaction(guard_step, "checking the installation");
}

/*
 * The worker is to end.  What must not be sent twice has a moment to be answered, and is given up
 * then; anything else that is under way is forgotten, and sent again by the next worker.
 */
static void
end_what_is_under_way(void)
{
	int64		until = clock_us() + LAST_ANSWERS_US;

	while (send_awaits_once() && clock_us() < until)
	{
		wire_wait(Max((until - clock_us()) / 1000, 1), publish_wait_event(PUBLISH_HTTP));
		(void) send_collect();
	}
	send_give_up();
}

/* What is known is written. */
static void
finish(void)
{
	end_what_is_under_way();
	writes_last = true;
	if (ack_pending() > 0 || ack_has_requests() || defer_has_changes() || begun_has_over() ||
		!record_map_is_empty() || statistics_is_unsaved())
		(void) acknowledge_all();
	batch_tell();
	publish_report(slot, true);
}

/* A library that is not as it is needed will not change while this process runs. */
static void
look_at_libraries(void)
{
	const char *problem = library_tell();

	strlcpy(obstacle, problem != NULL ? problem : "", sizeof(obstacle));
}

static void
start(Datum arg)
{
	WorkerOrder order;

	shared_read_order(&order);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	BackgroundWorkerUnblockSignals();

	/*
	 * The slot before the database: a start that the launcher has given up, or a hold has
	 * withdrawn, must not open a database that somebody may be copying.
	 */
	slot = shared_attach(order.slot, order.generation);
	if (slot == NULL)
		proc_exit(0);
	before_shmem_exit(at_exit, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);

	/* Before the first statement: what the database's owner has set holds until here. */
	settings_pin();
	guard_start(slot->problem);
	suspect_start("worker", 0, 0);

	MessageContext =
		AllocSetContextCreate(TopMemoryContext, "MessageContext", ALLOCSET_DEFAULT_SIZES);
	turn_context = AllocSetContextCreate(TopMemoryContext, "hubspot turn", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(turn_context);
	queue_init();
	ack_init();
	begun_init();
	defer_init();
	record_map_init();
	awaited_init();
	servers_init();
	schema_sync_init();
	wire_start();
	look_at_libraries();
	publish_start(slot);
	alert_start();
}

void
hubspot_worker_main(Datum arg)
{
	start(arg);

	/*
	 * The first step tells whether there is anything to do here.  It keeps a lock on a table that
	 * it may have written to, so the rest, which reads others, comes after it: DROP EXTENSION
	 * locks them in an order of its own.
	 */
	in_first_transaction(guard_step, "checking the installation");
	if (!may_send)
		proc_exit(0);
	in_first_transaction(begin_step, "reading what is deferred");
	pause_suspects();
	wait_after_crashes(crash_guard_start("worker", false));
	next_rotation = clock_us() + ROTATE_US;
	checker_start(clock_us());

	while (may_send && !ShutdownRequestPending)
	{
		CHECK_FOR_INTERRUPTS();
		reload_if_asked();
		/* before rows are read: what is queued in a database that was restored waits */
		if (pg_atomic_exchange_u32(&slot->place_changed, 0) != 0)
			(void) in_transaction(guard_step, "checking the installation");
		if (may_send)
			one_turn();
	}
	finish();
	proc_exit(0);
}
