/*
 * employers.c
 *		The companies that a contact has, before another one is made for it.
 *
 * See employers.h.  Contacts that HubSpot has created lately are kept by their
 * domain, in a table of a fixed size in which one may take the place of another:
 * which of a domain's contacts is asked for does not matter, and the contact that
 * the call itself names is found in the tables.
 *
 * Memory: WorkerContext.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "base/worker_context.h"
#include "crm/employers.h"
#include "crm/records.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "text/domain.h"
#include "wait/await.h"

#define LATELY			4096	/* contacts that are kept */
#define LATELY_US		(INT64CONST(10) * 60 * 1000000) /* long enough for HubSpot and its index */
#define MAX_ROWS		16		/* of a key, whose contacts are looked for */
#define MAX_EMPLOYERS	20		/* of a contact, which are read */
#define MAX_READ		100		/* records in a request, by HubSpot's limit */

typedef struct Lately
{
	Oid			server;			/* InvalidOid: empty */
	uint64		domain;			/* its hash: who has the same is asked for in vain */
	int64		at;
	char		record_id[RECORD_ID_BYTES];
} Lately;

static Lately *lately;			/* NULL before the first */

/* ---- contacts that HubSpot has created lately ---------------------------------------- */

static uint64
hash_domain(const char *domain)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) domain, strlen(domain), 0));
}

static Lately *
place_of(Oid server, uint64 domain)
{
	return &lately[hash_combine64(domain, server) % LATELY];
}

/* The first of a domain stays: the longer it is there, the likelier it has its company. */
void
employers_note(const WorkKey *key, const char *address, const char *record_id)
{
	const char *domain = domain_of_address(address);
	Oid			server = key->lane->account->server;
	int64		now = clock_us();
	uint64		hash;
	Lately	   *place;

	if (domain == NULL || record_id == NULL)
		return;
	if (lately == NULL)
		lately = MemoryContextAllocZero(WorkerContext, sizeof(Lately) * LATELY);
	hash = hash_domain(domain);
	place = place_of(server, hash);
	if (place->server == server && place->domain == hash && now - place->at < LATELY_US)
		return;
	place->server = server;
	place->domain = hash;
	place->at = now;
	strlcpy(place->record_id, record_id, sizeof(place->record_id));
}

static const char *
created_lately(Oid server, const char *domain)
{
	uint64		hash = hash_domain(domain);
	const Lately *place = lately == NULL ? NULL : place_of(server, hash);

	return place != NULL && place->server == server && place->domain == hash &&
		clock_us() - place->at < LATELY_US ? place->record_id : NULL;
}

/* ---- whose companies are read ------------------------------------------------------------- */

bool
employers_ask(WorkKey *company)
{
	Row		   *row = key_head(company);
	MessageParts parts;
	MessageProblem problem;

	if (row->looked != LOOKED_NOT || !message_read(row->message, &parts, &problem) ||
		!message_names_contact(row->call, &parts))
		return false;
	row->looked = LOOKED_ONCE;
	await_look_up(company);
	return true;
}

/* The contact that a row names, if it may be of the company's domain, in HubSpot. */
static const char *
look_up_contact(const WorkKey *company, const Row *row)
{
	const Account *account = company->lane->account;
	MessageParts parts;
	MessageProblem problem;
	MessageKey	contact;
	const char *domain;
	const char *address;

	if (!message_read(row->message, &parts, &problem) ||
		!message_names_contact(row->call, &parts) ||
		!message_known_contact_key(row->call, &parts,
								   account->options->id_property[OBJECT_IS_CONTACT], &contact,
								   &problem))
		return NULL;
	/* HubSpot knows nobody by a userId: it stands for the address that was told with it */
	if (contact.property != NULL && strcmp(contact.property, MESSAGE_USER_ID) == 0)
	{
		contact.key = record_map_find_told(account->server, contact.key, row->id, NULL);
		contact.property = NULL;
		if (contact.key == NULL)
			return NULL;
	}
	domain = company_is_by_domain(company)
		? company->key : message_company_domain(row->call, &parts);
	address = contact.property == NULL ? contact.key : message_email(row->call, &parts);
	if (domain == NULL || (address != NULL && strcmp(domain_of_address(address), domain) != 0))
		return NULL;
	return record_map_find(account->server, OBJECT_IS_CONTACT,
						   object_key_property(contact.property), contact.key);
}

/* One contact is enough: HubSpot makes one company for all of a domain. */
void
employers_look_up(WorkKey *company)
{
	int			n = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &company->rows.waiting)
	{
		Row		   *row = dlist_container(Row, node, iter.cur);
		const char *found = ++n > MAX_ROWS ? NULL : look_up_contact(company, row);

		if (found != NULL)
		{
			strlcpy(key_head(company)->record_id, found, RECORD_ID_BYTES);
			break;
		}
	}
}

const char *
employers_contact(const Input *input)
{
	for (int i = 0; i < input->nrows; i++)
		if (input->rows[i]->record_id[0] != '\0')
			return input->rows[i]->record_id;
	return created_lately(input->key->lane->account->server, input->alias);
}

/* ---- the companies of a contact ----------------------------------------------------------- */

static BuildResult
append_contact(Batch *batch, Input *input, const MessageParts *parts)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(batch->inputs[i].contact, input->contact) == 0)
			return BUILD_DONE;
	appendStringInfo(&batch->body, "{\"id\":\"%s\"}", input->contact);
	return BUILD_DONE;
}

