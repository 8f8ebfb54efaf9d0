/*
 * network.c
 *		Requests to HubSpot: when they are carried out, what is answered, what is lost.
 *
 * Takes the place of http/wire.c.  A request is carried out at one moment and
 * answered at another; in between others are, a transaction fails, the server
 * crashes.  What has not been carried out when its sender has given up is not
 * carried out any more.
 */
#include "postgres.h"

#include "utils/snapmgr.h"

#include "base/hubspot.h"
#include "http/wire.h"
#include "model.h"
#include "simulated.h"

#define HOST	"http://127.0.0.1:9"

typedef enum Stage
{
	STAGE_FREE,
	STAGE_SENT,
	STAGE_DONE,					/* carried out or refused: its answer is under way */
	STAGE_READY,				/* its answer may be read */
	STAGE_TAKEN
} Stage;

typedef struct Request
{
	Stage		stage;
	int			number;
	char	   *method;			/* these are malloc'd */
	char	   *path;
	char	   *token;
	char	   *body;
	char	   *answer;
	WireResponse response;
} Request;

/* What may go wrong with a request. */
typedef struct Trouble
{
	int			weight;
	const char *words;
	const char *rule;			/* of the simulator; NULL: it is carried out */
	bool		is_unsent;		/* and certainly so: it was not carried out */
	bool		is_lost;		/* nothing is answered */
	bool		is_refusal;		/* as if for the sake of its content */
	bool		is_mended;		/* the first time it is no reason for a row to end */
	int			repeats;		/* requests that it may befall, for the same contact, in a row */
	bool		of_deal;		/* the number in the rule is a deal's, else a contact's */
	const char *only;			/* paths with this text; NULL: any */
	const char *never;			/* but none with one of these, "|" between them, each of a method
								 * with its path; NULL: any */
} Trouble;

#define PROPERTY_GONE \
	"{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":\"no such property\",\"correlationId\":\"1\",\"errors\":[{\"message\":\"no\",\"code\":\"PROPERTY_DOESNT_EXIST\",\"context\":{\"propertyName\":[\"city\"]}}]}"

static const Trouble troubles[] = {
	{.weight = 8, .words = "is lost before it arrives", .rule = "{\"action\":\"drop_before\"}", .is_lost = true},
	{.weight = 12, .words = "is carried out, its answer is lost", .rule = NULL, .is_lost = true},
	{.weight = 4, .words = "cannot be sent", .rule = "{\"action\":\"drop_before\"}", .is_unsent = true, .is_lost = true},
	{.weight = 8, .words = "is answered 429", .rule = "{\"action\":\"rate_limit\",\"policy\":\"TEN_SECONDLY_ROLLING\"}"},
	{.weight = 3, .words = "is answered 429 of the day", .rule = "{\"action\":\"rate_limit\",\"policy\":\"DAILY\"}"},
	{.weight = 8, .words = "is answered 503", .rule = "{\"action\":\"status\",\"status\":503,\"body\":\"busy\",\"content_type\":\"text/plain\"}"},
	{.weight = 8, .words = "is answered 500", .rule = "{\"action\":\"status\",\"status\":500,\"body\":{\"status\":\"error\",\"message\":\"internal error\",\"correlationId\":\"1\"}}"},
	{.weight = 8, .words = "is carried out and answered 502", .rule = "{\"action\":\"html\",\"apply\":true}"},
	{.weight = 6, .words = "is carried out and answered with garbage", .rule = "{\"action\":\"garbage\",\"apply\":true}"},
	{.weight = 3, .words = "is answered with garbage", .rule = "{\"action\":\"garbage\"}", .only = "/crm/"},
	{.weight = 4, .words = "is answered with an empty success", .rule = "{\"action\":\"empty_success\"}", .only = "/crm/", .never = "/archive|/labels|POST /crm/properties"},
	{.weight = 4, .words = "is answered without one result", .rule = "{\"action\":\"missing_results\"}", .never = "associations/2026-09/0-|associations/2026-09/2-"},
	{.weight = 6, .words = "is answered with results in another order", .rule = "{\"action\":\"shuffle\"}"},
	{.weight = 5, .words = "is answered 423", .rule = "{\"action\":\"status\",\"status\":423}"},
	{.weight = 4, .words = "is answered 401", .rule = "{\"action\":\"status\",\"status\":401}"},
	{.weight = 4, .words = "is answered 409", .rule = "{\"action\":\"conflict\"}", .only = "/crm/objects/", .is_refusal = true},
	{.weight = 6, .words = "is answered 400", .rule = "{\"action\":\"status\",\"status\":400,\"body\":{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":\"refused by the model\",\"correlationId\":\"1\"}}", .is_refusal = true},
	{.weight = 24, .words = "fails for one record", .rule = "{\"action\":\"record_error\",\"match\":{\"record\":\"c%d@\"},\"category\":\"INTERNAL_ERROR\"}", .only = "/contacts/batch/", .is_refusal = true},
	{.weight = 60, .words = "fails for one record, for a while", .rule = "{\"action\":\"record_error\",\"match\":{\"record\":\"c%d@\"},\"category\":\"INTERNAL_ERROR\"}", .only = "/contacts/batch/", .is_refusal = true, .repeats = 6},
	{.weight = 24, .words = "fails for one deal, for a while", .rule = "{\"action\":\"record_error\",\"match\":{\"record\":\"d%d\"},\"category\":\"INTERNAL_ERROR\"}", .of_deal = true, .only = "/deals/batch/", .is_refusal = true, .repeats = 6},
	{.weight = 16, .words = "is refused for one deal", .rule = "{\"action\":\"record_error\",\"match\":{\"record\":\"d%d\"},\"category\":\"VALIDATION_ERROR\"}", .of_deal = true, .only = "/deals/batch/", .is_refusal = true},
	{.weight = 60, .words = "is about records that are gone", .rule = "{\"action\":\"record_error\",\"match\":{\"record\":\"\"},\"category\":\"OBJECT_NOT_FOUND\"}", .only = "/batch/update", .is_mended = true},
	{.weight = 40, .words = "is about a property that is gone", .rule = "{\"action\":\"status\",\"status\":400,\"body\":" PROPERTY_GONE "}", .only = "/batch/up", .is_mended = true},
	{.weight = 16, .words = "is refused for one record", .rule = "{\"action\":\"record_error\",\"match\":{\"record\":\"c%d@\"},\"category\":\"VALIDATION_ERROR\"}", .is_refusal = true},
};

