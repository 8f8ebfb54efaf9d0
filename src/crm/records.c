/*
 * records.c
 *		What records of every type have in common: the requests.
 *
 * Called by batch.c, in the batch's memory context.  Each input that writes
 * carries an objectWriteTraceId, so that HubSpot can refuse one record of many.
 */
#include "postgres.h"

#include "mapping/record_message.h"
#include "utils/timestamp.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/records.h"
#include "crm/unknown.h"
#include "mapping/mapping_property.h"
#include "reading/choices.h"
#include "request/await_creation.h"
#include "request/schema_sync.h"
#include "request/unchanged.h"
#include "store/record_map.h"
#include "text/value.h"

#define MERGED_IDS "hs_merged_object_ids"	/* property: other ids that a record has had */

bool
records_can_be_read(Object object, const char *property)
{
	const CrmType *type = &object_types[object];

	if (property == NULL)
		return object == OBJECT_IS_CONTACT;
	return strcmp(property, MESSAGE_USER_ID) != 0 &&
		(type->natural_key_is_unique || type->natural_key == NULL ||
		 strcmp(property, type->natural_key) != 0);
}

const char *
records_not_found(Object object)
{
	return psprintf("%s_not_found", object_types[object].name);
}

void
records_forget(const WorkKey *key)
{
	record_map_remove(key->lane->account->server, key->lane->family, queue_id_property(key),
					  key->key, clock_us());
}

/* Whether the key is the value of a property that the user has chosen. */
static bool
has_own_property(const WorkKey *key, const CrmType *type)
{
	return key->property != NULL && !object_key_is_record_id(key->property) &&
		(type->natural_key_is_unique || type->natural_key == NULL ||
		 strcmp(key->property, type->natural_key) != 0);
}

/* ---- names that HubSpot does not have ------------------------------------------------ */

/* Names that HubSpot can have: as hubspot_create_property() takes them. */
static bool
is_creatable(const char *name)
{
	return name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= 100;
}

/*
 * They are waited for, created if the account wants that, or counted; but first HubSpot is asked
 * whether it has them, or an option, an owner or a stage that is missing, by now.
 */
static BuildResult
deal_with_unknown(Input *input, Row *row, Object part, const Mapping *mapping)
{
	Account    *account = row->key->lane->account;
	BuildResult result = BUILD_DONE;

	for (int i = 0; i < mapping->nunknown; i++)
	{
		if (await_creation(input, row, part, mapping->unknown[i].name))
			result = BUILD_WAIT;
		else if (account->options->create_properties && is_creatable(mapping->unknown[i].name) &&
				 schema_sync_create(account, part, &mapping->unknown[i]))
			result = BUILD_WAIT;
		else if (schema_sync_look_again(account, part))
			return BUILD_WAIT;
		else
			unknown_note(account->server, part, &mapping->unknown[i], row->id);
	}
	if (result == BUILD_DONE && (mapping->missed & CHOICE_OPTION) != 0 &&
		schema_sync_look_again(account, part))
		result = BUILD_WAIT;
	if (mapping->used != 0 && !choices_serve(row->key->lane, mapping))
		result = BUILD_WAIT;
	return result;
}

/* Whether HubSpot lacks the property that the key is a value of. */
static bool
lacks_key_property(const WorkKey *key)
{
	const PropertySet *set = key->lane->account->rules[key->lane->family]->properties;

	return has_own_property(key, records_type(key->lane)) && set != NULL &&
		schema_property(set, key->property, strlen(key->property)) == NULL;
}

#define SCHEMA_IS_FRESH_MS	60000

bool
records_wait_for_key(Input *input)
{
	const WorkKey *key = input->key;
	Account    *account = key->lane->account;
	Object		part = key->lane->family;
	UnknownProperty property = {.name = key->property, .type = "string", .is_key = true};

	if (!lacks_key_property(key))
		return false;
	if (await_creation(input, input->rows[0], part, key->property))
		return true;
	if (account->options->create_properties)
		return schema_sync_create(account, part, &property);
	schema_sync_refresh(account, part);
	return true;
}

