/*
 * subscription_write.c
 *		Requests that subscribe addresses, or opt them out.
 *
 * Called by batch.c, in the batch's memory context.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "consent/subscription.h"
#include "text/value.h"

static const char *const tail_write = "/statuses/batch/write";
static const char *const tail_leave = "/statuses/batch/unsubscribe-all";
static const char *const tail_subscribe = "/subscribe";
static const char *const tail_unsubscribe = "/unsubscribe";

/* ---- bodies -------------------------------------------------------------------------------- */

static void
append_text(StringInfo body, const char *name, const char *text)
{
	appendStringInfo(body, "\"%s\":", name);
	value_append_string(body, text, strlen(text));
	appendStringInfoChar(body, ',');
}

static void
append_basis(StringInfo body, const MessageConsent *consent)
{
	if (consent->legal_basis == NULL)
		return;
	append_text(body, "legalBasis", consent->legal_basis);
	append_text(body, "legalBasisExplanation", consent->explanation);
}

/* The id is a number in this contract; what check_row() has let pass is one. */
static void
append_wish(StringInfo body, const MessageConsent *consent, const char *id)
{
	append_text(body, "statusState", consent->subscribed ? "SUBSCRIBED" : "UNSUBSCRIBED");
	append_text(body, "channel", consent->channel);
	append_basis(body, consent);
	appendStringInfo(body, "\"subscriptionId\":%s}", id);
}

static void
append_wish_of(StringInfo body, const char *address, const MessageConsent *consent, const char *id)
{
	appendStringInfoChar(body, '{');
	append_text(body, "subscriberIdString", address);
	append_wish(body, consent, id);
}

static void
append_old_wish(StringInfo body, const char *address, const MessageConsent *consent, const char *id)
{
	appendStringInfoChar(body, '{');
	append_text(body, "emailAddress", address);
	append_basis(body, consent);
	appendStringInfo(body, "\"subscriptionId\":\"%s\"}", id);
}

static BuildResult
append_many(Batch *batch, Input *input, const MessageParts *parts)
{
	MessageConsent consent = subscription_of(input->rows[0]);

	append_wish_of(&batch->body, input->key->key, &consent,
				   subscription_id(input->rows[0], &consent));
	return BUILD_DONE;
}

static BuildResult
append_one(Batch *batch, Input *input, const MessageParts *parts)
{
	MessageConsent consent = subscription_of(input->rows[0]);

	appendStringInfoChar(&batch->body, '{');
	append_wish(&batch->body, &consent, subscription_id(input->rows[0], &consent));
	return BUILD_DONE;
}

static BuildResult
append_v3(Batch *batch, Input *input, const MessageParts *parts)
{
	MessageConsent consent = subscription_of(input->rows[0]);

	append_old_wish(&batch->body, input->key->key, &consent,
					subscription_id(input->rows[0], &consent));
	return BUILD_DONE;
}

void
subscription_append_request(StringInfo path, StringInfo body, const char *address,
							const MessageConsent *consent, const char *id, bool is_v3)
{
	if (is_v3)
	{
		appendStringInfoString(path, consent->subscribed ? tail_subscribe : tail_unsubscribe);
		append_old_wish(body, address, consent, id);
		return;
	}
	appendStringInfoString(path, consent->of_all ? tail_leave : tail_write);
	appendStringInfoString(body, "{\"inputs\":[");
	if (consent->of_all)
		value_append_string(body, address, strlen(address));
	else
		append_wish_of(body, address, consent, id);
	appendStringInfoString(body, "]}");
}

/* ---- where they go ------------------------------------------------------------------------- */

static void
address_many(const Batch *batch, Address *address)
{
	strlcat(address->path, tail_write, sizeof(address->path));
}

/* The address stands behind the path, which is logged. */
static void
address_one(const Batch *batch, Address *address)
{
	StringInfoData query;

	strlcat(address->path, "/statuses", sizeof(address->path));
	initStringInfo(&query);
	appendStringInfoChar(&query, '/');
	value_append_encoded(&query, batch->inputs[0].key->key, strlen(batch->inputs[0].key->key));
	address->query = query.data;
}

