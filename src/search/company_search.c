/*
 * company_search.c
 *		Companies are searched for by domain, which is no key in HubSpot.
 *
 * See company_search.h.  One request asks for up to a hundred primary domains, by IN.
 * HubSpot has no such filter for further domains: IN compares the whole text, and
 * CONTAINS_TOKEN takes one domain, in one of five groups.  So, where the account has
 * the property, that request asks along for all companies that have further domains
 * (HAS_PROPERTY), and the texts are compared here: it costs no request, as long as
 * those companies fit into the answer's page beside what is searched for.  Few
 * accounts have two hundred of them, for each is a merge or was typed in; of one that
 * has, domains that are nobody's primary one are searched for in a second request, five
 * at once.
 *
 * Whether HubSpot lets either filter be used is not documented.  Where it refuses,
 * searches go without.  Both are found out anew after an hour, as accounts change.
 *
 * Called by batch.c, in the batch's memory context.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "text/value.h"

#define MAX_GROUPS		5		/* of filters in a search, by HubSpot's limit */
#define SEARCH_BYTES	2500	/* of a body that may take one more domain; HubSpot: 3000 in all */
#define ANEW_US			(INT64CONST(3600) * 1000000)

/* ---- whose a company is ------------------------------------------------------------ */

bool
company_is_by_domain(const WorkKey *key)
{
	return key->property != NULL && strcmp(key->property, MESSAGE_DOMAIN) == 0;
}

/* The key that the company sought has beside its domain; NULL: none is known. */
static const WorkKey *
own_key(const Input *input)
{
	const WorkKey *key = input->key;

	return object_types[key->lane->family].further_keys != NULL && !company_is_by_domain(key)
		? key : NULL;
}

/* Not so where we know the account's properties, and this is none of them. */
static bool
may_have_further(const Account *account)
{
	const PropertySet *set = account->rules[OBJECT_IS_COMPANY]->properties;

	return set == NULL ||
		schema_property(set, MESSAGE_FURTHER_DOMAINS, strlen(MESSAGE_FURTHER_DOMAINS)) != NULL;
}

/* The key tells whom a company belongs to. */
void
company_append_asked(Batch *batch)
{
	const WorkKey *own = batch->ninputs > 0 ? own_key(&batch->inputs[0]) : NULL;

	appendStringInfoString(&batch->body, "\"domain\"");
	if (may_have_further(batch->lane->account))
		appendStringInfoString(&batch->body, ",\"" MESSAGE_FURTHER_DOMAINS "\"");
	if (own != NULL)
	{
		const char *property = queue_id_property(own);

		appendStringInfoChar(&batch->body, ',');
		value_append_string(&batch->body, property, strlen(property));
	}
}

bool
company_keeps_domain(const Input *input, const ReplyResult *result)
{
	const char *domain = reply_property(result, "domain");

	return domain == NULL || pg_strcasecmp(domain, input->alias) != 0;
}

static bool
is_older(const ReplyResult *a, const ReplyResult *b)
{
	return a->created_at != NULL && b->created_at != NULL &&
		strcmp(a->created_at, b->created_at) < 0;
}

/* One whose primary domain it is goes before others, but for the one that has our key. */
void
company_look_at(Found *found, const Input *input, const ReplyResult *result)
{
	const WorkKey *own = own_key(input);
	const char *key = own == NULL ? NULL : reply_property(result, queue_id_property(own));
	bool		is_ours = key != NULL && key[0] != '\0';
	bool		is_further = company_keeps_domain(input, result);
	const char *further = is_further ? reply_property(result, MESSAGE_FURTHER_DOMAINS) : NULL;

	if (result->id == NULL || (is_ours && strcmp(key, own->key) != 0) ||
		(is_further && (further == NULL || !value_list_has(further, input->alias))))
		return;
	if (is_ours)
		found->ours = result;

	/* The better kind counts alone. */
	if (is_further && found->several > 0 && !found->is_further)
		return;
	if (!is_further && found->is_further)
	{
		found->company = NULL;
		found->several = 0;
	}
	found->is_further = is_further;
	found->several++;
	if (!is_ours && (found->company == NULL || is_older(result, found->company)))
		found->company = result;
}