static Request requests[WIRE_MAX_TRANSFERS];
static int	nrequests;
static int	last_number;
static bool fated;				/* what is mended befalls each that it may befall, once */
static const Trouble *ill;		/* befalls one contact, or deal, for a while ... */
static int	ill_contact;
static int	ill_left;			/* ... for so many requests */

extern int	__wrap_wire_send(const WireRequest *request, const WireSettings *settings, char *error);
extern bool __wrap_wire_next(WireResponse *response);
extern void __wrap_wire_release(int slot);
extern int	__wrap_wire_in_flight(void);
extern void __wrap_wire_wait(long timeout_ms, uint32_t wait_event_info);

/* ---- wire.h ------------------------------------------------------------------------------ */

static char *
copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static void
release(Request *request)
{
	free(request->method);
	free(request->path);
	free(request->token);
	free(request->body);
	free(request->answer);
	memset(request, 0, sizeof(*request));
	nrequests--;
}

int
__wrap_wire_send(const WireRequest *sent, const WireSettings *settings, char *error)
{
	Request    *request = NULL;

	if (process_in_transaction())
		violated("no transaction is open while a request is sent", "%s", sent->url);
	for (int i = 0; i < WIRE_MAX_TRANSFERS && request == NULL; i++)
		if (requests[i].stage == STAGE_FREE)
			request = &requests[i];
	if (request == NULL)
		return WIRE_NO_PLACE;
	if (strncmp(sent->url, HOST, strlen(HOST)) != 0)
		violated("requests go to the account's address", "%s", sent->url);
	request->stage = STAGE_SENT;
	request->number = ++last_number;
	request->method = copy(sent->method);
	request->path = copy(sent->url + strlen(HOST));
	request->token = copy(sent->token);
	request->body = copy(sent->body);
	request->response.started_us = clock_now();
	nrequests++;
	say("request %d: %s %s %s", request->number, request->method, request->path,
		request->body != NULL ? request->body : "");
	reference_sent(request->body);
	return request - requests;
}

int
__wrap_wire_in_flight(void)
{
	return nrequests;
}

