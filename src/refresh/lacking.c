/*
 * lacking.c
 *		Which columns of a definition are the properties that were left out.
 *
 * Called when what HubSpot lacked is sent again: by the back-fill of a followed table, and by a
 * refresh.  Locks: ACCESS SHARE on our tables.  Memory: the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "refresh/lacking.h"

struct LackingColumns
{
	MemoryContext context;
	List	   *names;			/* char *: as the mapping has them ... */
	List	   *properties;		/* ... and HubSpot's, NULL: none */
};

static void
take_columns(void *arg)
{
	LackingColumns *columns = arg;
	MemoryContext old = MemoryContextSwitchTo(columns->context);

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		char	   *property = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 2);

		columns->names = lappend(columns->names,
								 pstrdup(SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1)));
		columns->properties = lappend(columns->properties,
									  property == NULL ? NULL : pstrdup(property));
	}
	MemoryContextSwitchTo(old);
}

LackingColumns *
lacking_columns(const Sync *sync)
{
	LackingColumns *columns = palloc0(sizeof(LackingColumns));
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(sync->id);

	columns->context = CurrentMemoryContext;
	(void) sync_execute("SELECT c.trait, c.property FROM hubspot.properties_of_columns($1) c", 1,
						&type, &value, NULL, take_columns, columns);
	return columns;
}

static bool
is_one_of(Datum *texts, int n, const char *name)
{
	for (int i = 0; name != NULL && i < n; i++)
	{
		char	   *one = TextDatumGetCString(texts[i]);
		bool		same = strcmp(one, name) == 0;

		pfree(one);
		if (same)
			return true;
	}
	return false;
}

List *
lacking_choose(const LackingColumns *columns, Datum properties)
{
	Datum	   *texts;
	int			n;
	List	   *chosen = NIL;
	ListCell   *name;
	ListCell   *property;

	deconstruct_array(DatumGetArrayTypeP(properties), TEXTOID, -1, false, TYPALIGN_INT, &texts,
					  NULL, &n);
	forboth(name, columns->names, property, columns->properties)
		if (is_one_of(texts, n, lfirst(property)) || is_one_of(texts, n, lfirst(name)))
		chosen = lappend(chosen, lfirst(name));
	return chosen;
}
