/*
 * reply.c
 *		What an answer of HubSpot means.
 *
 * Pure functions over bytes, see reply.h.  Called by the worker for each
 * answer; owns the json-c tree until reply_free().  Running out of memory
 * makes an answer unreadable, nothing worse.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reply/reply.h"
#include "reply/reply_json.h"
#include "reply/reply_translate.h"

#define AROUND_FAULT	48		/* bytes shown of what could not be read */

static void
clean(char *dst, size_t size, const char *src)
{
	reply_clean_text(dst, size, src, strlen(src));
}

/* ---- members of JSON objects ------------------------------------------------------- */

/* Text of a member, NULL when it is absent or no string. */
static const char *
text_member(json_object *object, const char *name)
{
	return reply_json_text(reply_json_member(object, name, json_type_string));
}

/* Ids come as strings or as numbers. */
static const char *
id_member(json_object *object, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(object, name, &value) ? reply_json_id(value) : NULL;
}

bool
reply_is_id(const char *text)
{
	size_t		len = strspn(text, "0123456789");

	return len > 0 && len < REPLY_ID_BYTES && text[len] == '\0' && text[0] != '0';
}

const char *
reply_id_of(json_object *value)
{
	bool		is_text = json_object_is_type(value, json_type_string);
	const char *text = reply_json_id(value);

	/* a string with a '\0' inside is longer than the id that C sees */
	if (text == NULL || !reply_is_id(text) ||
		(is_text && strlen(text) != (size_t) json_object_get_string_len(value)))
		return NULL;
	return text;
}

/*
 * Read a record's id, which is copied into requests and URLs.  *id is NULL if the answer
 * has no id.  False if the member holds anything but an id.
 */
static bool
read_id(json_object *object, const char *name, const char **id)
{
	json_object *value = NULL;

	*id = NULL;
	if (!json_object_object_get_ex(object, name, &value) || value == NULL)
		return true;
	*id = reply_id_of(value);
	return *id != NULL;
}

static json_object *
first_of(json_object *array)
{
	return array == NULL || json_object_array_length(array) == 0 ? NULL :
		json_object_array_get_idx(array, 0);
}

static const char *
first_text(json_object *array)
{
	return reply_json_text(first_of(array));
}

const char *
reply_text(const Reply *reply, const char *name)
{
	const char *text = text_member(reply->root, name);

	return text == NULL ? "" : text;
}

int64_t
reply_number(const Reply *reply, const char *name)
{
	int64_t		number;

	return reply_json_number(reply->root, name, &number) ? number : 0;
}

bool
reply_has(const Reply *reply, const char *name)
{
	return reply->root != NULL && json_object_object_get_ex(reply->root, name, NULL);
}

const char *
reply_next_page(const Reply *reply)
{
	json_object *paging = reply_json_member(reply->root, "paging", json_type_object);
	const char *after = id_member(reply_json_member(paging, "next", json_type_object), "after");

	return after == NULL ? "" : after;
}

const char *
reply_property(const ReplyResult *result, const char *name)
{
	json_object *value = NULL;

	return result->properties != NULL &&
		json_object_object_get_ex(result->properties, name, &value)
		? reply_json_scalar(value) : NULL;
}

const char *
reply_other_end(json_object *to)
{
	json_object *value = NULL;

	return json_object_is_type(to, json_type_object) &&
		(json_object_object_get_ex(to, "toObjectId", &value) ||
		 json_object_object_get_ex(to, "id", &value)) ? reply_id_of(value) : NULL;
}

const char *
reply_associated(const ReplyResult *result, int n)
{
	int			count = result->to == NULL ? 0 : (int) json_object_array_length(result->to);

	/* what is no id is passed over */
	for (int i = 0; i < count; i++)
	{
		const char *id = reply_other_end(json_object_array_get_idx(result->to, i));

		if (id != NULL && n-- == 0)
			return id;
	}
	return NULL;
}

static bool
contains(const char *text, const char *word)
{
	size_t		len = strlen(word);

	for (; *text != '\0'; text++)
		if (strncasecmp(text, word, len) == 0)
			return true;
	return false;
}

/* ---- errors ------------------------------------------------------------------------- */

/*
 * HubSpot's validation messages end in a JSON array with the details:
 * 'Property values were not valid: [{"message":..,"error":..,"name":..}]'.
 * The words before it come in the account's language.  NULL when there is none.
 */
static const char *
find_details(const char *message)
{
	for (const char *at = message; at != NULL && (at = strchr(at, '[')) != NULL; at++)
		if (at[1 + strspn(at + 1, " \t\r\n")] == '{')
			return at;
	return NULL;
}

