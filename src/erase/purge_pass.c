/*
 * purge_pass.c
 *		The tables are gone through once, for all erasures that wait.
 *
 * First the record map, twice, by blocks: other keys of the erased records, then userIds seen with
 * these.  Then the tables of rows, by id, in the order of stages[], of a ring one child after the
 * other.  An index by key would cost each call, and would not find who is only mentioned; a row
 * looked at costs a microsecond or two, however many contacts are erased.
 *
 * What a slice costs must not depend on how large the tables are: a statement names the child, so
 * that the others are not even planned for, and goes by an index, for which
 * statement_execute_chunk() cares.
 *
 * A slice ends after SLICE_US: a chunk of rows is left where that is over, or where
 * MAX_FOUND of them are to be changed, which is done with the chunk.  So neither a large outbox
 * nor a contact with many rows makes a slice long.
 *
 * Memory: a context of the pass; what a chunk needs goes with its transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/itemptr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "erase/purge_pass.h"
#include "message/pair.h"
#include "ring/outbox.h"
#include "ring/ring.h"
#include "ring/ring_scan.h"

#define SLICE_US		5000
#define CHUNK_ROWS		1000
#define CHUNK_BLOCKS	128		/* of the record map */
#define MAX_FOUND		100		/* rows that are changed with a chunk */

/* What is to become of rows. */
typedef enum Found
{
	FOUND_OWN,					/* of the contact */
	FOUND_MENTION,				/* mentions it */
	FOUND_PART					/* a group call that mentions it only where it speaks of its
								 * contact */
#define FOUND_KINDS (FOUND_PART + 1)
} Found;

/* What the ids of a table are of. */
typedef enum Ring
{
	RING_OF_OUTBOX,
	RING_OF_REQUESTS,
	RING_NONE					/* one table for all ids */
} Ring;

/*
 * A table by id: the rows behind $1 in their order, of the child $2 of a ring; and what is done to
 * those that are found, by an array of ids, $1, in that child, $2.
 */
typedef struct Stage
{
	Ring		ring;
	const char *sql;			/* id, server, key (NULL: none of a contact), call, JSON, text,
								 * text as JSON */
	const char *empty[FOUND_KINDS];
	bool		has_order;		/* ids are those of the outbox */
} Stage;

#define OWN_KEY "CASE WHEN object NOT IN ('company', 'schema') THEN key END"
#define NEXT_ROWS " WHERE id > $1 ORDER BY id LIMIT " CppAsString2(CHUNK_ROWS)
/* as the rings are partitioned by */
#define IN_CHILD " ((id / 1000000000::pg_catalog.int8) % 8::pg_catalog.int8) = $2"
#define NEXT_IN_CHILD " WHERE" IN_CHILD " AND id > $1 ORDER BY id LIMIT " CppAsString2(CHUNK_ROWS)
#define THESE_IN_CHILD " WHERE" IN_CHILD " AND id = ANY ($1)"

StaticAssertDecl(RING_SPAN == 1000000000 && RING_CHILDREN == 8,
				 "purge_pass.c names the children of rings");

