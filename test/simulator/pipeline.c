/*
 * pipeline.c
 *	  Pipelines over HTTP; see pipeline.h.
 */
#include "pipeline.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "error.h"
#include "property.h"

#define FIRST_ID		990001	/* of pipelines and stages that were made later */
#define MAX_STAGES		100		/* of deals, tickets and custom objects */
#define MAX_STAGES_ELSE	30

static int	last_id = FIRST_ID;

/* "id:label:metadata|...", metadata is a probability of deals, a state of tickets. */
static const struct
{
	const char *type;
	const char *id;
	const char *label;
	const char *stages;
}			standards[] = {

	{"deals", "default", "Sales Pipeline",
		"appointmentscheduled:Appointment Scheduled:0.2|qualifiedtobuy:Qualified To Buy:0.4|"
		"presentationscheduled:Presentation Scheduled:0.6|"
		"decisionmakerboughtin:Decision Maker Bought-In:0.8|contractsent:Contract Sent:0.9|"
	"closedwon:Closed Won:1.0|closedlost:Closed Lost:0.0"},
	{"tickets", "0", "Support Pipeline",
	"1:New:OPEN|2:Waiting on contact:OPEN|3:Waiting on us:OPEN|4:Closed:CLOSED"},
	{"leads", "lead-pipeline-id", "Lead pipeline",
		"new-stage-id:New:|attempting-stage-id:Attempting:|connected-stage-id:Connected:|"
	"qualified-stage-id:Qualified:|unqualified-stage-id:Unqualified:"},
	{"orders", "740100", "Order Pipeline", "740101:Open:|740102:Processed:|740103:Shipped:|740104:Delivered:"},
	{"appointments", "740200", "Appointments Pipeline", "740201:Scheduled:|740202:Completed:|740203:Cancelled:"},
	{"services", "740300", "Services Pipeline", "740301:New:|740302:In progress:|740303:Closed:"},
	{"courses", "740400", "Courses Pipeline", "740401:Planned:|740402:Open:|740403:Over:"},
	{"listings", "740500", "Listings Pipeline", "740501:Draft:|740502:Listed:|740503:Sold:"},
	{"projects", "740600", "Projects Pipeline", "740601:New:|740602:In progress:|740603:Done:"},
};

static Pipeline *
add_pipeline(ObjectType *type, const char *id, const char *label)
{
	Pipeline   *pipeline = must_alloc(sizeof(Pipeline));

	type->pipelines = must_realloc(type->pipelines, sizeof(Pipeline *) * (size_t) (type->pipeline_count + 1));
	pipeline->display_order = type->pipeline_count;
	type->pipelines[type->pipeline_count++] = pipeline;
	pipeline->id = must_strdup(id);
	pipeline->label = must_strdup(label);
	return pipeline;
}

static PipelineStage *
add_stage(Pipeline *pipeline, const char *id, const char *label, const char *metadata)
{
	PipelineStage *stage = must_alloc(sizeof(PipelineStage));

	pipeline->stages = must_realloc(pipeline->stages,
									sizeof(PipelineStage *) * (size_t) (pipeline->stage_count + 1));
	stage->display_order = pipeline->stage_count;
	pipeline->stages[pipeline->stage_count++] = stage;
	stage->id = must_strdup(id);
	stage->label = must_strdup(label);
	stage->metadata = must_strdup(metadata);
	return stage;
}

static const char *
standard_metadata(const char *type, const char *word)
{
	if (strcmp(type, "deals") == 0)
		return scratch_printf("{\"isClosed\":\"%s\",\"probability\":\"%s\"}",
							  strcmp(word, "1.0") == 0 || strcmp(word, "0.0") == 0 ? "true" : "false", word);
	if (strcmp(type, "tickets") == 0)
		return scratch_printf("{\"ticketState\":\"%s\"}", word);
	return "{}";
}