/* The array becomes a member of the error, so that its texts live as long. */
static json_object *
parse_details(json_object *error, const char *text)
{
	const char *end = strrchr(text, ']');
	json_object *details = reply_json_member(error, "embedded details", json_type_array);
	JsonFault	fault;

	if (details != NULL)
		return first_of(details);	/* read before the texts were translated */
	if (end == NULL)
		return NULL;
	details = reply_json_parse(text, end + 1 - text, json_type_array, &fault);
	if (details == NULL)
		return NULL;
	if (json_object_object_add(error, "embedded details", details) != 0)
	{
		json_object_put(details);
		return NULL;
	}
	return first_of(details);
}

static json_object *
context_array(json_object *error, const char *name)
{
	return reply_json_member(reply_json_member(error, "context", json_type_object), name,
							 json_type_array);
}

static void
prefer(const char **text, const char *better)
{
	if (better != NULL)
		*text = better;
}

/*
 * Details embedded in a message are more precise than the other members.  If HubSpot cut
 * the JSON off, it does not parse and is ignored.
 */
static void
read_details(ReplyError *error, json_object *object, json_object *first_nested)
{
	const char *text = find_details(error->message);
	json_object *details = text == NULL ? NULL : parse_details(object, text);

	if (details != NULL)
	{
		prefer(&error->code, text_member(details, "error"));
		prefer(&error->property, text_member(details, "name"));
		prefer(&error->message, text_member(details, "message"));
	}
	else if (text != NULL)
		prefer(&error->message, text_member(first_nested, "message"));
}

/*
 * Whether the text is a single word.  Everybody may see codes and categories, but not
 * messages, which may quote a customer's data; so a category of several words is dropped.
 */
static bool
is_word(const char *text)
{
	return text != NULL && text[0] != '\0' && strlen(text) <= REPLY_WORD_MAX &&
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:") ==
		strlen(text);
}

static void
add_lacking(ReplyError *error, const char *property)
{
	if (property == NULL || error->nlacking == REPLY_LACKING_MAX)
		return;
	for (int i = 0; i < error->nlacking; i++)
		if (strcmp(error->lacking[i], property) == 0)
			return;
	error->lacking[error->nlacking++] = property;
}

/* Entries of a list of details whose member "code" says that a property is required. */
static void
find_lacking(ReplyError *error, json_object *details, const char *code, bool in_context)
{
	for (size_t i = 0; details != NULL && i < json_object_array_length(details); i++)
	{
		json_object *detail = json_object_array_get_idx(details, i);
		const char *word = text_member(detail, code);

		if (word != NULL && strcmp(word, "REQUIRED_FIELD") == 0)
			add_lacking(error, in_context ? first_text(context_array(detail, "propertyName"))
						: text_member(detail, "name"));
	}
}

/*
 * What a new record lacks.  HubSpot names it in the context, in the details that the message
 * embeds, or in the nested errors.
 */
static void
read_lacking(ReplyError *error, json_object *object, const char *message)
{
	json_object *listed = context_array(object, "properties");

	if (listed != NULL && (message == NULL || !contains(message, "required propert")))
		listed = NULL;
	for (size_t i = 0; listed != NULL && i < json_object_array_length(listed); i++)
		add_lacking(error, reply_json_text(json_object_array_get_idx(listed, i)));
	find_lacking(error, reply_json_member(object, "embedded details", json_type_array), "error",
				 false);
	find_lacking(error, reply_json_member(object, "errors", json_type_array), "code", true);
}

/* Take an error object apart; everything stays owned by it. */
static void
read_error(ReplyError *error, json_object *object)
{
	json_object *first = first_of(reply_json_member(object, "errors", json_type_array));

	memset(error, 0, sizeof(*error));
	error->category = text_member(object, "category");
	error->sub_category = text_member(object, "subCategory");
	error->message = text_member(object, "message");
	error->traces = context_array(object, "objectWriteTraceId");
	error->ids = context_array(object, "ids");
	if (error->ids == NULL)
		error->ids = context_array(object, "id");
	if (error->ids == NULL)
		error->ids = context_array(object, "fromObjectId");
	error->existing_id = first_text(context_array(object, "existingId"));
	error->code = text_member(first, "errorType");
	prefer(&error->code, text_member(first, "code"));
	error->property = first_text(context_array(first, "propertyName"));
	prefer(&error->property, first_text(context_array(object, "propertyName")));
	read_details(error, object, first);
	read_lacking(error, object, text_member(object, "message"));
	if (!is_word(error->category))
		error->category = NULL;
	if (!is_word(error->code))
		error->code = NULL;
}

