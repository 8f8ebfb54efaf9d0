/*
 * account_lookup.c
 *		Which account a call means, who may use it, and what the call needs
 *		to know of it.
 *
 * Called for every queued call, perhaps millions of times in a statement.  So the answers
 * are cached in this backend: the only SERVER, the SERVER named last, and a few options
 * by SERVER.  All are forgotten when any SERVER or wrapper changes, here or in another
 * session.  Rights are not cached here: PostgreSQL caches them.
 *
 * Locks: none but those of catalog look-ups.  Memory: options_context, which
 * holds at most MAX_ACCOUNTS entries.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/hubspot.h"
#include "base/guc.h"
#include "account/account.h"

#define MAX_ACCOUNTS	64
#define MAX_NAMES_SHOWN	5

typedef struct OptionsEntry
{
	Oid			server;			/* hash key */
	CallOptions options;
} OptionsEntry;

static bool answers_valid = false;
static Oid	only_server;		/* InvalidOid: not looked up yet */
static Oid	named_server;		/* oid of the SERVER named below */
static char named_server_name[NAMEDATALEN];
static MemoryContext options_context = NULL;
static HTAB *known_options = NULL;

static void
on_change(Datum arg, int cache, uint32 hash)
{
	answers_valid = false;
}

/*
 * Start with an empty cache.  It is marked valid before the first look-up, so that an
 * invalidation during a look-up marks it stale again.
 */
static void
forget_answers(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, on_change, (Datum) 0);
		CacheRegisterSyscacheCallback(FOREIGNDATAWRAPPEROID, on_change, (Datum) 0);
		registered = true;
	}
	if (options_context != NULL)
		MemoryContextDelete(options_context);
	options_context = NULL;
	known_options = NULL;
	only_server = named_server = InvalidOid;
	answers_valid = true;
}

List *
account_list(void)
{
	Oid			wrapper = get_foreign_data_wrapper_oid(ACCOUNT_WRAPPER, true);
	List	   *servers = NIL;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(wrapper))
		return NIL;
	relation = table_open(ForeignServerRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server form = (Form_pg_foreign_server) GETSTRUCT(tuple);

		if (form->srvfdw == wrapper)
			servers = lappend_oid(servers, form->oid);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return servers;
}

bool
account_exists(Oid server)
{
	HeapTuple	tuple;
	bool		exists;

	InvalidateCatalogSnapshot();
	tuple = SearchSysCache1(FOREIGNSERVEROID, ObjectIdGetDatum(server));
	exists = HeapTupleIsValid(tuple) &&
		((Form_pg_foreign_server) GETSTRUCT(tuple))->srvfdw ==
		get_foreign_data_wrapper_oid(ACCOUNT_WRAPPER, true);
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return exists;
}

static char *
names_of(List *servers)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, servers)
	{
		if (foreach_current_index(cell) == MAX_NAMES_SHOWN)
		{
			appendStringInfoString(&text, ", ...");
			break;
		}
		appendStringInfo(&text, "%s\"%s\"", text.len > 0 ? ", " : "",
						 GetForeignServer(lfirst_oid(cell))->servername);
	}
	return text.data;
}

static Oid
find_only_server(void)
{
	List	   *servers = account_list();
	Oid			server;

	if (servers == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no HubSpot account is defined in this database"),
				 errhint("Define one with CREATE SERVER crm FOREIGN DATA WRAPPER %s OPTIONS "
						 "(secret '...').",
						 ACCOUNT_WRAPPER)));
	if (list_length(servers) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("more than one HubSpot account is defined, and none is chosen"),
				 errdetail("The accounts are %s.", names_of(servers)),
				 errhint("Name one in the argument \"server\", or with SET hubspot.server.")));
	server = linitial_oid(servers);
	list_free(servers);
	return server;
}

static Oid
find_named_server(const char *name, bool by_setting)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" does not exist", name),
				 by_setting ? errdetail("The setting hubspot.server names it.") : 0));
	if (server->fdwid != get_foreign_data_wrapper_oid(ACCOUNT_WRAPPER, true))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a HubSpot account", name),
				 errdetail("Its foreign-data wrapper is not \"%s\".", ACCOUNT_WRAPPER)));
	return server->serverid;
}

