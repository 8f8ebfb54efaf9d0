/*
 * explain.c
 *		What a call would send, and why: hubspot_explain().
 *
 * Runs in the user's backend with the same mapping functions as the worker, and with the
 * account's schema as the tables hold it.  Nothing is written or sent.
 *
 * Everybody who may queue may call it.  Such a role may not read the extension's tables,
 * so they are read as their owner.  Data about others is shown only to roles that may
 * read it directly: record ids with SELECT on hubspot.record, values that HubSpot has
 * with SELECT on hubspot.confirmed.  Other roles get the answer as if nothing were known.
 * The current user counts: in a definition's query that is the definition's owner,
 * whoever refreshes it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "mapping/record_message.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/hubspot.h"
#include "account/account.h"
#include "account/path.h"
#include "activity/event.h"
#include "activity/forms.h"
#include "activity/legacy.h"
#include "activity/lists.h"
#include "backend/statement.h"
#include "consent/subscription.h"
#include "consent/subscription_type.h"
#include "crm/records.h"
#include "enqueue/deadline.h"
#include "enqueue/enqueue.h"
#include "enqueue/record_call.h"
#include "inspect/unchanged_call.h"
#include "mapping/mapping.h"
#include "mapping/schema.h"
#include "facts/objects.h"
#include "message/pair.h"
#include "ring/ring.h"
#include "store/act_as.h"
#include "store/record_map.h"
#include "text/encoding.h"
#include "text/value.h"

PG_FUNCTION_INFO_V1(hubspot_explain);
PG_FUNCTION_INFO_V1(hubspot_explain_by_schema);

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
	MessageKey	key;
	StringInfoData properties;	/* elements of a JSON array */
	StringInfoData warnings;	/* the same */
	const char *method;			/* NULL: no request would be sent */
	const char *path;
	StringInfoData body;		/* empty: there is none */
} Explained;

typedef struct Explain
{
	Call		call;
	Oid			server;
	AccountOptions *options;
	Schema	   *schema;
	MappingRules rules;			/* for contacts */
	bool		addresses_told; /* warnings of those that the call does not go by */
	int64		portal_id;
	UnchangedSession session;
	bool		shows_records;	/* may show record ids */
	bool		shows_confirmed;	/* may show which values HubSpot has */
	RowMode		mode;			/* of the message */
	MessageParts parts;
	ReturnSetInfo *result;
} Explain;

static const char *const rule_names[] = {
	[RULE_EXPLICIT] = "hubspot_map",
	[RULE_EXACT] = "exact name",
	[RULE_SPECIAL] = "special field",
	[RULE_SPACES] = "name with underscores",
	[RULE_CANONICAL] = "canonical name",
	[RULE_SHORT] = "short name",
};