bool
__wrap_wire_next(WireResponse *response)
{
	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
		if (requests[i].stage == STAGE_READY)
		{
			requests[i].stage = STAGE_TAKEN;
			*response = requests[i].response;
			return true;
		}
	return false;
}

void
__wrap_wire_release(int slot)
{
	release(&requests[slot]);
}

void
__wrap_wire_wait(long timeout_ms, uint32_t wait_event_info)
{
	if (process_in_transaction() || ActiveSnapshotSet())
		violated("no transaction and no snapshot is open while the worker sleeps", "%ld ms", timeout_ms);
	schedule_sleep(timeout_ms < 0 ? -1 : (int64) timeout_ms * 1000);
}

/* ---- what becomes of a request ----------------------------------------------------------------- */

/* Whether the request names the contact or deal of that number by its key. */
static bool
is_about(const Request *request, bool of_deal, int number)
{
	char		key[20];

	snprintf(key, sizeof(key), of_deal ? "\"d%d\"" : "c%d@", number);
	return request->body != NULL && strstr(request->body, key) != NULL;
}

/* One of the contacts, or deals, that the request names, or any. */
static int
choose_whom(const Request *request, bool of_deal)
{
	int			named[CONTACTS];
	int			n = 0;

	for (int i = 0; i < CONTACTS; i++)
		if (is_about(request, of_deal, i))
			named[n++] = i;
	return n > 0 ? named[pick(n)] : pick(of_deal ? DEALS : CONTACTS);
}

/* Whether a path has one of the texts, "|" between them. */
static bool
has_one_of(const char *path, const char *texts)
{
	for (const char *at = texts; at != NULL; at = strchr(at, '|') != NULL ? strchr(at, '|') + 1 : NULL)
	{
		char		text[60];

		snprintf(text, sizeof(text), "%.*s", (int) strcspn(at, "|"), at);
		if (strstr(path, text) != NULL)
			return true;
	}
	return false;
}

/* HubSpot carries it out, or refuses it, as the rule says. */
static void
carry_out(Request *request, const Trouble *trouble, int contact)
{
	WireResponse *response = &request->response;
	SimulatedAnswer answer;
	char		rule[300];

	if (trouble != NULL && trouble->rule != NULL)
	{
		const char *place = strstr(trouble->rule, "%d");

		if (place != NULL)
			snprintf(rule, sizeof(rule), "%.*s%d%s", (int) (place - trouble->rule), trouble->rule, contact,
					 place + 2);
		else
			strlcpy(rule, trouble->rule, sizeof(rule));
		simulated_fault(rule);
	}
	else
		simulated_fault(NULL);
	simulated_ask(request->method, request->path, request->token, request->body, &answer);
	simulated_fault(NULL);
	reply_headers_init(&response->headers);
	response->slot = request - requests;
	response->answered = answer.status != 0 && (trouble == NULL || !trouble->is_lost);
	response->reached = trouble == NULL || !trouble->is_unsent;
	response->status = response->answered ? answer.status : 0;
	if (!response->answered)
		strlcpy(response->error, "no answer came", sizeof(response->error));
	else
	{
		for (int i = 0; i < answer.nheaders; i++)
		{
			char		line[300];

			snprintf(line, sizeof(line), "%s: %s", answer.names[i], answer.values[i]);
			reply_header_line(&response->headers, line, strlen(line));
		}
		request->answer = copy(answer.body);
		response->body = answer.len > 0 ? request->answer : NULL;
		response->body_len = response->bytes_received = answer.len;
	}
	request->stage = STAGE_DONE;
	say("request %d %s: %d %.300s", request->number, trouble != NULL ? trouble->words : "is carried out",
		response->status, response->answered ? answer.body : "");
	coverage_request(request->path, trouble != NULL ? trouble->words : "is carried out");
	reference_applied();
}

static void
answer(Request *request)
{
	say("request %d: its answer is there", request->number);
	request->stage = STAGE_READY;
	request->response.finished_us = clock_now();
}

static bool
can_have(const Request *request, const Trouble *trouble)
{
	return (trouble->only == NULL || strstr(request->path, trouble->only) != NULL) &&
		!has_one_of(psprintf("%s %s", request->method, request->path), trouble->never);
}

