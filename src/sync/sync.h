/*
 * sync.h
 *		Definitions: declared syncs, audiences, computed traits (hubspot.sync).
 *
 *	sync_load()		the definition of a name
 *	sync_lock()		one refresh or back-fill at a time
 *	sync_act_as_owner()	on whose behalf its queries run
 *	sync_execute()	a statement about the extension's tables
 *	sync_replaced(), sync_save()	for what declares (sync_store.c)
 *
 * A definition belongs to the role that declared it.  The user's code (a query, a
 * column's output function) runs as that role, restricted like the query of a
 * materialized view, and never as a superuser.  Statements about the extension's tables
 * run as the extension's owner and see plain values only.
 */
#ifndef HUBSPOT_SYNC_H
#define HUBSPOT_SYNC_H

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "backend/statement.h"
#include "message/object_type.h"
#include "ring/ring.h"
#include "store/act_as.h"

typedef enum SyncKind
{
	SYNC_IS_SYNC,
	SYNC_IS_AUDIENCE,
	SYNC_IS_TRAIT
#define SYNC_KINDS (SYNC_IS_TRAIT + 1)
} SyncKind;

typedef enum SyncMode
{
	SYNC_UPSERT,
	SYNC_UPDATE,				/* only records that HubSpot has */
	SYNC_CREATE,				/* only records that HubSpot does not have */
	SYNC_MIRROR					/* upsert, and archive records that left the source */
#define SYNC_MODES (SYNC_MIRROR + 1)
} SyncMode;

typedef enum SyncDeletes
{
	SYNC_DELETES_IGNORE,
	SYNC_DELETES_CLEAR,
	SYNC_DELETES_ARCHIVE,
	SYNC_DELETES_REMOVE			/* of associations: the contact leaves the company */
#define SYNC_DELETES (SYNC_DELETES_REMOVE + 1)
} SyncDeletes;

typedef enum SyncLevel
{
	SYNC_LEVEL_USER,
	SYNC_LEVEL_ACCOUNT,
	SYNC_LEVEL_ACCOUNT_USERS
#define SYNC_LEVELS (SYNC_LEVEL_ACCOUNT_USERS + 1)
} SyncLevel;

/* What is done about a property or event that HubSpot lacks: the argument create_in_hubspot. */
typedef enum SyncMissing
{
	SYNC_MISSING_REFUSED,		/* false: the declaration is an error */
	SYNC_MISSING_CREATED,		/* true */
	SYNC_MISSING_LEFT_OUT		/* null: it is sent when HubSpot has it */
} SyncMissing;

/* Outputs of an audience: a set of bits. */
#define SYNC_OUTPUT_PROPERTY	0x01
#define SYNC_OUTPUT_EVENT		0x02
#define SYNC_OUTPUT_LIST		0x04

/* The words of these enums, as in the table. */
extern const char *const sync_kind_names[SYNC_KINDS];
extern const char *const sync_mode_names[SYNC_MODES];
extern const RowMode sync_row_modes[SYNC_MODES];	/* of its rows */
extern const char *const sync_deletes_names[SYNC_DELETES];
extern const char *const sync_level_names[SYNC_LEVELS];

/* The record types that an audience or trait of a level writes, and that its keys are of. */
extern const Object sync_level_objects[SYNC_LEVELS];
extern const Object sync_level_key_objects[SYNC_LEVELS];
extern const char *const sync_missing_names[2]; /* of keeps_missing false, true */

#define SYNC_OUTPUTS	3
typedef struct SyncOutput
{
	const char *name;
	int			output;
} SyncOutput;
extern const SyncOutput sync_outputs[SYNC_OUTPUTS];

/* The SYNC_OUTPUT_ bit of a word; raises an error that lists the valid words. */
extern int	sync_output_by_name(const char *name);

/* A column of the source, and the property that it becomes. */
typedef struct SyncColumn
{
	char	   *property;
	char	   *column;			/* name when it was declared */
	AttrNumber	attnum;			/* of a table or view: the column's name may have changed since */
	char	   *type;			/* qualified name of the column's type when it was declared; or
								 * NULL */
	char	   *association;	/* it holds keys of this object, which the record is associated
								 * with; NULL: it is a property */
} SyncColumn;

/* A row of hubspot.sync.  Everything is palloc'd in the context of sync_load()'s caller. */
typedef struct Sync
{
	int			id;
	int			report;			/* number that its rows are counted under */
	char	   *name;
	SyncKind	kind;
	char	   *owner;			/* name of the role; its last known name if the role was dropped */
	Oid			role;			/* oid of the role; InvalidOid: it was dropped */
	bool		row_security;	/* its owner saw only the rows that policies showed when it was
								 * declared; see sync_act_as_owner() */
	char	   *server;			/* name of the SERVER */
	Object		object;
	Oid			relation;		/* InvalidOid: a query */
	char	   *source;			/* the query, or the name of the relation as declared */
	char	   *search_path;
	bool		follows;		/* by triggers, else by comparison */
	char	   *key_column;		/* name when it was declared; NULL: the first */
	AttrNumber	key_attnum;		/* as SyncColumn.attnum */
	List	   *columns;		/* of SyncColumn; NIL: all, by their names */
	SyncMode	mode;
	SyncDeletes deletes;
	char	   *event;			/* or NULL */
	SyncLevel	level;
	int			outputs;		/* SYNC_OUTPUT_ */
	char	   *property;		/* or NULL */
	char	   *list;			/* or NULL */
	bool		keeps_missing;	/* of a trait */
	Interval   *every;			/* or NULL */
	Interval   *deadline;		/* how long its events, memberships and associations may wait;
								 * NULL: for ever */
	int			timeout_ms;
	double		max_shrink;		/* 0 to 1 */
	SyncMissing missing;
	char	   *held;			/* or NULL */
} Sync;

