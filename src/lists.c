/*
 * lists.c
 *		The lists lane: members of static lists.
 *
 * A row is keyed by the contact, or the company, that becomes a member or is
 * one no longer; its message names the list.  It waits for rows that create the
 * list, and for those of its contact, which were queued before it.  What it then still
 * needs to know is asked for, and the row begins anew:
 *
 *	find list		the id of a list by its name; one row asks for all
 *	read contacts,	records that neither an answer nor the tables told
 *	read companies
 *	make contacts,	those that HubSpot does not have, with create_missing
 *	make companies
 *	change			members of one list come and go in one request
 *	create			a list; that HubSpot has it already is as good
 *
 * The record id of a contact is the key's, that of a company the row's: the two
 * may have keys of the same name.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "hubspot.h"
#include "await.h"
#include "clock.h"
#include "lists.h"
#include "record_map.h"
#include "records.h"
#include "value.h"

/*
 * HubSpot tells no maximum of ids in a request.  This one is as large as that of its events, spares
 * most of the requests that single changes would take, and when it is too large the refused request is halved.
 */
#define MAX_MEMBERS		500

static const char *const list_not_found = "list_not_found";
static const char *const list_not_static = "list_not_static";

static const RequestKind find_list;
static const RequestKind create_list;
static const RequestKind read_contacts;
static const RequestKind read_companies;
static const RequestKind make_contacts;
static const RequestKind make_companies;
static const RequestKind change_members;

static Row *
carrier(const Input *input)
{
	return input->rows[input->nrows - 1];
}

static Account *
account_of(const Row *row)
{
	return row->key->lane->account;
}

/* False for a row that names no list, which is refused before it is sent. */
static bool
read_list(const Row *row, MessageList *list)
{
	MessageProblem problem;

	return JsonContainerIsObject(&row->message->root) && message_list(&row->message->root, list, &problem);
}

static KnownList *
list_of(const Row *row)
{
	MessageList list;

	if (!read_list(row, &list))
		elog(ERROR, "outbox row " INT64_FORMAT " names no list", row->id);
	return lists_known(account_of(row), &list);
}

static bool
same_list(const Row *a, const Row *b)
{
	MessageList one;
	MessageList other;

	return read_list(a, &one) && read_list(b, &other) && one.of_companies == other.of_companies &&
		one.len == other.len && memcmp(one.name, other.name, one.len) == 0;
}

static bool
is_of_company(const Row *row)
{
	MessageList list;

	return read_list(row, &list) && list.of_companies;
}

static Object
object_of(const Row *row)
{
	return is_of_company(row) ? OBJECT_IS_COMPANY : OBJECT_IS_CONTACT;
}

static char *
record_of(Row *row)
{
	return is_of_company(row) ? row->record_id : row->key->record_id;
}

/* ---- what a row waits for ------------------------------------------------------------ */

/* Whether the record is known, or certainly not to the tables; else the key has been sent away. */
static bool
is_settled(WorkKey *key)
{
	Row		   *row = queue_head(key);
	bool		of_company = is_of_company(row);
	Lane	   *lane = &key->lane->account->lanes[of_company ? FAMILY_COMPANIES : FAMILY_CONTACTS];
	bool		is_known = record_of(row)[0] != '\0';

	if (!of_company && records_is_by_user_id(key))
		return await_contact(key);
	if (await_other(key, queue_find(lane, key->property, key->key), is_known))
		return false;
	if (is_known || row->repaired)
		return true;
	if (row->looked == LOOKED_NOT)
	{
		row->looked = LOOKED_ONCE;
		await_look_up(key);
		return false;
	}
	return !await_reader(key, lane);
}

/* A row that creates the list, and was queued before. */
static WorkKey *
creator_of(const WorkKey *key, const MessageList *list)
{
	MessageKey	name = message_list_key(list);

	return queue_find(key->lane, name.property, name.key);
}

/* A company that goes by its domain is not looked for: it has a row of its own. */
static bool
is_found_by_key(const WorkKey *key, bool of_company)
{
	return of_company ? key->property != NULL && strcmp(key->property, MESSAGE_DOMAIN) != 0 : !records_is_by_user_id(key);
}