static const Trouble *
choose_trouble(const Request *request)
{
	int			sum = 0;
	int			number;

	if (settling || !chance(temper))
		return NULL;
	for (int i = 0; i < lengthof(troubles); i++)
		sum += can_have(request, &troubles[i]) ? troubles[i].weight : 0;
	number = pick(sum);
	for (int i = 0;; i++)
	{
		number -= can_have(request, &troubles[i]) ? troubles[i].weight : 0;
		if (number < 0)
			return &troubles[i];
	}
}

/* What is mended, and has not befallen those whom the request is about; NULL: nothing, this time. */
static const Trouble *
choose_mended(const Request *request)
{
	int			first = pick(lengthof(troubles));

	if (pick(4) == 0)
		return NULL;
	for (int i = 0; i < lengthof(troubles); i++)
	{
		const Trouble *trouble = &troubles[(first + i) % lengthof(troubles)];

		if (trouble->is_mended && can_have(request, trouble) &&
			!reference_was_mended(request->body, trouble - troubles))
			return trouble;
	}
	return NULL;
}

/* What befalls the request; *contact: whom, of those that it names. */
static const Trouble *
trouble_of(const Request *request, int *contact)
{
	const Trouble *trouble = choose_trouble(request);

	if (trouble == NULL && fated && !settling && (trouble = choose_mended(request)) != NULL)
		return trouble;
	if (trouble == NULL && ill_left > 0 && !settling && can_have(request, ill) &&
		is_about(request, ill->of_deal, ill_contact))
	{
		ill_left--;
		*contact = ill_contact;
		return ill;
	}
	if (trouble == NULL)
		return NULL;
	*contact = choose_whom(request, trouble->of_deal);
	if (trouble->repeats > 0)
	{
		ill = trouble;
		ill_contact = *contact;
		ill_left = 1 + pick(trouble->repeats);
	}
	return trouble;
}

/* Each of these may be met once by whoever it befalls, and the row goes all the same. */
static void
note_trouble(const Request *request, const Trouble *trouble)
{
	bool		again = trouble->is_mended && reference_was_mended(request->body, trouble - troubles);

	reference_trouble(request->path, request->body, trouble->is_refusal || again);
	if (again)
		reference_excuse();
	if (!trouble->is_mended)
		return;
	reference_mended(request->body, trouble - troubles);
	/* two that are mended in different ways, of one row as a rule */
	fated |= pick(4) > 0;
}

static Request *
nth_pending(int n)
{
	for (int i = 0;; i++)
		if ((requests[i].stage == STAGE_SENT || requests[i].stage == STAGE_DONE) && n-- == 0)
			return &requests[i];
}

/* One of the requests under way comes a step further. */
void
network_step(void)
{
	Request    *request = nth_pending(pick(network_pending()));
	const Trouble *trouble;
	int			contact = 0;

	if (request->stage == STAGE_SENT)
	{
		trouble = trouble_of(request, &contact);
		if (trouble != NULL)
			note_trouble(request, trouble);
		carry_out(request, trouble, contact);
		if (trouble != NULL && trouble->is_unsent)
			request->response.reached = false;
		if (pick(3) < 2)
			answer(request);
	}
	else
		answer(request);
}

void
network_answer_all(void)
{
	while (network_pending() > 0)
	{
		Request    *request = nth_pending(0);

		if (request->stage == STAGE_SENT)
			carry_out(request, NULL, 0);
		answer(request);
	}
}

int
network_pending(void)
{
	int			n = 0;

	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
		n += requests[i].stage == STAGE_SENT || requests[i].stage == STAGE_DONE;
	return n;
}

int
network_ready(void)
{
	int			n = 0;

	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
		n += requests[i].stage == STAGE_READY;
	return n;
}

/* The worker's process is gone: what was under way has arrived, or never does. */
void
network_dies(void)
{
	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
	{
		if (requests[i].stage == STAGE_SENT && pick(2) == 1)
		{
			reference_trouble(requests[i].path, requests[i].body, false);
			carry_out(&requests[i], NULL, 0);
		}
		if (requests[i].stage != STAGE_FREE)
			release(&requests[i]);
	}
}

void
network_each_trouble(void (*each) (const char *words))
{
	for (int i = 0; i < lengthof(troubles); i++)
		each(troubles[i].words);
}

void
network_begin(void)
{
	for (int i = 0; i < WIRE_MAX_TRANSFERS; i++)
		if (requests[i].stage != STAGE_FREE)
			release(&requests[i]);
	last_number = 0;
	ill_left = 0;
	fated = pick(4) == 3;
	simulated_reset();
}
