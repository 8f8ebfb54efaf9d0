/*
 * process.c
 *		Lives of the worker's process, within one that goes on.
 *
 * The worker's own program runs, from hubspot_worker_main() to proc_exit().
 * Its transactions are subtransactions of the schedule's, so that what one has
 * written is really gone when it fails.  At the end of a life the library's
 * variables get back the bytes that they had before the first one, and the
 * worker's memory contexts go; tables and HubSpot stay.
 */
#include "postgres.h"

#include <setjmp.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "account/meter.h"
#include "base/guc.h"
#include "cluster/shared.h"
#include "http/wire.h"
#include "wait/defer.h"
#include "model.h"

#define MAX_CALLBACKS	64

int			life;

/* Of the library: see Makefile. */
extern char __start_hubspot_data[],
			__stop_hubspot_data[];
extern char __start_hubspot_bss[],
			__stop_hubspot_bss[];
extern char *model_meter_entries;	/* of account/meter.c: an entry without a key is no meter's */

extern void hubspot_worker_main(Datum arg);
extern void __real_CacheRegisterSyscacheCallback(int cache, SyscacheCallbackFunction function, Datum arg);
extern void __real_CacheRegisterRelcacheCallback(RelcacheCallbackFunction function, Datum arg);
extern void __real_RegisterXactCallback(XactCallback function, void *arg);

static char *data_before;
static char *bss_before;
static sigjmp_buf ending;
static int	base_level;
static bool in_transaction;		/* the worker */
static int64 fails_until;		/* a lock on a table, a full disk: what writes fails for a while */
static bool error_wanted;		/* we have made a transaction fail */
static pg_on_exit_callback at_exit;

/* ---- variables and memory -------------------------------------------------------------- */

void
process_prepare(void)
{
	Size		data = __stop_hubspot_data - __start_hubspot_data;
	Size		bss = __stop_hubspot_bss - __start_hubspot_bss;

	if (data_before != NULL)
		return;
	data_before = memcpy(malloc(data), __start_hubspot_data, data);
	bss_before = memcpy(malloc(bss), __start_hubspot_bss, bss);
}

/* What a process leaves behind in this one, and the meters of a server that has just started. */
void
process_forget(void)
{
	MemoryContext child;
	MemoryContext next;

	for (child = TopMemoryContext->firstchild; child != NULL; child = next)
	{
		next = child->nextchild;
		if (strncmp(child->name, "hubspot", 7) == 0)
			MemoryContextDelete(child);
	}
	memcpy(__start_hubspot_data, data_before, __stop_hubspot_data - __start_hubspot_data);
	memcpy(__start_hubspot_bss, bss_before, __stop_hubspot_bss - __start_hubspot_bss);
}

static void
forget_meters(void)
{
	memset(model_meter_entries, 0, 16 * (hubspot_max_tokens * (METER_COUNT - 1) + 1));
}

/* ---- lives --------------------------------------------------------------------------------- */

void
process_end(LifeEnd end)
{
	siglongjmp(ending, end);
}

static void
leave_transactions(void)
{
	while (GetCurrentTransactionNestLevel() > base_level)
		RollbackAndReleaseCurrentSubTransaction();
	if (in_transaction)
	{
		in_transaction = false;
		world_worker_aborts();
	}
}

LifeEnd
process_live(void)
{
	MemoryContext message_context = MessageContext;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	uint32		holdoff = InterruptHoldoffCount;
	volatile LifeEnd end = LIFE_GOES_ON;

	life++;
	base_level = GetCurrentTransactionNestLevel();
	if (life == 1)
		fails_until = 0;
	at_exit = NULL;
	error_wanted = false;
	hubspot_window_rows = world_window_rows();
	PG_TRY();
	{
		sigjmp_buf *handler = PG_exception_stack;
		ErrorContextCallback *callbacks = error_context_stack;

		end = sigsetjmp(ending, 0);
		if (end == LIFE_GOES_ON)
			hubspot_worker_main((Datum) 0);
		PG_exception_stack = handler;
		error_context_stack = callbacks;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		say("the worker ends with an error: %s (%s:%d) %s", error->message, error->filename, error->lineno,
			error->backtrace != NULL ? error->backtrace : "");
		end = error_wanted ? LIFE_EXITS : LIFE_ERROR;
	}
	PG_END_TRY();
	leave_transactions();
	InterruptHoldoffCount = holdoff;
	QueryCancelHoldoffCount = 0;
	CritSectionCount = 0;
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	ShutdownRequestPending = false;
	ConfigReloadPending = false;
	if (at_exit != NULL && end != LIFE_CRASHES && end != LIFE_OVER)
		at_exit(0, (Datum) 0);
	if (MessageContext != message_context)
		MemoryContextDelete(MessageContext);
	MessageContext = message_context;
	process_forget();
	if (end == LIFE_CRASHES || end == LIFE_OVER)
		forget_meters();
	return end;
}