/* A row that cannot be sent is taken as if it could: check_list_row() says why not. */
static const RequestKind *
kind_of_list_row(WorkKey *key)
{
	Row		   *row = queue_head(key);
	MessageList list;
	KnownList  *known;
	WorkKey    *asker;

	if (row->call == CALL_CREATE_LIST)
		return &create_list;
	if (!read_list(row, &list))
		return &change_members;
	if (await_other(key, creator_of(key, &list), true))
		return NULL;
	known = lists_known(key->lane->account, &list);
	if (lists_objection(known, row) != NULL)
		return &change_members;
	if (!lists_has_id(known))
	{
		asker = lists_asker(known, key->lane);
		if (asker == NULL)
			return &find_list;
		await_key(key, asker);
		return NULL;
	}
	if (!is_settled(key))
		return NULL;
	if (record_of(row)[0] == '\0' && is_found_by_key(key, list.of_companies))
		return list.of_companies ? &read_companies : &read_contacts;
	return &change_members;
}

static void
look_up_member(WorkKey *key)
{
	Row		   *row = queue_head(key);
	const char *found;

	if (!is_of_company(row))
	{
		await_look_up_contact(key);
		return;
	}
	found = record_map_find(key->lane->account->server, OBJECT_IS_COMPANY, records_id_property(key), key->key);
	if (found != NULL)
		strlcpy(row->record_id, found, sizeof(row->record_id));
}

/* ---- rows that cannot be sent ------------------------------------------------------------ */

static const char *
problem_of_list(const KnownList *known)
{
	char	   *name = pnstrdup(known->name, known->name_len);
	const char *objects = known->of_companies ? "companies" : "contacts";

	if (known->category == list_not_static)
		return psprintf("the list \"%s\" of %s is a dynamic one: HubSpot itself finds its members", name, objects);
	return psprintf("HubSpot has no list \"%s\" of %s; SELECT hubspot_create_list(%s%s) creates it", name, objects,
					quote_literal_cstr(name), known->of_companies ? ", 'company'" : "");
}

static bool
check_list_row(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	MessageList list;
	MessageProblem why;
	const KnownList *known;
	bool		is_looked_for = row->looked != LOOKED_NOT || row->repaired;

	*category = "bad_message";
	*problem = "this version knows no such call about lists";
	if (row->call != CALL_ADD_TO_LIST && row->call != CALL_REMOVE_FROM_LIST && row->call != CALL_CREATE_LIST)
		return false;
	if (!message_list(parts->root, &list, &why))
	{
		*problem = why.message;
		return false;
	}
	if (row->call == CALL_CREATE_LIST)
		return true;
	known = lists_known(account_of(row), &list);
	*category = lists_objection(known, row);
	if (*category != NULL)
	{
		*problem = problem_of_list(known);
		return false;
	}
	*category = list.of_companies ? "company_not_found" : "contact_not_found";
	*problem = list.of_companies ? psprintf("no company of the domain %s is known: see the row of the company", row->key->key)
		: "no call has told yet which contact this userId is";
	if (!list.of_companies && records_is_by_user_id(row->key))
		return row->looked != LOOKED_LAST;
	return is_found_by_key(row->key, list.of_companies) || record_of(row)[0] != '\0' || !is_looked_for;
}

/* Rows of one member are one when they are about one list; the last one says how it ends. */
static bool
list_row_joins(const Row *first, Row *next)
{
	if (first->call == CALL_CREATE_LIST || next->call == CALL_CREATE_LIST || !same_list(first, next))
		return false;
	strlcpy(next->record_id, first->record_id, sizeof(next->record_id));
	next->looked = first->looked;
	next->repaired = first->repaired;
	return true;
}

/* ---- the list by its name ------------------------------------------------------------------ */

static void
list_address(const Batch *batch, Address *address)
{
	const KnownList *known = list_of(carrier(&batch->inputs[0]));
	StringInfoData name;

	strlcat(address->path, "/object-type-id/", sizeof(address->path));
	strlcat(address->path, lists_type_id(known->of_companies), sizeof(address->path));
	strlcat(address->path, "/name", sizeof(address->path));
	initStringInfo(&name);
	appendStringInfoChar(&name, '/');
	value_append_encoded(&name, known->name, known->name_len);
	address->query = name.data;
}