/*
 * Whether its events happen at a time that a column tells: then the key and the time say which
 * occurrence a row is, and a row may be several, one after the other.
 */
extern bool sync_tells_time(const Sync *sync);

/* Whether a column holds keys of other records. */
extern bool sync_is_associated(const Sync *sync);

/*
 * The messageId of an event of a definition; at: the value of "timestamp" in the message, jbvNull
 * when there is none.
 */
extern char *sync_message_id(const Sync *sync, const char *key, const JsonbValue *at);

/* What has become of the record of a deleted row, where something becomes of it. */
static inline const char *
sync_deletes_done(const Sync *sync)
{
	return sync->deletes == SYNC_DELETES_ARCHIVE ? "archived"
		: sync->deletes == SYNC_DELETES_REMOVE ? "removed" : "cleared";
}

/* What the rows of a definition are about, and what its keys are of: a sync's object. */
static inline Object
sync_object(const Sync *sync)
{
	return sync->kind == SYNC_IS_SYNC ? sync->object : sync_level_objects[sync->level];
}

static inline Object
sync_key_object(const Sync *sync)
{
	return sync->kind == SYNC_IS_SYNC ? sync->object : sync_level_key_objects[sync->level];
}

/*
 * The definition of this name or number, as committed last or as changed by this
 * transaction.  If there is none: NULL if missing_ok, else an error.
 */
extern Sync *sync_load(const char *name, bool missing_ok);
extern Sync *sync_load_by_id(int id, bool missing_ok);

/*
 * Lock the definition's row of hubspot.sync_state, so that only one refresh or chunk of a
 * back-fill runs at a time.  If the row is locked: wait, or return false.  An error instead of
 * waiting for a refresher that is stuck.
 */
extern bool sync_lock(const Sync *sync, bool wait);

/*
 * The role that owns the definition.  If it was dropped, sync_owner_role() returns
 * InvalidOid and sync_need_owner() raises an error.
 */
extern Oid	sync_owner_role(const Sync *sync);
extern Oid	sync_need_owner(const Sync *sync);

/*
 * The role that reads the source: the definition's owner, or pg_read_all_data if the
 * owner is a superuser; InvalidOid if the owner was dropped.
 */
extern Oid	sync_reader(const Sync *sync);

/* An error unless the current user may change and run the definition. */
extern void sync_check_owner(const Sync *sync);

/*
 * Act as the owner of the definition, with its search_path, without the right to change
 * the role or to create objects that outlive the statement; pg_read_all_data acts for a
 * superuser.  A policy that would hide rows is an error: otherwise HubSpot would be told
 * that everybody has left when somebody enables row security on the table.  A definition
 * with row_security keeps seeing the rows that the owner's policies show.
 */
extern void sync_act_as_owner(const Sync *sync, Identity *before);

/*
 * Run one statement as the extension's owner; returns how many rows it read or wrote.
 * take (or NULL) reads the rows in SPI_tuptable; its memory context ends when it returns.
 * sync_execute_saved() is for a statement that is run again and again.
 */
typedef void (*SyncTake) (void *arg);
extern uint64 sync_execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls,
						   SyncTake take, void *arg);
extern uint64 sync_execute_saved(SavedStatement *statement, int nargs, Oid *types, Datum *values,
								 SyncTake take, void *arg);

/* The schema of the extension's functions, quoted, for statements that call them. */
extern const char *sync_functions_schema(void);
extern char *sync_functions_namespace(void);	/* as it is, not quoted */

/* ---- declaring ---------------------------------------------------------------------- */

/*
 * The definition that a new declaration of this name replaces; NULL if the name is new.
 * Until the end of the transaction no other session can declare or refresh this name.  An
 * error if the definition is of another kind or belongs to somebody else.
 */
extern Sync *sync_replaced(const char *name, SyncKind kind);

/* What happens to the back-fill. */
typedef enum SyncFill
{
	SYNC_FILL_AS_IT_IS,			/* no change */
	SYNC_FILL_NONE,
	SYNC_FILL_ANEW
} SyncFill;

/*
 * Write a definition and its state in place of before (or NULL), and set its id.  A
 * definition that is declared is no longer held. forget: delete its rows of
 * hubspot.member, which are about other keys or another account.  Other processes are
 * told at commit.
 */
extern void sync_save(Sync *sync, const Sync *before, SyncFill fill, bool forget);

/* The next refresh queues every member as changed.  at_once: that refresh is due now. */
extern void sync_resend(const Sync *sync, bool at_once);

/*
 * After a statement that renamed something: store the present names of the definitions'
 * sources, columns and owners.
 */
extern void sync_follow_names(void);

/* Remove a definition, its state, its members and its triggers. */
extern void sync_drop(const Sync *sync);

#endif							/* HUBSPOT_SYNC_H */
