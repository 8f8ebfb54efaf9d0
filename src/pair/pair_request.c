/*
 * pair_request.c
 *		What requests about pairs have in common: where they go, what goes together, answers.
 *
 * A request is of two types, in one order.  Answers about pairs are of two shapes, with one result
 * for each pair or one for each direction, in any order; so a pair is found by its two ids,
 * whichever comes first, and two pairs of the same two ids do not go together: ids of two types may
 * be the same. Called by batch.c, in the batch's memory context.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "base/hubspot.h"
#include "base/worker_context.h"
#include "pair/labels.h"
#include "pair/pair.h"
#include "request/fault.h"

/* ---- what goes together ------------------------------------------------------------------ */

typedef struct NotedPair
{
	uint64		hash;
	char		status;
} NotedPair;

#define SH_PREFIX noted
#define SH_ELEMENT_TYPE NotedPair
#define SH_KEY_TYPE uint64
#define SH_KEY hash
#define SH_HASH_KEY(table, key) ((uint32) ((key) ^ ((key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static noted_hash *noted;		/* of the batch that is being put together */

/* The same for both orders; where two differ and have one hash, they go one after the other. */
static uint64
hash_ids(const char *a, const char *b)
{
	uint64		x = hash_bytes_extended((const unsigned char *) a, strlen(a), 0);
	uint64		y = hash_bytes_extended((const unsigned char *) b, strlen(b), 0);

	return hash_combine64(Min(x, y), Max(x, y));
}

static uint64
hash_row(Row *row)
{
	return hash_ids(pair_record(row, 0), pair_record(row, 1));
}

void
pair_begin_body(Batch *batch)
{
	if (noted == NULL)
		noted = noted_create(WorkerContext, 4096, NULL);
	else
		noted_reset(noted);
	appendStringInfoString(&batch->body, "{\"inputs\":[");
}

void
pair_note(Row *row)
{
	bool		found;

	(void) noted_insert(noted, hash_row(row), &found);
}

static bool
is_noted(const WorkKey *key)
{
	return noted_lookup(noted, hash_row(key_head(key))) != NULL;
}

bool
pair_fits(const Batch *batch, const WorkKey *key)
{
	RowPair		first = pair_of(pair_row(&batch->inputs[0]));
	RowPair		next = pair_of(key_head(key));

	return first.ends[0].object == next.ends[0].object &&
		first.ends[1].object == next.ends[1].object && !is_noted(key);
}

bool
pair_fits_directed(const Batch *batch, const WorkKey *key)
{
	RowPair		first = pair_of(pair_row(&batch->inputs[0]));
	RowPair		next = pair_of(key_head(key));

	return first.message.from.object == next.message.from.object &&
		first.message.to.object == next.message.to.object && !is_noted(key);
}

/*
 * The types of the first input are those of all; a request without a label goes by the key's order.
 */
void
pair_address(const Batch *batch, Address *address, const char *tail)
{
	RowPair		pair = pair_of(pair_row(&batch->inputs[0]));
	bool		directed = batch->kind->fits == pair_fits_directed;
	Object		from = directed ? pair.message.from.object : pair.ends[0].object;
	Object		to = directed ? pair.message.to.object : pair.ends[1].object;
	size_t		len = strlen(address->path);

	snprintf(address->path + len, sizeof(address->path) - len, "%s/%s/%s",
			 object_types[from].type_id, object_types[to].type_id, tail);
}

bool
pair_is_whole(Input *input)
{
	Row		   *row = pair_row(input);

	if (pair_unknown(row) < 0)
		return true;
	row->looked = LOOKED_NOT;	/* the row that it was found out for is not to be sent any more */
	return false;
}

/* ---- what an answer tells ------------------------------------------------------------------ */

typedef struct Place
{
	uint64		hash;
	int			input;
} Place;

static int
compare_places(const void *a, const void *b)
{
	uint64		x = ((const Place *) a)->hash;
	uint64		y = ((const Place *) b)->hash;

	return x < y ? -1 : x > y;
}

static bool
is_of(const ReplyResult *result, const Input *input)
{
	const char *a = pair_record(pair_row(input), 0);
	const char *b = pair_record(pair_row(input), 1);

	return (strcmp(result->from_id, a) == 0 && strcmp(result->to_id, b) == 0) ||
		(strcmp(result->from_id, b) == 0 && strcmp(result->to_id, a) == 0);
}

void
pair_find_results(const Batch *batch, const Reply *reply, bool *told)
{
	Place	   *places = palloc(sizeof(Place) * batch->ninputs);

	for (int i = 0; i < batch->ninputs; i++)
		places[i] = (Place)
	{
		.hash = hash_row(pair_row(&batch->inputs[i])), .input = i
	};
	qsort(places, batch->ninputs, sizeof(Place), compare_places);
	for (int i = 0; i < reply->nresults; i++)
	{
		const ReplyResult *result = &reply->results[i];
		Place		wanted;
		const Place *place;

		if (result->from_id == NULL || result->to_id == NULL)
			continue;
		wanted.hash = hash_ids(result->from_id, result->to_id);
		place = bsearch(&wanted, places, batch->ninputs, sizeof(Place), compare_places);
		if (place != NULL && is_of(result, &batch->inputs[place->input]))
			told[place->input] = true;
	}
	pfree(places);
}

static bool
names_pair(const ReplyError *error, const Input *input)
{
	return reply_error_names(error, pair_record(pair_row(input), 0)) ||
		reply_error_names(error, pair_record(pair_row(input), 1));
}

