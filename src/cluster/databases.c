/*
 * databases.c
 *		The launcher's list of databases that may have a worker.
 *
 * Called by launcher.c only.  The list remembers what pg_database does not
 * say: where a worker found no extension, so that no other goes there.
 *
 * Locks: AccessShareLock on pg_database while it is read.  Memory: see
 * databases.h.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/transaction.h"
#include "base/guc.h"
#include "cluster/databases.h"
#include "cluster/shared.h"

#define INVALID_DATCONNLIMIT (-2)	/* a DROP DATABASE that was interrupted */

static HTAB *databases;

void
databases_init(void)
{
	HASHCTL		shape;

	memset(&shape, 0, sizeof(shape));
	shape.keysize = sizeof(Oid);
	shape.entrysize = sizeof(Database);
	shape.hcxt = CurrentMemoryContext;
	databases = hash_create("hubspot databases", 64, &shape,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static bool
may_be_served(Form_pg_database form)
{
	return form->datallowconn && !form->datistemplate &&
		form->datconnlimit != INVALID_DATCONNLIMIT &&
		hubspot_serves_database(NameStr(form->datname));
}

static void
see_database(Form_pg_database form)
{
	bool		found;
	Database   *database = hash_search(databases, &form->oid, HASH_ENTER, &found);

	if (!found)
		database->absent = database->held = database->look_again = false;
	strlcpy(database->name, NameStr(form->datname), NAMEDATALEN);
	database->seen = true;
}

static void
scan_pg_database(void)
{
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	transaction_begin("looking for databases");
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (may_be_served(form))
			see_database(form);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	transaction_over();
}

void
databases_read(void)
{
	HASH_SEQ_STATUS every;
	Database   *database;

	hash_seq_init(&every, databases);
	while ((database = hash_seq_search(&every)) != NULL)
		database->seen = false;

	scan_pg_database();

	hash_seq_init(&every, databases);
	while ((database = hash_seq_search(&every)) != NULL)
	{
		if (!database->seen)
			(void) hash_search(databases, &database->oid, HASH_REMOVE, NULL);
	}
}

Database *
databases_find(Oid oid)
{
	return hash_search(databases, &oid, HASH_FIND, NULL);
}

void
databases_look_again(uint32 look_at)
{
	HASH_SEQ_STATUS every;
	Database   *database;

	hash_seq_init(&every, databases);
	while ((database = hash_seq_search(&every)) != NULL)
	{
		if (look_at == SHARED_LOOK_ALL || look_at == database->oid)
		{
			database->absent = database->held = false;
			database->look_again = true;
		}
	}
}

Database *
databases_find_unserved(void)
{
	HASH_SEQ_STATUS every;
	Database   *database;

	hash_seq_init(&every, databases);
	while ((database = hash_seq_search(&every)) != NULL)
	{
		if (!database->absent && !database->held && shared_find_slot(database->oid) == NULL &&
			!shared_is_on_hold(database->oid))
		{
			hash_seq_term(&every);
			return database;
		}
	}
	return NULL;
}

void
databases_look_at_held(void)
{
	HASH_SEQ_STATUS every;
	Database   *database;

	hash_seq_init(&every, databases);
	while ((database = hash_seq_search(&every)) != NULL)
		database->held = false;
}