void
pipeline_init(void)
{
	for (size_t i = 0; i < sizeof(standards) / sizeof(standards[0]); i++)
	{
		Pipeline   *pipeline = add_pipeline(type_named(standards[i].type), standards[i].id, standards[i].label);

		for (const char *at = standards[i].stages; *at != '\0';)
		{
			size_t		id = strcspn(at, ":");
			size_t		label = strcspn(at + id + 1, ":");
			size_t		word = strcspn(at + id + label + 2, "|");
			const char *end = at + id + label + 2 + word;

			add_stage(pipeline, scratch_strndup(at, id), scratch_strndup(at + id + 1, label),
					  standard_metadata(standards[i].type, scratch_strndup(end - word, word)));
			at = end + (*end == '|');
		}
	}
}

Pipeline *
pipeline_find(const ObjectType *type, const char *id)
{
	for (int i = 0; i < type->pipeline_count; i++)
	{
		if (!type->pipelines[i]->is_archived && strcmp(type->pipelines[i]->id, id) == 0)
			return type->pipelines[i];
	}
	return NULL;
}

Pipeline *
pipeline_default(const ObjectType *type)
{
	for (int i = 0; i < type->pipeline_count; i++)
	{
		if (!type->pipelines[i]->is_archived)
			return type->pipelines[i];
	}
	return NULL;
}

PipelineStage *
stage_find(const Pipeline *pipeline, const char *id)
{
	for (int i = 0; i < pipeline->stage_count; i++)
	{
		if (!pipeline->stages[i]->is_archived && strcmp(pipeline->stages[i]->id, id) == 0)
			return pipeline->stages[i];
	}
	return NULL;
}

const char *
pipeline_ids(const ObjectType *type)
{
	const char *ids = "";

	for (int i = 0; i < type->pipeline_count; i++)
	{
		if (!type->pipelines[i]->is_archived)
			ids = scratch_printf("%s%s%s", ids, *ids ? ", " : "", type->pipelines[i]->id);
	}
	return ids;
}

const char *
stage_ids(const Pipeline *pipeline)
{
	const char *ids = "";

	for (int i = 0; i < pipeline->stage_count; i++)
	{
		if (!pipeline->stages[i]->is_archived)
			ids = scratch_printf("%s%s%s", ids, *ids ? ", " : "", pipeline->stages[i]->id);
	}
	return ids;
}

bool
stage_is_closed(const PipelineStage *stage)
{
	return strstr(stage->metadata, "\"isClosed\":\"true\"") != NULL;
}

static void
render_stage(Buffer *out, const PipelineStage *stage)
{
	buffer_puts(out, "{\"id\":");
	buffer_json(out, stage->id);
	buffer_puts(out, ",\"label\":");
	buffer_json(out, stage->label);
	buffer_printf(out, ",\"displayOrder\":%d,\"metadata\":%s,\"writePermissions\":\"CRM_PERMISSIONS_ENFORCEMENT\","
				  "\"archived\":%s}", stage->display_order, stage->metadata, stage->is_archived ? "true" : "false");
}

static void
render_stages(Buffer *out, const Pipeline *pipeline)
{
	int			count = 0;

	buffer_puts(out, "[");
	for (int i = 0; i < pipeline->stage_count; i++)
	{
		if (pipeline->stages[i]->is_archived)
			continue;
		if (count++ > 0)
			buffer_puts(out, ",");
		render_stage(out, pipeline->stages[i]);
	}
	buffer_puts(out, "]");
}

static void
render_pipeline(Buffer *out, const Pipeline *pipeline)
{
	buffer_puts(out, "{\"id\":");
	buffer_json(out, pipeline->id);
	buffer_puts(out, ",\"label\":");
	buffer_json(out, pipeline->label);
	buffer_printf(out, ",\"displayOrder\":%d,\"archived\":%s,\"stages\":", pipeline->display_order,
				  pipeline->is_archived ? "true" : "false");
	render_stages(out, pipeline);
	buffer_puts(out, "}");
}

