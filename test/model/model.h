/*
 * model.h
 *		What the parts of the model share.  What is real and what is replaced: README.md.
 *
 *	schedule.c	choices, the schedule's steps, violations; shrinking; the SQL function
 *	process.c	lives of the worker: its transactions, failures of them, its ends
 *	calls.c		what the sessions call: who and what is named, in which words
 *	world.c		sessions: transactions that overlap, and what the worker sees of them
 *	network.c	requests to HubSpot and what becomes of them
 *	reference.c what must hold, written without a look at the code under test
 *	objects.c	the same of records of further types, and of pairs
 *	coverage.c	what the schedules have reached
 *
 * All of it runs in one server process and one transaction; a schedule is a
 * subtransaction that is rolled back at its end.
 */
#ifndef HUBSPOT_MODEL_H
#define HUBSPOT_MODEL_H

#include "utils/timestamp.h"

#include "base/words.h"

#define MAX_CALLS		64
#define MAX_SESSIONS	4
#define CONTACTS		4		/* addresses c0@example.com ... */
#define USERS			3		/* userIds u0 ... */
#define COMPANIES		2		/* domains k0.example.com ... */
#define PROPERTIES		3		/* city, firstname, lastname */
#define DEALS			2		/* ids d0 ... */
#define CARS			2		/* ids a0 ..., of a custom object */
#define CAR_TYPE		"2-3465404"
#define RECORD_PROPERTIES 2		/* of deals and cars: first, second */
#define LABELS			2		/* of any two types: L0 ... */
#define EXTRAS			3		/* properties of contacts that are to be created: extra0 ... */
#define OBJECT_IS_RECORD OBJECT_COUNT	/* of a further type: a row's object */

/* ---- schedule.c --------------------------------------------------------------------- */

/*
 * The next choice, of n; of 1000, whether less than so many; 0 and false are what
 * leaves a schedule quiet.  All that a schedule does follows from its choices.
 */
extern int	pick(int n);
extern bool chance(int per_mille);

/* What happens, in words: told when a schedule is replayed. */
extern void say(const char *format,...) pg_attribute_printf(1, 2);

/* A promise is broken: the schedule ends. */
extern void violated(const char *promise, const char *format,...)
			pg_attribute_printf(2, 3) pg_attribute_noreturn();

extern int	moment;				/* number of the step: what was when */
extern bool settling;			/* everything goes well until all have ended */
extern int	temper;				/* per mille: how much goes wrong */

extern int64 clock_now(void);
extern void clock_advance(int64 us);

/* The worker sleeps. */
extern void schedule_sleep(int64 timeout_us);

/* Other processes go on while the worker is within a transaction. */
extern void schedule_others(void);

/* ---- process.c ------------------------------------------------------------------------ */

typedef enum LifeEnd
{
	LIFE_GOES_ON,
	LIFE_EXITS,					/* by itself, after SIGTERM or FATAL */
	LIFE_CRASHES,				/* the server, too */
	LIFE_ERROR,					/* an error that nobody caught */
	LIFE_OVER					/* the schedule is done with it */
} LifeEnd;

extern int	life;				/* number of the worker's process */

extern void process_prepare(void);
extern LifeEnd process_live(void);
extern void process_end(LifeEnd end) pg_attribute_noreturn();
extern void process_forget(void);
extern bool process_in_transaction(void);
extern bool process_is_held_up(void);	/* what writes fails for a while */

/* ---- calls.c ---------------------------------------------------------------------------- */

/* What a record is. */
typedef enum RecordSort
{
	SORT_CONTACT,
	SORT_COMPANY,
	SORT_DEAL,
	SORT_CAR,
	SORT_COUNT
} RecordSort;

typedef struct SortWords
{
	const char *object;			/* in calls */
	const char *type_id;
	const char *path;			/* in requests, and in what the simulator tells */
	const char *property;		/* that a record goes by ... */
	const char *key;			/* ... and its values, of numbers */
	int			records;
} SortWords;

extern const SortWords sorts[SORT_COUNT];

/* A record as a call names it. */
typedef struct RecordName
{
	RecordSort	sort;
	int			number;			/* -1: of a contact, whom the userId means */
	int			user;			/* -1: it is named by its key, or by ... */
	char		record_id[24];	/* ... HubSpot's id, unless this is "" */
} RecordName;

