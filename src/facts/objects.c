/*
 * objects.c
 *		What a user calls an object, and which one that is on an account.
 *
 * HubSpot's own types are the same everywhere: their names come from a table.  A custom object has
 * a name of the account's, and a type id that never changes: what a name means is in
 * hubspot.object, where the worker has stored it, and is remembered in this process for as
 * long as a miss would not have it read again.
 *
 * Memory: the remembered names in TopMemoryContext, at most MAX_REMEMBERED.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/statement.h"
#include "base/clock.h"
#include "facts/objects.h"
#include "facts/reading_store.h"
#include "message/object_type.h"
#include "store/act_as.h"

#define MAX_NAME		128		/* bytes of a name that is remembered */
#define MAX_REMEMBERED	1000
#define MAX_TYPE_ID		16		/* with its NUL */
#define REMEMBER_US		(READING_LOOK_S * INT64CONST(1000000))
#define MAX_LISTED		"20"	/* objects, in an error */

PG_FUNCTION_INFO_V1(hubspot_object_named);

/* ---- HubSpot's own ----------------------------------------------------------------- */

/* The type after this one, of those that every account has; NULL: the first, and the end. */
static const CrmType *
next_own(const CrmType *type)
{
	if (type == NULL)
		return &object_types[OBJECT_IS_CONTACT];
	if (type == &object_types[OBJECT_IS_CONTACT])
		return &object_types[OBJECT_IS_COMPANY];
	/* the first row of that table is what a custom object begins as */
	type = type == &object_types[OBJECT_IS_COMPANY] ? record_types + 1 : type + 1;
	return type->name == NULL ? NULL : type;
}

/* The word of one that is called so; NULL: none is. */
static const char *
own_type(const char *name)
{
	for (const CrmType *type = next_own(NULL); type != NULL; type = next_own(type))
		if (object_is_called(type, name))
			return type->name;
	return NULL;
}

/* "contact, company, deal, ..." */
static const char *
list_own(void)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const CrmType *type = next_own(NULL); type != NULL; type = next_own(type))
		appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", type->name);
	return text.data;
}

/* ---- what is remembered ------------------------------------------------------------ */

typedef struct NameKey
{
	Oid			server;
	char		name[MAX_NAME];
} NameKey;

typedef struct NameEntry
{
	NameKey		key;			/* first */
	char		type_id[MAX_TYPE_ID];
	int64		until;
} NameEntry;

static HTAB *names = NULL;

static NameKey
key_of(Oid server, const char *name)
{
	NameKey		key;

	memset(&key, 0, sizeof(key));
	key.server = server;
	strlcpy(key.name, name, sizeof(key.name));
	return key;
}

static const char *
remembered(Oid server, const char *name)
{
	NameKey		key = key_of(server, name);
	NameEntry  *entry = names == NULL ? NULL : hash_search(names, &key, HASH_FIND, NULL);

	return entry != NULL && clock_us() < entry->until ? pstrdup(entry->type_id) : NULL;
}