/* ---- transactions ---------------------------------------------------------------------------- */

extern void __wrap_StartTransactionCommand(void);
extern void __wrap_CommitTransactionCommand(void);
extern void __wrap_AbortOutOfAnyTransaction(void);
extern void __wrap_SetCurrentStatementStartTimestamp(void);

bool
process_in_transaction(void)
{
	return in_transaction;
}

bool
process_is_held_up(void)
{
	return clock_now() < fails_until;
}

/* now() of this transaction. */
void
__wrap_SetCurrentStatementStartTimestamp(void)
{
	TimestampTz now = GetCurrentTimestamp();

	SetParallelStartTimestamps(now, now);
}

/* The server may crash wherever the worker touches a table, or HubSpot. */
static void
may_crash(const char *where)
{
	if (!settling && temper > 0 && chance(Min(temper / 10, 8)))
	{
		say("the server crashes %s", where);
		process_end(LIFE_CRASHES);
	}
}

void
__wrap_StartTransactionCommand(void)
{
	may_crash("before a transaction");
	BeginInternalSubTransaction(NULL);
	in_transaction = true;
	world_worker_begins();
	reference_transaction_begins();
}

void
__wrap_CommitTransactionCommand(void)
{
	bool		writes = TransactionIdIsValid(GetCurrentTransactionIdIfAny());

	if (ActiveSnapshotSet())
		violated("no snapshot is held beyond a step", "at its commit");

	if (!settling && temper > 0 &&
		((writes && clock_now() < fails_until) ||
		 chance(!writes ? Min(temper / 10, 10) : defer_has_changes() ? Min(temper, 200) : Min(temper / 2, 60))))
	{
		say("a transaction of the worker fails");
		/* what a row is put off by is a few seconds: a lock may outlast it */
		if (writes && clock_now() >= fails_until && chance(defer_has_changes() ? 600 : 200))
			fails_until = clock_now() + (1 + pick(15)) * INT64CONST(1000000);
		error_wanted = true;
		ereport(ERROR, (errmsg("the model lets this transaction fail")));
	}
	if (writes)
		may_crash("before a commit");
	ReleaseCurrentSubTransaction();
	in_transaction = false;
	if (writes)
	{
		world_took_transaction();
		reference_checkpoint();
		may_crash("after a commit");
	}
	MemoryContextSwitchTo(TopMemoryContext);
}

void
__wrap_AbortOutOfAnyTransaction(void)
{
	leave_transactions();
	if (!error_wanted)
		violated("no transaction of the worker fails by itself", "see the server's log");
	error_wanted = false;
	MemoryContextSwitchTo(TopMemoryContext);
}

/* ---- what the process has of the server --------------------------------------------------------- */

extern long __wrap_pgstat_report_stat(bool force);
extern void __wrap_EmitErrorReport(void);
extern void __real_EmitErrorReport(void);
extern void __wrap_XLogFlush(XLogRecPtr to);
extern void __wrap_BackgroundWorkerUnblockSignals(void);
extern void __wrap_BackgroundWorkerInitializeConnectionByOid(Oid database, Oid role, uint32 flags);
extern pqsigfunc __wrap_pqsignal(int number, pqsigfunc function);
extern void __wrap_before_shmem_exit(pg_on_exit_callback function, Datum arg);
extern void __wrap_proc_exit(int code) pg_attribute_noreturn();
extern void __wrap_CacheRegisterSyscacheCallback(int cache, SyscacheCallbackFunction function, Datum arg);
extern void __wrap_CacheRegisterRelcacheCallback(RelcacheCallbackFunction function, Datum arg);
extern void __wrap_RegisterXactCallback(XactCallback function, void *arg);

long
__wrap_pgstat_report_stat(bool force)
{
	return 0;
}

void
__wrap_EmitErrorReport(void)
{
	if (!error_wanted)
		__real_EmitErrorReport();
}

