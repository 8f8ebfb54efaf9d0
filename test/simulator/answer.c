/*
 * answer.c
 *	  The ways in which HubSpot may put one and the same answer; see answer.h.
 *
 * What concerns any answer is done here, to the finished one.  What only the
 * operation knows (which input a result is of) is done there, by answer_is().
 */
#include "answer.h"

#include <string.h>

#include "config.h"
#include "random.h"

static const char *const names[VARIANT_COUNT] = {
	[ANSWER_NUMBER_IDS] = "number_ids",
	[ANSWER_TEXT_IDS] = "text_ids",
	[ANSWER_ONE_DIRECTION] = "one_direction",
	[ANSWER_FORWARD_FIRST] = "forward_first",
	[ANSWER_ABSENT_ERRORS] = "absent_errors",
	[ANSWER_ERRORS_IN_200] = "errors_in_200",
	[ANSWER_CREATED_200] = "created_200",
	[ANSWER_NO_COUNT] = "no_count",
	[ANSWER_EMPTY_ERRORS] = "empty_errors",
	[ANSWER_NULL_MEMBERS] = "null_members",
	[ANSWER_MORE_MEMBERS] = "more_members",
	[ANSWER_FEWER_MEMBERS] = "fewer_members",
	[ANSWER_ECHOED_TRACES] = "echoed_traces",
	[ANSWER_BACKWARDS] = "backwards",
	[ANSWER_BARE_404] = "bare_404",
	[ANSWER_LIST_400] = "list_400",
	[ANSWER_REDIRECT] = "redirect",
	[ANSWER_CURSORS] = "cursors",
	[ANSWER_REQUIRED_CONTEXT] = "required_context",
	[ANSWER_DEFINITION_404] = "definition_404",
	[ANSWER_TYPED_VALUES] = "typed_values",
};

/* Members whose value is an id, or an array of ids. */
static const char *const ids[] = {
	"id", "fromObjectId", "toObjectId", "listId", "recordId",
	"recordsIdsAdded", "recordIdsRemoved", "recordIdsMissing", "typeId", "associationTypeId", NULL
};

/* What no schema requires. */
static const char *const optional[] = {
	"url", "archived", "startedAt", "completedAt", "labels", "additionalProperties", "numErrors", NULL
};

bool
answer_is(Variant variant)
{
	return list_allows(&config.answers, names[variant]);
}

const char *
answer_name(int variant)
{
	return variant < VARIANT_COUNT ? names[variant] : NULL;
}

uint64_t
answer_choice(int64_t seed)
{
	return random_of((uint64_t) seed * RANDOM_STEP) & ((UINT64_C(1) << VARIANT_COUNT) - 1);
}

static bool
is_in(const char *const *list, const char *name)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(*list, name) == 0)
			return true;
	}
	return false;
}

static bool
is_number(const char *text)
{
	return *text != '\0' && *text != '0' && strlen(text) < 19 &&
		strspn(text, "0123456789") == strlen(text);
}

/* The same id in the other type; a new object, or NULL: it stays as it is. */
static struct json_object *
other_id(struct json_object *value)
{
	if (json_object_is_type(value, json_type_string) && answer_is(ANSWER_NUMBER_IDS) &&
		is_number(json_object_get_string(value)))
		return json_object_new_int64(json_object_get_int64(value));
	if (json_object_is_type(value, json_type_int) && answer_is(ANSWER_TEXT_IDS))
		return json_object_new_string(json_object_get_string(value));
	return NULL;
}

static void
vary_id(struct json_object *object, const char *name, struct json_object *value)
{
	struct json_object *other = other_id(value);

	if (other != NULL)
		json_object_object_add(object, name, other);
	for (size_t i = 0; json_object_is_type(value, json_type_array) &&
		 i < json_object_array_length(value); i++)
	{
		other = other_id(json_object_array_get_idx(value, i));
		if (other != NULL)
			json_object_array_put_idx(value, i, other);
	}
}

/* A record's values, each as what its text can be read as. */
static void
vary_values(struct json_object *values)
{
	struct json_object *copy = NULL;

	if (!answer_is(ANSWER_TYPED_VALUES) || !json_object_is_type(values, json_type_object))
		return;
	json_object_deep_copy(values, &copy, NULL);
	json_object_object_foreach(copy, name, value)
	{
		const char *text = json_object_is_type(value, json_type_string)
		? json_object_get_string(value) : "";

		if (is_number(text))
			json_object_object_add(values, name, json_object_new_int64(json_object_get_int64(value)));
		else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			json_object_object_add(values, name, json_object_new_boolean(*text == 't'));
	}
	json_object_put(copy);
}

