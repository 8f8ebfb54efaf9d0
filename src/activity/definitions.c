/*
 * definitions.c
 *		What an event's definition lacks is added to it.
 *
 *	read	which properties HubSpot has of the event
 *	add		one property, and after its answer the next one
 *
 * A row of the schema lane comes here when HubSpot says that the event which it creates is there,
 * or at once when it only adds (hubspot_create_event_property()).  Called by batch.c, in the
 * batch's memory context.  Everything may be repeated: HubSpot refuses a property that it has.
 */
#include "postgres.h"

#include "base/hubspot.h"
#include "activity/schema_lane.h"
#include "facts/reading_rows.h"
#include "reply/reply_json.h"
#include "request/schema_reply.h"
#include "request/schema_sync.h"
#include "text/value.h"

#define MAX_NAME	100			/* bytes of the names of an event and its properties, in a path */

static const RequestKind read_definition;

/* ---- what a row says ------------------------------------------------------------------ */

/* Letters, digits and "_" can stand in a path as they are. */
static bool
is_name(const JsonbValue *name)
{
	if (name->type != jbvString || name->val.string.len == 0 || name->val.string.len > MAX_NAME)
		return false;
	for (int i = 0; i < name->val.string.len; i++)
		if (!isalnum((unsigned char) name->val.string.val[i]) && name->val.string.val[i] != '_')
			return false;
	return true;
}

static bool
named_member(JsonbContainer *object, const char *member, JsonbValue *name)
{
	return message_member(object, member, name) && is_name(name);
}

bool
definitions_only_adds(const Row *row)
{
	JsonbValue	name;

	return row->call == CALL_CREATE_EVENT && JsonContainerIsObject(&row->message->root) &&
		named_member(&row->message->root, "event", &name);
}

/* The name of a row's event; NULL when it has none that can stand in a path. */
static char *
event_of(const Row *row)
{
	JsonbContainer *message = &row->message->root;
	JsonbValue	name;

	if (!named_member(message, "event", &name) && !named_member(message, "name", &name))
		return NULL;
	return pnstrdup(name.val.string.val, name.val.string.len);
}

/*
 * Run through the properties of a row: each call finds the next one that has a name.  *it NULL
 * begins; false at the end.
 */
static bool
next_property(const Row *row, JsonbIterator **it, JsonbValue *property, JsonbValue *name)
{
	JsonbValue	list;
	JsonbIteratorToken token;

	if (*it == NULL)
	{
		if (!message_member(&row->message->root, "propertyDefinitions", &list) ||
			list.type != jbvBinary || !JsonContainerIsArray(list.val.binary.data))
			return false;
		*it = JsonbIteratorInit(list.val.binary.data);
	}
	while ((token = JsonbIteratorNext(it, property, true)) != WJB_DONE)
		if (token == WJB_ELEM && property->type == jbvBinary &&
			JsonContainerIsObject(property->val.binary.data) &&
			named_member(property->val.binary.data, "name", name))
			return true;
	return false;
}

static bool
is_called(const JsonbValue *name, const char *text, size_t len)
{
	return name->val.string.len == len && memcmp(name->val.string.val, text, len) == 0;
}

bool
definitions_check(const Row *row)
{
	JsonbIterator *it = NULL;
	JsonbValue	property;
	JsonbValue	name;

	return event_of(row) != NULL && next_property(row, &it, &property, &name);
}

/* ---- what the definition lacks ----------------------------------------------------- */

/* A property of HubSpot's answer by its name; NULL when it has none that can be sent. */
static json_object *
there_is(json_object *properties, const JsonbValue *name)
{
	for (size_t i = 0; i < json_object_array_length(properties); i++)
	{
		json_object *property = json_object_array_get_idx(properties, i);
		const char *text = reply_json_text(reply_json_member(property, "name", json_type_string));

		if (text != NULL && is_called(name, text, strlen(text)) &&
			!rows_is_archived(property))
			return property;
	}
	return NULL;
}

/* What HubSpot has under another type keeps it. */
static void
compare_types(Input *input, const JsonbValue *name, JsonbContainer *wanted, json_object *there)
{
	const char *has = reply_json_text(reply_json_member(there, "type", json_type_string));
	JsonbValue	type;

	if (has != NULL && message_member(wanted, "type", &type) && type.type == jbvString &&
		!is_called(&type, has, strlen(has)))
		batch_warn(input, "other_type", pnstrdup(name->val.string.val, name->val.string.len),
				   psprintf("HubSpot has the property as %s, and lets no type be changed", has));
}

/* The names of a row's properties, but for those that HubSpot has (properties NULL: not known). */
static const char *
lacking(Input *input, json_object *properties)
{
	StringInfoData names;
	JsonbIterator *it = NULL;
	JsonbValue	property;
	JsonbValue	name;

	initStringInfo(&names);
	while (next_property(input->rows[0], &it, &property, &name))
	{
		json_object *there = properties != NULL ? there_is(properties, &name) : NULL;

		if (there != NULL)
			compare_types(input, &name, property.val.binary.data, there);
		else
			appendStringInfo(&names, "%s%.*s", names.len > 0 ? " " : "", name.val.string.len,
							 name.val.string.val);
	}
	return names.data;
}

/* ---- how it ends --------------------------------------------------------------------- */

