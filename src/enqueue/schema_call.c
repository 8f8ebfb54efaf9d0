/*
 * schema_call.c
 *		SQL functions about an account's schema and lists: refresh, create, map.
 *
 * They queue rows for the schema lane and the lists lane, in the caller's transaction,
 * like enqueue.c does for calls.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "backend/trigger_call.h"
#include "enqueue/enqueue.h"
#include "enqueue/schema_call.h"
#include "facts/objects.h"
#include "mapping/schema.h"
#include "message/pair.h"
#include "ring/ring.h"
#include "text/value.h"

#define MAX_NAME	100			/* of a property at HubSpot */
#define MAX_EVENT_NAME 50		/* bytes of the name of an event or of its properties */
#define MAX_EVENT_LABEL 100		/* characters */
#define MAX_EVENT_PROPERTY_LABEL 50 /* characters of the label of an event's property */

PG_FUNCTION_INFO_V1(hubspot_mapping_changed);
PG_FUNCTION_INFO_V1(hubspot_server_oid);
PG_FUNCTION_INFO_V1(hubspot_refresh_schema);
PG_FUNCTION_INFO_V1(hubspot_create_property);
PG_FUNCTION_INFO_V1(hubspot_create_event);
PG_FUNCTION_INFO_V1(hubspot_create_event_property);
PG_FUNCTION_INFO_V1(hubspot_create_list);
PG_FUNCTION_INFO_V1(hubspot_create_label);
PG_FUNCTION_INFO_V1(hubspot_event_name);

static const TriggerUse mapping_use = {
	.function = "mapping_changed", .timing = TRIGGER_EVENT_AFTER, .events = TRIGGER_ON_ANY,
	.for_statement = true,
	.expected = "AFTER a statement"
};

Datum
hubspot_mapping_changed(PG_FUNCTION_ARGS)
{
	Oid			relation = ring_catalog(false)->mapping;

	(void) trigger_call(fcinfo, &mapping_use, relation);
	CacheInvalidateRelcacheByRelid(relation);
	PG_RETURN_POINTER(NULL);
}

static const char *
server_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : NameStr(*PG_GETARG_NAME(n));
}

Datum
hubspot_server_oid(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(account_resolve(server_argument(fcinfo, 0)));
}

static int64
queue_one(Call call, const char *server, const Work *work)
{
	Enqueue    *enqueue = enqueue_begin(call, SOURCE_FUNCTION, server, GetUserId(), 1);
	int64		id = enqueue_work(enqueue, work);

	enqueue_end(enqueue);
	return id;
}

static Jsonb *
json_of(StringInfo json)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json->data)));
}

/* Queue one row for the schema lane. */
static int64
queue_schema_work(Call call, const char *server, const char *key, Jsonb *message)
{
	Work		work = {.object = OBJECT_IS_SCHEMA, .key = {.key = key}, .message = message};

	return queue_one(call, server, &work);
}

Datum
hubspot_refresh_schema(PG_FUNCTION_ARGS)
{
	Jsonb	   *message = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));

	PG_RETURN_INT64(queue_schema_work(CALL_REFRESH_SCHEMA, server_argument(fcinfo, 0), "schema",
									  message));
}

/* ---- creating a property --------------------------------------------------------- */

static const char *
field_type_of(const char *type)
{
	const char *field_type = schema_field_type(type);

	if (field_type != NULL)
		return field_type;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown property type \"%s\"", type),
			 errhint("Valid types are: string, number, bool, enumeration, date, datetime.")));
}

static void
check_name(const char *name, int max)
{
	size_t		len = strlen(name);

	if (len == 0 || len > max || name[0] < 'a' || name[0] > 'z' ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" is no internal name of HubSpot", name),
				 errdetail("A name has up to %d small letters, digits and underscores, "
						   "and begins with a letter.",
						   max)));
}

static char *
text_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static void
append_member(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
	value_append_string(json, text, strlen(text));
}