static Datum
jsonb_datum(const char *json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

static void
begin_work(Explained *work, const Explain *explain, Object object, const MessageKey *key,
		   PathName path)
{
	work->object = object;
	work->key = *key;
	initStringInfo(&work->properties);
	initStringInfo(&work->warnings);
	initStringInfo(&work->body);
	work->method = "POST";
	work->path = pstrdup(path_of(path, &object_types[object], explain->options, NULL));
}

static void
leave_no_request(Explained *work)
{
	work->method = NULL;
	resetStringInfo(&work->body);
}

/* The row of the call itself tells, as batch_warn_of_addresses() has it. */
static void
tell_addresses(Explain *explain, StringInfo warnings)
{
	const char *what;

	for (int i = 0; !explain->addresses_told &&
		 (what = message_unused_address(explain->call, &explain->parts,
										explain->options->id_property[OBJECT_IS_CONTACT],
										i)) != NULL; i++)
	{
		appendStringInfo(warnings, "%s{\"code\":\"invalid_email\",\"property\":\"email\",",
						 warnings->len > 0 ? "," : "");
		appendStringInfoString(warnings, "\"detail\":");
		value_append_string(warnings, what, strlen(what));
		appendStringInfoChar(warnings, '}');
	}
	explain->addresses_told = true;
}

static void
end_work(Explain *explain, Explained *work)
{
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS] = {0};

	tell_addresses(explain, &work->warnings);

	values[EXPLAIN_OBJECT] = CStringGetTextDatum(object_types[work->object].name);
	values[EXPLAIN_KEY_PROPERTY] = CStringGetTextDatum(object_key_property(work->key.property));
	values[EXPLAIN_KEY] = CStringGetTextDatum(work->key.key);
	values[EXPLAIN_PROPERTIES] = jsonb_datum(psprintf("[%s]", work->properties.data));
	values[EXPLAIN_WARNINGS] = jsonb_datum(psprintf("[%s]", work->warnings.data));
	nulls[EXPLAIN_METHOD] = nulls[EXPLAIN_PATH] = work->method == NULL;
	if (work->method != NULL)
	{
		values[EXPLAIN_METHOD] = CStringGetTextDatum(work->method);
		values[EXPLAIN_PATH] = CStringGetTextDatum(work->path);
	}
	nulls[EXPLAIN_BODY] = work->body.len == 0;
	if (work->body.len > 0)
		values[EXPLAIN_BODY] = jsonb_datum(work->body.data);
	tuplestore_putvalues(explain->result->setResult, explain->result->setDesc, values, nulls);
}

/*
 * Append {"property": .., "value": .., "trait": .., "rule": ..} for each property, with
 * "unchanged" if the flag is set; unchanged NULL: no flag is.
 */
static void
describe_properties(StringInfo json, const Mapping *mapping, const bool *unchanged)
{
	for (int i = 0; i < mapping->nnames; i++)
	{
		const MappingName *name = &mapping->names[i];

		appendStringInfo(json, "%s{\"property\":\"%.*s\",\"value\":%.*s,\"trait\":",
						 i > 0 ? "," : "",
						 name->len, mapping->json->data + name->offset,
						 name->value_len, mapping->json->data + name->value_offset);
		value_append_string(json, name->trait, name->trait_len);
		appendStringInfo(json, ",\"rule\":\"%s\"%s}", rule_names[name->rule],
						 unchanged != NULL && unchanged[i] ? ",\"unchanged\":true" : "");
	}
}

/* The record id of a key in the tables, or NULL. */
static const char *
find_record(const Explain *explain, Object object, const MessageKey *key)
{
	return record_map_look_up(explain->server, object, object_key_property(key->property),
							  key->key);
}

/* The same, but NULL unless the user may see it. */
static const char *
known_record(const Explain *explain, Object object, const MessageKey *key)
{
	return explain->shows_records ? find_record(explain, object, key) : NULL;
}

/* The same of an end of a pair, which may be named by HubSpot's own id. */
static const char *
known_end(const Explain *explain, const PairEnd *end)
{
	MessageKey	key = {.property = end->property, .key = end->key};

	return object_key_is_record_id(end->property) ? end->key
		: known_record(explain, end->object, &key);
}

static bool
is_property(const MessageKey *key, const char *property)
{
	return key->property != NULL && strcmp(key->property, property) == 0;
}

static void
append_id(StringInfo json, const char *id)
{
	if (id != NULL)
		value_append_string(json, id, strlen(id));
	else
		appendStringInfoString(json, "null");	/* the worker will ask HubSpot for it */
}

static bool
has_property(const Mapping *mapping, const MessageKey *key, const char *property, int len)
{
	for (int i = 0; i < mapping->nnames; i++)
		if (mapping->names[i].len == len &&
			memcmp(mapping->json->data + mapping->names[i].offset, property, len) == 0)
			return true;
	return key->property != NULL && strlen(key->property) == len &&
		memcmp(key->property, property, len) == 0;
}

/*
 * What HubSpot wants of a new record and the call has not.  It is no more than a warning: who knows
 * that HubSpot has the record need not bring it again.  A value that is left out has its own.
 */