static const Stage stages[] = {
	{RING_OF_OUTBOX,
		"SELECT id, server, " OWN_KEY
		", call::pg_catalog.text, message, problem, "
		"NULL::pg_catalog.jsonb FROM hubspot.outbox" NEXT_IN_CHILD,
		{
			"WITH emptied AS (UPDATE hubspot.outbox SET key = '', key_property = NULL, "
			"problem = NULL, message = NULL" THESE_IN_CHILD ")"
			" UPDATE hubspot.result SET record_id = NULL, message = NULL, "
			"warnings = NULL" THESE_IN_CHILD,
			"UPDATE hubspot.outbox SET problem = NULL, message = NULL" THESE_IN_CHILD,
			"UPDATE hubspot.outbox SET problem = NULL, "
			"message = message - '{context,userId,user_id}'::pg_catalog.text[]" THESE_IN_CHILD,
	}, true},
	/* most have no text, so that their account is not looked up */
	{RING_OF_OUTBOX, "SELECT r.id, CASE WHEN r.message IS NOT NULL OR r.warnings IS NOT NULL"
		" THEN (SELECT server FROM hubspot.outbox WHERE" IN_CHILD
		" AND id = r.id) END, NULL::pg_catalog.text, NULL::pg_catalog.text,"
		" NULL::pg_catalog.jsonb, r.message, r.warnings FROM (SELECT id, message, "
		"warnings FROM hubspot.result" NEXT_IN_CHILD ") r ORDER BY r.id",
		{
			NULL,
			"UPDATE hubspot.result SET record_id = NULL, message = NULL, "
			"warnings = NULL" THESE_IN_CHILD,
	}, true},
	{RING_OF_REQUESTS,
		"SELECT id, server, NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.jsonb, "
		"error, NULL::pg_catalog.jsonb FROM hubspot.request" NEXT_IN_CHILD,
		{
			NULL,
			"UPDATE hubspot.request SET error = NULL" THESE_IN_CHILD,
	}, false},
	{RING_NONE,
		"SELECT id, server, " OWN_KEY
		", NULL::pg_catalog.text, message, last_error, "
		"NULL::pg_catalog.jsonb FROM hubspot.dead" NEXT_ROWS,
		{
			"DELETE FROM hubspot.dead WHERE id = ANY ($1)",
			"DELETE FROM hubspot.dead WHERE id = ANY ($1)",
	}, true},
	/* its own were ended with their keys; of the others, what is sent must not change */
	{RING_NONE,
		"SELECT id, server, NULL::pg_catalog.text, NULL::pg_catalog.text, message, last_error, "
		"NULL::pg_catalog.jsonb FROM hubspot.deferred" NEXT_ROWS,
		{
			NULL,
			"UPDATE hubspot.deferred SET last_error = NULL, "
			"message = message - '{context,userId,user_id}'::pg_catalog.text[] WHERE id = ANY ($1)",
	}, true},
};

/* Suppressed repeats know a message by its id; the primary key leads with that. */
static const char forget_message_ids[] =
"DELETE FROM hubspot.message_id WHERE message_id = ANY ($3) AND id = ANY ($1)";

static const char record_blocks[] =
"SELECT pg_catalog.pg_relation_size('hubspot.record'::pg_catalog.regclass) / "
"pg_catalog.current_setting('block_size')::pg_catalog.int8";

/* Of a userId, record_id is the address that it was seen with. */
static const char record_keys[] =
"SELECT server, record_id, key, key_property = 'userId' FROM hubspot.record WHERE ctid >= $1 AND "
"ctid < $2 AND object = 'contact'"
" AND (record_id = ANY ($3) OR key_property = 'userId' AND record_id = ANY ($4))";

typedef struct Position
{
	int			round;			/* through the record map; then RECORD_ROUNDS */
	int64		block;
	int			stage;
	int64		generation;		/* of a ring; below the oldest one: not begun */
	int64		id;				/* rows up to this one are done */
} Position;

#define RECORD_ROUNDS 2
#define NOT_BEGUN (-1)

/* Ids of a child, for progress; gaps count as rows. */
typedef struct Span
{
	int64		first;
	int64		end;			/* the one behind the last */
} Span;

struct Pass
{
	MemoryContext context;
	List	   *erased;
	Identifiers *set;			/* NULL before all keys are known */
	int64		last;			/* no row of the outbox from here on is looked at */
	Span		spans[RING_CHILDREN];	/* of the outbox; results have the same */
	bool		has_spans;
	Position	done;
	Position	next;			/* ... when the transaction has committed */
};

void
erased_add_key(Erased *erased, const char *text, int len)
{
	MemoryContext old;
	ListCell   *cell;

	if (len == 0)
		return;
	foreach(cell, erased->keys)
		if (strlen(lfirst(cell)) == len && memcmp(lfirst(cell), text, len) == 0)
		return;
	old = MemoryContextSwitchTo(erased->context);
	erased->keys = lappend(erased->keys, pnstrdup(text, len));
	MemoryContextSwitchTo(old);
}

Pass *
pass_begin(List *erased)
{
	MemoryContext context =
	AllocSetContextCreate(CurrentMemoryContext, "hubspot purge pass", ALLOCSET_SMALL_SIZES);
	Pass	   *pass = MemoryContextAllocZero(context, sizeof(Pass));
	ListCell   *cell;

	pass->context = context;
	pass->done.generation = NOT_BEGUN;
	pass->erased = erased;
	foreach(cell, erased)
		pass->last = Max(pass->last, ((Erased *) lfirst(cell))->before);
	return pass;
}

void
pass_end(Pass *pass)
{
	MemoryContextDelete(pass->context);
}

static bool
is_finished(const Position *position)
{
	return position->stage == lengthof(stages);
}