static void
address_leave_many(const Batch *batch, Address *address)
{
	MessageConsent consent = subscription_of(batch->inputs[0].rows[0]);

	strlcat(address->path, tail_leave, sizeof(address->path));
	address->query = psprintf("%s&verbose=true", subscription_query(&consent, NULL, ""));
}

static void
address_leave_one(const Batch *batch, Address *address)
{
	const Input *input = &batch->inputs[0];
	MessageConsent consent = subscription_of(input->rows[0]);

	strlcat(address->path, "/statuses", sizeof(address->path));
	address->query =
		psprintf("%s&verbose=true",
				 subscription_query(&consent, input->key->key, "/unsubscribe-all"));
}

static void
address_v3(const Batch *batch, Address *address)
{
	MessageConsent consent = subscription_of(batch->inputs[0].rows[0]);

	strlcat(address->path, consent.subscribed ? tail_subscribe : tail_unsubscribe,
			sizeof(address->path));
}

/* ---- answers ------------------------------------------------------------------------------- */

static void
end(Input *input, Verdict verdict, const char *category, const char *message, const Reply *reply,
	AckRequest *request)
{
	AckResult	result = {.verdict = verdict, .request = request, .http_status = reply->status,
	.created = -1, .category = category, .message = message};

	batch_end_input(input, &result);
}

/* HubSpot says how the address stands. */
static void
end_told(Input *input, const ReplyConsent *told, const Reply *reply, AckRequest *request)
{
	MessageConsent consent = subscription_of(input->rows[0]);

	if (consent.subscribed && strcmp(told->status, "UNSUBSCRIBED") == 0)
		end(input, VERDICT_REJECTED, "unsubscribed",
			"HubSpot has it that this address has opted out", reply, request);
	else if (strcmp(told->reason, "NO_STATUS_CHANGE") == 0 &&
			 !row_may_have_arrived(input->rows[0]))
		end(input, VERDICT_UNCHANGED, NULL, NULL, reply, request);
	else
		end(input, VERDICT_DELIVERED, NULL, NULL, reply, request);
}

/* An address that is to be subscribed. */
static void
end_silent(Input *input, const Reply *reply, AckRequest *request)
{
	end(input, VERDICT_UNKNOWN, "answer_lost",
		"HubSpot answered with success but did not say anything about this address", reply,
		request);
}

static const char *
error_code(const ReplyError *error)
{
	return error->code != NULL ? error->code : error->category;
}

static bool
is_subscribing(const RequestKind *kind)
{
	return kind == &subscription_subscribe_many || kind == &subscription_subscribe_one;
}

/* The only input of a request. */
static void
one_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	MessageConsent consent = subscription_of(input->rows[0]);
	bool		open = true;
	ReplyConsent told;

	if (reply->class != REPLY_RECORDS)
		subscription_refused(input, reply_code(reply), reply->message, reply->status, request);
	else if (reply_consent(reply, input->key->key,
						   consent.of_all ? NULL : subscription_id(input->rows[0], &consent),
						   &told))
		end_told(input, &told, reply, request);
	else if (reply->nerrors > 0)
		subscription_refused(input, error_code(&reply->errors[0]), reply->errors[0].message,
							 reply->status, request);
	else if (consent.of_all || batch->kind == &subscription_set_v3)
		/* of everything there may be nothing to tell, and v3 tells in another form */
		end(input, VERDICT_DELIVERED, NULL, NULL, reply, request);
	else if (is_subscribing(batch->kind))
		end_silent(input, reply, request);
	else
		batch_silent(batch, &open, reply, request);
}

/*
 * Whoever is left out beside errors is meant by one of them, and goes by himself: then the answer
 * is about him.  Without errors he may have been subscribed, and that is not done twice.
 */
