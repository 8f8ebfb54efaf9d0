/*
 * sync_declare.c
 *		hubspot_sync(): a table, view or query that HubSpot follows.
 *
 * Runs in the user's transaction.  The source is checked with the user's rights and
 * search_path; the user becomes the owner of the definition.
 *
 * Locks: that of the definition's name and state (sync_store.c), ACCESS SHARE
 * on the source, those of CREATE TRIGGER on a table that is followed.  Memory:
 * the caller's context.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "nodes/pg_list.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/user_table.h"
#include "declare/sync_declare.h"
#include "mapping/mapping_name.h"
#include "message/pair.h"
#include "refresh/refresh.h"
#include "refresh/refresh_check.h"
#include "refresh/refresh_source.h"
#include "sync/sync_argument.h"
#include "sync/sync_follow.h"
#include "sync/sync_source.h"

PG_FUNCTION_INFO_V1(hubspot_sync);

/* Arguments of hubspot_sync(). */
enum
{
	ARG_NAME, ARG_SOURCE, ARG_OBJECT, ARG_KEY, ARG_MAPPING, ARG_MODE, ARG_DELETES, ARG_EVENT,
	ARG_EVERY, ARG_BACKFILL,
	ARG_MAX_SHRINK, ARG_TIMEOUT, ARG_SERVER, ARG_DEADLINE, ARG_CREATE
};

/*
 * The properties that can identify a contact or a company, and so can be mapped to the
 * key's column.
 */
typedef struct KeyNames
{
	const char *names[5];		/* by preference, NULL-terminated */
} KeyNames;

/* ---- arguments ------------------------------------------------------------------------- */

static void
need(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/* An argument's text; NULL if it is null. */
static char *
text_argument(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

static void
refuse(bool refused, const char *message, const char *hint)
{
	if (refused)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", message),
				 errhint("%s", hint)));
}

void
sync_check_combination(const Sync *sync)
{
	bool		is_event = sync->object == OBJECT_IS_EVENT;
	bool		is_record = object_types[sync->object].is_record;
	bool		is_association = sync->object == OBJECT_IS_ASSOCIATION;

	refuse(is_event && (sync->event == NULL || sync->event[0] == '\0'),
		   "a sync of events needs the name of the event",
		   "Give it as event => 'Order Completed'.");
	refuse(!is_event && sync->event != NULL,
		   "event is for a sync of events only", "Leave it out, or give object => 'event'.");
	refuse(is_event && sync->mode != SYNC_UPSERT,
		   "a sync of events has the mode \"upsert\"",
		   "An event happens once: there is nothing to update or to mirror.");
	refuse(!is_record && sync->mode == SYNC_MIRROR,
		   "mode \"mirror\" is for contacts and companies",
		   "An event is not taken back; of associations, deletes => 'remove' says what has gone.");
	refuse(is_event && sync->deletes != SYNC_DELETES_IGNORE,
		   "deletes are followed for contacts, companies and associations only",
		   "Leave out deletes: an event that has happened is not taken back.");
	refuse(is_association && sync->deletes != SYNC_DELETES_IGNORE &&
		   sync->deletes != SYNC_DELETES_REMOVE,
		   "deletes of a sync of associations is \"ignore\" or \"remove\"",
		   "\"remove\" takes the contact out of the company; both stay.");
	refuse(is_record && sync->deletes == SYNC_DELETES_REMOVE,
		   "deletes \"remove\" is for associations", "Give \"clear\" or \"archive\".");
	refuse(!is_record && sync->missing == SYNC_MISSING_CREATED,
		   "create_in_hubspot is for syncs of contacts and companies",
		   is_event ? "hubspot_create_event() defines the event, with its properties."
		   : "Associations have no properties.");
	refuse(sync->mode == SYNC_MIRROR && sync->deletes == SYNC_DELETES_CLEAR,
		   "mode \"mirror\" archives what has left the source",
		   "Leave out deletes, or choose another mode.");
}

