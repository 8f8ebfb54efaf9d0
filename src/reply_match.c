/*
 * reply_match.c
 *		Which record of a request came out how.
 *
 * Pure, see reply.h.  Keys and traces are found through one small hash table
 * on the stack of the caller's heap; without memory nothing is accounted for,
 * and everything is sent again.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "reply.h"

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
		unsigned	at = hash_text(name_of(&inputs[i], by_trace)) & table->mask;

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

/* Mark the inputs that an array of names points at; returns how many. */
static int
mark_failed(const InputTable *table, ReplyInput *inputs, struct json_object *names, bool by_trace,
			const ReplyError *error)
{
	int			marked = 0;

	for (size_t i = 0; names != NULL && i < json_object_array_length(names); i++)
	{
		json_object *name = json_object_array_get_idx(names, i);
		ReplyInput *input = name == NULL ? NULL :
			find_input(table, inputs, json_object_get_string(name), by_trace);

		if (input != NULL && input->outcome == REPLY_UNKNOWN)
		{
			input->outcome = REPLY_FAILED;
			input->error = error;
			marked++;
		}
	}
	return marked;
}

/* Errors by trace, else by id; returns how many found no input. */
static int
match_errors(const Reply *reply, const InputTable *traces, const InputTable *keys, ReplyInput *inputs)
{
	int			homeless = 0;

	for (int i = 0; i < reply->nerrors; i++)
	{
		const ReplyError *error = &reply->errors[i];

		if (mark_failed(traces, inputs, error->traces, true, error) == 0 &&
			mark_failed(keys, inputs, error->ids, false, error) == 0)
			homeless++;
	}
	return homeless;
}

/* Results by trace, else by key; the last one without an input is returned. */
static const ReplyResult *
match_results(const Reply *reply, const char *key_property, const InputTable *traces,
			  const InputTable *keys, ReplyInput *inputs, int *homeless)
{
	const ReplyResult *left = NULL;

	*homeless = 0;
	for (int i = 0; i < reply->nresults; i++)
	{
		const ReplyResult *result = &reply->results[i];
		const char *key = reply_property(result, key_property);
		ReplyInput *input = NULL;

		if (result->trace != NULL)
			input = find_input(traces, inputs, result->trace, true);
		if (input == NULL && key != NULL)
			input = find_input(keys, inputs, key, false);
		if (input != NULL && input->outcome == REPLY_UNKNOWN)
		{
			input->outcome = REPLY_CONFIRMED;
			input->result = result;
		}
		else
		{
			left = result;
			(*homeless)++;
		}
	}
	return left;
}

/* What is open when everything else adds up must have succeeded. */
static void
eliminate(const ReplyResult *left, int homeless_results, ReplyInput *inputs, int n)
{
	int			open = 0;

	for (int i = 0; i < n; i++)
		if (inputs[i].outcome == REPLY_UNKNOWN)
			open++;
	if (open == 0 || open != homeless_results)
		return;
	for (int i = 0; i < n; i++)
		if (inputs[i].outcome == REPLY_UNKNOWN)
		{
			inputs[i].outcome = REPLY_CONFIRMED;
			inputs[i].result = open == 1 ? left : NULL;
		}
}

void
reply_match(const Reply *reply, const char *key_property, ReplyInput *inputs, int ninputs)
{
	InputTable	traces = {0, NULL};
	InputTable	keys = {0, NULL};
	const ReplyResult *left;
	int			homeless_errors;
	int			homeless_results;

	for (int i = 0; i < ninputs; i++)
	{
		inputs[i].outcome = REPLY_UNKNOWN;
		inputs[i].result = NULL;
		inputs[i].error = NULL;
	}
	if (make_table(&traces, inputs, ninputs, true) && make_table(&keys, inputs, ninputs, false))
	{
		homeless_errors = match_errors(reply, &traces, &keys, inputs);
		left = match_results(reply, key_property, &traces, &keys, inputs, &homeless_results);
		if (homeless_errors == 0)
			eliminate(left, homeless_results, inputs, ninputs);
	}
	free(traces.places);
	free(keys.places);
}

/* Whether text holds word, ignoring case, not as part of a longer word. */
static bool
quotes(const char *text, const char *word)
{
	size_t		len = strlen(word);

	for (const char *at = text; *at != '\0'; at++)
		if (strncasecmp(at, word, len) == 0 &&
			(at == text || !isalnum((unsigned char) at[-1])) && !isalnum((unsigned char) at[len]))
			return true;
	return false;
}

bool
reply_names(const Reply *reply, const char *key)
{
	struct json_object *ids = reply->error.ids;
	size_t		count = ids == NULL ? 0 : json_object_array_length(ids);

	for (size_t i = 0; i < count; i++)
	{
		json_object *id = json_object_array_get_idx(ids, i);

		if (id != NULL && strcasecmp(json_object_get_string(id), key) == 0)
			return true;
	}
	return strlen(key) >= 3 && quotes(reply->error.message != NULL ? reply->error.message : reply->message, key);
}

const char *
reply_named_property(const Reply *reply)
{
	return reply->error.property;
}