bool
pass_committed(Pass *pass)
{
	pass->done = pass->next;
	return is_finished(&pass->done);
}

/* ---- how far it is ------------------------------------------------------------------- */

/* Rows of the outbox, as far as the pass looks at them; a few look-ups by index. */
static void
measure(Pass *pass)
{
	const Catalog *catalog = ring_outbox_catalog();

	for (int i = 0; i < RING_CHILDREN; i++)
	{
		Span	   *span = &pass->spans[i];
		RingScan	child;
		bool		isnull;

		span->first = span->end = 0;
		ring_scan_open(&child, catalog->outbox[i], catalog->outbox_id[i], 0);
		index_rescan(child.scan, NULL, 0, NULL, 0);
		if (ring_scan_next(&child))
		{
			span->first = DatumGetInt64(slot_getattr(child.slot, Anum_outbox_id, &isnull));
			index_rescan(child.scan, NULL, 0, NULL, 0);
			if (index_getnext_slot(child.scan, BackwardScanDirection, child.slot))
				span->end = DatumGetInt64(slot_getattr(child.slot, Anum_outbox_id, &isnull)) + 1;
			span->end = Max(Min(span->end, pass->last), span->first);
		}
		ring_scan_close(&child);
	}
	pass->has_spans = true;
}

bool
pass_progress(const Pass *pass, int64 *done, int64 *all)
{
	const Position *position = &pass->done;
	int64		rows = 0;
	int64		behind = 0;		/* of the table that it is in */
	int			tables = 0;

	if (!pass->has_spans)
		return false;
	for (int i = 0; i < RING_CHILDREN; i++)
	{
		const Span *span = &pass->spans[i];

		rows += span->end - span->first;
		behind += Min(Max(position->id + 1 - span->first, 0), span->end - span->first);
	}
	for (int i = 0; i < lengthof(stages); i++)
		tables += stages[i].ring == RING_OF_OUTBOX;
	*all = rows * tables;
	*done = Min(position->stage, tables) * rows + (position->stage < tables ? behind : 0);
	return true;
}

/* ---- the record map ------------------------------------------------------------------ */

static Datum
text_array(List *texts)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(texts), 1));

	for (int i = 0; i < list_length(texts); i++)
		elements[i] = CStringGetTextDatum(list_nth(texts, i));
	return PointerGetDatum(construct_array(elements, list_length(texts), TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static Datum
tid_of(int64 block)
{
	ItemPointer tid = palloc(sizeof(ItemPointerData));

	ItemPointerSet(tid, (BlockNumber) block, 0);
	return PointerGetDatum(tid);
}

static char *
column_text(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static void
add_found_key(Pass *pass, Oid server, const char *record_id, const char *key, bool is_user_id)
{
	ListCell   *cell;

	foreach(cell, pass->erased)
	{
		Erased	   *erased = lfirst(cell);
		ListCell   *known;
		bool		is_its = !is_user_id && strcmp(erased->record_id, record_id) == 0;

		if (erased->server != server)
			continue;
		if (is_user_id)
			foreach(known, erased->keys)
				is_its = is_its || strcmp(lfirst(known), record_id) == 0;
		if (is_its)
			erased_add_key(erased, key, strlen(key));
	}
}

static void
read_records(Pass *pass)
{
	Position   *position = &pass->next;
	List	   *records = NIL;
	List	   *addresses = NIL;
	ListCell   *cell;
	bool		isnull;
	int64		blocks;

	foreach(cell, pass->erased)
	{
		Erased	   *erased = lfirst(cell);

		if (erased->record_id[0] != '\0')
			records = lappend(records, unconstify(char *, erased->record_id));
		addresses = list_concat(addresses, erased->keys);
	}
	if (statement_execute(record_blocks, 0, NULL, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hubspot.record");
	blocks = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (position->block < blocks)
	{
		Oid			types[] = {TIDOID, TIDOID, TEXTARRAYOID, TEXTARRAYOID};
		Datum		values[] =
		{tid_of(position->block), tid_of(Min(position->block + CHUNK_BLOCKS, MaxBlockNumber)),
		text_array(records), text_array(addresses)};

		if (statement_execute_chunk(record_keys, 4, types, values, NULL, true) != SPI_OK_SELECT)
			elog(ERROR, "could not read hubspot.record");
		for (int row = 0; row < SPI_processed; row++)
			add_found_key(pass,
						  DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
														 SPI_tuptable->tupdesc, 1, &isnull)),
						  column_text(row, 2), column_text(row, 3),
						  DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
													 4, &isnull)));
		position->block += CHUNK_BLOCKS;
	}

	/*
	 * Rounds: the first finds the keys of the records, the next the userIds that were seen with
	 * one of these.
	 */
	if (position->block >= blocks)
	{
		position->round++;
		position->block = 0;
	}
}

static Identifiers *
make_set(Pass *pass)
{
	MemoryContext old = MemoryContextSwitchTo(pass->context);
	Identifiers *set = identifiers_create();
	ListCell   *cell;
	ListCell   *key;

	foreach(cell, pass->erased)
	{
		Erased	   *erased = lfirst(cell);

		foreach(key, erased->keys)
			identifiers_add(set, erased->server, lfirst(key), erased->before);
	}
	MemoryContextSwitchTo(old);
	return set;
}

/* ---- tables of rows -------------------------------------------------------------------- */

/* A chunk, as it was read: the SPI tables of other statements come and go meanwhile. */
typedef struct ChunkRow
{
	HeapTuple	tuple;
	TupleDesc	desc;
} ChunkRow;

static Datum
column(const ChunkRow *row, int number, bool *isnull)
{
	return SPI_getbinval(row->tuple, row->desc, number, isnull);
}

static bool
text_matches(const Pass *pass, const ChunkRow *row, int number, Oid server, int64 id)
{
	bool		isnull;
	Datum		datum = column(row, number, &isnull);
	text	   *value;

	if (isnull)
		return false;
	value = DatumGetTextPP(datum);
	return identifiers_in_text(pass->set, server, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), id);
}