static void
tell_birth(const Explain *explain, Object object, const MessageKey *key, const Mapping *mapping,
		   StringInfo warnings)
{
	for (const char *name = schema_born_with(explain->schema, object); *name != '\0';)
	{
		int			len = strcspn(name, ",");

		if (!has_property(mapping, key, name, len) &&
			!mapping_has_warned(warnings->data, name, len))
		{
			appendStringInfo(warnings, "%s{\"code\":\"required_property\",\"property\":",
							 warnings->len > 0 ? "," : "");
			value_append_string(warnings, name, len);
			appendStringInfoString(warnings, ",\"detail\":\"HubSpot wants it of a new record, and "
								   "refuses one without it\"}");
		}
		name += len;
		name += strspn(name, ", ");
	}
}

/*
 * What a record that is created with an association may be associated with, by its message; returns
 * how many ends there are.  One that the message names none for is updated, where HubSpot has it.
 */
static int
find_birth(const Explain *explain, Object object, BirthEnd *ends, StringInfo warnings)
{
	const CrmType *type = &object_types[object];
	int			nends = message_birth_ends(explain->parts.root, type,
										   (const char *const *) explain->options->id_property,
										   ends);

	if (nends == 0)
		appendStringInfo(warnings, "%s{\"code\":\"required_association\",\"property\":"
						 "\"" MESSAGE_ASSOCIATIONS "\",\"detail\":\"A new %s is created with an "
						 "association to %s, and rejected without one\"}",
						 warnings->len > 0 ? "," : "", type->name, message_birth_words(type));
	return nends;
}

static void
append_birth(const Explain *explain, StringInfo body, const BirthEnd *ends, int nends)
{
	records_begin_associations(body);
	for (int i = 0; i < nends; i++)
		records_append_association(body, known_end(explain, &ends[i].end), ends[i].type_id);
	records_end_associations(body);
}

/* The traits of a contact or a company, and the request that writes them. */
static void
explain_record(Explain *explain, Object object, const MessageKey *key)
{
	bool		by_domain = is_property(key, MESSAGE_DOMAIN);
	bool		by_id = object_key_is_record_id(key->property);

	/* who only updates asks for the record first, and so does who may have to create it */
	bool		is_born = object_types[object].born_associated != NULL;
	bool		needs_id = by_domain || is_property(key, MESSAGE_USER_ID) || is_born ||
	explain->mode == MODE_UPDATE;
	const char *id = by_id ? key->key : needs_id ? known_record(explain, object, key) : NULL;

	/*
	 * Unlike properties, domains and userIds are no unique keys in HubSpot: the request needs the
	 * record's id.
	 */
	bool		by_key = !by_id && !needs_id;
	MappingRules rules = mapping_rules(explain->schema, object,
									   (const char *const *) explain->options->id_property,
									   explain->rules.zone);
	BirthEnd	ends[BIRTH_MAX];
	int			nends = 0;
	Explained	work;
	Mapping		mapping;
	bool	   *unchanged;
	bool		nothing_left;

	begin_work(&work, explain, object, key,
			   by_key ? PATH_UPSERT : by_domain && id == NULL ? PATH_CREATE : PATH_UPDATE);
	if (is_born && id == NULL && explain->mode != MODE_UPDATE)
		nends = find_birth(explain, object, ends, &work.warnings);
	if (nends > 0)
		work.path = pstrdup(path_of(PATH_CREATE, &object_types[object], explain->options, NULL));
	appendStringInfoString(&work.body, "{\"inputs\":[");
	records_begin_input(&work.body, by_key ? object_key_property(key->property) : NULL,
						by_key ? key->key : id, "0");
	mapping_begin(&mapping, &work.body, &rules);
	mapping_add_record(&mapping, explain->call, &explain->parts, key, &work.warnings);

	/*
	 * By find_record(), not by id, which is hidden from roles that may read hubspot.confirmed
	 * only.
	 */
	unchanged = unchanged_session_find(&explain->session, object,
									   explain->shows_confirmed
									   ? find_record(explain, object, key) : NULL, &mapping,
									   &nothing_left);
	describe_properties(&work.properties, &mapping, unchanged);
	if (explain->mode != MODE_UPDATE && !by_id && known_record(explain, object, key) == NULL)
		tell_birth(explain, object, key, &mapping, &work.warnings);
	mapping_leave_out(&mapping, unchanged);
	/* HubSpot creates it without an id: the key must be among the properties. */
	if (id == NULL && (by_domain || nends > 0))
	{
		appendStringInfo(&work.body, "%s\"%s\":", mapping.nnames > 0 ? "," : "", key->property);
		append_id(&work.body, key->key);
	}
	if (nends > 0)
		append_birth(explain, &work.body, ends, nends);
	else
		records_end_input(&work.body);
	appendStringInfoString(&work.body, "]}");
	if (nothing_left)
		leave_no_request(&work);
	if (object == OBJECT_IS_CONTACT)
		records_warn_of_company(&mapping, explain->call, &explain->parts, explain->options);
	end_work(explain, &work);
}

