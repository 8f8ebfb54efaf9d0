/*
 * shared.h
 *		Shared memory: who works for which database, and what it tells.
 *
 * A fixed array of WorkerSlots, an array of hubspot.max_tokens Meters, and for each
 * worker a dynamic segment with its lanes.  Shared memory contains no pointers: a process
 * that dies leaves only numbers behind, and nothing can be freed twice.
 *
 * Locking:
 *	control->lock (LWLock)	taking and giving back a slot, the launcher's
 *							orders, databases on hold; held for moments, never over I/O
 *	slot->mutex (spinlock)	the slot's report: in-flight ids, texts.
 *							Written by its worker only, copied out by readers; but the wish,
 *							which sessions write and the worker takes.
 *	a slot's lanes lock (LWLock)	the lanes in the worker's segment, and which that is
 *							(see shared_lanes.h); taken inside control->lock, never the other way
 *							round
 *	atomics					wake, procno, database, schema_wanted, ...: read at commit without
 *							any lock (see shared_wake_at_commit)
 *	meter->mutex			one meter; who may use one, and which are free: control->lock
 */
#ifndef HUBSPOT_SHARED_H
#define HUBSPOT_SHARED_H

#include "port/atomics.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "cluster/home.h"

#define SHARED_MAX_WORKERS		64	/* databases served at once */
#define SHARED_MAX_TRANSFERS	16	/* as WIRE_MAX_TRANSFERS */
#define SHARED_MAX_FLIGHT_IDS	512 /* outbox ids shown per transfer; more show as waiting */
#define SHARED_METER_KINDS		5	/* as METER_COUNT */
#define SHARED_TALLY_SLICES		1280	/* a rolling window has 1000 */
#define SHARED_MAX_FILLS		16	/* back-fills under way that are reported */
#define SHARED_MAX_REFRESHERS	4	/* of a database: one works, the others are stuck */
#define SHARED_TEXT				256

/* What a worker is doing; its words are shared_worker_states[]. */
typedef enum WorkerState
{
	WORKER_NONE,				/* slot free */
	WORKER_STARTING,			/* launched, not yet attached */
	WORKER_PROBING,				/* attached, looking for the extension */
	WORKER_RUNNING,
	WORKER_HELD,				/* must not send: see problem; its process has ended, except after
								 * crashes, when it waits */
	WORKER_STOPPED,				/* ended; the launcher decides when again */
	WORKER_ABSENT				/* the database has no extension: not started before somebody
								 * reports it */
} WorkerState;

/* One lane as its worker reports it. */
typedef struct LaneReport
{
	Oid			server;
	uint32		object;			/* object_code() */
	uint8		event;			/* LaneEvent, from which the state follows */
	char		reason[SHARED_TEXT];	/* in the encoding of this worker's database */
	int16		own;			/* # of its bytes that everybody may read */
	TimestampTz until;			/* 0: none */
	int64		waiting;		/* rows read and not yet sent */
	int64		in_flight;		/* rows in requests under way */
	int64		deferred;		/* rows in hubspot.deferred */
	TimestampTz oldest;			/* created_at of the oldest row waiting or in flight, 0: none */
	int64		delivered;		/* rows with a verdict since the worker's start */
	double		rate;			/* verdicts per second, a moving average */
	int64		read_id;		/* its rows with a higher id are not read yet */
	int64		parked_from;	/* rows of its back-fill with this id, or a higher one, may be left
								 * on disk; 0: none is */
	bool		hides_keys;		/* more keys wait than are told of */
	int			meters[SHARED_METER_KINDS]; /* indexes of the account's meters, -1: none */
	uint64		meter_keys[SHARED_METER_KINDS]; /* ... and their keys at that time */
} LaneReport;

typedef struct FlightReport
{
	int			nids;			/* 0: no transfer */
	int64		ids[SHARED_MAX_FLIGHT_IDS];
} FlightReport;

/* A back-fill under way. */
typedef struct FillReport
{
	int			sync;			/* id of the definition */
	int			unfinished;		/* rows that it has queued and that have no verdict */
	bool		waits;			/* it is so far ahead that it does not read */
} FillReport;

/* What a refresher works on. */
typedef struct RefresherTask
{
	int			sync;			/* id of the definition; 0: nothing */
	Oid			owner;			/* the definition's, once a limit runs */
	bool		is_fill;
	bool		overran;		/* it went on long after its timeout */
	bool		stuck;			/* and long after SIGTERM: another refresher may work beside it */
	TimestampTz since;
	TimestampTz until;			/* when SIGTERM comes at the latest; 0: no limit runs */
	int64		until_us;		/* the same, by the monotonic clock */
} RefresherTask;

