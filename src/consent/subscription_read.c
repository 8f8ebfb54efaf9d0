/*
 * subscription_read.c
 *		How an address stands to a type of subscription, before it is subscribed.
 *
 * HubSpot's present contract takes a subscription of somebody who has opted out, and that is for
 * him to decide, not for a call that was queued before.  Called by batch.c, in the batch's memory
 * context.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "consent/subscription.h"

static void
address_many(const Batch *batch, Address *address)
{
	MessageConsent consent = subscription_of(batch->inputs[0].rows[0]);

	strlcat(address->path, "/statuses/batch/read", sizeof(address->path));
	address->query = subscription_query(&consent, NULL, "");
}

static void
address_one(const Batch *batch, Address *address)
{
	const Input *input = &batch->inputs[0];
	MessageConsent consent = subscription_of(input->rows[0]);

	strlcat(address->path, "/statuses", sizeof(address->path));
	address->query = subscription_query(&consent, input->key->key, "");
}

static void
end(Input *input, Verdict verdict, const char *category, const char *message, const Reply *reply,
	AckRequest *request)
{
	AckResult	result = {.verdict = verdict, .request = request, .http_status = reply->status,
	.created = -1, .category = category, .message = message};

	batch_end_input(input, &result);
}

/* Who has opted out stays so, unless the call says that he has asked for it again. */
static void
judge_opted_out(Input *input, const MessageConsent *consent, const RequestKind *write,
				const Reply *reply, AckRequest *request)
{
	if (!consent->again)
		end(input, VERDICT_REJECTED, "unsubscribed",
			"HubSpot has it that this address has opted out; \"resubscribe\": true subscribes it "
			"all the same", reply, request);
	else if (row_may_have_arrived(input->rows[0]))
		/* before the request whose answer was lost, or after it */
		end(input, VERDICT_UNKNOWN, "answer_lost",
			"the answer was lost: the address may have been subscribed, and has opted out since, "
			"or was not subscribed", reply, request);
	else
		input->onward = write;
}

static void
judge(Batch *batch, Input *input, const RequestKind *write, const Reply *reply, AckRequest *request)
{
	const Row  *row = input->rows[0];
	MessageConsent consent = subscription_of(row);
	ReplyConsent told;

	/* Nothing is told of a subscription about which nothing was ever said. */
	if (!reply_consent(reply, input->key->key, subscription_id(row, &consent), &told))
		input->onward = write;
	else if (strcmp(told.status, "UNSUBSCRIBED") == 0)
		judge_opted_out(input, &consent, write, reply, request);
	else if (strcmp(told.status, "SUBSCRIBED") == 0)
		end(input, row_may_have_arrived(row) ? VERDICT_DELIVERED : VERDICT_UNCHANGED, NULL, NULL,
			reply, request);
	else
		input->onward = write;
}

static void
read_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool		many = batch->kind == &subscription_read_many;
	const RequestKind *write = many ? &subscription_subscribe_many : &subscription_subscribe_one;
	bool	   *alone = palloc0(sizeof(bool) * batch->ninputs);

	if (reply->class != REPLY_RECORDS && many && batch->ninputs > 1)
	{
		batch_bisect(batch, reply);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		ReplyConsent told;

		/* an answer that failed for some does not say of whom */
		if (many && (reply->class != REPLY_RECORDS || reply->nerrors > 0) &&
			!reply_consent(reply, input->key->key, NULL, &told) && !told.is_told)
			alone[i] = true;
		else if (reply->class != REPLY_RECORDS)
			subscription_refused(input, reply_code(reply), reply->message, reply->status, request);
		else
			judge(batch, input, write, reply, request);
	}
	subscription_go_alone(batch, alone, &subscription_read_one);
	batch_go_on(batch, reply, request);
}

static Settlement
settle(Batch *batch, const Reply *reply, bool answered, bool reached, AckRequest *request)
{
	return subscription_go_single(batch, reply, answered) ? SETTLE_BACK : SETTLE_NOT;
}

const RequestKind subscription_read_many = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_CONSENT,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1,
	.is_list = true,
	.fits = subscription_fits,
	.append_input = subscription_append_address,
	.address = address_many,
	.names_content = true,
	.settle = settle,
	.answered = read_answered,
};

const RequestKind subscription_read_one = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_CONSENT,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1,
	.method = "GET",
	.append_input = batch_append_nothing,
	.address = address_one,
	.names_content = true,
	.answered = read_answered,
};