static void
read_arguments(FunctionCallInfo fcinfo, Sync *sync)
{
	sync->kind = SYNC_IS_SYNC;
	sync->name = sync_name_argument(fcinfo, ARG_NAME);
	need(fcinfo, ARG_BACKFILL, "backfill");
	sync->object = sync_object_argument(fcinfo, ARG_OBJECT, ARG_SERVER);
	sync->mode = sync_word_argument(fcinfo, ARG_MODE, "mode", sync_mode_names, SYNC_MODES);
	sync->deletes =
		sync_word_argument(fcinfo, ARG_DELETES, "deletes", sync_deletes_names, SYNC_DELETES);
	sync->event = text_argument(fcinfo, ARG_EVENT);
	sync->missing = sync_missing_argument(fcinfo, ARG_CREATE);
	sync_schedule_arguments(fcinfo, sync, ARG_EVERY, ARG_TIMEOUT, ARG_MAX_SHRINK);
	sync_check_combination(sync);
	sync_deadline_argument(fcinfo, ARG_DEADLINE, sync, !object_types[sync->object].is_record,
						   "syncs of events and associations");
	sync_set_owner(sync, PG_ARGISNULL(ARG_SERVER) ? NULL : NameStr(*PG_GETARG_NAME(ARG_SERVER)));
}

/* ---- columns --------------------------------------------------------------------------- */

static void
add_column(Sync *sync, const SyncSource *source, char *property, Form_pg_attribute attribute)
{
	SyncColumn *column = palloc(sizeof(SyncColumn));

	column->property = property;
	column->association = NULL;
	column->column = pstrdup(NameStr(attribute->attname));
	column->attnum = OidIsValid(source->relation) ? attribute->attnum : InvalidAttrNumber;
	column->type = format_type_extended(getBaseType(attribute->atttypid), -1,
										FORMAT_TYPE_FORCE_QUALIFY);
	sync->columns = lappend(sync->columns, column);
}

static void
read_mapping(Sync *sync, const SyncSource *source, Jsonb *mapping)
{
	JsonbIterator *it = JsonbIteratorInit(&mapping->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *property = NULL;
	bool		is_object = JB_ROOT_IS_OBJECT(mapping) && JB_ROOT_COUNT(mapping) > 0;

	while (is_object && (token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			property = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;

		/*
		 * Anything nested ends the loop here: skipNested returns it as one value that is no
		 * string.
		 */
		is_object = property != NULL && property[0] != '\0' && value.type == jbvString;
		if (is_object)
			add_column(sync, source, property,
					   sync_source_column(source,
										  pnstrdup(value.val.string.val, value.val.string.len)));
	}
	if (!is_object)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mapping is not an object of property and column"),
				 errdetail("Expected such as {\"email\": \"mail_address\", \"plan\": "
						   "\"plan_name\"}.")));
}

static void
take_columns(Sync *sync, const SyncSource *source, Jsonb *mapping)
{
	if (mapping != NULL)
		read_mapping(sync, source, mapping);
	for (int i = 0; mapping == NULL && i < source->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(source->desc, i);
		char	   *name = NameStr(attribute->attname);

		if (!attribute->attisdropped)
			add_column(sync, source, pstrdup(name), sync_source_column(source, name));
	}
}

/*
 * The column that is mapped to a property of this name; names are compared like traits,
 * without case and separators.
 */
static SyncColumn *
mapped_to(const Sync *sync, const char *property)
{
	ListCell   *cell;

	foreach(cell, sync->columns)
	{
		SyncColumn *column = lfirst(cell);

		if (same_folded_name(column->property, strlen(column->property), property,
							 strlen(property)))
			return column;
	}
	return NULL;
}

static SyncColumn *
need_mapped(const Sync *sync, const char *property, const char *what)
{
	SyncColumn *column = mapped_to(sync, property);

	if (column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no column is mapped to \"%s\"", property),
				 errdetail("%s", what)));
	return column;
}

/* ---- the key --------------------------------------------------------------------------- */

