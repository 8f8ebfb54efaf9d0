/*
 * object_declare.c
 *		hubspot_object(): by which property the records of a type are told apart.
 *
 * The setting is an option of the SERVER, so it is made by ALTER SERVER, with the caller's rights,
 * and before anything is waited for: who may not has an error at once.  Then what HubSpot has is
 * looked at; an error there takes the setting back with the statement.
 *
 * Locks: those of ALTER SERVER, and SHARE UPDATE EXCLUSIVE on the SERVER until the end of the
 * transaction, so that two who add to one list go one after the other.
 *
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/statement.h"
#include "base/compat.h"
#include "declare/preview_schema.h"
#include "enqueue/schema_call.h"
#include "store/act_as.h"

PG_FUNCTION_INFO_V1(hubspot_object);

/* The columns, in the order of the function's declaration. */
typedef enum ObjectColumn
{
	COL_WORD,
	COL_FOUND,
	COL_OUTBOX_ID,
	COL_REMEDY
#define OBJECT_COLUMNS (COL_REMEDY + 1)
} ObjectColumn;

#define MAX_NAME	100			/* of a property at HubSpot */

/* Before it becomes a part of a list: what a list would be read otherwise with is no name. */
static void
check_property(const char *name)
{
	size_t		len = strlen(name);

	if (len > MAX_NAME || name[0] < 'a' || name[0] > 'z' ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" is no internal name of HubSpot", name),
				 errdetail("A name has up to %d small letters, digits and underscores, "
						   "and begins with a letter.", MAX_NAME),
				 errhint("The label that HubSpot shows is not the name: see hubspot.property.")));
}

/* ---- the option -------------------------------------------------------------------- */

static const char *
option_of(const ForeignServer *server, const char *name)
{
	ListCell   *cell;

	foreach(cell, server->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

/*
 * The SERVER as it is when nobody else changes the list of its options by this function.  Whoever
 * may not change it holds up nobody.
 */
static ForeignServer *
lock_server(Oid oid)
{
	ForeignServer *server = GetForeignServerExtended(oid, FSV_MISSING_OK);

	if (server != NULL && !object_ownercheck(ForeignServerRelationId, oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_SERVER, server->servername);
	LockDatabaseObject(ForeignServerRelationId, oid, 0, ShareUpdateExclusiveLock);
	server = GetForeignServerExtended(oid, FSV_MISSING_OK);
	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the SERVER has been dropped meanwhile")));
	return server;
}

/* The list of id_properties with this property for the type, or without the type. */
static char *
list_with(const char *list, const CrmType *type, const char *property)
{
	StringInfoData text;
	IdPropertyEntry entry;
	uint32		code;
	uint32		own;

	initStringInfo(&text);
	(void) object_find_code(type->name, strlen(type->name), &own);
	while (list != NULL && object_next_id_property(&list, &entry))
	{
		/* "0-3" is a deal, too */
		if (object_find_code(entry.object, entry.object_len, &code) && code == own)
			continue;
		appendStringInfo(&text, "%s%.*s=%.*s", text.len > 0 ? ", " : "", entry.object_len,
						 entry.object, entry.property_len, entry.property);
	}
	if (property != NULL)
		appendStringInfo(&text, "%s%s=%s", text.len > 0 ? ", " : "", type->name, property);
	return text.data;
}

/* "" is no value. */
static void
set_option(const ForeignServer *server, const char *option, const char *value)
{
	const char *before = option_of(server, option);
	const char *action = value[0] == '\0' ? "DROP" : before == NULL ? "ADD" : "SET";

	if (strcmp(before != NULL ? before : "", value) == 0)
		return;
	SPI_connect();
	if (statement_execute(psprintf("ALTER SERVER %s OPTIONS (%s %s%s%s)",
								   quote_identifier(server->servername), action, option,
								   value[0] == '\0' ? "" : " ",
								   value[0] == '\0' ? "" : quote_literal_cstr(value)),
						  0, NULL, NULL, NULL, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not change the options of server \"%s\"", server->servername);
	SPI_finish();
}

/* ---- what HubSpot has -------------------------------------------------------------- */

typedef struct Found
{
	bool		known;			/* HubSpot tells the properties */
	bool		is_there;
	bool		is_unique;
	bool		read_only;
} Found;

static Found
look_for(Oid server, Object object, const char *property)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		ObjectIdGetDatum(server), object_datum(object), CStringGetTextDatum(property)
	};
	Found		found = {0};
	Identity	before;

	preview_await_schema(server, object);
	act_as_extension(&before);
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	if (statement_execute("SELECT p.name IS NOT NULL, p.is_unique, p.read_only"
						  " FROM hubspot.schema s LEFT JOIN hubspot.property p"
						  " ON p.server = s.server AND p.object = s.part AND p.name = $3"
						  " WHERE s.server = $1 AND s.part = $2 AND s.known",
						  lengthof(types), types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look at the properties of a HubSpot account");
	found.known = SPI_processed > 0;
	if (found.known)
	{
		bool		isnull;
		bool	   *const flags[] = {&found.is_there, &found.is_unique, &found.read_only};

		/* of none that is there the other two are null, which read as false */
		for (int i = 0; i < lengthof(flags); i++)
			*flags[i] = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
												   i + 1, &isnull));
	}
	SPI_finish();
	PopActiveSnapshot();
	act_back(&before);
	return found;
}

/* HubSpot cannot make a property unique that is there. */
static void
refuse_property(const CrmType *type, const char *property, const Found *found)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("property \"%s\" of %s cannot tell records apart", property, type->name),
			 found->read_only ? errdetail("Only HubSpot may write it.")
			 : errdetail("HubSpot does not keep its values unique, and cannot begin to."),
			 errhint("Name one that HubSpot lacks: it can be created as a unique one.")));
}