/* A row whose key HubSpot cannot hold is refused when what we know of HubSpot is not old. */
static bool
check_key_property(const Row *row, const char **category, const char **problem)
{
	const WorkKey *key = row->key;
	Account    *account = key->lane->account;
	Object		part = key->lane->family;

	if (!lacks_key_property(key) || await_creation_is_due(row, part, key->property) ||
		(account->options->create_properties &&
		 !schema_sync_was_tried(account, part, key->property)) ||
		(!account->options->create_properties &&
		 TimestampDifferenceExceeds(schema_refreshed_at(account->schema, part),
									GetCurrentTimestamp(), SCHEMA_IS_FRESH_MS)))
		return true;
	*category = "unknown_property";
	*problem = psprintf("HubSpot has no property \"%s\", which the SERVER option %s names; "
						"SELECT hubspot_create_property('%s', '%s', 'string', "
						"is_unique => true) creates it",
						key->property, object_types[part].id_option, object_types[part].name,
						key->property);
	return false;
}

/*
 * All of them: who creates what is missing must not learn of the next one by the next refusal.
 */
static const char *
describe_unknown(const Mapping *mapping, int first)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, mapping->nunknown - first > 1 ? "HubSpot has no properties"
						   : "HubSpot has no property");
	for (int i = first; i < mapping->nunknown; i++)
		appendStringInfo(&text, "%s \"%s\"", i > first ? "," : "", mapping->unknown[i].name);
	return text.data;
}

bool
records_check(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	Account    *account = row->key->lane->account;
	Object		part = row->key->lane->family;
	StringInfoData json;
	StringInfoData warnings;
	Mapping		mapping;
	MessageKey	key = queue_message_key(row->key);
	bool		rejects = account->options->unknown_properties == UNKNOWN_REJECT;
	int			nawaited = 0;

	if (!check_key_property(row, category, problem))
		return false;
	if (account->options->create_properties || !(rejects || row->is_sync) ||
		schema_sync_may_look(account, part))
		return true;
	initStringInfo(&json);
	initStringInfo(&warnings);
	mapping_begin(&mapping, &json, account->rules[part]);
	mapping_add_record(&mapping, row->call, parts, &key, &warnings);
	while (nawaited < mapping.nunknown &&
		   await_creation_is_due(row, part, mapping.unknown[nawaited].name))
		nawaited++;

	/* a member of an audience without its property would seem to be told */
	if (!rejects && mapping.nnames > 0)
		nawaited = mapping.nunknown;
	if (nawaited < mapping.nunknown)
	{
		*category = "unknown_property";
		*problem = describe_unknown(&mapping, nawaited);
		row->warnings = psprintf("[%s]", warnings.data);
		for (int i = nawaited; i < mapping.nunknown; i++)
			unknown_note(account->server, part, &mapping.unknown[i], row->id);
	}
	pfree(json.data);
	pfree(warnings.data);
	return nawaited == mapping.nunknown;
}

bool
records_may_merge(const Row *first, const Row *next)
{
	const Lane *lane = first->key->lane;

	return lane->account->rules[lane->family]->properties != NULL ||
		(!message_may_have_change(first->message) && !message_may_have_change(next->message));
}

/* ---- inputs that write ------------------------------------------------------------------ */

void
records_begin_input(StringInfo body, const char *id_property, const char *id, const char *trace)
{
	appendStringInfoChar(body, '{');
	if (id_property != NULL)
	{
		appendStringInfoString(body, "\"idProperty\":");
		value_append_string(body, id_property, strlen(id_property));
		appendStringInfoChar(body, ',');
	}
	if (id != NULL)
	{
		appendStringInfoString(body, "\"id\":");
		value_append_string(body, id, strlen(id));
		appendStringInfoChar(body, ',');
	}
	appendStringInfoString(body, "\"objectWriteTraceId\":\"");
	appendStringInfoString(body, trace);
	appendStringInfoString(body, "\",\"properties\":{");
}

void
records_end_input(StringInfo body)
{
	appendStringInfoString(body, "}}");
}

void
records_begin_associations(StringInfo body)
{
	appendStringInfoString(body, "},\"associations\":[");
}

void
records_append_association(StringInfo body, const char *record_id, int type_id)
{
	appendStringInfo(body, "%s{\"to\":{\"id\":", body->data[body->len - 1] != '[' ? "," : "");
	if (record_id != NULL)
		value_append_string(body, record_id, strlen(record_id));
	else
		appendStringInfoString(body, "null");
	appendStringInfo(body,
					 "},\"types\":[{\"associationCategory\":\"HUBSPOT_DEFINED\","
					 "\"associationTypeId\":%d}]}", type_id);
}