static BuildResult
append_find(Batch *batch, Input *input, const MessageParts *parts)
{
	lists_ask(list_of(carrier(input)), input->key);
	return BUILD_DONE;
}

static void
end_created(Input *input, const KnownList *known, bool is_new, const Reply *reply, AckRequest *request)
{
	AckResult	result = {.verdict = is_new ? VERDICT_DELIVERED : VERDICT_UNCHANGED, .request = request,
	.http_status = reply->status, .created = is_new, .record_id = known->id};

	batch_end_input(input, &result);
}

/* A row that creates a list asks when HubSpot says that the name is taken: by this list, or by another one. */
static void
find_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	bool		creates = carrier(input)->call == CALL_CREATE_LIST;
	KnownList  *known = list_of(carrier(input));
	ReplyList	list;
	bool		open = true;

	if (reply_list(reply, &list))
		lists_told(known, list.is_dynamic ? NULL : list.id, list.is_dynamic ? list_not_static : NULL);
	else if (reply->class == REPLY_RECORDS)
	{
		records_again(batch, &open, reply, request);
		return;
	}
	else if (reply->status == 404)
		lists_told(known, NULL, list_not_found);
	else
	{
		batch_refused(batch, reply, request);
		return;
	}
	if (known->category == NULL && creates)
		end_created(input, known, false, reply, request);
	else if (known->category == NULL)
		queue_put_back(input->key, input->rows, input->nrows);
	else if (creates)
		batch_reject(input, VERDICT_REJECTED, input->category, input->message, input->status, request);
	else
		batch_reject(input, VERDICT_REJECTED, known->category, problem_of_list(known), reply->status, request);
}

/* ---- a list that is made --------------------------------------------------------------------- */

static BuildResult
append_list(Batch *batch, Input *input, const MessageParts *parts)
{
	const KnownList *known = list_of(carrier(input));

	appendStringInfoString(&batch->body, "{\"name\":");
	value_append_string(&batch->body, known->name, known->name_len);
	appendStringInfo(&batch->body, ",\"objectTypeId\":\"%s\",\"processingType\":\"MANUAL\"}", lists_type_id(known->of_companies));
	return BUILD_DONE;
}

static bool
is_duplicate(const Reply *reply)
{
	return reply->status == 409 ||
		(reply->error.sub_category != NULL && strstr(reply->error.sub_category, "DUPLICATE_LIST_NAMES") != NULL);
}

static void
create_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	KnownList  *known = list_of(carrier(input));
	ReplyList	list;
	bool		chosen = true;

	if (reply_list(reply, &list))
	{
		lists_told(known, list.id, NULL);
		end_created(input, known, true, reply, request);
	}
	else if (reply->class == REPLY_RECORDS)
		records_again(batch, &chosen, reply, request);
	else if (is_duplicate(reply))
	{
		input->category = reply_code(reply);
		input->message = reply->message;
		input->status = reply->status;
		(void) batch_follow(batch, &chosen, &find_list);
	}
	else
		batch_refused(batch, reply, request);
}

/* ---- the record of a member ------------------------------------------------------------------ */

static bool
is_read(const Batch *batch)
{
	return batch->kind == &read_contacts || batch->kind == &read_companies;
}

static BuildResult
append_new_record(Batch *batch, Input *input, const MessageParts *parts)
{
	records_begin_input(&batch->body, records_id_property(input->key), input->key->key, input->trace);
	records_end_input(&batch->body);
	return BUILD_DONE;
}

static void
end_not_found(Input *input, const char *message, const Reply *reply, AckRequest *request)
{
	AckResult	result = {.verdict = VERDICT_UNCHANGED, .request = request, .http_status = reply->status, .created = -1};
	bool		of_company = is_of_company(carrier(input));

	if (carrier(input)->call == CALL_REMOVE_FROM_LIST)
		batch_end_input(input, &result);
	else
		batch_reject(input, VERDICT_REJECTED, of_company ? "company_not_found" : "contact_not_found",
					 message != NULL ? message : of_company ? "HubSpot has no such company" : "HubSpot has no such contact",
					 reply->status, request);
}