/* Nothing more can be found out about it. */
static void
decide_without(Input *input, const Reply *reply, AckRequest *request)
{
	Found		none = {0};

	records_of(input->key->lane)->decide(input, &none, reply, request);
}

/* The companies in a result, with blanks between them, palloc'd; "" when there are none. */
static char *
companies_in(const ReplyResult *result)
{
	StringInfoData ids;
	const char *id;

	initStringInfo(&ids);
	for (int i = 0; i < MAX_EMPLOYERS && (id = reply_associated(result, i)) != NULL; i++)
		appendStringInfo(&ids, "%s%s", i > 0 ? " " : "", id);
	return ids.data;
}

/* What an answer says of a contact. */
static const ReplyResult *
result_of(const Reply *reply, const char *contact)
{
	for (int i = 0; i < reply->nresults; i++)
		if (reply->results[i].from_id != NULL && strcmp(reply->results[i].from_id, contact) == 0)
			return &reply->results[i];
	return NULL;
}

static const ReplyError *
error_of(const Reply *reply, const char *contact)
{
	for (int i = 0; i < reply->nerrors; i++)
		if (reply_error_names(&reply->errors[i], contact))
			return &reply->errors[i];
	return NULL;
}

/* Whether as much was told as was asked, so that who is not named has nothing. */
static bool
is_complete(const Batch *batch, const Reply *reply)
{
	int			nasked = 0;

	for (int i = 0; i < batch->ninputs; i++)
		nasked += batch->inputs[i].len > 0;
	return reply->nresults + reply->nerrors >= nasked;
}

static const RequestKind read_employers;

/* How many ids are in a text with blanks between them. */
static int
count_ids(const char *ids)
{
	int			n = 1;

	for (; *ids != '\0'; ids++)
		n += *ids == ' ';
	return n;
}

/* Inputs with companies go on in as many requests as these fill. */
static void
follow_in_parts(Batch *batch, bool *chosen)
{
	bool	   *part = palloc0(sizeof(bool) * batch->ninputs);
	int			nids = 0;

	for (int i = batch->ninputs - 1; i >= 0; i--)
	{
		if (!chosen[i])
			continue;
		if (nids + count_ids(batch->inputs[i].employers) > MAX_READ)
		{
			(void) batch_follow(batch, part, &read_employers);
			memset(part, 0, sizeof(bool) * batch->ninputs);
			nids = 0;
		}
		nids += count_ids(batch->inputs[i].employers);
		part[i] = true;
	}
	if (nids > 0)
		(void) batch_follow(batch, part, &read_employers);
}

static void
pairs_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool	   *chosen = palloc0(sizeof(bool) * batch->ninputs);

	if (reply->class != REPLY_RECORDS)
	{
		batch_refused(batch, reply, request);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		const ReplyResult *result = result_of(reply, input->contact);
		const ReplyError *error = error_of(reply, input->contact);

		/* who has none is told as an error, or not at all */
		if (result != NULL && reply_associated(result, 0) != NULL)
		{
			input->employers = companies_in(result);
			chosen[i] = true;
		}
		else if (result == NULL && (error != NULL ? reply_is_transient(error)
									: !is_complete(batch, reply)))
			input->onward = &batch_same;
		else
			decide_without(input, reply, request);
	}
	follow_in_parts(batch, chosen);
	batch_go_on(batch, reply, request);
}

/* ---- what they are ------------------------------------------------------------------------- */

/* Whether an id stands in a text with blanks between them. */
static bool
is_among(const char *ids, const char *id, size_t len)
{
	for (const char *at = ids; at != NULL; at = strchr(at, ' '))
	{
		at += *at == ' ';
		if (strncmp(at, id, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
			return true;
	}
	return false;
}

static bool
is_asked_for(const Batch *batch, const char *id, size_t len)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (is_among(batch->inputs[i].employers, id, len))
			return true;
	return false;
}

static BuildResult
append_employers(Batch *batch, Input *input, const MessageParts *parts)
{
	int			start = batch->body.len;

	for (const char *at = input->employers; at != NULL; at = strchr(at, ' '))
	{
		size_t		len;

		at += *at == ' ';
		len = strcspn(at, " ");
		if (!is_asked_for(batch, at, len))
			appendStringInfo(&batch->body, "%s{\"id\":\"%.*s\"}",
							 batch->body.len > start ? "," : "", (int) len, at);
	}
	return BUILD_DONE;
}

static void
end_employers(Batch *batch)
{
	appendStringInfoString(&batch->body, "],\"properties\":[");
	company_append_asked(batch);
	appendStringInfoString(&batch->body, "]}");
}

/* A company that is not told any more was merged or deleted meanwhile. */
static void
employers_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class != REPLY_RECORDS)
	{
		batch_refused(batch, reply, request);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		Found		found = {0};

		if (reply->nresults == 0 && reply->nerrors == 0)
		{
			input->onward = &batch_same;
			continue;
		}
		for (int j = 0; j < reply->nresults; j++)
		{
			const char *id = reply->results[j].id;

			if (id != NULL && is_among(input->employers, id, strlen(id)))
				company_look_at(&found, input, &reply->results[j]);
		}
		records_of(input->key->lane)->decide(input, &found, reply, request);
	}
	batch_go_on(batch, reply, request);
}

const RequestKind employers_read = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_ASSOCIATIONS_READ,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 100,
	.is_list = true,
	.shares = true,
	.append_input = append_contact,
	.answered = pairs_answered,
};

static const RequestKind read_employers = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.shares = true,
	.end_body = end_employers,
	.append_input = append_employers,
	.answered = employers_answered,
};