void
records_end_associations(StringInfo body)
{
	appendStringInfoString(body, "]}");
}

void
records_warn_of_company(Mapping *mapping, Call call, const MessageParts *parts,
						const AccountOptions *options)
{
	MessageKey	company;
	const char *why;

	if (options->associate_company_trait &&
		!message_contact_company(call, parts, options->id_property[OBJECT_IS_COMPANY], &company,
								 &why) && why != NULL)
		mapping_warn(mapping, "company_ignored", "company", strlen("company"), why);
}

/* Add one row's properties below those of newer rows. */
static BuildResult
add_row(Mapping *mapping, Input *input, Row *row, const MessageParts *parts)
{
	MessageKey	key = queue_message_key(row->key);
	StringInfoData warnings;
	BuildResult result;

	initStringInfo(&warnings);
	mapping->keeps_address = input->keeps_address;
	mapping->leaves_owners = row_was(row, ONCE_WITHOUT_OWNER);
	mapping_add_record(mapping, row->call, parts, &key, &warnings);
	if (mapping->rules->object == OBJECT_IS_CONTACT)
		records_warn_of_company(mapping, row->call, parts, row->key->lane->account->options);
	result = deal_with_unknown(input, row, row->key->lane->family, mapping);
	row->warnings = warnings.len > 0 ? psprintf("[%s]", warnings.data) : NULL;
	pfree(warnings.data);
	return result;
}

/* A text that was written for a property (NULL: there is none such), NULL when none was. */
static const char *
text_written(const Mapping *mapping, const char *property)
{
	char	   *json = property == NULL ? NULL : mapping_value(mapping, property);
	int			len = json == NULL ? 0 : strlen(json);

	return len <= 2 ? NULL : pnstrdup(json + 1, len - 2);
}

AckResult
records_exists(const Input *input)
{
	AckResult	result = {.verdict = VERDICT_UNCHANGED, .created = -1,
		.record_id = input->key->record_id,
	.category = "exists", .message = "HubSpot has the record already, and this row only creates"};

	return result;
}

BuildResult
records_end_unsent(Input *input, AckResult result)
{
	input->unsent = palloc(sizeof(AckResult));
	*input->unsent = result;
	return BUILD_UNCHANGED;
}

static BuildResult
end_as_unchanged(Input *input)
{
	AckResult	result = {.verdict = VERDICT_UNCHANGED, .created = -1,
	.record_id = unchanged_record(input)};

	return records_end_unsent(input, input->rows[0]->mode == MODE_CREATE ? records_exists(input)
							  : result);
}

static bool
is_held(const char *held, const char *name)
{
	size_t		len = strlen(name);

	for (const char *at = held; *at != '\0'; at = strchr(at, '\n') + 1)
		if (strncmp(at, name, len) == 0 && at[len] == '\n')
			return true;
	return false;
}

/*
 * Of a late row, what HubSpot has a value of stays, unless the row only adds to it; returns whether
 * nothing is left to be sent.
 */
static bool
leave_out_held(Input *input, Mapping *mapping)
{
	const char *held = input->rows[0]->is_late ? input->rows[0]->held : NULL;
	bool	   *chosen;
	int			nchosen = 0;
	int			nnames = mapping->nnames;

	if (held == NULL || held[0] == '\0')
		return false;
	chosen = palloc0(sizeof(bool) * (nnames + 1));
	for (int i = 0; i < nnames; i++)
	{
		const char *name = mapping_name(mapping, i);

		/*
		 * A change adds to what HubSpot has, whichever came first; a state would overwrite the
		 * younger one.
		 */
		chosen[i] = is_held(held, name) && !mapping_is_change(mapping, &mapping->names[i]);
		nchosen += chosen[i];
		if (chosen[i])
			batch_warn(input, "older_value", name,
					   "the userId was told after this call, and HubSpot has a value that may be "
					   "younger");
	}
	mapping_leave_out(mapping, chosen);
	pfree(chosen);
	return nchosen == nnames;
}

static AckResult
all_held(const Input *input)
{
	AckResult	result = {.verdict = VERDICT_UNCHANGED, .created = -1,
		.record_id = input->key->record_id, .category = "older_value",
		.message = "HubSpot has values already that may be younger than those of this row, whose "
	"userId was told after it"};

	return result;
}

