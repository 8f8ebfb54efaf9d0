/*
 * companies.c
 *		The companies lane: by a key of their own, or by domain.
 *
 *	upsert		by the account's unique property
 *	search		by domain, where no record is known yet
 *	create		no company of this domain was found
 *	update		by record id
 *	read by key	whether HubSpot has it under our key, before another one is adopted
 *	seek		whether HubSpot has it, for rows that only update or only create
 *
 * Domains are not unique, so that a create is not to be repeated when its
 * answer was lost: half a minute later, when HubSpot's index has had time to
 * follow, the company is searched for again.
 *
 * With a key of its own, a company that has it is the one, whatever its domain;
 * else one that is found by its domain and has no key is adopted.  What the
 * search does not find goes to the upsert, which finds it by the key, so that
 * the key is read first for those alone that would be adopted.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/deletes.h"
#include "crm/employers.h"
#include "crm/families.h"
#include "crm/modes.h"
#include "crm/record_kinds.h"
#include "request/fault.h"
#include "request/schema_sync.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "wait/await.h"

#define INDEX_US		30000000	/* that HubSpot's search may be behind what was written */

/* ---- search ------------------------------------------------------------------------ */

/*
 * The domain of a company that has a key of its own, by its newest row that tells; NULL: none does.
 */
static char *
domain_of(const Input *input, const MessageParts *parts)
{
	char	   *domain = NULL;

	for (int i = input->nrows - 1; i >= 0 && domain == NULL; i--)
		domain = message_company_domain(input->rows[i]->call, &parts[i]);
	return domain;
}

static BuildResult
append_domain(Batch *batch, Input *input, const MessageParts *parts)
{
	input->alias = company_is_by_domain(input->key) ? input->key->key : domain_of(input, parts);
	/* the row that had one was not to be sent any more */
	if (input->alias == NULL || records_wait_for_key(input))
		return BUILD_WAIT;
	return company_search_append(batch, input);
}

static const RequestKind create_companies;
static const RequestKind read_by_key;

/* A company that is there has our key, or is given it. */
static void
take_company(Input *input, const char *record_id, bool adopts)
{
	strlcpy(input->key->record_id, record_id, sizeof(input->key->record_id));
	input->adopts = adopts;
	input->onward = &records_update;
}

/* Rows of the other modes were looked for by their key before they came here. */
static bool
must_ask_for_key(const Input *input)
{
	return !company_is_by_domain(input->key) && input->rows[0]->mode == MODE_UPSERT;
}

/*
 * HubSpot makes a company of a new contact's domain by itself, and its search does not find that
 * yet: before one is created, the companies of a contact of the domain are read, once.
 */
static const RequestKind *
kind_to_create(Input *input)
{
	if (input->contact == NULL)
	{
		input->contact = employers_contact(input);
		if (input->contact != NULL)
			return &employers_read;
	}
	return company_is_by_domain(input->key) ? &create_companies : &records_upsert;
}

static void
decide(Input *input, const Found *found, const Reply *reply, AckRequest *request)
{
	const ReplyResult *company = found->ours != NULL ? found->ours : found->company;

	input->several = input->several || found->several > 1;
	/* whatever request follows, it leaves the primary domain alone */
	input->keeps_address = company != NULL && company_keeps_domain(input, company);
	if (company != NULL && !modes_may_update(input, company->id, reply, request))
		return;
	if (found->ours != NULL && input->rows[0]->mode == MODE_UPSERT)
		input->onward = &records_upsert;
	else if (company != NULL && found->ours == NULL && must_ask_for_key(input))
	{
		input->adoptee = company->id;
		input->onward = &read_by_key;
	}
	else if (company != NULL)
		take_company(input, company->id, found->ours == NULL);
	else if (modes_may_create(input, reply, request))
		input->onward = kind_to_create(input);
}

static void
decide_searched(Input *input, const Found *found, const Reply *reply, AckRequest *request)
{
	if (input->rows[0]->call != CALL_DELETE)
		decide(input, found, reply, request);
	else
	{
		input->several = found->several > 1;
		deletes_found(input, found->company != NULL ? found->company->id : NULL, reply, request);
	}
}

static void
search_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	company_search_answered(batch, reply, request, decide_searched);
}

/* ---- whose key it is -------------------------------------------------------------------- */

static void
decide_adoption(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
				AckRequest *request)
{
	/* the domain is that of the adoptee, which is not the one */
	if (found != NULL)
		input->keeps_address = false;
	take_company(input, found != NULL ? found->id : input->adoptee, found == NULL);
}

static void
key_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	records_keys_answered(batch, reply, request, decide_adoption);
}

/* ---- create ---------------------------------------------------------------------------- */

static BuildResult
append_new(Batch *batch, Input *input, const MessageParts *parts)
{
	BuildResult result;

	input->whole = true;
	records_begin_input(&batch->body, NULL, NULL, input->trace);
	result = records_append_properties(batch, input, parts, true);
	records_end_input(&batch->body);
	return result;
}

/* Perhaps they were created: searched for again later. */
static void
search_later(Batch *batch, const bool *chosen)
{
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];

		if (chosen != NULL && !chosen[i])
			continue;
		for (int j = 0; j < input->nrows; j++)
			row_note_fate(input->rows[j], FATE_SENT);
		input->key->not_before = clock_us() + INDEX_US;
		batch_put_back(input->key, input->rows, input->nrows);
	}
}

