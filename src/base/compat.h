/*
 * compat.h
 *		The only place that knows PostgreSQL versions (15 to 19).
 *
 * Each shim has the newest version's spelling; all other code is written for the newest
 * version alone.  A shim includes the headers of the names that its macros use, before
 * the macros: otherwise a later declaration of the name would be expanded by the macro.
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
	switch (catalog)
	{
		case DatabaseRelationId:
			return pg_database_ownercheck(object, role);
		case ForeignServerRelationId:
			return pg_foreign_server_ownercheck(object, role);
		default:
			Assert(catalog == RelationRelationId);
			return pg_class_ownercheck(object, role);
	}
}

/* 16: membership in a role and the right to SET ROLE to it are different. */
#define check_can_set_role(member, role) check_is_member_of_role(member, role)
#endif

/* 17: an index keeps what it needs for the next row, until it is told that there is none. */
#if PG_VERSION_NUM < 170000
#define index_insert_cleanup(index, info) ((void) (index), (void) (info))
#endif

/* 17: the map of a BRIN index's ranges is read without a snapshot. */
#if PG_VERSION_NUM < 170000
#include "access/brin_revmap.h"

#define brinRevmapInitialize(index, pages)	brinRevmapInitialize(index, pages, NULL)
#define brinGetTupleForHeapBlock(map, block, buffer, offset, size, mode) \
	brinGetTupleForHeapBlock(map, block, buffer, offset, size, mode, NULL)
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

/* 16: the "extra" of a setting is allocated with guc_malloc(). */
#if PG_VERSION_NUM < 160000
#define hubspot_guc_malloc(elevel, size) malloc(size)
#else
#define hubspot_guc_malloc(elevel, size) guc_malloc(elevel, size)
#endif

/* 16: the server's headers declare _PG_init(). */
#if PG_VERSION_NUM < 160000
extern PGDLLEXPORT void _PG_init(void);
#endif

/* 17: MyProcNumber is a variable of its own. */
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

/* 18: pg_noreturn stands before the declaration. */
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

/* 19: index scans take flags; since 18 a counter for searches. */
#if PG_VERSION_NUM < 180000
#include "access/genam.h"

#define index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys, flags) \
	((void) (instrument), (void) (flags), index_beginscan(heap, index, snapshot, nkeys, norderbys))
#elif PG_VERSION_NUM < 190000
#include "access/genam.h"

#define index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys, flags) \
	((void) (flags), index_beginscan(heap, index, snapshot, instrument, nkeys, norderbys))
#endif

/* 19: signal handlers take a second argument; the default handler does not. */
#if PG_VERSION_NUM < 190000
#define PG_SIG_DFL	SIG_DFL
#endif

/* 19: get_database_name() is one of lsyscache.h. */
#if PG_VERSION_NUM < 190000
#include "commands/dbcommands.h"
#endif

/* 19: a TupleDesc that is built by hand must be finalized. */
#if PG_VERSION_NUM < 190000
#define TupleDescFinalize(desc)	((void) (desc))
#endif

/* 19: JsonbInState is the struct in which a jsonb value is built, and holds the result. */
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
