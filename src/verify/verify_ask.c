/*
 * verify_ask.c
 *		One request to HubSpot and its answer, in the process of hubspot_verify().
 *
 * hubspot.verify_ask() and hubspot.verify_note() are called by functions of
 * 96-verify.sql, which the process runs; anywhere else they are errors, for a
 * session sends nothing and sees no token.
 *
 * The transaction of a question is open while its answers are awaited: the
 * process writes nothing that others wait for, and a question is over soon.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/hubspot.h"
#include "account/path.h"
#include "account/secret.h"
#include "base/clock.h"
#include "base/guc.h"
#include "http/wire.h"
#include "text/encoding.h"
#include "verify/verify_ask.h"

#define WINDOW_US		10000000	/* HubSpot's limits are so many requests in this time */
#define PACE			50		/* of them, where the account's burst_limit says nothing else */
#define LIMITED_TIMES	6		/* that a request waits for the next window, after a 429 */
#define MAX_ANSWER		(1024 * 1024)
#define MAX_MADE		1000	/* things of a run; a question makes a handful */

PG_FUNCTION_INFO_V1(hubspot_verify_ask);
PG_FUNCTION_INFO_V1(hubspot_verify_note);

static const AccountOptions *account = NULL;	/* set in the process alone */
static Secret secret;
static int64 not_before = 0;
static List *made = NIL;		/* of strings, in TopMemoryContext */

/* What a path begins with, by the account's api_version. */
static const struct
{
	const char *name;
	PathName	path;
	bool		names_type;
	const char *tail;			/* of that path, which is not part of the base */
}			bases[] =
{
	{"{objects}", PATH_UPSERT, true, "contacts/batch/upsert"},
	{"{properties}", PATH_PROPERTIES, true, "contacts"},
	{"{associations}", PATH_ASSOCIATE_DEFAULT, false, "contact/company/batch/associate/default"},
	{"{lists}", PATH_LISTS, false, ""},
	{"{events}", PATH_EVENTS_SEND, false, "send/batch"},
};

bool
verify_ask_start(const AccountOptions *options, char **problem)
{
	char		why[256];

	encoding_prepare();
	wire_start();
	if (options->secret == NULL)
		*problem = "the SERVER has no option \"secret\"";
	else if (!secret_read(hubspot_secret_directory, options->secret, &secret, why))
		*problem = pstrdup(why);
	else
	{
		account = options;
		return true;
	}
	return false;
}

static void
check_process(void)
{
	if (account == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("requests are sent by background processes alone"),
				 errhint("Call hubspot_verify().")));
}

/* The URL of a path that may begin with one of bases[]. */
static char *
url_of(const char *path)
{
	for (int i = 0; i < lengthof(bases); i++)
	{
		size_t		len = strlen(bases[i].name);
		const char *whole;

		if (strncmp(path, bases[i].name, len) != 0)
			continue;
		whole = path_of(bases[i].path,
						bases[i].names_type ? &object_types[OBJECT_IS_CONTACT] : NULL, account,
						NULL);
		return psprintf("%s%.*s%s", account->base_url,
						(int) (strlen(whole) - strlen(bases[i].tail)), whole, path + len);
	}
	return psprintf("%s%s", account->base_url, path);
}

/* Sleep until then, or until libcurl has something. */
static void
sleep_until(int64 until)
{
	while (clock_us() < until)
	{
		CHECK_FOR_INTERRUPTS();
		wire_wait((until - clock_us()) / 1000 + 1, PG_WAIT_EXTENSION);
	}
}

/* Send, and wait for the answer. */
static WireResponse
send_once(const WireRequest *request)
{
	WireSettings settings = {
		.timeout_ms = hubspot_timeout,
		.connect_timeout_ms = hubspot_connect_timeout,
		.ca_file = hubspot_ca_file[0] != '\0' ? hubspot_ca_file : NULL,
		.proxy = hubspot_proxy[0] != '\0' ? hubspot_proxy : NULL,
	};
	WireResponse response = {.slot = -1};
	char		error[256];

	sleep_until(not_before);
	not_before = clock_us() + WINDOW_US / (account->burst_limit > 0 ? account->burst_limit : PACE);
	if (wire_send(request, &settings, error) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not send a request: %s", encoding_from_wire(error))));
	while (!wire_next(&response))
	{
		CHECK_FOR_INTERRUPTS();
		wire_wait(-1, PG_WAIT_EXTENSION);
	}
	return response;
}

/* The same, as often as HubSpot's limit says "later". */
static WireResponse
send_patiently(const WireRequest *request)
{
	WireResponse response = send_once(request);

	for (int i = 0; i < LIMITED_TIMES && response.status == 429; i++)
	{
		not_before = clock_us() + WINDOW_US;
		wire_release(response.slot);
		response = send_once(request);
	}
	return response;
}

/*
 * hubspot.verify_ask(method, path, body, OUT status, OUT answer): status 0 without an answer, which
 * is libcurl's words then.
 */
Datum
hubspot_verify_ask(PG_FUNCTION_ARGS)
{
	char	   *url;
	int			len;
	WireRequest request = {.is_once = true};
	WireResponse response;
	Datum		values[2];
	bool		nulls[2] = {0};
	TupleDesc	desc;

	check_process();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	request.method = text_to_cstring(PG_GETARG_TEXT_PP(0));
	url = url_of(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	len = strlen(url);
	request.url = encoding_to_wire(url, &len);
	request.token = secret.token;
	/* HubSpot is told in UTF-8, whatever the database's encoding */
	if (!PG_ARGISNULL(2))
	{
		char	   *body = text_to_cstring(PG_GETARG_TEXT_PP(2));

		len = strlen(body);
		request.body = encoding_to_wire(body, &len);
		request.body_len = len;
	}
	response = send_patiently(&request);
	values[0] = Int32GetDatum(response.answered ? response.status : 0);
	if (!response.answered)
		values[1] = CStringGetTextDatum(encoding_from_wire(response.error));
	else if (response.body == NULL || response.body_len > MAX_ANSWER)
		nulls[1] = true;
	else
		values[1] = CStringGetTextDatum(encoding_from_wire(response.body));
	wire_release(response.slot);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* hubspot.verify_note(request): what removes a thing that was made. */
Datum
hubspot_verify_note(PG_FUNCTION_ARGS)
{
	MemoryContext old;

	check_process();
	if (list_length(made) >= MAX_MADE)
		elog(ERROR, "a question makes too much");
	old = MemoryContextSwitchTo(TopMemoryContext);
	made = lappend(made, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}

List *
verify_ask_made(void)
{
	List	   *since = made;

	made = NIL;
	return since;
}
