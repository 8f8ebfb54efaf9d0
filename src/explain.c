/*
 * explain.c
 *		What a call would send, and why: hubspot_explain().
 *
 * Runs in the user's backend with the functions that the worker maps with,
 * on what the tables hold of the account's schema.  No row is written, no
 * network is asked.  The SQL function is SECURITY DEFINER, because the
 * extension's tables are not for everybody; USAGE on the SERVER is checked for the caller.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "hubspot.h"
#include "account.h"
#include "enqueue.h"
#include "event.h"
#include "forms.h"
#include "mapping.h"
#include "path.h"
#include "records.h"
#include "schema.h"
#include "value.h"

PG_FUNCTION_INFO_V1(hubspot_explain);

/* Columns of the function's result. */
enum ExplainColumn
{
	EXPLAIN_OBJECT, EXPLAIN_KEY_PROPERTY, EXPLAIN_KEY, EXPLAIN_PROPERTIES, EXPLAIN_WARNINGS,
	EXPLAIN_METHOD, EXPLAIN_PATH, EXPLAIN_BODY
#define EXPLAIN_COLUMNS (EXPLAIN_BODY + 1)
};

/* One piece of work that a call would queue. */
typedef struct Explained
{
	Object		object;
	const char *key_property;
	const char *key;
	StringInfoData properties;	/* JSON array */
	StringInfoData warnings;	/* elements of a JSON array */
	PathName	path;
	const char *form_path;		/* in place of path; NULL: none */
	StringInfoData body;
} Explained;

typedef struct Explain
{
	Call		call;
	AccountOptions *options;
	Schema	   *schema;
	MappingRules rules;			/* for contacts */
	int64		portal_id;
	MessageParts parts;
	ReturnSetInfo *result;
} Explain;

static const char *const rule_names[] = {
	[RULE_EXPLICIT] = "hubspot_map",
	[RULE_EXACT] = "exact name",
	[RULE_SPECIAL] = "special field",
	[RULE_SPACES] = "name with underscores",
	[RULE_CANONICAL] = "canonical name",
};

static Datum
jsonb_datum(const char *json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

static void
put_explained(Explain *explain, const Explained *work)
{
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS] = {0};

	values[EXPLAIN_OBJECT] = CStringGetTextDatum(ring_object_names[work->object]);
	values[EXPLAIN_KEY_PROPERTY] = CStringGetTextDatum(work->key_property);
	values[EXPLAIN_KEY] = CStringGetTextDatum(work->key);
	values[EXPLAIN_PROPERTIES] = jsonb_datum(work->properties.data);
	values[EXPLAIN_WARNINGS] = jsonb_datum(psprintf("[%s]", work->warnings.data));
	values[EXPLAIN_METHOD] = CStringGetTextDatum("POST");
	values[EXPLAIN_PATH] = CStringGetTextDatum(work->form_path != NULL ? work->form_path
											   : path_of(work->path, explain->options));
	values[EXPLAIN_BODY] = jsonb_datum(work->body.data);
	tuplestore_putvalues(explain->result->setResult, explain->result->setDesc, values, nulls);
}

/* [{"property": .., "value": .., "trait": .., "rule": ..}] */
static void
describe_properties(StringInfo json, const Mapping *mapping)
{
	appendStringInfoChar(json, '[');
	for (int i = 0; i < mapping->nnames; i++)
	{
		const MappingName *name = &mapping->names[i];

		appendStringInfo(json, "%s{\"property\":\"%.*s\",\"value\":%.*s,\"trait\":", i > 0 ? "," : "",
						 name->len, mapping->json->data + name->offset,
						 name->value_len, mapping->json->data + name->value_offset);
		value_append_string(json, name->trait, name->trait_len);
		appendStringInfo(json, ",\"rule\":\"%s\"}", rule_names[name->rule]);
	}
	appendStringInfoChar(json, ']');
}

static void
explain_contact(Explain *explain)
{
	Explained	work = {.object = OBJECT_IS_CONTACT, .path = PATH_CONTACTS_UPSERT};
	MessageKey	key;
	MessageProblem problem;
	Mapping		mapping;

	if (!message_contact_key(explain->call, &explain->parts, explain->options->contact_id_property, &key, &problem))
		enqueue_raise(&problem);
	initStringInfo(&work.properties);
	initStringInfo(&work.warnings);
	initStringInfo(&work.body);
	work.key_property = key.property != NULL ? key.property : "email";
	work.key = key.key;

	appendStringInfoString(&work.body, "{\"inputs\":[");
	records_begin_input(&work.body, work.key_property, work.key, "0");
	mapping_begin(&mapping, &work.body, &explain->rules);
	mapping_add_contact(&mapping, explain->call, &explain->parts, key.property, &work.warnings);
	describe_properties(&work.properties, &mapping);
	records_end_input(&work.body);
	appendStringInfoString(&work.body, "]}");
	put_explained(explain, &work);
}

