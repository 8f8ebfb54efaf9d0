/*
 * legacy.c
 *		Legacy behavioural events, for accounts with events = 'legacy'.
 *
 * A GET of HubSpot's tracking host, whose answer is an empty picture whatever
 * was sent: there is no token, no limit and no error.  So a row ends as
 * sent_unconfirmed, and one whose answer was lost as unknown, for a repeat
 * would count twice.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/hubspot.h"
#include "activity/legacy.h"
#include "text/value.h"

const char *const legacy_path = "/v1/event";

static void
append_parameter(StringInfo query, const char *name, const char *value, int len)
{
	appendStringInfoChar(query, query->len == 0 ? '?' : '&');
	value_append_encoded(query, name, strlen(name));
	appendStringInfoChar(query, '=');
	value_append_encoded(query, value, len);
}

/* "revenue" of the properties is added to the contact's. */
static void
append_revenue(StringInfo query, const MessageParts *parts)
{
	JsonbContainer *properties = parts->flat ? parts->root : parts->properties;
	JsonbValue	revenue;
	char	   *text;

	if (!message_field(properties, "revenue", &revenue) || revenue.type != jbvNumeric)
		return;
	text = message_scalar_text(&revenue);
	append_parameter(query, "_m", text, strlen(text));
}

/* The text of a property as the mapping has written it. */
static void
append_property(StringInfo query, const Mapping *mapping, const MappingName *name)
{
	char	   *json = pnstrdup(mapping->json->data + name->value_offset, name->value_len);
	Datum		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(psprintf("[%s]", json)));
	JsonbValue *text = getIthJsonbValueFromContainer(&DatumGetJsonbP(value)->root, 0);

	append_parameter(query, pnstrdup(mapping->json->data + name->offset, name->len),
					 text->val.string.val, text->val.string.len);
}

void
legacy_append_query(StringInfo query, const EventSource *source, const AccountOptions *options,
					Mapping *mapping, StringInfo warnings)
{
	char	   *hub = psprintf(INT64_FORMAT, source->portal_id);
	char	   *email =
	(source->key_property == NULL
	 ? pstrdup(source->key) : message_email(source->call, source->parts));
	MessageParts contact = *source->parts;
	MessageKey	key = {NULL, email != NULL ? email : ""};
	int			len;
	const char *event = event_wanted(source, options, &len);

	append_parameter(query, "_a", hub, strlen(hub));
	append_parameter(query, "_n", event, len);
	if (email != NULL)
		append_parameter(query, "email", email, strlen(email));
	append_revenue(query, source->parts);

	/* only context.traits are the contact's */
	contact.flat = false;
	contact.traits = NULL;
	mapping_add_contact(mapping, source->call, &contact, &key, warnings);
	for (int i = 0; i < mapping->nnames; i++)
		append_property(query, mapping, &mapping->names[i]);
}

/* The batch's body is the query; the row's message has been checked. */
static BuildResult
append_legacy(Batch *batch, Input *input, const MessageParts *parts)
{
	Row		   *row = input->rows[0];
	Account    *account = row->key->lane->account;
	EventSource source = {
		.call = row->call, .parts = parts, .key_property = row->key->property, .key = row->key->key,
		.record_id = "", .portal_id = account->portal_id, .id = row->identity,
		.called_at = row->called_at
	};
	StringInfoData json;
	StringInfoData warnings;
	Mapping		mapping;

	initStringInfo(&json);
	initStringInfo(&warnings);
	mapping_begin(&mapping, &json, account->rules[OBJECT_IS_CONTACT]);
	legacy_append_query(&batch->body, &source, account->options, &mapping, &warnings);
	mapping_end(&mapping);
	row->warnings = warnings.len > 0 ? psprintf("[%s]", warnings.data) : NULL;
	return BUILD_DONE;
}

static void
legacy_address(const Batch *batch, Address *address)
{
	strlcpy(address->path, legacy_path, sizeof(address->path));
	address->query = batch->body.data;
	address->base_url = batch->lane->account->options->events_url;
	address->with_token = false;
}

static void
end_legacy(Batch *batch, Verdict verdict, const char *category, const char *message,
		   const Reply *reply, AckRequest *request)
{
	AckResult	result =
	{.verdict = verdict, .request = request, .http_status = reply->status, .created = -1,
	.category = category, .message = message};

	batch_end_rows(&batch->inputs[0], &result);
}

/* The answer is a picture, which is no JSON: the status is all that it says. */
static Settlement
settle_legacy(Batch *batch, const Reply *reply, bool answered, bool reached, AckRequest *request)
{
	if (answered && reply->status >= 200 && reply->status < 300)
		end_legacy(batch, VERDICT_SENT_UNCONFIRMED, NULL, NULL, reply, request);
	else if (batch_may_be_done(reply, answered, reached))
		end_legacy(batch, VERDICT_UNKNOWN, "answer_lost", answered ? reply->message
				   : "the event may have been sent: the answer was lost, "
				   "and a repeat would count twice",
				   reply, request);
	else
		return SETTLE_NOT;
	return SETTLE_DONE;
}

static void
legacy_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	batch_refused(batch, reply, request);
}

const RequestKind legacy_event = {
	.repeat = REPEAT_DOUBLES,
	.meter = METER_NONE,
	.max_inputs = 1,
	.max_rows = 1,
	.method = "GET",
	.append_input = append_legacy,
	.address = legacy_address,
	.settle = settle_legacy,
	.answered = legacy_answered,
};
