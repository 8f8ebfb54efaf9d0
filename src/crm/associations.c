/*
 * associations.c
 *		The associations lane: which contact belongs to which company, and which does not any more.
 *
 * A row is keyed by its contact; its message names the company.  It waits
 * until the rows of both that are in the window are done, in whatever order
 * they were queued, then asks the tables for both record ids, then HubSpot, once.
 *
 *	link			batches of pairs, as primary company or without a label
 *	unlink			batches of pairs that are to be none
 *	link beside		the same without a label, of a late row whose contact has a primary company
 *	read contact,	a side that no answer has told us
 *	read company
 *	search company	the same where it is named by its domain
 *	make contact,	a side that HubSpot does not have, with create_missing
 *	make company
 *
 * Who leaves a company need not be there: what HubSpot does not have is nobody's member.
 * The contact's record id is the key's, the company's the row's.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/hubspot.h"
#include "base/clock.h"
#include "crm/employers.h"
#include "crm/families.h"
#include "crm/late.h"
#include "crm/records.h"
#include "request/fault.h"
#include "search/company_search.h"
#include "store/company_contact.h"
#include "ring/ring_scan.h"
#include "store/record_map.h"
#include "text/value.h"
#include "wait/await.h"
#include "wait/tell.h"

/* HubSpot's types of associations; each has a direction. */
#define PRIMARY_COMPANY				1	/* of a contact with its primary company */
#define COMPANY_TO_PRIMARY_CONTACT	2
#define COMPANY_TO_CONTACT			280

static const RequestKind link_pairs;
static const RequestKind unlink_pairs;
static const RequestKind link_beside;
static const RequestKind read_contacts;
static const RequestKind read_companies;
static const RequestKind search_companies;
static const RequestKind make_contacts;
static const RequestKind make_companies;

static bool
is_by_domain(const MessageKey *company)
{
	return strcmp(company->property, MESSAGE_DOMAIN) == 0;
}

static Row *
carrier(const Input *input)
{
	return input->rows[input->nrows - 1];
}

static bool
row_leaves(const Row *row)
{
	return row->call == CALL_UNGROUP;
}

/* The request about the pair itself. */
static const RequestKind *
kind_of_pair(const Row *row)
{
	if (row_leaves(row))
		return &unlink_pairs;
	return late_has_company(row) ? &link_beside : &link_pairs;
}

/* Whether HubSpot has to be asked for the contact's primary company before. */
static bool
must_ask(const Row *row)
{
	return !row_leaves(row) && late_pair_must_ask(row);
}

/* The company of a row; the message was checked before. */
static MessageKey
company_of(const Row *row)
{
	MessageKey	company = {.property = "", .key = ""};

	(void) message_read_association(row->message, &company);
	return company;
}

/* ---- what a row waits for ------------------------------------------------------------ */

/* Whether both sides are known, or certainly not; else the key has been sent away. */
static bool
is_settled(WorkKey *key)
{
	Account    *account = key->lane->account;
	Lane	   *contacts = account->lanes[FAMILY_CONTACTS];
	Lane	   *companies = account->lanes[FAMILY_COMPANIES];
	Row		   *row = key_head(key);
	MessageKey	company = company_of(row);
	bool		has_contact = key->record_id[0] != '\0';
	bool		has_company = row->record_id[0] != '\0';

	if (queue_is_by_user_id(key))
		return tell_is_hopeless(key);
	if (await_other(key, queue_find(companies, company.property, company.key), has_company) ||
		await_other(key, queue_find(contacts, key->property, key->key), has_contact))
		return false;
	if (has_contact && has_company)
		return true;
	if (row_was(row, ONCE_WITHOUT_RECORD))
		return true;			/* what the tables say has turned out to be old */
	if (row->looked == LOOKED_NOT)
	{
		row->looked = LOOKED_ONCE;
		await_look_up(key);
		return false;
	}
	return !(has_company ? await_reader(key, contacts) : await_reader(key, companies));
}

/* The request for the company of a row; NULL: it is known. */
static const RequestKind *
kind_to_find(const Row *row)
{
	MessageKey	company = company_of(row);

	if (is_by_domain(&company))
		return row->record_id[0] == '\0' || row_was(row, ONCE_WITHOUT_RECORD)
			? &search_companies : NULL;
	return row->record_id[0] == '\0' ? &read_companies : NULL;
}

static const RequestKind *
kind_of_association(WorkKey *key)
{
	Row		   *row = key_head(key);

	if (!is_settled(key))
		return NULL;
	if (key->record_id[0] == '\0' && !queue_is_by_user_id(key))
		return &read_contacts;
	if (key->record_id[0] != '\0' && must_ask(row))
		return &late_read_company;
	if (key->record_id[0] != '\0' && kind_to_find(row) != NULL)
		return kind_to_find(row);
	return kind_of_pair(row);	/* or check_association() says why not */
}

