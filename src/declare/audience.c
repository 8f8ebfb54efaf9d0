/*
 * audience.c
 *		hubspot_audience() and hubspot_trait(): a query whose result HubSpot
 *		follows.
 *
 * Runs with the caller's rights; the caller becomes the owner of the definition.  The
 * query is planned, not run.  If a property or event is missing in HubSpot, its creation
 * is queued in the same transaction, or an error is raised.
 *
 * Locks: as sync_save().  Memory: the caller's context.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "refresh/refresh_check.h"
#include "refresh/refresh_source.h"
#include "sync/sync_argument.h"
#include "sync/sync_source.h"

PG_FUNCTION_INFO_V1(hubspot_audience);
PG_FUNCTION_INFO_V1(hubspot_trait);

/* Positions of the arguments that both functions have. */
typedef struct CommonArguments
{
	int			property;
	int			every;
	int			create_in_hubspot;
	int			max_shrink;
	int			timeout;
	int			server;
} CommonArguments;

/*
 * The internal name that HubSpot would derive from a label: small letters, digits and
 * underscores.
 */
static char *
internal_name(const char *name)
{
	char	   *internal = str_tolower(name, strlen(name), C_COLLATION_OID);

	for (char *c = internal; *c != '\0'; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')))
			*c = '_';
	return internal;
}

/* Read name, query, level and the common arguments. */
static Sync *
read_arguments(FunctionCallInfo fcinfo, SyncKind kind, const CommonArguments *at)
{
	Sync	   *sync = palloc0(sizeof(Sync));

	sync->kind = kind;
	sync->name = sync_name_argument(fcinfo, 0);
	sync->source = sync_source_bare_query(sync_text_argument(fcinfo, 1, "query"));
	sync->level = sync_word_argument(fcinfo, 2, "level", sync_level_names, SYNC_LEVELS);
	sync->object = sync_level_objects[sync->level];
	sync->property = PG_ARGISNULL(at->property)
		? internal_name(sync->name) : sync_text_argument(fcinfo, at->property, "property");
	sync->missing = sync_missing_argument(fcinfo, at->create_in_hubspot);
	sync_schedule_arguments(fcinfo, sync, at->every, at->timeout, at->max_shrink);
	sync_set_owner(sync, PG_ARGISNULL(at->server) ? NULL : NameStr(*PG_GETARG_NAME(at->server)));
	return sync;
}

static void
read_outputs(FunctionCallInfo fcinfo, int n, Sync *sync)
{
	Datum	   *names;
	bool	   *nulls;
	int			count = 0;

	if (!PG_ARGISNULL(n))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT, &names,
						  &nulls, &count);
	for (int i = 0; i < count; i++)
		sync->outputs |= sync_output_by_name(nulls[i] ? "" : TextDatumGetCString(names[i]));
	if (sync->outputs == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("outputs of an audience must not be empty"),
				 errhint("Give one or several of property, event, list.")));
	if (sync->outputs & SYNC_OUTPUT_EVENT && sync->level == SYNC_LEVEL_ACCOUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an audience of companies has no events"),
				 errdetail("HubSpot's custom events belong to contacts."),
				 errhint("Use level => 'account_users' for the contacts of the companies.")));
}

/* Check the query itself: it must be one query with the right number of columns. */
static void
check_query(Sync *sync)
{
	static const int needed[SYNC_KINDS] = {[SYNC_IS_AUDIENCE] = 1, [SYNC_IS_TRAIT] = 2};
	TupleDesc	desc = refresh_describe(sync);

	if (desc->natts >= needed[sync->kind])
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the query of trait \"%s\" returns %d column", sync->name, desc->natts),
			 errhint("It must return a key (an e-mail address, a userId, "
					 "of accounts a groupId or domain) and the value.")));
}

/*
 * Whether the keys mean other records, or records of another account: then the old
 * members are forgotten.
 */
static bool
has_other_keys(const Sync *sync, const Sync *before)
{
	return before != NULL &&
		(before->level != sync->level || strcmp(before->server, sync->server) != 0);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Whether the same members must be sent to other outputs. */
static bool
has_other_outputs(const Sync *sync, const Sync *before)
{
	return before != NULL &&
		((sync->outputs & ~before->outputs) != 0 || !same_text(sync->property, before->property) ||
		 !same_text(sync->list, before->list));
}

static void
declare(Sync *sync)
{
	const Sync *before = sync_replaced(sync->name, sync->kind);

	check_query(sync);
	refresh_check_outputs(sync);
	refresh_create_list(sync);
	sync_save(sync, before, SYNC_FILL_NONE, has_other_keys(sync, before));
	if (has_other_outputs(sync, before))
		sync_resend(sync, false);
}

Datum
hubspot_audience(PG_FUNCTION_ARGS)
{
	static const CommonArguments at =
	{.property = 4, .every = 6, .create_in_hubspot = 7, .max_shrink = 8, .timeout = 9,
	.server = 10};
	Sync	   *sync = read_arguments(fcinfo, SYNC_IS_AUDIENCE, &at);

	read_outputs(fcinfo, 3, sync);
	sync_deadline_argument(fcinfo, 11, sync,
						   (sync->outputs & (SYNC_OUTPUT_EVENT | SYNC_OUTPUT_LIST)) != 0,
						   "audiences with the output event or list");
	sync->list = PG_ARGISNULL(5) ? sync->name : sync_text_argument(fcinfo, 5, "list");
	declare(sync);
	PG_RETURN_VOID();
}

Datum
hubspot_trait(PG_FUNCTION_ARGS)
{
	static const CommonArguments at =
	{.property = 3, .every = 5, .create_in_hubspot = 6, .max_shrink = 7, .timeout = 8, .server = 9};
	Sync	   *sync = read_arguments(fcinfo, SYNC_IS_TRAIT, &at);

	sync->outputs = SYNC_OUTPUT_PROPERTY;
	sync->keeps_missing =
		sync_word_argument(fcinfo, 4, "on_missing", sync_missing_names,
						   lengthof(sync_missing_names)) == 1;
	declare(sync);
	PG_RETURN_VOID();
}