/* A process, and what is known of it when it has gone. */
typedef struct RefresherPlace
{
	int			pid;			/* under control->lock; 0: none */
	RefresherTask task;			/* under the slot's mutex; stays when the process is ended
								 * meanwhile, until the next one has noted that */
} RefresherPlace;

/* The database's refresher, a process beside the worker: see refresher.h. */
typedef struct RefresherReport
{
	pg_atomic_uint32 procno;	/* of the one that works: number of the PGPROC plus one, 0: none */

	/* Under control->lock. */
	int			working;		/* place of the one that works, -1: none does; whoever else has a
								 * pid is stuck */
	bool		ended_well;		/* the last one did not end by an error */

	/* Under the slot's mutex. */
	char		problem[SHARED_TEXT];	/* why none can be started, "" when well */
	int			nfills;
	FillReport	fills[SHARED_MAX_FILLS];

	RefresherPlace places[SHARED_MAX_REFRESHERS];
} RefresherReport;

/* What a session wants read from HubSpot, see facts/readings.h. */
#define SHARED_SUBJECT			128 /* as READING_SUBJECT */
typedef struct ReadingWish
{
	Oid			server;
	int			reading;		/* ReadingId */
	char		subject[SHARED_SUBJECT];
	TimestampTz since;			/* what was read later than that will do */
} ReadingWish;

typedef struct WorkerSlot
{
	pg_atomic_uint32 database;	/* Oid, 0 when the slot is free */
	pg_atomic_uint32 procno;	/* number of the PGPROC plus one, 0 when no worker runs */
	pg_atomic_uint32 wake;		/* 1: new rows were committed */
	pg_atomic_uint32 syncs_changed; /* 1: a definition may have come due */
	pg_atomic_uint32 suppressed_changes;	/* commits that changed hubspot.suppressed */
	pg_atomic_uint32 place_changed; /* 1: hubspot.installation may say otherwise */
	pg_atomic_uint64 schema_wanted; /* a session waits for it: SERVER's oid << 32 | object_code()
									 * of the part; 0: none */

	pg_atomic_uint32 reading_wanted;	/* 1: there is a wish, below */

	/* Under control->lock: the launcher's book-keeping. */
	WorkerState state;
	int			generation;		/* tells a worker from its predecessor; raised to turn away one
								 * that has not attached yet */
	int			failures;		/* ends with an error in a row */
	TimestampTz not_before;		/* no start before this time; of a held one, when to look again */
	TimestampTz changed_at;		/* when state was last set */
	bool		was_held;		/* its last worker found that it must not send */
	bool		stop_wanted;	/* it was asked to end, which is no failure */
	bool		just_ended;		/* the launcher has not judged its end yet */

	/* Under mutex: the worker's report. */
	slock_t		mutex;
	int			pid;
	TimestampTz started_at;
	TimestampTz last_turn_at;
	char		problem[SHARED_TEXT];	/* why it is held or stopped, "" when well */
	int64		window_rows;
	int64		window_bytes;
	int64		read_id;		/* rows with a higher id are not read yet */
	int64		requests;
	int64		rows_done;
	FlightReport flights[SHARED_MAX_TRANSFERS];
	ReadingWish wish;			/* a session's; the last one counts */

	RefresherReport refresher;

	/* Under the slot's lanes lock. */
	dsm_handle	lanes;			/* of the worker's segment; DSM_HANDLE_INVALID: it reports none */
	int			nlanes;
	int			nkeys;			/* see shared_keys.h */
} WorkerSlot;

/* How many requests happened when, see tally.h. */
typedef struct Tally
{
	int64		oldest;			/* number of the oldest slice inside the window */
	int64		newest;			/* number of the slice that is being filled */
	int			sum;			/* sum of the slices inside the window */
	uint16		counts[SHARED_TALLY_SLICES];	/* by number of the slice modulo size */
} Tally;

/*
 * A rate meter: one per token and kind of limit, shared by every worker that
 * uses the token.  See meter.h for its arithmetic, and for who may use it.
 * Times are µs of the monotonic clock, but those of the day.
 */
