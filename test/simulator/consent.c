/*
 * consent.c
 *	  Subscriptions over HTTP; see consent.h.
 *
 * Two contracts: v3 refuses what changes nothing, v4 and the dated versions
 * say so in a success.  A batch never fails as a whole.
 */
#include "consent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "config.h"
#include "error.h"
#include "journal.h"
#include "property.h"
#include "reading.h"

typedef enum State
{
	STATE_NOT_SPECIFIED,
	STATE_SUBSCRIBED,
	STATE_UNSUBSCRIBED
} State;

static const char *const state_names[] = {"NOT_SPECIFIED", "SUBSCRIBED", "UNSUBSCRIBED"};

static const char *const bases[] = {
	"LEGITIMATE_INTEREST_PQL", "LEGITIMATE_INTEREST_CLIENT", "LEGITIMATE_INTEREST_OTHER",
	"PERFORMANCE_OF_CONTRACT", "CONSENT_WITH_NOTICE", "NON_GDPR", "PROCESS_AND_STORE", NULL
};

typedef struct Subscription
{
	int64_t		id;
	char	   *name;
	bool		is_inactive;
	Table		preferences;	/* by address */
} Subscription;

typedef struct Preference
{
	State		state;
	bool		by_person;		/* the person opted out, not a program */
	char	   *basis;
	int64_t		at_ms;
} Preference;

/* A change that somebody asks for. */
typedef struct Change
{
	const char *address;		/* checked */
	Subscription *subscription;
	State		state;
	const char *basis;
	const char *reason;			/* what became of it */
} Change;

static Subscription **subscriptions;
static int	count;
static Table everything;		/* by address: Preference of who opted out of all */

static Subscription *
find(int64_t id)
{
	for (int i = 0; i < count; i++)
	{
		if (subscriptions[i]->id == id)
			return subscriptions[i];
	}
	return NULL;
}

bool
consent_define(struct json_object *json)
{
	const char *name = json_text(json, "name");
	struct json_object *id;
	struct json_object *active;
	Subscription *subscription;

	if (name == NULL || !json_object_object_get_ex(json, "id", &id) || json_object_get_int64(id) <= 0)
		return false;
	subscription = find(json_object_get_int64(id));
	if (subscription == NULL)
	{
		subscription = must_alloc(sizeof(Subscription));
		subscriptions = must_realloc(subscriptions, sizeof(Subscription *) * (size_t) (count + 1));
		subscriptions[count++] = subscription;
		subscription->id = json_object_get_int64(id);
		property_define_opt_out(subscription->id);
	}
	subscription->name = must_strdup(name);
	subscription->is_inactive = json_object_object_get_ex(json, "isActive", &active) &&
		!json_object_get_boolean(active);
	return true;
}

void
consent_init(void)
{
	static const char *const at_start = "[{\"id\":39644612,\"name\":\"Newsletter\"},"
	"{\"id\":9007199254740993,\"name\":\"Product updates\"},"
	"{\"id\":39644614,\"name\":\"Former digest\",\"isActive\":false}]";
	struct json_object *list = json_tokener_parse(at_start);

	property_define_opt_out(0);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		(void) consent_define(json_object_array_get_idx(list, i));
	json_object_put(list);
}

static Preference *
preference_of(Table *table, const char *address, bool create)
{
	Preference *preference = table_find(table, address);

	if (preference == NULL && create)
	{
		preference = must_alloc(sizeof(Preference));
		table_set(table, address, preference);
	}
	return preference;
}

static bool
is_out_of_all(const char *address)
{
	const Preference *preference = preference_of(&everything, address, false);

	return preference != NULL && preference->state == STATE_UNSUBSCRIBED;
}

bool
consent_is_out(const char *address, int64_t id)
{
	Subscription *subscription = id == 0 ? NULL : find(id);
	const Preference *preference = subscription ? preference_of(&subscription->preferences, address, false) : NULL;

	return is_out_of_all(address) || (preference != NULL && preference->state == STATE_UNSUBSCRIBED);
}

static void
log_preference(Request *request, const char *address, const Subscription *subscription, State state, const char *basis)
{
	Buffer	   *line = journal_begin(request, "consent", "consents");

	if (line == NULL)
		return;
	buffer_puts(line, ",\"email\":");
	buffer_json(line, address);
	if (subscription != NULL)
		buffer_printf(line, ",\"subscription\":\"%lld\"", (long long) subscription->id);
	else
		buffer_puts(line, ",\"subscription\":null");
	buffer_printf(line, ",\"status\":\"%s\",\"legal_basis\":", state_names[state]);
	if (basis != NULL)
		buffer_json(line, basis);
	else
		buffer_puts(line, "null");
	journal_end(line);
}