/* Record ids that are not known are null here; the worker asks HubSpot for them. */
static void
explain_association(Explain *explain, const MessageKey *contact, const MessageKey *company)
{
	bool		is_primary = explain->options->primary_company;
	Explained	work;

	begin_work(&work, explain, OBJECT_IS_ASSOCIATION, contact,
			   is_primary ? PATH_ASSOCIATE_TYPED : PATH_ASSOCIATE_DEFAULT);
	appendStringInfoString(&work.body, "{\"inputs\":[{\"from\":{\"id\":");
	append_id(&work.body, known_record(explain, OBJECT_IS_CONTACT, contact));
	appendStringInfoString(&work.body, "},\"to\":{\"id\":");
	append_id(&work.body, known_record(explain, OBJECT_IS_COMPANY, company));
	appendStringInfoString(&work.body,
						   is_primary
						   ? "},\"types\":[{\"associationCategory\":\"HUBSPOT_DEFINED\","
						   "\"associationTypeId\":1}]}]}"
						   : "}}]}");
	end_work(explain, &work);
}

/* The end of one: the company is left as it is. */
static void
explain_leaving(Explain *explain)
{
	MessageKey	company = {0};
	MessageKey	contact = {0};
	MessageProblem problem;
	Explained	work;

	if (!message_company_key(explain->call, &explain->parts,
							 explain->options->id_property[OBJECT_IS_COMPANY],
							 &company, &problem) ||
		!message_known_contact_key(explain->call, &explain->parts,
								   explain->options->id_property[OBJECT_IS_CONTACT],
								   &contact, &problem))
		enqueue_raise(&problem);
	begin_work(&work, explain, OBJECT_IS_ASSOCIATION, &contact, PATH_DISSOCIATE);
	appendStringInfoString(&work.body, "{\"inputs\":[{\"from\":{\"id\":");
	append_id(&work.body, known_record(explain, OBJECT_IS_CONTACT, &contact));
	appendStringInfoString(&work.body, "},\"to\":[{\"id\":");
	append_id(&work.body, known_record(explain, OBJECT_IS_COMPANY, &company));
	appendStringInfoString(&work.body, "}]}]}");
	end_work(explain, &work);
}

static PairNames
pair_names(const Explain *explain)
{
	return (PairNames)
	{
		.id_property = (const char *const *) explain->options->id_property,
			.server = explain->server, .word_of = objects_find
	};
}

/*
 * Two records that are associated, or are not any more.  A label's number is the account's, and the
 * worker's to know: null here.
 */