static bool
json_matches(const Pass *pass, const ChunkRow *row, int number, Oid server, int64 id,
			 bool without_person)
{
	bool		isnull;
	Datum		datum = column(row, number, &isnull);

	return !isnull &&
		identifiers_in_json(pass->set, server, DatumGetJsonbP(datum), id, without_person);
}

/* Whether a key is that of a pair, and one of them is an end. */
static bool
is_pair_of(const Pass *pass, Oid server, const text * key, int64 id)
{
	char	   *pair;

	if (memchr(VARDATA_ANY(key), ',', VARSIZE_ANY_EXHDR(key)) == NULL)
		return false;
	pair = text_to_cstring(key);
	for (int i = 0; i < 2; i++)
	{
		const char *contact = message_pair_key_contact(pair, i);

		if (contact != NULL && identifiers_has(pass->set, server, contact, strlen(contact), id))
			return true;
	}
	return false;
}

/* -1: the row has nothing to do with any of them. */
static int
judge(const Pass *pass, const ChunkRow *row, int64 id)
{
	bool		isnull;
	Oid			server = DatumGetObjectId(column(row, 2, &isnull));
	Datum		key;

	if (isnull)
		return -1;
	key = column(row, 3, &isnull);
	if (!isnull)
	{
		text	   *value = DatumGetTextPP(key);

		if (identifiers_has(pass->set, server, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), id) ||
			is_pair_of(pass, server, value, id))
			return FOUND_OWN;
	}

	/*
	 * A call about a company may name the contact only where it says whose company it is: that
	 * part goes, and the company's values stay.
	 */
	if (json_matches(pass, row, 5, server, id, false))
	{
		char	   *call = SPI_getvalue(row->tuple, row->desc, 4);

		return call != NULL && strcmp(call, "group") == 0 &&
			!json_matches(pass, row, 5, server, id, true) ? FOUND_PART : FOUND_MENTION;
	}
	if (text_matches(pass, row, 6, server, id) || json_matches(pass, row, 7, server, id, false))
		return FOUND_MENTION;
	return -1;
}

static void
add_message_id(const ChunkRow *row, List **message_ids)
{
	bool		isnull;
	Datum		datum = column(row, 5, &isnull);
	JsonbValue	value;

	if (!isnull && JB_ROOT_IS_OBJECT(DatumGetJsonbP(datum)) &&
		getKeyJsonValueFromContainer(&DatumGetJsonbP(datum)->root, "messageId", strlen("messageId"),
									 &value) != NULL &&
		value.type == jbvString)
		*message_ids = lappend(*message_ids, pnstrdup(value.val.string.val, value.val.string.len));
}

