/*
 * write.c
 *	  Upsert, create and update, many at once or one: section 3.1 to 3.3.
 *
 * With a trace id on every input each record succeeds or fails by itself
 * (207); without, one fault refuses all and nothing is written.
 */
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "config.h"
#include "draft.h"
#include "error.h"
#include "fault.h"

#define MAX_INPUTS	100

typedef struct Batch
{
	Request    *request;
	Operation	operation;
	Draft	   *drafts;
	int			count;
	bool		partial;
	Buffer		errors;
	int			error_count;
} Batch;

/* All inputs name the same unique property. */
static bool
check_id_property(Batch *batch, struct json_object *inputs)
{
	Request    *request = batch->request;
	const char *common = NULL;
	Property   *property;

	for (int i = 0; i < batch->count; i++)
	{
		const char *name = json_text(json_object_array_get_idx(inputs, (size_t) i), "idProperty");

		if (i == 0)
			common = name;
		if (name == NULL && common == NULL && batch->operation == OP_UPDATE)
			continue;
		if (name == NULL || common == NULL || strcmp(name, common) != 0)
		{
			reply_error(request, 400, "VALIDATION_ERROR",
						"Upserts in a single batch must specify its unique property using idProperty");
			return false;
		}
	}
	if (common == NULL)
		return true;
	property = batch_id_property(request, common);
	if (property == NULL)
		return false;
	if (batch->operation == OP_UPDATE && property->role == ROLE_EMAIL)
	{
		/* Upsert knows contacts by address, batch update does not. */
		reply_error(request, 400, "VALIDATION_ERROR",
					"Unable to perform update/upsert by non-unique %s property %s in portal ID %lld",
					request->type->id, common, (long long) config.portal_id);
		return false;
	}
	for (int i = 0; i < batch->count; i++)
		batch->drafts[i].id_property = property;
	return true;
}

static bool
check_duplicates(Batch *batch)
{
	Table		seen = {0};
	const char **ids = scratch_alloc(sizeof(char *) * (size_t) batch->count);
	Buffer		list = {0};
	int			count = 0;

	for (int i = 0; i < batch->count; i++)
	{
		Draft	   *draft = &batch->drafts[i];
		const char *key = draft->id_property ? value_key(draft->id_property, draft->id) : draft->id;

		if (table_set(&seen, key, draft) != NULL)
			ids[count++] = draft->id;
	}
	table_clear(&seen);
	if (count == 0)
		return true;
	for (int i = 0; i < count; i++)
		buffer_printf(&list, "%s%s", i ? ", " : "", ids[i]);
	reply_error_context(batch->request, 400, "VALIDATION_ERROR",
						scratch_printf("Duplicate IDs found in batch input: [%s]. IDs must be unique",
									   buffer_text(&list)),
						"ids", ids, count);
	buffer_free(&list);
	return false;
}

/* Sets partial; trace ids have to be unique. */
static bool
check_traces(Batch *batch)
{
	Table		seen = {0};
	const char *repeated = NULL;

	batch->partial = batch->count > 0;
	for (int i = 0; i < batch->count; i++)
	{
		const char *trace = batch->drafts[i].trace;

		if (trace == NULL)
			batch->partial = false;
		else if (table_set(&seen, trace, batch) != NULL)
			repeated = trace;
	}
	table_clear(&seen);
	if (batch->operation == OP_UPSERT && !config.trace_ids_partial)
		batch->partial = false;
	if (repeated == NULL)
		return true;
	reply_error(batch->request, 400, "VALIDATION_ERROR",
				"objectWriteTraceId must be unique within a batch: %s", repeated);
	return false;
}

static void
report_missing(Batch *batch)
{
	const char **ids = scratch_alloc(sizeof(char *) * (size_t) (batch->count + 1));
	int			count = 0;

	for (int i = 0; i < batch->count; i++)
	{
		if (batch->drafts[i].missing)
			ids[count++] = batch->drafts[i].id;
	}
	if (count == 0)
		return;
	if (batch->error_count++ > 0)
		buffer_puts(&batch->errors, ",");
	batch_missing(&batch->errors, batch->request->type, ids, count);
}

/* A record that HubSpot stumbles over; its error is told, the others are written. */
static bool
stumbles(Batch *batch, Draft *draft)
{
	const char *category;
	const char *message;

	if (!fault_fails_record(batch->request, draft->id, &category, &message))
		return false;
	draft->stumbled = true;
	if (batch->error_count++ > 0)
		buffer_puts(&batch->errors, ",");
	buffer_puts(&batch->errors, "{\"status\":\"error\",\"category\":");
	buffer_json(&batch->errors, category);
	buffer_puts(&batch->errors, ",\"message\":");
	buffer_json(&batch->errors, message);
	buffer_puts(&batch->errors, ",\"context\":{\"objectWriteTraceId\":[");
	buffer_json(&batch->errors, draft->trace);
	buffer_puts(&batch->errors, "]}}");
	return true;
}

static void
write_each(Batch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		Draft	   *draft = &batch->drafts[i];

		if (stumbles(batch, draft))
			continue;
		draft_check(draft, NULL);
		if (!draft_failed(draft))
			draft_apply(batch->request, draft);
		else if (!draft->missing)
		{
			if (batch->error_count++ > 0)
				buffer_puts(&batch->errors, ",");
			draft_render_error(&batch->errors, draft);
		}
	}
}