static void
append_option(StringInfo json, const char *value, const char *label, int order)
{
	appendStringInfo(json, "%s{\"value\":", order > 0 ? "," : "");
	value_append_string(json, value, strlen(value));
	appendStringInfoString(json, ",\"label\":");
	value_append_string(json, label, strlen(label));
	appendStringInfo(json, ",\"displayOrder\":%d,\"hidden\":false}", order);
}

/* Append the options: those given for an enumeration, two fixed ones for a boolean. */
static void
append_options(StringInfo json, const char *type, ArrayType *options)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count = 0;

	if (options != NULL)
		deconstruct_array(options, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if ((strcmp(type, "enumeration") == 0) != (count > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options go with type \"enumeration\", and only with it")));
	appendStringInfoString(json, ",\"options\":[");
	/* HubSpot's booleans are enumerations with two options, which a request must contain. */
	if (strcmp(type, "bool") == 0)
		appendStringInfoString(json, schema_bool_options);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("an option must not be null")));
		append_option(json, TextDatumGetCString(elements[i]), TextDatumGetCString(elements[i]), i);
	}
	appendStringInfoChar(json, ']');
}

Object
schema_call_object(Oid server, const char *name)
{
	const char *word;
	int			object;

	word = objects_resolve(server, name);
	object = object_of_name(word, strlen(word));
	Assert(object >= 0);
	if (object == OBJECT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("this session has met too many types of records"),
				 errdetail("The limit is %d; a new session begins anew.", OBJECT_MAX)));
	return (Object) object;
}

/* Whether a list can be of it. */
static void
check_list_object(const char *name)
{
	int			object = object_find(name, strlen(name));

	if (object < 0 || !object_types[object].is_record)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown object \"%s\"", name),
				 errhint("Valid objects are: %s.", object_names_where(is_record))));
}

/* A property as it is to be created. */
typedef struct NewProperty
{
	Object		object;
	const char *name;
	const char *label;
	const char *type;
	ArrayType  *options;
	bool		is_unique;
	bool		is_hidden;
} NewProperty;

/*
 * Queue the creation of a property.  The row's message is the body of HubSpot's request,
 * with "object" in addition.
 */
static int64
create_property(Oid server, const NewProperty *property)
{
	const CrmType *object = &object_types[property->object];
	StringInfoData json;

	check_name(property->name, MAX_NAME);
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	/* "object" selects the path of the request. */
	append_member(&json, "object", object->name);
	append_member(&json, "name", property->name);
	append_member(&json, "label", property->label);
	append_member(&json, "type", property->type);
	append_member(&json, "fieldType", field_type_of(property->type));
	/* of others the worker knows it, when it has read their properties */
	if (object->property_group != NULL)
		append_member(&json, "groupName", object->property_group);
	append_options(&json, property->type, property->options);
	appendStringInfo(&json, ",\"hasUniqueValue\":%s%s}", property->is_unique ? "true" : "false",
					 property->is_hidden ? ",\"hidden\":true" : "");
	return queue_schema_work(CALL_CREATE_PROPERTY, GetForeignServer(server)->servername,
							 psprintf("%s %s", object->name, property->name), json_of(&json));
}

Datum
hubspot_create_property(PG_FUNCTION_ARGS)
{
	char	   *object = text_argument(fcinfo, 0, "object");
	NewProperty property = {
		.name = text_argument(fcinfo, 1, "name"),
		.type = text_argument(fcinfo, 2, "type"),
		.options = PG_ARGISNULL(4) ? NULL : PG_GETARG_ARRAYTYPE_P(4),
		.is_unique = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5)
	};
	Oid			server = account_resolve(server_argument(fcinfo, 6));

	property.label = PG_ARGISNULL(3) ? property.name : text_to_cstring(PG_GETARG_TEXT_PP(3));
	property.object = schema_call_object(server, object);
	PG_RETURN_INT64(create_property(server, &property));
}