/* The row goes on with the record that HubSpot has told. */
static void
take_record(Input *input, const ReplyResult *result)
{
	WorkKey    *key = input->key;

	for (int i = 0; i < input->nrows; i++)
		strlcpy(record_of(input->rows[i]), result->id, RECORD_ID_BYTES);
	record_map_add(key->lane->account->server, object_of(carrier(input)), records_id_property(key), key->key, result->id,
				   result->created == 1, clock_us());
	queue_put_back(key, input->rows, input->nrows);
}

/* Somebody who leaves a list need not be made for it. */
static bool
is_to_be_made(const Batch *batch, const Input *input)
{
	return is_read(batch) && batch->lane->account->options->create_missing && carrier(input)->call == CALL_ADD_TO_LIST;
}

/* The answer to a request that reads records, or makes them. */
static void
record_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	const ReplyResult **found = palloc0(sizeof(ReplyResult *) * batch->ninputs);
	bool	   *open = palloc0(sizeof(bool) * batch->ninputs);
	bool	   *make = palloc0(sizeof(bool) * batch->ninputs);
	bool		complete;

	if (reply->class != REPLY_RECORDS)
	{
		batch_refused(batch, reply, request);
		return;
	}
	complete = records_match_keys(batch, reply, found);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];

		if (found[i] != NULL)
			take_record(input, found[i]);
		else if (!complete)
			open[i] = true;
		else if (is_to_be_made(batch, input))
			make[i] = true;
		else
			end_not_found(input, !is_read(batch) && reply->nerrors > 0 ? reply->errors[0].message : NULL, reply, request);
	}
	records_again(batch, open, reply, request);
	(void) batch_follow(batch, make, batch->kind == &read_companies ? &make_companies : &make_contacts);
}

/* ---- members come and go ---------------------------------------------------------------------- */

static bool
is_of_same_list(const Batch *batch, const WorkKey *key)
{
	return same_list(batch->inputs[0].rows[0], queue_head(key));
}

/* One record by two keys: the second one waits, as it may say the opposite. */
static bool
is_in_batch(const Batch *batch, const char *record_id)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (strcmp(record_of(carrier(&batch->inputs[i])), record_id) == 0)
			return true;
	return false;
}

/* The two arrays of the body are written when all inputs are known. */
static BuildResult
append_member(Batch *batch, Input *input, const MessageParts *parts)
{
	Row		   *row = carrier(input);

	if (!lists_has_id(list_of(row)) || record_of(row)[0] == '\0' || is_in_batch(batch, record_of(row)))
	{
		row->looked = LOOKED_NOT;
		return BUILD_WAIT;
	}
	return BUILD_DONE;
}

static void
append_ids(Batch *batch, const char *name, Call call)
{
	bool		first = true;

	appendStringInfo(&batch->body, "\"%s\":[", name);
	for (int i = 0; i < batch->ninputs; i++)
	{
		Row		   *row = carrier(&batch->inputs[i]);

		if (row->call != call)
			continue;
		appendStringInfo(&batch->body, "%s\"%s\"", first ? "" : ",", record_of(row));
		first = false;
	}
	appendStringInfoChar(&batch->body, ']');
}

static void
end_change(Batch *batch)
{
	appendStringInfoChar(&batch->body, '{');
	append_ids(batch, "recordIdsToAdd", CALL_ADD_TO_LIST);
	appendStringInfoChar(&batch->body, ',');
	append_ids(batch, "recordIdsToRemove", CALL_REMOVE_FROM_LIST);
	appendStringInfoChar(&batch->body, '}');
}

static void
change_address(const Batch *batch, Address *address)
{
	lists_append_change_path(address->path, sizeof(address->path), list_of(carrier(&batch->inputs[0]))->id);
}

/* Once more from the beginning, as what was known of the list or the record has turned out to be old. */
static void
begin_anew(Input *input)
{
	for (int i = 0; i < input->nrows; i++)
		input->rows[i]->repaired = true;
	queue_put_back(input->key, input->rows, input->nrows);
}