/*
 * The record id that the verdict of a row tells: of the company, whose row is the parent of a group
 * call's association.
 */
static void
find_parent(Row *row)
{
	const Catalog *catalog = ring_catalog(false);
	RingScan	child;
	bool		isnull;

	ring_scan_open(&child, catalog->result[RING_CHILD(row->parent)],
				   catalog->result_id[RING_CHILD(row->parent)], 1);
	if (ring_scan_find(&child, row->parent))
	{
		Datum		record_id = slot_getattr(child.slot, Anum_result_record_id, &isnull);

		if (!isnull)
			text_to_cstring_buffer(DatumGetTextPP(record_id), row->record_id,
								   sizeof(row->record_id));
	}
	ring_scan_close(&child);
}

static void
look_up_pair(WorkKey *key)
{
	Row		   *row = key_head(key);
	MessageKey	company = company_of(row);
	const char *found;

	if (key->record_id[0] == '\0')
		await_look_up_contact(key);
	if (row->record_id[0] != '\0')
		return;
	found = record_map_find(key->lane->account->server, OBJECT_IS_COMPANY, company.property,
							company.key);
	if (found != NULL)
		strlcpy(row->record_id, found, sizeof(row->record_id));
	else if (row->call == CALL_GROUP && row->parent != 0)
		find_parent(row);
}

/* ---- a side that is looked for --------------------------------------------------------- */

/* Whether a company is in the batch already: one of its contacts asks for all. */
static bool
is_in_batch(const Batch *batch, const MessageKey *company)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(company_of(carrier(&batch->inputs[i])).key, company->key) == 0)
			return true;
	return false;
}

static BuildResult
append_company_id(Batch *batch, Input *input, const MessageParts *parts)
{
	MessageKey	company = company_of(carrier(input));

	if (is_in_batch(batch, &company))
		return BUILD_DONE;
	appendStringInfoString(&batch->body, "{\"id\":");
	value_append_string(&batch->body, company.key, strlen(company.key));
	appendStringInfoChar(&batch->body, '}');
	return BUILD_DONE;
}

static void
end_read_companies(Batch *batch)
{
	if (batch->ninputs > 0)
	{
		MessageKey	company = company_of(carrier(&batch->inputs[0]));

		records_end_read_by(batch, company.property, company.property);
	}
}

/* HubSpot does not have a side, and none is to be made: nobody can be put there, or is there. */
static void
end_not_found(Input *input, const char *category, const char *message, int status,
			  AckRequest *request)
{
	batch_reject(input, row_leaves(carrier(input)) ? VERDICT_UNCHANGED : VERDICT_REJECTED,
				 category, message, status, request);
}

/* The contact is known: the company is the next to be found, or both are. */
static void
go_on(Input *input)
{
	const Row  *row = carrier(input);
	const RequestKind *to_find = kind_to_find(row);

	if (must_ask(row))
		input->onward = &late_read_company;
	else
		input->onward = to_find != NULL ? to_find : kind_of_pair(row);
}

/*
 * A row that only updates, or ends what is, makes no record, not even the one that it is about; nor
 * does one that names it by HubSpot's own id.
 */
static bool
may_make(const Input *input, const char *property)
{
	return input->key->lane->account->options->create_missing &&
		!row_leaves(carrier(input)) && carrier(input)->mode != MODE_UPDATE &&
		!object_key_is_record_id(property);
}

static void
take_contact(WorkKey *key, const ReplyResult *result)
{
	strlcpy(key->record_id, result->id, sizeof(key->record_id));
	if (result->created == 1 && key->property == NULL)
		employers_note(key, key->key, key->record_id);
	record_map_add(key->lane->account->server, OBJECT_IS_CONTACT, queue_id_property(key), key->key,
				   key->record_id,
				   result->created == 1, clock_us());
}

static void
take_company(Row *row, const ReplyResult *result)
{
	MessageKey	company = company_of(row);

	strlcpy(row->record_id, result->id, sizeof(row->record_id));
	record_map_add(row->key->lane->account->server, OBJECT_IS_COMPANY, company.property,
				   company.key, row->record_id,
				   false, clock_us());
}

static void
decide_contact(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
			   AckRequest *request)
{
	if (found != NULL)
	{
		take_contact(input->key, found);
		go_on(input);
	}
	else if (may_make(input, input->key->property))
		input->onward = &make_contacts;
	else
		end_not_found(input, "contact_not_found", "HubSpot has no such contact", reply->status,
					  request);
}