static KeyNames
key_names(const Sync *sync, const CallOptions *options)
{
	const CrmType *type = &object_types[sync->object];
	const char *id_property = object_id_property(options->id_property, sync->object);
	KeyNames	names = {{NULL}};
	int			n = 0;

	if (id_property != NULL)
	{
		names.names[n++] = id_property;
		names.names[n++] = type->id_member;
	}
	if (type->natural_key != NULL)
		names.names[n++] = type->natural_key;
	if (type->key_trait != NULL)
		names.names[n++] = type->key_trait;
	return names;
}

/* A type without a property of its own for that needs one of the account's. */
static void
need_id_property(const Sync *sync, const CallOptions *options)
{
	const CrmType *type = &object_types[sync->object];

	if (!type->is_record || type->natural_key != NULL ||
		object_id_property(options->id_property, sync->object) != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("server \"%s\" names no property for the ids of object \"%s\"",
					sync->server, type->name),
			 errdetail("A %s is found by the value of a unique property.", type->name),
			 errhint("Name it in the SERVER option " ID_PROPERTIES_OPTION
					 ", as '%s=our_id'.", type->name)));
}

static const char *
default_record_key(const Sync *sync, const CallOptions *options)
{
	KeyNames	names = key_names(sync, options);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; names.names[i] != NULL; i++)
	{
		SyncColumn *column = mapped_to(sync, names.names[i]);

		if (column != NULL)
			return column->column;
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", names.names[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no column says which %s a row is", object_types[sync->object].name),
			 errhint("Map a column to %s, or give key.", list.data)));
}

static const char *
default_key(const Sync *sync, const SyncSource *source, const CallOptions *options)
{
	const char *key;

	switch (sync->object)
	{
		case OBJECT_IS_EVENT:
			key = sync_source_primary_key(source);
			refuse(key == NULL, "no column says which event a row is",
				   "Give key: a column that has one row per value, "
				   "from which the event's messageId is made.");
			return key;
		case OBJECT_IS_ASSOCIATION:
			return mapped_to(sync, "contact")->column;
		default:
			return default_record_key(sync, options);
	}
}

/*
 * A record whose type has no property for its id is known by its natural key, which the
 * key must then be.
 */
static void
check_natural_key(const Sync *sync, const CallOptions *options)
{
	const CrmType *type = &object_types[sync->object];
	bool		is_mapped = false;
	ListCell   *cell;

	if (!account_goes_by_natural_key(options, sync->object))
		return;
	foreach(cell, sync->columns)
	{
		const SyncColumn *column = lfirst(cell);

		if (strcmp(column->column, sync->key_column) != 0)
			continue;
		if (is_key_trait(sync->object, column->property))
			return;
		is_mapped = true;
	}
	refuse(is_mapped, psprintf("column \"%s\" is no key of a %s", sync->key_column, type->name),
		   psprintf("Map it to %s or %s, or give the account a property for the id of %s: "
					"ALTER SERVER ... OPTIONS (ADD %s '...').",
					type->natural_key, type->key_trait, type->plural, type->id_option));
}

static void
take_key(Sync *sync, const SyncSource *source, const char *key)
{
	const CallOptions *options = account_call_options(account_resolve(sync->server));
	Form_pg_attribute attribute;

	need_id_property(sync, options);
	if (key == NULL)
		key = default_key(sync, source, options);
	attribute = sync_source_column(source, key);
	sync->key_column = pstrdup(key);
	if (OidIsValid(source->relation))
		sync->key_attnum = attribute->attnum;
	check_natural_key(sync, options);
}

/* ---- what an object needs ------------------------------------------------------------------ */

/* What a mapping names and nothing takes would be left out of every row without a word. */
static void
check_association_names(const Sync *sync)
{
	const SyncColumn *contact = mapped_to(sync, "contact");
	const SyncColumn *company = mapped_to(sync, "company");
	ListCell   *cell;

	foreach(cell, sync->columns)
	{
		const SyncColumn *column = lfirst(cell);
		const char *name = column->property;

		refuse(column != contact && column != company,
			   psprintf("an association has no \"%s\"", name),
			   "The mapping of an association names contact and company, and nothing else.");
	}
}

