/*
 * compat.h
 *		The only place that knows PostgreSQL versions (15 to 19).
 *
 * Each shim carries the newest version's spelling; older servers get it here,
 * and all other code is written for the newest version alone.  A shim includes
 * what its macros name, before them: a declaration that came after a macro of
 * its name would be expanded by it.
 *
 * When a version leaves the range, its blocks leave this file, and nothing
 * else changes.
 */
#ifndef HUBSPOT_COMPAT_H
#define HUBSPOT_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "hubspot needs PostgreSQL 15 or newer"
#endif

/* 16: one family of rights checks by catalog instead of one per kind of object. */
#if PG_VERSION_NUM < 160000
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#include "utils/acl.h"

static inline AclResult
object_aclcheck(Oid catalog, Oid object, Oid role, AclMode mode)
{
	Assert(catalog == ForeignServerRelationId || catalog == NamespaceRelationId);
	return catalog == ForeignServerRelationId
		? pg_foreign_server_aclcheck(object, role, mode)
		: pg_namespace_aclcheck(object, role, mode);
}

static inline bool
object_ownercheck(Oid catalog, Oid object, Oid role)
{
	Assert(catalog == DatabaseRelationId || catalog == RelationRelationId);
	return catalog == DatabaseRelationId
		? pg_database_ownercheck(object, role) : pg_class_ownercheck(object, role);
}

/* 16: to be a member of a role and to be able to become it are two things. */
#define check_can_set_role(member, role) check_is_member_of_role(member, role)
#endif

/* 16: DecodeDateTime() reports what was wrong. */
#if PG_VERSION_NUM < 160000
#include "utils/datetime.h"

typedef struct DateTimeErrorExtra
{
	char		unused;
} DateTimeErrorExtra;

#define DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tzp, extra) \
	((void) (extra), DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tzp))
#endif

/* 16: what a setting keeps beside its value is allocated by the server's function. */
#if PG_VERSION_NUM < 160000
#define hubspot_guc_malloc(elevel, size) malloc(size)
#else
#define hubspot_guc_malloc(elevel, size) guc_malloc(elevel, size)
#endif

/* 16: the server's headers declare _PG_init(). */
#if PG_VERSION_NUM < 160000
extern PGDLLEXPORT void _PG_init(void);
#endif

/* 17: a process knows its number by a variable of its own. */
#if PG_VERSION_NUM < 170000
#include "storage/proc.h"

#define MyProcNumber	(MyProc->pgprocno)
#endif

/* 17: a set of wait events belongs to a resource owner, or to none; before, to a memory context. */
#if PG_VERSION_NUM < 170000
#include "storage/latch.h"
#include "utils/memutils.h"

#define CreateWaitEventSet(resowner, nevents) \
	((void) (resowner), CreateWaitEventSet(TopMemoryContext, nevents))
#endif

/* 17: extensions name their wait events. */
#if PG_VERSION_NUM < 170000
#include "utils/wait_event.h"

#define WaitEventExtensionNew(name)	((void) (name), PG_WAIT_EXTENSION)
#endif

/* 18: that a function does not return is said before its declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn	pg_attribute_noreturn()
#endif

/*
 * 18: generated columns may be virtual: tuples hold NULL for them, and a trigger never sees their
 * values.
 */
#if PG_VERSION_NUM < 180000
#define ATTRIBUTE_GENERATED_VIRTUAL 'v'
#endif

/* 19: a scan of a table takes flags. */
#if PG_VERSION_NUM < 190000
#include "access/tableam.h"

#define SO_NONE	0
#define table_beginscan(rel, snapshot, nkeys, key, flags) \
	((void) (flags), table_beginscan(rel, snapshot, nkeys, key))
#endif

/* 19: so does one of an index; since 18, it takes a place to count its searches in. */
#if PG_VERSION_NUM < 180000
#include "access/genam.h"

#define index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys, flags) \
	((void) (instrument), (void) (flags), index_beginscan(heap, index, snapshot, nkeys, norderbys))
#elif PG_VERSION_NUM < 190000
#include "access/genam.h"

#define index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys, flags) \
	((void) (flags), index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys))
#endif

/* 19: a signal's handler is told more than its number, which the default is not. */
#if PG_VERSION_NUM < 190000
#define PG_SIG_DFL	SIG_DFL
#endif

/* 19: get_database_name() is one of lsyscache.h. */
#if PG_VERSION_NUM < 190000
#include "commands/dbcommands.h"
#endif

/* 19: a description of tuples that is made by hand must be finished before it is used. */
#if PG_VERSION_NUM < 190000
#define TupleDescFinalize(desc)	((void) (desc))
#endif

/* 19: what a jsonb value is built in is a struct, with the finished value in it. */
#if PG_VERSION_NUM < 190000
#include "utils/jsonb.h"

typedef struct JsonbInState
{
	JsonbValue *result;
	JsonbParseState *parseState;
} JsonbInState;

static inline void
hubspot_push_jsonb_value(JsonbInState *state, JsonbIteratorToken seq, JsonbValue *value)
{
	state->result = pushJsonbValue(&state->parseState, seq, value);
}

#define pushJsonbValue(state, seq, value)	hubspot_push_jsonb_value(state, seq, value)
#endif

#endif							/* HUBSPOT_COMPAT_H */
