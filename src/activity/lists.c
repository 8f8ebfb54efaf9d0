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
 *	search			the same of companies that are named by their domain
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

#include "base/hubspot.h"
#include "activity/families.h"
#include "activity/lists.h"
#include "base/clock.h"
#include "crm/records.h"
#include "crm/unknown.h"
#include "search/company_search.h"
#include "store/record_map.h"
#include "text/value.h"
#include "wait/await.h"
#include "wait/tell.h"

static const char *const list_not_static = "list_not_static";

static const RequestKind find_list;
static const RequestKind create_list;

/* ---- what a row waits for ------------------------------------------------------------ */

/* Whether the record is known, or certainly not to the tables; else the key has been sent away. */
static bool
is_settled(WorkKey *key)
{
	Row		   *row = key_head(key);
	Object		object = lists_object(row);
	Lane	   *lane = key->lane->account->lanes[object];
	bool		is_known = lists_record(row)[0] != '\0';

	if (object == OBJECT_IS_CONTACT && queue_is_by_user_id(key))
		return tell_is_hopeless(key);
	if (await_other(key, queue_find(lane, key->property, key->key), is_known))
		return false;
	if (is_known || row_was(row, ONCE_WITHOUT_RECORD))
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

/* A row that cannot be sent is taken as if it could: check_list_row() says why not. */
static const RequestKind *
kind_of_list_row(WorkKey *key)
{
	Row		   *row = key_head(key);
	MessageList list;
	KnownList  *known;
	WorkKey    *asker;

	if (row->call == CALL_CREATE_LIST)
		return &create_list;
	if (!lists_read(row, &list))
		return &lists_change_members;

	/*
	 * The row that creates the list comes before all that is asked here: until it has ended,
	 * HubSpot would say that there is no such list, and that would be the verdict.
	 */
	if (await_other(key, creator_of(key, &list), true))
		return NULL;
	known = lists_known(key->lane->account, &list);
	if (lists_objection(known, row) != NULL)
		return &lists_change_members;

	/*
	 * One key asks for a list's id, and the others wait for that key: else each of a thousand
	 * members asks.
	 */
	if (!lists_has_id(known))
	{
		asker = lists_asker(known, key->lane);
		if (asker == NULL)
			return &find_list;
		await_key(key, asker);
		return NULL;
	}

	/*
	 * The member last. It costs a request for each key, which a list that takes nobody should not
	 * cost.
	 */
	if (!is_settled(key))
		return NULL;
	if (lists_record(row)[0] != '\0')
		return &lists_change_members;
	if (records_can_be_read(list.object, key->property))
		return &lists_read_records;
	return company_is_by_domain(key) ? &lists_search_companies : &lists_change_members;
}

static void
look_up_member(WorkKey *key)
{
	Row		   *row = key_head(key);
	Object		object = lists_object(row);
	const char *found;

	if (object == OBJECT_IS_CONTACT)
	{
		await_look_up_contact(key);
		return;
	}
	found = record_map_find(key->lane->account->server, object, queue_id_property(key), key->key);
	if (found != NULL)
		strlcpy(row->record_id, found, sizeof(row->record_id));
}

/* ---- rows that cannot be sent ------------------------------------------------------------ */

static const char *
problem_of_list(const KnownList *known)
{
	char	   *name = pnstrdup(known->name, known->name_len);
	const CrmType *type = &object_types[known->object];
	const char *objects = type->plural;
	bool		is_default = known->object == OBJECT_IS_CONTACT;

	if (known->category == list_not_static)
		return psprintf("the list \"%s\" of %s is a dynamic one: HubSpot itself finds its members",
						name, objects);
	return psprintf("HubSpot has no list \"%s\" of %s; SELECT hubspot_create_list(%s%s) creates it",
					name, objects,
					quote_literal_cstr(name), is_default ? "" : psprintf(", '%s'", type->name));
}

/* For people: a list that could be created. */
static void
note_missing(const KnownList *known, const Row *row)
{
	if (known->category == lists_not_found)
		unknown_note_list(row->key->lane->account->server, known->object,
						  pnstrdup(known->name, known->name_len), row->id);
}

static void
note_found(const KnownList *known, const Account *account)
{
	unknown_found_list(account->server, known->object, pnstrdup(known->name, known->name_len));
}

static bool
check_list_row(Row *row, const MessageParts *parts, const char **category, const char **problem)
{
	MessageList list;
	MessageProblem why;
	const KnownList *known;

	*category = "bad_message";
	*problem = "this version knows no such call about lists";
	if (row->call != CALL_ADD_TO_LIST && row->call != CALL_REMOVE_FROM_LIST &&
		row->call != CALL_CREATE_LIST)
		return false;
	if (!message_list(parts->root, &list, &why))
	{
		*problem = why.message;
		return false;
	}
	if (row->call == CALL_CREATE_LIST)
		return true;

	/*
	 * The list before the member: what is wrong with the list is wrong with all its rows, whoever
	 * they are about.
	 */
	known = lists_known(row->key->lane->account, &list);
	*category = lists_objection(known, row);
	if (*category != NULL)
	{
		note_missing(known, row);
		*problem = problem_of_list(known);
		return false;
	}
	*category = records_not_found(list.object);
	*problem = "no call has told yet which contact this userId is";

	/*
	 * Not found is a verdict after the tables were asked, and nobody who could tell is on the way.
	 */
	if (list.object == OBJECT_IS_CONTACT && queue_is_by_user_id(row->key))
		return row->looked == LOOKED_NOT || tell_may_come(row);
	return true;
}

/* Rows of one member are one when they are about one list; the last one says how it ends. */
static bool
list_row_joins(const Row *first, Row *next)
{
	if (first->call == CALL_CREATE_LIST || next->call == CALL_CREATE_LIST ||
		!lists_same(first, next))
		return false;
	strlcpy(next->record_id, first->record_id, sizeof(next->record_id));
	next->looked = first->looked;
	next->once = first->once;
	return true;
}

/* ---- the list by its name ------------------------------------------------------------------ */

static void
list_address(const Batch *batch, Address *address)
{
	const KnownList *known = lists_of(lists_carrier(&batch->inputs[0]));
	StringInfoData name;

	strlcat(address->path, "/object-type-id/", sizeof(address->path));
	strlcat(address->path, object_types[known->object].type_id, sizeof(address->path));
	strlcat(address->path, "/name", sizeof(address->path));
	initStringInfo(&name);
	appendStringInfoChar(&name, '/');
	value_append_encoded(&name, known->name, known->name_len);
	address->query = name.data;
}

static BuildResult
append_find(Batch *batch, Input *input, const MessageParts *parts)
{
	lists_ask(lists_of(lists_carrier(input)), input->key);
	return BUILD_DONE;
}

static void
end_created(Input *input, const KnownList *known, bool is_new, const Reply *reply,
			AckRequest *request)
{
	AckResult	result =
	{.verdict = is_new ? VERDICT_DELIVERED : VERDICT_UNCHANGED, .request = request,
	.http_status = reply->status, .created = is_new, .record_id = known->id};

	batch_end_input(input, &result);
}

/*
 * A row that creates a list asks when HubSpot says that the name is taken: by this list, or by
 * another one.
 */
static void
find_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	bool		creates = lists_carrier(input)->call == CALL_CREATE_LIST;
	KnownList  *known = lists_of(lists_carrier(input));
	ReplyList	list;
	bool		open = true;

	/* one whose members HubSpot finds itself is there, and as good as none */
	if (reply_list(reply, &list))
	{
		lists_told(known, list.is_dynamic ? NULL : list.id,
				   list.is_dynamic ? list_not_static : NULL);
		note_found(known, batch->lane->account);
	}
	else if (reply->class == REPLY_RECORDS)
	{
		batch_silent(batch, &open, reply, request);
		return;
	}
	else if (reply_says_missing(reply))
		lists_told(known, NULL, lists_not_found);
	else
	{
		batch_refused(batch, reply, request);
		return;
	}
	if (known->category == NULL && creates)
		end_created(input, known, false, reply, request);
	else if (known->category == NULL)
		batch_put_back(input->key, input->rows, input->nrows);
	else if (creates)
		batch_reject(input, VERDICT_REJECTED, input->category, input->message, input->status,
					 request);
	else
	{
		note_missing(known, lists_carrier(input));
		batch_reject(input, VERDICT_REJECTED, known->category, problem_of_list(known),
					 reply->status, request);
	}
}