static void
turn_round(struct json_object *list)
{
	size_t		count = json_object_array_length(list);

	for (size_t i = 0; i < count / 2; i++)
	{
		struct json_object *a = json_object_get(json_object_array_get_idx(list, i));
		struct json_object *b = json_object_get(json_object_array_get_idx(list, count - 1 - i));

		json_object_array_put_idx(list, i, b);
		json_object_array_put_idx(list, count - 1 - i, a);
	}
}

/* What it holds is varied first; "properties" and "context" hold the customer's names. */
static void
vary_object(struct json_object *object)
{
	struct json_object *copy = NULL;

	if (json_object_is_type(object, json_type_array))
	{
		for (size_t i = 0; i < json_object_array_length(object); i++)
			vary_object(json_object_array_get_idx(object, i));
		return;
	}
	if (!json_object_is_type(object, json_type_object))
		return;
	/* the names as they are now: members come and go below */
	json_object_deep_copy(object, &copy, NULL);
	json_object_object_foreach(copy, name, unused)
	{
		struct json_object *value;

		(void) unused;
		json_object_object_get_ex(object, name, &value);
		if (is_in(ids, name))
			vary_id(object, name, value);
		else if (strcmp(name, "properties") == 0)
			vary_values(value);
		else if (strcmp(name, "context") != 0)
			vary_object(value);
		if (answer_is(ANSWER_FEWER_MEMBERS) && is_in(optional, name))
			json_object_object_del(object, name);
	}
	json_object_put(copy);
	if (answer_is(ANSWER_MORE_MEMBERS))
		json_object_object_add(object, "unheardOf",
							   json_tokener_parse("{\"id\":\"1\",\"results\":[{\"id\":\"2\"}]}"));
}

/* Members of an answer about a batch. */
static void
vary_batch(struct json_object *answer, struct json_object *results)
{
	struct json_object *errors = NULL;

	json_object_object_get_ex(answer, "errors", &errors);
	if (answer_is(ANSWER_BACKWARDS) && json_object_object_get_ex(answer, "status", NULL))
	{
		turn_round(results);
		if (errors != NULL)
			turn_round(errors);
	}
	if (errors != NULL && answer_is(ANSWER_NO_COUNT))
		json_object_object_del(answer, "numErrors");
	if (errors == NULL && answer_is(ANSWER_EMPTY_ERRORS))
	{
		json_object_object_add(answer, "numErrors", json_object_new_int(0));
		json_object_object_add(answer, "errors", json_object_new_array());
	}
	else if (errors == NULL && answer_is(ANSWER_NULL_MEMBERS))
	{
		json_object_object_add(answer, "numErrors", NULL);
		json_object_object_add(answer, "errors", NULL);
	}
	if (answer_is(ANSWER_NULL_MEMBERS) && !json_object_object_get_ex(answer, "paging", NULL))
	{
		json_object_object_add(answer, "links", NULL);
		json_object_object_add(answer, "requestedAt", NULL);
		json_object_object_add(answer, "paging", NULL);
	}
}

static void
vary_success(Request *request, struct json_object *answer)
{
	struct json_object *results;

	if (json_object_object_get_ex(answer, "results", &results) &&
		json_object_is_type(results, json_type_array))
	{
		vary_batch(answer, results);
		if (request->status == 207 && answer_is(ANSWER_ERRORS_IN_200))
			request->status = 200;
	}
	if (request->status == 201 && answer_is(ANSWER_CREATED_200))
		request->status = 200;
	vary_object(answer);
}

static void
vary_refusal(Request *request, struct json_object *answer)
{
	if (request->status == 404 && answer_is(ANSWER_BARE_404))
	{
		json_object_object_del(answer, "category");
		json_object_object_add(answer, "message", json_object_new_string("Not Found"));
	}
	if (answer_is(ANSWER_NULL_MEMBERS))
		json_object_object_add(answer, "subCategory", NULL);
	if (answer_is(ANSWER_MORE_MEMBERS))
		json_object_object_add(answer, "requestId", json_object_new_string(request->correlation_id));
}

void
answer_vary(Request *request)
{
	struct json_object *answer;

	if (config.answers.count == 0 || request->reply.len == 0 || request->reply.data[0] != '{')
		return;
	answer = json_tokener_parse(buffer_text(&request->reply));
	if (answer == NULL)
		return;
	if (request->status >= 200 && request->status < 300)
		vary_success(request, answer);
	else
		vary_refusal(request, answer);
	request->reply.len = 0;
	buffer_puts(&request->reply,
				json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN |
											   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(answer);
}
