/*
 * ring.c
 *		The extension's relations by oid, and the rotation of its rings.
 *
 * The catalog is a static copy per backend, rebuilt after a relcache
 * invalidation of one of its relations (DROP EXTENSION, TRUNCATE).  Nothing
 * here is shared and nothing allocates permanently.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_enum.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/hubspot.h"
#include "base/verdict.h"
#include "ring/outbox.h"
#include "ring/ring.h"

static Catalog catalog;
static bool catalog_valid = false;
static bool catalog_met_change = false; /* while it was built */
static bool columns_are_checked = false;	/* of this catalog */

/* Relcache callback: a dropped or truncated child makes the copy stale. */
static void
catalog_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == catalog.outbox[0])
	{
		catalog_valid = false;
		catalog_met_change = true;
	}
}

/* A relation of the schema by printf-style name. */
static Oid
relation_oid(Oid schema, const char *format, int child)
{
	char		name[NAMEDATALEN];
	Oid			oid;

	snprintf(name, sizeof(name), format, child);
	oid = get_relname_relid(name, schema);
	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" of extension \"%s\" does not exist",
						HUBSPOT_SCHEMA, name, HUBSPOT_EXTENSION),
				 errhint("Drop the extension and create it again.")));
	return oid;
}

static void
enum_oids(Oid schema, const char *type, const char *const *names, int count, Oid *oids)
{
	Oid			enumtype = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										   CStringGetDatum(type), ObjectIdGetDatum(schema));

	for (int i = 0; i < count; i++)
	{
		oids[i] = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
								  ObjectIdGetDatum(enumtype), CStringGetDatum(names[i]));
		if (!OidIsValid(oids[i]))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("type \"%s.%s\" has no value \"%s\"", HUBSPOT_SCHEMA, type, names[i]),
					 errhint("Run ALTER EXTENSION %s UPDATE.", HUBSPOT_EXTENSION)));
	}
}

static void
build_catalog(Oid extension)
{
	Oid			schema = get_namespace_oid(HUBSPOT_SCHEMA, false);
	const char *verdicts[VERDICT_COUNT];

	/*
	 * Everything is looked up by name within our schema, which nobody but the extension's owner
	 * can change.
	 */
	catalog.extension = extension;
	catalog.outbox_id_seq = relation_oid(schema, "outbox_id_seq", 0);
	catalog.request_id_seq = relation_oid(schema, "request_id_seq", 0);
	for (int i = 0; i < RING_CHILDREN; i++)
	{
		catalog.outbox[i] = relation_oid(schema, "outbox_%d", i);
		catalog.outbox_id[i] = relation_oid(schema, "outbox_%d_id", i);
		catalog.outbox_xid[i] = relation_oid(schema, "outbox_%d_xid", i);
		catalog.outbox_key[i] = relation_oid(schema, "outbox_%d_key", i);
		catalog.result[i] = relation_oid(schema, "result_%d", i);
		catalog.result_id[i] = relation_oid(schema, "result_%d_id", i);
		catalog.result_finished_at[i] = relation_oid(schema, "result_%d_finished_at", i);
		catalog.request[i] = relation_oid(schema, "request_%d", i);
		catalog.request_id[i] = relation_oid(schema, "request_%d_id", i);
		catalog.request_started_at[i] = relation_oid(schema, "request_%d_started_at", i);
	}
	for (int i = 0; i < CHECKPOINT_CHILDREN; i++)
	{
		catalog.checkpoint[i] = relation_oid(schema, "checkpoint_%d", i);
		catalog.checkpoint_id[i] = relation_oid(schema, "checkpoint_%d_id", i);
	}
	catalog.mapping = relation_oid(schema, "mapping", 0);
	catalog.command = relation_oid(schema, "command", 0);
	catalog.deferred = relation_oid(schema, "deferred", 0);
	catalog.deferred_id = relation_oid(schema, "deferred_id", 0);
	catalog.dead = relation_oid(schema, "dead", 0);
	catalog.dead_id = relation_oid(schema, "dead_id", 0);
	catalog.pause = relation_oid(schema, "pause", 0);
	catalog.record = relation_oid(schema, "record", 0);
	catalog.record_key_hash = relation_oid(schema, "record_key_hash", 0);
	catalog.confirmed = relation_oid(schema, "confirmed", 0);
	catalog.confirmed_record = relation_oid(schema, "confirmed_record", 0);
	catalog.forgotten = relation_oid(schema, "forgotten", 0);
	catalog.sync = relation_oid(schema, "sync", 0);
	catalog.company_contact = relation_oid(schema, "company_contact", 0);
	catalog.company_contact_pair_hash = relation_oid(schema, "company_contact_pair_hash", 0);
	catalog.suppressed = relation_oid(schema, "suppressed", 0);
	catalog.suppressed_address = relation_oid(schema, "suppressed_address", 0);
	catalog.suppressed_user_id = relation_oid(schema, "suppressed_user_id", 0);
	catalog.suppressed_key = relation_oid(schema, "suppressed_key", 0);
	catalog.subscription_type = relation_oid(schema, "subscription_type", 0);
	catalog.repeat = relation_oid(schema, "repeat", 0);
	catalog.repeat_replay_of = relation_oid(schema, "repeat_replay_of", 0);
	catalog.statistic = relation_oid(schema, "statistic", 0);
	catalog.request_statistic = relation_oid(schema, "request_statistic", 0);
	enum_oids(schema, "call", call_names, CALL_COUNT, catalog.call);
	enum_oids(schema, "source", source_names, SOURCE_COUNT, catalog.source);
	for (int i = 0; i < VERDICT_COUNT; i++)
		verdicts[i] = verdict_rules[i].word;
	enum_oids(schema, "verdict", verdicts, VERDICT_COUNT, catalog.verdict);
}