static void
change(const char *sql, Datum ids, int64 child, List *message_ids)
{
	Oid			types[] = {INT8ARRAYOID, INT8OID, TEXTARRAYOID};
	Datum		values[] = {ids, Int64GetDatum(child), text_array(message_ids)};

	if (statement_execute_chunk(sql, lengthof(types), types, values, NULL, false) < 0)
		elog(ERROR, "could not remove the traces of an erased contact");
}

static void
change_found(const Stage *stage, int64 child, int64 *const *found, const int *nfound,
			 List *message_ids)
{
	for (int i = 0; i < FOUND_KINDS; i++)
		if (nfound[i] > 0)
		{
			Datum		ids = statement_ids(found[i], nfound[i]);

			change(stage->empty[i], ids, child, NIL);
			if (message_ids != NIL)
				change(forget_message_ids, ids, child, message_ids);
		}
}

/* To the stage's oldest generation, to the next one, or to the next stage when there is none. */
static void
go_on(Position *position)
{
	const Stage *stage = &stages[position->stage];
	const Catalog *catalog = ring_catalog(false);

	if (stage->ring != RING_NONE)
	{
		int64		newest =
		RING_GENERATION(ring_last_id(stage->ring == RING_OF_OUTBOX
									 ? catalog->outbox_id_seq : catalog->request_id_seq));

		position->generation = Max(position->generation + 1, newest - (RING_CHILDREN - 1));
		position->generation = Max(position->generation, 0);
		position->id = position->generation * RING_SPAN - 1;
		if (position->generation <= newest)
			return;
	}
	position->stage++;
	position->generation = NOT_BEGUN;
	position->id = 0;
	if (!is_finished(position) && stages[position->stage].ring != RING_NONE)
		go_on(position);
}

/* One chunk of rows, as far as it is time; the position is moved behind what was looked at. */
static void
read_rows(Pass *pass, int64 until)
{
	const Stage *stage = &stages[pass->next.stage];
	int64		child = pass->next.generation % RING_CHILDREN;
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(pass->next.id), Int64GetDatum(child)};
	int64		began = clock_us();
	int64	   *found[FOUND_KINDS];
	int			nfound[FOUND_KINDS] = {0};
	int			nall = 0;
	List	   *message_ids = NIL;
	SPITupleTable *table;
	int			nrows;
	bool		at_end;

	if (statement_execute_chunk(stage->sql, lengthof(types), types, values, NULL, true) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read rows for the erasure of a contact");
	/* what is read is read again when it is left: that must not become most of the work */
	until = Max(until, clock_us() + (clock_us() - began));
	table = SPI_tuptable;
	nrows = (int) SPI_processed;
	at_end = nrows < CHUNK_ROWS;
	for (int i = 0; i < FOUND_KINDS; i++)
		found[i] = palloc(sizeof(int64) * CHUNK_ROWS);
	for (int i = 0; i < nrows; i++)
	{
		ChunkRow	row = {table->vals[i], table->tupdesc};
		bool		isnull;
		int64		id = DatumGetInt64(column(&row, 1, &isnull));
		int			kind;

		if (stage->has_order && id >= pass->last)
		{
			at_end = true;
			break;
		}
		kind = judge(pass, &row, stage->has_order ? id : 0);
		if (kind >= 0)
		{
			found[kind][nfound[kind]++] = id;
			nall++;
			add_message_id(&row, &message_ids);
		}
		pass->next.id = id;
		if ((nall >= MAX_FOUND || (i % 32 == 31 && clock_us() >= until)) && i + 1 < nrows)
		{
			at_end = false;
			break;
		}
	}
	change_found(stage, child, found, nfound, message_ids);
	SPI_freetuptable(table);
	if (at_end)
		go_on(&pass->next);
}

void
pass_step(Pass *pass, void (*all_known) (void))
{
	int64		until = clock_us() + SLICE_US;

	pass->next = pass->done;
	if (!pass->has_spans)
		measure(pass);
	if (pass->next.generation == NOT_BEGUN && stages[pass->next.stage].ring != RING_NONE)
		go_on(&pass->next);
	do
	{
		if (pass->next.round < RECORD_ROUNDS)
			read_records(pass);
		else
		{
			if (pass->set == NULL)
			{
				Identifiers *set = make_set(pass);

				all_known();
				pass->set = set;	/* an error before this has both done again */
			}
			read_rows(pass, until);
		}
		CHECK_FOR_INTERRUPTS();
	} while (!is_finished(&pass->next) && clock_us() < until);
}