static void
explain_two(Explain *explain, const PairMessage *pair, bool associates)
{
	MessageKey	key = message_pair_key(pair);
	bool		is_list = !associates && pair->label == NULL;
	Explained	work;

	begin_work(&work, explain, OBJECT_IS_PAIR, &key, PATH_PAIRS);
	work.path = psprintf("%s%s/%s/batch/%s", work.path, object_types[pair->from.object].type_id,
						 object_types[pair->to.object].type_id,
						 associates ? pair->label != NULL ? "create" : "associate/default"
						 : pair->label != NULL ? "labels/archive" : "archive");
	appendStringInfoString(&work.body, "{\"inputs\":[{\"from\":{\"id\":");
	append_id(&work.body, known_end(explain, &pair->from));
	appendStringInfoString(&work.body, is_list ? "},\"to\":[{\"id\":" : "},\"to\":{\"id\":");
	append_id(&work.body, known_end(explain, &pair->to));
	appendStringInfoString(&work.body, is_list ? "}]" : "}");
	if (pair->label != NULL)
		appendStringInfoString(&work.body,
							   ",\"types\":[{\"associationCategory\":null,"
							   "\"associationTypeId\":null}]");
	appendStringInfoString(&work.body, "}]}");
	end_work(explain, &work);
}

static void
explain_pair(Explain *explain)
{
	PairNames	names = pair_names(explain);
	PairMessage pair;
	MessageProblem problem;

	if (!message_pair(&explain->parts, &names, &pair, &problem))
		enqueue_raise(&problem);
	explain_two(explain, &pair, explain->call == CALL_ASSOCIATE);
}

/* Those that the message of this record names. */
static void
explain_associations(Explain *explain, JsonbContainer *message, Object object,
					 const MessageKey *key)
{
	PairNames	names = pair_names(explain);
	PairEnd		from = {.object = object, .property = key->property, .key = key->key};
	PairMessage *pairs;
	int			npairs;
	MessageProblem problem;

	if (!message_associations(message, &from, &names, &pairs, NULL, &npairs, &problem))
		enqueue_raise(&problem);
	for (int i = 0; i < npairs; i++)
		explain_two(explain, &pairs[i], true);
}

/* A contact, and the company among its traits. */
static void
explain_contact(Explain *explain, const MessageKey *key)
{
	MessageKey	company;
	const char *why;

	explain_record(explain, OBJECT_IS_CONTACT, key);
	if (!explain->options->associate_company_trait ||
		!message_contact_company(explain->call, &explain->parts,
								 explain->options->id_property[OBJECT_IS_COMPANY], &company, &why))
		return;
	explain_record(explain, OBJECT_IS_COMPANY, &company);
	explain_association(explain, key, &company);
}

static EventSource
source_of_event(const Explain *explain, const MessageKey *key)
{
	EventSource source =
	{.call = explain->call, .parts = &explain->parts, .key_property = key->property,
		.key = key->key,
	.record_id = "", .portal_id = explain->portal_id, .called_at = GetCurrentTimestamp()};
	const char *record_id =
	(is_property(key, MESSAGE_HUTK) ? NULL : known_record(explain, OBJECT_IS_CONTACT, key));

	if (record_id != NULL)
		source.record_id = record_id;
	return source;
}

static void
explain_legacy_event(Explain *explain, const MessageKey *key)
{
	EventSource source = source_of_event(explain, key);
	StringInfoData query;
	StringInfoData json;
	Explained	work;
	Mapping		mapping;

	begin_work(&work, explain, OBJECT_IS_EVENT, key, PATH_EVENTS_SEND);
	initStringInfo(&query);
	initStringInfo(&json);
	mapping_begin(&mapping, &json, &explain->rules);
	legacy_append_query(&query, &source, explain->options, &mapping, &work.warnings);
	describe_properties(&work.properties, &mapping, NULL);
	work.method = "GET";
	work.path = psprintf("%s%s", legacy_path, query.data);
	end_work(explain, &work);
}