/* ---- the whole answer ------------------------------------------------------------------ */

const char *const reply_not_found = "not_found";
const char *const reply_unknown_object = "unknown_object";

/*
 * Whether a 404 says that it is about a record: it has a category or contains these words.  One
 * about a wrong path has neither.
 */
static bool
is_about_record(const Reply *reply)
{
	return reply->category[0] != '\0' ||
		(reply->is_json && contains(reply->message, "resource not found"));
}

bool
reply_says_missing(const Reply *reply)
{
	return reply->status == 404 ||
		(reply->status == 400 && reply->is_of_hubspot &&
		 (contains(reply->message, "does not exist") || contains(reply->message, "not found")));
}

static ReplyClass
class_of_status(int status, bool is_about_record)
{
	if (status >= 200 && status < 300)
		return REPLY_RECORDS;
	if (status >= 300 && status < 400)
		return REPLY_MISDIRECTED;
	switch (status)
	{
		case 401:
			return REPLY_UNAUTHORIZED;
		case 403:
			return REPLY_FORBIDDEN;

			/*
			 * A record that HubSpot does not have concerns its own rows.  A wrong path concerns
			 * the whole lane: its rows must wait, not fail.  Often the answer alone does not tell.
			 */
		case 404:
			return is_about_record ? REPLY_REFUSED : REPLY_NOT_FOUND;
		case 405:
		case 406:
		case 415:
			return REPLY_MISDIRECTED;
		case 408:
		case 425:
			return REPLY_UNAVAILABLE;
		case 423:
			return REPLY_LOCKED;
		case 429:
			return REPLY_LIMITED;
		case 477:
			return REPLY_MIGRATING;
		case 488:
			return REPLY_WRONG_HUBLET;
	}

	/*
	 * An unknown 4xx means that the same bytes never work.  Any other unknown status may pass: the
	 * rows wait.
	 */
	return status >= 400 && status < 500 ? REPLY_REFUSED : REPLY_UNAVAILABLE;
}

/* Find the limit that a 429 is about: policyName, else words in the message. */
static void
read_policy(Reply *reply)
{
	const char *policy = text_member(reply->root, "policyName");

	if (policy != NULL)
		clean(reply->policy, sizeof(reply->policy), policy);
	else if (contains(reply->message, "ten_secondly"))
		strcpy(reply->policy, "TEN_SECONDLY_ROLLING");
	else if (contains(reply->message, "secondly"))
		strcpy(reply->policy, "SECONDLY");
	else if (contains(reply->message, "daily"))
		strcpy(reply->policy, "DAILY");
	if (strncasecmp(reply->policy, "DAILY", 5) == 0)
		reply->class = REPLY_DAILY;
}

/*
 * Copy the scopes that a 403 requires, from either of the two places; a scope that does
 * not fit is left out whole.
 */
static void
read_scopes(Reply *reply)
{
	json_object *scopes = context_array(reply->root, "requiredGranularScopes");
	size_t		used = 0;

	if (scopes == NULL)
		scopes = context_array(first_of(reply_json_member(reply->root, "errors", json_type_array)),
							   "requiredGranularScopes");
	for (size_t i = 0; scopes != NULL && i < json_object_array_length(scopes); i++)
	{
		json_object *scope = json_object_array_get_idx(scopes, i);
		const char *separator = used > 0 ? ", " : "";

		if (!json_object_is_type(scope, json_type_string) ||
			used + strlen(separator) + json_object_get_string_len(scope) >= sizeof(reply->scopes))
			continue;
		strcpy(reply->scopes + used, separator);
		used += strlen(separator);
		clean(reply->scopes + used, sizeof(reply->scopes) - used, json_object_get_string(scope));
		used += strlen(reply->scopes + used);
	}
}

/*
 * One end of an association, which HubSpot puts in two ways: {"fromObjectId": 1} where the request
 * named types, {"from": {"id": "1"}} in the default form.
 */
static bool
read_end(json_object *object, const char *flat, const char *nested, const char **id)
{
	json_object *end = reply_json_member(object, nested, json_type_object);

	if (!read_id(object, flat, id))
		return false;
	return *id != NULL || end == NULL || read_id(end, "id", id);
}

