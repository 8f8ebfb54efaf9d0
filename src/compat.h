/*
 * compat.h
 *		The only place that knows PostgreSQL versions (14 to 18).
 *
 * Each shim carries the newest version's spelling; older servers get it here.
 * When a version leaves the range, its block leaves this file, and nothing
 * else changes.
 */
#ifndef HUBSPOT_COMPAT_H
#define HUBSPOT_COMPAT_H

#include "miscadmin.h"
#include "storage/proc.h"
#include "pgtime.h"
#include "utils/acl.h"
#include "utils/guc.h"

#if PG_VERSION_NUM < 140000
#error "hubspot needs PostgreSQL 14 or newer"
#endif

/* 15: MarkGUCPrefixReserved() succeeds EmitWarningsOnPlaceholders(). */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* 15: the timeline that is written to has a function; before, a variable that a look at recovery sets. */
#if PG_VERSION_NUM < 150000
#define GetWALInsertionTimeLine() (RecoveryInProgress() ? 0 : ThisTimeLineID)
#endif

/* 15: shared memory is asked for in a hook; 14 asks in _PG_init() itself. */
#if PG_VERSION_NUM >= 150000
#define HUBSPOT_HAVE_SHMEM_REQUEST_HOOK 1
#endif

/* 15: a set-returning function asks for its tuplestore in one call. */
#if PG_VERSION_NUM >= 150000
#define hubspot_materialized_srf(fcinfo) \
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC)
#else
#define hubspot_materialized_srf(fcinfo) \
	do { \
		ReturnSetInfo *rsinfo_ = (ReturnSetInfo *) (fcinfo)->resultinfo; \
		MemoryContext old_ = MemoryContextSwitchTo(rsinfo_->econtext->ecxt_per_query_memory); \
		rsinfo_->returnMode = SFRM_Materialize; \
		rsinfo_->setDesc = CreateTupleDescCopy(rsinfo_->expectedDesc); \
		rsinfo_->setResult = tuplestore_begin_heap(false, false, work_mem); \
		MemoryContextSwitchTo(old_); \
	} while (0)
#endif

/* 16: one family of rights checks by catalog instead of one per object. */
#if PG_VERSION_NUM < 160000
#define hubspot_server_aclcheck(server, role, mode) \
	pg_foreign_server_aclcheck(server, role, mode)
#define hubspot_database_ownercheck(database, role) \
	pg_database_ownercheck(database, role)
#define hubspot_table_ownercheck(table, role) \
	pg_class_ownercheck(table, role)
#else
#define hubspot_server_aclcheck(server, role, mode) \
	object_aclcheck(ForeignServerRelationId, server, role, mode)
#define hubspot_database_ownercheck(database, role) \
	object_ownercheck(DatabaseRelationId, database, role)
#define hubspot_table_ownercheck(table, role) \
	object_ownercheck(RelationRelationId, table, role)
#endif

/* 17: a process knows its number by a variable of its own. */
#if PG_VERSION_NUM < 170000
#define HUBSPOT_MY_PROC_NUMBER	(MyProc->pgprocno)
#else
#define HUBSPOT_MY_PROC_NUMBER	MyProcNumber
#endif

/* 16: DecodeDateTime() reports what was wrong. */
#if PG_VERSION_NUM < 160000
#define hubspot_decode_datetime(field, ftype, nf, dtype, tm, fsec, tz) \
	DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tz)
#else
#define hubspot_decode_datetime(field, ftype, nf, dtype, tm, fsec, tz) \
	DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tz, &(DateTimeErrorExtra) {0})
#endif

/* 15: an interval's parts are read into a struct of their own. */
#if PG_VERSION_NUM < 150000
typedef struct hubspot_itm
{
	struct pg_tm tm;
	fsec_t		fsec;
} hubspot_itm;
#define hubspot_decode_interval(field, ftype, nf, dtype, itm) \
	DecodeInterval(field, ftype, nf, INTERVAL_FULL_RANGE, dtype, &(itm)->tm, &(itm)->fsec)
#define hubspot_decode_iso8601_interval(text, dtype, itm) \
	DecodeISO8601Interval(text, dtype, &(itm)->tm, &(itm)->fsec)
#define hubspot_itm2interval(itm, interval) tm2interval(&(itm)->tm, (itm)->fsec, interval)
#else
typedef struct pg_itm_in hubspot_itm;
#define hubspot_decode_interval(field, ftype, nf, dtype, itm) \
	DecodeInterval(field, ftype, nf, INTERVAL_FULL_RANGE, dtype, itm)
#define hubspot_decode_iso8601_interval(text, dtype, itm) DecodeISO8601Interval(text, dtype, itm)
#define hubspot_itm2interval(itm, interval) itmin2interval(itm, interval)
#endif

/* 17: a set of wait events belongs to a resource owner, or to none; before, to a context. */
#if PG_VERSION_NUM < 170000
#define hubspot_create_wait_event_set(context, n) CreateWaitEventSet(context, n)
#else
#define hubspot_create_wait_event_set(context, n) CreateWaitEventSet(NULL, n)
#endif

/* 17: extensions name their wait events; the name is looked up once per process. */
#if PG_VERSION_NUM < 170000
#define hubspot_wait_event(name) ((void) (name), PG_WAIT_EXTENSION)
#else
#define hubspot_wait_event(name) WaitEventExtensionNew(name)
#endif

/* 15: the timeline that is written to has a function of its own; 14 keeps it in a variable. */
#if PG_VERSION_NUM < 150000
#define hubspot_timeline() (RecoveryInProgress() ? 0 : ThisTimeLineID)
#else
#define hubspot_timeline() GetWALInsertionTimeLine()
#endif

/* 18: a scan takes a place to count its index searches in. */
#if PG_VERSION_NUM < 180000
#define hubspot_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#else
#define hubspot_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#endif

/* 16: the server's headers declare _PG_init(). */
#if PG_VERSION_NUM < 160000
extern PGDLLEXPORT void _PG_init(void);
#endif

#endif							/* HUBSPOT_COMPAT_H */