static void
set(Preference *preference, State state, bool by_person, const char *basis)
{
	preference->state = state;
	preference->by_person = by_person;
	free(preference->basis);
	preference->basis = basis ? must_strdup(basis) : NULL;
	preference->at_ms = now_ms();
}

bool
consent_opt_out(struct json_object *json)
{
	const char *email = json_text(json, "email");
	const char *address = email ? value_key(contacts->email, email) : NULL;
	struct json_object *id;
	Subscription *subscription;

	if (address == NULL)
		return false;
	if (!json_object_object_get_ex(json, "subscriptionId", &id))
	{
		set(preference_of(&everything, address, true), STATE_UNSUBSCRIBED, true, NULL);
		return true;
	}
	subscription = find(json_object_get_int64(id));
	if (subscription != NULL)
		set(preference_of(&subscription->preferences, address, true), STATE_UNSUBSCRIBED, true, NULL);
	return subscription != NULL;
}

static bool
is_v3(const Request *request)
{
	return strcmp(request->version, "v3") == 0;
}

/* The address in the form it is kept; NULL when it is none. */
static const char *
check_address(const char *email)
{
	ProblemList problems = {0};
	const char *address = email ? value_check(contacts->email, email, &problems) : NULL;

	return address != NULL && *address != '\0' ? address : NULL;
}

/* Reads what v3 and the later versions have in common; what is wrong, or NULL with *status. */
static const char *
read_change(Request *request, struct json_object *json, const char *email, const char *id_text, int64_t id,
			Change *change, int *status)
{
	const char *basis = json_text(json, "legalBasis");
	const char *explanation = json_text(json, "legalBasisExplanation");
	int			at = 0;

	*status = 400;
	change->address = check_address(email);
	if (change->address == NULL)
		return scratch_printf("Email address %s is invalid", email ? email : "");
	change->subscription = find(id);
	if (change->subscription == NULL)
	{
		*status = reading_is(READING_SUBSCRIPTION_404) ? 404 : 400;
		return scratch_printf("Subscription %s does not exist", id_text);
	}
	if (change->subscription->is_inactive)
		return scratch_printf("Subscription %s is not active", id_text);
	while (basis != NULL && bases[at] != NULL && strcmp(bases[at], basis) != 0)
		at++;
	if (basis != NULL && bases[at] == NULL)
		return scratch_printf("%s is not a valid legal basis", basis);
	if (config.data_privacy && (basis == NULL || explanation == NULL) &&
		(is_v3(request) || !reading_is(READING_NO_BASIS)))
		return "legalBasis and legalBasisExplanation are required in this account";
	change->basis = basis;
	return NULL;
}

/* Does it; what is wrong with it, or NULL with the reason set. */
static const char *
apply_change(Request *request, Change *change)
{
	Subscription *subscription = change->subscription;
	Preference *preference = preference_of(&subscription->preferences, change->address, true);
	const Preference *all = preference_of(&everything, change->address, false);
	bool		all_out = is_out_of_all(change->address);
	bool		is_out = all_out || preference->state == STATE_UNSUBSCRIBED;
	bool		by_person = all_out ? all->by_person : preference->by_person;

	assert(subscription != NULL);
	if (change->state == preference->state && !all_out)
	{
		change->reason = "NO_STATUS_CHANGE";
		return is_v3(request) ? scratch_printf("%s is already %s subscription %lld", change->address,
											   change->state == STATE_SUBSCRIBED ? "subscribed to" : "unsubscribed from",
											   (long long) subscription->id) : NULL;
	}
	change->reason = "REQUESTED_CHANGE_OCCURRED";
	if (change->state == STATE_SUBSCRIBED && is_out)
	{
		if (is_v3(request) || (by_person && !reading_is(READING_RESUBSCRIBED)))
			return scratch_printf("Subscription %lld for %s cannot be updated because they have unsubscribed",
								  (long long) subscription->id, change->address);
		change->reason = "RESUBSCRIBE_OCCURRED";
		if (all_out)
			set(preference_of(&everything, change->address, true), STATE_NOT_SPECIFIED, false, NULL);
	}
	set(preference, change->state, false, change->basis);
	log_preference(request, change->address, subscription, change->state, change->basis);
	return NULL;
}