static void
check_object(const Sync *sync, bool is_mapped)
{
	if (sync->object == OBJECT_IS_ASSOCIATION)
	{
		(void) need_mapped(sync, "contact",
						   "An association needs the columns of the contact and of the company.");
		(void) need_mapped(sync, "company",
						   "An association needs the columns of the contact and of the company.");
		if (is_mapped)
			check_association_names(sync);
	}
	if (sync->object == OBJECT_IS_EVENT)
		refuse(mapped_to(sync, "email") == NULL && mapped_to(sync, "userId") == NULL,
			   "no column says whose event a row is", "Map a column to email or userId.");
}

static void
check_unique(const Sync *sync, const SyncSource *source)
{
	if (sync->object != OBJECT_IS_EVENT || !source->can_follow ||
		sync_source_is_unique(source, sync->key_attnum))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" has no unique index", sync->key_column),
			 errdetail("The key of a sync of events tells one event from another."),
			 errhint("Create a unique index on it, or give another column as key.")));
}

static void
refuse_foreign_partition(const SyncSource *source)
{
	Oid			partition = user_table_foreign_partition(source->relation);

	if (OidIsValid(partition) && get_rel_relkind(source->relation) == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s cannot be followed", source->text),
				 errdetail("Its partition \"%s\" is a foreign table, "
						   "of which no trigger sees all changes.", get_rel_name(partition)),
				 errhint("Declare a query, as 'SELECT * FROM %s', or mode \"mirror\": "
						 "both are compared.", source->text)));
}

void
sync_take_source(Sync *sync, const SyncSource *source, Jsonb *mapping, const char *key)
{
	sync->relation = source->relation;
	sync->source = unconstify(char *, source->text);
	sync->follows = source->can_follow && sync->mode != SYNC_MIRROR;
	if (sync->follows)
		refuse_foreign_partition(source);
	take_columns(sync, source, mapping);
	if (mapping != NULL)
		sync_find_associations(sync);
	check_object(sync, mapping != NULL);
	take_key(sync, source, key);
	check_unique(sync, source);
	sync_source_check_rights(sync, GetUserId());
	if (sync->follows)
		sync_source_check_row_security(sync);
}

/* ---- what it replaces ---------------------------------------------------------------------- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_columns(const Sync *a, const Sync *b)
{
	if (list_length(a->columns) != list_length(b->columns))
		return false;
	for (int i = 0; i < list_length(a->columns); i++)
	{
		const SyncColumn *one = list_nth(a->columns, i);
		const SyncColumn *other = list_nth(b->columns, i);

		if (strcmp(one->property, other->property) != 0 ||
			!same_text(one->association, other->association) || one->attnum != other->attnum ||
			(one->attnum == InvalidAttrNumber && strcmp(one->column, other->column) != 0))
			return false;
	}
	return true;
}

/*
 * Whether the members of the old definition mean other records now, or the key is named
 * differently.
 */
static bool
is_other(const Sync *before, const Sync *sync)
{
	return before->object != sync->object || strcmp(before->server, sync->server) != 0 ||
		before->follows != sync->follows || !same_text(before->event, sync->event) ||
		(OidIsValid(sync->relation) && before->relation == sync->relation
		 ? before->key_attnum != sync->key_attnum
		 : !same_text(before->key_column, sync->key_column));
}

/* Whether it was declared before, over the same rows and columns. */
static bool
is_same(const Sync *before, const Sync *sync)
{
	return before != NULL && before->held == NULL && !is_other(before, sync) &&
		before->relation == sync->relation && same_columns(before, sync) &&
		(OidIsValid(sync->relation) || same_text(before->source, sync->source));
}