const Catalog *
ring_catalog(bool missing_ok)
{
	static bool registered = false;
	Oid			extension;

	if (catalog_valid)
		return &catalog;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(catalog_changed, (Datum) 0);
		registered = true;
	}
	extension = get_extension_oid(HUBSPOT_EXTENSION, true);
	if (!OidIsValid(extension))
	{
		if (missing_ok)
			return NULL;
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist in this database", HUBSPOT_EXTENSION)));
	}

	/*
	 * The look-ups may process invalidations, which reset catalog_valid: then the copy may mix old
	 * and new oids, and is built again.
	 */
	do
	{
		catalog_met_change = false;
		build_catalog(extension);
	} while (catalog_met_change);
	catalog_valid = true;
	columns_are_checked = false;
	return &catalog;
}

static void
check_column(Oid relation, const char *name, int number)
{
	if (get_attnum(relation, name) != number)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column %d of relation \"%s.%s\" of extension \"%s\" is not \"%s\"",
						number, HUBSPOT_SCHEMA, get_rel_name(relation), HUBSPOT_EXTENSION, name),
				 errdetail("The library and the extension's script are of different versions."),
				 errhint("Run ALTER EXTENSION %s UPDATE.", HUBSPOT_EXTENSION)));
}

/*
 * Not a part of the catalog's making: ALTER EXTENSION UPDATE, which mends what
 * is wrong, must be able to have one.
 */
const Catalog *
ring_outbox_catalog(void)
{
	static const char *const names[] = {OUTBOX_COLUMNS(OUTBOX_ENTRY, OUTBOX_ENTRY)};
	const Catalog *found = ring_catalog(false);

	if (!columns_are_checked)
	{
		for (int i = 0; i < Natts_outbox; i++)
		{
			check_column(found->outbox[0], names[i], i + 1);
			check_column(found->deferred, names[i], i + 1);
		}
		check_column(found->deferred, "attempt", Natts_outbox + 1);
		columns_are_checked = true;
	}
	return found;
}

int
ring_enum_position(const Oid *labels, int count, Oid value)
{
	for (int i = 0; i < count; i++)
		if (labels[i] == value)
			return i;
	elog(ERROR, "unknown enum value %u in the outbox", value);
	return -1;
}

int
ring_compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

bool
ring_is_empty(Oid relation)
{
	Relation	rel = table_open(relation, AccessShareLock);
	bool		empty = RelationGetNumberOfBlocks(rel) == 0;

	table_close(rel, AccessShareLock);
	return empty;
}

bool
ring_may_read(Oid table)
{
	return pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

Oid
ring_tables_owner(void)
{
	Relation	rel = table_open(ring_catalog(false)->record, AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;

	table_close(rel, AccessShareLock);
	return owner;
}

/*
 * An index of ranges is built with an entry for the first one, though there is no row: each row in
 * that range would write it anew.
 */
static void
forget_first_range(Relation rel)
{
	List	   *oids = RelationGetIndexList(rel);
	ListCell   *cell;

	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessExclusiveLock);
		bool		has_ranges = index->rd_rel->relam == BRIN_AM_OID;

		index_close(index, NoLock);
		if (has_ranges)
			(void) DirectFunctionCall2(brin_desummarize_range, ObjectIdGetDatum(lfirst_oid(cell)),
									   Int64GetDatum(0));
	}
	list_free(oids);
}

void
ring_truncate(Oid relation)
{
	Relation	rel = table_open(relation, AccessExclusiveLock);

	heap_truncate(list_make1_oid(relation));
	forget_first_range(rel);
	table_close(rel, NoLock);
}