Oid
account_resolve(const char *name)
{
	bool		by_setting = name == NULL && hubspot_server[0] != '\0';

	if (by_setting)
		name = hubspot_server;
	if (!answers_valid)
		forget_answers();

	if (name == NULL)
	{
		if (!OidIsValid(only_server))
			only_server = find_only_server();
		return only_server;
	}
	if (!OidIsValid(named_server) || strcmp(named_server_name, name) != 0)
	{
		named_server = InvalidOid;
		named_server = find_named_server(name, by_setting);
		strlcpy(named_server_name, name, NAMEDATALEN);
	}
	return named_server;
}

void
account_check_usage(Oid server, Oid role)
{
	AclResult	result = object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_SERVER, GetForeignServer(server)->servername);
}

static void
open_options(void)
{
	HASHCTL		shape;

	options_context = AllocSetContextCreate(TopMemoryContext, "hubspot accounts",
											ALLOCSET_SMALL_SIZES);
	memset(&shape, 0, sizeof(shape));
	shape.keysize = sizeof(Oid);
	shape.entrysize = sizeof(OptionsEntry);
	shape.hcxt = options_context;
	known_options = hash_create("hubspot accounts", 8, &shape,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static const char *
keep(const char *text)
{
	return text == NULL ? NULL : MemoryContextStrdup(options_context, text);
}

/*
 * Read only the options that are needed: an unrelated option that is no longer valid must
 * not fail a call, because the worker reports it.
 */
static void
read_options(Oid server, CallOptions *options)
{
	ForeignServer *found = GetForeignServer(server);
	ListCell   *cell;

	options->server_name = found->servername;
	memset(options->id_property, 0, sizeof(options->id_property));
	options->associate_company_trait = true;
	options->suppress_opt_outs = false;
	options->primary_company = true;
	options->legacy_events = false;
	options->zone = NULL;
	foreach(cell, found->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);
		const char *value = defGetString(option);

		/* Unlike account_parse_options(): no value is refused here. */
		foreach_object(object, is_record)
		{
			if (strcmp(option->defname, object_types[object].id_option) == 0)
				options->id_property[object] = value;
		}
		if (strcmp(option->defname, ID_PROPERTIES_OPTION) == 0)
			options->id_property[ID_PROPERTIES] = value;
		if (strcmp(option->defname, "associate_company_trait") == 0)
			(void) parse_bool(value, &options->associate_company_trait);
		else if (strcmp(option->defname, "suppress_opt_outs") == 0)
			(void) parse_bool(value, &options->suppress_opt_outs);
		else if (strcmp(option->defname, "primary_company") == 0)
			(void) parse_bool(value, &options->primary_company);
		else if (strcmp(option->defname, "events") == 0)
			options->legacy_events = strcmp(value, "legacy") == 0;
		else if (strcmp(option->defname, "time_zone") == 0)
			options->zone = pg_tzset(value);
	}
	if (options->zone == NULL)
		options->zone = pg_tzset("UTC");
}

const CallOptions *
account_call_options(Oid server)
{
	OptionsEntry *entry;
	CallOptions found;

	if (!answers_valid)
		forget_answers();
	entry = known_options ? hash_search(known_options, &server, HASH_FIND, NULL) : NULL;
	if (entry != NULL)
		return &entry->options;

	read_options(server, &found);
	if (known_options != NULL && hash_get_num_entries(known_options) >= MAX_ACCOUNTS)
		forget_answers();
	if (known_options == NULL)
		open_options();
	entry = hash_search(known_options, &server, HASH_ENTER, NULL);
	entry->options = found;
	entry->options.server_name = keep(found.server_name);
	for (int i = 0; i < ID_PROPERTY_COUNT; i++)
		entry->options.id_property[i] = keep(found.id_property[i]);
	return &entry->options;
}