typedef struct Meter
{
	slock_t		mutex;
	uint64		key;			/* hash of the token, mixed with the kind */
	int			kind;			/* MeterKind */
	int			limit;			/* requests per window as HubSpot says, 0: not known */
	int			window_ms;
	bool		heard;			/* HubSpot has answered */
	int			in_flight;		/* sent, not yet answered */
	Tally		ours;			/* our requests, by when they were answered */
	Tally		others;			/* those of other clients, by when we learnt of them */
	double		surge;			/* most requests of others between two answers; fades */
	int64		surge_at;		/* when it was last computed */
	int64		observed_at;	/* when HubSpot last told how many it counts */
	int64		observed_sent;	/* when the request that it answered was sent */
	int64		paced_until;	/* no request before this time while others use the token */
	int			refusals;		/* 429 in a row */
	int64		refused_at;		/* when the last of them came */
	int64		blocked_until;	/* after a 429 */
	int64		day_until;		/* its own daily limit is used up; a reload ends this, too */
	int64		daily_limit;	/* -1: not known */
	int64		daily_remaining;
	bool		daily_told;		/* by the headers of an answer */
	TimestampTz daily_resets_at;	/* when HubSpot's day ends, 0: not known */
} Meter;

/* Values of look_at besides the OID of a database. */
#define SHARED_LOOK_LIST	1	/* the list of databases; no user database's OID */
#define SHARED_LOOK_ALL		PG_UINT32_MAX	/* every database */

typedef struct SharedControl
{
	LWLock	   *lock;			/* in the tranche "hubspot" */
	pg_atomic_uint32 launcher_procno;	/* plus one */
	pg_atomic_uint32 look_at;	/* message to the launcher, 0: none */
	int			launcher_pid;
	Home		home;			/* of this data directory; written by the launcher, under lock */
	TimestampTz workers_ended_at;	/* under lock: end of the last worker that ended, or start of
									 * the server */
	TimestampTz workers_began_at;	/* when the first worker attached, 0: none has; under lock */
	Oid			on_hold[SHARED_MAX_WORKERS];	/* databases under DROP, RENAME or copy: no worker
												 * may start */
	int			on_hold_by[SHARED_MAX_WORKERS]; /* pid of the backend that asked */
	WorkerSlot	slots[SHARED_MAX_WORKERS];
} SharedControl;

extern SharedControl *hubspot_shared;	/* NULL when not preloaded */

/* Another part of shared memory, created together with SharedControl. */
typedef struct SharedPart
{
	Size		(*size) (void);
	void		(*startup) (void);	/* under AddinShmemInitLock */
} SharedPart;

/* From _PG_init: asks for the memory and the lock, installs the hooks. */
extern void shared_init(const SharedPart *other);

/* The lock of a slot's lanes report, in the tranche "hubspot". */
extern LWLock *shared_lanes_lock(const WorkerSlot *slot);

/*
 * The slot of a database, or NULL.  Only a hint, because no lock is taken: the caller
 * must check it.
 */
extern WorkerSlot *shared_find_slot(Oid database);

/*
 * Remember that this transaction has queued rows: its commit wakes the worker of this
 * database.  That costs one atomic exchange, SetLatch for the first one, and one callback
 * per backend.  PREPARE TRANSACTION forgets it: the worker finds such rows at its regular
 * look.
 */
extern void shared_wake_at_commit(void);

/*
 * At commit of this transaction, tell the launcher to look for the extension in this
 * database, or at the list of databases. shared_tell_launcher() does so at once.  A worker that
 * is woken by the same transaction looks whether it may still send.
 */
extern void shared_launch_at_commit(void);
extern void shared_rescan_at_commit(void);
extern void shared_tell_launcher(uint32 look_at);

/*
 * Like shared_wake_at_commit(); in addition worker and refresher look at
 * hubspot.sync_state, because a definition may have become due.
 */
extern void shared_look_at_syncs_at_commit(void);

/*
 * The same; in addition the worker asks hubspot.suppressed before it builds a request after the
 * commit.
 */
extern void shared_suppressed_at_commit(void);

/*
 * A session wants a part (by object_code()) of a SERVER's schema read from HubSpot, now: it asks
 * again until the part is there, for the worker may not know the SERVER yet, and another session's
 * wish may take the place of this one.  False: no worker runs.  The worker takes the wish.
 */
extern bool shared_want_schema(Oid server, uint32 part);
extern bool shared_take_wanted_schema(WorkerSlot *slot, Oid *server, uint32 *part);

/* The same of a reading. */
extern bool shared_want_reading(const ReadingWish *wish);
extern bool shared_take_wanted_reading(WorkerSlot *slot, ReadingWish *wish);

/*
 * Until the end of this transaction no worker may serve the database.  Asks its worker
 * and refreshers to end; returns their number and pids.
 */
#define SHARED_PROCESSES	(1 + SHARED_MAX_REFRESHERS) /* of a database */
extern int	shared_hold_database(Oid database, int *pids);