/* False after filling the reply: nothing was written. */
static bool
write_all(Batch *batch)
{
	Table		claims = {0};
	ProblemList problems = {0};
	const Draft *conflict = NULL;
	const char *refused = NULL;

	for (int i = 0; i < batch->count; i++)
	{
		Draft	   *draft = &batch->drafts[i];

		draft_check(draft, &claims);
		problems_join(&problems, &draft->problems);
		if (draft->conflict && conflict == NULL)
			conflict = draft;
		if (refused == NULL)
			refused = draft->refused;
	}
	table_clear(&claims);
	if (problems.first != NULL)
	{
		reply_problems(batch->request, &problems);
		return false;
	}
	if (refused != NULL)
	{
		reply_error(batch->request, 400, "VALIDATION_ERROR", "%s", refused);
		return false;
	}
	if (conflict != NULL)
	{
		if (conflict->holder != NULL)
			reply_error(batch->request, 409, "CONFLICT", "Contact already exists. Existing ID: %llu",
						(unsigned long long) conflict->holder->id);
		else
			reply_error(batch->request, 409, "CONFLICT", "Contact already exists");
		return false;
	}
	for (int i = 0; i < batch->count; i++)
	{
		if (!batch->drafts[i].missing)
			draft_apply(batch->request, &batch->drafts[i]);
	}
	return true;
}

static int
by_record(const void *a, const void *b)
{
	uint64_t	left = (*(const Draft *const *) a)->target->id;
	uint64_t	right = (*(const Draft *const *) b)->target->id;

	return left < right ? -1 : left > right;
}

/* Results come by record id: never rely on the order of the inputs. */
static void
render_results(Batch *batch)
{
	const Draft **done = scratch_alloc(sizeof(Draft *) * (size_t) (batch->count + 1));
	size_t		count = 0;

	for (int i = 0; i < batch->count; i++)
	{
		if (!draft_failed(&batch->drafts[i]))
			done[count++] = &batch->drafts[i];
	}
	qsort(done, count, sizeof(Draft *), by_record);
	batch_begin(batch->request);
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_puts(&batch->request->reply, ",");
		draft_render(&batch->request->reply, done[i]);
	}
}

static void
write_batch(Request *request, Operation operation)
{
	struct json_object *inputs = batch_inputs(request, MAX_INPUTS);
	Batch		batch = {.request = request, .operation = operation};

	if (inputs == NULL)
		return;
	batch.count = (int) json_object_array_length(inputs);
	batch.drafts = scratch_alloc(sizeof(Draft) * (size_t) (batch.count + 1));
	for (int i = 0; i < batch.count; i++)
	{
		batch.drafts[i].type = request->type;
		batch.drafts[i].operation = operation;
		batch.drafts[i].is_strict = strcmp(request->version, "2026-09") == 0;
		if (!draft_read(request, &batch.drafts[i], json_object_array_get_idx(inputs, (size_t) i)))
			return;
	}
	if (operation != OP_CREATE && !(check_id_property(&batch, inputs) && check_duplicates(&batch)))
		return;
	if (!check_traces(&batch))
		return;
	if (batch.partial)
		write_each(&batch);
	else if (!write_all(&batch))
		return;
	report_missing(&batch);
	render_results(&batch);
	batch_end(request, operation == OP_CREATE ? 201 : 200, &batch.errors, batch.error_count);
	buffer_free(&batch.errors);
}

void
objects_upsert(Request *request)
{
	write_batch(request, OP_UPSERT);
}

void
objects_create(Request *request)
{
	write_batch(request, OP_CREATE);
}

void
objects_update(Request *request)
{
	write_batch(request, OP_UPDATE);
}

/* One record: its fault is the status of the request. */
static void
write_one(Request *request, Draft *draft)
{
	draft_check(draft, NULL);
	request->records = 1;
	if (draft->missing)
		reply_not_found(request);
	else if (draft->problems.first != NULL)
		reply_problems(request, &draft->problems);
	else if (draft->refused != NULL)
		reply_error(request, 400, "VALIDATION_ERROR", "%s", draft->refused);
	else if (draft->conflict)
		reply_error(request, 409, "CONFLICT", "Contact already exists. Existing ID: %llu",
					draft->holder ? (unsigned long long) draft->holder->id : 0ULL);
	else
	{
		draft_apply(request, draft);
		request->reply.len = 0;
		draft_render(&request->reply, draft);
		reply_json(request, draft->operation == OP_CREATE ? 201 : 200);
	}
}

void
object_create(Request *request)
{
	Draft		draft = {.type = request->type, .operation = OP_CREATE};

	if (draft_read(request, &draft, request->json))
		write_one(request, &draft);
}

void
object_update(Request *request)
{
	Draft		draft = {.type = request->type, .operation = OP_CREATE};
	const char *id_property = request_query(request, "idProperty");

	/* The body has the shape of a create; the id is in the path. */
	if (!draft_read(request, &draft, request->json))
		return;
	draft.associations = NULL;
	draft.operation = OP_UPDATE;
	draft.id = request->args[0];
	if (id_property != NULL)
	{
		draft.id_property = batch_id_property(request, id_property);
		if (draft.id_property == NULL)
			return;
	}
	write_one(request, &draft);
}