/* One type as its list has it, without the brace. */
static void
render_type(Buffer *out, const Subscription *subscription)
{
	buffer_printf(out, "{\"id\":\"%lld\",\"name\":", (long long) subscription->id);
	buffer_json(out, subscription->name);
	buffer_puts(out, ",\"description\":");
	buffer_json(out, subscription->name);
}

void
consent_types(Request *request)
{
	Buffer	   *out = &request->reply;

	out->len = 0;
	buffer_puts(out, is_v3(request) ? "{\"subscriptionDefinitions\":[" : "{\"status\":\"COMPLETE\",\"results\":[");
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_puts(out, ",");
		render_type(out, subscriptions[i]);
		buffer_printf(out, ",\"purpose\":\"Marketing\",\"communicationMethod\":\"Email\",\"isActive\":%s,\"isDefault\":false,"
					  "\"isInternal\":false,\"businessUnitId\":0}", subscriptions[i]->is_inactive ? "false" : "true");
	}
	buffer_puts(out, "]}");
	reply_json(request, 200);
}

static State
state_of(const Subscription *subscription, const char *address)
{
	const Preference *preference = table_find(&subscription->preferences, address);

	if (is_out_of_all(address))
		return STATE_UNSUBSCRIBED;
	return preference ? preference->state : STATE_NOT_SPECIFIED;
}

/* A status in the words of v3. */
static void
render_old(Buffer *out, const Subscription *subscription, const char *address)
{
	const Preference *preference = table_find(&subscription->preferences, address);

	render_type(out, subscription);
	buffer_printf(out, ",\"status\":\"%s\",\"sourceOfStatus\":\"SUBSCRIPTION_STATUS\",\"brandId\":null,"
				  "\"preferenceGroupName\":null,\"legalBasis\":",
				  state_of(subscription, address) == STATE_SUBSCRIBED ? "SUBSCRIBED" : "NOT_SUBSCRIBED");
	if (preference != NULL && preference->basis != NULL)
		buffer_json(out, preference->basis);
	else
		buffer_puts(out, "null");
	buffer_puts(out, ",\"legalBasisExplanation\":null}");
}

static void
render_new(Buffer *out, const Subscription *subscription, const char *address, const char *reason)
{
	const Preference *preference = table_find(&subscription->preferences, address);

	buffer_puts(out, "{\"channel\":\"EMAIL\",\"subscriberIdString\":");
	buffer_json(out, address);
	buffer_printf(out, ",\"subscriptionId\":%lld,\"subscriptionName\":", (long long) subscription->id);
	buffer_json(out, subscription->name);
	buffer_printf(out, ",\"status\":\"%s\",\"source\":\"Public status API\"", state_names[state_of(subscription, address)]);
	if (reason != NULL)
		buffer_printf(out, ",\"setStatusSuccessReason\":\"%s\"", reason);
	buffer_puts(out, ",\"timestamp\":\"");
	buffer_time(out, preference && preference->at_ms ? preference->at_ms : now_ms());
	buffer_puts(out, "\"}");
}

/* v3: one call for each direction. */
static void
write_old(Request *request, State state)
{
	const char *id = json_text(request->json, "subscriptionId");
	Change		change = {.state = state};
	const char *fault;
	int			status = 400;

	request->records = 1;
	if (id == NULL || json_text(request->json, "emailAddress") == NULL)
	{
		reply_invalid_json(request, "on line 1, column 1: Some required fields were not set: [%s]",
						   id == NULL ? "subscriptionId" : "emailAddress");
		return;
	}
	fault = read_change(request, request->json, json_text(request->json, "emailAddress"), id,
						strtoll(id, NULL, 10), &change, &status);
	if (fault == NULL)
		fault = apply_change(request, &change);
	if (fault != NULL)
	{
		reply_error(request, status, "VALIDATION_ERROR", "%s", fault);
		return;
	}
	request->reply.len = 0;
	render_old(&request->reply, change.subscription, change.address);
	reply_json(request, 200);
}

void
consent_subscribe(Request *request)
{
	write_old(request, STATE_SUBSCRIBED);
}

void
consent_unsubscribe(Request *request)
{
	write_old(request, STATE_UNSUBSCRIBED);
}

void
consent_status(Request *request)
{
	const char *address = check_address(request->args[0]);
	Buffer	   *out = &request->reply;

	if (address == NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "Email address %s is invalid", request->args[0]);
		return;
	}
	out->len = 0;
	buffer_puts(out, "{\"recipient\":");
	buffer_json(out, address);
	buffer_puts(out, ",\"subscriptionStatuses\":[");
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_puts(out, ",");
		render_old(out, subscriptions[i], address);
	}
	buffer_puts(out, "]}");
	reply_json(request, 200);
}