void
__wrap_XLogFlush(XLogRecPtr to)
{
}

void
__wrap_BackgroundWorkerUnblockSignals(void)
{
}

void
__wrap_BackgroundWorkerInitializeConnectionByOid(Oid database, Oid role, uint32 flags)
{
}

pqsigfunc
__wrap_pqsignal(int number, pqsigfunc function)
{
	return NULL;
}

void
__wrap_before_shmem_exit(pg_on_exit_callback function, Datum arg)
{
	at_exit = function;
}

void
__wrap_proc_exit(int code)
{
	process_end(LIFE_EXITS);
}

/* A callback is registered once, however many lives there are: the server has few places. */
static bool
is_new(const void *function, intptr_t detail)
{
	static struct
	{
		const void *function;
		intptr_t	detail;
	}			met[MAX_CALLBACKS];
	static int	nmet;

	for (int i = 0; i < nmet; i++)
		if (met[i].function == function && met[i].detail == detail)
			return false;
	Assert(nmet < MAX_CALLBACKS);
	met[nmet].function = function;
	met[nmet++].detail = detail;
	return true;
}

void
__wrap_CacheRegisterSyscacheCallback(int cache, SyscacheCallbackFunction function, Datum arg)
{
	if (is_new(function, cache))
		__real_CacheRegisterSyscacheCallback(cache, function, arg);
}

void
__wrap_CacheRegisterRelcacheCallback(RelcacheCallbackFunction function, Datum arg)
{
	if (is_new(function, -1))
		__real_CacheRegisterRelcacheCallback(function, arg);
}

void
__wrap_RegisterXactCallback(XactCallback function, void *arg)
{
	if (is_new(function, -2))
		__real_RegisterXactCallback(function, arg);
}

/* ---- what it has of the launcher, and what it looks after besides its rows -------------------------- */

extern void __wrap_shared_read_order(WorkerOrder *order);
extern WorkerSlot *__wrap_shared_attach(int index, int generation);
extern bool __wrap_shared_lanes_report(void);
extern void __wrap_guard_start(const char *told);
extern char *__wrap_guard_problem(int *look_ms);
extern void __wrap_guard_tell_alive(void);
extern void __wrap_suspect_start(const char *process, int place, uint32 others);
extern int	__wrap_crash_guard_start(const char *kind, bool beside_another);
extern void __wrap_crash_guard_clear(void);
extern char *__wrap_library_tell(void);
extern void __wrap_refresher_look(WorkerSlot *slot, int64 now);
extern void __wrap_refresher_tend(WorkerSlot *slot, int64 now);
extern int64 __wrap_refresher_wake(WorkerSlot *slot, int64 now);
extern void __wrap_definitions_step(void);
extern void __wrap_wire_start(void);

void
__wrap_shared_read_order(WorkerOrder *order)
{
	*order = (WorkerOrder)
	{
		.slot = 0, .generation = 1, .database = MyDatabaseId
	};
}

WorkerSlot *
__wrap_shared_attach(int index, int generation)
{
	WorkerSlot *slot = &hubspot_shared->slots[0];

	slot->state = WORKER_PROBING;
	pg_atomic_write_u32(&slot->wake, 0);
	pg_atomic_write_u32(&slot->database, MyDatabaseId);
	if (hubspot_shared->workers_began_at == 0)
		hubspot_shared->workers_began_at = GetCurrentTimestamp();
	return slot;
}

bool
__wrap_shared_lanes_report(void)
{
	return true;
}

void
__wrap_guard_start(const char *told)
{
}

char *
__wrap_guard_problem(int *look_ms)
{
	return NULL;
}

void
__wrap_guard_tell_alive(void)
{
}

void
__wrap_suspect_start(const char *process, int place, uint32 others)
{
}

int
__wrap_crash_guard_start(const char *kind, bool beside_another)
{
	return 0;
}

void
__wrap_crash_guard_clear(void)
{
}

char *
__wrap_library_tell(void)
{
	return NULL;
}

void
__wrap_refresher_look(WorkerSlot *slot, int64 now)
{
}

void
__wrap_refresher_tend(WorkerSlot *slot, int64 now)
{
}

int64
__wrap_refresher_wake(WorkerSlot *slot, int64 now)
{
	return -1;
}

/* There are no definitions, and to look for them is half of a schedule's time. */
void
__wrap_definitions_step(void)
{
}

void
__wrap_wire_start(void)
{
}