static void
read_contacts_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	records_keys_answered(batch, reply, request, decide_contact);
}

/* The input's key is the contact's; the company is named by the row. */
static void
companies_answered(Batch *batch, const Reply *reply, AckRequest *request, RecordDecision decide)
{
	const char **ids = palloc(sizeof(char *) * batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
		ids[i] = company_of(carrier(&batch->inputs[i])).key;
	records_read_answered(batch, reply, request, company_of(carrier(&batch->inputs[0])).property,
						  ids, decide);
}

static void
decide_company(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
			   AckRequest *request)
{
	if (found != NULL)
	{
		take_company(carrier(input), found);
		input->onward = kind_of_pair(carrier(input));
	}
	else if (may_make(input, company_of(carrier(input)).property))
		input->onward = &make_companies;
	else
		end_not_found(input, "company_not_found", "HubSpot has no such company", reply->status,
					  request);
}

static void
read_companies_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	companies_answered(batch, reply, request, decide_company);
}

static BuildResult
append_domain(Batch *batch, Input *input, const MessageParts *parts)
{
	input->alias = company_of(carrier(input)).key;
	return company_search_append(batch, input);
}

/* None is made of a domain alone: HubSpot would not know when another is made of it. */
static void
decide_searched(Input *input, const Found *found, const Reply *reply, AckRequest *request)
{
	Row		   *row = carrier(input);

	if (found->company != NULL)
	{
		input->several = found->several > 1;
		take_company(row, found->company);
	}

	/* The search may not find yet what is there: what an answer has told is good as it was. */
	if (row->record_id[0] != '\0')
		input->onward = kind_of_pair(row);
	else
		end_not_found(input, "company_not_found", company_not_found(input->alias), reply->status,
					  request);
}

static void
searched(Batch *batch, const Reply *reply, AckRequest *request)
{
	company_search_answered(batch, reply, request, decide_searched);
}

/* ---- a side that is made ------------------------------------------------------------------ */

static BuildResult
append_new_company(Batch *batch, Input *input, const MessageParts *parts)
{
	MessageKey	company = company_of(carrier(input));

	if (is_in_batch(batch, &company))
		return BUILD_DONE;
	records_begin_input(&batch->body, company.property, company.key, input->trace);
	records_end_input(&batch->body);
	return BUILD_DONE;
}

static void
decide_made(Batch *batch, Input *input, const ReplyResult *found, const Reply *reply,
			AckRequest *request)
{
	bool		is_contact = batch->kind == &make_contacts;

	if (found == NULL)
		batch_reject(input, VERDICT_REJECTED,
					 is_contact ? "contact_not_found" : "company_not_found",
					 reply->nerrors > 0 ? reply->errors[0].message : NULL, reply->status, request);
	else if (is_contact)
	{
		take_contact(input->key, found);
		go_on(input);
	}
	else
	{
		take_company(carrier(input), found);
		input->onward = kind_of_pair(carrier(input));
	}
}

/*
 * An upsert of one side, without a property.  By value, not by place: a company that several inputs
 * name stands in the request once, see is_in_batch(), and the answer holds for all of them.
 */
static void
made_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (batch->kind == &make_contacts)
		records_keys_answered(batch, reply, request, decide_made);
	else
		companies_answered(batch, reply, request, decide_made);
}

/* ---- the pairs ------------------------------------------------------------------------------ */

static void
begin_link(Batch *batch)
{
	if (batch->lane->account->options->primary_company && batch->kind != &link_beside)
		batch->path = PATH_ASSOCIATE_TYPED;
	appendStringInfoString(&batch->body, "{\"inputs\":[");
}

static BuildResult
append_pair(Batch *batch, Input *input, const MessageParts *parts)
{
	if (carrier(input)->record_id[0] == '\0')
	{
		carrier(input)->looked = LOOKED_NOT;
		return BUILD_WAIT;		/* the row that it was found out for is not to be sent any more */
	}
	appendStringInfo(&batch->body, "{\"from\":{\"id\":\"%s\"},\"to\":{\"id\":\"%s\"}",
					 input->key->record_id,
					 carrier(input)->record_id);
	if (batch->path == PATH_ASSOCIATE_TYPED)
		appendStringInfo(&batch->body,
						 ",\"types\":[{\"associationCategory\":\"HUBSPOT_DEFINED\","
						 "\"associationTypeId\":%d}]",
						 PRIMARY_COMPANY);
	appendStringInfoChar(&batch->body, '}');
	return BUILD_DONE;
}