static void
reply_pipeline(Request *request, int status, const Pipeline *pipeline)
{
	request->reply.len = 0;
	render_pipeline(&request->reply, pipeline);
	reply_json(request, status);
}

static void
reply_stage(Request *request, int status, const PipelineStage *stage)
{
	request->reply.len = 0;
	render_stage(&request->reply, stage);
	reply_json(request, status);
}

/* Fills the reply when the type has no pipelines at all. */
static bool
has_pipelines(Request *request)
{
	if (request->type->stage != NULL)
		return true;
	reply_error(request, 400, "VALIDATION_ERROR", "Object type %s has no pipelines", request->type->id);
	return false;
}

/* Of the path; NULL after filling the reply. */
static Pipeline *
pipeline_of_path(Request *request)
{
	Pipeline   *pipeline;

	if (!has_pipelines(request))
		return NULL;
	pipeline = pipeline_find(request->type, request->args[0]);
	if (pipeline == NULL)
		reply_not_found(request);
	return pipeline;
}

static PipelineStage *
stage_of_path(Request *request, Pipeline **pipeline)
{
	PipelineStage *stage;

	*pipeline = pipeline_of_path(request);
	if (*pipeline == NULL)
		return NULL;
	stage = stage_find(*pipeline, request->args[1]);
	if (stage == NULL)
		reply_not_found(request);
	return stage;
}

void
pipelines_list(Request *request)
{
	int			count = 0;

	if (!has_pipelines(request))
		return;
	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"results\":[");
	for (int i = 0; i < request->type->pipeline_count; i++)
	{
		if (request->type->pipelines[i]->is_archived)
			continue;
		if (count++ > 0)
			buffer_puts(&request->reply, ",");
		render_pipeline(&request->reply, request->type->pipelines[i]);
	}
	buffer_puts(&request->reply, "]}");
	reply_json(request, 200);
}

void
pipeline_read(Request *request)
{
	Pipeline   *pipeline = pipeline_of_path(request);

	if (pipeline != NULL)
		reply_pipeline(request, 200, pipeline);
}

void
stages_list(Request *request)
{
	Pipeline   *pipeline = pipeline_of_path(request);

	if (pipeline == NULL)
		return;
	request->reply.len = 0;
	buffer_puts(&request->reply, "{\"results\":");
	render_stages(&request->reply, pipeline);
	buffer_puts(&request->reply, "}");
	reply_json(request, 200);
}

static const char *
next_id(void)
{
	return scratch_printf("%d", last_id++);
}

/* NULL when the stage is fine, else what is wrong with it. */
static const char *
stage_fault(struct json_object *json)
{
	struct json_object *metadata = NULL;

	if (json_text(json, "label") == NULL)
		return "Some required fields were not set: [label]";
	json_object_object_get_ex(json, "metadata", &metadata);
	if (!json_object_is_type(metadata, json_type_object))
		return "Some required fields were not set: [metadata]";
	return NULL;
}

static PipelineStage *
stage_from_json(Pipeline *pipeline, struct json_object *json)
{
	struct json_object *metadata;

	json_object_object_get_ex(json, "metadata", &metadata);
	return add_stage(pipeline, next_id(), json_text(json, "label"),
					 json_object_to_json_string_ext(metadata, JSON_C_TO_STRING_PLAIN));
}

static int
max_stages(const ObjectType *type)
{
	return type->is_custom || strcmp(type->name, "deals") == 0 || strcmp(type->name, "tickets") == 0 ?
		MAX_STAGES : MAX_STAGES_ELSE;
}