static void
remember(Oid server, const char *name, const char *type_id)
{
	NameKey		key = key_of(server, name);
	NameEntry  *entry;

	if (names == NULL)
	{
		HASHCTL		shape = {
			.keysize = sizeof(NameKey), .entrysize = sizeof(NameEntry), .hcxt = TopMemoryContext
		};

		names = hash_create("hubspot objects", 16, &shape, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (strlen(name) >= MAX_NAME || hash_get_num_entries(names) >= MAX_REMEMBERED)
		return;
	entry = hash_search(names, &key, HASH_ENTER, NULL);
	strlcpy(entry->type_id, type_id, sizeof(entry->type_id));
	entry->until = clock_us() + REMEMBER_US;
}

/* ---- what the account has ---------------------------------------------------------- */

/* The only value of a query's only row, palloc'd in the caller's context; NULL: none. */
static char *
ask(const char *sql, Oid server, const char *name)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(server), CStringGetTextDatum(name)};
	MemoryContext caller = CurrentMemoryContext;
	Identity	before;
	char	   *result = NULL;

	act_as_extension(&before);
	/* what the worker has stored since the transaction began counts */
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	if (statement_execute(sql, lengthof(types), types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look at the objects of a HubSpot account");
	if (SPI_processed > 0)
	{
		char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		result = value == NULL ? NULL : MemoryContextStrdup(caller, value);
	}
	SPI_finish();
	PopActiveSnapshot();
	act_back(&before);
	return result;
}

/*
 * The type id of the custom object of this name, type id, or fully qualified name with or without
 * the account's number.  Case tells only where nothing else does.
 */
static char *
custom_type(Oid server, const char *name)
{
	return ask("SELECT type_id FROM hubspot.object WHERE server = $1"
			   " AND pg_catalog.lower($2) IN (type_id, pg_catalog.lower(name), "
			   "pg_catalog.lower(full_name), 'p_' OPERATOR(pg_catalog.||) pg_catalog.lower(name))"
			   " ORDER BY $2 IN (type_id, name, full_name, 'p_' OPERATOR(pg_catalog.||) name) DESC,"
			   " type_id", server, name);
}

/* "car (2-123), boat (2-124)" */
static char *
list_custom(Oid server)
{
	return ask("SELECT pg_catalog.string_agg(pg_catalog.format('%s (%s)', name, type_id), ', '"
			   " ORDER BY name) FROM (SELECT name, type_id FROM hubspot.object"
			   " WHERE server = $1 AND $2 = '' ORDER BY name LIMIT " MAX_LISTED ") o",
			   server, "");
}

/* A problem that is told with details and a hint; returns NULL. */
static const char *
no_word(MessageProblem *problem, const char *message, const char *detail, const char *hint)
{
	*problem = (MessageProblem)
	{
		.sqlerrcode = ERRCODE_INVALID_PARAMETER_VALUE, .message = message, .detail = detail,
			.hint = hint
	};
	return NULL;
}

/* The SERVER may have been dropped while HubSpot's answer was waited for. */
static const char *
account_name(Oid server)
{
	const ForeignServer *found = GetForeignServerExtended(server, FSV_MISSING_OK);

	return found != NULL ? found->servername : "dropped";
}

static const char *
not_there(Oid server, const char *name, const ReadingStand *stand, MessageProblem *problem)
{
	char	   *custom = list_custom(server);
	bool		asked = reading_ask(server, READING_OBJECTS, "");	/* it may be younger */

	return no_word(problem, psprintf("account \"%s\" has no object \"%s\"",
									 account_name(server), name),
				   psprintf("Its custom objects were read at %s: %s.  HubSpot's own: %s.",
							timestamptz_to_str(stand->read_at),
							custom != NULL ? custom : "there are none", list_own()),
				   asked
				   ? "If it was made in HubSpot since then, try again in a moment: the worker "
				   "reads them again."
				   : "If it was made in HubSpot since then, it is known when a worker runs: see "
				   "hubspot_health().");
}

static const char *
not_told(Oid server, const char *name, const ReadingStand *stand, MessageProblem *problem)
{
	const char *account = account_name(server);

	if (stand->read_at != 0)
		return no_word(problem,
					   psprintf("it is not known whether account \"%s\" has an object \"%s\"",
								account, name),
					   psprintf("HubSpot does not tell its custom objects, see hubspot_health().  "
								"Objects of HubSpot's own: %s.", list_own()),
					   "Name a custom object by its type id, like \"2-123\".");
	return no_word(problem,
				   psprintf("the custom objects of account \"%s\" have not been read yet", account),
				   psprintf("\"%s\" is no object of HubSpot's own: %s.", name, list_own()),
				   reading_ask(server, READING_OBJECTS, "")
				   ? "The worker reads them now: try again in a moment."
				   : "No worker runs that could read them, see hubspot_health().  Until then "
				   "name a custom object by its type id, like \"2-123\".");
}

static const char *
find(Oid server, const char *name, bool patiently, MessageProblem *problem)
{
	const char *word = own_type(name);
	ReadingStand stand;

	if (word == NULL)
		word = remembered(server, name);
	if (word != NULL)
		return word;
	/* an object of ours, as a list is, is no account's */
	if (object_find(name, strlen(name)) >= 0)
		return no_word(problem, psprintf("unknown object \"%s\"", name),
					   "It is not a type of records.",
					   psprintf("Valid objects are: %s; and custom objects of the account.",
								list_own()));
	word = custom_type(server, name);
	if (word == NULL)
	{
		stand = patiently ? reading_await(server, READING_OBJECTS, "", 0)
			: reading_look(server, READING_OBJECTS, "");
		word = patiently ? custom_type(server, name) : NULL;
		/* an id says what it is, where HubSpot does not say which there are */
		if (word == NULL && object_is_custom_type_id(name) && !stand.known)
			return pstrdup(name);
		if (word == NULL)
			return stand.known ? not_there(server, name, &stand, problem)
				: not_told(server, name, &stand, problem);
	}
	/* whoever is given a word makes an object of it */
	if (!object_is_custom_type_id(word))
		return no_word(problem, psprintf("object \"%s\" has an unknown kind of type id", name),
					   psprintf("HubSpot calls it \"%s\" where \"2-123\" is expected.", word),
					   "Newer versions of the extension may know it.");
	remember(server, name, word);
	return word;
}

const char *
objects_find(Oid server, const char *name, MessageProblem *problem)
{
	return find(server, name, false, problem);
}

const char *
objects_resolve(Oid server, const char *name)
{
	MessageProblem problem = {0};
	const char *word;

	/* an error lists what the account has */
	account_check_usage(server, GetUserId());
	word = find(server, name, true, &problem);
	if (word == NULL)
		ereport(ERROR,
				(errcode(problem.sqlerrcode),
				 errmsg("%s", problem.message),
				 errdetail("%s", problem.detail),
				 errhint("%s", problem.hint)));
	return word;
}

Datum
hubspot_object_named(PG_FUNCTION_ARGS)
{
	char	   *name;
	Oid			server;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	server = account_resolve(PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1)));
	PG_RETURN_TEXT_P(cstring_to_text(objects_resolve(server, name)));
}