static void
many_answered(Batch *batch, const Reply *reply, AckRequest *request,
			  const RequestKind *of_one)
{
	bool	   *alone = palloc0(sizeof(bool) * batch->ninputs);

	/* a refusal of all does not say whom it means: halves of the request find out */
	if (reply->class != REPLY_RECORDS && batch->ninputs > 1)
	{
		batch_bisect(batch, reply);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		MessageConsent consent = subscription_of(input->rows[0]);
		ReplyConsent told;

		if (reply->class != REPLY_RECORDS)
			subscription_refused(input, reply_code(reply), reply->message, reply->status, request);
		else if (reply_consent(reply, input->key->key,
							   consent.of_all ? NULL : subscription_id(input->rows[0], &consent),
							   &told))
			end_told(input, &told, reply, request);
		else if (reply->nerrors == 0 && is_subscribing(batch->kind))
			end_silent(input, reply, request);
		else
			alone[i] = true;
	}
	subscription_go_alone(batch, alone, of_one);
}

static void
subscribe_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	many_answered(batch, reply, request, &subscription_subscribe_one);
}

static void
opt_out_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	many_answered(batch, reply, request, &subscription_opt_out_one);
}

static void
leave_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	many_answered(batch, reply, request, &subscription_leave_one);
}

/* Not the same again: the rows begin anew, with the reading. */
static Settlement
settle_lost(Batch *batch, const Reply *reply, bool answered, bool reached)
{
	if (!batch_may_be_done(reply, answered, reached))
		return SETTLE_NOT;
	for (int i = 0; i < batch->ninputs; i++)
		batch_put_back(batch->inputs[i].key, batch->inputs[i].rows, batch->inputs[i].nrows);
	return SETTLE_DONE;
}

static Settlement
settle_subscribe_many(Batch *batch, const Reply *reply, bool answered, bool reached,
					  AckRequest *request)
{
	if (subscription_go_single(batch, reply, answered))
		return SETTLE_BACK;
	return settle_lost(batch, reply, answered, reached);
}

static Settlement
settle_subscribe_one(Batch *batch, const Reply *reply, bool answered, bool reached,
					 AckRequest *request)
{
	return settle_lost(batch, reply, answered, reached);
}

static Settlement
settle_many(Batch *batch, const Reply *reply, bool answered, bool reached, AckRequest *request)
{
	return subscription_go_single(batch, reply, answered) ? SETTLE_BACK : SETTLE_NOT;
}

/* ---- the requests -------------------------------------------------------------------------- */

#define CONSENT_REQUEST \
	.path = PATH_CONSENT, \
	.meter = METER_OBJECTS, \
	.max_rows = 1, \
	.names_content = true

#define OF_MANY	CONSENT_REQUEST, .max_inputs = 100, .is_list = true
#define OF_ONE	CONSENT_REQUEST, .max_inputs = 1

const RequestKind subscription_subscribe_many = {
	.repeat = REPEAT_SOUGHT,
	OF_MANY,
	.append_input = append_many,
	.address = address_many,
	.settle = settle_subscribe_many,
	.answered = subscribe_answered,
};

const RequestKind subscription_subscribe_one = {
	.repeat = REPEAT_SOUGHT,
	OF_ONE,
	.append_input = append_one,
	.address = address_one,
	.settle = settle_subscribe_one,
	.answered = one_answered,
};

const RequestKind subscription_opt_out_many = {
	.repeat = REPEAT_HARMLESS,
	OF_MANY,
	.append_input = append_many,
	.address = address_many,
	.settle = settle_many,
	.answered = opt_out_answered,
};

const RequestKind subscription_opt_out_one = {
	.repeat = REPEAT_HARMLESS,
	OF_ONE,
	.append_input = append_one,
	.address = address_one,
	.answered = one_answered,
};

const RequestKind subscription_leave_many = {
	.repeat = REPEAT_HARMLESS,
	OF_MANY,
	.fits = subscription_fits,
	.append_input = subscription_append_address,
	.address = address_leave_many,
	.settle = settle_many,
	.answered = leave_answered,
};

const RequestKind subscription_leave_one = {
	.repeat = REPEAT_HARMLESS,
	OF_ONE,
	.append_input = batch_append_nothing,
	.address = address_leave_one,
	.answered = one_answered,
};

const RequestKind subscription_set_v3 = {
	.repeat = REPEAT_HARMLESS,
	OF_ONE,
	.append_input = append_v3,
	.address = address_v3,
	.answered = one_answered,
};
