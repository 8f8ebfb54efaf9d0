/*
 * unknown.c
 *		Names that were dropped because HubSpot does not have them, and names that it demands.
 *
 * A small hash table, emptied as a whole when it was written; beyond its bound
 * further names are not counted (their rows still carry the warning).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "backend/statement.h"
#include "crm/unknown.h"

#define MAX_UNKNOWN		2000	/* names counted between two writes */
#define NAME_BYTES		200

typedef struct UnknownKey
{
	Oid			server;
	int			part;
	bool		is_required;
	char		name[NAME_BYTES];
} UnknownKey;

typedef struct UnknownEntry
{
	UnknownKey	key;
	const char *type;			/* constant; "" of what is required */
	int64		times;
	int64		last_id;
} UnknownEntry;

static MemoryContext context = NULL;
static HTAB *names = NULL;

static void
open_table(void)
{
	HASHCTL		control = {.keysize = sizeof(UnknownKey), .entrysize = sizeof(UnknownEntry)};

	if (context == NULL)
		context =
			AllocSetContextCreate(TopMemoryContext, "hubspot unknown properties",
								  ALLOCSET_DEFAULT_SIZES);
	control.hcxt = context;
	names = hash_create("hubspot unknown properties", 64, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
note(Oid server, Object part, bool is_required, const char *name, const char *type, int64 id)
{
	UnknownKey	key;
	UnknownEntry *entry;
	bool		found;

	if (strlen(name) >= NAME_BYTES)
		return;
	if (names == NULL)
		open_table();
	memset(&key, 0, sizeof(key));
	key.server = server;
	key.part = part;
	key.is_required = is_required;
	strlcpy(key.name, name, sizeof(key.name));
	entry = hash_search(names, &key,
						hash_get_num_entries(names) < MAX_UNKNOWN ? HASH_ENTER : HASH_FIND, &found);
	if (entry == NULL)
		return;
	entry->times = found ? entry->times + 1 : 1;
	entry->type = type;
	entry->last_id = id;
}

void
unknown_note(Oid server, Object part, const UnknownProperty *property, int64 id)
{
	note(server, part, false, property->name, property->type, id);
}

void
unknown_note_required(Oid server, Object part, const char *property, int64 id)
{
	note(server, part, true, property, "", id);
}

bool
unknown_wants_saving(void)
{
	return names != NULL;
}

static const char *const add_unknown =
"INSERT INTO hubspot.unknown_property (server, object, name, type, times, last_id, last_at)"
" VALUES ($1, $2, $3, $6, $4, $5, pg_catalog.clock_timestamp())"
" ON CONFLICT (server, object, name) DO UPDATE SET type = excluded.type,"
" times = unknown_property.times OPERATOR(pg_catalog.+) excluded.times, "
"last_id = excluded.last_id, last_at = excluded.last_at";

/* Without a type: HubSpot has named the property and no more. */
static const char *const add_required =
"INSERT INTO hubspot.required_property (server, object, name, times, last_id, last_at)"
" VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp())"
" ON CONFLICT (server, object, name) DO UPDATE SET"
" times = required_property.times OPERATOR(pg_catalog.+) excluded.times,"
" last_id = excluded.last_id, last_at = excluded.last_at";

void
unknown_save(void)
{
	HASH_SEQ_STATUS status;
	UnknownEntry *entry;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	hash_seq_init(&status, names);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		bool		is_required = entry->key.is_required;
		Oid			types[] = {OIDOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TEXTOID};
		Datum		values[] = {
			ObjectIdGetDatum(entry->key.server),
			CStringGetTextDatum(object_types[entry->key.part].name),
			CStringGetTextDatum(entry->key.name), Int64GetDatum(entry->times),
			Int64GetDatum(entry->last_id), CStringGetTextDatum(entry->type)
		};

		if (statement_execute(is_required ? add_required : add_unknown,
							  lengthof(types) - is_required, types, values, NULL, false,
							  0) != SPI_OK_INSERT)
			elog(ERROR, "could not count the property \"%s\"", entry->key.name);
	}
	PopActiveSnapshot();
	SPI_finish();
}

void
unknown_saved(void)
{
	MemoryContextReset(context);
	names = NULL;
}