static void
end_grown(Input *input, const Reply *reply, AckRequest *request)
{
	AckResult	result = {.verdict = input->grew ? VERDICT_DELIVERED : VERDICT_UNCHANGED,
	.request = request, .http_status = reply->status, .created = 0};

	schema_sync_refresh(input->key->lane->account, OBJECT_IS_EVENT);
	if (input->message != NULL)
		batch_reject(input, VERDICT_REJECTED, input->category, input->message, input->status,
					 request);
	else
		batch_end_input(input, &result);
}

/* HubSpot has no such event: it never had, or the name is used up. */
static void
end_without_event(Input *input, const Reply *reply, AckRequest *request)
{
	const Row  *row = input->rows[0];
	char	   *event = event_of(row);

	schema_sync_refresh(input->key->lane->account, OBJECT_IS_EVENT);
	batch_reject(input, VERDICT_REJECTED, "unknown_event", definitions_only_adds(row)
				 ? psprintf("HubSpot has no event \"%s\"; hubspot_create_event() creates it", event)
				 : psprintf("HubSpot has had an event \"%s\" that was deleted: nobody can use the "
							"name again", event),
				 reply->status, request);
}

static void
go_on(Batch *batch, const RequestKind *kind, const Reply *reply, AckRequest *request)
{
	batch->inputs[0].onward = kind;
	batch_go_on(batch, reply, request);
}

/* ---- requests ------------------------------------------------------------------------ */

static void
append_path(const Batch *batch, Address *address, const char *tail)
{
	strlcat(address->path, "/", sizeof(address->path));
	strlcat(address->path, event_of(batch->inputs[0].rows[0]), sizeof(address->path));
	strlcat(address->path, tail, sizeof(address->path));
}

static void
read_address(const Batch *batch, Address *address)
{
	append_path(batch, address, "");
	address->query = "?includeProperties=true";
}

static void
read_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];
	json_object *properties =
	(reply->class == REPLY_RECORDS
	 ? reply_json_member(reply->root, "properties", json_type_array) : NULL);

	if (properties != NULL)
	{
		input->lacks = lacking(input, properties);
		if (input->lacks[0] != '\0')
			go_on(batch, &definitions_add, reply, request);
		else
			end_grown(input, reply, request);
	}
	else if (reply->class == REPLY_RECORDS)
		batch_silent(batch, NULL, reply, request);
	else if (reply_says_missing(reply))
		end_without_event(input, reply, request);
	else
		batch_refused(batch, reply, request);
}

static void
add_address(const Batch *batch, Address *address)
{
	append_path(batch, address, "/property");
}

/* The first one of what is lacking. */
static BuildResult
append_property(Batch *batch, Input *input, const MessageParts *parts)
{
	JsonbIterator *it = NULL;
	JsonbValue	property;
	JsonbValue	name;

	if (input->lacks == NULL)
		input->lacks = lacking(input, NULL);
	while (next_property(input->rows[0], &it, &property, &name))
		if (is_called(&name, input->lacks, strcspn(input->lacks, " ")))
		{
			value_append_compact(&batch->body, &property);
			break;
		}
	return BUILD_DONE;
}

/* One that HubSpot does not take keeps none of the others away; the first refusal is told. */
static void
note_refusal(Input *input, const Reply *reply)
{
	if (input->message != NULL)
		return;
	input->category = reply_code(reply);
	input->status = reply->status;
	input->message = psprintf("HubSpot does not take the property \"%.*s\": %s",
							  (int) strcspn(input->lacks, " "), input->lacks,
							  reply->nerrors > 0 && reply->errors[0].message != NULL
							  ? reply->errors[0].message : reply->message);
}

static void
add_answered(Batch *batch, const Reply *reply, AckRequest *request)
{
	Input	   *input = &batch->inputs[0];

	if (reply->class == REPLY_RECORDS && reply->nerrors == 0)
		input->grew = true;
	else if (definitions_exists(reply))
		/* after a lost answer it was probably this row's own */
		input->grew = input->grew || row_may_have_arrived(input->rows[0]);
	else if (reply_says_missing(reply))
	{
		end_without_event(input, reply, request);
		return;
	}
	else
		note_refusal(input, reply);
	input->lacks += strcspn(input->lacks, " ");
	input->lacks += strspn(input->lacks, " ");
	if (input->lacks[0] != '\0')
		go_on(batch, &definitions_add, reply, request);
	else
		end_grown(input, reply, request);
}

static const RequestKind read_definition = {
	.repeat = REPEAT_HARMLESS,
	.path = PATH_EVENT_DEFINITIONS,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1,
	.method = "GET",
	.address = read_address,
	.names_content = true,
	.append_input = batch_append_nothing,
	.answered = read_answered,
};

const RequestKind definitions_add = {
	.repeat = REPEAT_REFUSED,
	.path = PATH_EVENT_DEFINITIONS,
	.meter = METER_OBJECTS,
	.max_inputs = 1,
	.max_rows = 1,
	.address = add_address,
	.names_content = true,
	.append_input = append_property,
	.answered = add_answered,
};

bool
definitions_exists(const Reply *reply)
{
	const ReplyError *error = reply->nerrors > 0 ? &reply->errors[0] : &reply->error;

	return reply->status == 409 ||
		(error->category != NULL && strcmp(error->category, "OBJECT_ALREADY_EXISTS") == 0);
}

void
definitions_grow(Batch *batch, const Reply *reply, AckRequest *request)
{
	go_on(batch, &read_definition, reply, request);
}