/* The rows tell a domain by which the company was found once, but which is not its primary one. */
static void
keep_domain(Input *input, const MessageParts *parts)
{
	const RecordKinds *kinds = records_of(input->key->lane);
	const char *domain = input->key->further_domain != 0 && kinds->alias != NULL
	? kinds->alias(input, parts) : NULL;

	if (domain != NULL && queue_is_further_domain(input->key, domain))
		input->keeps_address = true;
}

BuildResult
records_append_properties(Batch *batch, Input *input, const MessageParts *parts, bool with_key)
{
	const WorkKey *key = input->key;
	const CrmType *type = records_type(key->lane);
	StringInfo	body = &batch->body;
	Mapping		mapping;
	BuildResult result = records_wait_for_key(input) ? BUILD_WAIT : BUILD_DONE;

	keep_domain(input, parts);
	mapping_begin(&mapping, body, key->lane->account->rules[key->lane->family]);
	for (int i = input->nrows - 1; i >= 0; i--)
		if (add_row(&mapping, input, input->rows[i], &parts[i]) == BUILD_WAIT)
			result = BUILD_WAIT;
	/* the properties were known when the rows were taken: see records_may_merge() */
	if (mapping.is_open)
		result = BUILD_WAIT;
	if (result == BUILD_DONE && leave_out_held(input, &mapping) && !with_key)
		result = records_end_unsent(input, all_held(input));
	if (has_own_property(key, type) && !input->keeps_address)
		input->alias = text_written(&mapping, type->natural_key);
	with_key = with_key && mapping_value(&mapping, key->property) == NULL;
	if (result == BUILD_DONE && unchanged_leave_out(batch, input, &mapping) && !with_key)
		result = end_as_unchanged(input);
	if (with_key)
	{
		if (mapping.nnames > 0)
			appendStringInfoChar(body, ',');
		value_append_string(body, key->property, strlen(key->property));
		appendStringInfoChar(body, ':');
		value_append_string(body, key->key, strlen(key->key));
	}
	input->stage = text_written(&mapping, type->stage_property);
	mapping_end(&mapping);
	return result;
}

BuildResult
records_append_upsert(Batch *batch, Input *input, const MessageParts *parts)
{
	BuildResult result;

	records_begin_input(&batch->body, queue_id_property(input->key), input->key->key, input->trace);
	result = records_append_properties(batch, input, parts, false);
	records_end_input(&batch->body);
	return result;
}

BuildResult
records_append_update(Batch *batch, Input *input, const MessageParts *parts)
{
	BuildResult result;

	records_begin_input(&batch->body, NULL, input->key->record_id, input->trace);
	result = records_append_properties(batch, input, parts, input->adopts &&
									   has_own_property(input->key, batch->type));
	records_end_input(&batch->body);
	return result;
}

static BuildResult
append_stage(Batch *batch, Input *input, const char *stage)
{
	records_begin_input(&batch->body, NULL, input->key->record_id, input->trace);
	appendStringInfo(&batch->body, "\"%s\":\"%s\"", records_type(batch->lane)->stage_property,
					 stage);
	records_end_input(&batch->body);
	return BUILD_DONE;
}

BuildResult
records_append_cleared_stage(Batch *batch, Input *input, const MessageParts *parts)
{
	return append_stage(batch, input, "");
}

BuildResult
records_append_stage(Batch *batch, Input *input, const MessageParts *parts)
{
	return append_stage(batch, input, input->stage);
}

/* ---- inputs that read ---------------------------------------------------------------------- */

static BuildResult
append_id(StringInfo body, const char *id)
{
	appendStringInfoString(body, "{\"id\":");
	value_append_string(body, id, strlen(id));
	appendStringInfoChar(body, '}');
	return BUILD_DONE;
}

BuildResult
records_append_new(Batch *batch, Input *input, const MessageParts *parts)
{
	records_begin_input(&batch->body, queue_id_property(input->key), input->key->key, input->trace);
	records_end_input(&batch->body);
	return BUILD_DONE;
}

BuildResult
records_append_id(Batch *batch, Input *input, const MessageParts *parts)
{
	return append_id(&batch->body, input->key->key);
}

BuildResult
records_append_alias(Batch *batch, Input *input, const MessageParts *parts)
{
	return append_id(&batch->body, input->alias);
}