static Settlement
settle_create(Batch *batch, const Reply *reply, bool answered, bool reached, AckRequest *request)
{
	if (!batch_may_be_done(reply, answered, reached))
		return SETTLE_NOT;
	search_later(batch, NULL);
	return SETTLE_DONE;
}

/* Records that the answer leaves out may have been created. */
static void
create_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	ReplyInput *matched;
	bool	   *left_out;

	if (reply->class != REPLY_RECORDS)
	{
		batch_refused(batch, reply, request);
		return;
	}
	matched = palloc0(sizeof(ReplyInput) * batch->ninputs);
	left_out = palloc0(sizeof(bool) * batch->ninputs);
	for (int i = 0; i < batch->ninputs; i++)
	{
		matched[i].trace = batch->inputs[i].trace;
		matched[i].key = batch->inputs[i].key->key;
	}
	reply_match(reply, "domain", matched, batch->ninputs);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		const ReplyResult *result = matched[i].result;
		const ReplyError *error = matched[i].error;

		/*
		 * A company counts as created by its id alone. Whatever is neither that nor an error of
		 * this very company may have been created, and domains are not unique: a repeat would make
		 * a second one, so the next request is a search.
		 */
		if (matched[i].outcome == REPLY_CONFIRMED && result != NULL && result->id != NULL)
		{
			strlcpy(input->key->record_id, result->id, sizeof(input->key->record_id));
			records_note_stage(input, result);
			records_end(input, result->id, 1, reply->status, request);
		}
		else if (matched[i].outcome != REPLY_FAILED)
			left_out[i] = true;
		else if (reply_is_transient(error))
			fault_input(input, error->category, error->message, reply->status, request);
		else
			batch_refuse_rows(input, error->code != NULL ? error->code : error->category,
							  error->message, reply->status, request, false);
	}
	search_later(batch, left_out);
}

/* ---- which request ------------------------------------------------------------------------ */

static const RequestKind search_companies = {
	COMPANY_SEARCH,
	.collects = true,
	.one_property = true,
	.append_input = append_domain,
	.answered = search_answered,
};

static const RequestKind read_by_key = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = key_answered,
};

static const RequestKind create_companies = {
	.repeat = REPEAT_SOUGHT,
	.path = PATH_CREATE,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.append_input = append_new,
	.settle = settle_create,
	.answered = create_answered,
};

static const char *
domain_told(const Input *input, const MessageParts *parts)
{
	return company_is_by_domain(input->key) ? NULL : domain_of(input, parts);
}

static const RecordKinds company_kinds = {
	RECORD_KINDS_OF_ALL,
	.seek_elsewhere = &search_companies,
	.alias = domain_told,
	.decide = decide,
};

/* Whether the head row tells a domain. */
static bool
tells_domain(const WorkKey *key)
{
	const Row  *row = key_head(key);
	MessageParts parts;
	MessageProblem problem;

	return message_read(row->message, &parts, &problem) &&
		message_company_domain(row->call, &parts) != NULL;
}

static const RequestKind *
kind_of_company(WorkKey *key)
{
	const RequestKind *kind = modes_kind_of(key);

	if (modes_awaits_record(key))
		return NULL;
	if (key_head(key)->call == CALL_DELETE)
		return company_is_by_domain(key) && key->record_id[0] == '\0'
			? &search_companies : deletes_kind_of(key);
	/* by domain, one that is not known is searched for whatever the mode */
	if (kind != NULL && (!company_is_by_domain(key) || key->record_id[0] != '\0'))
		return kind;
	if (!company_is_by_domain(key) && (key->record_id[0] != '\0' || !tells_domain(key)))
		return &records_upsert;
	if (!company_is_by_domain(key))
		return employers_ask(key) ? NULL : &search_companies;
	if (key->record_id[0] != '\0')
		return &records_update;
	if (row_may_have_arrived(key_head(key)) && key->not_before == 0)
		key->not_before = clock_us() + INDEX_US;	/* another worker may just have created it */
	if (key->not_before > clock_us())
	{
		await_time(key, key->not_before);
		return NULL;
	}
	return employers_ask(key) ? NULL : &search_companies;
}

/* A key that was put into the outbox by hand may be of no property. */
static bool
check_company(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	if (row->key->property == NULL)
	{
		*category = "bad_message";
		*problem = "the row does not say which property of the company its key is";
		return false;
	}
	if (row->erases)
	{
		*category = "bad_message";
		*problem = "only a contact can be erased, a company is archived";
		return false;
	}
	return row->call == CALL_DELETE || records_check(row, parts, category, problem);
}

/* A record id is looked up as such; others ask for a contact of the company, see employers.h. */
static void
look_up_company(WorkKey *key)
{
	if (object_key_is_record_id(key->property))
		await_look_up_record(key);
	else
		employers_look_up(key);
}

const FamilyWork companies_work = {
	.kind = &search_companies,
	.records = &company_kinds,
	.kind_of = kind_of_company,
	.joins = modes_join,
	.check = check_company,
	.look_up = look_up_company,
};