static void
end_linked(Input *input, const Reply *reply, AckRequest *request)
{
	AckResult	result =
	{.verdict = VERDICT_DELIVERED, .request = request, .http_status = reply->status, .created = -1,
	.record_id = input->key->record_id};

	company_contact_grew();
	company_warn_of_several(input);
	if (late_has_company(carrier(input)))
		batch_warn(input, "older_value", "associatedcompanyid",
				   "the contact has another primary company, of a younger call perhaps");
	batch_end_input(input, &result);
}

/* HubSpot has no such record, or no such pair. */
static bool
is_not_found(const ReplyError *error)
{
	return error->category != NULL && strcmp(error->category, "OBJECT_NOT_FOUND") == 0;
}

/* HubSpot may have forgotten a record that we remember: both sides are looked for once more. */
static void
end_not_linked(Input *input, const ReplyError *error, const Reply *reply, AckRequest *request)
{
	Row		   *row = carrier(input);
	MessageKey	company = company_of(row);

	if (reply_is_transient(error))
	{
		fault_input(input, error->category, error->message, reply->status, request);
		return;
	}
	if (row_leaves(row) && row_may_have_arrived(row) && is_not_found(error))
	{
		end_linked(input, reply, request);	/* that there is none is our doing, perhaps */
		return;
	}
	if (row_was(row, ONCE_WITHOUT_RECORD))
	{
		batch_reject(input,
					 row_leaves(row) && is_not_found(error) ? VERDICT_UNCHANGED : VERDICT_REJECTED,
					 error->code != NULL ? error->code : error->category,
					 error->message != NULL ? error->message : reply->message, reply->status,
					 request);
		return;
	}
	batch_note_once(input, ONCE_WITHOUT_RECORD);

	for (int i = 0; i < input->nrows && !is_by_domain(&company); i++)
		input->rows[i]->record_id[0] = '\0';
	input->key->record_id[0] = '\0';
	batch_put_back(input->key, input->rows, input->nrows);
}

/*
 * Whether a result tells of the direction from company to contact.  HubSpot's default form tells
 * one direction or both, in any order; a record's id is unique only within its type.
 */
static bool
is_from_company(const ReplyResult *result)
{
	return result->association == COMPANY_TO_CONTACT ||
		result->association == COMPANY_TO_PRIMARY_CONTACT ||
		(result->from_type != NULL &&
		 strcmp(result->from_type, object_types[OBJECT_IS_COMPANY].type_id) == 0);
}

static bool
is_pair(const ReplyResult *result, const Input *input)
{
	bool		backwards = is_from_company(result);
	const char *contact = backwards ? result->to_id : result->from_id;
	const char *company = backwards ? result->from_id : result->to_id;

	return contact != NULL && company != NULL &&
		strcmp(contact, input->key->record_id) == 0 &&
		strcmp(company, carrier(input)->record_id) == 0;
}

static bool
names_pair(const ReplyError *error, const Input *input)
{
	return reply_error_names(error, input->key->record_id) ||
		reply_error_names(error, carrier(input)->record_id);
}

/*
 * The error of a pair that is not among the results: it names one of the two, or it is the only one
 * left.
 */
static const ReplyError *
error_of(const Reply *reply, const Input *input, int nopen)
{
	for (int i = 0; i < reply->nerrors; i++)
		if (names_pair(&reply->errors[i], input))
			return &reply->errors[i];
	return nopen == 1 && reply->nerrors == 1 ? &reply->errors[0] : NULL;
}

static void
read_pairs(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool	   *open = palloc0(sizeof(bool) * batch->ninputs);
	int			nopen = 0;
	int			nended = 0;

	for (int i = 0; i < batch->ninputs; i++)
	{
		open[i] = true;
		for (int j = 0; j < reply->nresults && open[i]; j++)
			open[i] = !is_pair(&reply->results[j], &batch->inputs[i]);
		nopen += open[i];
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		const ReplyError *error = open[i] ? error_of(reply, &batch->inputs[i], nopen) : NULL;

		if (open[i] && error == NULL)
		{
			batch->inputs[i].onward = &batch_same;
			continue;
		}
		nended++;
		if (error != NULL)
			end_not_linked(&batch->inputs[i], error, reply, request);
		else
			end_linked(&batch->inputs[i], reply, request);
	}
	/* errors that name nobody: looked for by halves */
	if (nended == 0 && reply->nerrors > 0 && batch->ninputs > 1)
		batch_bisect(batch, reply);
	else
		batch_go_on(batch, reply, request);
}

static void
link_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (reply->class == REPLY_RECORDS)
		read_pairs(batch, reply, request);
	else if (batch->ninputs > 1)
		batch_bisect(batch, reply);
	else
		end_not_linked(&batch->inputs[0], &reply->error, reply, request);
}