static void
explain_event(Explain *explain)
{
	Explained	work = {.object = OBJECT_IS_EVENT, .path = PATH_EVENTS_SEND};
	MessageKey	key;
	MessageProblem problem;
	EventSource source = {.call = explain->call, .parts = &explain->parts, .record_id = "", .portal_id = explain->portal_id,
	.created_at = GetCurrentTimestamp()};
	MappingRules rules = explain->rules;
	const EventDefinition *event;
	const char *full_name;
	Mapping		mapping;

	if (!message_event_key(explain->call, &explain->parts, explain->options->contact_id_property, &key, &problem))
		enqueue_raise(&problem);
	initStringInfo(&work.properties);
	initStringInfo(&work.warnings);
	initStringInfo(&work.body);
	work.key_property = key.property != NULL ? key.property : "email";
	work.key = key.key;
	source.key_property = key.property;
	source.key = key.key;
	event = event_definition(&source, explain->options, explain->schema, &full_name);
	if (full_name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("HubSpot has no such event"),
				 errhint("Create it: %s.", event_definition_statement(&source, explain->options))));
	rules.object = OBJECT_IS_EVENT;
	rules.properties = event != NULL ? event->properties : NULL;

	appendStringInfoString(&work.body, "{\"inputs\":[");
	mapping_begin(&mapping, &work.body, &rules);
	event_append(&work.body, &source, full_name, &mapping, &work.warnings);
	describe_properties(&work.properties, &mapping);
	appendStringInfoString(&work.body, "]}");
	put_explained(explain, &work);
}

static void
explain_form(Explain *explain)
{
	Explained	work = {.object = OBJECT_IS_FORM};
	MessageKey	key;
	MessageProblem problem;
	StringInfoData path;

	if (!message_form_key(&explain->parts, &key, &problem))
		enqueue_raise(&problem);
	initStringInfo(&work.properties);
	initStringInfo(&work.warnings);
	initStringInfo(&work.body);
	initStringInfo(&path);
	appendStringInfoString(&work.properties, "[]");
	work.key_property = key.property != NULL ? key.property : "email";
	work.key = key.key;
	forms_append_path(&path, &explain->parts, explain->portal_id, false);
	work.form_path = path.data;
	forms_append_body(&work.body, &explain->parts, GetCurrentTimestamp(), true);
	put_explained(explain, &work);
}

/* What context.traits say of the contact is a piece of work of its own. */
static void
explain_call(Explain *explain)
{
	bool		is_event = explain->call == CALL_TRACK || explain->call == CALL_PAGE;

	if (explain->call == CALL_FORM)
	{
		explain_form(explain);
		return;
	}
	if (is_event)
		explain_event(explain);
	if (!is_event || (explain->call == CALL_TRACK && explain->parts.context_traits != NULL &&
					  JsonContainerSize(explain->parts.context_traits) > 0))
		explain_contact(explain);
}

/* The hub that the worker has learnt; 0 when it has not. */
static int64
portal_id_of(Oid server)
{
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(server);
	int64		portal_id = 0;
	bool		isnull;

	SPI_connect();
	if (SPI_execute_with_args("SELECT portal_id FROM hubspot.account WHERE server = $1", 1, &type, &value,
							  NULL, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
	{
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		portal_id = isnull ? 0 : DatumGetInt64(value);
	}
	SPI_finish();
	return portal_id;
}

/* USAGE is the caller's, though the function runs as its owner. */
static void
begin_explain(Explain *explain, const char *server)
{
	Oid			oid = account_resolve(server);

	account_check_usage(oid, GetOuterUserId());
	explain->options = account_parse_options(GetForeignServer(oid)->options);
	explain->schema = schema_load(oid, CurrentMemoryContext);
	explain->portal_id = explain->options->portal_id != 0 ? explain->options->portal_id : portal_id_of(oid);
	explain->rules.object = OBJECT_IS_CONTACT;
	explain->rules.properties = explain->schema->properties[SCHEMA_CONTACT];
	explain->rules.nmaps = explain->schema->nmaps;
	explain->rules.maps = explain->schema->maps;
	explain->rules.zone = pg_tzset(explain->options->time_zone);
}

Datum
hubspot_explain(PG_FUNCTION_ARGS)
{
	Explain		explain = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	MessageProblem problem;

	hubspot_materialized_srf(fcinfo);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("call and message must not be null")));
	explain.call = enqueue_call_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	begin_explain(&explain, PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2)));
	if (!message_read(PG_GETARG_JSONB_P(1), &explain.parts, &problem) ||
		!message_check_envelope(&explain.parts, &problem))
		enqueue_raise(&problem);
	explain_call(&explain);
	return (Datum) 0;
}