/* ---- a list that is made --------------------------------------------------------------------- */

static BuildResult
append_list(Batch *batch, Input *input, const MessageParts *parts)
{
	const KnownList *known = lists_of(lists_carrier(input));

	appendStringInfoString(&batch->body, "{\"name\":");
	value_append_string(&batch->body, known->name, known->name_len);
	appendStringInfo(&batch->body, ",\"objectTypeId\":\"%s\",\"processingType\":\"MANUAL\"}",
					 object_types[known->object].type_id);
	return BUILD_DONE;
}

static bool
is_duplicate(const Reply *reply)
{
	return reply->status == 409 ||
		(reply->error.sub_category != NULL &&
		 strstr(reply->error.sub_category, "DUPLICATE_LIST_NAMES") != NULL);
}

static void
create_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	KnownList  *known = lists_of(lists_carrier(input));
	ReplyList	list;
	bool		chosen = true;

	if (reply_list(reply, &list))
	{
		lists_told(known, list.id, NULL);
		note_found(known, batch->lane->account);
		end_created(input, known, true, reply, request);
	}
	else if (reply->class == REPLY_RECORDS)
		batch_silent(batch, &chosen, reply, request);
	else if (is_duplicate(reply))
	{
		/*
		 * The list is there; its id is what rows about its members need. What HubSpot said goes
		 * along: when no list is found by the name, it is the verdict.
		 */
		input->category = reply_code(reply);
		input->message = reply->message;
		input->status = reply->status;
		input->onward = &find_list;
		batch_go_on(batch, reply, request);
	}
	else
		batch_refused(batch, reply, request);
}

/* ---- which request --------------------------------------------------------------------------- */

static const RequestKind find_list = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_LISTS,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1000,
	.method = "GET",
	.address = list_address,
	.names_content = true,
	.append_input = append_find,
	.answered = find_answered,
};

static const RequestKind create_list = {
	.repeat = REPEAT_REFUSED,
	.path = PATH_LISTS,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1,
	.append_input = append_list,
	.answered = create_answered,
};

const FamilyWork lists_work = {
	.kind = &lists_change_members,
	.kind_of = kind_of_list_row,
	.joins = list_row_joins,
	.check = check_list_row,
	.look_up = look_up_member,
};