/* Whether somebody holds it; the caller has control->lock. */
extern bool shared_is_on_hold(Oid database);

/*
 * Ask the worker of a slot and its refreshers to end; the caller holds control->lock
 * exclusively.  A worker that has not attached yet is turned away.  Returns the worker's
 * pid, or 0.
 */
extern int	shared_stop_worker(WorkerSlot *slot);

/* What the launcher hands to a worker, in bgw_extra. */
typedef struct WorkerOrder
{
	int			slot;
	int			generation;
	Oid			database;
} WorkerOrder;

/*
 * The worker's first step, before it connects to the database: read the order and attach
 * to the slot.  NULL means that the order was withdrawn: end with proc_exit(0).  The slot
 * is detached at exit, and the error that ended the process becomes the slot's problem.
 */
extern void shared_read_order(WorkerOrder *order);
extern WorkerSlot *shared_attach(int slot, int generation);

/* When a worker last ended, or the server started: no other process has sent younger rows. */
extern TimestampTz shared_workers_ended_at(void);

/* Since when the meters count: they do not know of earlier requests. */
extern TimestampTz shared_workers_began_at(void);

/*
 * The refresher's first step: attach to the slot.  NULL if the worker that ordered it is
 * gone, if another refresher does the work, or if the database is on hold.
 */
extern WorkerSlot *shared_attach_refresher(const WorkerOrder *order);

/* This process's place; and, a bit for each, those of all refreshers that run. */
extern int	shared_refresher_place(void);
extern uint32 shared_refreshers_running(WorkerSlot *slot);

/*
 * This refresher is about to end, and is not put aside any more; false: another
 * one runs.
 */
extern bool shared_refresher_leaves(WorkerSlot *slot);

/* Whether the worker that ordered the refresher still runs and may send. */
extern bool shared_refresher_may_run(WorkerSlot *slot, int generation);

/*
 * Store what the refresher works on (sync 0: nothing).  If a refresher was ended, the one
 * that works then, or the next one, takes its tasks one by one with
 * shared_take_lost_task(); sync 0: there is none.
 */
extern void shared_set_task(WorkerSlot *slot, int sync, bool is_fill);
extern RefresherTask shared_take_lost_task(WorkerSlot *slot);

/* In how many ms the task has ended, or this process is told to; of whose definition. */
extern void shared_limit_task(WorkerSlot *slot, int ms, Oid owner);
extern void shared_unlimit_task(WorkerSlot *slot);

/* In a signal handler: the cancelled task goes on, and this process will be ended for it. */
extern void shared_task_overruns(WorkerSlot *slot);

/*
 * The worker's side.  In how many µs the refresher that works has been told to
 * end for so long (ms) that it is taken to be stuck; -1: no limit runs.
 */
extern int64 shared_refresher_stuck_in(WorkerSlot *slot, int ms, int64 now);

/*
 * Put the refresher that works aside, for it is stuck: tell it to end once more; from now on there
 * is none that works.  Returns its pid; 0: it has come back meanwhile; -1: there are too many
 * already, of this database or of all.
 */
extern int	shared_put_refresher_aside(WorkerSlot *slot);

/* A refresher that was put aside and has not ended yet. */
typedef struct StuckRefresher
{
	int			pid;
	RefresherTask task;
} StuckRefresher;

/* How many there are; the caller has control->lock. */
extern int	shared_count_stuck(const WorkerSlot *slot);

/*
 * The stuck refreshers of a database; stuck has room for SHARED_MAX_REFRESHERS.  Returns
 * how many there are.
 */
extern int	shared_stuck_refreshers(Oid database, StuckRefresher *stuck);

/* The launcher's side, with control->lock: the slot is to be another database's. */
extern void shared_forget_refreshers(WorkerSlot *slot);
extern bool shared_has_refreshers(const WorkerSlot *slot);

/* The worker stores why no refresher can start; NULL means "". */
extern void shared_set_refresher_problem(WorkerSlot *slot, const char *problem);

/* Store the state; a NULL problem means "". */
extern void shared_set_state(WorkerSlot *slot, WorkerState state, const char *problem);

/*
 * The database must not send.  The worker, which is about to end with proc_exit(0),
 * stores why, and when the launcher shall start another one to check again.
 */
extern void shared_set_held(WorkerSlot *slot, const char *problem, int look_ms);

/*
 * Copy text to shared memory: cut to SHARED_TEXT, and printable ASCII only, because
 * databases of any encoding read it.
 */
extern void shared_copy_text(char *to, const char *from);

extern const char *const shared_worker_states[];	/* words for WorkerState */

#endif							/* HUBSPOT_SHARED_H */