/* ---- the function ------------------------------------------------------------------ */

static void
put(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

/* What was found, in a word; and what is to be done, or has been. */
static void
judge(const ForeignServer *server, Object object, const char *property, Datum *values,
	  bool *nulls)
{
	const CrmType *type = &object_types[object];
	const AccountOptions *options = account_parse_options(server->options);
	Found		found;

	/* what needs no look at HubSpot's list */
	if (object_key_is_record_id(property))
	{
		put(values, nulls, COL_FOUND, "record ids");
		put(values, nulls, COL_REMEDY, "HubSpot gives these itself: calls only update them");
		return;
	}
	if (type->natural_key != NULL && type->natural_key_is_unique &&
		strcmp(property, type->natural_key) == 0)
	{
		put(values, nulls, COL_FOUND, "unique");
		return;
	}
	found = look_for(server->serverid, object, property);
	if (found.is_there && (!found.is_unique || found.read_only))
		refuse_property(type, property, &found);
	put(values, nulls, COL_FOUND, !found.known ? "not checked"
		: found.is_there ? "unique" : "missing");
	if (!found.known)
		put(values, nulls, COL_REMEDY,
			"HubSpot has not told its properties, see hubspot_health(): a property that is not "
			"unique stops the lane");
	else if (!found.is_there && options->create_properties)
	{
		nulls[COL_OUTBOX_ID] = false;
		values[COL_OUTBOX_ID] = Int64GetDatum(schema_call_create_key(server->serverid, object,
																	 property));
		put(values, nulls, COL_REMEDY, "it is created by that row, as a hidden property");
	}
	else if (!found.is_there)
		put(values, nulls, COL_REMEDY,
			psprintf("SELECT hubspot_create_property(%s, %s, 'string', is_unique => true, "
					 "server => %s)", quote_literal_cstr(type->name),
					 quote_literal_cstr(property), quote_literal_cstr(server->servername)));
}

Datum
hubspot_object(PG_FUNCTION_ARGS)
{
	TupleDesc	shape;
	Datum		values[OBJECT_COLUMNS] = {0};
	bool		nulls[OBJECT_COLUMNS] = {false, true, true, true};
	const char *property = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			oid;
	ForeignServer *server;
	const CrmType *type;
	Object		object;
	bool		in_list;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("object must not be null")));
	oid = account_resolve(PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2)));
	object = schema_call_object(oid, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	type = &object_types[object];
	if (property != NULL)
		check_property(property);
	in_list = strcmp(type->id_option, ID_PROPERTIES_OPTION) == 0;
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	/* before HubSpot's list is waited for: who may not has an error at once */
	server = lock_server(oid);
	set_option(server, type->id_option,
			   in_list ? list_with(option_of(server, type->id_option), type, property)
			   : property != NULL ? property : "");
	put(values, nulls, COL_WORD, type->name);
	if (property == NULL)
		put(values, nulls, COL_FOUND, "taken back");
	else
		judge(server, object, property, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