void
records_begin_asked(Batch *batch, const char *id_property)
{
	const char *always = batch->type->read_properties;

	appendStringInfo(&batch->body, "],\"properties\":[%s", always != NULL ? always : "");
	/* of two records that were made one, the id that is asked for may be the other one's */
	if (object_key_is_record_id(id_property))
		records_append_asked(batch, MERGED_IDS);
}

void
records_append_asked(Batch *batch, const char *name)
{
	StringInfo	body = &batch->body;

	if (body->data[body->len - 1] != '[')
		appendStringInfoChar(body, ',');
	value_append_string(body, name, strlen(name));
}

void
records_end_asked(Batch *batch, const char *id_property)
{
	appendStringInfoChar(&batch->body, ']');
	if (!object_key_is_record_id(id_property))
	{
		appendStringInfoString(&batch->body, ",\"idProperty\":");
		value_append_string(&batch->body, id_property, strlen(id_property));
	}
	appendStringInfoChar(&batch->body, '}');
}

void
records_end_read_by(Batch *batch, const char *id_property, const char *also)
{
	records_begin_asked(batch, id_property);
	if (also != NULL && !object_key_is_record_id(also))
		records_append_asked(batch, also);
	records_end_asked(batch, id_property);
}

void
records_end_read(Batch *batch)
{
	const WorkKey *key = batch->inputs[0].key;

	if (batch->ninputs > 0)
		records_end_read_by(batch, queue_id_property(key), has_own_property(key, batch->type)
							? key->property : NULL);
}

/* ---- answers to those that read ------------------------------------------------------------ */

static bool
result_is(const ReplyResult *result, const char *property, const char *id)
{
	bool		by_id = property == NULL || object_key_is_record_id(property);
	const char *value = by_id ? result->id : reply_property(result, property);
	const char *more = by_id ? reply_property(result, MERGED_IDS)
	: strcmp(property, "email") == 0 ? reply_property(result, "hs_additional_emails") : NULL;

	return result->id != NULL &&
		((value != NULL && pg_strcasecmp(value, id) == 0) ||
		 (more != NULL && value_list_has(more, id)));
}

static bool
error_names(const Reply *reply, const char *id)
{
	for (int i = 0; i < reply->nerrors; i++)
		if (reply_error_names(&reply->errors[i], id))
			return true;
	return false;
}

bool
records_match_read(const Batch *batch, const Reply *reply, const char *property,
				   const char *const *ids,
				   const ReplyResult **found)
{
	bool		complete = true;

	for (int i = 0; i < batch->ninputs; i++)
	{
		found[i] = NULL;
		for (int j = 0; j < reply->nresults && found[i] == NULL; j++)
			if (result_is(&reply->results[j], property, ids[i]))
				found[i] = &reply->results[j];
		if (found[i] == NULL && !error_names(reply, ids[i]))
			complete = false;
	}
	return complete || reply->nresults + reply->nerrors >= batch->ninputs;
}

/* The inputs' own keys, palloc'd. */
static const char **
keys_of(const Batch *batch)
{
	const char **ids = palloc(sizeof(char *) * batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
		ids[i] = batch->inputs[i].key->key;
	return ids;
}

bool
records_match_keys(const Batch *batch, const Reply *reply, const ReplyResult **found)
{
	const char **ids = keys_of(batch);
	bool		complete = records_match_read(batch, reply,
											  queue_id_property(batch->inputs[0].key), ids, found);

	pfree(ids);
	return complete;
}

void
records_read_answered(Batch *batch, const Reply *reply, AckRequest *request, const char *property,
					  const char *const *ids, RecordDecision decide)
{
	const ReplyResult **found = palloc(sizeof(ReplyResult *) * batch->ninputs);
	bool		complete;

	if (reply->class != REPLY_RECORDS)
	{
		batch_refused(batch, reply, request);
		return;
	}
	complete = records_match_read(batch, reply, property, ids, found);
	for (int i = 0; i < batch->ninputs; i++)
	{
		/* "Not there" makes a second record, or refuses a row: it is believed last. */
		if (found[i] == NULL && !complete)
			batch->inputs[i].onward = &batch_same;
		else
			decide(batch, &batch->inputs[i], found[i], reply, request);
	}
	batch_go_on(batch, reply, request);
}

void
records_keys_answered(Batch *batch, const Reply *reply, AckRequest *request, RecordDecision decide)
{
	records_read_answered(batch, reply, request, queue_id_property(batch->inputs[0].key),
						  keys_of(batch), decide);
}