const ReplyError *
pair_error(const Reply *reply, const Input *input, int nopen)
{
	for (int i = 0; i < reply->nerrors; i++)
		if (names_pair(&reply->errors[i], input))
			return &reply->errors[i];
	return nopen == 1 && reply->nerrors == 1 ? &reply->errors[0] : NULL;
}

bool
pair_is_named(const Batch *batch, const ReplyError *error)
{
	for (int i = 0; i < batch->ninputs; i++)
		if (names_pair(error, &batch->inputs[i]))
			return true;
	return batch->ninputs == 1;
}

void
pair_end(Input *input, Verdict verdict, const Reply *reply, AckRequest *request)
{
	AckResult	result =
	{.verdict = verdict, .request = request, .http_status = reply->status, .created = -1};

	batch_end_input(input, &result);
}

static bool
is_not_found(const ReplyError *error)
{
	return error->category != NULL && strcmp(error->category, "OBJECT_NOT_FOUND") == 0;
}

/* What goes by the number of a label that may have been deleted in HubSpot, and made anew. */
static bool
is_about_label(const Row *row, const ReplyError *error)
{
	RowPair		pair = pair_of(row);

	return pair.message.label != NULL && error->sub_category != NULL &&
		strstr(error->sub_category, "INVALID_ASSOCIATION_TYPE") != NULL;
}

/* The labels of its two types are read before its rows begin anew. */
static void
read_labels_again(Input *input)
{
	RowPair		pair = pair_of(pair_row(input));

	batch_note_once(input, ONCE_WITHOUT_LABEL);
	labels_forget(input->key->lane->account, pair.message.from.object, pair.message.to.object);
	batch_put_back(input->key, input->rows, input->nrows);
}

/*
 * HubSpot may have forgotten a record that we remember: both are looked for once more.  Or a label.
 */
void
pair_refuse(Input *input, const ReplyError *error, const Reply *reply, AckRequest *request)
{
	Row		   *row = pair_row(input);
	bool		removes = row->call == CALL_DISSOCIATE;
	const char *category = error->sub_category != NULL && is_not_found(error)
	? error->sub_category : error->code != NULL ? error->code : error->category != NULL
	? error->category : reply_code(reply);

	if (reply_is_transient(error))
		fault_input(input, error->category, error->message, reply->status, request);
	else if (removes && is_not_found(error) && row_may_have_arrived(row))
		pair_end(input, VERDICT_DELIVERED, reply, request); /* that is our doing, perhaps */
	else if (is_not_found(error) && !row_was(row, ONCE_WITHOUT_RECORD))
	{
		batch_note_once(input, ONCE_WITHOUT_RECORD);
		for (int i = 0; i < 2; i++)
			pair_record(row, i)[0] = '\0';
		batch_put_back(input->key, input->rows, input->nrows);
	}
	else if (is_about_label(row, error) && !row_was(row, ONCE_WITHOUT_LABEL))
		read_labels_again(input);
	else if (removes && is_not_found(error))
		batch_reject(input, VERDICT_UNCHANGED, category, error->message, reply->status, request);
	else
		batch_refuse_rows(input, category, error->message != NULL ? error->message : reply->message,
						  reply->status, request, false);
}

/* A refusal of the two objects is of all; whose another one is, halves of the request find out. */
void
pair_refused(Batch *batch, const Reply *reply, AckRequest *request)
{
	if (batch->ninputs > 1 && strcmp(reply->category, reply_unknown_object) != 0)
	{
		batch_bisect(batch, reply);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
		pair_refuse(&batch->inputs[i], &reply->error, reply, request);
}

/*
 * HubSpot does not tell the pairs that have gone, only errors.  Whose an error is that names nobody
 * is looked for by halves: to remove a pair again does no harm.
 */
void
pair_removed(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool		all_named = true;

	if (reply->class != REPLY_RECORDS)
	{
		pair_refused(batch, reply, request);
		return;
	}
	for (int i = 0; i < reply->nerrors; i++)
		all_named = all_named && pair_is_named(batch, &reply->errors[i]);
	if (!all_named)
	{
		batch_was_lost(batch);
		batch_bisect(batch, reply);
		return;
	}
	for (int i = 0; i < batch->ninputs; i++)
	{
		const ReplyError *error = pair_error(reply, &batch->inputs[i], batch->ninputs);

		if (error != NULL)
			pair_refuse(&batch->inputs[i], error, reply, request);
		else
			pair_end(&batch->inputs[i], VERDICT_DELIVERED, reply, request);
	}
}

void
pair_linked(Batch *batch, const Reply *reply, AckRequest *request)
{
	bool	   *told = palloc0(sizeof(bool) * batch->ninputs);
	int			nopen = 0;
	int			nended = 0;

	if (reply->class != REPLY_RECORDS)
	{
		pair_refused(batch, reply, request);
		return;
	}
	pair_find_results(batch, reply, told);
	for (int i = 0; i < batch->ninputs; i++)
		nopen += !told[i];
	for (int i = 0; i < batch->ninputs; i++)
	{
		Input	   *input = &batch->inputs[i];
		const ReplyError *error = told[i] ? NULL : pair_error(reply, input, nopen);

		nended += told[i] || error != NULL;
		if (told[i])
			pair_end(input, VERDICT_DELIVERED, reply, request);
		else if (error != NULL)
			pair_refuse(input, error, reply, request);
		else
			input->onward = &batch_same;
	}
	/* errors that name nobody: looked for by halves */
	if (nended == 0 && reply->nerrors > 0 && batch->ninputs > 1)
		batch_bisect(batch, reply);
	else
		batch_go_on(batch, reply, request);
}