static SyncFill
fill_for(const Sync *before, const Sync *sync, bool backfill)
{
	if (!sync->follows)
		return SYNC_FILL_NONE;
	return is_same(before, sync) ? SYNC_FILL_AS_IT_IS : backfill ? SYNC_FILL_ANEW : SYNC_FILL_NONE;
}

/* ---- the function -------------------------------------------------------------------------- */

/* "dealname, dealstage": those that no column is mapped to; empty: none. */
static char *
unmapped_at_birth(const Sync *sync)
{
	const char *list = object_types[sync->object].born_with;
	StringInfoData names;

	initStringInfo(&names);
	while (list != NULL && *list != '\0')
	{
		char	   *name = pnstrdup(list, strcspn(list, ","));

		if (mapped_to(sync, name) == NULL)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", name);
		list += strlen(name);
		list += strspn(list, ", ");
	}
	return names.data;
}

/* An account may ask for less, or have all records already: so it is no error. */
static void
tell_birth(const Sync *sync)
{
	const CrmType *type = &object_types[sync->object];
	const char *names = type->is_record ? unmapped_at_birth(sync) : "";

	if (sync->mode == SYNC_UPDATE)
		return;
	if (names[0] != '\0')
		ereport(NOTICE,
				(errmsg("HubSpot creates no %s without these properties, "
						"which \"%s\" does not map: %s", type->name, sync->name, names),
				 errdetail("Rows of records that it does not have yet may be rejected.")));
	if (type->born_associated && !sync_is_associated(sync))
		ereport(NOTICE,
				(errmsg("HubSpot creates no %s without an association, of which \"%s\" maps none",
						type->name, sync->name),
				 errhint("Map a column that holds the key of %s.", message_birth_words(type))));
	else if (type->born_associated)
		ereport(NOTICE,
				(errmsg("associations of a %s are made by \"%s\", and never ended", type->name,
						sync->name),
				 errdetail("HubSpot may delete a %s that loses one which it was created with.",
						   type->name)));
}

/* Tell how the sync works, if that may surprise. */
static void
tell_method(Sync *sync, const SyncSource *source)
{
	if (sync->follows && sync->every != NULL)
	{
		ereport(NOTICE,
				(errmsg("every is of no use for \"%s\", whose changes are followed as they happen",
						sync->name)));
		sync->every = NULL;
	}
	else if (!sync->follows && sync->every == NULL)
		ereport(NOTICE,
				(errmsg("\"%s\" is compared with what HubSpot was told, "
						"at each hubspot_refresh(%s)", sync->name, quote_literal_cstr(sync->name)),
				 source->can_follow
				 ? errdetail("Mode \"mirror\" compares; in the other modes the changes of "
							 "a table are followed.") : 0,
				 errhint("Give every to have it refreshed by itself.")));
}

Datum
hubspot_sync(PG_FUNCTION_ARGS)
{
	Sync		sync = {0};
	SyncSource	source;
	Sync	   *before;

	read_arguments(fcinfo, &sync);
	sync_source_look(sync_text_argument(fcinfo, ARG_SOURCE, "source"), &source);
	sync_take_source(&sync, &source,
					 PG_ARGISNULL(ARG_MAPPING) ? NULL : PG_GETARG_JSONB_P(ARG_MAPPING),
					 text_argument(fcinfo, ARG_KEY));

	before = sync_replaced(sync.name, SYNC_IS_SYNC);
	tell_method(&sync, &source);
	tell_birth(&sync);
	if (!sync.follows)
		(void) refresh_describe(&sync); /* raises an error unless its owner may run it like a
										 * refresh */
	refresh_check_columns(&sync);
	sync_save(&sync, before, fill_for(before, &sync, PG_GETARG_BOOL(ARG_BACKFILL)),
			  before != NULL && is_other(before, &sync));
	/* Of what is compared the first refresh would send what is there; known rows it does not. */
	if (!sync.follows && !PG_GETARG_BOOL(ARG_BACKFILL) && !is_same(before, &sync))
		refresh_take_as_known(&sync);
	sync_follow(&sync);
	PG_RETURN_VOID();
}