/* What v4 and later ask for, in a path or an item of a batch; what is wrong, or NULL. */
static const char *
read_new(Request *request, struct json_object *json, const char *email, Change *change, int *status)
{
	const char *state = json_text(json, "statusState");
	const char *channel = json_text(json, "channel");
	struct json_object *id = NULL;

	*status = 400;
	if (!json_object_object_get_ex(json, "subscriptionId", &id) || !json_object_is_type(id, json_type_int))
		return "Some required fields were not set: [subscriptionId], a number";
	if (channel == NULL || strcmp(channel, "EMAIL") != 0)
		return "Some required fields were not set: [channel]";
	for (change->state = STATE_NOT_SPECIFIED; change->state <= STATE_UNSUBSCRIBED; change->state++)
	{
		if (state != NULL && strcmp(state_names[change->state], state) == 0)
			return read_change(request, json, email, json_object_get_string(id), json_object_get_int64(id),
							   change, status);
	}
	return "Some required fields were not set: [statusState]";
}

void
consent_write(Request *request)
{
	Change		change = {0};
	int			status;
	const char *fault = read_new(request, request->json, request->args[0], &change, &status);

	request->records = 1;
	if (fault == NULL)
		fault = apply_change(request, &change);
	if (fault != NULL)
	{
		reply_error(request, status, "VALIDATION_ERROR", "%s", fault);
		return;
	}
	batch_begin(request);
	render_new(&request->reply, change.subscription, change.address, change.reason);
	batch_end(request, 200, NULL, 0);
}

static void
render_fault(Buffer *errors, int *error_count, const char *fault, const char *email)
{
	if ((*error_count)++ > 0)
		buffer_puts(errors, ",");
	buffer_puts(errors, "{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":");
	buffer_json(errors, fault);
	buffer_puts(errors, ",\"context\":{\"subscriberIdString\":[");
	buffer_json(errors, email ? email : "");
	buffer_puts(errors, "]}}");
}

void
consent_write_many(Request *request)
{
	struct json_object *inputs = batch_inputs(request, (int) config.consent_inputs);
	Buffer		errors = {0};
	int			error_count = 0;
	int			shown = 0;

	if (inputs == NULL)
		return;
	batch_begin(request);
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		struct json_object *input = json_object_array_get_idx(inputs, i);
		const char *email = json_text(input, "subscriberIdString");
		Change		change = {0};
		int			status;
		const char *fault = read_new(request, input, email, &change, &status);

		if (fault == NULL)
			fault = apply_change(request, &change);
		if (fault != NULL)
		{
			render_fault(&errors, &error_count, fault, email);
			continue;
		}
		if (shown++ > 0)
			buffer_puts(&request->reply, ",");
		render_new(&request->reply, change.subscription, change.address, change.reason);
	}
	batch_end(request, 200, &errors, error_count);
	request->status = 200;
	buffer_free(&errors);
}

/* Most of these calls want to know the channel; false after filling the reply. */
static bool
has_channel(Request *request)
{
	const char *channel = request_query(request, "channel");

	if (channel != NULL && strcmp(channel, "EMAIL") == 0)
		return true;
	reply_error(request, 400, "VALIDATION_ERROR", "channel is required");
	return false;
}

static void
render_statuses(Buffer *out, const char *address)
{
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_puts(out, ",");
		render_new(out, subscriptions[i], address, NULL);
	}
}

static void
render_wide(Buffer *out, const char *address)
{
	buffer_puts(out, "{\"channel\":\"EMAIL\",\"wideStatusType\":\"PORTAL_WIDE\",\"subscriberIdString\":");
	buffer_json(out, address);
	buffer_printf(out, ",\"status\":\"%s\",\"timestamp\":\"",
				  is_out_of_all(address) ? "UNSUBSCRIBED" : "NOT_SPECIFIED");
	buffer_time(out, now_ms());
	buffer_puts(out, "\"}");
}

/* What a call about the address of the path answers; NULL after filling the reply. */
static const char *
address_of_path(Request *request)
{
	const char *address = check_address(request->args[0]);

	request->records = 1;
	if (address == NULL)
		reply_error(request, 400, "VALIDATION_ERROR", "Email address %s is invalid", request->args[0]);
	return address != NULL && has_channel(request) ? address : NULL;
}