static void
explain_event(Explain *explain, const MessageKey *key)
{
	EventSource source = source_of_event(explain, key);
	MappingRules rules = explain->rules;
	const EventDefinition *event;
	const char *full_name;
	char	   *reason;
	char	   *statement = NULL;
	Explained	work;
	Mapping		mapping;

	event = event_definition(&source, explain->options, explain->schema, &full_name);
	reason = full_name != NULL ? NULL
		: event_unknown_reason(&source, explain->options, explain->schema, &statement);
	if (full_name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 statement != NULL ? errmsg("HubSpot has no such event") : errmsg("%s", reason),
				 statement == NULL ? 0 : errhint("Create it: %s.", statement)));
	if (event_misfit(&source, event) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", event_misfit(&source, event))));
	begin_work(&work, explain, OBJECT_IS_EVENT, key, PATH_EVENTS_SEND);
	rules.object = OBJECT_IS_EVENT;
	rules.properties = event != NULL ? event->properties : NULL;

	appendStringInfoString(&work.body, "{\"inputs\":[");
	mapping_begin(&mapping, &work.body, &rules);
	event_append(&work.body, &source, full_name, event, &mapping, &work.warnings);
	describe_properties(&work.properties, &mapping, NULL);
	appendStringInfoString(&work.body, "]}");
	end_work(explain, &work);
}

static void
explain_form(Explain *explain)
{
	Explained	work;
	MessageKey	key;
	MessageProblem problem;
	StringInfoData path;

	if (!message_form_key(&explain->parts, &key, &problem))
		enqueue_raise(&problem);
	/* any path: a form has one of its own, below */
	begin_work(&work, explain, OBJECT_IS_FORM, &key, PATH_ACCOUNT_INFO);
	initStringInfo(&path);
	forms_append_path(&path, &explain->parts, explain->portal_id, false);
	work.path = path.data;
	forms_append_body(&work.body, &explain->parts, GetCurrentTimestamp(), true);
	end_work(explain, &work);
}

static void
explain_delete(Explain *explain, bool erases)
{
	Explained	work;
	Object		object;
	MessageKey	key;
	MessageProblem problem;
	const char *id;

	if (!record_object(explain->server, &explain->parts, &object, &problem) ||
		!message_deleted_key(object, &explain->parts,
							 (const char *const *) explain->options->id_property, &key, &problem))
		enqueue_raise(&problem);
	begin_work(&work, explain, object, &key, erases ? PATH_ERASE : PATH_ARCHIVE);
	id = known_record(explain, object, &key);
	appendStringInfoString(&work.body, erases ? "{\"objectId\":" : "{\"inputs\":[{\"id\":");
	append_id(&work.body, erases && key.property == NULL ? key.key : id);
	appendStringInfoString(&work.body,
						   !erases ? "}]}" : key.property == NULL
						   ? ",\"idProperty\":\"email\"}" : "}");
	end_work(explain, &work);
}

/* A change of a list's members; the worker asks HubSpot for ids that are not known. */
static void
explain_member(Explain *explain)
{
	const AccountOptions *options = explain->options;
	bool		adds = explain->call == CALL_ADD_TO_LIST;
	MessageList list = {0};
	MessageKey	key = {.key = NULL};
	MessageProblem problem;
	Explained	work;
	char		path[PATH_BYTES];

	if (!message_list(explain->parts.root, &list, &problem) ||
		!message_member_key(explain->call, &explain->parts,
							(const char *const *) options->id_property, &key, &problem))
		enqueue_raise(&problem);
	begin_work(&work, explain, OBJECT_IS_LIST, &key, PATH_LISTS);
	work.method = "PUT";
	/* path_of()'s buffer is overwritten by its next call. */
	strlcpy(path, work.path, sizeof(path));
	lists_append_change_path(path, sizeof(path), "{listId}");
	work.path = path;
	appendStringInfoString(&work.body, adds ? "{\"recordIdsToAdd\":["
						   : "{\"recordIdsToAdd\":[],\"recordIdsToRemove\":[");
	append_id(&work.body, known_record(explain, list.object, &key));
	appendStringInfoString(&work.body, adds ? "],\"recordIdsToRemove\":[]}" : "]}");
	end_work(explain, &work);
}

