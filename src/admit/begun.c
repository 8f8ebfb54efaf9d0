/*
 * begun.c
 *		What must not be sent twice is noted on disk before it is sent.
 *
 * See begun.h.  The notes are few: those of requests under way, and what a
 * crash has left.
 *
 * Memory: ids in "hubspot begun".  Locks: ROW EXCLUSIVE on hubspot.begun until
 * the caller's commit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "admit/begun.h"
#include "backend/statement.h"
#include "ring/ring.h"

/* Ids, each once. */
typedef struct Ids
{
	int64	   *ids;
	int			n;
	int			size;
} Ids;

static MemoryContext context;
static Ids	before;				/* of earlier workers, ascending; what has ended stays here */
static Row **wanted;			/* rows that wait for their note */
static int	nwanted,
			wanted_size;
static Ids	over;				/* notes to be removed */

const Refusal begun_refusal =
{VERDICT_UNKNOWN, "answer_lost",
	"it may have been sent: the worker or the server ended before HubSpot answered, "
"and a repeat could be a second one"};

void
begun_init(void)
{
	context = AllocSetContextCreate(TopMemoryContext, "hubspot begun", ALLOCSET_SMALL_SIZES);
}

static void
add(Ids *ids, int64 id)
{
	for (int i = 0; i < ids->n; i++)
		if (ids->ids[i] == id)
			return;
	if (ids->n == ids->size)
	{
		ids->size = ids->size == 0 ? 16 : ids->size * 2;
		ids->ids = ids->ids == NULL ? MemoryContextAlloc(context, sizeof(int64) * ids->size)
			: repalloc(ids->ids, sizeof(int64) * ids->size);
	}
	ids->ids[ids->n++] = id;
}

/* Whether it was there. */
static bool
take_out(Ids *ids, int64 id)
{
	for (int i = 0; i < ids->n; i++)
		if (ids->ids[i] == id)
		{
			ids->ids[i] = ids->ids[--ids->n];
			return true;
		}
	return false;
}

static void
execute(const char *sql, const int64 *ids, int n)
{
	Oid			type = INT8ARRAYOID;
	Datum		array = statement_ids(ids, n);

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (statement_execute(sql, 1, &type, &array, NULL, false, 0) < 0)
		elog(ERROR, "could not write hubspot.begun");
	SPI_finish();
	PopActiveSnapshot();
}

/* ---- of workers before this one ----------------------------------------------------- */

void
begun_start(void)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (statement_execute("SELECT id FROM hubspot.begun ORDER BY id", 0, NULL, NULL, NULL, true, 0)
		!= SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.begun");
	before.size = SPI_processed;
	before.ids = MemoryContextAlloc(context, sizeof(int64) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		before.ids[before.n++] =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_finish();
	PopActiveSnapshot();
}

bool
begun_before(int64 id)
{
	return before.n > 0 &&
		bsearch(&id, before.ids, before.n, sizeof(int64), ring_compare_ids) != NULL;
}

/* ---- before a request ----------------------------------------------------------------- */

/* One whose note is about to be removed is wanted again: it stays as it is. */
void
begun_want(Row *row)
{
	if (row->begun)
		return;
	row->begun = true;
	if (take_out(&over, row->id))
		return;
	if (nwanted == wanted_size)
	{
		wanted_size = wanted_size == 0 ? 16 : wanted_size * 2;
		wanted = wanted == NULL ? MemoryContextAlloc(context, sizeof(Row *) * wanted_size)
			: repalloc(wanted, sizeof(Row *) * wanted_size);
	}
	wanted[nwanted++] = row;
}

bool
begun_is_wanted(void)
{
	return nwanted > 0;
}

void
begun_write(void)
{
	int64	   *ids = palloc(sizeof(int64) * Max(nwanted, 1));

	for (int i = 0; i < nwanted; i++)
		ids[i] = wanted[i]->id;
	execute("INSERT INTO hubspot.begun (id) SELECT * FROM unnest($1)", ids, nwanted);
}

void
begun_written(void)
{
	nwanted = 0;
}

void
begun_unwritten(void)
{
	for (int i = 0; i < nwanted; i++)
		wanted[i]->begun = false;
	nwanted = 0;
}

/* ---- after it ---------------------------------------------------------------------------- */

void
begun_over(Row *row)
{
	if (!row->begun)
		return;
	row->begun = false;
	add(&over, row->id);
}

void
begun_end(int64 id)
{
	if (begun_before(id))
		add(&over, id);
}

bool
begun_has_over(void)
{
	return over.n > 0;
}

void
begun_clear(void)
{
	execute("DELETE FROM hubspot.begun WHERE id = ANY ($1)", over.ids, over.n);
}

void
begun_cleared(void)
{
	over.n = 0;
}