void
company_note_domain(const Input *input, const char *record_id)
{
	WorkKey    *key = input->key;

	if (record_id == NULL || input->alias == NULL || !input->keeps_address ||
		own_key(input) == NULL)
		return;
	queue_note_further_domain(key, input->alias);
	record_map_add(key->lane->account->server, OBJECT_IS_COMPANY, MESSAGE_FURTHER_DOMAINS,
				   input->alias, record_id, false, clock_us());
}

void
company_warn_of_several(Input *input)
{
	if (input->several)
		batch_warn(input, "several_companies", "domain",
				   "HubSpot has several companies of this domain: the oldest was taken");
}

char *
company_not_found(const char *domain)
{
	return psprintf("HubSpot's search finds no company of the domain %s", domain);
}

/* ---- the request --------------------------------------------------------------------- */

/* How the account's further domains are searched for. */
static FurtherDomains
further_of(Account *account)
{
	if (!may_have_further(account))
		return FURTHER_NOT;
	if (clock_us() >= account->further_until)
		account->further_domains = FURTHER_ALONG;
	return account->further_domains;
}

static void
note_further(Account *account, FurtherDomains how)
{
	account->further_domains = how;
	account->further_until = clock_us() + ANEW_US;
}

void
company_search_begin(Batch *batch)
{
	appendStringInfoString(&batch->body,
						   "{\"filterGroups\":[{\"filters\":[{\"propertyName\":\"domain\","
						   "\"operator\":\"IN\",\"values\":[");
}

static bool
is_in_batch(const Batch *batch, const char *domain)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(batch->inputs[i].alias, domain) == 0)
			return true;
	return false;
}

/* The others wait: the next search has room for them. */
BuildResult
company_search_append(Batch *batch, Input *input)
{
	if (is_in_batch(batch, input->alias))
		return BUILD_DONE;
	if (batch->body.len + strlen(input->alias) > SEARCH_BYTES)
		return BUILD_WAIT;
	value_append_string(&batch->body, input->alias, strlen(input->alias));
	return BUILD_DONE;
}

/* In place of the list of primary domains. */
static void
write_tokens(Batch *batch)
{
	StringInfo	body = &batch->body;
	const char *separator = "{\"filterGroups\":[";

	resetStringInfo(body);
	for (int i = 0; i < batch->ninputs; i++)
	{
		const char *domain = batch->inputs[i].alias;

		if (batch->inputs[i].len == 0)
			continue;			/* another input has asked */
		appendStringInfo(body, "%s{\"filters\":[{\"propertyName\":\"" MESSAGE_FURTHER_DOMAINS "\","
						 "\"operator\":\"CONTAINS_TOKEN\",\"value\":", separator);
		value_append_string(body, domain, strlen(domain));
		appendStringInfoString(body, "}]}");
		separator = ",";
	}
}

/* All inputs have come to the same point. */
static void
choose_form(Batch *batch)
{
	SearchForm	form = further_of(batch->lane->account) == FURTHER_ALONG
	? SEARCH_ALONG : SEARCH_PRIMARY;

	for (int i = 0; i < batch->ninputs; i++)
		if (batch->inputs[i].search == SEARCH_NEW)
			batch->inputs[i].search = form;
}

/* The oldest first. */
void
company_search_end(Batch *batch)
{
	if (batch->ninputs == 0)
		return;
	choose_form(batch);
	if (batch->inputs[0].search == SEARCH_TOKENS)
		write_tokens(batch);
	else
		appendStringInfoString(&batch->body, "]}]}");
	if (batch->inputs[0].search == SEARCH_ALONG)
		appendStringInfoString(&batch->body,
							   ",{\"filters\":[{\"propertyName\":\"" MESSAGE_FURTHER_DOMAINS "\","
							   "\"operator\":\"HAS_PROPERTY\"}]}");
	appendStringInfoString(&batch->body, "],\"properties\":[");
	company_append_asked(batch);
	appendStringInfoString(&batch->body,
						   "],\"sorts\":[\"createdate\"],\"limit\":200,\"after\":\"0\"}");
}

/* ---- the answer ------------------------------------------------------------------------ */