int64
schema_call_create_key(Oid server, Object object, const char *name)
{
	NewProperty property = {
		.object = object, .name = name, .label = name, .type = "string", .is_unique = true,
		.is_hidden = true
	};

	return create_property(server, &property);
}

/* ---- creating an event -------------------------------------------------------------- */

static void
append_event_property(StringInfo json, const char *name, const char *label, const char *type)
{
	check_name(name, MAX_EVENT_NAME);
	(void) field_type_of(type);
	if (strcmp(type, "enumeration") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("event property \"%s\" is an enumeration", name),
				 errhint("Use a string.")));
	appendStringInfo(json, "%s{", json->data[json->len - 1] == '}' ? "," : "");
	appendStringInfo(json, "\"name\":\"%s\",\"label\":", name);
	value_append_string(json, label, strlen(label));
	appendStringInfo(json, ",\"type\":\"%s\"", type);
	if (strcmp(type, "bool") == 0)
		append_options(json, type, NULL);
	appendStringInfoChar(json, '}');
}

/* A member of hubspot_create_event()'s properties. */
static void
append_event_pair(StringInfo json, const JsonbValue *name, const JsonbValue *type)
{
	char	   *property = pnstrdup(name->val.string.val, name->val.string.len);

	check_name(property, MAX_EVENT_NAME);
	if (type->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type of event property \"%s\" is not a text", property),
				 errhint("Valid types are: string, number, bool, date, datetime.")));
	append_event_property(json, property, property,
						  pnstrdup(type->val.string.val, type->val.string.len));
}

/* The label that users see, the name itself unless it is given. */
static char *
label_argument(FunctionCallInfo fcinfo, int n, char *name, int max)
{
	char	   *label = PG_ARGISNULL(n) ? name : text_to_cstring(PG_GETARG_TEXT_PP(n));

	if (label[0] == '\0' || pg_mbstrlen(label) > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no label that HubSpot takes",
						pnstrdup(label, pg_mbcharcliplen(label, strlen(label), max))),
				 errdetail("A label has 1 to %d characters.", max)));
	return label;
}

Datum
hubspot_event_name(PG_FUNCTION_ARGS)
{
	text	   *event = PG_GETARG_TEXT_PP(0);

	PG_RETURN_TEXT_P(cstring_to_text(schema_event_name(VARDATA_ANY(event),
													   VARSIZE_ANY_EXHDR(event))));
}

Datum
hubspot_create_event(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0, "name");
	Jsonb	   *properties;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	type;
	StringInfoData json;

	check_name(name, MAX_EVENT_NAME);
	if (PG_ARGISNULL(1) || !JB_ROOT_IS_OBJECT(properties = PG_GETARG_JSONB_P(1)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("properties must be an object"),
				 errdetail("Expected {\"order_id\": \"string\", \"revenue\": \"number\"}.")));
	if (JB_ROOT_COUNT(properties) > SCHEMA_MAX_EVENT_PROPERTIES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%u properties of an event are too many", JB_ROOT_COUNT(properties)),
				 errdetail("HubSpot takes %d, beside its own.", SCHEMA_MAX_EVENT_PROPERTIES)));
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	append_member(&json, "name", name);
	append_member(&json, "label", label_argument(fcinfo, 2, name, MAX_EVENT_LABEL));
	append_member(&json, "primaryObject", "CONTACT");
	appendStringInfoString(&json, ",\"includeDefaultProperties\":true,\"propertyDefinitions\":[");
	it = JsonbIteratorInit(&properties->root);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		/* A nested value arrives as one; append_event_pair() refuses it. */
		(void) JsonbIteratorNext(&it, &type, true);
		append_event_pair(&json, &key, &type);
	}
	appendStringInfoString(&json, "]}");
	PG_RETURN_INT64(queue_schema_work(CALL_CREATE_EVENT, server_argument(fcinfo, 3),
									  psprintf("event %s", name),
									  json_of(&json)));
}

