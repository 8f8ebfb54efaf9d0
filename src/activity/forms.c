/*
 * forms.c
 *		The forms lane: submissions, each once at most.
 *
 * A repeat is a second submission, with all that HubSpot's workflows make of
 * it.  So a request goes out on a connection of its own, which libcurl never
 * repeats by itself, and when it may have arrived and the answer does not say,
 * the row ends as unknown.  What clearly was not accepted goes out again.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "activity/families.h"
#include "activity/forms.h"
#include "request/batch.h"
#include "text/value.h"

/* Members of "context" that HubSpot takes. */
static const char *const context_members[] = {"hutk", "pageUri", "pageName", "ipAddress"};

/* ---- a request ------------------------------------------------------------------ */

static bool
get_text(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL &&
		value->type == jbvString && value->val.string.len > 0;
}

static void
append_field(StringInfo body, JsonbContainer *field)
{
	JsonbValue	value;

	appendStringInfoString(body, "{\"objectTypeId\":");
	if (get_text(field, "objectTypeId", &value))
		value_append(body, &value);
	else
		appendStringInfoString(body, "\"0-1\"");
	appendStringInfoString(body, ",\"name\":");
	if (get_text(field, "name", &value))
		value_append(body, &value);
	else
		appendStringInfoString(body, "\"\"");
	appendStringInfoString(body, ",\"value\":");
	if (getKeyJsonValueFromContainer(field, "value", strlen("value"), &value) == NULL)
		value.type = jbvNull;
	value_append(body, &value);
	appendStringInfoChar(body, '}');
}

static void
append_fields(StringInfo body, const MessageParts *parts)
{
	JsonbValue	fields;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	field;
	bool		first = true;

	if (getKeyJsonValueFromContainer(parts->root, "fields", strlen("fields"), &fields) == NULL ||
		fields.type != jbvBinary)
		return;
	it = JsonbIteratorInit(fields.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &field, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM || field.type != jbvBinary ||
			!JsonContainerIsObject(field.val.binary.data))
			continue;
		if (!first)
			appendStringInfoChar(body, ',');
		first = false;
		append_field(body, field.val.binary.data);
	}
}

static void
append_context(StringInfo body, const MessageParts *parts, bool with_hutk)
{
	bool		first = true;
	JsonbValue	value;

	if (parts->context == NULL)
		return;
	appendStringInfoString(body, ",\"context\":{");
	for (int i = with_hutk ? 0 : 1; i < lengthof(context_members); i++)
	{
		if (!get_text(parts->context, context_members[i], &value))
			continue;
		appendStringInfo(body, "%s\"%s\":", first ? "" : ",", context_members[i]);
		value_append(body, &value);
		first = false;
	}
	appendStringInfoChar(body, '}');
}

