/*
 * reply_match.c
 *		Which record of a request came out how.
 *
 * Pure, see reply.h.  Keys and traces are found through two small hash tables,
 * allocated and freed within the call; without memory nothing is accounted
 * for, and everything is sent again.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reply/reply.h"
#include "reply/reply_json.h"

#define LOOK_INTO	16384		/* bytes of a message that are searched for quoted keys */

/* Open addressing; holds index + 1 of an input, 0: empty. */
typedef struct InputTable
{
	int			mask;
	int		   *places;
} InputTable;

static unsigned
hash_text(const char *text)
{
	unsigned	hash = 2166136261u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned) tolower((unsigned char) *text)) * 16777619u;
	return hash;
}

static const char *
name_of(const ReplyInput *input, bool by_trace)
{
	return by_trace ? input->trace : input->key;
}

static bool
make_table(InputTable *table, const ReplyInput *inputs, int n, bool by_trace)
{
	int			size = 16;

	while (size < n * 2)
		size *= 2;
	table->mask = size - 1;
	table->places = calloc(size, sizeof(int));
	if (table->places == NULL)
		return false;
	for (int i = 0; i < n; i++)
	{
		const char *name = name_of(&inputs[i], by_trace);
		unsigned	at;

		if (name == NULL)
			continue;
		at = hash_text(name) & table->mask;
		while (table->places[at] != 0)
			at = (at + 1) & table->mask;
		table->places[at] = i + 1;
	}
	return true;
}

static ReplyInput *
find_input(const InputTable *table, ReplyInput *inputs, const char *name, bool by_trace)
{
	unsigned	at = hash_text(name) & table->mask;

	for (; table->places[at] != 0; at = (at + 1) & table->mask)
		if (strcasecmp(name_of(&inputs[table->places[at] - 1], by_trace), name) == 0)
			return &inputs[table->places[at] - 1];
	return NULL;
}

/* Text of a name in an array, NULL when it is none. */
static const char *
name_at(struct json_object *names, size_t i)
{
	return reply_json_id(json_object_array_get_idx(names, i));
}

/* Mark the inputs whose names are in an array as failed; returns whether there are any. */
static bool
mark_failed(const InputTable *table, ReplyInput *inputs, struct json_object *names, bool by_trace,
			const ReplyError *error)
{
	size_t		count = names == NULL ? 0 : json_object_array_length(names);
	bool		found = false;

	for (size_t i = 0; i < count; i++)
	{
		const char *name = name_at(names, i);
		ReplyInput *input = name == NULL ? NULL : find_input(table, inputs, name, by_trace);

		if (input == NULL)
			continue;
		found = true;
		if (input->outcome == REPLY_UNKNOWN)
		{
			input->outcome = REPLY_FAILED;
			input->error = error;
		}
	}
	return found;
}

/* Assign errors by trace, else by id; returns the first error that belongs to no input, or NULL. */
static const ReplyError *
match_errors(const Reply *reply, const InputTable *traces, const InputTable *keys,
			 ReplyInput *inputs)
{
	const ReplyError *nobodys = NULL;

	for (int i = 0; i < reply->nerrors; i++)
	{
		const ReplyError *error = &reply->errors[i];

		if (!mark_failed(traces, inputs, error->traces, true, error) &&
			!mark_failed(keys, inputs, error->ids, false, error) && nobodys == NULL)
			nobodys = error;
	}
	return nobodys;
}

static ReplyInput *
input_of_result(const ReplyResult *result, const char *key_property, const InputTable *traces,
				const InputTable *keys, ReplyInput *inputs)
{
	const char *key = key_property == NULL ? result->id : reply_property(result, key_property);
	ReplyInput *input = NULL;

	if (result->trace != NULL)
		input = find_input(traces, inputs, result->trace, true);
	if (input == NULL && key != NULL)
		input = find_input(keys, inputs, key, false);
	return input;
}

/*
 * Assign results by trace, else by key.  Results without an input are counted, and the
 * last one is kept.  Returns false if a result names an input that has an outcome
 * already.
 */
static bool
match_results(const Reply *reply, const char *key_property, const InputTable *traces,
			  const InputTable *keys, ReplyInput *inputs, const ReplyResult **left, int *nleft)
{
	bool		consistent = true;

	for (int i = 0; i < reply->nresults; i++)
	{
		const ReplyResult *result = &reply->results[i];
		ReplyInput *input = input_of_result(result, key_property, traces, keys, inputs);

		if (input == NULL)
		{
			*left = result;
			(*nleft)++;
		}
		else if (input->outcome == REPLY_UNKNOWN)
		{
			input->outcome = REPLY_CONFIRMED;
			input->result = result;
		}
		else

			/*
			 * Two statements about one input: the answer cannot be trusted for elimination, so
			 * inputs that are left stay open and are sent again.
			 */
			consistent = false;
	}
	return consistent;
}