/* Somebody is subscribed, or has opted out; before the former the worker reads how he stands. */
static void
explain_subscription(Explain *explain)
{
	Explained	work;
	MessageConsent consent;
	MessageKey	key;
	MessageProblem problem;
	StringInfoData path;
	char	   *id;
	bool		is_v3 = explain->options->api_version[API_FAMILY_CONSENT] == API_V3;

	if (!message_consent(&explain->parts, &consent, &problem) ||
		!message_known_contact_key(explain->call, &explain->parts, NULL, &key, &problem))
		enqueue_raise(&problem);
	begin_work(&work, explain, OBJECT_IS_CONSENT, &key, PATH_CONSENT);
	id = consent.of_all || message_is_subscription_id(consent.subscription) ? consent.subscription
		: subscription_type_find(explain->server, consent.subscription);
	initStringInfo(&path);
	appendStringInfoString(&path, work.path);
	subscription_append_request(&path, &work.body, key.key, &consent, id != NULL ? id : "null",
								is_v3);
	work.path = path.data;
	if (is_v3 && consent.of_all)
		leave_no_request(&work);
	end_work(explain, &work);
}

static void
explain_group(Explain *explain)
{
	MessageKey	company;
	MessageKey	contact = {.key = NULL};
	MessageProblem problem;

	if (!message_company_key(CALL_GROUP, &explain->parts,
							 explain->options->id_property[OBJECT_IS_COMPANY],
							 &company, &problem) ||
		(message_names_contact(explain->call, &explain->parts) &&
		 !message_known_contact_key(explain->call, &explain->parts,
									explain->options->id_property[OBJECT_IS_CONTACT],
									&contact, &problem)))
		enqueue_raise(&problem);
	explain_record(explain, OBJECT_IS_COMPANY, &company);
	if (contact.key == NULL)
		return;
	if (message_has_traits(explain->parts.context_traits))
		explain_contact(explain, &contact);
	explain_association(explain, &contact, &company);
}

/* A track or page call.  Its context.traits are a row of their own, about the contact. */
static void
explain_occurrence(Explain *explain)
{
	const char *id_property = explain->options->id_property[OBJECT_IS_CONTACT];
	MessageKey	key;
	MessageProblem problem;

	if (!message_event_key(explain->call, &explain->parts, id_property, &key, &problem))
		enqueue_raise(&problem);
	if (explain->options->events == EVENTS_LEGACY)
	{
		explain_legacy_event(explain, &key);
		return;
	}
	explain_event(explain, &key);
	if (explain->call == CALL_TRACK && message_has_traits(explain->parts.context_traits) &&
		message_known_contact_key(explain->call, &explain->parts, id_property, &key, &problem))
		explain_contact(explain, &key);
}

static void explain_call(Explain *explain, Jsonb *message);

/* A record of any type; of a contact or a company what the call of its own makes of it. */
static void
explain_any_record(Explain *explain, Jsonb *message)
{
	JsonbContainer *root = explain->parts.root;
	MessageKey	key;
	MessageProblem problem;
	Object		object;

	if (!record_object(explain->server, &explain->parts, &object, &problem) ||
		!message_mode(&explain->parts, &explain->mode, &problem))
		enqueue_raise(&problem);
	if (object < OBJECT_COUNT)
	{
		message = record_as_own_call(message, &explain->parts, object, &problem);
		if (message == NULL || !message_read(message, &explain->parts, &problem))
			enqueue_raise(&problem);
		explain->call = object_types[object].call;
		explain_call(explain, message);
	}
	if (!message_record_key(object, explain->call, &explain->parts,
							object_id_property((const char *const *) explain->options->id_property,
											   object), &key, &problem))
		enqueue_raise(&problem);
	if (object >= OBJECT_COUNT)
		explain_record(explain, object, &key);
	explain_associations(explain, root, object, &key);
}