/* Milliseconds since 1970: the message's own, else the time of the call. */
static void
append_time(StringInfo body, const MessageParts *parts, TimestampTz called_at)
{
	JsonbValue	value;

	appendStringInfoString(body, "\"submittedAt\":");
	if (getKeyJsonValueFromContainer(parts->root, "submittedAt", strlen("submittedAt"), &value) !=
		NULL &&
		(value.type == jbvString || value.type == jbvNumeric))
		value_append(body, &value);
	else
		appendStringInfo(body, "\"" INT64_FORMAT "\"",
						 called_at / 1000 +
						 (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000);
}

void
forms_append_body(StringInfo body, const MessageParts *parts, TimestampTz called_at, bool with_hutk)
{
	JsonbValue	consent;

	appendStringInfoChar(body, '{');
	append_time(body, parts, called_at);
	appendStringInfoString(body, ",\"fields\":[");
	append_fields(body, parts);
	appendStringInfoChar(body, ']');
	append_context(body, parts, with_hutk);
	if (getKeyJsonValueFromContainer(parts->root, "legalConsentOptions",
									 strlen("legalConsentOptions"), &consent) != NULL)
	{
		appendStringInfoString(body, ",\"legalConsentOptions\":");
		value_append_compact(body, &consent);
	}
	appendStringInfoChar(body, '}');
}

void
forms_append_path(StringInfo path, const MessageParts *parts, int64 portal_id, bool is_public)
{
	JsonbValue	form;
	JsonbValue	portal;
	char	   *text = NULL;

	if (!message_text(parts, "formId", &form))
		(void) message_text(parts, "form_id", &form);
	if (getKeyJsonValueFromContainer(parts->root, "portalId", strlen("portalId"), &portal) != NULL)
		text = message_scalar_text(&portal);
	if (text == NULL || strlen(text) > 15 || strspn(text, "0123456789") != strlen(text) ||
		text[0] == '\0')
		text = psprintf(INT64_FORMAT, portal_id);
	appendStringInfo(path, "/submissions/v3/integration/%ssubmit/%s/%.*s",
					 is_public ? "" : "secure/", text,
					 form.val.string.len, form.val.string.val);
}

static bool
check_form(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	MessageKey	key;
	MessageProblem why;

	if (message_form_key(parts, &key, &why))
		return true;
	*category = "bad_message";
	*problem = why.message;
	return false;
}

static BuildResult
append_form(Batch *batch, Input *input, const MessageParts *parts)
{
	Row		   *row = input->rows[0];

	if (row_was(row, ONCE_WITHOUT_HUTK))
		row->warnings =
			"[{\"code\":\"invalid_hutk\",\"property\":\"hutk\",\"detail\":\"HubSpot does not know "
			"this browser token; sent without it\"}]";
	forms_append_body(&batch->body, parts, row->called_at, !row_was(row, ONCE_WITHOUT_HUTK));
	return BUILD_DONE;
}

static const RequestKind submit_form;
static const RequestKind submit_public_form;

static void
form_address(const Batch *batch, Address *address)
{
	const Row  *row = batch->inputs[0].rows[0];
	const Account *account = batch->lane->account;
	bool		is_public = batch->kind == &submit_public_form;
	MessageParts parts;
	MessageProblem problem;
	StringInfoData path;

	if (!message_read(row->message, &parts, &problem))
		elog(ERROR, "outbox row " INT64_FORMAT " is unreadable: %s", row->id, problem.message);
	initStringInfo(&path);
	forms_append_path(&path, &parts, account->portal_id, is_public);
	strlcpy(address->path, path.data, sizeof(address->path));
	address->base_url = account->options->forms_url;
	address->with_token = !is_public;
}

/* ---- its answer ------------------------------------------------------------------- */

static void
end_form(Batch *batch, Verdict verdict, const char *category, const char *message,
		 const Reply *reply,
		 AckRequest *request)
{
	AckResult	result =
	{.verdict = verdict, .request = request, .http_status = reply->status, .created = -1,
	.category = category, .message = message};

	batch_end_input(&batch->inputs[0], &result);
}

/* The answer does not say that the submission was taken, nor why not. */
static Settlement
settle_form(Batch *batch, const Reply *reply, bool answered, bool reached, AckRequest *request)
{
	Account    *account = batch->lane->account;
	bool		with_token = batch->kind == &submit_form;

	if (!answered)
	{
		/* Certainly nothing was submitted: the form is sent again. */
		if (!batch_may_be_done(reply, answered, reached))
			return SETTLE_NOT;
		end_form(batch, VERDICT_UNKNOWN, "answer_lost",
				 "the form may have been submitted: the answer was lost, "
				 "and a repeat could be a second submission",
				 reply, request);
		return SETTLE_DONE;
	}
	if (reply->class == REPLY_FORBIDDEN && with_token)
	{
		account->forms_public = true;
		batch->kind = &submit_public_form;
		return SETTLE_AGAIN;
	}
	if (!batch_may_be_done(reply, answered, reached))
		return SETTLE_NOT;
	end_form(batch, VERDICT_UNKNOWN, "answer_lost", reply->message, reply, request);
	return SETTLE_DONE;
}

/* All that is wrong with the form: who mends the first only would be refused for the second. */
static const char *
all_errors(const Reply *reply)
{
	StringInfoData all;
	const char *message;

	initStringInfo(&all);
	for (int i = 0; (message = reply_nested_message(reply, i)) != NULL; i++)
		if (message[0] != '\0')
			appendStringInfo(&all, "%s%s", all.len > 0 ? "; " : "", message);
	return all.len > 0 ? all.data : reply->message;
}

static void
form_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	Row		   *row = input->rows[0];
	const char *code = reply_code(reply);

	if (reply->class == REPLY_RECORDS && reply->nerrors > 0)
		end_form(batch, VERDICT_UNKNOWN, "answer_lost",
				 "the form may have been submitted: HubSpot answered with success, and with errors",
				 reply, request);
	else if (reply->class == REPLY_RECORDS)
		end_form(batch, VERDICT_DELIVERED, NULL, NULL, reply, request);
	else if (strcmp(code, "INVALID_HUTK") == 0 && !row_was(row, ONCE_WITHOUT_HUTK))
	{
		row_note(row, ONCE_WITHOUT_HUTK);
		batch_put_back(input->key, input->rows, input->nrows);
	}
	else
		end_form(batch, VERDICT_REJECTED, code, all_errors(reply), reply, request);
}

static const RequestKind submit_form = {
	.repeat = REPEAT_DOUBLES,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1,
	.names_content = true,
	.append_input = append_form,
	.address = form_address,
	.settle = settle_form,
	.answered = form_answered,
};

/* Without a token, and so with a limit of its own. */
static const RequestKind submit_public_form = {
	.repeat = REPEAT_DOUBLES,
	.meter = METER_FORMS,
	.max_inputs = 1,
	.max_rows = 1,
	.names_content = true,
	.append_input = append_form,
	.address = form_address,
	.settle = settle_form,
	.answered = form_answered,
};

static const RequestKind *
kind_of_form(WorkKey *key)
{
	return key->lane->account->forms_public ? &submit_public_form : &submit_form;
}

const FamilyWork forms_work = {
	.kind = &submit_form,
	.kind_of = kind_of_form,
	.check = check_form,
};