/*
 * An answer as of a batch of writes that did nothing is no answer to a search,
 * which tells a total: nothing may be created for it.
 */
static bool
is_silent(const Reply *reply)
{
	return reply->nresults == 0 && reply_text(reply, "status")[0] != '\0' &&
		!reply_has(reply, "total");
}

/* The inputs whose flag is set, by further domains: in as many requests as these fill. */
static void
follow_by_tokens(Batch *batch, bool *open)
{
	bool	   *part = palloc(sizeof(bool) * batch->ninputs);
	const char *domains[MAX_GROUPS];
	int			ndomains;

	/* inputs of one domain go together: one asks for all */
	do
	{
		ndomains = 0;
		for (int i = 0; i < batch->ninputs; i++)
		{
			Input	   *input = &batch->inputs[i];
			int			at = 0;

			while (at < ndomains && strcmp(domains[at], input->alias) != 0)
				at++;
			part[i] = open[i] && at < MAX_GROUPS;
			if (!part[i])
				continue;
			if (at == ndomains)
				domains[ndomains++] = input->alias;
			input->search = SEARCH_TOKENS;
			open[i] = false;
		}
		if (ndomains > 0)
			(void) batch_follow(batch, part, batch->kind);
	} while (ndomains > 0);
	pfree(part);
}

/* Once more without further domains: they are not to be searched for, or are too many. */
static void
search_primary(Input *input, const RequestKind *kind)
{
	input->search = SEARCH_PRIMARY;
	input->onward = kind;
}

/* HubSpot does not search by further domains, as it seems: what is left is decided without. */
static void
further_refused(Batch *batch, const Reply *reply, AckRequest *request, CompanyDecision decide)
{
	bool		is_along = batch->inputs[0].search == SEARCH_ALONG;

	note_further(batch->lane->account, FURTHER_NOT);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Found		none = {0};

		if (is_along)
			search_primary(&batch->inputs[i], batch->kind);
		else
			decide(&batch->inputs[i], &none, reply, request);
	}
	batch_go_on(batch, reply, request);
}

static void
read_found(Batch *batch, const Reply *reply, AckRequest *request, CompanyDecision decide)
{
	Account    *account = batch->lane->account;
	SearchForm	form = batch->inputs[0].search;
	bool		is_page = reply->nresults > 0 && reply_next_page(reply)[0] != '\0';
	bool	   *again = palloc0(sizeof(bool) * batch->ninputs);
	bool	   *by_token = palloc0(sizeof(bool) * batch->ninputs);
	int			nagain = 0;

	if (is_page && form == SEARCH_ALONG)
		note_further(account, FURTHER_BY_TOKEN);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		Found		found = {0};
		bool		is_found;

		for (int j = 0; j < reply->nresults; j++)
			company_look_at(&found, input, &reply->results[j]);
		is_found = found.company != NULL || found.ours != NULL;

		/* behind the page may be the one whose primary domain it is */
		if (is_page && form == SEARCH_ALONG && (!is_found || found.is_further))
			search_primary(input, batch->kind);
		else if (is_page && form == SEARCH_PRIMARY && !is_found && batch->ninputs > 1)
			nagain += again[i] = true;
		else if (form == SEARCH_PRIMARY && !is_found &&
				 further_of(account) == FURTHER_BY_TOKEN)
			by_token[i] = true;
		else
			decide(input, &found, reply, request);
	}
	follow_by_tokens(batch, by_token);
	/* those that the first page did not tell are asked for by themselves */
	if (nagain > 0 && nagain == batch->ninputs)
		batch_bisect(batch, reply);
	else
		batch_split_off(batch, again);
	batch_go_on(batch, reply, request);
}

void
company_search_answered(Batch *batch, const Reply *reply, AckRequest *request,
						CompanyDecision decide)
{
	if (reply->class == REPLY_REFUSED && reply->status == 400 &&
		batch->inputs[0].search != SEARCH_PRIMARY)
		further_refused(batch, reply, request, decide);
	else if (reply->class != REPLY_RECORDS)
		batch_refused(batch, reply, request);
	else if (is_silent(reply))
		batch_silent(batch, NULL, reply, request);
	else
		read_found(batch, reply, request, decide);
}