static inline RecordName
record_name(RecordSort sort, int number, int user)
{
	RecordName	name = {.sort = sort, .number = number, .user = user};

	return name;
}

typedef enum CallKind
{
	KIND_IDENTIFY,
	KIND_TRACK,
	KIND_GROUP,
	KIND_FORM,
	KIND_DELETE,
	KIND_RECORD,				/* a deal or a car */
	KIND_REMOVE,				/* such a one is deleted */
	KIND_ASSOCIATE,
	KIND_DISSOCIATE,
	KIND_CREATE,				/* a property of contacts */
	KIND_COUNT
} CallKind;

/* A call that a session has made, whatever became of it. */
typedef struct ModelCall
{
	int			number;			/* "v<number>" is the value that it writes */
	CallKind	kind;
	int			contact;		/* its address; -1: only a userId is told */
	int			user;			/* -1: none is told */
	int			company;		/* -1: none */
	int			properties;		/* bits */
	bool		adds;			/* "t<number>" to what the contact's "tags" have */
	bool		is_bad;			/* it has a value that HubSpot refuses */
	RecordName	end[2];			/* the deal or car; the two records of a pair */
	bool		is_pair;		/* it says something of the two ... */
	int			label;			/* ... with this label; -1: without */
	int			extra;			/* such a property, that it creates or writes; -1: none */
	char		mode;			/* 'u': only updates, 'c': only creates, else 0 */
	uint64		xid;			/* of its transaction */
	int64		id;				/* of its first row */
	int			nrows;
	int64		row[4];			/* ids */
	int			object[4];		/* enum Object */
	int			session;
	bool		rolled_back;
	bool		has_deadline;
	bool		cancelled;		/* somebody has asked for that */
	int			committed;		/* moment; 0: not */
	int			refused;		/* # of times that a request of it was refused or failed for its
								 * sake */
	int			troubled;		/* ... that anything went wrong with a request of it */
	uint32		mended;			/* what has befallen its record and was mended: bits */
	bool		sent;			/* a request of it has begun */
	bool		interrupted;	/* a worker ended that may have noted that it begins */
} ModelCall;

extern const Call call_words[KIND_COUNT];

extern int	calls_begin(int *window_rows);	/* how many there will be */
extern void calls_prepare(void);
extern void call_choose(ModelCall *call);
extern char *call_message(const ModelCall *call);
extern bool call_names_contact(const ModelCall *call, int contact); /* at an end, or by a userId */
extern char *name_key(const RecordName *name);

/* ---- world.c ---------------------------------------------------------------------------- */

extern ModelCall calls[MAX_CALLS];
extern int	ncalls;

extern void world_begin(void);
extern void world_prepare(void);
extern bool world_step(void);	/* false: nothing is left to do */
extern void world_order(void);	/* somebody pauses, resumes, cancels */
extern void world_resume(void);
extern void world_finish(void); /* every transaction ends */
extern void world_crash(void);	/* of the server */
extern int	world_window_rows(void);	/* how many rows the worker has room for */
extern void world_took_transaction(void);	/* the worker's own */

/* The worker's transaction has begun, or was rolled back. */
extern void world_worker_begins(void);
extern void world_worker_aborts(void);

/* ---- network.c ------------------------------------------------------------------------------ */

extern void network_begin(void);
extern int	network_pending(void);	/* requests under way and not answered */
extern int	network_ready(void);	/* answers that the worker has not taken */
extern void network_step(void);
extern void network_answer_all(void);	/* well */
extern void network_dies(void); /* with the worker's process */
extern void network_each_trouble(void (*each) (const char *words));

/* ---- reference.c ------------------------------------------------------------------------------ */

extern void reference_begin(void);
extern void reference_sent(const char *body);
extern void reference_trouble(const char *path, const char *body, bool is_refusal);
extern bool reference_was_mended(const char *body, int trouble);	/* of any that it is about */
extern void reference_mended(const char *body, int trouble);
extern void reference_excuse(void); /* rows may end otherwise than well */
extern void reference_applied(void);
extern void reference_worker_ends(bool at_rest);
extern void reference_transaction_begins(void);
extern void reference_checkpoint(void);
extern bool reference_all_ended(void);
extern void reference_at_end(void);

/* ---- coverage.c --------------------------------------------------------------------------------- */

extern void coverage_print(void);
extern void coverage_request(const char *path, const char *what);

#endif							/* HUBSPOT_MODEL_H */