static void
explain_call(Explain *explain, Jsonb *message)
{
	MessageKey	key;
	MessageProblem problem;

	switch (explain->call)
	{
		case CALL_TRACK:
		case CALL_PAGE:
			explain_occurrence(explain);
			break;
		case CALL_GROUP:
			explain_group(explain);
			break;
		case CALL_UNGROUP:
			explain_leaving(explain);
			break;
		case CALL_ASSOCIATE:
		case CALL_DISSOCIATE:
			explain_pair(explain);
			break;
		case CALL_FORM:
			explain_form(explain);
			break;
		case CALL_ADD_TO_LIST:
		case CALL_REMOVE_FROM_LIST:
			explain_member(explain);
			break;
		case CALL_SUBSCRIPTION:
			explain_subscription(explain);
			break;
		case CALL_DELETE:
			explain_delete(explain, message_erases(message));
			break;
		case CALL_IDENTIFY:
			if (!message_contact_key(explain->call, &explain->parts,
									 explain->options->id_property[OBJECT_IS_CONTACT],
									 &key, &problem))
				enqueue_raise(&problem);
			explain_contact(explain, &key);
			break;
		default:
			explain_any_record(explain, message);
	}
}

/* The account's hub id, which the worker has learnt from HubSpot; 0 if it has not. */
static int64
portal_id_of(Oid server)
{
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(server);
	int64		portal_id = 0;
	bool		isnull;

	SPI_connect();
	if (statement_execute("SELECT portal_id FROM hubspot.account WHERE server = $1", 1, &type,
						  &value,
						  NULL, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
	{
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		portal_id = isnull ? 0 : DatumGetInt64(value);
	}
	SPI_finish();
	return portal_id;
}

static void
begin_explain(Explain *explain, Oid oid)
{
	explain->server = oid;
	explain->options = account_parse_options(GetForeignServer(oid)->options);
	explain->schema = schema_load(oid, CurrentMemoryContext);
	explain->portal_id = explain->options->portal_id != 0
		? explain->options->portal_id : portal_id_of(oid);
	unchanged_session_begin(&explain->session, oid, explain->options);
	explain->rules = mapping_rules(explain->schema, OBJECT_IS_CONTACT,
								   (const char *const *) explain->options->id_property,
								   pg_tzset(explain->options->time_zone));
}

static void
explain_arguments(FunctionCallInfo fcinfo, Explain *explain, Oid server)
{
	MessageProblem problem;
	TimestampTz deadline;
	Identity	before;
	Jsonb	   *message = PG_GETARG_JSONB_P(1);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	explain->result = (ReturnSetInfo *) fcinfo->resultinfo;
	explain->call = enqueue_call_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	act_as_extension(&before);
	begin_explain(explain, server);
	if (!message_read(message, &explain->parts, &problem) ||
		!message_check_envelope(&explain->parts, &problem) ||
		!deadline_of_message(&explain->parts, explain->rules.zone, &deadline, &problem))
		enqueue_raise(&problem);
	problem.message = encoding_objection(NULL, "", message);
	if (problem.message != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("%s", problem.message)));
	explain_call(explain, message);
	act_back(&before);
}

/* The SERVER of the call; raises an error if another argument is null. */
static Oid
server_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("call and message must not be null")));
	return account_resolve(PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2)));
}

Datum
hubspot_explain(PG_FUNCTION_ARGS)
{
	Oid			server = server_argument(fcinfo);
	Oid			user = GetUserId();
	const Catalog *catalog = ring_catalog(false);
	Explain		explain =
	{.shows_records = ring_may_read(catalog->record),
	.shows_confirmed = ring_may_read(catalog->confirmed)};

	account_check_usage(server, user);
	explain_arguments(fcinfo, &explain, server);
	return (Datum) 0;
}

/* For previews, which run as the owner of the tables: shows only what follows from the schema. */
Datum
hubspot_explain_by_schema(PG_FUNCTION_ARGS)
{
	Oid			server = server_argument(fcinfo);
	Explain		explain = {.shows_records = false, .shows_confirmed = false};

	explain_arguments(fcinfo, &explain, server);
	return (Datum) 0;
}