void
consent_read(Request *request)
{
	const char *address = address_of_path(request);

	if (address == NULL)
		return;
	batch_begin(request);
	render_statuses(&request->reply, address);
	batch_end(request, 200, NULL, 0);
}

void
consent_read_wide(Request *request)
{
	const char *address = address_of_path(request);

	if (address == NULL)
		return;
	batch_begin(request);
	render_wide(&request->reply, address);
	batch_end(request, 200, NULL, 0);
}

static void
leave_all(Request *request, const char *address)
{
	if (is_out_of_all(address))
		return;
	set(preference_of(&everything, address, true), STATE_UNSUBSCRIBED, false, NULL);
	log_preference(request, address, NULL, STATE_UNSUBSCRIBED, NULL);
}

static bool
is_verbose(Request *request)
{
	const char *verbose = request_query(request, "verbose");

	return verbose != NULL && strcmp(verbose, "true") == 0;
}

void
consent_leave(Request *request)
{
	const char *address = address_of_path(request);

	if (address == NULL)
		return;
	leave_all(request, address);
	batch_begin(request);
	if (is_verbose(request))
		render_wide(&request->reply, address);
	batch_end(request, 200, NULL, 0);
}

/* Batches whose inputs are addresses: what is done to, and said of, each. */
static void
each_address(Request *request, void (*act) (Request *request, const char *address),
			 void (*render) (Buffer *out, const char *address))
{
	struct json_object *inputs = has_channel(request) ? batch_inputs(request, (int) config.consent_inputs) : NULL;
	Buffer		errors = {0};
	int			error_count = 0;
	int			shown = 0;

	if (inputs == NULL)
		return;
	batch_begin(request);
	for (size_t i = 0; i < json_object_array_length(inputs); i++)
	{
		const char *email = json_object_get_string(json_object_array_get_idx(inputs, i));
		const char *address = check_address(email);

		if (address == NULL)
		{
			render_fault(&errors, &error_count, "Email address is invalid", email);
			continue;
		}
		if (act != NULL)
			act(request, address);
		if (render == NULL)
			continue;
		if (shown++ > 0)
			buffer_puts(&request->reply, ",");
		render(&request->reply, address);
	}
	batch_end(request, 200, &errors, error_count);
	buffer_free(&errors);
}

/* {"subscriberIdString":..,"statuses":[..]} */
static void
render_person(Buffer *out, const char *address)
{
	buffer_puts(out, "{\"subscriberIdString\":");
	buffer_json(out, address);
	buffer_puts(out, ",\"statuses\":[");
	render_statuses(out, address);
	buffer_puts(out, "]}");
}

void
consent_leave_many(Request *request)
{
	each_address(request, leave_all, is_verbose(request) ? render_wide : NULL);
	/* its failures stand in a success */
	if (request->status == 207)
		request->status = 200;
}

void
consent_read_many(Request *request)
{
	each_address(request, NULL, render_person);
}

void
consent_read_wide_many(Request *request)
{
	each_address(request, NULL, render_wide);
}

static void
render_table(Buffer *out, const Table *table, int64_t id)
{
	for (size_t i = 0; i < table->size; i++)
	{
		const TableEntry *entry = &table->slots[i];
		const Preference *preference = entry->value;

		if (entry->key == NULL || preference->state == STATE_NOT_SPECIFIED)
			continue;
		buffer_puts(out, "{\"email\":");
		buffer_json(out, scratch_strndup(entry->key, entry->len));
		buffer_printf(out, id != 0 ? ",\"subscription\":\"%lld\"" : ",\"subscription\":null", (long long) id);
		buffer_printf(out, ",\"status\":\"%s\",\"by_person\":%s,\"legal_basis\":", state_names[preference->state],
					  preference->by_person ? "true" : "false");
		if (preference->basis != NULL)
			buffer_json(out, preference->basis);
		else
			buffer_puts(out, "null");
		buffer_puts(out, "}\n");
	}
}

void
consent_render_all(Buffer *out)
{
	render_table(out, &everything, 0);
	for (int i = 0; i < count; i++)
		render_table(out, &subscriptions[i]->preferences, subscriptions[i]->id);
}

static void
clear(Table *table)
{
	for (size_t i = 0; i < table->size; i++)
	{
		Preference *preference = table->slots[i].value;

		if (table->slots[i].key == NULL)
			continue;
		free(preference->basis);
		free(preference);
	}
	table_clear(table);
}

void
consent_reset(void)
{
	clear(&everything);
	for (int i = 0; i < count; i++)
		clear(&subscriptions[i]->preferences);
}
