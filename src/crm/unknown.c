/*
 * unknown.c
 *		Names that HubSpot does not have, and names that it demands.
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
#include "mapping/property_value.h"
#include "text/encoding.h"

#define MAX_UNKNOWN		2000	/* names counted between two writes */
#define NAME_BYTES		200
#define PARENT_BYTES	64
#define MAX_TEXT		300		/* bytes of a label, of HubSpot's words */

/* What is known of a name. */
typedef enum Kind
{
	NAME_IS_UNKNOWN,
	NAME_IS_REQUIRED,
	NAME_IS_FOUND				/* it was unknown once */
} Kind;

typedef struct UnknownKey
{
	Oid			server;
	int			part;
	Kind		kind;
	char		parent[PARENT_BYTES];	/* of an event, a property of one, a list; else "" */
	char		name[NAME_BYTES];
} UnknownKey;

typedef struct UnknownEntry
{
	UnknownKey	key;
	const char *type;			/* constant; "" of what is no property, or required */
	const char *label;			/* of an event, else "" */
	const char *refusal;		/* NULL: none */
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

/* False for a name that is beyond bounds, which HubSpot could not have either. */
static bool
make_key(UnknownKey *key, Oid server, Object part, Kind kind, const char *parent, const char *name)
{
	if (strlen(name) >= NAME_BYTES || strlen(parent) >= PARENT_BYTES)
		return false;
	memset(key, 0, sizeof(*key));
	key->server = server;
	key->part = part;
	key->kind = kind;
	strlcpy(key->parent, parent, sizeof(key->parent));
	strlcpy(key->name, name, sizeof(key->name));
	return true;
}

/* The entry, counted once more; NULL: there is no room for it. */
static UnknownEntry *
enter(const UnknownKey *key, const char *type, int64 id)
{
	UnknownEntry *entry;
	bool		found;

	if (names == NULL)
		open_table();
	entry = hash_search(names, key,
						hash_get_num_entries(names) < MAX_UNKNOWN ? HASH_ENTER : HASH_FIND, &found);
	if (entry == NULL)
		return NULL;
	if (!found)
	{
		entry->times = 0;
		entry->type = type;
		entry->label = "";
		entry->refusal = NULL;
	}
	entry->times++;
	entry->last_id = id;
	/* a definition has one type for all occurrences; of a record the last value counts */
	entry->type = key->part == OBJECT_IS_EVENT ? property_type_of_both(entry->type, type) : type;
	return entry;
}

static void
note(Oid server, Object part, Kind kind, const char *parent, const char *name, const char *type,
	 int64 id)
{
	UnknownKey	key;

	if (make_key(&key, server, part, kind, parent, name))
		(void) enter(&key, type, id);
}

void
unknown_note(Oid server, Object part, const UnknownProperty *property, int64 id)
{
	note(server, part, NAME_IS_UNKNOWN, "", property->name, property->type, id);
}

void
unknown_note_required(Oid server, Object part, const char *property, int64 id)
{
	note(server, part, NAME_IS_REQUIRED, "", property, "", id);
}

/* Kept until it is written. */
static const char *
keep(const char *text)
{
	return encoding_bounded(context, text, MAX_TEXT);
}

static void
note_of_event(Oid server, const char *event, const char *name, const char *type,
			  const char *label, const char *refusal, int64 id)
{
	UnknownKey	key;
	UnknownEntry *entry;

	if (!make_key(&key, server, OBJECT_IS_EVENT, NAME_IS_UNKNOWN, event, name))
		return;
	entry = enter(&key, type, id);
	if (entry != NULL && label[0] != '\0' && entry->label[0] == '\0')
		entry->label = keep(label);
	if (entry != NULL && refusal != NULL && entry->refusal == NULL)
		entry->refusal = keep(refusal);
}

void
unknown_note_property(Oid server, const char *event, const UnknownProperty *property,
					  const char *refusal, int64 id)
{
	note_of_event(server, event, property->name, property->type, "", refusal, id);
}

void
unknown_note_event(Oid server, const char *event, const char *label, const char *refusal, int64 id)
{
	note_of_event(server, event, "", "", label, refusal, id);
}

/* What was said last of a list holds. */
static void
note_list(Oid server, Object members, const char *name, Kind kind, int64 id)
{
	Kind		other = kind == NAME_IS_FOUND ? NAME_IS_UNKNOWN : NAME_IS_FOUND;
	UnknownKey	key;

	if (names != NULL &&
		make_key(&key, server, OBJECT_IS_LIST, other, object_types[members].name, name))
		(void) hash_search(names, &key, HASH_REMOVE, NULL);
	note(server, OBJECT_IS_LIST, kind, object_types[members].name, name, "", id);
}

void
unknown_note_list(Oid server, Object members, const char *name, int64 id)
{
	note_list(server, members, name, NAME_IS_UNKNOWN, id);
}

void
unknown_found_list(Oid server, Object members, const char *name)
{
	note_list(server, members, name, NAME_IS_FOUND, 0);
}

bool
unknown_wants_saving(void)
{
	return names != NULL;
}

/*
 * By Kind.  The parameters are server, object, name, times, id; parent, which is nothing of what is
 * required; type, label and refusal, of what is unknown.
 */
static const struct
{
	const char *sql;
	int			nparameters;
	int			expected;
}			statements[] =
{
	[NAME_IS_UNKNOWN] = {
		"INSERT INTO hubspot.unknown_property (server, object, name, times, last_id,"
		" parent, type, label, refusal, last_at, refused_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.clock_timestamp(),"
		" CASE WHEN $9 IS NOT NULL THEN pg_catalog.clock_timestamp() END)"
		" ON CONFLICT (server, object, parent, name) DO UPDATE SET"
		" type = CASE WHEN unknown_property.object OPERATOR(pg_catalog.=) 'event'"
		" AND unknown_property.type OPERATOR(pg_catalog.<>) excluded.type"
		" THEN 'string' ELSE excluded.type END,"
		" times = unknown_property.times OPERATOR(pg_catalog.+) excluded.times,"
		" label = excluded.label, last_id = excluded.last_id, last_at = excluded.last_at,"
		" refusal = excluded.refusal, refused_at = excluded.refused_at",
		9, SPI_OK_INSERT
	},

	/* without a type: HubSpot has named the property and no more */
	[NAME_IS_REQUIRED] = {
		"INSERT INTO hubspot.required_property (server, object, name, times, last_id, last_at)"
		" VALUES ($1, $2, $3, $4, $5, pg_catalog.clock_timestamp())"
		" ON CONFLICT (server, object, name) DO UPDATE SET"
		" times = required_property.times OPERATOR(pg_catalog.+) excluded.times,"
		" last_id = excluded.last_id, last_at = excluded.last_at",
		5, SPI_OK_INSERT
	},
	[NAME_IS_FOUND] = {
		"DELETE FROM hubspot.unknown_property WHERE server OPERATOR(pg_catalog.=) $1"
		" AND object OPERATOR(pg_catalog.=) $2 AND name OPERATOR(pg_catalog.=) $3"
		" AND parent OPERATOR(pg_catalog.=) $6",
		6, SPI_OK_DELETE
	},
};

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
		Kind		kind = entry->key.kind;
		Oid			types[] = {OIDOID, TEXTOID, TEXTOID, INT8OID, INT8OID,
		TEXTOID, TEXTOID, TEXTOID, TEXTOID};
		Datum		values[] = {
			ObjectIdGetDatum(entry->key.server),
			CStringGetTextDatum(object_types[entry->key.part].name),
			CStringGetTextDatum(entry->key.name), Int64GetDatum(entry->times),
			Int64GetDatum(entry->last_id), CStringGetTextDatum(entry->key.parent),
			CStringGetTextDatum(entry->type), CStringGetTextDatum(entry->label),
			entry->refusal != NULL ? CStringGetTextDatum(entry->refusal) : (Datum) 0
		};
		char		nulls[] = "         ";

		nulls[lengthof(types) - 1] = entry->refusal != NULL ? ' ' : 'n';
		if (statement_execute(statements[kind].sql, statements[kind].nparameters, types, values,
							  nulls, false, 0) != statements[kind].expected)
			elog(ERROR, "could not count the name \"%s\"", entry->key.name);
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