void
pipeline_create(Request *request)
{
	const char *label = json_text(request->json, "label");
	struct json_object *stages = NULL;
	const char *fault = NULL;
	Pipeline   *pipeline;

	if (!has_pipelines(request))
		return;
	json_object_object_get_ex(request->json, "stages", &stages);
	if (label == NULL || !json_object_is_type(stages, json_type_array))
		fault = "Some required fields were not set: [label, stages]";
	else if (json_object_array_length(stages) > (size_t) max_stages(request->type))
		fault = "The pipeline has too many stages";
	for (size_t i = 0; fault == NULL && i < json_object_array_length(stages); i++)
		fault = stage_fault(json_object_array_get_idx(stages, i));
	if (fault != NULL)
	{
		reply_error(request, 400, "VALIDATION_ERROR", "%s", fault);
		return;
	}
	pipeline = add_pipeline(request->type, next_id(), label);
	for (size_t i = 0; i < json_object_array_length(stages); i++)
		stage_from_json(pipeline, json_object_array_get_idx(stages, i));
	reply_pipeline(request, 201, pipeline);
}

void
pipeline_change(Request *request)
{
	Pipeline   *pipeline = pipeline_of_path(request);
	const char *label = json_text(request->json, "label");

	if (pipeline == NULL)
		return;
	if (label != NULL)
		pipeline->label = must_strdup(label);
	reply_pipeline(request, 200, pipeline);
}

/* Live records in the stage, "[1, 2]"; NULL: there is none. */
static const char *
users_of(const ObjectType *type, const PipelineStage *stage)
{
	const char *ids = NULL;

	for (size_t i = 0; i < type->object_count; i++)
	{
		const Object *object = type->objects[i];
		const char *value = object->archived || object->erased ? NULL : object_value(object, type->stage);

		if (value != NULL && strcmp(value, stage->id) == 0)
			ids = scratch_printf("%s%s%llu", ids ? ids : "", ids ? ", " : "", (unsigned long long) object->id);
	}
	return ids == NULL ? NULL : scratch_printf("[%s]", ids);
}

/* Is a stage in use, and does the caller mind?  Fills the reply then. */
static bool
is_in_use(Request *request, const PipelineStage *stage)
{
	const char *validate = request_query(request, "validateReferencesBeforeDelete");
	const char *users;

	if (validate == NULL || strcmp(validate, "true") != 0)
		return false;
	users = users_of(request->type, stage);
	if (users == NULL)
		return false;
	reply_error(request, 400, "VALIDATION_ERROR", "Stage %s is in use", stage->id);
	request->reply.len--;
	/* each a single string, brackets included */
	buffer_printf(&request->reply, ",\"subCategory\":\"PipelineError.STAGE_ID_IN_USE\",\"context\":{\"stageIds\":[\"[%s]\"],"
				  "\"objectIds\":[\"%s\"]}}", stage->id, users);
	return true;
}

void
pipeline_delete(Request *request)
{
	Pipeline   *pipeline = pipeline_of_path(request);

	if (pipeline == NULL)
		return;
	for (int i = 0; i < pipeline->stage_count; i++)
	{
		if (!pipeline->stages[i]->is_archived && is_in_use(request, pipeline->stages[i]))
			return;
	}
	pipeline->is_archived = true;
	reply_empty(request, 204);
}

void
stage_create(Request *request)
{
	Pipeline   *pipeline = pipeline_of_path(request);
	const char *fault;

	if (pipeline == NULL)
		return;
	fault = stage_fault(request->json);
	if (fault == NULL && pipeline->stage_count >= max_stages(request->type))
		fault = "The pipeline has too many stages";
	if (fault != NULL)
		reply_error(request, 400, "VALIDATION_ERROR", "%s", fault);
	else
		reply_stage(request, 201, stage_from_json(pipeline, request->json));
}

void
stage_change(Request *request)
{
	Pipeline   *pipeline;
	PipelineStage *stage = stage_of_path(request, &pipeline);
	const char *label = json_text(request->json, "label");

	if (stage == NULL)
		return;
	if (label != NULL)
		stage->label = must_strdup(label);
	reply_stage(request, 200, stage);
}

void
stage_delete(Request *request)
{
	Pipeline   *pipeline;
	PipelineStage *stage = stage_of_path(request, &pipeline);

	if (stage == NULL || is_in_use(request, stage))
		return;
	stage->is_archived = true;
	reply_empty(request, 204);
}