/* ---- the pairs that are to be none ----------------------------------------------------------- */

static BuildResult
append_leaving(Batch *batch, Input *input, const MessageParts *parts)
{
	Row		   *row = carrier(input);

	if (row->record_id[0] == '\0')
	{
		row->looked = LOOKED_NOT;
		return BUILD_WAIT;		/* as in append_pair() */
	}
	appendStringInfo(&batch->body, "{\"from\":{\"id\":\"%s\"},\"to\":[{\"id\":\"%s\"}]}",
					 input->key->record_id, row->record_id);
	return BUILD_DONE;
}

/* Whether an error tells whose it is. */
static bool
names_any(const Batch *batch, const ReplyError *error)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (names_pair(error, &batch->inputs[i]))
			return true;
	return batch->ninputs == 1;
}

/*
 * HubSpot does not tell the pairs that have gone, only errors.  Whose an error is that names nobody
 * is looked for by halves: to remove a pair again does no harm.
 */
static void
unlink_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool		all_named = true;

	if (reply->class != REPLY_RECORDS)
	{
		link_answered(batch, reply, request);
		return;
	}
	for (int i = 0; i < reply->nerrors; i++)
		all_named = all_named && names_any(batch, &reply->errors[i]);
	if (!all_named)
	{
		batch_was_lost(batch);
		batch_bisect(batch, reply);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		const ReplyError *error = error_of(reply, &batch->inputs[i], batch->ninputs);

		if (error != NULL)
			end_not_linked(&batch->inputs[i], error, reply, request);
		else
			end_linked(&batch->inputs[i], reply, request);
	}
}

/* ---- which request --------------------------------------------------------------------------- */

static const RequestKind link_pairs = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_ASSOCIATE_DEFAULT,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.by_record = true,
	.gathers = true,
	.begin_body = begin_link,
	.append_input = append_pair,
	.answered = link_answered,
};

static const RequestKind unlink_pairs = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_DISSOCIATE,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.by_record = true,
	.gathers = true,
	.append_input = append_leaving,
	.answered = unlink_answered,
};

/* By the default form: the pair gets no label, and the contact's primary company stays. */
static const RequestKind link_beside = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_ASSOCIATE_DEFAULT,
	.meter = METER_ASSOCIATIONS,
	.max_inputs = 100,
	.max_rows = 1,
	.is_list = true,
	.by_record = true,
	.gathers = true,
	.begin_body = begin_link,
	.append_input = append_pair,
	.answered = link_answered,
};

static const RequestKind read_contacts = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.type = &object_types[OBJECT_IS_CONTACT],
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.one_property = true,
	.gathers = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = read_contacts_answered,
};

static const RequestKind read_companies = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_READ,
	.type = &object_types[OBJECT_IS_COMPANY],
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.gathers = true,
	.shares = true,
	.end_body = end_read_companies,
	.append_input = append_company_id,
	.answered = read_companies_answered,
};

static const RequestKind search_companies = {
	COMPANY_SEARCH,
	.gathers = true,
	.append_input = append_domain,
	.answered = searched,
};

static const RequestKind make_contacts = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_UPSERT,
	.type = &object_types[OBJECT_IS_CONTACT],
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.append_input = records_append_new,
	.answered = made_answered,
};

static const RequestKind make_companies = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_UPSERT,
	.type = &object_types[OBJECT_IS_COMPANY],
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.shares = true,
	.append_input = append_new_company,
	.answered = made_answered,
};

/*
 * Rows of one contact are one when they are about one company; what was found out for the first
 * holds for all.  A late one goes by itself, by what HubSpot says when its turn comes.
 */
static bool
association_joins(const Row *first, Row *next)
{
	if (first->is_late || next->is_late || first->call != next->call ||
		first->mode != next->mode || VARSIZE(first->message) != VARSIZE(next->message) ||
		memcmp(first->message, next->message, VARSIZE(first->message)) != 0)
		return false;
	strlcpy(next->record_id, first->record_id, sizeof(next->record_id));
	next->looked = first->looked;
	return true;
}

static bool
check_association(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	MessageKey	company;

	*category = "bad_message";
	*problem = "the row names no company";
	if (!message_read_association(row->message, &company))
		return false;
	*category = "contact_not_found";
	*problem = "no call has told yet which contact this userId is";
	return !queue_is_by_user_id(row->key);
}

const FamilyWork associations_work = {
	.kind = &link_pairs,
	.kind_of = kind_of_association,
	.joins = association_joins,
	.check = check_association,
	.look_up = look_up_pair,
};