/* The type of an association that HubSpot itself defines; others have numbers of their own. */
static int64_t
read_association_type(json_object *object)
{
	json_object *spec = reply_json_member(object, "associationSpec", json_type_object);
	const char *category = text_member(spec, "associationCategory");
	int64_t		type;

	if (category == NULL || strcmp(category, "HUBSPOT_DEFINED") != 0 ||
		!reply_json_number(spec, "associationTypeId", &type))
		return 0;
	return type;
}

/* What names the next page of an answer, or of what it tells of one record. */
static const char *
next_page(json_object *object)
{
	json_object *paging = reply_json_member(object, "paging", json_type_object);

	return id_member(reply_json_member(paging, "next", json_type_object), "after");
}

/* What a result without properties, which is no record, may be. */
static bool
read_association(ReplyResult *result, json_object *object)
{
	if (!read_end(object, "fromObjectId", "from", &result->from_id) ||
		!read_end(object, "toObjectId", "to", &result->to_id))
		return false;
	result->from_type = text_member(object, "fromObjectTypeId");
	result->association = read_association_type(object);
	result->to = reply_json_member(object, "to", json_type_array);
	result->after = next_page(object);
	return true;
}

static bool
read_results(Reply *reply)
{
	json_object *results = reply_json_member(reply->root, "results", json_type_array);
	size_t		count = results == NULL ? 0 : json_object_array_length(results);

	if (count == 0)
		return true;
	reply->results = calloc(count, sizeof(ReplyResult));
	if (reply->results == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
	{
		json_object *object = json_object_array_get_idx(results, i);
		ReplyResult *result = &reply->results[reply->nresults];
		json_object *created;

		/* of one that cannot be used, see below, nothing stays */
		memset(result, 0, sizeof(*result));
		result->properties = reply_json_member(object, "properties", json_type_object);

		/*
		 * A result without usable ids cannot be matched with an input.  Its input stays
		 * REPLY_UNKNOWN and is sent again, never counted as delivered.
		 */
		if (!json_object_is_type(object, json_type_object) || !read_id(object, "id", &result->id) ||
			(result->properties == NULL && !read_association(result, object)))
			continue;
		reply->nresults++;
		result->trace = id_member(object, "objectWriteTraceId");
		created = reply_json_member(object, "new", json_type_boolean);
		/* "new" may be absent.  -1 keeps "unknown" apart from "updated". */
		result->created = created == NULL ? -1 : json_object_get_boolean(created) ? 1 : 0;
		result->created_at = text_member(object, "createdAt");
	}
	return true;
}

static bool
read_errors(Reply *reply)
{
	json_object *errors = reply_json_member(reply->root, "errors", json_type_array);
	size_t		count = errors == NULL ? 0 : json_object_array_length(errors);

	if (count == 0)
		return true;
	reply->errors = calloc(count, sizeof(ReplyError));
	if (reply->errors == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
	{
		json_object *object = json_object_array_get_idx(errors, i);

		if (json_object_is_type(object, json_type_object))
			read_error(&reply->errors[reply->nerrors++], object);
	}
	return true;
}

static void
read_hublet(Reply *reply)
{
	const char *hublet = text_member(reply->root, "correctHublet");

	if (reply->correct_hublet[0] == '\0' && hublet != NULL && reply_is_hublet(hublet))
		clean(reply->correct_hublet, sizeof(reply->correct_hublet), hublet);
}

/* Any member may be missing; what else is JSON, of a proxy for instance, has neither. */
static bool
is_of_hubspot(const Reply *reply)
{
	const char *status = text_member(reply->root, "status");

	return status != NULL && strcmp(status, "error") == 0 &&
		(text_member(reply->root, "correlationId") != NULL || reply->category[0] != '\0');
}

static void
read_body(Reply *reply)
{
	const char *correlation_id = text_member(reply->root, "correlationId");

	/* in a 2xx, "errors" holds errors of records, not of the request */
	if (reply->status < 200 || reply->status > 299)
		read_error(&reply->error, reply->root);
	if (reply->error.message != NULL)
		clean(reply->message, sizeof(reply->message), reply->error.message);
	if (reply->error.category != NULL)
		clean(reply->category, sizeof(reply->category), reply->error.category);
	if (reply->correlation_id[0] == '\0' && correlation_id != NULL)
		clean(reply->correlation_id, sizeof(reply->correlation_id), correlation_id);
	reply->is_of_hubspot = is_of_hubspot(reply);
	read_hublet(reply);
}

/* Read results and errors of a 2xx; false if there is no memory. */
static bool
read_each(Reply *reply)
{
	return read_results(reply) && read_errors(reply);
}

/* Make a message from the status, for an answer that contains none. */
static void
make_message(Reply *reply, const char *body, size_t len)
{
	char		start[128];

	if (reply->message[0] != '\0' || reply->class == REPLY_RECORDS)
		return;
	if (body == NULL || len == 0)
		snprintf(reply->message, sizeof(reply->message), "HTTP status %d without a body",
				 reply->status);
	else
	{
		reply_clean_text(start, sizeof(start), body, len);
		snprintf(reply->message, sizeof(reply->message),
				 "HTTP status %d with an unexpected body: %s",
				 reply->status, start);
	}
}

/*
 * Report which bytes of a 2xx could not be read, and the version of json-c: both are
 * needed to find the fault.
 */
static void
describe_fault(Reply *reply, const JsonFault *fault, const char *body, size_t len)
{
	size_t		from = fault->at > AROUND_FAULT / 2 ? fault->at - AROUND_FAULT / 2 : 0;
	char		around[AROUND_FAULT + 1];

	while (from < fault->at && ((unsigned char) body[from] & 0xc0) == 0x80)
		from++;
	reply_clean_text(around, sizeof(around), body + from, len - from);
	snprintf(reply->message, sizeof(reply->message),
			 "HTTP status %d, after %zu of %zu bytes: %s, in \"%s\" (json-c %s)",
			 reply->status, fault->at, len, fault->what, around, json_c_version());
}

/* The class of a 2xx: REPLY_RECORDS if its body can be read. */
static ReplyClass
class_of_success(Reply *reply, const JsonFault *fault, const char *body, size_t len)
{
	if (reply->is_json)
		return read_each(reply) ? REPLY_RECORDS : REPLY_UNAVAILABLE;
	if (reply->status == 204)
		return REPLY_RECORDS;
	if (body == NULL || len == 0)
		return REPLY_UNREADABLE;
	if (fault->what == NULL)
		return REPLY_UNAVAILABLE;
	describe_fault(reply, fault, body, len);
	return REPLY_UNREADABLE;
}

void
reply_parse(Reply *reply, int status, const ReplyHeaders *headers, const char *body, size_t len)
{
	JsonFault	fault = {0};

	memset(reply, 0, sizeof(*reply));
	reply->status = status;
	memcpy(reply->correlation_id, headers->correlation_id, sizeof(reply->correlation_id));
	memcpy(reply->correct_hublet, headers->correct_hublet, sizeof(reply->correct_hublet));

	if (body != NULL && len > 0)
		reply->root = reply_json_parse(body, len, json_type_object, &fault);
	reply->is_json = reply->root != NULL;
	if (reply->is_json)
		read_body(reply);
	reply->class = class_of_status(status, is_about_record(reply));

	if (reply->class == REPLY_RECORDS)
		reply->class = class_of_success(reply, &fault, body, len);
	make_message(reply, body, len);

	/* has neither a category nor a status of its own: HubSpot's words tell */
	if (reply->class == REPLY_REFUSED && reply->is_of_hubspot &&
		contains(reply->message, "infer object type"))
		reply->class = REPLY_NO_TYPE;
	if (reply->class == REPLY_LIMITED)
		read_policy(reply);
	else if (reply->class == REPLY_FORBIDDEN)
		read_scopes(reply);
}

void
reply_settle_not_found(Reply *reply)
{
	reply->class = REPLY_REFUSED;
	if (reply->category[0] == '\0')
		strcpy(reply->category, reply_not_found);
}

void
reply_settle_no_type(Reply *reply)
{
	reply->class = REPLY_REFUSED;
	if (reply->category[0] == '\0')
		strcpy(reply->category, reply_unknown_object);
}

/* The translation replaces strings of the tree: pointers into the tree are read again. */
void
reply_translate(Reply *reply, ReplyTranslator translator)
{
	bool		complete = true;

	if (reply->root == NULL)
		return;
	free(reply->results);
	free(reply->errors);
	reply->results = NULL;
	reply->errors = NULL;
	reply->nresults = reply->nerrors = 0;
	memset(&reply->error, 0, sizeof(reply->error));
	if (!reply_translate_tree(&reply->root, translator))
		complete = false;
	else if (reply->status < 200 || reply->status > 299)
		read_error(&reply->error, reply->root);
	else if (reply->class == REPLY_RECORDS)
		complete = read_each(reply);
	if (!complete && reply->class == REPLY_RECORDS)
		reply->class = REPLY_UNAVAILABLE;
}

void
reply_free(Reply *reply)
{
	free(reply->results);
	free(reply->errors);
	json_object_put(reply->root);
	memset(reply, 0, sizeof(*reply));
}