/* HubSpot does not have the record that we remember: it was merged, or deleted. */
static void
end_missing(Input *input, const Reply *reply, AckRequest *request)
{
	WorkKey    *key = input->key;

	record_map_remove(key->lane->account->server, object_of(carrier(input)), records_id_property(key), key->key, clock_us());
	for (int i = 0; i < input->nrows; i++)
		record_of(input->rows[i])[0] = '\0';
	if (carrier(input)->repaired || !is_found_by_key(key, is_of_company(carrier(input))))
		end_not_found(input, NULL, reply, request);
	else
		begin_anew(input);
}

/* Of those who were members already, or were none, HubSpot says nothing; after a lost answer that is our doing. */
static void
end_member(Input *input, const Reply *reply, AckRequest *request)
{
	Row		   *row = carrier(input);
	const char *array = row->call == CALL_ADD_TO_LIST ? "recordsIdsAdded" : "recordIdsRemoved";
	char		record_id[RECORD_ID_BYTES];
	AckResult	result = {.request = request, .http_status = reply->status, .created = -1, .record_id = record_id};

	strlcpy(record_id, record_of(row), sizeof(record_id));
	if (reply_lists_id(reply, "recordIdsMissing", record_id))
	{
		end_missing(input, reply, request);
		return;
	}
	result.verdict = row->lost || reply_lists_id(reply, array, record_id) ? VERDICT_DELIVERED : VERDICT_UNCHANGED;
	batch_end_input(input, &result);
}

static bool
is_repaired(const Batch *batch)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (!batch->inputs[i].rows[0]->repaired)
			return false;
	return true;
}

/* The list may be gone, or another one by now: it is looked for by its name once more. */
static void
change_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool		is_gone = reply->status == 404;

	if (is_repaired(batch) && !is_gone)
	{
		batch_refused(batch, reply, request);
		return;
	}
	if (!is_repaired(batch))
		lists_forget(list_of(carrier(&batch->inputs[0])));
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];

		if (input->rows[0]->repaired && is_gone)
			batch_reject(input, VERDICT_REJECTED, list_not_found, reply->message, reply->status, request);
		else
			begin_anew(input);
	}
}

static void
change_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool	   *all = palloc(sizeof(bool) * batch->ninputs);

	memset(all, true, sizeof(bool) * batch->ninputs);
	if (reply->class != REPLY_RECORDS)
		change_refused(batch, reply, request);
	else if (!reply_has(reply, "recordsIdsAdded") || !reply_has(reply, "recordIdsRemoved"))
		records_again(batch, all, reply, request);
	else
		for (int i = 0; i < batch->ninputs; i++)
		{
			end_member(&batch->inputs[i], reply, request);
		}
}

/* ---- which request --------------------------------------------------------------------------- */

static const RequestKind change_members = {
	.path = PATH_LISTS,
	.meter = METER_OBJECTS,
	.max_inputs = MAX_MEMBERS,
	.max_rows = 1000,
	.is_put = true,
	.gathers = true,
	.shares = true,
	.fits = is_of_same_list,
	.address = change_address,
	.append_input = append_member,
	.end_body = end_change,
	.answered = change_answered,
};

static const RequestKind find_list = {
	.path = PATH_LISTS,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1000,
	.is_get = true,
	.address = list_address,
	.append_input = append_find,
	.answered = find_answered,
};

static const RequestKind create_list = {
	.path = PATH_LISTS,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1,
	.append_input = append_list,
	.answered = create_answered,
};

static const RequestKind read_contacts = {
	.path = PATH_CONTACTS_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.one_property = true,
	.gathers = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = record_answered,
};

static const RequestKind read_companies = {
	.path = PATH_COMPANIES_READ,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.max_rows = 1000,
	.is_list = true,
	.one_property = true,
	.gathers = true,
	.end_body = records_end_read,
	.append_input = records_append_id,
	.answered = record_answered,
};

static const RequestKind make_contacts = {
	.path = PATH_CONTACTS_UPSERT,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.append_input = append_new_record,
	.answered = record_answered,
};

static const RequestKind make_companies = {
	.path = PATH_COMPANIES_UPSERT,
	.meter = METER_OBJECTS,
	.max_inputs = 100,
	.is_list = true,
	.append_input = append_new_record,
	.answered = record_answered,
};

const FamilyWork lists_work = {
	.kind = &change_members,
	.kind_of = kind_of_list_row,
	.joins = list_row_joins,
	.check = check_list_row,
	.look_up = look_up_member,
};