/* Queued by the key of the event, so that it keeps its order with what creates that. */
Datum
hubspot_create_event_property(PG_FUNCTION_ARGS)
{
	char	   *event = text_argument(fcinfo, 0, "event");
	char	   *name = text_argument(fcinfo, 1, "name");
	char	   *type = text_argument(fcinfo, 2, "type");
	StringInfoData json;

	check_name(event, MAX_EVENT_NAME);
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	/* instead of "name": the event is there, see definitions.c */
	append_member(&json, "event", event);
	appendStringInfoString(&json, ",\"propertyDefinitions\":[");
	append_event_property(&json, name, label_argument(fcinfo, 3, name, MAX_EVENT_PROPERTY_LABEL),
						  type);
	appendStringInfoString(&json, "]}");
	PG_RETURN_INT64(queue_schema_work(CALL_CREATE_EVENT, server_argument(fcinfo, 4),
									  psprintf("event %s", event),
									  json_of(&json)));
}

/* ---- creating a list ----------------------------------------------------------------- */

/*
 * Queue the creation of a list, in the lists lane: so it keeps its order with the rows of
 * the list's members.
 */
Datum
hubspot_create_list(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0, "name");
	char	   *object = text_argument(fcinfo, 1, "object");
	Work		work = {.object = OBJECT_IS_LIST};
	MessageList list;
	char	   *object_json;
	MessageProblem problem;

	check_list_object(object);
	object_json = psprintf("{\"object\":\"%s\"}", object);
	work.message = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(object_json)));
	work.message = message_set_text(work.message, MESSAGE_LIST, name);
	if (!message_list(&work.message->root, &list, &problem))
		enqueue_raise(&problem);
	work.key = message_list_key(&list);
	PG_RETURN_INT64(queue_one(CALL_CREATE_LIST, server_argument(fcinfo, 2), &work));
}

/* ---- creating a label ---------------------------------------------------------------- */

static Object
pair_object_argument(FunctionCallInfo fcinfo, int n, const char *what, const char *server)
{
	char	   *name = text_argument(fcinfo, n, what);
	PairNames	names = {.server = account_resolve(server), .word_of = objects_find};
	JsonbValue	word = {.type = jbvString};
	MessageProblem problem;
	Object		object;

	/* objects_find() leaves that to the caller, and tells what the account has */
	account_check_usage(names.server, GetUserId());
	word.val.string.val = name;
	word.val.string.len = strlen(name);
	if (!message_pair_object(&word, what, &names, &object, &problem))
		enqueue_raise(&problem);
	return object;
}

static char *
pair_label_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	char	   *label = text_argument(fcinfo, n, what);

	if (label[0] == '\0' || strlen(label) > MESSAGE_MAX_LABEL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is no label that HubSpot takes", what),
				 errdetail("A label has 1 to %d bytes.", MESSAGE_MAX_LABEL)));
	return label;
}

/*
 * Queue the creation of a label, in the lane of the pairs: so it keeps its order with those that
 * get it.
 */
Datum
hubspot_create_label(PG_FUNCTION_ARGS)
{
	PairLabel	label = {
		.from = pair_object_argument(fcinfo, 0, "from_object", server_argument(fcinfo, 4)),
		.to = pair_object_argument(fcinfo, 1, "to_object", server_argument(fcinfo, 4)),
		.label = pair_label_argument(fcinfo, 2, "label"),
		.inverse = PG_ARGISNULL(3) ? NULL : pair_label_argument(fcinfo, 3, "inverse"),
	};
	Work		work = {.object = OBJECT_IS_PAIR};

	work.message = message_make_label(&label);
	work.key = message_label_key(label.from, label.to, label.label);
	PG_RETURN_INT64(queue_one(CALL_CREATE_LABEL, server_argument(fcinfo, 4), &work));
}
