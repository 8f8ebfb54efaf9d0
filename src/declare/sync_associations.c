/*
 * sync_associations.c
 *		Which columns of a mapping hold keys of other records.
 *
 * Called by hubspot_sync() and its preview, in the user's transaction.  Contacts and companies
 * are passed over: they have properties that are called as objects are.  For other records a
 * property of that name is meant where HubSpot has one, so its list is waited for, as long as a
 * preview does.
 *
 * Locks: none.  Memory: what the definition keeps is in TopTransactionContext.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "declare/preview_schema.h"
#include "declare/sync_declare.h"
#include "facts/reading_store.h"

/* What a name of the mapping is to the account. */
typedef struct Meaning
{
	char	   *object;			/* NULL: none has that name */
	bool		is_property;	/* known to be one */
} Meaning;

static void
take_meaning(void *arg)
{
	Meaning    *meaning = arg;
	HeapTuple	tuple = SPI_tuptable->vals[0];
	char	   *object = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1);
	bool		isnull;

	meaning->object =
		object == NULL ? NULL : MemoryContextStrdup(TopTransactionContext, object);
	meaning->is_property = DatumGetBool(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
}

static Meaning
meaning_of(const Sync *sync, Oid server, const char *name)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		ObjectIdGetDatum(server), object_datum(sync->object), CStringGetTextDatum(name)
	};
	Meaning		meaning = {0};

	(void) sync_execute("SELECT hubspot.associated_object($1, $2, $3),"
						" EXISTS (SELECT FROM hubspot.property p"
						" WHERE p.server = $1 AND p.object = $2 AND p.name = $3)",
						lengthof(types), types, values, NULL, take_meaning, &meaning);
	return meaning;
}

static void
refuse_association(const Sync *sync, const SyncColumn *column)
{
	ListCell   *cell;

	if (!sync->follows)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a source that is compared cannot be mapped to the association \"%s\"",
						column->property),
				 errdetail("What a row was associated with before is not known at a refresh."),
				 errhint("Follow a table, or leave the column out.")));
	foreach(cell, sync->columns)
	{
		const SyncColumn *other = lfirst(cell);

		if (other != column && other->association != NULL &&
			strcmp(other->association, column->association) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("columns \"%s\" and \"%s\" are mapped to associations with one object",
							other->column, column->column),
					 errdetail("\"%s\" and \"%s\" are names of the object \"%s\".",
							   other->property, column->property, column->association),
					 errhint("Map one of them; of the other hubspot_associate() and "
							 "hubspot_dissociate() can be called.")));
	}
}

void
sync_find_associations(const Sync *sync)
{
	Oid			server = account_resolve(sync->server);
	bool		objects_are_read = false;
	ListCell   *cell;

	if (object_types[sync->object].call != CALL_RECORD || object_types[sync->object].stands_alone)
		return;
	preview_await_schema(server, sync->object);
	foreach(cell, sync->columns)
	{
		SyncColumn *column = lfirst(cell);
		Meaning		meaning = meaning_of(sync, server, column->property);

		/* it may be a custom object that has not been heard of yet */
		if (meaning.object == NULL && !meaning.is_property && !objects_are_read)
		{
			(void) reading_await(server, READING_OBJECTS, "", OBJECTS_SECONDS);
			objects_are_read = true;
			meaning = meaning_of(sync, server, column->property);
		}
		column->association = meaning.object;
		if (column->association != NULL)
			refuse_association(sync, column);
	}
}