/*
 * Decide the inputs that are left: they succeeded if as many results are left, or the
 * only one has the only error without an input.
 */
static void
eliminate(const ReplyResult *left, int nleft, const ReplyError *nobodys, ReplyInput *inputs, int n)
{
	int			open = 0;

	for (int i = 0; i < n; i++)
		if (inputs[i].outcome == REPLY_UNKNOWN)
			open++;
	if (open != (nobodys != NULL ? 1 : nleft) || (nobodys != NULL && nleft > 0))
		return;
	for (int i = 0; i < n; i++)
		if (inputs[i].outcome == REPLY_UNKNOWN)
		{
			inputs[i].outcome = nobodys != NULL ? REPLY_FAILED : REPLY_CONFIRMED;
			inputs[i].error = nobodys;
			inputs[i].result = open == 1 ? left : NULL;
		}
}

void
reply_match(const Reply *reply, const char *key_property, ReplyInput *inputs, int ninputs)
{
	InputTable	traces = {0, NULL};
	InputTable	keys = {0, NULL};
	const ReplyResult *left = NULL;
	int			nleft = 0;

	for (int i = 0; i < ninputs; i++)
	{
		inputs[i].outcome = REPLY_UNKNOWN;
		inputs[i].result = NULL;
		inputs[i].error = NULL;
	}
	if (make_table(&traces, inputs, ninputs, true) && make_table(&keys, inputs, ninputs, false))
	{
		const ReplyError *nobodys = match_errors(reply, &traces, &keys, inputs);

		if (match_results(reply, key_property, &traces, &keys, inputs, &left, &nleft))
			eliminate(left, nleft, nobodys, inputs, ninputs);
	}
	free(traces.places);
	free(keys.places);
}

/* Whether text contains word as a whole word, ignoring case. */
static bool
quotes(const char *text, const char *word)
{
	size_t		len = strlen(word);
	size_t		text_len = strnlen(text, LOOK_INTO);

	for (size_t at = 0; at + len <= text_len; at++)
		if (strncasecmp(text + at, word, len) == 0 &&
			(at == 0 || !isalnum((unsigned char) text[at - 1])) &&
			!isalnum((unsigned char) text[at + len]))
			return true;
	return false;
}

bool
reply_error_names(const ReplyError *error, const char *id)
{
	size_t		count = error->ids == NULL ? 0 : json_object_array_length(error->ids);

	for (size_t i = 0; i < count; i++)
	{
		const char *name = name_at(error->ids, i);

		if (name != NULL && strcasecmp(name, id) == 0)
			return true;
	}
	return false;
}

bool
reply_names(const Reply *reply, const char *key)
{
	return reply_error_names(&reply->error, key) ||
		(strlen(key) >= 3 &&
		 quotes(reply->error.message != NULL ? reply->error.message : reply->message, key));
}

bool
reply_is_transient(const ReplyError *error)
{
	static const char *const categories[] = {
		"RATE_LIMITS", "RATE_LIMIT", "INTERNAL_ERROR", "INTERNAL_SERVER_ERROR", "SERVER_ERROR",
		"SERVICE_UNAVAILABLE",
		"TEMPORARILY_UNAVAILABLE", "TIMEOUT", "GATEWAY_TIMEOUT", "LOCKED", "OBJECT_LOCKED"
	};

	for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++)
		if ((error->category != NULL && strcasecmp(error->category, categories[i]) == 0) ||
			(error->code != NULL && strcasecmp(error->code, categories[i]) == 0))
			return true;
	return false;
}

const char *
reply_nested_message(const Reply *reply, int i)
{
	json_object *errors = reply_json_member(reply->root, "errors", json_type_array);
	json_object *error;
	json_object *message;

	if (errors == NULL || i >= (int) json_object_array_length(errors))
		return NULL;
	error = json_object_array_get_idx(errors, i);
	message = reply_json_member(error, "message", json_type_string);
	return message == NULL ? "" : json_object_get_string(message);
}

const char *
reply_code(const Reply *reply)
{
	return reply->error.code != NULL ? reply->error.code : reply->category;
}

const char *
reply_named_property(const Reply *reply)
{
	return reply->error.property;
}
